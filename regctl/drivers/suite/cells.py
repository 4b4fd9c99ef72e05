"""The part of the suite about cells, and about beginnings that nobody goes on with."""

from __future__ import annotations

from contextlib import suppress

import pytest

from regctl.drivers.base import StorageDriver
from regctl.drivers.cells import LostRaceError
from regctl.drivers.suite.shared import Traits, together
from regctl.errors import NotPermittedPathError, UploadInUseError

_PATH = "/regctl/locks/cell"


class CellSuite(Traits):
    """Compare-and-swap, and `discard_unfinished`."""

    def test_cell(self, driver: StorageDriver) -> None:
        """A cell is written only by who knows what is in it."""
        cell, other = driver.cell(_PATH), driver.cell(_PATH)
        assert cell.read() is None
        first = cell.write(b"one", None)
        assert other.read() == (b"one", first)
        with pytest.raises(LostRaceError):
            other.write(b"another", None)
        second = other.write(b"two", first)
        with pytest.raises(LostRaceError):
            cell.write(b"three", first)
        assert cell.read() == (b"two", second)
        cell.remove(second)
        cell.remove(second)
        assert other.read() is None
        with pytest.raises(LostRaceError):
            cell.write(b"three", second)
        assert driver.cell("/never/there").read() is None

    def test_cell_removal(self, driver: StorageDriver) -> None:
        """A cell is removed only by who knows what is in it."""
        cell = driver.cell(_PATH)
        first = cell.write(b"one", None)
        second = cell.write(b"two", first)
        with pytest.raises(LostRaceError):
            driver.cell(_PATH).remove(first)
        assert cell.read() == (b"two", second)

    def test_cell_of_many(self, driver: StorageDriver) -> None:
        """Of eight that write to one state of a cell, one does."""
        version = driver.cell(_PATH).write(b"start", None)

        def write(number: int) -> bool:
            with suppress(LostRaceError):
                driver.cell(_PATH).write(b"by %d" % number, version)
                return True
            return False

        assert together(8, write) == 1

    def test_cell_paths(self, driver: StorageDriver) -> None:
        """No cell is at an unsafe path."""
        with pytest.raises(NotPermittedPathError):
            driver.cell("/a/../b")
        with pytest.raises(NotPermittedPathError):
            driver.discard_unfinished("/a/../b", 0.0)

    def test_discard_unfinished(self, driver: StorageDriver) -> None:
        """Hidden beginnings go by their age; files, and what somebody writes, never do."""
        driver.put("/a/file", b"content")
        future = driver.now() + 3600
        assert driver.discard_unfinished("/a/file", future) == []
        with driver.writer("/a/data") as writer:
            writer.write(b"begun")
            writer.sync()
            if driver.hides_unfinished:
                with pytest.raises(UploadInUseError):
                    driver.discard_unfinished("/a/data", future)
        assert driver.discard_unfinished("/a/data", future - 7200) == []
        gone = driver.discard_unfinished("/a/data", future)
        assert [(entry.path, entry.size) for entry in gone] == (
            [("/a/data", 5)] if driver.hides_unfinished else []
        )
        assert list(driver.unfinished("/a")) == []
        assert driver.get("/a/file", 99) == b"content"
        with driver.writer("/a/data", append=True) as writer:
            assert writer.size == (0 if driver.hides_unfinished else 5)

    def test_discard_sealed(self, driver: StorageDriver) -> None:
        """A file at the path of hidden beginnings stays as it is."""
        if not driver.seals:
            return
        driver.put("/a/blob", b"content")
        with driver.writer("/a/blob", append=True, sealed=True) as writer:
            writer.write(b"another")
            writer.sync()
        gone = driver.discard_unfinished("/a/blob", driver.now() + 3600)
        assert [entry.size for entry in gone] == [7]
        assert driver.get("/a/blob", 99) == b"content"
