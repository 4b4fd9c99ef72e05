"""The scan of a storage with directories: by names alone, and one look at each link."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from regctl.digest import Digest
from regctl.digest.digest import HEX_LENGTHS, TARSUM_LABELS
from regctl.drivers.base import NOT_A_FILE, NOTHING, Kind, Probed, StorageDriver
from regctl.errors import InvalidNameError, PathNotFoundError, RegctlError
from regctl.layout import LAYOUT_ROOT, Layout, RepositoryName, Tag, UploadId
from regctl.layout.bulk import LINK_BYTES, is_shard, pack_hex
from regctl.layout.evidence import Part, evidence, is_marker, part_of
from regctl.layout.mapper import name_or_none
from regctl.maintenance.inventory.content import Oddity, RepositoryContent
from regctl.maintenance.inventory.gathering import Gathering, Progress
from regctl.maintenance.inventory.links import LinkReader
from regctl.maintenance.inventory.table import NumberSet

_BLOBS = f"{LAYOUT_ROOT}/blobs"
_REPOSITORIES = f"{LAYOUT_ROOT}/repositories"
_SHA256 = "sha256"
_SIGNATURES = "signatures"
#: How many names are held at a time, however many a directory has.
_BATCH = 8192
_Value = TypeVar("_Value")


class TreeScan:
    """The scan of one storage. ``thorough``: whether all directories of tags and revisions are
    looked into, and not only where that tells what is needed."""

    def __init__(
        self,
        driver: StorageDriver,
        gathering: Gathering,
        reader: LinkReader,
        progress: Progress,
        *,
        thorough: bool,
    ) -> None:
        self._driver = driver
        self._gathering = gathering
        self._reader = reader
        self._progress = progress
        self._thorough = thorough
        #: Directories of repositories in the current layout, and those that may be of 2015.
        self._current: list[str] = []
        self._plain: list[tuple[str, RepositoryName]] = []
        #: Files that lie in no part of a repository: links of 2015, or anything.
        self._files: list[str] = []

    def blobs(self, found: NumberSet) -> None:
        """Add all blobs to ``found``."""
        for algorithm, directory in self._algorithms(_BLOBS, _BLOBS):
            for shard in self._directories(directory, is_shard):
                below = f"{directory}/{shard}"
                for names in self._batches(below):
                    strangers = {name for name in names if not name.startswith(shard)}
                    good = [each for each in names if each not in strangers] if strangers else names
                    found.update(self._numbers(algorithm, good, below))
                    self._report(below, strangers)
                    self._progress(len(names))

    def repositories(self) -> None:
        """Gather what all repositories have."""
        self._descend(_REPOSITORIES)
        self._gathering.read_links()
        self._find_2015()
        # What that found is still to be read as well.
        self._gathering.read_links()

    def _descend(self, top: str) -> None:
        """Look for repositories below ``top``; the way down is no deeper than this list."""
        waiting = [top]
        while waiting:
            directory = waiting.pop()
            markers: list[str] = []
            for name, kind, _ in self._probe(directory):
                path = f"{directory}/{name}"
                if kind is Kind.FILE:
                    self._files.append(path)
                elif kind is not Kind.DIRECTORY:
                    self._gathering.stray(path, kind)
                elif is_marker(path):
                    markers.append(path)
                elif name.startswith("_") and not directory.endswith("/manifests/tags"):
                    self._gathering.odd(path, kind)
                else:
                    waiting.append(path)
                    if (proof := evidence(path)) is not None:
                        self._plain.append((path, proof[1]))
            if markers:
                self._repository(directory, markers)

    def _repository(self, directory: str, markers: Iterable[str]) -> None:
        """A repository of the current layout, with its parts."""
        name = name_or_none(directory[len(_REPOSITORIES) + 1 :])
        if name is None:
            self._gathering.odd(directory, Kind.DIRECTORY, Oddity.FORBIDDEN_NAME)
            return
        self._current.append(directory)
        content = self._gathering.repository(name, Layout.CURRENT)
        for path in markers:
            part = part_of(path)
            if part is Part.MANIFESTS:
                self._manifests(content, path)
            elif part is Part.LAYERS:
                self._layers(content, path)
            else:
                self._uploads(content, path)

    def _layers(self, content: RepositoryContent, path: str) -> None:
        content.has_layers = True
        for algorithm, directory in self._algorithms(path, path):
            names: list[str] = []
            for name, kind, size in self._probe(directory, "link"):
                if size == LINK_BYTES and algorithm == _SHA256:
                    names.append(name)
                    if len(names) >= _BATCH:
                        self._believed(content, names, directory)
                        names = []
                else:
                    digest = self._link(algorithm, directory, name, kind, size)
                    if digest is not None:
                        link = f"{directory}/{name}/link"
                        self._gathering.layer(content, digest, link, size)
            self._believed(content, names, directory)

    def _believed(self, content: RepositoryContent, names: list[str], directory: str) -> None:
        self._gathering.layers(content, self._numbers(_SHA256, names, directory))
        self._progress(len(names))

    def _manifests(self, content: RepositoryContent, path: str) -> None:
        content.has_manifests = True
        for name, kind, _ in self._probe(path):
            below = f"{path}/{name}"
            if kind is Kind.DIRECTORY and name == "revisions":
                self._revisions(content, below)
            elif kind is Kind.DIRECTORY and name == "tags":
                self._tags(content, below)
            else:
                self._gathering.odd(below, kind)

    def _revisions(self, content: RepositoryContent, path: str) -> None:
        for algorithm, directory in self._algorithms(path, path):
            names: list[str] = []
            for name, kind, size in self._probe(directory, "link", others=self._thorough):
                if size == LINK_BYTES and algorithm == _SHA256:
                    names.append(name)
                elif "/" in name:
                    self._beside_revision(content, algorithm, directory, name, kind)
                else:
                    listed = self._thorough
                    digest = self._link(algorithm, directory, name, kind, size, listed=listed)
                    if digest is not None and size >= 0:
                        link = f"{directory}/{name}/link"
                        self._gathering.revision(content, digest, link, size)
            content.revisions.extend(self._numbers(_SHA256, names, directory))
            self._progress(len(names))
            if not self._thorough:
                self._find_signatures(content, algorithm, directory)

    def _find_signatures(self, content: RepositoryContent, algorithm: str, directory: str) -> None:
        """Look for signatures in all directories of revisions, and into those that have any."""
        for name, _, size in self._probe(directory, _SIGNATURES):
            if size != NOTHING:
                for other, kind, _ in self._probe(f"{directory}/{name}"):
                    if other != "link" or kind is not Kind.FILE:
                        below = f"{name}/{other}"
                        self._beside_revision(content, algorithm, directory, below, kind)

    def _beside_revision(
        self, content: RepositoryContent, algorithm: str, directory: str, name: str, kind: Kind
    ) -> None:
        """What stands beside a revision's link: its signatures, or anything."""
        digits, _, last = name.partition("/")
        path = f"{directory}/{name}"
        revision = _digest_or_none(algorithm, digits)
        if revision is None:
            return  # the directory above was reported
        if kind is not Kind.DIRECTORY or last != _SIGNATURES:
            self._gathering.odd(path, kind)
            return
        for signature, link, size in self._links(path):
            self._gathering.signature(content, revision, signature, link, size)

    def _tags(self, content: RepositoryContent, path: str) -> None:
        tags: dict[str, Tag] = {}
        for name, kind, _ in self._probe(path):
            tag = _parsed_or_none(Tag.parse, name) if kind is Kind.DIRECTORY else None
            if tag is None:
                self._gathering.odd(f"{path}/{name}", kind)
            else:
                tags[f"{path}/{name}/current/link"] = tag
        if self._thorough:
            for link, tag in tags.items():
                self._tag_directory(content, tag, link.removesuffix("/current/link"))
        for link, said in self._reader.read(tags):
            tag = tags[link]
            self._gathering.current(content, tag, said, link)
            if not self._thorough and not isinstance(said, int) and tag in content.tags:
                self._tag_directory(content, tag, link.removesuffix("/current/link"))
        self._progress(len(tags))

    def _tag_directory(self, content: RepositoryContent, tag: Tag, path: str) -> None:
        """The index of a tag, and what else lies there."""
        found = self._gathering.tag(content, tag)
        for name, kind, _ in self._probe(path):
            below = f"{path}/{name}"
            if kind is Kind.DIRECTORY and name == "index":
                for revision, link, size in self._links(below):
                    self._gathering.index_entry(found, revision, link, size)
            elif kind is Kind.DIRECTORY and name == "current":
                for each, other, _ in self._probe(below):
                    if each != "link" or other is not Kind.FILE:
                        self._gathering.odd(f"{below}/{each}", other)
            else:
                self._gathering.odd(below, kind)

    def _uploads(self, content: RepositoryContent, path: str) -> None:
        content.has_uploads = True
        for name, kind, _ in self._probe(path):
            upload = _parsed_or_none(UploadId.parse, name) if kind is Kind.DIRECTORY else None
            if upload is None:
                self._gathering.odd(f"{path}/{name}", kind)
            else:
                self._gathering.upload(content, upload)

    def _links(self, path: str) -> Iterator[tuple[Digest, str, int]]:
        """Digest, path and size of the links below ``path``, few of them."""
        for algorithm, directory in self._algorithms(path, path):
            for name, kind, size in self._probe(directory, "link"):
                digest = self._link(algorithm, directory, name, kind, size)
                if digest is not None:
                    yield digest, f"{directory}/{name}/link", size

    def _link(
        self,
        algorithm: str,
        directory: str,
        name: str,
        kind: Kind,
        size: int,
        *,
        listed: bool = False,
    ) -> Digest | None:
        """The digest of what was probed, if a link is there, or ``listed`` says that what is there
        instead is seen anyhow; else that is reported."""
        path = f"{directory}/{name}"
        digest = _digest_or_none(algorithm, name) if kind is Kind.DIRECTORY else None
        if digest is None:
            self._gathering.odd(path, kind)
        elif size in (NOTHING, NOT_A_FILE) and not listed:
            for each, other, _ in self._probe(path):
                if each != _SIGNATURES or other is not Kind.DIRECTORY:
                    self._gathering.odd(f"{path}/{each}", other)
            return None
        return digest

    def _algorithms(self, top: str, path: str, label: str = "") -> Iterator[tuple[str, str]]:
        """Each directory below ``top`` for the digests of one algorithm, with the algorithm."""
        for name in self._directories(path, lambda name: _leads_to_digests(name, top, path)):
            below = f"{path}/{name}"
            if name in HEX_LENGTHS and (path == top or label):
                yield (f"{label}+{name}" if label else name), below
            else:
                yield from self._algorithms(top, below, TARSUM_LABELS.get(name, ""))

    def _directories(self, path: str, is_known: Callable[[str], bool]) -> Iterator[str]:
        """The names of the directories in ``path`` that are known; the rest is reported."""
        for name, kind, _ in self._probe(path):
            if kind is Kind.DIRECTORY and is_known(name):
                yield name
            else:
                self._gathering.odd(f"{path}/{name}", kind)

    def _batches(self, path: str) -> Iterator[list[str]]:
        """The names of the directories in ``path``; the rest is reported."""
        names: list[str] = []
        for name, kind, _ in self._probe(path):
            if kind is not Kind.DIRECTORY:
                self._gathering.odd(f"{path}/{name}", kind)
                continue
            names.append(name)
            if len(names) >= _BATCH:
                yield names
                names = []
        yield names

    def _numbers(self, algorithm: str, names: list[str], path: str) -> array[int]:
        """The numbers of the digests that directories in ``path`` are named for."""
        table = self._gathering.table
        if algorithm == _SHA256:
            packed, bad = pack_hex(names)
            self._report(path, bad)
            return table.numbers_of_packed(packed)
        digests = {name: _digest_or_none(algorithm, name) for name in names}
        self._report(path, (name for name, digest in digests.items() if digest is None))
        return array("I", [table.number(each) for each in digests.values() if each is not None])

    def _report(self, path: str, names: Iterable[str]) -> None:
        """Report directories in ``path``."""
        for name in names:
            self._gathering.odd(f"{path}/{name}", Kind.DIRECTORY)

    def _probe(self, path: str, name: str = "", *, others: bool = False) -> Iterator[Probed]:
        """As the driver; nothing if the directory is not there, or gone since it was seen."""
        try:
            yield from self._driver.probe(path, name, others=others)
        except PathNotFoundError as error:
            if error.path != path:
                raise

    def _find_2015(self) -> None:
        """Repositories of January 2015: by their files, and by directories that, as no current
        repository lies there, cannot be anything else."""
        currents: dict[str, tuple[RepositoryContent, Tag]] = {}
        for path in self._files:
            found = self._gathering.file(path, None)
            if found is not None:
                currents[path] = found
        for path, said in self._reader.read(currents):
            self._gathering.current(*currents[path], said, path)
        occupied: set[str] = set()
        for directory in self._current:
            above = directory
            while above and above not in occupied:
                occupied.add(above)
                above = above.rpartition("/")[0]
        for path, name in self._plain:
            if name in self._gathering.certain_2015 or path not in occupied:
                content = self._gathering.repository(name, Layout.Y2015)
                content.has_layers |= part_of(path) is Part.LAYERS
                content.has_manifests |= part_of(path) is Part.MANIFESTS


def _leads_to_digests(name: str, top: str, path: str) -> bool:
    between = path[len(top) + 1 :].split("/") if path != top else []
    if not between:
        return name in HEX_LENGTHS or name == "tarsum"
    return name in TARSUM_LABELS if len(between) == 1 else name in HEX_LENGTHS


def _digest_or_none(algorithm: str, name: str) -> Digest | None:
    try:
        return Digest.parse(f"{algorithm}:{name}")
    except RegctlError:
        return None


def _parsed_or_none(parse: Callable[[str], _Value], name: str) -> _Value | None:
    try:
        return parse(name)
    except InvalidNameError:
        return None
