"""The drivers of this program, and the wrappers, keep the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from regctl.drivers import open_driver
from regctl.drivers.base import StorageDriver
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.counting import CountingDriver
from regctl.drivers.filesystem import FilesystemDriver
from regctl.drivers.memory import MemoryDriver
from regctl.drivers.suite import DriverSuite
from regctl.drivers.suite.listing import ListingSuite
from tests.failing import FailingDriver
from tests.objectstore import ObjectsDriver


class TestMemory(DriverSuite):
    @pytest.fixture
    def driver(self) -> StorageDriver:
        return CheckedDriver(MemoryDriver())


class TestObjects(DriverSuite):
    has_directories = False
    moves_while_writing = False

    @pytest.fixture
    def driver(self) -> StorageDriver:
        return CheckedDriver(ObjectsDriver())


class TestGCS(DriverSuite):
    """On the tests' own server; on the emulators in ``gcs/test_emulators.py``."""

    has_directories = False
    moves_while_writing = False

    @pytest.fixture
    def driver(self, gcs_driver: StorageDriver) -> StorageDriver:
        return CheckedDriver(gcs_driver)


class TestFilesystem(DriverSuite):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> StorageDriver:
        return CheckedDriver(FilesystemDriver(str(tmp_path)))


class TestS3(DriverSuite):
    """On SeaweedFS."""

    has_directories = False
    moves_while_writing = False
    refused_names = frozenset({"back\\slash"})

    @pytest.fixture
    def driver(self, s3_parameters: dict[str, object]) -> StorageDriver:
        return open_driver("s3", s3_parameters)


class TestS3Names(ListingSuite):
    """On moto, which takes the names that SeaweedFS refuses and lists in byte order."""

    has_directories = False
    refused_names = frozenset({"new\nline"})

    @pytest.fixture
    def driver(self, moto_parameters: dict[str, object]) -> StorageDriver:
        return open_driver("s3", moto_parameters)


class TestCountingMemory(DriverSuite):
    @pytest.fixture
    def driver(self) -> StorageDriver:
        return CountingDriver(CheckedDriver(MemoryDriver()))


class TestCountingFilesystem(DriverSuite):
    @pytest.fixture
    def driver(self, tmp_path: Path) -> StorageDriver:
        return CheckedDriver(CountingDriver(FilesystemDriver(str(tmp_path))))


class TestFailingLater(DriverSuite):
    """A driver that is to fail long after the test changes nothing before."""

    @pytest.fixture
    def driver(self) -> StorageDriver:
        return FailingDriver(CheckedDriver(MemoryDriver()), at=1_000_000_000)
