"""A driver that tells of every change right after it was made, so that a test can step in."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from regctl.drivers.base import Buffer, StorageDriver, Writer
from tests.failing import FailingDriver

#: Is told what was done (the name of the operation) and to which path.
Watch = Callable[[str, str], None]


class WatchedDriver(FailingDriver):
    """A driver that calls ``watch`` after each change."""

    def __init__(self, inner: StorageDriver, watch: Watch) -> None:
        super().__init__(inner, at=1_000_000_000)
        self._watch = watch

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        super().put(path, content, if_absent=if_absent)
        self._watch("put", path)

    def writer(self, path: str, *, append: bool = False) -> Writer:
        return _WatchedWriter(super().writer(path, append=append), path, self._watch)

    def move(self, source: str, target: str) -> None:
        super().move(source, target)
        self._watch("move", target)

    def delete(self, path: str) -> None:
        super().delete(path)
        self._watch("delete", path)


class _WatchedWriter:
    def __init__(self, inner: Writer, path: str, watch: Watch) -> None:
        self._inner = inner
        self._path = path
        self._watch = watch

    @property
    def size(self) -> int:
        return self._inner.size

    def write(self, data: Buffer) -> None:
        self._inner.write(data)
        self._watch("write", self._path)

    def truncate(self, size: int) -> None:
        self._inner.truncate(size)
        self._watch("truncate", self._path)

    def flush_early(self) -> None:
        self._inner.flush_early()

    def sync(self) -> None:
        self._inner.sync()
        self._watch("sync", self._path)

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
