"""Fixtures for the commands: storages of each kind, empty and filled, and trees of registries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import images, trees
from tests.commands.handles import GCS, S3, Directory, Snapshot, Storage, snapshot_of
from tests.commands.running import regctl
from tests.commands.storages import KINDS, TREES, kinds_of
from tests.images import Image, Index
from tests.servers.gcs_json import GCSServer
from tests.servers.s3 import S3Endpoint

#: The fixtures that name one tree each.
NAMES_OF_TREES = {
    "tree_name": trees.NAMES,
    "modern_name": trees.MODERN,
    "seed_name": trees.SEEDS,
    "damaged_name": trees.DAMAGED,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on the kinds of storage that the table has for it, and on nothing else."""
    module, test = metafunc.module.__name__.rpartition(".")[2], metafunc.function.__name__
    kinds = kinds_of(module, test)
    if ("kind" in metafunc.fixturenames) != bool(kinds):
        has = "uses" if "kind" in metafunc.fixturenames else "does not use"
        raise ValueError(f"{module}::{test} {has} a storage, and the table says {kinds}")
    if not kinds:
        return
    for fixture, names in NAMES_OF_TREES.items():
        if fixture in metafunc.fixturenames:
            pairs = [(kind, name) for kind in kinds for name in TREES[kind] if name in names]
            metafunc.parametrize(("kind", fixture), pairs)
            return
    metafunc.parametrize("kind", kinds)


@pytest.fixture(scope="session")
def gcs_for_commands() -> Iterator[GCSServer]:
    """The tests' own GCS server, with one bucket for the whole session."""
    with GCSServer() as server:
        yield server


MakeStorage = Callable[[str, Path], Storage]


@pytest.fixture
def make_storage(request: pytest.FixtureRequest) -> MakeStorage:
    """A function that makes an empty storage of a kind; a directory is made where it says."""

    def make(kind: str, directory: Path) -> Storage:
        if kind == "filesystem":
            directory.mkdir(mode=0o755)
            return Directory(directory)
        # Started when the first test asks, and not for those that need none.
        if kind in {"s3", "moto"}:
            server: S3Endpoint = request.getfixturevalue(f"{kind}_server")
            return S3(server, server.fresh_prefix())
        gcs: GCSServer = request.getfixturevalue("gcs_for_commands")
        return GCS(gcs, directory.as_posix().strip("/"))

    return make


@pytest.fixture
def storage(make_storage: MakeStorage, kind: str, tmp_path: Path) -> Iterator[Storage]:
    """An empty storage of the kind at hand."""
    made = make_storage(kind, tmp_path / "storage")
    yield made
    if isinstance(made, S3):
        made.server.clean(f"{made.prefix}/")
    elif isinstance(made, GCS):
        made.clean()


@pytest.fixture(scope="session")
def image() -> Image:
    """A small image."""
    return images.build_image(1)


@pytest.fixture(scope="session")
def index() -> Index:
    """A small index of two architectures; another image than `image`."""
    return images.build_index(2)


def push(storage: Storage | Path, name: str, tagged: Image | Index) -> None:
    """Push ``tagged`` by the command line as ``name`` (REPO:TAG)."""
    repository = name.partition(":")[0]

    def run(*arguments: str, content: bytes) -> None:
        result = regctl(*arguments, "-", storage=storage, stdin=content)
        assert result.code == 0, result.err

    for blob in tagged.blobs:
        run("push-layer", repository, content=blob.content)
    if isinstance(tagged, Index):
        for each in tagged.images:
            run("push-manifest", repository, content=each.manifest.content)
    run("push-manifest", name, content=tagged.manifest.content)


@pytest.fixture(scope="session")
def filled_once(
    tmp_path_factory: pytest.TempPathFactory, image: Image, index: Index
) -> dict[str, bytes]:
    """What `filled` copies: every push waits for the storage, a copy does less so."""
    root = tmp_path_factory.mktemp("filled") / "storage"
    root.mkdir(mode=0o755)
    made = Directory(root)
    push(made, "app:v1", image)
    push(made, "team/multi:latest", index)
    return files_below(root)


def files_below(root: Path) -> dict[str, bytes]:
    """The files below a directory by their path in it."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def snapshot(storage: Storage | Path) -> Snapshot:
    """All that there is in a storage."""
    return storage.snapshot() if isinstance(storage, Storage) else snapshot_of(storage)


@pytest.fixture
def filled(storage: Storage, filled_once: dict[str, bytes]) -> Storage:
    """A storage with ``app:v1`` (`image`) and ``team/multi:latest`` (`index`)."""
    storage.fill(filled_once)
    return storage


@dataclass(frozen=True)
class StoredTree(trees.Tree):
    """A tree that a registry wrote, in ``storage``; ``root`` has it in a directory."""

    storage: Storage


TreeOf = Callable[[str], StoredTree]
#: Where an upload in progress has its data, in the current layout and in that of 2015.
UPLOADED = re.compile(r".*/_?uploads/[^/]+/data")


def copy_tree(tree: trees.Tree, storage: Storage) -> StoredTree:
    """Copy a tree into the empty ``storage``; uploads are left there as by a registry."""
    files = files_below(tree.root)
    uploaded = [path for path in files if UPLOADED.fullmatch(path)]
    for path in uploaded:
        storage.leave(path, files.pop(path))
    storage.fill(files)
    return StoredTree(tree.name, tree.root, tree.listing, storage)


@pytest.fixture(scope="session")
def trees_by_kind() -> dict[tuple[str, str], StoredTree]:
    """The trees that were copied already."""
    return {}


@pytest.fixture
def tree_of(
    make_storage: MakeStorage,
    kind: str,
    tmp_path_factory: pytest.TempPathFactory,
    trees_by_kind: dict[tuple[str, str], StoredTree],
) -> TreeOf:
    """A function that gives a tree by name, in the kind of storage at hand; nobody changes it."""

    def stored(name: str) -> StoredTree:
        if ("filesystem", name) not in trees_by_kind:
            tree = trees.unpack(name, tmp_path_factory.mktemp("tree"))
            there = StoredTree(tree.name, tree.root, tree.listing, Directory(tree.root))
            trees_by_kind["filesystem", name] = there
        if (kind, name) not in trees_by_kind:
            local = trees_by_kind["filesystem", name]
            made = make_storage(kind, tmp_path_factory.mktemp("tree"))
            trees_by_kind[kind, name] = copy_tree(local, made)
        return trees_by_kind[kind, name]

    return stored


assert set(TREES) == set(KINDS)
