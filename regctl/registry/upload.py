"""One layer upload in progress: written, resumed, finished or cancelled.

The order on the storage is always: data, made durable, then the hash state that goes with it. So
no saved state is ever ahead of the data, which is what a registry (that trusts the state at the
data's size) needs to go on with the upload. Source: Distribution's ``blobwriter.go`` and
``blobwriter_resumable.go``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from regctl.digest import Digest, MultiHasher
from regctl.digest.sha256 import InvalidHashStateError, ResumableSHA256, is_native_state
from regctl.drivers.base import Buffer, Kind, StorageDriver, Writer
from regctl.errors import DamagedError, DigestMismatchError, PathNotFoundError, StorageError
from regctl.layout import PathMapper, RepositoryName, UploadId, specs
from regctl.registry.behind import Behind
from regctl.registry.blobs import BlobStore
from regctl.registry.gotime import Timestamp
from regctl.registry.layers import Layer, LayerService

#: Bytes between two hash states. A lost process costs at most this much to send again.
CHECKPOINT_BYTES = 64 << 20
#: Bytes after which the storage is asked to begin writing back.
_FLUSH_BYTES = 8 << 20
_CANONICAL = "sha256"
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where an upload can be taken up: the first ``offset`` bytes, and the hash of just these.

    ``state`` is None where no saved state can say so and the stored bytes are to be read again.
    """

    offset: int
    state: bytes | None


class LayerUpload:
    """An upload in progress, exclusively held. Use it in a ``with`` block.

    Leaving the block keeps what is stored, with a hash state, so that the upload can be taken up
    again by regctl or by a registry. Only `finish` and `cancel` end it.
    """

    def __init__(
        self,
        layers: LayerService,
        upload: UploadId,
        started_at: Timestamp,
        writer: Writer,
        *,
        checkpoint_bytes: int = CHECKPOINT_BYTES,
    ) -> None:
        self.id = upload
        self.started_at = started_at
        self._layers = layers
        self._writer = writer
        self._checkpoint_bytes = checkpoint_bytes
        self._sha = ResumableSHA256()
        self._others: MultiHasher = MultiHasher(())
        #: Hashes what is written; never ahead of the data, and less than a piece behind it.
        self._hashing = Behind(self._hash)
        #: The offset of the newest state that is saved, -1 if none is.
        self._saved = -1
        self._checkpointed = 0
        self._flushed = writer.size
        self._positioned = writer.size == 0
        #: Whether the data is leaving: a state saved now would be that of nothing, or come back.
        self._ending = False
        self._open = True

    @property
    def repository(self) -> RepositoryName:
        """The repository that the layer will be linked in."""
        return self._layers.name

    @property
    def size(self) -> int:
        """Bytes stored so far."""
        return self._writer.size

    @property
    def _driver(self) -> StorageDriver:
        return self._layers.driver

    @property
    def _mapper(self) -> PathMapper:
        return self._layers.mapper

    @property
    def _blobs(self) -> BlobStore:
        return self._layers.blobs

    # --- positioning ---------------------------------------------------------------------------

    def resume_point(self) -> ResumePoint:
        """The newest place to go on from without reading stored bytes; changes nothing.

        A state that is no state, or says another offset than its name, is not one to go on from.
        States of registries before 2.7 are in another format: where there are no others, the
        place is the end of the data, and the stored bytes are to be read again (`hash_stored`).
        """
        for offset in sorted(self._states(), reverse=True):
            if 0 < offset <= self.size:
                content = self._read_state(offset)
                if content is not None:
                    return ResumePoint(offset, content)
        return ResumePoint(self.size, None)

    def hash_stored(
        self, algorithms: Iterable[str] = (), *, limit: int | None = None
    ) -> tuple[ResumableSHA256, MultiHasher]:
        """Hashes of the stored bytes, by reading them: SHA-256, and ``algorithms`` besides.

        Of the first ``limit`` bytes where that is given, otherwise of all.
        """
        sha, others = ResumableSHA256(), MultiHasher(set(algorithms) - {_CANONICAL})
        wanted = self.size if limit is None else min(limit, self.size)
        if not wanted:
            return sha, others
        self._writer.sync()
        # Where all is wanted, one byte more: the file must not have grown.
        most = wanted + (limit is None)
        view = memoryview(bytearray(_READ_BYTES))
        with self._driver.read(self._path_data()) as reader:
            while count := reader.readinto(view[: most - sha.size]):
                sha.update(view[:count])
                others.update(view[:count])
        if sha.size != wanted:
            raise DamagedError(f"the data of upload {self.id} changed while it was read")
        return sha, others

    def seek(self, sha: ResumableSHA256, others: MultiHasher) -> None:
        """Go on after the bytes that ``sha`` has taken in; whatever is stored after them is cut.

        The caller vouches that ``sha`` (and ``others``) are the hashes of just the first
        ``sha.size`` stored bytes. Later states go first: one that is ahead of the data, or wrong
        at its size, would break the upload for registries for ever.
        """
        offset = sha.size
        if offset > self.size:
            raise DamagedError(f"upload {self.id} holds {self.size} bytes, not {offset}")
        for later in self._states():
            if later > offset or (later == offset and self._read_state(later) != sha.state()):
                self._driver.delete(self._path_state(later))
        if offset < self.size:
            self._writer.truncate(offset)
        self._sha, self._others = sha, others
        self._saved = offset if self._read_state(offset) is not None else -1
        self._flushed = self._checkpointed = offset
        self._positioned = True

    # --- writing -------------------------------------------------------------------------------

    def begin(self, algorithms: Iterable[str]) -> None:
        """Ask for digests of ``algorithms`` besides SHA-256. Only before the first byte."""
        assert self.size == 0, "hashes must see every byte"
        self._others = MultiHasher(set(algorithms) - {_CANONICAL})

    def write(self, data: Buffer) -> None:
        """Append ``data``; now and then make durable what is there and save the hash state.

        It may not change before the next call of any method.
        """
        assert self._positioned, "a resumed upload is positioned by seek() first"
        self._writer.write(data)
        self._hashing(memoryview(data))
        size = self._writer.size
        if size - self._flushed >= _FLUSH_BYTES:
            self._writer.flush_early()
            self._flushed = size
        if size - self._checkpointed >= self._checkpoint_bytes:
            self.checkpoint()

    def _hash(self, data: memoryview) -> None:
        self._sha.update(data)
        self._others.update(data)

    def checkpoint(self) -> None:
        """Make durable what is written, then save the state that belongs to it."""
        self._hashing.wait()
        if self._ending or not self._positioned or self._saved == self._sha.size:
            return
        self._writer.sync()
        state = self._sha.state()
        if state is not None:
            self._driver.put(self._path_state(self._sha.size), state)
        self._saved = self._checkpointed = self._sha.size

    def digest(self, algorithm: str = _CANONICAL) -> Digest:
        """The digest of everything so far."""
        self._hashing.wait()
        if algorithm == _CANONICAL:
            return Digest.of_hash(_CANONICAL, self._sha.digest())
        return self._others.digest(algorithm)

    # --- ending --------------------------------------------------------------------------------

    def finish(self, expected: Digest | None = None) -> Digest:
        """Verify, move to the content address, link, clean up; the canonical digest.

        Raises `DigestMismatchError`, with the upload as it was, unless the content has the digest
        ``expected``; `DamagedError` if a blob of another size is already stored under it.
        """
        if expected is not None:
            expected.require_writable()
            found = self.digest(expected.algorithm)
            if found != expected:
                raise DigestMismatchError(f"the content has the digest {found}, not {expected}")
        canonical = self.digest()
        self._writer.sync()
        self._place(canonical, expected)
        self._ending = True
        self._remove_files()
        self.close()
        return canonical

    def moved_to(self, expected: Digest) -> Layer | None:
        """The blob that a lost process made of this upload's data, before it cleaned up.

        Then no data is left, and the newest hash state is that of a blob that is stored, with as
        many bytes; or the states are gone as well, and the layer ``expected`` is linked. None if
        that is not so.
        """
        if self.size:
            return None
        newest = max(self._states(), default=0)
        state = self._read_state(newest) if newest else None
        if state is None:
            return self._layers.get(expected) if self._layers.exists(expected) else None
        canonical = Digest.of_hash(_CANONICAL, ResumableSHA256.restore(state).digest())
        found = self._blobs.size(canonical) == newest
        return Layer(canonical, canonical, newest) if found else None

    def finish_moved(self, moved: Layer, expected: Digest) -> Digest:
        """The rest of `finish` for the blob of `moved_to`, which is read and verified here."""
        verifier = Layer(expected, moved.canonical, moved.size).verifier()
        self._blobs.feed(moved.canonical, verifier)
        verifier.check("the content")
        self._layers.link(moved.canonical, expected)
        self._ending = True
        self._writer.cancel()
        self._remove_files()
        self._open = False
        return moved.canonical

    def _place(self, canonical: Digest, alias: Digest | None) -> None:
        """Put the data at its address and link it, blob before link.

        Where the blob is there already it is relied on, so it is looked at again once the link is
        written: a collector may have taken it in between, and then the data is still at hand.
        """
        while True:
            stored = self._blobs.size(canonical)
            if stored is None:
                self._ending = True
                self._writer.commit()
                self._driver.move(self._path_data(), self._blobs.path(canonical))
            elif stored != self.size:
                raise self._blobs.wrong_size(canonical, stored, self.size)
            self._layers.link(canonical, alias)
            if stored is None or self._blobs.size(canonical) is not None:
                return

    def cancel(self) -> None:
        """Remove the upload and everything of it."""
        self._ending = True
        self._writer.cancel()
        self._remove_files()
        self._open = False

    def close(self) -> None:
        """Stop here and keep what is stored. Idempotent; does nothing after finish and cancel."""
        self._hashing.close()
        if self._open:
            self._open = False
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        # After a failure of the storage a further checkpoint would fail as well, and hide it.
        try:
            if self._open and not isinstance(error, StorageError):
                self.checkpoint()
        finally:
            self.close()

    # --- files ---------------------------------------------------------------------------------

    def _path_data(self) -> str:
        return self._mapper.path(specs.UploadData(self.repository, self.id))

    def _path_state(self, offset: int) -> str:
        return self._mapper.path(specs.HashState(self.repository, self.id, _CANONICAL, offset))

    def _states(self) -> list[int]:
        """The offsets of all saved states, whatever their format."""
        path = self._mapper.path(specs.HashStatesOf(self.repository, self.id, _CANONICAL))
        try:
            entries = self._driver.list(path)
        except PathNotFoundError:
            return []
        files = (entry.path for entry in entries if entry.kind is Kind.FILE)
        found = (self._mapper.parse_file(path) for path in files)
        return [spec.offset for spec in found if isinstance(spec, specs.HashState)]

    def _read_state(self, offset: int) -> bytes | None:
        """The saved state at ``offset`` if it can be used."""
        try:
            content = self._driver.get(self._path_state(offset), 1024)
        except (PathNotFoundError, DamagedError):
            return None
        if not is_native_state(content):
            return None
        try:
            restored = ResumableSHA256.restore(content)
        except InvalidHashStateError:
            return None
        return content if restored.size == offset else None

    def _remove_files(self) -> None:
        """Remove what is left of the upload: data, states, its start last, then directories."""
        remove_upload(self._driver, self._mapper, self.repository, self.id)


def remove_upload(
    driver: StorageDriver, mapper: PathMapper, name: RepositoryName, upload: UploadId
) -> None:
    """Remove everything of an upload that is no longer open, ``startedat`` last.

    So what a crash leaves is still an upload that can be taken up, or an empty directory.
    """
    root = mapper.path(specs.UploadDirectory(name, upload))
    started = mapper.path(specs.UploadStartedAt(name, upload))
    try:
        entries = list(driver.walk(root, stat=False))
    except PathNotFoundError:
        return
    files = {entry.path for entry in entries if entry.kind is not Kind.DIRECTORY}
    for path in sorted(files - {started}):
        _delete(driver, path)
    directories = [entry.path for entry in entries if entry.kind is Kind.DIRECTORY]
    for path in sorted(directories, key=len, reverse=True):
        driver.rmdir(path)
    if started in files:
        _delete(driver, started)
    driver.rmdir(root)


def _delete(driver: StorageDriver, path: str) -> None:
    try:
        driver.delete(path)
    except PathNotFoundError:
        return
