"""The scan of an object store: one listing of all blobs, one of everything in repositories."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from regctl.digest import Digest
from regctl.drivers.base import Entry, Kind, StorageDriver
from regctl.errors import PathNotFoundError, RegctlError
from regctl.layout import LAYOUT_ROOT, Layout, PathMapper, Tag, UploadId, specs
from regctl.layout.bulk import LINK_BYTES, pack_hex
from regctl.layout.evidence import is_marker
from regctl.layout.mapper import name_or_none
from regctl.maintenance.inventory.content import Oddity, RepositoryContent
from regctl.maintenance.inventory.gathering import Gathering, Progress
from regctl.maintenance.inventory.links import LinkReader
from regctl.maintenance.inventory.table import NumberSet

_BLOBS = f"{LAYOUT_ROOT}/blobs"
_REPOSITORIES = f"{LAYOUT_ROOT}/repositories"
#: Where a repository's name begins in a path.
_NAME = len(_REPOSITORIES) + 1
_HEX = 64
#: What all paths of blobs by sha256 have in common, how long they are, and where the digits begin.
_BLOB = f"{_BLOBS}/sha256/"
_BLOB_LENGTH = len(_BLOB) + len("00/") + _HEX + len("/data")
_DIGITS = len(_BLOB) + len("00/")
_LAYER = "_layers/sha256/"
_REVISION = "_manifests/revisions/sha256/"
_TAGS = "_manifests/tags/"
_UPLOADS = "_uploads/"
_LINK = "/link"
#: How many names are held before they become numbers.
_BATCH = 8192


class FlatScan:
    """The scan of one storage."""

    def __init__(
        self, driver: StorageDriver, gathering: Gathering, reader: LinkReader, progress: Progress
    ) -> None:
        self._driver = driver
        self._gathering = gathering
        self._reader = reader
        self._progress = progress
        self._mapper = PathMapper()
        self._contents: dict[str, RepositoryContent | None] = {}
        #: By repository the digits of layer links that are believed.
        self._layers: dict[str, list[str]] = {}
        self._held = 0
        self._currents: dict[str, tuple[RepositoryContent, Tag]] = {}

    def blobs(self, found: NumberSet) -> None:
        """Add all blobs to ``found``."""
        table = self._gathering.table
        names: list[str] = []
        for entry in self._walk(_BLOBS, stat=False):
            path = entry.path
            if _is_blob(path) and entry.kind is Kind.FILE:
                names.append(path[_DIGITS : _DIGITS + _HEX])
                if len(names) >= _BATCH:
                    found.update(self._blob_numbers(names))
                    names = []
                continue
            spec = self._mapper.parse_file(path) if entry.kind is Kind.FILE else None
            if isinstance(spec, specs.BlobData):
                found.add(table.number(spec.digest))
                self._progress(1)
            else:
                self._gathering.stray(path, entry.kind)
        found.update(self._blob_numbers(names))

    def _blob_numbers(self, names: list[str]) -> array[int]:
        packed, bad = pack_hex(names)
        for each in bad:
            self._gathering.stray(f"{_BLOB}{each[:2]}/{each}/data", Kind.FILE)
        self._progress(len(names))
        return self._gathering.table.numbers_of_packed(packed)

    def repositories(self) -> None:
        """Gather what all repositories have."""
        for entry in self._walk(_REPOSITORIES, stat=True):
            path = entry.path
            # No name of a repository has a component that begins so: here its own things begin.
            at = path.find("/_", _NAME - 1) + 1
            if entry.kind is not Kind.FILE:
                self._gathering.stray(path, entry.kind)
            elif not at:
                self._file(entry)
            elif entry.size == LINK_BYTES and _is_link(path, _LAYER, at):
                self._layer(path, at)
            else:
                self._part(entry, at)
        self._give_layers()
        self._gathering.read_links()
        for path, said in self._reader.read(self._currents):
            self._gathering.current(*self._currents[path], said, path)

    def _layer(self, path: str, at: int) -> None:
        names = self._layers.get(path[_NAME : at - 1])
        if names is None:
            names = self._layers[path[_NAME : at - 1]] = []
        names.append(path[-_HEX - len(_LINK) : -len(_LINK)])
        self._held += 1
        if self._held >= _BATCH:
            self._give_layers()

    def _give_layers(self) -> None:
        for name, names in self._layers.items():
            content = self._content(name)
            if content is None:
                continue
            packed, bad = pack_hex(names)
            self._gathering.layers(content, self._gathering.table.numbers_of_packed(packed))
            for each in bad:
                path = f"{_REPOSITORIES}/{name}/{_LAYER}{each}{_LINK}"
                self._gathering.stray(path, Kind.FILE)
        self._progress(self._held)
        self._layers, self._held = {}, 0

    def _content(self, name: str) -> RepositoryContent | None:
        """The repository of this name; None, and a report, if it can be no name."""
        try:
            return self._contents[name]
        except KeyError:
            parsed = name_or_none(name)
        if parsed is None:
            directory = f"{_REPOSITORIES}/{name}".rstrip("/")
            self._gathering.odd(directory, Kind.DIRECTORY, Oddity.FORBIDDEN_NAME)
            found = None
        else:
            found = self._gathering.repository(parsed, Layout.CURRENT)
        self._contents[name] = found
        return found

    def _part(self, entry: Entry, at: int) -> None:
        """A file with a component that begins with ``_``, which stands at ``at`` in its path."""
        path = entry.path
        end = path.find("/", at)
        content = None
        if end > 0 and is_marker(path[:end]):
            content = self._content(path[_NAME : at - 1])
            if content is None:
                return
        if content is None or not self._quickly(content, entry, at):
            self._file(entry)

    def _quickly(self, content: RepositoryContent, entry: Entry, at: int) -> bool:
        """Take in a file of ``content`` if it is of a common kind."""
        path = entry.path
        if _is_link(path, _REVISION, at):
            revision = _digest_or_none("sha256", path[-_HEX - len(_LINK) : -len(_LINK)])
            if revision is not None:
                self._gathering.revision(content, revision, path, entry.size)
                self._progress(1)
            return revision is not None
        if path.startswith(_TAGS, at):
            return self._tag_file(content, entry, path[at + len(_TAGS) :].split("/"))
        if path.startswith(_UPLOADS, at):
            content.has_uploads = True
            return self._upload_file(content, path[at + len(_UPLOADS) :])
        return False

    def _tag_file(self, content: RepositoryContent, entry: Entry, parts: list[str]) -> bool:
        is_current = len(parts) == 3 and parts[1:] == ["current", "link"]
        is_index = len(parts) == 5 and parts[1] == "index" and parts[4] == "link"
        digest = _digest_or_none(parts[2], parts[3]) if is_index else None
        if not is_current and digest is None:
            return False
        try:
            tag = Tag.parse(parts[0])
        except RegctlError:
            return False
        found = self._gathering.tag(content, tag)
        if digest is None:
            self._currents[entry.path] = (content, tag)
            self._progress(1)
        else:
            self._gathering.index_entry(found, digest, entry.path, entry.size)
        return True

    def _upload_file(self, content: RepositoryContent, below: str) -> bool:
        name, slash, _ = below.partition("/")
        try:
            upload = UploadId.parse(name)
        except RegctlError:
            return False
        if slash:
            self._gathering.upload(content, upload)
        return bool(slash)

    def _file(self, entry: Entry) -> None:
        """A file that can be anything."""
        found = self._gathering.file(entry.path, entry.size)
        if found is not None:
            self._currents[entry.path] = found

    def _walk(self, path: str, *, stat: bool) -> Iterator[Entry]:
        """All files below ``path``; none if there are none."""
        try:
            yield from self._driver.walk(path, stat=stat)
        except PathNotFoundError as error:
            if error.path != path:
                raise


def _is_blob(path: str) -> bool:
    """Whether ``path`` is that of a blob, if its digits are digits."""
    return (
        len(path) == _BLOB_LENGTH
        and path.startswith(_BLOB)
        and path.endswith("/data")
        and path[_DIGITS - 3 : _DIGITS] == path[_DIGITS : _DIGITS + 2] + "/"
    )


def _is_link(path: str, kind: str, at: int) -> bool:
    """Whether ``kind`` stands at ``at`` in ``path``, and 64 characters and a link follow."""
    return (
        len(path) == at + len(kind) + _HEX + len(_LINK)
        and path.startswith(kind, at)
        and path.endswith(_LINK)
    )


def _digest_or_none(algorithm: str, digits: str) -> Digest | None:
    try:
        return Digest.parse(f"{algorithm}:{digits}")
    except RegctlError:
        return None
