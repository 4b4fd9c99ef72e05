"""Fixtures for the commands: trees of real registries, and a storage that regctl filled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests import images, trees
from tests.commands.running import regctl
from tests.images import Image, Index

TreeOf = Callable[[str], trees.Tree]


@pytest.fixture(scope="session")
def tree_of(tmp_path_factory: pytest.TempPathFactory) -> TreeOf:
    """A function that gives a tree by name, unpacked once; nobody changes it."""
    directory = tmp_path_factory.mktemp("trees")
    return cache(lambda name: trees.unpack(name, directory))


@pytest.fixture(scope="session")
def image() -> Image:
    """A small image."""
    return images.build_image(1)


@pytest.fixture(scope="session")
def index() -> Index:
    """A small index of two architectures; another image than `image`."""
    return images.build_index(2)


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """An empty storage."""
    root = tmp_path / "storage"
    root.mkdir()
    return root


def push(storage: Path, name: str, tagged: Image | Index) -> None:
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
def _filled_once(tmp_path_factory: pytest.TempPathFactory, image: Image, index: Index) -> Path:
    """What `filled` copies: every push waits for the disk, a copy does not."""
    root = tmp_path_factory.mktemp("filled") / "storage"
    root.mkdir(mode=0o755)
    push(root, "app:v1", image)
    push(root, "team/multi:latest", index)
    return root


@pytest.fixture
def filled(storage: Path, _filled_once: Path) -> Path:
    """A storage with ``app:v1`` (`image`) and ``team/multi:latest`` (`index`)."""
    shutil.copytree(_filled_once, storage, dirs_exist_ok=True)
    return storage


def snapshot(root: Path) -> dict[str, bytes | None]:
    """Everything below ``root``: the content of files, None for directories."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }
