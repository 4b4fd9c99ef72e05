"""The conformance suite: the contract of `regctl.drivers.base`, sentence by sentence, as tests.

A driver, or a wrapper, passes it by inheriting it with pytest::

    class TestMemoryDriver(DriverSuite):
        @pytest.fixture
        def driver(self) -> StorageDriver:
            return CheckedDriver(MemoryDriver())

The fixture gives an empty storage to each test. Importing this module needs pytest.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from regctl.drivers.base import StorageDriver
from regctl.drivers.suite.cells import CellSuite
from regctl.drivers.suite.changing import ChangingSuite
from regctl.drivers.suite.listing import ListingSuite
from regctl.drivers.suite.reading import ReadingSuite
from regctl.drivers.suite.writing import WriterSuite
from regctl.errors import NotPermittedPathError, RegctlError

_UNSAFE = (
    "",
    "a",
    "a/b",
    "//a",
    "/a/",
    "/a//b",
    "/.",
    "/..",
    "/a/.",
    "/a/../b",
    "/a\0b",
    "/" + "x" * 256,
)


class DriverSuite(ReadingSuite, WriterSuite, ListingSuite, ChangingSuite, CellSuite):
    """The whole contract. The driver is used through `CheckedDriver`, as all drivers are."""

    @pytest.mark.parametrize("path", _UNSAFE)
    def test_unsafe_paths(self, driver: StorageDriver, path: str) -> None:
        """No operation takes a path that is unsafe."""
        driver.put("/a/b", b"x")
        attempts: list[Callable[[], object]] = [
            lambda: driver.read(path),
            lambda: driver.get(path, 9),
            lambda: driver.put(path, b"x"),
            lambda: driver.writer(path),
            lambda: driver.stat(path),
            lambda: driver.list(path),
            lambda: list(driver.probe(path)),
            lambda: list(driver.walk(path)),
            lambda: driver.move(path, "/a/c"),
            lambda: driver.move("/a/b", path),
            lambda: driver.delete(path),
            lambda: driver.mkdir(path),
            lambda: driver.rmdir(path),
        ]
        for attempt in attempts:
            with pytest.raises(NotPermittedPathError):
                attempt()
        results: dict[str, RegctlError | None] = dict(driver.delete_many([path, "/a/b"]))
        assert isinstance(results[path], NotPermittedPathError)
        assert results["/a/b"] is None
