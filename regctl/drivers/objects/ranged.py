"""One object read as a stream: ranges in flight ahead of the caller, given in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future

from regctl.drivers.forwarding import Closing
from regctl.drivers.objects.ranges import (
    ContentChangedError,
    Fetch,
    Piece,
    Range,
    Source,
    Stream,
)

__all__ = ["ContentChangedError", "Fetch", "Piece", "RangedReader", "Stream", "Window"]

#: Bytes of one request; an object that is not larger is read by one, in the caller's thread.
PIECE_BYTES = 8 << 20
#: Bytes that all the readers of a driver together keep or await ahead of their callers.
WINDOW_BYTES = 64 << 20
#: How often in a row a range is asked for again when not one byte came.
TRIES = 5
#: Bytes after which whoever loads a range looks whether it is still wanted.
_STEP = 1 << 20


class Window:
    """How many bytes the readers of one driver may keep ahead; safe to use from several threads."""

    def __init__(self, size: int = WINDOW_BYTES) -> None:
        self._left = size
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """Bytes that may still be taken."""
        return self._left

    def take(self, count: int) -> bool:
        """Take ``count`` bytes if there are as many: never waits."""
        with self._lock:
            if count > self._left:
                return False
            self._left -= count
            return True

    def give(self, count: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._left += count


class RangedReader(Closing):
    """A `regctl.drivers.base.Reader` of the object behind ``fetch``, from byte ``offset``.

    Making one sends the first request, so that an absent object is seen here. What is not larger
    than ``piece_bytes`` needs no other; of the rest, from the second `readinto` on, ranges are
    fetched ahead by threads of ``pool()`` as far as ``window`` (one for all readers of a driver)
    allows, and given in order. When neither the window nor the pool has room, the caller's own
    thread reads the next range: readers never wait for one another.

    A body that ends too early is continued at the byte where it stopped, after ``tries`` requests
    in a row without one byte `UnavailableError` is raised. The first answer's version and total
    hold for all: anything else raises `ContentChangedError`. ``path`` is for messages; ``sleep``
    waits that many seconds. Raises `ValueError` if ``offset`` is negative.
    """

    #: Bytes of the whole object; of an object that ends at ``offset`` or before, ``offset``.
    total: int
    #: What names the content that is read, where the store names it.
    version: str | None

    def __init__(
        self,
        fetch: Fetch,
        *,
        path: str,
        offset: int = 0,
        pool: Callable[[], Executor],
        window: Window | None = None,
        piece_bytes: int = PIECE_BYTES,
        tries: int = TRIES,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if offset < 0:
            raise ValueError(f"a negative offset: {offset}")
        self._pool = pool
        self._window = window or Window()
        self._piece_bytes = piece_bytes
        self._ahead: deque[_Ahead] = deque()
        #: Memory of ranges that were read, for others: fresh memory costs more than it is worth.
        self._free: list[bytearray] = []
        self._closed = threading.Event()
        self._begun = False
        piece = fetch(offset, piece_bytes, None)
        if piece is None:
            piece = Piece(offset, offset, None, _Nothing())
        self.total, self.version = piece.total, piece.version
        self._source = Source(fetch, path, piece.total, piece.version, tries, sleep, self._closed)
        if offset < piece.total:
            end = self._source.accept(piece, offset, min(offset + piece_bytes, piece.total))
        else:
            piece.stream.close()
            offset = end = piece.total
        #: Where the next range begins that nobody reads yet.
        self._next = end
        self._current: Range | _Loaded = Range(self._source, offset, end, piece)

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        if self._closed.is_set():
            raise ValueError(f"the stream of {self._source.path} is closed")
        view = memoryview(buffer)
        if self._next < self.total:
            # Not at the first call: whoever looks at the beginning only is not sent the rest.
            if self._begun:
                self._look_ahead()
            self._begun = True
        while not (count := self._current.readinto(view)) and view:
            if not self._ahead and self._next >= self.total:
                return 0
            self._advance()
        return count

    def close(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        self._current.close()
        for ahead in self._ahead:
            ahead.drop()
        self._ahead.clear()
        self._free.clear()

    def _look_ahead(self) -> None:
        """Have further ranges fetched, as far as the window allows."""
        while self._next < self.total:
            start, end = self._next, min(self._next + self._piece_bytes, self.total)
            if not self._window.take(end - start):
                return
            try:
                ahead = _Ahead(self._pool(), self._source, start, end, self._window, self._free)
            except BaseException:
                self._window.give(end - start)
                raise
            self._ahead.append(ahead)
            self._next = end

    def _advance(self) -> None:
        """Go to the next range, which may have failed: then it stays the next."""
        if self._ahead:
            # Taken from the row only after it is there: a failure is no end of the stream.
            self._current = self._ahead[0].result()
            self._ahead.popleft()
        else:
            end = min(self._next + self._piece_bytes, self.total)
            self._current = Range(self._source, self._next, end)
            self._next = end


class _Loaded:
    """A range that lies in memory, which is given back by ``release`` when it was read."""

    def __init__(self, content: bytearray, release: Callable[[], None]) -> None:
        self._rest = memoryview(content)
        self._release: Callable[[], None] | None = release

    def readinto(self, view: memoryview) -> int:
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        if not self._rest:
            self.close()
        return count

    def close(self) -> None:
        """Let go of the memory."""
        self._rest = memoryview(b"")
        if self._release is not None:
            self._release()
            self._release = None


class _Ahead:
    """A range that a thread of the pool loads, or will; its room in the window is taken."""

    def __init__(
        self,
        pool: Executor,
        source: Source,
        start: int,
        end: int,
        window: Window,
        free: list[bytearray],
    ) -> None:
        self._source, self._start, self._end = source, start, end
        self._window = window
        self._free = free
        self._future: Future[bytearray] = pool.submit(_load, source, start, end, free)

    def result(self) -> _Loaded | Range:
        """The range, waited for; to be read in the caller's thread if no other has begun it."""
        if self._future.cancel():
            self._release()
            return Range(self._source, self._start, self._end)
        content = self._future.result()

        def release() -> None:
            self._free.append(content)
            self._release()

        return _Loaded(content, release)

    def drop(self) -> None:
        """Give it up: a thread that is at it ends with the next bytes that come."""
        self._future.cancel()
        self._future.add_done_callback(lambda _: self._release())

    def _release(self) -> None:
        self._window.give(self._end - self._start)


def _load(source: Source, start: int, end: int, free: list[bytearray]) -> bytearray:
    """The bytes from ``start`` to ``end``, in memory of ``free`` where that fits; not all of them
    if the reader is closed meanwhile."""
    try:
        content = free.pop()
    except IndexError:
        content = bytearray()
    if len(content) != end - start:
        content = bytearray(0 if source.closed.is_set() else end - start)
    rest = memoryview(content)
    reading = Range(source, start, end)
    try:
        while rest and not source.closed.is_set():
            rest = rest[reading.readinto(rest[:_STEP]) :]
    finally:
        reading.close()
    return content


class _Nothing:
    """The body of no bytes."""

    def readinto(self, _buffer: memoryview, /) -> int:
        return 0

    def close(self) -> None:
        pass
