"""A storage in memory that behaves as an object store does.

It has no directories, what a writer leaves is hidden until it is committed, and moving is copying
and deleting. It is for what needs many storages quickly, such as dying at every step: the drivers
of real object stores are tested with servers.
"""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from regctl.drivers.base import Buffer, Entry, Kind
from regctl.drivers.bulk import get_one_by_one
from regctl.drivers.cells import LostRaceError
from regctl.drivers.forwarding import Closing
from regctl.drivers.shapes import ObjectShape
from regctl.errors import (
    DamagedError,
    PathExistsError,
    PathNotFoundError,
    RegctlError,
    UploadInUseError,
)


@dataclass(slots=True)
class _Object:
    content: bytes
    modified: float


class ObjectsDriver(ObjectShape):
    """Objects by path, for as long as this one lives. ``clock`` gives its time, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._objects: dict[str, _Object] = {}
        self._begun: dict[str, _Object] = {}
        self._in_use: set[str] = set()

    @property
    def name(self) -> str:
        return "objects"

    @property
    def seals(self) -> bool:
        return True

    def requests(self) -> Mapping[str, int]:
        return {}

    def read(self, path: str, offset: int = 0) -> _Reader:
        return _Reader(self._object(path).content[offset:])

    def get(self, path: str, limit: int) -> bytes:
        content = self._object(path).content
        if len(content) > limit:
            raise DamagedError(f"{path} has {len(content)} bytes, more than {limit}")
        return content

    def get_many(
        self, paths: Iterable[str], limit: int
    ) -> Iterator[tuple[str, bytes | RegctlError]]:
        return get_one_by_one(self.get, paths, limit)

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        with self._lock:
            if if_absent and path in self._objects:
                raise PathExistsError(path)
            self._objects[path] = _Object(bytes(content), self._clock())

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> _Writer:
        with self._lock:
            if path in self._in_use:
                raise UploadInUseError(f"another writer has {path} open")
            self._in_use.add(path)
            if not append:
                self._begun.pop(path, None)
                if not sealed:
                    self._objects.pop(path, None)
            there = self._begun.get(path) or (None if sealed else self._objects.get(path))
            return _Writer(self, path, there.content if there else b"", sealed=sealed)

    def unfinished(self, path: str) -> Iterator[Entry]:
        with self._lock:
            found = [
                Entry(other, Kind.FILE, len(begun.content), begun.modified)
                for other, begun in self._begun.items()
                if other.startswith(path.rstrip("/") + "/")
            ]
        return iter(found)

    def discard_unfinished(self, path: str, before: float) -> builtins.list[Entry]:
        with self._lock:
            if path in self._in_use:
                raise UploadInUseError(f"another writer has {path} open")
            begun = self._begun.get(path)
            if begun is None or begun.modified >= before:
                return []
            del self._begun[path]
            return [Entry(path, Kind.FILE, len(begun.content), begun.modified)]

    def cell(self, path: str) -> _Cell:
        return _Cell(self, path)

    def stat(self, path: str, *, files_only: bool = False) -> Entry:
        with self._lock:
            if path in self._objects:
                found = self._objects[path]
                return Entry(path, Kind.FILE, len(found.content), found.modified)
            if not files_only and (path == "/" or self._below(path)):
                return Entry(path, Kind.DIRECTORY)
        raise PathNotFoundError(path)

    def list(self, path: str) -> list[Entry]:
        prefix = path.rstrip("/") + "/"
        found: dict[str, Entry] = {}
        for other in self._below(path):
            name, slash, _ = other[len(prefix) :].partition("/")
            found[name] = Entry(prefix + name, Kind.DIRECTORY if slash else Kind.FILE)
        if not found and path != "/":
            raise PathNotFoundError(path)
        return sorted(found.values(), key=lambda entry: entry.path)

    def walk(
        self, path: str, *, stat: bool = True, descend: Callable[[Entry], bool] | None = None
    ) -> Iterator[Entry]:
        if descend is not None:
            for entry in self.list(path):
                if entry.kind is Kind.FILE:
                    yield self.stat(entry.path) if stat else entry
                    continue
                yield entry
                if descend(entry):
                    yield from self.walk(entry.path, stat=stat, descend=descend)
            return
        paths = self._below(path)
        if not paths and path != "/":
            raise PathNotFoundError(path)
        for other in paths:
            found = self._objects.get(other)
            if found is not None:
                known = (len(found.content), found.modified) if stat else (0, 0.0)
                yield Entry(other, Kind.FILE, *known)

    def move(self, source: str, target: str) -> None:
        with self._lock:
            self.put(target, self._object(source).content)
            if source != target:
                del self._objects[source]

    def delete(self, path: str) -> None:
        with self._lock:
            self._object(path)
            del self._objects[path]

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        for path in paths:
            self._objects.pop(path, None)
            yield path, None

    def now(self) -> float:
        return self._clock()

    def _object(self, path: str) -> _Object:
        try:
            return self._objects[path]
        except KeyError:
            raise PathNotFoundError(path) from None

    def _below(self, path: str) -> builtins.list[str]:
        prefix = path.rstrip("/") + "/"
        with self._lock:
            return sorted(other for other in self._objects if other.startswith(prefix))


class _Cell:
    """An object by compare-and-swap; the version of a content is the content."""

    def __init__(self, driver: ObjectsDriver, path: str) -> None:
        self._driver = driver
        self._path = path

    def read(self) -> tuple[bytes, str] | None:
        found = self._driver._objects.get(self._path)
        return None if found is None else (found.content, found.content.hex())

    def write(self, content: bytes, version: str | None, /) -> str:
        with self._driver._lock:
            self._compare(version)
            self._driver.put(self._path, content)
        return content.hex()

    def remove(self, version: str, /) -> None:
        with self._driver._lock:
            if self.read() is not None:
                self._compare(version)
                self._driver.delete(self._path)

    def _compare(self, version: str | None) -> None:
        found = self.read()
        if (None if found is None else found[1]) != version:
            raise LostRaceError(f"{self._path} was written by somebody else")


class _Reader(Closing):
    def __init__(self, content: bytes) -> None:
        self._rest: memoryview | None = memoryview(content)

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        if self._rest is None:
            raise ValueError("the reader is closed")
        piece = self._rest[: len(buffer)]
        buffer[: len(piece)] = piece
        self._rest = self._rest[len(piece) :]
        return len(piece)

    def close(self) -> None:
        self._rest = None


class _Writer(Closing):
    """What is written is in the store at once, but hidden. Content that was visible when the
    writer opened is a beginning only once something is written to it."""

    def __init__(self, driver: ObjectsDriver, path: str, content: bytes, *, sealed: bool) -> None:
        self._sealed = sealed
        self._driver = driver
        self._path = path
        self._content = bytearray(content)
        self._is_open = True
        self._committed = False

    @property
    def size(self) -> int:
        return len(self._content)

    def write(self, data: Buffer) -> None:
        self._require_open()
        self._content += data
        if len(data):
            self._keep()

    def truncate(self, size: int) -> None:
        self._require_open()
        if not 0 <= size <= self.size:
            raise ValueError(f"{self._path} has {self.size} bytes and cannot be cut to {size}")
        if self._sealed and size not in (0, self.size):
            raise ValueError(f"{self._path} is sealed, and cannot be cut to {size}")
        del self._content[size:]
        self._keep()

    def reader(self) -> _Reader:
        self._require_open()
        if self._sealed:
            raise ValueError(f"{self._path} is sealed, and cannot be read")
        return _Reader(bytes(self._content))

    def holds(self, pieces: Iterable[Buffer]) -> bool:
        self._require_open()
        joined = b"".join(bytes(piece) for piece in pieces)
        return joined[: self.size] == self._content

    def flush_early(self) -> None:
        self._require_open()

    def sync(self) -> None:
        self._require_open()

    def cancel(self) -> None:
        if self._is_open and not self._committed:
            with self._driver._lock:
                self._driver._begun.pop(self._path, None)
                if not self._sealed:
                    self._driver._objects.pop(self._path, None)
        self.close()

    def commit(self) -> None:
        self._require_open()
        with self._driver._lock:
            self._driver.put(self._path, bytes(self._content))
            self._driver._begun.pop(self._path, None)
        self._committed = True

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._driver._in_use.discard(self._path)

    def _keep(self) -> None:
        with self._driver._lock:
            kept = _Object(bytes(self._content), self._driver._clock())
            self._driver._begun[self._path] = kept
            if not self._sealed:
                self._driver._objects.pop(self._path, None)

    def _require_open(self) -> None:
        if not self._is_open or self._committed:
            raise ValueError(f"the writer of {self._path} is closed")
