"""A storage in memory that behaves as the filesystem driver's does, directories included."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from regctl.drivers.base import Buffer, Entry, Kind, Probed
from regctl.drivers.bulk import get_one_by_one, probe_one_by_one
from regctl.drivers.forwarding import Closing
from regctl.drivers.shapes import DirectoryShape
from regctl.errors import (
    DamagedError,
    PathExistsError,
    PathNotFoundError,
    RegctlError,
    UploadInUseError,
)


class _File:
    """A file's content; like an inode it outlives its path while somebody has it open."""

    __slots__ = ("content", "has_writer", "modified")

    def __init__(self, content: bytes, modified: float) -> None:
        self.content = bytearray(content)
        self.modified = modified
        self.has_writer = False


class MemoryDriver(DirectoryShape):
    """A storage that lives as long as this object. ``clock`` gives its time, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._files: dict[str, _File] = {}
        self._directories = {"/"}

    @property
    def name(self) -> str:
        return "memory"

    def read(self, path: str, offset: int = 0) -> _Reader:
        with self._lock:
            return _Reader(self._file(path), offset, self._lock)

    def get(self, path: str, limit: int) -> bytes:
        with self._lock:
            content = self._file(path).content
            if len(content) > limit:
                raise DamagedError(f"{path} has {len(content)} bytes, more than {limit}")
            return bytes(content)

    def get_many(
        self, paths: Iterable[str], limit: int
    ) -> Iterator[tuple[str, bytes | RegctlError]]:
        return get_one_by_one(self.get, paths, limit)

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        with self._lock:
            if if_absent and (path in self._files or path in self._directories):
                raise PathExistsError(path)
            self._prepare(path)
            self._files[path] = _File(content, self._clock())

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> _Writer:
        if sealed:
            raise ValueError("this storage does not seal")
        with self._lock:
            self._prepare(path)
            file = self._files.get(path)
            if file is None:
                file = self._files[path] = _File(b"", self._clock())
            if file.has_writer:
                raise UploadInUseError(f"another writer has {path} open")
            if not append:
                file.content.clear()
            file.has_writer = True
            return _Writer(self, path, file)

    def stat(self, path: str, *, files_only: bool = False) -> Entry:  # noqa: ARG002 - one look
        with self._lock:
            if path in self._directories:
                return Entry(path, Kind.DIRECTORY)
            file = self._file(path)
            return Entry(path, Kind.FILE, len(file.content), file.modified)

    def list(self, path: str) -> list[Entry]:
        prefix = path.rstrip("/") + "/"
        return sorted(
            (
                entry
                for entry in self._below(path, stat=False)
                if "/" not in entry.path[len(prefix) :]
            ),
            key=lambda entry: entry.path,
        )

    def walk(
        self, path: str, *, stat: bool = True, descend: Callable[[Entry], bool] | None = None
    ) -> Iterator[Entry]:
        closed: set[str] = set()
        for entry in self._below(path, stat=stat):
            above = entry.path.rpartition("/")[0]
            if above in closed:
                if entry.kind is Kind.DIRECTORY:
                    closed.add(entry.path)
                continue
            with self._lock:
                if entry.path not in self._files and entry.path not in self._directories:
                    continue
            yield entry
            if entry.kind is Kind.DIRECTORY and descend is not None and not descend(entry):
                closed.add(entry.path)

    def probe(self, path: str, name: str = "", *, others: bool = False) -> Iterator[Probed]:
        return probe_one_by_one(self, path, name, others=others)

    def move(self, source: str, target: str) -> None:
        with self._lock:
            file = self._file(source)
            self._prepare(target)
            del self._files[source]
            self._files[target] = file

    def delete(self, path: str) -> None:
        with self._lock:
            self._file(path)
            del self._files[path]

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        for path in paths:
            with self._lock:
                self._files.pop(path, None)
            yield path, None

    def mkdir(self, path: str) -> None:
        with self._lock:
            self._make(path)

    def rmdir(self, path: str) -> None:
        with self._lock:
            if path == "/" or path not in self._directories:
                return
            prefix = path + "/"
            if not any(
                other.startswith(prefix)
                for group in (self._files, self._directories)
                for other in group
            ):
                self._directories.discard(path)

    def now(self) -> float:
        return self._clock()

    def _file(self, path: str) -> _File:
        try:
            return self._files[path]
        except KeyError:
            raise PathNotFoundError(path) from None

    def _below(self, path: str, *, stat: bool) -> Sequence[Entry]:
        """Everything below a directory as it is now, parents first."""
        with self._lock:
            if path not in self._directories:
                raise PathNotFoundError(path)
            prefix = path.rstrip("/") + "/"
            entries = [
                Entry(other, Kind.DIRECTORY)
                for other in self._directories
                if other.startswith(prefix) and other != "/"
            ]
            for other, file in self._files.items():
                if other.startswith(prefix):
                    known = (len(file.content), file.modified) if stat else (0, 0.0)
                    entries.append(Entry(other, Kind.FILE, *known))
        return sorted(entries, key=lambda entry: entry.path)

    def _prepare(self, path: str) -> None:
        """Make ready for a file at ``path``."""
        if path in self._directories:
            raise DamagedError(f"{path}: a directory where a file should be")
        self._make(path.rpartition("/")[0] or "/")

    def _make(self, path: str) -> None:
        above = path
        while above not in self._directories:
            if above in self._files:
                raise DamagedError(f"{above}: a file where a directory should be")
            above = above.rpartition("/")[0] or "/"
        while path != above:
            self._directories.add(path)
            path = path.rpartition("/")[0] or "/"


class _Reader(Closing):
    def __init__(self, file: _File, offset: int, lock: threading.RLock) -> None:
        self._file: _File | None = file
        self._offset = offset
        self._lock = lock

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        if self._file is None:
            raise ValueError("the reader is closed")
        with self._lock:
            piece = self._file.content[self._offset : self._offset + len(buffer)]
        buffer[: len(piece)] = piece
        self._offset += len(piece)
        return len(piece)

    def close(self) -> None:
        self._file = None


class _Writer(Closing):
    def __init__(self, driver: MemoryDriver, path: str, file: _File) -> None:
        self._driver = driver
        self._path = path
        self._file = file
        self._closed = False
        self._committed = False

    @property
    def size(self) -> int:
        return len(self._file.content)

    def write(self, data: Buffer) -> None:
        self._require_open()
        with self._driver._lock:
            self._file.content += data
            self._file.modified = self._driver._clock()

    def truncate(self, size: int) -> None:
        self._require_open()
        if not 0 <= size <= self.size:
            raise ValueError(f"{self._path} has {self.size} bytes and cannot be cut to {size}")
        with self._driver._lock:
            del self._file.content[size:]

    def reader(self) -> _Reader:
        self._require_open()
        return _Reader(self._file, 0, self._driver._lock)

    def holds(self, pieces: Iterable[Buffer]) -> bool:  # noqa: ARG002 - there are no checksums
        return not self.size

    def flush_early(self) -> None:
        self._require_open()

    def sync(self) -> None:
        self._require_open()

    def cancel(self) -> None:
        with self._driver._lock:
            is_open = not self._closed and not self._committed
            if is_open and self._driver._files.get(self._path) is self._file:
                del self._driver._files[self._path]
        self.close()

    def commit(self) -> None:
        self._require_open()
        self._committed = True

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._file.has_writer = False

    def _require_open(self) -> None:
        if self._closed or self._committed:
            raise ValueError(f"the writer of {self._path} is closed")
