"""A driver whose writers take so many bytes a second, as a storage far away does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

from regctl.drivers.base import Buffer, Entry, Reader, StorageDriver, Writer
from regctl.errors import RegctlError


class PacedDriver:
    """A driver that leaves the work to ``inner`` and slows its writers to ``rate`` bytes/s."""

    def __init__(self, inner: StorageDriver, rate: float) -> None:
        self._inner = inner
        self._rate = rate

    @property
    def name(self) -> str:
        return self._inner.name

    def read(self, path: str, offset: int = 0) -> Reader:
        return self._inner.read(path, offset)

    def get(self, path: str, limit: int) -> bytes:
        return self._inner.get(path, limit)

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        self._inner.put(path, content, if_absent=if_absent)

    def writer(self, path: str, *, append: bool = False) -> Writer:
        return _PacedWriter(self._inner.writer(path, append=append), self._rate)

    def stat(self, path: str) -> Entry:
        return self._inner.stat(path)

    def list(self, path: str) -> list[Entry]:
        return self._inner.list(path)

    def walk(
        self, path: str, *, stat: bool = True, descend: Callable[[Entry], bool] | None = None
    ) -> Iterator[Entry]:
        return self._inner.walk(path, stat=stat, descend=descend)

    def move(self, source: str, target: str) -> None:
        self._inner.move(source, target)

    def delete(self, path: str) -> None:
        self._inner.delete(path)

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        return self._inner.delete_many(paths)

    def mkdir(self, path: str) -> None:
        self._inner.mkdir(path)

    def rmdir(self, path: str) -> None:
        self._inner.rmdir(path)

    def now(self) -> float:
        return self._inner.now()


class _PacedWriter:
    """Bytes that come faster than the rate wait; what was slow for other reasons does not."""

    def __init__(self, inner: Writer, rate: float) -> None:
        self._inner = inner
        self._rate = rate
        self._free_at = time.monotonic()

    @property
    def size(self) -> int:
        return self._inner.size

    def write(self, data: Buffer) -> None:
        now = time.monotonic()
        self._inner.write(data)
        self._free_at = max(self._free_at, now) + len(data) / self._rate
        time.sleep(max(0.0, self._free_at - time.monotonic()))

    def truncate(self, size: int) -> None:
        self._inner.truncate(size)

    def flush_early(self) -> None:
        self._inner.flush_early()

    def sync(self) -> None:
        self._inner.sync()

    def cancel(self) -> None:
        self._inner.cancel()

    def commit(self) -> None:
        self._inner.commit()

    def close(self) -> None:
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()
