"""Pushing a file to its content address at once, where the storage shows nothing before the end.

An object store can take content at the address where it belongs and show it when it is complete:
so it need not be copied there afterwards. The digest is known before, by hashing the file first;
it is hashed once more as it is sent, for files change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from regctl.digest import Digest
from regctl.digest.sha256 import ResumableSHA256
from regctl.drivers.base import Writer
from regctl.errors import DigestMismatchError, UploadInUseError
from regctl.registry.behind import Behind
from regctl.registry.repository import Repository
from regctl.registry.transfer import (
    CHUNK_BYTES,
    Progress,
    PushedLayer,
    Source,
    SourceChangedError,
    hash_source,
    pump,
)

#: What is not larger is sent in one request, and shows by itself when it is complete.
WHOLE_BYTES = 8 << 20
_CANONICAL = "sha256"


def digests_of(
    source: Source, expected: Digest | None, progress: Progress
) -> tuple[Digest, Digest]:
    """The sha256 digest of ``source``, and the one it is asked for by.

    The source is at its beginning again. Raises `DigestMismatchError` unless it has ``expected``.
    """
    algorithms = {_CANONICAL} | ({expected.algorithm} if expected is not None else set())
    hashes = hash_source(source, algorithms, progress)
    if expected is not None and (difference := hashes.mismatch(expected)):
        raise DigestMismatchError(f"the content {difference}")
    source.rewind()
    sha = hashes.digest(_CANONICAL)
    return sha, expected if expected is not None else sha


def push_direct(
    repository: Repository,
    source: Source,
    canonical: Digest,
    digest: Digest,
    *,
    keep: bool = True,
    progress: Progress,
) -> PushedLayer | None:
    """Send ``source``, whose sha256 digest is ``canonical``, to its address, and link it.

    None, with nothing changed, if its size is not known, or somebody else is sending it at this
    moment. A blob that is there already is linked, not sent again. What an earlier run had sent is
    gone on with, where the storage's checksums say that it is the beginning of ``source``; if this
    one ends before it is done, what it sent stays for the next, unless ``keep`` is False. Only
    where the driver seals what it writes; ``digest`` is linked as well.

    Raises `SourceChangedError` if the source is not what it was, `DamagedError` if a blob of
    another size is stored at its address.
    """
    size = source.size
    if size is None:
        return None
    repository.layers.require_storable(digest)
    while True:
        existed, resumed = _is_stored(repository, canonical, size), 0
        if not existed:
            sent = _send(repository, source, canonical, size, keep=keep, progress=progress)
            if sent is None:
                return None
            if sent.existed:
                source.rewind()
                continue
            resumed = sent.resumed
        repository.layers.link(canonical, digest)
        # Who relies on a blob that was there looks again: a collector may have taken it.
        if not existed or _is_stored(repository, canonical, size):
            written = 0 if existed else size - resumed
            return PushedLayer(digest, canonical, size, written, resumed=resumed, existed=existed)
        source.rewind()


def _is_stored(repository: Repository, canonical: Digest, size: int) -> bool:
    """Whether the blob is there. Raises `DamagedError` if it is not of ``size`` bytes: nothing is
    linked to it then."""
    stored = repository.blobs.size(canonical)
    if stored is not None and stored != size:
        raise repository.blobs.wrong_size(canonical, stored, size)
    return stored is not None


class _Sent(NamedTuple):
    """What came of sending: whether it was there by now, and how much of it had been before."""

    existed: bool
    resumed: int = 0


def _send(
    repository: Repository,
    source: Source,
    canonical: Digest,
    size: int,
    *,
    keep: bool,
    progress: Progress,
) -> _Sent | None:
    """Make ``source`` the blob ``canonical``; None if somebody else is doing it."""
    blobs = repository.blobs
    if size <= WHOLE_BYTES:
        content = b"".join(bytes(piece) for piece in _pieces(source, size + 1))
        _check(source, len(content), size, hashlib.sha256(content).digest(), canonical)
        blobs.put(canonical, content)
        progress(size)
        return _Sent(existed=False)
    try:
        writer = repository.driver.writer(blobs.path(canonical), append=True, sealed=True)
    except UploadInUseError:
        return None
    with writer:
        # Between the first look and the writer somebody else may have completed it.
        if blobs.size(canonical) is not None:
            return _Sent(existed=True)
        try:
            sha = _take_up(writer, source, size)
            resumed = sha.size
            progress(resumed)
            with Behind(sha.update) as hashing:

                def take(data: memoryview) -> None:
                    hashing(data)
                    writer.write(data)
                    progress(len(data))

                pump(source, take)
            _check(source, sha.size, size, sha.digest(), canonical)
            # Most of the time may pass in here, with parts that are still on their way.
            writer.commit()
        except BaseException as error:
            if not keep or isinstance(error, SourceChangedError):
                writer.cancel()
            raise
        return _Sent(existed=False, resumed=resumed)


def _check(source: Source, count: int, size: int, sha: bytes, canonical: Digest) -> None:
    """Raise `SourceChangedError` unless what was read is what had been hashed before."""
    source.check_unchanged(count)
    if count != size or Digest.of_hash(_CANONICAL, sha) != canonical:
        raise SourceChangedError("the file changed after it was hashed; nothing of it was stored")


def _take_up(writer: Writer, source: Source, size: int) -> ResumableSHA256:
    """Go on in ``source`` after what the writer holds of it; the hash of that.

    Where it does not hold the beginning of ``source``, or cannot tell, it is emptied.
    """
    count, sha = writer.size, ResumableSHA256()
    if not count:
        return sha

    def hashed() -> Iterator[memoryview]:
        for piece in _pieces(source, count):
            sha.update(piece)
            yield piece

    if count <= size and writer.holds(hashed()) and sha.size == count:
        return sha
    writer.truncate(0)
    source.rewind()
    return ResumableSHA256()


def _pieces(source: Source, count: int) -> Iterator[memoryview]:
    """The next ``count`` bytes of ``source``; a piece lasts until the next one is asked for."""
    view = memoryview(bytearray(min(CHUNK_BYTES, count)))
    while count and (got := source.readinto(view[: min(CHUNK_BYTES, count)])):
        count -= got
        yield view[:got]
