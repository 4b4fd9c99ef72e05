"""Files that grow in S3: multipart uploads, as Distribution keeps them.

A file that is being written is a multipart upload whose key is the file's; nobody sees it before
it is completed. It can be appended to as long as its parts are long enough to have others after
them. Where they are not, it is *begun again*: completed, so that the content is an object, which a
new multipart upload then begins with. Source: Distribution, ``registry/storage/driver/s3-aws``,
its ``Writer``.

So an object may be there beside multipart uploads, if a writer, or a registry, died at that. It
holds the content unless an upload has more: only that was begun with it. Of several uploads the
one that has most is the file, the first of these as for registries: see `finding`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType

from regctl.drivers.base import Buffer, Reader
from regctl.drivers.forwarding import Closing
from regctl.drivers.objects.leases import Lease, Leases
from regctl.drivers.objects.ranged import RangedReader
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.errors import PreconditionFailedError
from regctl.drivers.s3.finding import Found, find, find_sealed
from regctl.drivers.s3.holding import holds
from regctl.drivers.s3.multipart import (
    MultipartUpload,
    StoredObject,
    changed,
    copy_parts,
    find_uploads,
    put_object,
    remove_object,
)
from regctl.drivers.s3.parts import LEAST_PART, MOST_PARTS, Part, copy_ranges, needed
from regctl.drivers.s3.reading import ObjectFetch
from regctl.drivers.s3.sending import Sender
from regctl.errors import PathNotFoundError, RegctlError, StorageError


def open_writer(
    store: Store, leases: Leases, path: str, *, append: bool, sealed: bool = False
) -> S3Writer:
    """The one writer of the file at ``path``, appending to what is there if ``append``.

    Without ``append``, what is there is removed. With ``sealed`` nothing is completed before the
    commit, and an object that is there stays. Raises `UploadInUseError` if there is another
    writer, and other `StorageError`.
    """
    lease = leases.acquire(path, "writer")
    try:
        found = _found(store, path, append=append, sealed=sealed)
        return S3Writer(store, lease, path, found, is_new=not append, sealed=sealed)
    except BaseException:
        lease.release()
        raise


def _found(store: Store, path: str, *, append: bool, sealed: bool) -> Found:
    """What to go on from: nothing, after removing what is there, unless ``append``."""
    if not sealed and append:
        return find(store, path)
    if sealed:
        begun = find_sealed(store, path)
        if append:
            return begun[0] if begun else Found()
        uploads = [each.upload for each in begun if each.upload is not None]
    else:
        uploads = find_uploads(store, path)
        remove_object(store, path)
    for upload in uploads:
        upload.abort()
    return Found()


class S3Writer(Closing):
    """A `regctl.drivers.base.Writer` of the file at ``path``, which ``lease`` keeps others from.

    ``found`` is what to append to. With ``is_new`` there is to be a file in any case, even if
    nothing is ever written.
    """

    def __init__(
        self, store: Store, lease: Lease, path: str, found: Found, *, is_new: bool, sealed: bool
    ) -> None:
        self._store = store
        self._lease = lease
        self._path = path
        self._sealed = sealed
        self._is_new = is_new
        self._upload = found.upload
        self._is_full = found.is_full
        #: Other uploads of this file, with their bytes; None: begun by this writer.
        self._others: list[tuple[MultipartUpload, int | None]] = list(found.others)
        self._has_object = found.has_object
        #: The object that the file begins with, before what the sender has.
        self._object = found.content
        #: Whether the object at the path is to go as soon as what took its place is stored.
        self._is_superseded = False
        self._sender = Sender(store, self._started)
        self._sender.reset(found.parts)
        self._closed = False
        self._committed = False

    @property
    def size(self) -> int:
        return self._sender.size + (0 if self._object is None else self._object.size)

    def write(self, data: Buffer) -> None:
        self._require_open()
        if not len(data):
            return
        if self._sender.count >= MOST_PARTS - 1:
            if self._sealed:
                raise StorageError(
                    f"{self._path} has too many parts", hint="set a larger chunksize of storage.s3"
                )
            self._sender.flush()
            self._is_full = True
        if self._object is not None or self._is_full:
            self._begin_again()
        self._sender.write(data)

    def truncate(self, size: int) -> None:
        self._require_open()
        if size:
            self._require_unsealed("cut")
        if not 0 <= size <= self.size:
            raise ValueError(f"{self._path} has {self.size} bytes and cannot be cut to {size}")
        sender = self._sender
        in_memory = size - (self.size - sender.pending)
        if size == self.size:
            return
        if size == 0:
            self._clear()
        elif in_memory >= sender.provisional_bytes:
            sender.cut(in_memory)
        else:
            sender.wait()
            self._cut_stored(size, b"".join(sender.memory())[: max(0, in_memory)])

    def reader(self) -> Reader:
        self._require_open()
        self._require_unsealed("read")
        if not self.size:
            return _Nothing()
        content = self._materialise()
        reader = RangedReader(
            ObjectFetch(self._store, self._path), path=self._path, pool=self._store.pool
        )
        if reader.total != content.size or (reader.version or "").strip('"') != content.etag:
            reader.close()
            raise changed(self._path)
        return reader

    def holds(self, pieces: Iterable[Buffer]) -> bool:
        self._require_open()
        self._sender.wait()
        stored: list[StoredObject | Part] = list(self._sender.parts())
        if self._sender.provisional_bytes:
            stored.pop()
        if self._object is not None:
            stored.insert(0, self._object)
        return holds(stored, self._sender.memory(), pieces)

    def flush_early(self) -> None:
        # Parts are on their way as soon as they are full.
        self._require_open()

    def sync(self) -> None:
        self._require_open()
        self._flush()

    def cancel(self) -> None:
        if self._closed or self._committed:
            self.close()
            return
        try:
            self._sender.abandon()
            self._lease.check()
            uploads = [upload for upload, _ in self._others]
            if self._upload is not None:
                uploads.append(self._upload)
            if not self._sealed:
                uploads += find_uploads(self._store, self._path)
            for upload in {each.id: each for each in uploads}.values():
                upload.abort()
            if self._has_object:
                remove_object(self._store, self._path)
        finally:
            self._end()

    def commit(self) -> None:
        self._require_open()
        if self._object is None and not self._sender.parts():
            # Nothing went ahead of it: one request instead of three.
            self._sender.wait()
            self._lease.check()
            # Also if the answer is lost.
            self._has_object = not self._sealed
            put_object(self._store, self._path, b"".join(self._sender.memory()))
            self._is_superseded = False
            if self._upload is not None:
                self._others.append((self._upload, None))
                self._upload = None
        else:
            self._materialise()
        self._abort_others()
        self._committed = True

    def close(self) -> None:
        if self._closed:
            return
        try:
            if not self._committed and not self._sender.has_failed:
                if self._object is not None and self._object.size:
                    # It was read. A registry goes on with a multipart upload, and with nothing
                    # else: to its eyes an object is no upload.
                    self._begin_again()
                self._flush()
                if not self.size and self._is_new and not self._sealed:
                    self._started()
        finally:
            self._end()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        # What went wrong first is what to tell.
        with suppress(RegctlError):
            self.close()

    # --- what is stored ------------------------------------------------------------------------

    def _started(self) -> MultipartUpload:
        """The multipart upload that parts go to, begun if there is none."""
        if self._lease.lost:
            # Whoever has it now may be sending the same parts of the same upload.
            self._lease.check()
        if self._others:
            # A registry would go on with the first; and of no use is one that has less.
            self._lease.check()
            self._abort_others()
        if self._upload is None:
            self._upload = MultipartUpload.start(self._store, self._path)
        return self._upload

    def _flush(self) -> None:
        self._sender.flush()
        if self._is_superseded:
            self._remove_object()

    def _materialise(self) -> StoredObject:
        """Everything so far as the object at the path, which the file then consists of."""
        self._sender.flush()
        if self._object is None:
            self._complete(self._sender.parts())
        assert self._object is not None
        return self._object

    def _complete(self, parts: list[Part]) -> None:
        """Make an object of ``parts``, and of it the file. Whatever is in memory is dropped."""
        assert self._upload is not None
        self._lease.check()
        # Also if the answer is lost, or nobody is left to take it in.
        self._has_object = not self._sealed
        self._object = self._upload.complete(parts)
        self._is_superseded = False
        self._upload, self._is_full = None, False
        self._sender.reset()

    def _begin_again(self, size: int | None = None) -> None:
        """Have a multipart upload begin with the first ``size`` bytes (all) of the stored content,
        so that it can be appended to."""
        if self._object is None:
            self._complete(self._sender.parts())
        content = self._object
        assert content is not None
        keep = content.size if size is None else size
        self._lease.check()
        self._abort_others()
        if keep < LEAST_PART:
            beginning = self._download(content, keep)
            self._sender.reset()
            self._object = None
            self._is_superseded = True
            if beginning:
                self._sender.write(beginning)
            return
        upload = MultipartUpload.start(self._store, self._path)
        self._others.append((upload, None))
        ranges = copy_ranges(keep, self._store.copy_chunk_bytes)
        try:
            parts = copy_parts(self._store, upload, self._path, content, ranges)
        except (PathNotFoundError, PreconditionFailedError) as error:
            raise changed(self._path) from error
        self._others.clear()
        self._upload, self._object = upload, None
        self._sender.reset(parts)
        # Else the object would be taken for the content if this is cut to less.
        self._remove_object()

    def _cut_stored(self, size: int, memory: bytes) -> None:
        """Cut the file to ``size``, of which the last bytes, ``memory``, need not be stored yet."""
        stored = size - len(memory)
        if self._object is None:
            parts = self._sender.parts()
            count = needed(parts, stored)
            if count:
                self._complete(parts[:count])
            else:
                self._clear()
        if self._object is not None and (memory or self._object.size > stored):
            self._begin_again(stored)
        if memory:
            self._sender.write(memory)

    def _clear(self) -> None:
        """Make the file empty."""
        self._sender.abandon()
        self._lease.check()
        if self._upload is not None:
            self._others.append((self._upload, None))
            self._upload, self._is_full = None, False
        if self._has_object:
            self._remove_object()
        self._abort_others()
        self._object = None
        self._is_new = True
        self._sender.reset()

    def _abort_others(self) -> None:
        """Remove what other writers left of uploads of this file: not one that has more by now,
        which somebody is sending to."""
        while self._others:
            upload, size = self._others[-1]
            if size is None or upload.size() <= size:
                upload.abort()
            self._others.pop()

    def _remove_object(self) -> None:
        """Remove the object, whose content is in the upload by now, or not wanted."""
        self._lease.check()
        remove_object(self._store, self._path)
        self._has_object = self._is_superseded = False

    def _download(self, content: StoredObject, size: int) -> bytes:
        """The first ``size`` bytes of the object."""
        buffer = bytearray(size)
        view = memoryview(buffer)
        with RangedReader(
            ObjectFetch(self._store, self._path), path=self._path, pool=self._store.pool
        ) as reader:
            if (reader.version or "").strip('"') != content.etag:
                raise changed(self._path)
            while view and (count := reader.readinto(view)):
                view = view[count:]
        if view:
            raise changed(self._path)
        return bytes(buffer)

    def _require_open(self) -> None:
        if self._closed:
            raise ValueError(f"the writer of {self._path} is closed")
        if self._committed:
            raise ValueError(f"the writer of {self._path} has committed and is closed to more")

    def _require_unsealed(self, done: str) -> None:
        if self._sealed:
            raise ValueError(f"the writer of {self._path} is sealed: it cannot be {done}")

    def _end(self) -> None:
        """Take nothing more, and let others in, when nothing is on its way any more."""
        self._closed = True
        try:
            self._sender.abandon()
        finally:
            self._lease.release()


class _Nothing(Closing):
    """The stream of a file of no bytes."""

    def readinto(self, _buffer: bytearray | memoryview, /) -> int:
        return 0

    def close(self) -> None:
        pass
