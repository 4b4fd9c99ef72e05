"""Linking what the storage holds already, instead of storing it again."""

from __future__ import annotations

from regctl.digest import Digest
from regctl.errors import DigestMismatchError, NotFoundError
from regctl.registry.layers import LayerService
from regctl.registry.repository import Repository
from regctl.registry.transfer import Progress, PushedLayer, Source, hash_source


def link_existing(
    repository: Repository,
    source: Source,
    digest: Digest,
    *,
    trust_digest: bool,
    progress: Progress,
) -> PushedLayer | None:
    """Link ``digest`` if its blob is stored already, after hashing ``source``; None if it is not.

    With ``trust_digest`` the source is not read if it has the size of the stored blob. Raises
    `DigestMismatchError` if the source is something else, `DamagedError` if the stored blob is
    not what its address says, as far as that shows: for a sha256 digest by its size, for a TarSum
    by reading it.
    """
    repository.layers.require_storable(digest)
    canonical = _stored_under(repository.layers, digest)
    size = repository.blobs.size(canonical) if canonical is not None else None
    if canonical is None or size is None or source.size is None:
        return None
    other_bytes = False
    if source.size != size or not trust_digest:
        # Where the sizes differ this is not the content of that digest, or the stored blob is
        # damaged, or one of several archives of a TarSum: which, only hashing can tell.
        sha = _require(source, digest, progress)
        if canonical.is_tarsum:
            other_bytes = repository.blobs.read_archive(canonical) != sha
        elif digest.is_tarsum and sha != canonical:
            source.rewind()
            return None
        elif source.size != size:
            raise repository.blobs.wrong_size(canonical, size, source.size)
    repository.layers.link(canonical, digest)
    if repository.blobs.size(canonical) is None:
        source.rewind()
        return None
    return PushedLayer(digest, canonical, size, 0, existed=True, other_bytes=other_bytes)


def _stored_under(layers: LayerService, digest: Digest) -> Digest | None:
    """The address that content of ``digest`` has in the blob store, where that is known."""
    if digest.algorithm == "sha256" or (digest.is_tarsum and layers.by_tarsum):
        return digest
    try:
        return layers.resolve(digest)
    except NotFoundError:
        return None


def _require(source: Source, digest: Digest, progress: Progress) -> Digest:
    """The sha256 digest of ``source``; raise `DigestMismatchError` unless it has ``digest``."""
    algorithms = {digest.algorithm, "sha256"} if digest.is_tarsum else {digest.algorithm}
    hashes = hash_source(source, algorithms, progress, strict_end=True)
    if difference := hashes.mismatch(digest):
        raise DigestMismatchError(f"the content {difference}")
    return hashes.digest("sha256") if digest.is_tarsum else digest
