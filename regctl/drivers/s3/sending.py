"""The end of a file that is being written: bytes in memory, and parts on their way to the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager

from regctl.drivers.base import Buffer
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.multipart import MultipartUpload
from regctl.drivers.s3.parts import LEAST_PART, Part, most_buffers, part_bytes, size_of
from regctl.errors import StorageError


class Sender:
    """Collects what is written into parts and sends them, several at a time.

    A full part waits until the next one has `LEAST_PART` bytes: whatever is then to reach the
    store at once makes a part that others may follow. Only where less than that was written since
    the last one is a part stored that is too short for it, the *provisional* one: its bytes stay
    in memory, and it is sent again under its number when there are more. Nothing is sent after it
    before it is replaced: else a crash would leave a gap that nobody sees.

    ``upload`` gives the upload that the parts belong to, when one is first needed. The bytes in
    memory and on their way are bounded (`most_buffers`). An error of a part is raised by the next
    operation, and by every one after that.
    """

    def __init__(self, store: Store, upload: Callable[[], MultipartUpload]) -> None:
        self._store = store
        self._upload = upload
        #: The parts of the file, the provisional one excepted; without ETag while on their way.
        self._parts: list[Part] = []
        self._provisional: Part | None = None
        self._held: bytearray | None = None
        self._buffer: bytearray | None = None
        self._filled = 0
        self._in_flight: dict[Future[Part], bytearray | None] = {}
        self._free: list[bytearray] = []
        self._failure: BaseException | None = None
        #: Whether an interrupt (Ctrl-C) may have come while bytes changed hands.
        self._torn = False

    @property
    def size(self) -> int:
        """Bytes of the parts and in memory."""
        return self.sent + self.pending

    @property
    def sent(self) -> int:
        """Bytes of the parts that are no longer in memory, or will not be when they are stored."""
        return size_of(self._parts)

    @property
    def pending(self) -> int:
        """Bytes in memory that belong to no part, or to the provisional one."""
        return self._filled + (0 if self._held is None else len(self._held))

    @property
    def provisional_bytes(self) -> int:
        """How many of the pending bytes are stored as a part that is yet to be replaced."""
        return 0 if self._provisional is None else self._provisional.size

    @property
    def has_failed(self) -> bool:
        """Whether a part could not be sent."""
        return self._failure is not None or self._torn

    @property
    def count(self) -> int:
        """How many parts there will be when all is sent."""
        return len(self._parts) + (self._held is not None) + (self._filled > 0)

    def parts(self) -> list[Part]:
        """The parts that the store has, after `flush`."""
        return self._parts + ([] if self._provisional is None else [self._provisional])

    def memory(self) -> list[memoryview]:
        """The pending bytes, valid until the next operation."""
        pieces = [] if self._held is None else [memoryview(self._held)]
        if self._buffer is not None:
            pieces.append(memoryview(self._buffer)[: self._filled])
        return pieces

    def reset(self, parts: Iterable[Part] = ()) -> None:
        """Forget what is in memory; the file now consists of ``parts``. Nothing is in flight."""
        assert not self._in_flight, "parts are on their way"
        self._parts = list(parts)
        self._provisional = self._held = self._buffer = None
        self._filled = 0
        self._free.clear()

    def write(self, data: Buffer) -> None:
        """Append ``data``, which is copied; waits while the bound of bytes is reached."""
        self._reap(())
        rest = memoryview(data).cast("B")
        while rest:
            if self._buffer is None:
                self._buffer = self._new_buffer()
            count = min(len(rest), len(self._buffer) - self._filled)
            with memoryview(self._buffer) as view:
                view[self._filled : self._filled + count] = rest[:count]
            self._filled += count
            rest = rest[count:]
            if self._held is not None and self._filled >= LEAST_PART:
                self._send_held()
            if self._filled == len(self._buffer):
                with self._handing_over():
                    self._held, self._buffer, self._filled = self._buffer, None, 0

    def cut(self, pending: int) -> None:
        """Keep the first ``pending`` of the bytes in memory, which the provisional part does not
        exceed."""
        assert self.provisional_bytes <= pending <= self.pending
        if self._held is not None:
            if pending < len(self._held):
                self._buffer, self._held = self._held, None
            else:
                pending -= len(self._held)
        self._filled = pending

    def flush(self) -> None:
        """Return when the store has everything."""
        self._reap(())
        if self._held is not None and self._filled < LEAST_PART:
            if self._buffer is not None and self._filled:
                with self._handing_over(), memoryview(self._buffer) as view:
                    self._held = bytearray().join((self._held, view[: self._filled]))
                    self._filled = 0
            self._send_held()
        elif self._buffer is not None and self._filled >= LEAST_PART:
            with self._handing_over():
                del self._buffer[self._filled :]
                self._held, self._buffer, self._filled = self._buffer, None, 0
            self._send_held()
        elif self._buffer is not None and self._filled > self.provisional_bytes:
            number = len(self._parts) + 1
            body = self._buffer[: self._filled]
            upload = self._upload()
            with self._handing_over():
                self._submit(upload, number, body, None)
                self._provisional = Part(number, self._filled, "")
        self.wait()

    def wait(self) -> None:
        """Return when nothing is on its way. Raises the first error of a part."""
        wait(self._in_flight)
        self._reap(self._in_flight)

    def abandon(self) -> None:
        """Return when nothing is on its way, without sending what was not begun, or raising."""
        for future in self._in_flight:
            future.cancel()
        wait(self._in_flight)
        self._in_flight.clear()
        self._free.clear()
        self._held = self._buffer = None
        self._filled = 0

    def _send_held(self) -> None:
        """Send the part that waits, or have it take the place of the provisional part."""
        upload, held = self._upload(), self._held
        assert held is not None
        replaces = self._provisional is not None
        with self._handing_over():
            number = len(self._parts) + 1
            self._parts.append(Part(number, len(held), ""))
            self._submit(upload, number, held, held)
            self._held = self._provisional = None
        if replaces:
            self.wait()

    def _submit(
        self,
        upload: MultipartUpload,
        number: int,
        body: bytearray,
        buffer: bytearray | None,
    ) -> None:
        """Have ``body`` sent; ``buffer`` may be used for others afterwards."""
        self._in_flight[self._store.pool().submit(upload.put, number, body)] = buffer

    @contextmanager
    def _handing_over(self) -> Iterator[None]:
        """What is interrupted in here leaves bytes counted twice, or not at all: nothing is sent
        after that."""
        self._torn = True
        yield
        self._torn = False

    def _new_buffer(self) -> bytearray:
        """A buffer for the next part, when there is room for one."""
        size = part_bytes(self.count + 1, self._store.part_bytes)
        room = most_buffers(size) - 1 - (self._held is not None)
        while len(self._in_flight) > room:
            self._reap(wait(self._in_flight, return_when=FIRST_COMPLETED).done)
        while self._free:
            buffer = self._free.pop()
            if len(buffer) == size:
                return buffer
        return bytearray(size)

    def _reap(self, done: Iterable[Future[Part]]) -> None:
        """Take in what became of the parts ``done``; raise if any part ever failed."""
        for future in list(done):
            error = future.exception()
            if error is None:
                self._take(future.result())
            else:
                self._failure = self._failure or error
            buffer = self._in_flight.pop(future)
            if buffer is not None:
                self._free.append(buffer)
        if self._failure is not None:
            raise self._failure
        if self._torn:
            raise StorageError("the writer was interrupted while it sent a part")

    def _take(self, part: Part) -> None:
        if self._provisional is not None and part.number == self._provisional.number:
            self._provisional = part
        else:
            self._parts[part.number - 1] = part
