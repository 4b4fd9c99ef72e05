"""Content on its way to a resumable session: one chunk gathers while another is sent."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import suppress

from regctl.drivers.base import Buffer
from regctl.drivers.gcs.client import Store
from regctl.drivers.gcs.errors import SessionGoneError
from regctl.drivers.gcs.parameters import QUANTUM
from regctl.drivers.gcs.reading import CHECKS_STREAMS
from regctl.drivers.gcs.resource import crc32c
from regctl.drivers.gcs.sessions import Session
from regctl.drivers.gcs.uploads import session_gone
from regctl.errors import StorageError, UnavailableError

#: How many sessions are begun for the same bytes before that is given up.
_SESSIONS = 3


class Sending:
    """The content of one upload from its first byte: what the session was sent, and the rest.

    Content gathers in memory up to a chunk; a chunk is sent by a thread of the pool while the next
    one gathers. What does not arrive stays here, and can be sent again.
    """

    def __init__(self, store: Store, path: str) -> None:
        self._store = store
        self._path = path
        #: Begun when there is something to send.
        self.session: Session | None = None
        #: Bytes handed to the session, and the crc32c of them (None: not known).
        self.sent = 0
        self.crc: int | None = 0 if CHECKS_STREAMS else None
        #: What comes after them.
        self.buffer = bytearray()
        #: What a thread of the pool is sending, and the checksum of what came before it.
        self._flight: Future[None] | None = None
        self._flying = b""
        self._before: int | None = None

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.sent + len(self.buffer)

    def gather(self, data: Buffer) -> None:
        """Append ``data`` to the buffer, and send each chunk that is full."""
        view = memoryview(data).cast("B")
        while view:
            # What came back unsent may fill more than a chunk.
            room = max(0, self._store.chunk_bytes - len(self.buffer))
            self.buffer += view[:room]
            view = view[room:]
            if len(self.buffer) >= self._store.chunk_bytes:
                self.hand_over()

    def hand_over(self) -> None:
        """Have the whole quanta of the buffer sent, when what was sent before has arrived."""
        self.land()
        count = len(self.buffer) - len(self.buffer) % QUANTUM
        if not count:
            return
        if self.session is None:
            self.session = Session.begin(self._store, self._path)
        piece = bytes(memoryview(self.buffer)[:count])
        self._flying, self._before = piece, self.crc
        self._flight = self._store.pool().submit(self.session.send, piece, self.sent)
        del self.buffer[:count]
        self.sent += count
        if self.crc is not None:
            self.crc = crc32c(piece, self.crc)

    def land(self) -> None:
        """Wait for what is being sent. What did not arrive is in the buffer again."""
        if self._flight is None:
            return
        try:
            self._flight.result()
        except SessionGoneError as error:
            size = self.size
            self._take_back()
            if self.sent:
                raise session_gone(self._path, size, self.sent) from error
            # Everything is here: what sends next begins a new session.
            self.session = None
        except BaseException:
            # An interrupt does not end what is on its way: it is waited for when closing.
            if self._flight.done():
                self._take_back()
            raise
        self._flight, self._flying = None, b""

    def _take_back(self) -> None:
        self.buffer[:0] = self._flying
        self.sent -= len(self._flying)
        self.crc = self._before
        self._flight, self._flying = None, b""

    def settle(self) -> None:
        """Have the whole quanta of everything in the session."""
        for _ in range(_SESSIONS):
            self.hand_over()
            self.land()
            if len(self.buffer) < QUANTUM:
                return
        raise UnavailableError(f"{self._path}: the sessions of the upload end as they begin")

    def total_crc(self) -> int | None:
        """The crc32c of all that was written."""
        self.land()
        return None if self.crc is None else crc32c(self.buffer, self.crc)

    def abandon(self) -> None:
        """Let go of the session and of what is on the way to it."""
        with suppress(StorageError):
            self.land()
        if self.session is not None:
            self.session.discard()
