"""Tags of a repository: what each names now, and every revision that it ever named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from regctl.digest import Digest
from regctl.drivers.base import Kind, StorageDriver
from regctl.errors import InvalidNameError, NotFoundError, PathNotFoundError
from regctl.layout import PathMapper, RepositoryName, Tag, specs
from regctl.registry.links import DamagedLinkError, read_link, write_link

#: Registry 2.x truncates a link and then writes it, so that a read while a tag moves can find it
#: empty or short. Such a read is repeated this often, this many seconds apart.
_TORN_READS = 5
_TORN_PAUSE = 0.05


class TagNotFoundError(NotFoundError):
    """A repository has no such tag, or the tag names nothing."""

    code = "tag-not-found"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A revision in a tag's index. ``linked_at`` is the time of its link, in epoch seconds."""

    revision: Digest
    linked_at: float


class TagService:
    """The tags of one repository."""

    def __init__(
        self,
        driver: StorageDriver,
        mapper: PathMapper,
        name: RepositoryName,
        sleep: Callable[[float], None],
    ) -> None:
        self._driver = driver
        self._mapper = mapper
        self._sleep = sleep
        self.name = name

    def list(self) -> list[Tag]:
        """All tags by name: every directory below ``tags`` that can be one, as registries list."""
        try:
            entries = self._driver.list(self._mapper.path(specs.Tags(self.name)))
        except PathNotFoundError:
            return []
        found = (_tag_of(entry.name) for entry in entries if entry.kind is Kind.DIRECTORY)
        return [tag for tag in found if tag is not None]

    def get(self, tag: Tag) -> Digest:
        """The revision that ``tag`` names.

        Raises `TagNotFoundError`; `DamagedLinkError` if its link stays unreadable when read
        again (a registry may be moving the tag at this moment).
        """
        path = self._mapper.path(specs.TagCurrentLink(self.name, tag))
        reads_left = _TORN_READS
        while True:
            try:
                return read_link(self._driver, path)
            except PathNotFoundError as error:
                raise self._not_found(tag) from error
            except DamagedLinkError:
                reads_left -= 1
                if not reads_left:
                    raise
                self._sleep(_TORN_PAUSE)

    def _not_found(self, tag: Tag) -> TagNotFoundError:
        if self.history(tag):
            return TagNotFoundError(
                f"the tag {self.name}:{tag} names nothing: its current link is missing, "
                "its index is there",
                hint=f"'regctl history {self.name}:{tag}' lists what it named; "
                f"'regctl rollback {self.name}:{tag} DIGEST' sets it again",
            )
        return TagNotFoundError(
            f"there is no tag {tag} in the repository {self.name}",
            hint=f"'regctl ls {self.name}' lists its tags",
        )

    def history(self, tag: Tag) -> Sequence[IndexEntry]:
        """Every revision in the tag's index, newest link first; empty where there is no index."""
        found = []
        try:
            for entry in self._driver.walk(self._mapper.path(specs.TagIndex(self.name, tag))):
                spec = self._mapper.parse_file(entry.path)
                if entry.kind is Kind.FILE and isinstance(spec, specs.TagIndexEntryLink):
                    found.append(IndexEntry(spec.revision, entry.modified))
        except PathNotFoundError:
            return []
        return sorted(found, key=lambda each: (-each.linked_at, each.revision))

    def set(self, tag: Tag, revision: Digest) -> None:
        """Move ``tag`` to ``revision``: the index gains it first, ``current`` moves last.

        The caller has made sure that the revision is complete.
        """
        write_link(
            self._driver,
            self._mapper.path(specs.TagIndexEntryLink(self.name, tag, revision)),
            revision,
        )
        write_link(self._driver, self._mapper.path(specs.TagCurrentLink(self.name, tag)), revision)

    def remove(self, tag: Tag) -> None:
        """Remove ``tag`` with its index; its revisions stay. Raises `TagNotFoundError`.

        ``current`` goes after the index, so that a crash leaves a tag that still works.
        """
        root = self._mapper.path(specs.TagDirectory(self.name, tag))
        current = self._mapper.path(specs.TagCurrentLink(self.name, tag))
        try:
            entries = list(self._driver.walk(root, stat=False))
        except PathNotFoundError as error:
            raise self._not_found(tag) from error
        files = [entry.path for entry in entries if entry.kind is not Kind.DIRECTORY]
        for path in sorted(files, key=lambda each: (each == current, each)):
            self._delete(path)
        directories = [entry.path for entry in entries if entry.kind is Kind.DIRECTORY]
        for path in sorted([root, *directories], key=len, reverse=True):
            self._driver.rmdir(path)

    def remove_from_index(self, tag: Tag, revision: Digest) -> None:
        """Remove ``revision`` from the tag's index; nothing if it is not in it."""
        entry = self._mapper.path(specs.TagIndexEntryLink(self.name, tag, revision))
        self._delete(entry)
        self._driver.rmdir(entry.rpartition("/")[0])

    def _delete(self, path: str) -> None:
        try:
            self._driver.delete(path)
        except PathNotFoundError:
            return


def _tag_of(name: str) -> Tag | None:
    """The tag whose directory has this name; None if it is no tag's."""
    try:
        return Tag.parse(name)
    except InvalidNameError:
        return None
