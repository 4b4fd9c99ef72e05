"""The fixtures for real servers; ``tests/conftest.py`` makes them known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.servers.processes import show_log
from tests.servers.registry import SECRET, RegistryServer
from tests.servers.skopeo import Skopeo


class RegistryFactory(Protocol):
    """Starts a registry over ``root``, which is made if absent; it is stopped after the test."""

    def __call__(
        self,
        root: Path,
        *,
        cache: bool = False,
        schema1: bool = False,
        secret: str = SECRET,
        storage: Mapping[str, object] | None = None,
    ) -> RegistryServer: ...


@pytest.fixture
def registry_server(tmp_path: Path) -> Iterator[RegistryFactory]:
    """A factory of running registries, each over a root that the test names."""
    with ExitStack() as running:
        count = 0

        def start(
            root: Path,
            *,
            cache: bool = False,
            schema1: bool = False,
            secret: str = SECRET,
            storage: Mapping[str, object] | None = None,
        ) -> RegistryServer:
            nonlocal count
            count += 1
            directory = tmp_path / f"registry-server-{count}"
            root.mkdir(parents=True, exist_ok=True)
            running.callback(show_log, directory / "registry.log")
            server = RegistryServer(
                root, directory, cache=cache, schema1=schema1, secret=secret, storage=storage
            )
            return running.enter_context(server)

        yield start


@pytest.fixture
def skopeo(tmp_path: Path) -> Skopeo:
    """A skopeo in a world of its own, below the test's directory."""
    return Skopeo(tmp_path / "skopeo")
