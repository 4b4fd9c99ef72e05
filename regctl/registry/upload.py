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

from regctl.digest import LAYER_TARSUM, Digest, MultiHasher, Verifier
from regctl.digest.sha256 import ResumableSHA256
from regctl.drivers.base import Buffer, StorageDriver, Writer
from regctl.errors import DamagedError, DigestMismatchError, StorageError
from regctl.layout import RepositoryName, UploadId
from regctl.registry.behind import Behind
from regctl.registry.blobs import BlobStore
from regctl.registry.gotime import Timestamp
from regctl.registry.layers import Layer, LayerService
from regctl.registry.placing import Finished, find_moved, place
from regctl.registry.uploadfiles import UploadFiles

#: Bytes between two hash states. A lost process costs at most this much to send again.
CHECKPOINT_BYTES = 128 << 20
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
        self._files = UploadFiles(layers.driver, layers.mapper, layers.name, upload)
        self._writer = writer
        self._checkpoint_bytes = checkpoint_bytes
        self._sha = ResumableSHA256()
        self._others: MultiHasher = MultiHasher(())
        #: Hashes what is written; never ahead of the data, and less than a piece behind it.
        self._hashing = Behind(self._hash)
        #: The piece that was written last, or was to be.
        self._latest = memoryview(b"")
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
    def _blobs(self) -> BlobStore:
        return self._layers.blobs

    def require_storable(self, expected: Digest | None, *, tarsum: bool) -> None:
        """Raise where `finish` would refuse whatever the content is."""
        self._layers.require_storable(expected, tarsum=tarsum)

    # --- positioning ---------------------------------------------------------------------------

    def resume_point(self) -> ResumePoint:
        """The newest place to go on from without reading stored bytes; changes nothing.

        A state that is no state, or says another offset than its name, is not one to go on from.
        States of registries before 2.7 are in another format: where there are no others, the
        place is the end of the data, and the stored bytes are to be read again (`hash_stored`).
        """
        for offset in sorted(self._files.states(), reverse=True):
            if 0 < offset <= self.size:
                content = self._files.read_state(offset)
                if content is not None:
                    return ResumePoint(offset, content)
        return ResumePoint(self.size, None)

    def hash_stored(
        self, algorithms: Iterable[str] = (), *, limit: int | None = None
    ) -> tuple[ResumableSHA256, MultiHasher]:
        """Hashes of the stored bytes, by reading them: SHA-256, and ``algorithms`` besides.

        Of the first ``limit`` bytes where that is given, otherwise of all.
        """
        sha, others = ResumableSHA256(), besides(algorithms)
        wanted = self.size if limit is None else min(limit, self.size)
        if not wanted:
            return sha, others
        # Where all is wanted, one byte more: the file must not have grown.
        most = wanted + (limit is None)
        view = memoryview(bytearray(_READ_BYTES))
        with self._writer.reader() as reader:
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
        for later in self._files.states():
            if later > offset or (later == offset and self._files.read_state(later) != sha.state()):
                self._files.delete_state(later)
        if offset < self.size:
            self._writer.truncate(offset)
        self._sha, self._others = sha, others
        self._saved = offset if self._files.read_state(offset) is not None else -1
        self._flushed = self._checkpointed = offset
        self._positioned = True

    # --- writing -------------------------------------------------------------------------------

    def begin(self, algorithms: Iterable[str]) -> None:
        """Ask for digests of ``algorithms`` besides SHA-256. Only before the first byte."""
        assert self.size == 0, "hashes must see every byte"
        self._others = besides(algorithms)

    def write(self, data: Buffer) -> None:
        """Append ``data``; now and then make durable what is there and save the hash state.

        It may not change before the next call of any method. Raises `InvalidArchiveError` when it
        is known that the bytes, of which a TarSum is asked for, have none.
        """
        assert self._positioned, "a resumed upload is positioned by seek() first"
        self._latest = memoryview(data)
        self._writer.write(data)
        self._hashing(self._latest)
        self._others.check()
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
        self._catch_up()
        if self._ending or not self._positioned or self._saved == self._sha.size:
            return
        self._writer.sync()
        if not self._layers.by_tarsum:
            self._files.save_state(self._sha)
        self._saved = self._checkpointed = self._sha.size

    def _catch_up(self) -> None:
        """Hash what is stored and was not hashed: a signal came between the two."""
        unhashed = self._writer.size - self._sha.size
        if self._positioned and 0 < unhashed <= self._latest.nbytes:
            self._sha.update(self._latest[:unhashed])

    def digest(self, algorithm: str = _CANONICAL) -> Digest:
        """The digest of everything so far."""
        self._hashing.wait()
        if algorithm == _CANONICAL:
            return Digest.of_hash(_CANONICAL, self._sha.digest())
        return self._others.digest(algorithm)

    # --- ending --------------------------------------------------------------------------------

    def finish(self, expected: Digest | None = None, *, tarsum: bool = False) -> Finished:
        """Verify, move to the content address, link, clean up.

        With ``tarsum`` the layer is known by the TarSum that it has. Raises, with the upload as it
        was, `DigestMismatchError` unless the content has the digest ``expected``,
        `InvalidArchiveError` if it has no TarSum, and what `LayerService.require_storable` does;
        `DamagedError` if a blob of another size is already stored under its digest.
        """
        self.require_storable(expected, tarsum=tarsum)
        sha = self.digest()
        if expected is not None:
            self._require(expected, sha)
        archive, alternative = None, None
        if expected is not None and expected.is_tarsum:
            archive = expected
        elif tarsum:
            archive, *more = self._others.digests(LAYER_TARSUM)
            alternative = more[0] if more else None
        canonical = archive if archive is not None and self._layers.by_tarsum else sha
        self._writer.sync()
        layer = Layer(archive or expected or sha, canonical, self.size)
        stored, other_bytes = place(self._layers, layer, sha, expected, self._move)
        self._ending = True
        self._files.remove()
        # Where the blob was there already, the data may still be where only its writer sees it.
        self._writer.cancel()
        self.close()
        return Finished(stored, other_bytes, alternative)

    def _move(self, path: str) -> None:
        self._ending = True
        if self._layers.by_tarsum:
            # Nothing else could tell a later run what became of the data.
            self._files.save_state(self._sha)
        self._writer.commit()
        self._driver.move(self._files.data, path)

    def _require(self, expected: Digest, sha: Digest) -> None:
        if expected.algorithm == _CANONICAL:
            difference = None if expected == sha else f"has the digest {sha}, not {expected}"
        else:
            difference = self._others.mismatch(expected)
        if difference:
            raise DigestMismatchError(f"the content {difference}")

    def moved_to(self, expected: Digest) -> Layer | None:
        """The blob that a lost process made of this upload's data; None if there is none.

        It had no time to clean up, see `find_moved`. Where there is data it was not moved.
        """
        return None if self.size else find_moved(self._layers, self._files, expected)

    def finish_moved(self, moved: Layer, expected: Digest) -> Finished:
        """The rest of `finish` for the blob of `moved_to`, which is read and verified here."""
        verifier = Verifier(moved.canonical, expected, strict_end=True)
        self._blobs.feed(moved.canonical, verifier)
        verifier.check("the content")
        self._layers.link(moved.canonical, expected)
        self._ending = True
        self._writer.cancel()
        self._files.remove()
        self._open = False
        return Finished(Layer(expected, moved.canonical, moved.size))

    def cancel(self) -> None:
        """Remove the upload and everything of it."""
        self._ending = True
        self._writer.cancel()
        self._files.remove()
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


def besides(algorithms: Iterable[str]) -> MultiHasher:
    """Hashes of new content besides its SHA-256; where a TarSum is among them, as a registry has
    it, which refused an archive without the end that it must have."""
    return MultiHasher(set(algorithms) - {_CANONICAL}, strict_end=True)
