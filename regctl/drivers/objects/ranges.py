"""One range of an object, read to its end over as many connections as that takes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from typing import NamedTuple, Protocol

from regctl.errors import PathNotFoundError, StorageError, UnavailableError

#: Seconds before the first further try after a cut, doubled each time up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: What a stream raises when its connection broke.
_CUT = (UnavailableError, OSError, HTTPException)


class ContentChangedError(StorageError):
    """What is at a path is no longer what was being read."""

    code = "content-changed"

    def __init__(self, path: str, how: str = "changed") -> None:
        super().__init__(
            f"{path} {how} while it was read", hint="read it again when nobody writes it"
        )


class Stream(Protocol):
    """The body of one answer."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill ``buffer`` from the start; 0 at the end, also at one that comes too early.

        Raises `UnavailableError`, `OSError` or `HTTPException` when the connection broke.
        """

    def close(self) -> None:
        """Let go of the connection: for others to use if the body was read to its end, else (the
        rest is not waited for) dropped. Idempotent."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The answer to a ranged request, its body not yet read.

    ``content_offset`` is the first byte's place in the object (of ``Content-Range``; 0 when a
    server took no notice of the range), ``total`` the bytes of the whole object, ``version`` what
    names this content (an ETag, a generation; None where there is none), ``length`` the bytes that
    the body is to have, where the answer says so.
    """

    content_offset: int
    total: int
    version: str | None
    stream: Stream
    length: int | None = None


class Fetch(Protocol):
    """How a driver asks for ``length`` bytes of one object from ``offset``, or for fewer where the
    object ends before.

    With ``version`` only of that content: raises `ContentChangedError` where the server says that
    there is another. None if the object has no byte at ``offset`` (status 416). Raises
    `PathNotFoundError` and other `StorageError`, after the tries that the store allows a request.
    Called by several threads at once.
    """

    def __call__(self, offset: int, length: int, version: str | None, /) -> Piece | None: ...


class Source(NamedTuple):
    """What all ranges of one object have in common."""

    fetch: Fetch
    path: str
    total: int
    version: str | None
    tries: int
    sleep: Callable[[float], object]
    #: Set when nobody wants more of it.
    closed: threading.Event

    def open(self, start: int, end: int) -> Piece:
        """The answer for the bytes from ``start`` to ``end``, of the content that is being read."""
        try:
            piece = self.fetch(start, end - start, self.version)
        except PathNotFoundError as error:
            raise ContentChangedError(self.path, "was removed") from error
        if piece is None:
            raise ContentChangedError(self.path)
        if (piece.total, piece.version) != (self.total, self.version):
            piece.stream.close()
            raise ContentChangedError(self.path)
        self.accept(piece, start, end)
        return piece

    def accept(self, piece: Piece, start: int, end: int) -> int:
        """Where the body of ``piece`` ends: at ``end``, or with the object if the server took no
        notice of the range and the first byte was asked for.

        Raises `StorageError` if it is any other range.
        """
        body_end = end if piece.length is None else start + piece.length
        whole = start == 0 and body_end == self.total
        if piece.content_offset == start and (body_end == end or whole):
            return body_end
        piece.stream.close()
        raise StorageError(
            f"the storage gave another range of {self.path} than the bytes {start} to {end - 1}"
            " that it was asked for"
        )


class Range:
    """One range, read to its end over as many connections as that takes."""

    def __init__(self, source: Source, start: int, end: int, piece: Piece | None = None) -> None:
        self._source = source
        self._position = start
        self._end = end
        self._stream = None if piece is None else piece.stream
        self._failures = 0

    def readinto(self, view: memoryview) -> int:
        """Fill ``view`` from the start: 0 at the end of the range only (and for no room)."""
        view = view[: self._end - self._position]
        while view:
            if self._stream is None:
                self._stream = self._source.open(self._position, self._end).stream
            cause: BaseException | None = None
            count = 0
            try:
                count = self._stream.readinto(view)
            except _CUT as error:
                cause = error
            if count:
                self._failures = 0
                if self._position + count == self._end:
                    self._finish(self._stream)
                # Not before it is known to be good: whoever reads on after an error gets no end.
                self._position += count
                return count
            self.close()
            self._pause(cause)
        return 0

    def close(self) -> None:
        """Drop the connection, if there is one."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _finish(self, stream: Stream) -> None:
        """See that nothing comes after the last byte; so the connection is free for others."""
        more = 0
        with suppress(*_CUT):
            more = stream.readinto(memoryview(bytearray(1)))
        self.close()
        if more:
            raise StorageError(
                f"the storage gave more bytes of {self._source.path} than it has: {self._end}"
            )

    def _pause(self, cause: BaseException | None) -> None:
        """Wait before the next try; `UnavailableError` if there were enough of them."""
        if self._failures == self._source.tries or self._source.closed.is_set():
            raise UnavailableError(
                f"{self._source.path} was cut off at byte {self._position} of"
                f" {self._source.total}, and {self._failures} further tries gave nothing",
                hint="try again; what was read is not lost where the command can resume",
            ) from cause
        self._source.sleep(min(_FIRST_PAUSE * 2**self._failures, _LONGEST_PAUSE))
        self._failures += 1
