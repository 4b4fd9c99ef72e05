"""The fixtures for Google Cloud Storage: each server starts when a test asks, once a session."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers.gcs import FakeGCS, StorageEmulator
from tests.servers.gcs_json import GCSServer

if TYPE_CHECKING:
    from regctl.drivers.gcs.driver import GCSDriver

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator[FakeGCS]:
    """fake-gcs-server, with one bucket for the whole session: keep to a prefix of your own."""
    with (
        tempfile.TemporaryDirectory(prefix="regctl-gcs-") as directory,
        FakeGCS(Path(directory)) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def storage_emulator() -> Iterator[StorageEmulator]:
    """gcp-storage-emulator, with one bucket for the whole session."""
    with (
        tempfile.TemporaryDirectory(prefix="regctl-gcs-") as directory,
        StorageEmulator(Path(directory)) as server,
    ):
        yield server


@pytest.fixture
def gcs_server() -> Iterator[GCSServer]:
    """The tests' own server, as new."""
    with GCSServer() as server:
        yield server


GCSOpener = Callable[..., "GCSDriver"]


@pytest.fixture
def open_driver_at(monkeypatch: pytest.MonkeyPatch) -> GCSOpener:
    """Opens the driver of a bucket at a URL, below a prefix of its own if none is given.

    Its tries are few and its pauses short, so that a test of what never works takes no time.
    """
    from regctl.drivers.gcs.driver import open_gcs
    from regctl.drivers.gcs.tries import Patience

    patience = Patience(times=3, first=0.01, longest=0.05)

    def open_(url: str, *, jobs: int = 4, **members: object) -> GCSDriver:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        members.setdefault("bucket", "regctl-tests")
        members.setdefault("rootdirectory", f"test/{next(_numbers):04}")
        members.setdefault("chunksize", 1 << 20)
        return open_gcs(members, jobs=jobs, patience=patience)

    return open_


@pytest.fixture
def gcs_driver(gcs_server: GCSServer, open_driver_at: GCSOpener) -> GCSDriver:
    """The driver on the tests' own server."""
    return open_driver_at(gcs_server.url)
