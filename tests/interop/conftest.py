"""Fixtures of the interoperation tests: one storage, a regctl on it, and registries on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

import pytest

from tests.commands.handles import Directory, Storage
from tests.interop.program import Regctl
from tests.interop.storages import emptied_after, kinds_of, root_of, section_of
from tests.servers.fixtures import RegistryFactory
from tests.servers.registry import RegistryServer
from tests.servers.s3 import S3Endpoint


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on the kinds of storage that the table has for it, and on nothing else."""
    module, test = metafunc.module.__name__.rpartition(".")[2], metafunc.function.__name__
    kinds = kinds_of(module, test)
    if ("kind" in metafunc.fixturenames) != bool(kinds):
        has = "uses" if "kind" in metafunc.fixturenames else "does not use"
        raise ValueError(f"{module}::{test} {has} a storage, and the table says {kinds}")
    if kinds:
        metafunc.parametrize("kind", kinds, scope="module")


MakeStorage = Callable[[Path], AbstractContextManager[Storage]]


@pytest.fixture(scope="module")
def make_storage(request: pytest.FixtureRequest, kind: str) -> MakeStorage:
    """A function that makes an empty storage of the kind at hand, with its directory there."""

    def make(directory: Path) -> AbstractContextManager[Storage]:
        if kind == "filesystem":
            directory.mkdir()
            return nullcontext(Directory(directory))
        # Started when the first test asks, and not for those that need none.
        server: S3Endpoint = request.getfixturevalue("s3_server")
        return emptied_after(server, server.fresh_prefix())

    return make


@pytest.fixture
def storage(make_storage: MakeStorage, tmp_path: Path) -> Iterator[Storage]:
    """The storage that regctl and the registry share: an empty one."""
    with make_storage(tmp_path / "root") as made:
        yield made


@pytest.fixture
def regctl(storage: Storage, tmp_path: Path) -> Regctl:
    """A regctl that works on that storage."""
    return Regctl(storage, tmp_path / "regctl")


class Serve(Protocol):
    """Starts a registry on the test's storage; it is stopped after the test."""

    def __call__(self, *, cache: bool = False, schema1: bool = False) -> RegistryServer: ...


@pytest.fixture
def serve(storage: Storage, registry_server: RegistryFactory, tmp_path: Path) -> Serve:
    """Starts registries on that storage."""

    def start(*, cache: bool = False, schema1: bool = False) -> RegistryServer:
        return registry_server(
            root_of(storage, tmp_path / "unused"),
            cache=cache,
            schema1=schema1,
            storage=section_of(storage),
        )

    return start
