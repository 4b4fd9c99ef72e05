"""Wrappers that leave everything to what they wrap: others override what they are for."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Self

from regctl.drivers.base import Buffer, Entry, Probed, Reader, StorageDriver, Writer
from regctl.drivers.cells import Cell
from regctl.errors import RegctlError


class Closing:
    """Makes of something with a ``close`` a context that closes it."""

    def close(self) -> None:
        """Release what is held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


class ForwardingDriver:
    """A driver that hands every operation on to ``inner``."""

    def __init__(self, inner: StorageDriver) -> None:
        self._inner = inner

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def has_directories(self) -> bool:
        return self._inner.has_directories

    @property
    def hides_unfinished(self) -> bool:
        return self._inner.hides_unfinished

    @property
    def seals(self) -> bool:
        return self._inner.seals

    def requests(self) -> Mapping[str, int]:
        return self._inner.requests()

    def read(self, path: str, offset: int = 0) -> Reader:
        return self._inner.read(path, offset)

    def get(self, path: str, limit: int) -> bytes:
        return self._inner.get(path, limit)

    def get_many(
        self, paths: Iterable[str], limit: int
    ) -> Iterator[tuple[str, bytes | RegctlError]]:
        return self._inner.get_many(paths, limit)

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        self._inner.put(path, content, if_absent=if_absent)

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> Writer:
        return self._inner.writer(path, append=append, sealed=sealed)

    def unfinished(self, path: str) -> Iterator[Entry]:
        return self._inner.unfinished(path)

    def discard_unfinished(self, path: str, before: float) -> builtins.list[Entry]:
        return self._inner.discard_unfinished(path, before)

    def cell(self, path: str) -> Cell:
        return self._inner.cell(path)

    def stat(self, path: str, *, files_only: bool = False) -> Entry:
        return self._inner.stat(path, files_only=files_only)

    def list(self, path: str) -> list[Entry]:
        return self._inner.list(path)

    def walk(
        self, path: str, *, stat: bool = True, descend: Callable[[Entry], bool] | None = None
    ) -> Iterator[Entry]:
        return self._inner.walk(path, stat=stat, descend=descend)

    def probe(self, path: str, name: str = "", *, others: bool = False) -> Iterator[Probed]:
        return self._inner.probe(path, name, others=others)

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


class ForwardingWriter(Closing):
    """A writer that hands every operation on to ``inner``."""

    def __init__(self, inner: Writer) -> None:
        self._inner = inner

    @property
    def size(self) -> int:
        return self._inner.size

    def write(self, data: Buffer) -> None:
        self._inner.write(data)

    def truncate(self, size: int) -> None:
        self._inner.truncate(size)

    def reader(self) -> Reader:
        return self._inner.reader()

    def holds(self, pieces: Iterable[Buffer]) -> bool:
        return self._inner.holds(pieces)

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
