"""What stops a collection before anything is deleted: signs that not all that is needed is known.

Each is an `UnsafeError` with a code of its own. `Despite` says which the operator takes upon
himself; a sign is still a sign then, and comes back as a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from regctl.drivers.base import StorageDriver
from regctl.errors import PathNotFoundError, StorageError, UnsafeError
from regctl.layout import PathMapper, RepositoryName, others, specs
from regctl.maintenance.gc.survey import Survey
from regctl.maintenance.gc.times import Times
from regctl.maintenance.inventory.content import Inventory, Oddity
from regctl.maintenance.inventory.reader import Reads
from regctl.maintenance.inventory.references import NumberedReferences

#: A collection of untagged revisions is stopped if in more than one in so many repositories the
#: newest thing that would go is newer than all tags.
_MOST_SUSPECT = 10


class Sign(Enum):
    """A sign that what is needed is not all in the tree, or was not all seen."""

    GITLAB_DATABASE = "gitlab-database"
    PULL_THROUGH_CACHE = "pull-through-cache"
    SYMLINK = "symlink"
    FORBIDDEN_NAME = "forbidden-name"
    NO_REVISIONS = "no-revisions"
    #: Of tags: Harbor keeps them in a database of its own.
    HARBOR = "harbor"
    NO_TAGS = "no-tags"
    NEWER_THAN_TAGS = "newer-than-tags"


#: What the operator says with ``--tags-are-complete``.
OF_TAGS = frozenset({Sign.HARBOR, Sign.NO_TAGS, Sign.NEWER_THAN_TAGS})


class IncompleteScanError(UnsafeError):
    """Something could not be listed or read, so that what is needed is not known."""

    code = "incomplete-scan"


class GuardError(UnsafeError):
    """A sign that what is needed is not all known."""

    def __init__(self, sign: Sign, message: str) -> None:
        flag = "--tags-are-complete" if sign in OF_TAGS else f"--despite {sign.value}"
        super().__init__(message, hint=f"if it is right all the same, give {flag}")
        self.code = sign.value


@dataclass(frozen=True, slots=True)
class Guards:
    """The signs that are looked for, but for those ``despite`` which to go on.

    What stands there all the same is put into ``warnings``, as sentences.
    """

    despite: frozenset[Sign]
    warnings: list[str]

    def check_storage(self, driver: StorageDriver) -> None:
        """Look for marks of registries that need more than the tree says.

        Raises `GuardError`, `StorageError`.
        """
        if _exists(driver, others.GITLAB_DATABASE):
            self._found(
                Sign.GITLAB_DATABASE,
                f"{others.GITLAB_DATABASE} says that a GitLab registry keeps its tags and "
                "manifests in a database: what is needed is not in this storage",
            )
        if _exists(driver, others.PULL_THROUGH_CACHE):
            self._found(
                Sign.PULL_THROUGH_CACHE,
                f"{others.PULL_THROUGH_CACHE} says that this is a pull-through cache, which "
                "removes by itself what it does not need, and keeps its own list",
            )

    def check_inventory(self, inventory: Inventory, reads: Reads) -> None:
        """Look whether everything was seen. Raises `GuardError`, and what ``reads`` raises."""
        for oddity, path in inventory.oddities:
            if oddity is Oddity.SYMLINK:
                self._found(
                    Sign.SYMLINK,
                    f"{path} is a symlink, which is not followed: what lies behind it, and what "
                    "that needs, was not seen",
                )
            elif oddity is Oddity.FORBIDDEN_NAME:
                self._found(
                    Sign.FORBIDDEN_NAME,
                    f"{path} has a name that the grammar forbids: what is in there was not looked "
                    "at, nor what it needs",
                )
        repositories = inventory.repositories.values()
        if any(each.tags for each in repositories) and not any(
            isinstance(reads(number), NumberedReferences)
            for each in repositories
            for number in each.revisions
        ):
            self._found(
                Sign.NO_REVISIONS,
                "there are tags, and not one revision that can be read: this storage is damaged, "
                "or not all of it is there",
            )

    def check_tags(self, survey: Survey, times: Times, *, is_harbor: bool) -> None:
        """Look whether tags say what is needed. ``is_harbor``: as a configuration says.

        Raises `GuardError`, `StorageError`.
        """
        if is_harbor:
            self._found(
                Sign.HARBOR,
                "this is the storage of a Harbor, whose tags are in a database: what no tag names "
                "here may have one there",
            )
        contents = survey.inventory.repositories
        filled = [name for name, each in contents.items() if each.revisions]
        if filled and not any(contents[name].tags for name in filled):
            self._found(
                Sign.NO_TAGS,
                "no repository of this storage has a tag, so that every revision would go",
            )
        suspect = [name for name in survey.newest if self._is_suspect(name, survey, times)]
        if len(suspect) * _MOST_SUSPECT > len(filled):
            self._found(
                Sign.NEWER_THAN_TAGS,
                f"in {len(suspect)} of {len(filled)} repositories, {suspect[0]} among them, a "
                "revision that would go is newer than all tags: where new images have no tag, "
                "tags are kept somewhere else (as Harbor does)",
            )

    @staticmethod
    def _is_suspect(name: RepositoryName, survey: Survey, times: Times) -> bool:
        content = survey.inventory.repositories[name]
        mapper = PathMapper(content.layout)
        paths = (mapper.path(specs.TagCurrentLink(name, tag)) for tag in content.tags)
        root = mapper.path(specs.Tags(name))
        modified, _ = times.all(paths, len(content.tags), root, 2 * len(content.tags))
        return all(each < survey.newest[name] for each in modified)

    def _found(self, sign: Sign, message: str) -> None:
        if sign not in self.despite:
            raise GuardError(sign, message)
        self.warnings.append(message)


@contextmanager
def complete_scan() -> Iterator[None]:
    """Within it, what cannot be listed or read raises `IncompleteScanError`."""
    try:
        yield
    except StorageError as error:
        raise IncompleteScanError(
            f"the storage could not be read as a whole, so that nothing is deleted: {error}",
            hint=error.hint,
        ) from error


def _exists(driver: StorageDriver, path: str) -> bool:
    try:
        driver.stat(path, files_only=True)
    except PathNotFoundError:
        return False
    return True
