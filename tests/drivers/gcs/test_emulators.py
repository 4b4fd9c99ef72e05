"""The suite on the two emulators. What one is known to do wrong fails there, and must."""

from __future__ import annotations

import random

import pytest

from regctl.drivers.base import StorageDriver
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.suite import DriverSuite
from tests.drivers.gcs.conftest import read_all
from tests.servers.gcs import FakeGCS, StorageEmulator
from tests.servers.gcs_bucket import QUANTUM
from tests.servers.gcs_fixtures import GCSOpener

CONTENT = random.Random(1).randbytes(5 * QUANTUM + 99)
#: Tests by what the server would need to pass them. They fail, strictly: when an emulator learns
#: it, the entry goes.
WRONG_ON_STORAGE_EMULATOR = {
    "test_cell": "ignores ifGenerationMatch",
    "test_cell_of_many": "ignores ifGenerationMatch",
    "test_cell_removal": "ignores ifGenerationMatch",
    "test_put_if_absent": "ignores ifGenerationMatch",
    "test_put_if_absent_one_winner": "ignores ifGenerationMatch",
}
WRONG_ON_FAKE_GCS = {"test_cell_removal": "removes on no condition"}


def _expect(request: pytest.FixtureRequest, wrong: dict[str, str]) -> None:
    reason = wrong.get(request.node.originalname)
    if reason is not None:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


class TestFakeGCS(DriverSuite):
    """All of it. (What it does wrong with sessions of other processes the suite does not ask.)"""

    has_directories = False
    moves_while_writing = False

    @pytest.fixture(autouse=True)
    def _expect_what_is_wrong(self, request: pytest.FixtureRequest) -> None:
        _expect(request, WRONG_ON_FAKE_GCS)

    @pytest.fixture
    def driver(self, fake_gcs: FakeGCS, open_driver_at: GCSOpener) -> StorageDriver:
        return CheckedDriver(open_driver_at(fake_gcs.url))


class TestStorageEmulator(DriverSuite):
    has_directories = False
    moves_while_writing = False

    @pytest.fixture(autouse=True)
    def _expect_what_is_wrong(self, request: pytest.FixtureRequest) -> None:
        _expect(request, WRONG_ON_STORAGE_EMULATOR)

    @pytest.fixture
    def driver(self, storage_emulator: StorageEmulator, open_driver_at: GCSOpener) -> StorageDriver:
        return CheckedDriver(open_driver_at(storage_emulator.url))


@pytest.mark.parametrize("size", [1000, QUANTUM, 3 * QUANTUM + 7, len(CONTENT)])
def test_session_of_another_process(
    storage_emulator: StorageEmulator, open_driver_at: GCSOpener, size: int
) -> None:
    """On the emulator that keeps sessions as it should."""
    one = open_driver_at(storage_emulator.url, rootdirectory=f"sessions/{size}")
    with one.writer("/a/data") as writer:
        writer.write(CONTENT[:size])
    other = open_driver_at(storage_emulator.url, rootdirectory=f"sessions/{size}")
    with other.writer("/a/data", append=True) as writer:
        assert writer.size == size
        writer.write(CONTENT[size:])
        writer.commit()
    assert read_all(other, "/a/data") == CONTENT


def test_the_tables_name_tests_of_the_suite() -> None:
    assert all(hasattr(DriverSuite, name) for name in WRONG_ON_STORAGE_EMULATOR | WRONG_ON_FAKE_GCS)
