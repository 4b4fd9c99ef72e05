"""A wrapper that counts what a driver is asked for."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from regctl.drivers.base import Buffer, Entry, Probed, Reader, StorageDriver, Writer
from regctl.drivers.forwarding import Closing, ForwardingDriver, ForwardingWriter
from regctl.errors import RegctlError


@dataclass(slots=True)
class Counts:
    """``requests`` by the name of the operation (each file of a ``delete_many`` is one), and bytes
    of content that went through. Safe to add to from several threads."""

    requests: dict[str, int] = field(default_factory=dict)
    bytes_read: int = 0
    bytes_written: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, kind: str, *, read: int = 0, written: int = 0) -> None:
        """Count one request, with the bytes that it moved."""
        with self._lock:
            self.requests[kind] = self.requests.get(kind, 0) + 1
            self.bytes_read += read
            self.bytes_written += written

    def add_read(self, size: int) -> None:
        """Count bytes of a stream that was already counted as a request."""
        with self._lock:
            self.bytes_read += size


class CountingDriver(ForwardingDriver):
    """A driver that counts in ``counts`` and leaves the work to ``inner``.

    Requests are counted when they are made, whether they succeed or not; bytes when they came.
    """

    def __init__(self, inner: StorageDriver) -> None:
        super().__init__(inner)
        self.counts = Counts()

    def read(self, path: str, offset: int = 0) -> Reader:
        self.counts.add("read")
        return _CountingReader(self._inner.read(path, offset), self.counts)

    def get(self, path: str, limit: int) -> bytes:
        self.counts.add("get")
        content = self._inner.get(path, limit)
        self.counts.add_read(len(content))
        return content

    def get_many(
        self, paths: Iterable[str], limit: int
    ) -> Iterator[tuple[str, bytes | RegctlError]]:
        for path, got in self._inner.get_many(paths, limit):
            self.counts.add("get", read=len(got) if isinstance(got, bytes) else 0)
            yield path, got

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        self.counts.add("put", written=len(content))
        self._inner.put(path, content, if_absent=if_absent)

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> Writer:
        self.counts.add("writer")
        return _CountingWriter(self._inner.writer(path, append=append, sealed=sealed), self.counts)

    def unfinished(self, path: str) -> Iterator[Entry]:
        self.counts.add("unfinished")
        return self._inner.unfinished(path)

    def discard_unfinished(self, path: str, before: float) -> builtins.list[Entry]:
        self.counts.add("discard_unfinished")
        return self._inner.discard_unfinished(path, before)

    def stat(self, path: str, *, files_only: bool = False) -> Entry:
        self.counts.add("stat")
        return self._inner.stat(path, files_only=files_only)

    def list(self, path: str) -> list[Entry]:
        self.counts.add("list")
        return self._inner.list(path)

    def walk(
        self, path: str, *, stat: bool = True, descend: Callable[[Entry], bool] | None = None
    ) -> Iterator[Entry]:
        self.counts.add("walk")
        return self._inner.walk(path, stat=stat, descend=descend)

    def probe(self, path: str, name: str = "", *, others: bool = False) -> Iterator[Probed]:
        self.counts.add("probe")
        return self._inner.probe(path, name, others=others)

    def move(self, source: str, target: str) -> None:
        self.counts.add("move")
        self._inner.move(source, target)

    def delete(self, path: str) -> None:
        self.counts.add("delete")
        self._inner.delete(path)

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        for result in self._inner.delete_many(paths):
            self.counts.add("delete_many")
            yield result

    def mkdir(self, path: str) -> None:
        self.counts.add("mkdir")
        self._inner.mkdir(path)

    def rmdir(self, path: str) -> None:
        self.counts.add("rmdir")
        self._inner.rmdir(path)

    def now(self) -> float:
        self.counts.add("now")
        return self._inner.now()


class _CountingReader(Closing):
    def __init__(self, inner: Reader, counts: Counts) -> None:
        self._inner = inner
        self._counts = counts

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        size = self._inner.readinto(buffer)
        self._counts.add_read(size)
        return size

    def close(self) -> None:
        self._inner.close()


class _CountingWriter(ForwardingWriter):
    def __init__(self, inner: Writer, counts: Counts) -> None:
        super().__init__(inner)
        self._counts = counts

    def write(self, data: Buffer) -> None:
        self._inner.write(data)
        self._counts.add("write", written=len(data))

    def truncate(self, size: int) -> None:
        self._counts.add("truncate")
        self._inner.truncate(size)

    def reader(self) -> Reader:
        self._counts.add("read")
        return _CountingReader(self._inner.reader(), self._counts)

    def sync(self) -> None:
        self._counts.add("sync")
        self._inner.sync()

    def cancel(self) -> None:
        self._counts.add("cancel")
        self._inner.cancel()

    def commit(self) -> None:
        self._counts.add("commit")
        self._inner.commit()
