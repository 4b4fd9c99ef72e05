"""Growing an object by a resumable session, recorded between writers as Distribution records it.

Between two writers an upload is an object of the content type `SESSION_TYPE` at the path itself:
its metadata name the session (``Session-URI``) and the bytes that it has (``Offset``), its content
is what comes after them, less than `QUANTUM` bytes. Source: Distribution,
``registry/storage/driver/gcs/gcs.go``. regctl adds ``Regctl-Crc32c``, the checksum of the bytes in
the session; a registry that goes on drops it with its next record.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from regctl.drivers.base import Buffer, Reader
from regctl.drivers.forwarding import Closing
from regctl.drivers.gcs import objects
from regctl.drivers.gcs.client import Store
from regctl.drivers.gcs.errors import PreconditionFailedError, SessionGoneError
from regctl.drivers.gcs.reading import CHECKS_STREAMS, get_version, open_reader
from regctl.drivers.gcs.resource import SESSION_TYPE, Resource
from regctl.drivers.gcs.sending import Sending
from regctl.drivers.gcs.sessions import Session
from regctl.drivers.gcs.uploads import Record, session_gone
from regctl.drivers.objects.leases import Lease, Leases
from regctl.errors import (
    DamagedError,
    PathNotFoundError,
    StorageError,
    UploadInUseError,
)

#: What must be at the path for "nothing".
_NOTHING = "0"


def open_writer(store: Store, leases: Leases, path: str, *, append: bool) -> SessionWriter:
    """The writer of the file at ``path``. Raises as `StorageDriver.writer`."""
    lease = leases.acquire(path, "upload")
    try:
        if append:
            with suppress(PathNotFoundError):
                return SessionWriter(store, lease, path, objects.describe(store, path))
        else:
            # Whoever takes this path up after a crash must not find what was there before.
            objects.remove(store, path)
        return SessionWriter(store, lease, path, None)
    except BaseException:
        lease.release()
        raise


class SessionWriter(Closing):
    """A `regctl.drivers.base.Writer`, `Lease` in hand, of what ``found`` describes.

    A session that was found is asked what it has when it is first needed.

    To read back what was written, or to cut it at a byte that the session has already, the session
    has to be finalised: the content becomes a visible object, and is sent again, through this
    machine, to a new session when something is to be written after it.
    """

    def __init__(self, store: Store, lease: Lease, path: str, found: Resource | None) -> None:
        self._store = store
        self._lease = lease
        self._path = path
        self._closed = False
        self._committed = False
        #: What is at the path, as far as this writer knows, and whether it is less than there is.
        self._generation: str | None = _NOTHING if found is None else found.generation
        self._dirty = found is None
        #: The whole content, if it is a finalised object.
        self._object: Resource | None = None
        self._start()
        if found is not None and found.is_session:
            self._take_up(Record.read(path, found), get_version(store, path, found))
        elif found is not None:
            self._object = found

    @property
    def size(self) -> int:
        if self._object is not None:
            return self._object.size
        return self._sending.size

    def write(self, data: Buffer) -> None:
        self._require_open()
        if len(data):
            self._go_on()
            self._gather(data)

    def truncate(self, size: int) -> None:
        self._require_open()
        if not 0 <= size <= self.size:
            raise ValueError(f"{self._path} has {self.size} bytes and cannot be cut to {size}")
        if size == self.size:
            return
        self._dirty = True
        if size == 0:
            self._sending.abandon()
            self._start()
            return
        if self._object is None:
            self._ask_session()
            self._sending.land()
            if max(self._sending.sent, self._floor) <= size:
                del self._sending.buffer[size - self._sending.sent :]
                return
            if self._floor > self._sending.sent:
                self._cut_back(size)
                return
            self._sending.buffer.clear()
            self._finalise()
        self._send_again(size)

    def reader(self) -> Reader:
        self._require_open()
        if self._object is None:
            self._lease.check()
            self._finalise()
        assert self._object is not None
        return open_reader(self._store, self._path, 0, self._object)

    def holds(self, pieces: Iterable[Buffer]) -> bool:  # noqa: ARG002 - told by the size alone
        # A session tells no checksum of what it has.
        self._require_open()
        return self.size == 0

    def flush_early(self) -> None:
        self._require_open()

    def sync(self) -> None:
        self._require_open()
        self._record()

    def commit(self) -> None:
        self._require_open()
        self._lease.check()
        if self._object is None:
            self._finalise()
        self._committed = True

    def cancel(self) -> None:
        if self._closed or self._committed:
            self.close()
            return
        self._closed = True
        try:
            self._sending.abandon()
            if self._generation != _NOTHING:
                # What somebody else has put in its place meanwhile is left alone.
                with suppress(PreconditionFailedError):
                    objects.remove(self._store, self._path, generation=self._generation)
        finally:
            self._lease.release()

    def close(self) -> None:
        if self._closed:
            return
        try:
            if not self._committed:
                self._record()
        finally:
            self._closed = True
            self._lease.release()

    def _require_open(self) -> None:
        if self._closed or self._committed:
            raise ValueError(f"the writer of {self._path} is closed")

    def _start(self) -> None:
        """Have nothing: no session and no bytes."""
        self._object = None
        self._sending = Sending(self._store, self._path)
        #: Bytes that a session from elsewhere has, if these are more: never to be undercut.
        self._floor = 0
        self._is_asked = True

    def _take_up(self, record: Record, remainder: bytes) -> None:
        """Go on where another writer stopped."""
        if record.uri:
            self._sending.session = Session(self._store, self._path, record.uri)
        self._sending.sent = record.offset
        self._sending.crc = record.crc32c if CHECKS_STREAMS else None
        self._sending.buffer += remainder
        self._is_asked = self._sending.session is None

    def _go_on(self) -> None:
        """Make ready for more content."""
        if self._object is not None:
            self._send_again(self._object.size)
        self._ask_session()

    def _ask_session(self) -> None:
        """Ask a session that was found for what it has, and set that against its record.

        It has more where its last writer died before he recorded it. Those bytes come again, and a
        session ignores what it has: that they are the same is proved by the checksum of the whole.
        Without one the content is cut back to what the record says.
        """
        if self._is_asked or self._sending.session is None:
            return
        size = self.size
        try:
            has = self._sending.session.persisted()
        except SessionGoneError as error:
            if self._sending.sent:
                raise session_gone(self._path, size, self._sending.sent) from error
            # It never had anything: the record has it all.
            self._sending.session, self._is_asked = None, True
            return
        if isinstance(has, Resource):
            raise session_gone(self._path, size, self._sending.sent)
        if has < self._sending.sent:
            raise session_gone(self._path, size, self._sending.sent - has)
        self._floor = has
        self._is_asked = True
        if has > size and self._sending.crc is None:
            self._cut_back(size)

    def _cut_back(self, size: int) -> None:
        """Have the first ``size`` bytes and no more, where the session has more than this."""
        assert self._sending.session is not None
        sent, crc, rest = self._sending.sent, self._sending.crc, bytes(self._sending.buffer)
        try:
            self._object = self._sending.session.finish(b"", self._floor)
        except SessionGoneError as error:
            raise session_gone(self._path, sent + len(rest), sent) from error
        self._generation, self._dirty = self._object.generation, False
        if self._object.size != self._floor:
            raise session_gone(self._path, sent + len(rest), sent)
        self._send_again(min(size, sent))
        if size >= sent:
            if crc is not None and crc != self._sending.total_crc():
                raise DamagedError(f"{self._path}: the upload's session has other bytes than sent")
            self._gather(rest[: size - sent])

    def _gather(self, data: Buffer) -> None:
        """Append ``data``."""
        self._dirty = True
        self._sending.gather(data)

    def _record(self) -> None:
        """Have everything in the session and in its record."""
        if not self._dirty:
            return
        self._ask_session()
        self._sending.settle()
        self._lease.check()
        uri = "" if self._sending.session is None else self._sending.session.uri
        record = Record(uri, self._sending.sent, self._sending.crc if self._sending.sent else None)
        self._put(
            bytes(self._sending.buffer), content_type=SESSION_TYPE, metadata=record.metadata()
        )
        self._dirty = False

    def _finalise(self) -> None:
        """Make all that was written a finalised object."""
        self._ask_session()
        self._sending.land()
        if self._floor > self.size:
            self._cut_back(self.size)
        crc = self._sending.total_crc()
        last = bytes(self._sending.buffer)
        if self._sending.session is None:
            self._object = self._put(last)
            self._dirty = False
            return
        size = self._sending.sent + len(last)
        try:
            resource = self._sending.session.finish(last, self._sending.sent)
        except SessionGoneError as error:
            found = self._finalised(crc)
            if found is None:
                raise session_gone(self._path, size, self._sending.sent) from error
            resource = found
        self._generation, self._dirty = resource.generation, False
        objects.verify(self._path, resource, size, crc)
        self._object = resource

    def _finalised(self, crc: int | None) -> Resource | None:
        """The object, if it was finalised with all that was written, and only the answer lost."""
        with suppress(PathNotFoundError):
            found = objects.describe_file(self._store, self._path)
            if crc is not None and found.crc32c == crc:
                return found
        return None

    def _send_again(self, size: int) -> None:
        """Begin a new session with the first ``size`` bytes of the finalised object."""
        stored = self._object
        assert stored is not None
        self._start()
        buffer = memoryview(bytearray(1 << 20))
        with open_reader(self._store, self._path, 0, stored) as reader:
            while self.size < size:
                count = reader.readinto(buffer[: size - self.size])
                if not count:
                    raise StorageError(f"{self._path} ended before its byte {size}")
                self._gather(buffer[:count])

    def _put(self, content: bytes, **members: object) -> Resource:
        """Write the object at the path, in place of what this writer knows to be there."""
        try:
            resource = objects.insert(
                self._store,
                self._path,
                content,
                generation=self._generation,
                **members,  # type: ignore[arg-type]
            )
        except PreconditionFailedError as error:
            raise UploadInUseError(
                f"somebody else, perhaps a registry, writes to {self._path}",
                hint="try again when the other is done",
            ) from error
        self._generation = resource.generation
        return resource
