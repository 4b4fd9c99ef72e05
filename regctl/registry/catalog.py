"""Which repositories a storage holds, and in which layout each is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from regctl.drivers.base import Entry, Kind, StorageDriver
from regctl.errors import PathNotFoundError
from regctl.layout import Layout, PathMapper, RepositoryName, specs
from regctl.layout.evidence import (
    Part,
    evidence,
    is_marker,
    is_misnamed,
    may_prove_2015,
    part_of,
)


@dataclass(slots=True)
class CatalogEntry:
    """A repository, and which of its directories are there, in either layout."""

    name: RepositoryName
    layouts: set[Layout] = field(default_factory=set)
    has_layers: bool = False
    has_manifests: bool = False
    has_uploads: bool = False

    @property
    def is_listed(self) -> bool:
        """Whether a registry lists it: 2.x goes by its layers, 3.x by its manifests."""
        return self.has_layers or self.has_manifests

    @property
    def layout(self) -> Layout:
        """The layout to read it in; the current one where it has both."""
        return Layout.Y2015 if self.layouts == {Layout.Y2015} else Layout.CURRENT


@dataclass(slots=True)
class Catalog:
    """All repositories of a storage by name, and what is in their way."""

    entries: dict[RepositoryName, CatalogEntry]
    #: Directories that look like a repository's but whose name the grammar forbids.
    misnamed: list[str]
    #: Symlinks: they are not followed, so that what lies behind them is not seen.
    symlinks: list[str]

    @property
    def listed(self) -> list[CatalogEntry]:
        """What at least one registry calls a repository, by name."""
        return [entry for _, entry in sorted(self.entries.items()) if entry.is_listed]

    @property
    def layouts(self) -> set[Layout]:
        """The layouts found; more than one is a mixed tree."""
        return {layout for entry in self.entries.values() for layout in entry.layouts}


def read_catalog(driver: StorageDriver, *, hidden: bool = False) -> Catalog:
    """Find all repositories by their directories, without looking into those.

    With ``hidden`` also those of which an object store has nothing but beginnings of uploads that
    it keeps apart: a registry that purges uploads leaves them.
    """
    catalog = Catalog({}, [], [])
    proofs = _Proofs()
    misnamed: dict[str, None] = {}
    for path, kind in _walk_directories(driver, PathMapper().path(specs.Repositories())):
        if kind is Kind.SYMLINK:
            catalog.symlinks.append(path)
        elif kind is Kind.FILE:
            proofs.file(path)
        else:
            proofs.directory(path)
            if is_misnamed(path):
                misnamed[path.rpartition("/")[0]] = None
    for path, layout, name in proofs.results():
        entry = catalog.entries.setdefault(name, CatalogEntry(name))
        entry.layouts.add(layout)
        part = part_of(path)
        entry.has_layers |= part is Part.LAYERS
        entry.has_manifests |= part is Part.MANIFESTS
        entry.has_uploads |= part is Part.UPLOADS
    if hidden:
        for name in _hidden(driver, PathMapper().path(specs.Repositories())):
            entry = catalog.entries.setdefault(name, CatalogEntry(name))
            entry.has_uploads = True
            entry.layouts = entry.layouts or {Layout.CURRENT}
    catalog.misnamed = list(misnamed)
    return catalog


def layout_of(driver: StorageDriver, name: RepositoryName) -> set[Layout]:
    """The layouts in which the repository ``name`` is stored; empty if it is not there."""
    root = PathMapper().path(specs.RepositoryDirectory(name))
    try:
        entries = [entry for entry in driver.list(root) if entry.kind is Kind.DIRECTORY]
    except PathNotFoundError:
        return {Layout.CURRENT} if name in _hidden(driver, root) else set()
    found = {proof[0] for entry in entries if (proof := evidence(entry.path))}
    doubtful = [entry.path for entry in entries if may_prove_2015(entry.path)]
    if doubtful:
        proofs = _Proofs()
        for below in doubtful:
            for path, kind in _walk_directories(driver, below):
                if kind is Kind.FILE:
                    proofs.file(path)
                elif kind is Kind.DIRECTORY:
                    proofs.directory(path)
        found |= {layout for _, layout, owner in proofs.results() if owner == name}
    return found


def _hidden(driver: StorageDriver, root: str) -> Iterator[RepositoryName]:
    """The repositories of the uploads below ``root`` that show in no listing of files."""
    for entry in driver.unfinished(root):
        spec = PathMapper().parse_file(entry.path)
        if isinstance(spec, specs.UploadData):
            yield spec.name


def is_2015_tree(driver: StorageDriver) -> bool:
    """Whether there are repositories in the layout of January 2015 and none in the current one."""
    proofs = _Proofs()
    for path, kind in _walk_directories(driver, PathMapper().path(specs.Repositories())):
        if kind is Kind.FILE:
            proofs.file(path)
        elif kind is Kind.DIRECTORY:
            proof = evidence(path)
            if proof is not None and proof[0] is Layout.CURRENT:
                return False
            proofs.directory(path)
    return any(True for _ in proofs.results())


class _Proofs:
    """What the directories and files met in a walk prove.

    The 2015 layout marks its directories by plain words, and ``a/manifests/tags`` is a fine name
    for a repository of the current layout. So such a directory proves nothing if a current
    repository lies at it or below it, unless a file below it can be nothing but a link of 2015.
    """

    def __init__(self) -> None:
        self._old = PathMapper(Layout.Y2015)
        self._current: list[tuple[str, RepositoryName]] = []
        self._plain: list[tuple[str, RepositoryName]] = []
        self._certain: set[RepositoryName] = set()

    def directory(self, path: str) -> None:
        proof = evidence(path)
        if proof is not None:
            layout, name = proof
            (self._current if layout is Layout.CURRENT else self._plain).append((path, name))

    def file(self, path: str) -> None:
        spec = self._old.parse_file(path)
        if isinstance(spec, specs.LayerLink | specs.RevisionLink | specs.TagCurrentLink):
            self._certain.add(spec.name)
        elif isinstance(spec, specs.UploadStartedAt):
            # What has nothing but uploads is seen by these alone: their directory's name is too
            # plain a word to prove anything.
            self._certain.add(spec.name)
            self._plain.append((self._old.path(specs.Uploads(spec.name)), spec.name))

    def results(self) -> Iterator[tuple[str, Layout, RepositoryName]]:
        """Each directory that proves something, with what it proves."""
        occupied: set[str] = set()
        for path, name in self._current:
            yield path, Layout.CURRENT, name
            above = path
            while above and above not in occupied:
                occupied.add(above)
                above = above.rpartition("/")[0]
        for path, name in self._plain:
            if name in self._certain or path not in occupied:
                yield path, Layout.Y2015, name


def _walk_directories(driver: StorageDriver, root: str) -> Iterator[tuple[str, Kind]]:
    """Everything below ``root`` but what lies in ``_manifests`` and the like."""
    try:
        for entry in driver.walk(root, stat=False, descend=_is_no_marker):
            yield entry.path, entry.kind
    except PathNotFoundError:
        return


def _is_no_marker(entry: Entry) -> bool:
    return not is_marker(entry.path)
