"""A driver that dies at a chosen step, to prove what a kill leaves behind.

for at in itertools.count(1):
    storage = MemoryDriver()
    failing = FailingDriver(storage, at, Killed)
    try:
        job(failing)
    except Killed:
        check(storage)
    else:
        break
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from regctl.drivers.base import Buffer, Entry, StorageDriver, Writer
from regctl.drivers.cells import Cell
from regctl.drivers.forwarding import ForwardingDriver, ForwardingWriter
from regctl.errors import RegctlError


class Killed(BaseException):
    """The process was killed: nothing that runs afterwards changes the storage."""


class FailingDriver(ForwardingDriver):
    """A driver whose step number ``at`` (from 1) raises ``error()`` instead of being done.

    A step is what changes the storage or makes it durable; each file of a ``delete_many`` and each
    write of a writer is one. From then on every step raises, as in a process that is dead; reading
    still works. With ``torn`` a write that dies has written half of its data.
    """

    def __init__(
        self,
        inner: StorageDriver,
        at: int,
        error: Callable[[], BaseException] = Killed,
        *,
        torn: bool = False,
    ) -> None:
        super().__init__(inner)
        self._at = at
        self._error = error
        self._torn = torn
        self._lock = threading.Lock()
        self._steps = 0

    @property
    def steps(self) -> int:
        """Steps that were counted, those refused included."""
        return self._steps

    @property
    def is_dead(self) -> bool:
        """Whether the chosen step was reached."""
        return self._steps >= self._at

    def step(self, half: Callable[[], None] | None = None) -> None:
        """Count a step that is about to be done; raise if it must not be. ``half`` does half of
        it."""
        with self._lock:
            self._steps += 1
            if self._steps < self._at:
                return
            last = self._steps == self._at
        if last and half is not None and self._torn:
            half()
        raise self._error()

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        self.step()
        self._inner.put(path, content, if_absent=if_absent)

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> Writer:
        self.step()
        return _FailingWriter(self._inner.writer(path, append=append, sealed=sealed), self)

    def discard_unfinished(self, path: str, before: float) -> list[Entry]:
        self.step()
        return self._inner.discard_unfinished(path, before)

    def cell(self, path: str) -> Cell:
        return _FailingCell(self._inner.cell(path), self)

    def move(self, source: str, target: str) -> None:
        self.step()
        self._inner.move(source, target)

    def delete(self, path: str) -> None:
        self.step()
        self._inner.delete(path)

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        for path in paths:
            self.step()
            yield from self._inner.delete_many([path])

    def mkdir(self, path: str) -> None:
        self.step()
        self._inner.mkdir(path)

    def rmdir(self, path: str) -> None:
        self.step()
        self._inner.rmdir(path)


class _FailingCell:
    def __init__(self, inner: Cell, driver: FailingDriver) -> None:
        self._inner = inner
        self._driver = driver

    def read(self) -> tuple[bytes, str] | None:
        return self._inner.read()

    def write(self, content: bytes, version: str | None, /) -> str:
        self._driver.step()
        return self._inner.write(content, version)

    def remove(self, version: str, /) -> None:
        self._driver.step()
        self._inner.remove(version)


class _FailingWriter(ForwardingWriter):
    """Closing passes through, dead or not: a killed process gives up its locks, too."""

    def __init__(self, inner: Writer, driver: FailingDriver) -> None:
        super().__init__(inner)
        self._driver = driver

    def write(self, data: Buffer) -> None:
        self._driver.step(lambda: self._inner.write(memoryview(data)[: len(data) // 2]))
        self._inner.write(data)

    def truncate(self, size: int) -> None:
        self._driver.step()
        self._inner.truncate(size)

    def flush_early(self) -> None:
        if not self._driver.is_dead:
            self._inner.flush_early()

    def sync(self) -> None:
        self._driver.step()
        self._inner.sync()

    def cancel(self) -> None:
        self._driver.step()
        self._inner.cancel()

    def commit(self) -> None:
        self._driver.step()
        self._inner.commit()
