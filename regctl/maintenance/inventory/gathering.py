"""What a scan has found so far: links given their places, whatever order they are met in."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import lru_cache

from regctl.digest import Digest
from regctl.drivers.base import Kind, StorageDriver
from regctl.drivers.objects.keys import is_odd
from regctl.errors import PathNotFoundError
from regctl.layout import Layout, PathMapper, RepositoryName, Tag, UploadId, specs
from regctl.layout.bulk import LINK_BYTES, is_temporary
from regctl.maintenance.inventory.content import (
    Inventory,
    Oddity,
    RepositoryContent,
    TagContent,
)
from regctl.maintenance.inventory.links import Fault, LinkReader, Said

#: How many links that have to be read are held before they are.
_MOST_UNREAD = 4096
_MAPPERS = {layout: PathMapper(layout) for layout in Layout}

#: Told how many more blobs, links and tags were seen.
Progress = Callable[[int], None]


class Gathering:
    """Fills ``inventory``. A link comes with its size, None where it is not known, and is read
    unless it is of the one size that a link to its own sha256 digest has.

    Before `read_links` was called for the last time, things are missing.
    """

    def __init__(self, driver: StorageDriver, inventory: Inventory, reader: LinkReader) -> None:
        self.inventory = inventory
        self.table = inventory.table
        #: Repositories of 2015 of which there is a file that can be nothing else.
        self.certain_2015: set[RepositoryName] = set()
        self._driver = driver
        self._reader = reader
        self._unread: dict[str, Callable[[Said], None]] = {}
        self._uploads: set[tuple[RepositoryName, UploadId]] = set()
        self._odd: set[str] = set()

    def repository(self, name: RepositoryName, layout: Layout) -> RepositoryContent:
        """The repository ``name``, of which something in ``layout`` is there."""
        repositories = self.inventory.repositories
        found = repositories.get(name)
        if found is None:
            found = repositories[name] = RepositoryContent(name, layout)
        elif layout is not found.layout:
            found.is_mixed, found.layout = True, Layout.CURRENT
        return found

    def layers(self, content: RepositoryContent, numbers: array[int]) -> None:
        """Layer links that are believed."""
        content.has_layers = True
        content.layers.extend(numbers)

    def layer(
        self, content: RepositoryContent, digest: Digest, path: str, size: int | None
    ) -> None:
        """The layer link at ``path``, with ``digest`` in its path."""
        content.has_layers = True
        self._link(content.layers, content.layer_aliases, self.table.number(digest), path, size)

    def revision(
        self, content: RepositoryContent, digest: Digest, path: str, size: int | None
    ) -> None:
        """The revision link at ``path``."""
        content.has_manifests = True
        number = self.table.number(digest)
        self._link(content.revisions, content.revision_aliases, number, path, size)

    def _link(
        self,
        links: array[int],
        aliases: dict[int, int | None],
        number: int,
        path: str,
        size: int | None,
    ) -> None:
        def add(said: Said) -> None:
            if said is Fault.ABSENT:
                self.inventory.vanished.add(number)
                return
            links.append(number)
            if said != number:
                aliases[number] = said if isinstance(said, int) else None

        self._when_read(number, path, size, add)

    def signature(
        self,
        content: RepositoryContent,
        revision: Digest,
        signature: Digest,
        path: str,
        size: int | None,
    ) -> None:
        """The link at ``path`` to a signature of ``revision``: its path counts, and its content."""
        content.has_manifests = True
        beside = content.signatures.setdefault(self.table.number(revision), array("I"))
        self._add_both(beside, self.table.number(signature), path, size)

    def index_entry(self, tag: TagContent, revision: Digest, path: str, size: int | None) -> None:
        """The link at ``path`` in the index of ``tag``: its path counts, and its content."""
        self._add_both(tag.index, self.table.number(revision), path, size)

    def _add_both(self, links: array[int], number: int, path: str, size: int | None) -> None:
        def add(said: Said) -> None:
            if said is Fault.ABSENT:
                self.inventory.vanished.add(number)
                return
            links.append(number)
            if isinstance(said, int) and said != number:
                links.append(said)

        self._when_read(number, path, size, add)

    def _when_read(
        self, number: int, path: str, size: int | None, add: Callable[[Said], None]
    ) -> None:
        if size == LINK_BYTES and self.table.packed(number) is not None:
            add(number)
            return
        self._unread[path] = add
        if len(self._unread) >= _MOST_UNREAD:
            self.read_links()

    def read_links(self) -> None:
        """Read the links that have to be read and were not yet."""
        unread, self._unread = self._unread, {}
        for path, said in self._reader.read(unread):
            unread[path](said)

    def tag(self, content: RepositoryContent, tag: Tag) -> TagContent:
        """The tag ``tag``, of which something is there."""
        content.has_manifests = True
        found = content.tags.get(tag)
        if found is None:
            found = content.tags[tag] = TagContent(None, problem=Fault.ABSENT.value)
        return found

    def current(self, content: RepositoryContent, tag: Tag, said: Said, path: str) -> None:
        """What the current link of ``tag`` at ``path`` says. If it is gone with the whole tag,
        the tag is left out: it was deleted meanwhile. In a mixed repository a tag can have one in
        either layout: then the current layout's counts, if it says anything."""
        found = self.tag(content, tag)
        if isinstance(said, int):
            if found.current is None or path == _current_path(content.name, tag):
                found.current, found.problem = said, ""
            return
        if found.current is not None:
            return
        found.problem = said.value
        if said is Fault.ABSENT and self._is_gone(path.removesuffix("/current/link")):
            self.inventory.vanished.update(found.index)
            del content.tags[tag]

    def _is_gone(self, directory: str) -> bool:
        try:
            self._driver.list(directory)
        except PathNotFoundError:
            return True
        return False

    def upload(self, content: RepositoryContent, upload: UploadId) -> None:
        """An upload of which something is there."""
        content.has_uploads = True
        if (content.name, upload) not in self._uploads:
            self._uploads.add((content.name, upload))
            content.uploads.append(upload)

    def file(self, path: str, size: int | None) -> tuple[RepositoryContent, Tag] | None:
        """A file below the repositories that can be anything. Where it is the current link of a
        tag, which is to be read, that tag."""
        for layout, mapper in _MAPPERS.items():
            spec = mapper.parse_file(path)
            if not isinstance(spec, specs.Foreign):
                return self._spec(spec, layout, path, size)
        self.stray(path, Kind.FILE)
        return None

    def _spec(
        self, spec: specs.Spec, layout: Layout, path: str, size: int | None
    ) -> tuple[RepositoryContent, Tag] | None:
        name = getattr(spec, "name", None)
        assert isinstance(name, RepositoryName), f"{path} lies below the repositories"
        content = self.repository(name, layout)
        if layout is Layout.Y2015:
            # There are few of these, and their sizes are not known everywhere: each is read.
            size = None
            if not isinstance(spec, specs.UploadData):
                self.certain_2015.add(name)
        match spec:
            case specs.LayerLink():
                self.layer(content, spec.digest, path, size)
            case specs.RevisionLink():
                self.revision(content, spec.revision, path, size)
            case specs.SignatureLink():
                self.signature(content, spec.revision, spec.signature, path, size)
            case specs.TagIndexEntryLink():
                self.index_entry(self.tag(content, spec.tag), spec.revision, path, size)
            case specs.TagCurrentLink():
                self.tag(content, spec.tag)
                return content, spec.tag
            case specs.UploadData() | specs.UploadStartedAt() | specs.HashState():
                self.upload(content, spec.upload)
        return None

    def stray(self, path: str, kind: Kind) -> None:
        """Something that is of no repository. Of a file that lies in a directory that no layout
        has a place for, the topmost such directory is reported."""
        above = path.rpartition("/")[0] if kind is Kind.FILE else ""
        unknown = _unknown_above(above)
        if unknown is not None:
            self.odd(unknown, Kind.DIRECTORY)
        else:
            self.odd(path, kind)

    def odd(self, path: str, kind: Kind, oddity: Oddity | None = None) -> None:
        """Report what stands at ``path``, once."""
        if path not in self._odd:
            self._odd.add(path)
            self.inventory.oddities.append((oddity or _oddity(path, kind), path))


def _current_path(name: RepositoryName, tag: Tag) -> str:
    return _MAPPERS[Layout.CURRENT].path(specs.TagCurrentLink(name, tag))


def _oddity(path: str, kind: Kind) -> Oddity:
    if kind is Kind.SYMLINK:
        return Oddity.SYMLINK
    if kind is Kind.DIRECTORY:
        return Oddity.UNKNOWN_DIRECTORY
    if kind is Kind.FILE and is_temporary(path.rpartition("/")[2]):
        return Oddity.TEMPORARY_FILE
    if kind is Kind.OTHER and is_odd(path):
        return Oddity.MARKER if path.endswith("/") else Oddity.FORBIDDEN_NAME
    return Oddity.FOREIGN_FILE


@lru_cache(maxsize=4096)
def _unknown_above(directory: str) -> str | None:
    """The topmost of ``directory`` and those above it that no layout has a place for."""
    above = directory.rpartition("/")[0]
    found = _unknown_above(above) if above else None
    return directory if found is None and directory and _is_unknown(directory) else found


def _is_unknown(directory: str) -> bool:
    return all(
        isinstance(spec, specs.Foreign)
        for mapper in _MAPPERS.values()
        for spec in mapper.parse_directory(directory)
    )
