"""Fixtures of the services' tests: each storage in turn, and a repository in it.

A module whose tests do not depend on the kind of storage has a ``driver`` of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from regctl.drivers import open_driver
from regctl.drivers.base import StorageDriver
from regctl.registry import Repository
from tests.registry.kinds import kinds_of
from tests.registry.storages import filesystem, fill, memory, objects
from tests.servers.gcs_json import GCSServer
from tests.servers.s3 import S3Endpoint


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that takes the fixture ``driver`` on the storages that the table has for it."""
    if "driver_kind" in metafunc.fixturenames:
        module, test = metafunc.module.__name__.rpartition(".")[2], metafunc.function.__name__
        metafunc.parametrize("driver_kind", kinds_of(module, test))


@pytest.fixture(scope="session")
def gcs_for_services() -> Iterator[GCSServer]:
    """The tests' own GCS server, with one bucket for the whole session."""
    with GCSServer() as server:
        yield server


@pytest.fixture
def driver(
    driver_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[StorageDriver]:
    if driver_kind in {"s3", "moto"}:
        # Started when the first test asks, and not for those that need none.
        s3: S3Endpoint = request.getfixturevalue(f"{driver_kind}_server")
        prefix = s3.fresh_prefix()
        yield open_driver("s3", s3.parameters(prefix))
        s3.clean(f"{prefix}/")
    elif driver_kind == "gcs":
        gcs: GCSServer = request.getfixturevalue("gcs_for_services")
        with mock.patch.dict(os.environ, {"STORAGE_EMULATOR_HOST": gcs.url}):
            members = {"bucket": gcs.bucket.name, "rootdirectory": tmp_path.as_posix()}
            opened = open_driver("gcs", members)
        yield opened
        with gcs.bucket.lock:
            gcs.bucket.objects.clear()
            gcs.bucket.uploads.clear()
    elif driver_kind == "filesystem":
        yield filesystem(tmp_path)
    else:
        yield memory() if driver_kind == "memory" else objects()


@pytest.fixture(params=["memory", "filesystem"])
def directories(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    """Each storage that has directories as such."""
    return memory() if request.param == "memory" else filesystem(tmp_path)


@pytest.fixture
def repository(driver: StorageDriver) -> Repository:
    return fill(driver)
