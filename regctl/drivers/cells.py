"""Cells: small files written by compare-and-swap, of which locks are made."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from regctl.errors import (
    PathNotFoundError,
    UnavailableError,
    UnsafeError,
    UploadInUseError,
)

if TYPE_CHECKING:
    from regctl.drivers.base import StorageDriver

_LIMIT = 64 << 10
#: How often, and how many seconds apart, a cell is tried that others are writing to.
_ATTEMPTS = 1000
_PAUSE = 0.01
_GUARD = ".guard"


class LostRaceError(UnsafeError):
    """A cell is no longer what the writer believes: somebody else was faster."""

    code = "lost-race"


class ConditionalWritesIgnoredError(UnsafeError):
    """The store takes conditional writes and does not heed the condition."""

    code = "conditional-writes-ignored"


class Cell(Protocol):
    """One file of less than 8 KiB that is written by compare-and-swap. Given by a driver."""

    def read(self) -> tuple[bytes, str] | None:
        """Content and version (an ETag, a generation); None if there is nothing.

        Never an older state than one that a `write` has ended with.
        """

    def write(self, content: bytes, version: str | None, /) -> str:
        """Replace ``version`` (None: nothing) by ``content``; the new version.

        Raises `LostRaceError` if something else is there (it may be this very write, when the
        store's answer was lost and the request repeated), `ConditionalWritesIgnoredError` if the
        store is known not to heed conditions; then nothing was written, or it was removed again.
        """

    def remove(self, version: str, /) -> None:
        """Remove ``version``; nothing happens if nothing is there.

        Raises `LostRaceError` if something else is there. Where a store removes on no condition it
        is read, compared and removed: the holder of a lease that is fresh is safe with that, since
        nobody else writes to the cell.
        """


class GuardedCell:
    """The cell at ``path`` of a storage whose writers exclude each other by a lock of the system's.

    Whoever compares and swaps has a file beside it open for writing meanwhile: a lock that ends
    with its process. The cell itself is replaced whole, so that no crash leaves half of it.
    """

    def __init__(
        self, driver: StorageDriver, path: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._driver = driver
        self._path = path
        self._sleep = sleep

    def read(self) -> tuple[bytes, str] | None:
        try:
            content = self._driver.get(self._path, _LIMIT)
        except PathNotFoundError:
            return None
        return content, _version(content)

    def write(self, content: bytes, version: str | None, /) -> str:
        def swap() -> None:
            found = self.read()
            if (None if found is None else found[1]) != version:
                raise self._lost()
            self._driver.put(self._path, content)

        self._guarded(swap)
        return _version(content)

    def remove(self, version: str, /) -> None:
        def remove() -> None:
            found = self.read()
            if found is None:
                return
            if found[1] != version:
                raise self._lost()
            self._driver.delete(self._path)

        self._guarded(remove)

    def _guarded(self, change: Callable[[], None]) -> None:
        for _ in range(_ATTEMPTS):
            try:
                guard = self._driver.writer(self._path + _GUARD)
            except UploadInUseError:
                self._sleep(_PAUSE)
                continue
            with guard:
                try:
                    change()
                finally:
                    guard.cancel()
            return
        raise UnavailableError(f"{self._path} is being written by others all the time")

    def _lost(self) -> LostRaceError:
        return LostRaceError(f"{self._path} was written by somebody else")


def _version(content: bytes) -> str:
    """What tells one content of a cell from another; they hold random tokens and times."""
    return hashlib.sha256(content).hexdigest()
