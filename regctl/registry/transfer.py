"""Pushing and pulling layers: one pass over the bytes, hashed as they go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from regctl.digest import LAYER_TARSUM, Digest, MultiHasher
from regctl.digest.sha256 import ResumableSHA256
from regctl.drivers.base import Buffer
from regctl.errors import ContentError, DigestMismatchError, UnavailableError
from regctl.registry.behind import Behind
from regctl.registry.layers import Layer, LayerService
from regctl.registry.placing import Finished
from regctl.registry.upload import LayerUpload, ResumePoint, besides

#: Bytes moved at a time: large enough for OpenSSL and the disk, small enough for the cache.
CHUNK_BYTES = 1 << 20

Progress = Callable[[int], None]


class Source(Protocol):
    """Where the bytes of a layer come from."""

    def readinto(self, buffer: bytearray | memoryview, /) -> int | None:
        """Fill ``buffer`` from its start; 0 at the end."""

    @property
    def size(self) -> int | None:
        """The number of bytes to come, where that is known beforehand."""

    def rewind(self) -> bool:
        """Go back to the first byte; False where that cannot be done."""

    def check_unchanged(self, count: int) -> None:
        """Raise `ContentError` if the source changed while its ``count`` bytes were read."""


@dataclass(frozen=True, slots=True)
class PushedLayer:
    """A layer that is stored and linked: what was done to get there, in bytes.

    ``other_bytes`` and ``alternative`` are those of `Finished`.
    """

    digest: Digest
    canonical: Digest
    size: int
    written: int
    #: Bytes that were stored by an earlier run and are part of it.
    resumed: int = 0
    existed: bool = False
    other_bytes: bool = False
    alternative: Digest | None = None


def pump(source: Source, take: Callable[[memoryview], None], limit: int | None = None) -> int:
    """Give what ``source`` has, at most ``limit`` bytes, to ``take``; how many bytes it was.

    A piece stays as it is until ``take`` was called for the next one.
    """
    view, other = _buffers()
    done = 0
    while limit is None or done < limit:
        want = CHUNK_BYTES if limit is None else min(CHUNK_BYTES, limit - done)
        count = source.readinto(view[:want])
        if not count:
            break
        take(view[:count])
        done += count
        view, other = other, view
    return done


def _buffers() -> tuple[memoryview, memoryview]:
    """Two buffers: one is filled while the other one is still hashed."""
    return memoryview(bytearray(CHUNK_BYTES)), memoryview(bytearray(CHUNK_BYTES))


def hash_source(
    source: Source, algorithms: Iterable[str], progress: Progress, *, strict_end: bool = False
) -> MultiHasher:
    """The digests of all that ``source`` has, and how many bytes it is.

    Raises `InvalidArchiveError` if a TarSum is among them, and it has none.
    """
    hashes = MultiHasher(algorithms, strict_end=strict_end)

    with Behind(hashes.update) as hashing:

        def take(data: memoryview) -> None:
            hashing(data)
            hashes.check()
            progress(len(data))

        count = pump(source, take)
    source.check_unchanged(count)
    return hashes


def push_new(
    upload: LayerUpload,
    source: Source,
    *,
    expected: Digest | None,
    tarsum: bool = False,
    progress: Progress,
) -> PushedLayer:
    """Spool ``source`` into a fresh ``upload``, verify it, move it to its place and link it.

    With ``tarsum`` it is known by the TarSum that it has, see `LayerUpload.finish`.
    """
    upload.begin(_algorithms(upload, expected, tarsum))
    return _complete(upload, source, expected, tarsum, 0, progress)


def _algorithms(upload: LayerUpload, expected: Digest | None, tarsum: bool) -> set[str]:
    """What is to be known of the content; raises where the end could only be a refusal."""
    upload.require_storable(expected, tarsum=tarsum)
    names = {LAYER_TARSUM} if tarsum else set()
    return names | ({expected.algorithm} if expected is not None else set())


def push_resumed(
    upload: LayerUpload,
    source: Source,
    *,
    expected: Digest | None,
    tarsum: bool = False,
    progress: Progress,
) -> PushedLayer:
    """Go on with ``upload``, which holds the beginning of ``source``.

    That it does is proved before anything is changed: where the hash of the source's first bytes
    is the saved state, no stored byte is read. Only where it is not, or there is no state, the
    stored bytes are read again. Raises `DigestMismatchError` where the proof fails.
    """
    algorithms = _algorithms(upload, expected, tarsum)
    point = upload.resume_point()
    sha, others = ResumableSHA256(), besides(algorithms)

    def add(data: memoryview) -> None:
        sha.update(data)
        others.update(data)

    with Behind(add) as hashing:

        def take(data: memoryview) -> None:
            hashing(data)
            progress(len(data))

        count = pump(source, take, point.offset)
    if count < point.offset or not (_is_saved(sha, point) or _is_stored(sha, upload)):
        raise DigestMismatchError(
            f"the file does not begin with the {point.offset} bytes that upload {upload.id} holds; "
            "nothing was changed",
            hint="resume with the file that the upload was begun with, or cancel it: "
            f"regctl uploads cancel {upload.repository} {upload.id}",
        )
    upload.seek(sha, others)
    return _complete(upload, source, expected, tarsum, point.offset, progress)


def _is_saved(sha: ResumableSHA256, point: ResumePoint) -> bool:
    """Whether ``sha`` is in the state that was saved, whatever fills its block's unused part."""
    own = sha.state()
    if point.state is None or own is None:
        return False
    return own == ResumableSHA256.restore(point.state).state()


def _is_stored(sha: ResumableSHA256, upload: LayerUpload) -> bool:
    """Whether ``sha`` is the hash of the first stored bytes, by reading them.

    A saved state that says otherwise proves nothing: a registry that goes on with an upload
    without a state at its size (a killed process left it so) saves the hash of just the bytes
    that it added, under their count.
    """
    stored, _ = upload.hash_stored(limit=sha.size)
    return stored.digest() == sha.digest()


def _complete(
    upload: LayerUpload,
    source: Source,
    expected: Digest | None,
    tarsum: bool,
    resumed: int,
    progress: Progress,
) -> PushedLayer:
    def take(data: memoryview) -> None:
        upload.write(data)
        progress(len(data))

    written = pump(source, take)
    source.check_unchanged(resumed + written)
    finished = upload.finish(expected, tarsum=tarsum)
    return _pushed(finished, written, resumed)


def _pushed(finished: Finished, written: int, resumed: int) -> PushedLayer:
    layer = finished.layer
    return PushedLayer(
        layer.digest,
        layer.canonical,
        layer.size,
        written,
        resumed,
        other_bytes=finished.other_bytes,
        alternative=finished.alternative,
    )


def pull(
    layers: LayerService,
    layer: Layer,
    write: Callable[[memoryview], None],
    *,
    offset: int = 0,
    verify: Callable[[Buffer], None],
    progress: Progress,
) -> None:
    """Give the bytes of ``layer`` from ``offset`` on to ``write``, and to ``verify`` as well.

    Raises `UnavailableError` if the stream ends early or late; whether the bytes are right is
    for the verifier to say.
    """
    view, other = _buffers()
    done = offset
    with layers.open(layer, offset) as reader, Behind(verify) as verifying:
        while count := reader.readinto(view):
            verifying(view[:count])
            write(view[:count])
            done += count
            progress(count)
            view, other = other, view
    if done != layer.size:
        raise UnavailableError(
            f"the stream of {layer.canonical} ended after {done} of {layer.size} bytes"
        )


class SourceChangedError(ContentError):
    """A file grew, shrank or was written while it was read."""

    code = "source-changed"
