"""The signatures of a manifest as the storage holds them: cosign's by a tag, libtrust's beside it.

Importing this loads ``cryptography``: import it where it is used, not where a program starts.
"""

from __future__ import annotations

from dataclasses import dataclass

from regctl.digest import Digest
from regctl.errors import (
    ContentError,
    DamagedError,
    InvalidManifestError,
    NotFoundError,
    UnsupportedDigestError,
)
from regctl.maintenance.audit_content import ContentCheck
from regctl.registry.repository import Repository
from regctl.registry.tags import TagNotFoundError
from regctl.signature.cosign import Subject
from regctl.signature.cosign_manifest import CosignSignature, parse_signature_manifest
from regctl.signature.cosign_payload import MAX_PAYLOAD_BYTES, PAYLOAD_TYPE
from regctl.signature.cosign_tags import signature_tag

#: Of one manifest; each costs a public-key operation.
MAX_SIGNATURES = 1000
#: What stands in a payload that names a digest, or that spells one by escapes.
_WORDS = (b"sha256", b"sha384", b"sha512", b"\\u")


@dataclass(frozen=True, slots=True)
class CosignSignatures:
    """The cosign signatures of a manifest; ``damaged`` says what of them could not be had.

    ``refused`` says why what holds them is no manifest of signatures.
    """

    subject: Subject
    signatures: tuple[CosignSignature, ...] = ()
    damaged: str = ""
    refused: str = ""

    @property
    def weight(self) -> int:
        """Bytes that it keeps in memory, roughly."""
        content = len(self.subject.content or b"")
        return 1024 + content + sum(2048 + len(each.payload) for each in self.signatures)


def cosign_signatures(
    repository: Repository, digest: Digest, contents: ContentCheck
) -> CosignSignatures:
    """The cosign signatures of the manifest ``digest``. What cannot be read raises.

    ``contents`` knows what holds them, if that was looked at before.
    """
    try:
        tag = signature_tag(digest)
    except UnsupportedDigestError:
        return CosignSignatures(Subject(digest))
    seen = contents.whole(repository, tag)
    if seen is not None:
        found = _held_by(repository, digest, seen, contents)
        if not found.damaged:
            return found
        # It was whole: where the tag has moved, the old signatures may be gone.
    try:
        holder = repository.tags.get(tag)
    except TagNotFoundError:
        return CosignSignatures(Subject(digest))
    except DamagedError as error:
        return CosignSignatures(Subject(digest), damaged=f"its signatures: {error.message}")
    return _held_by(repository, digest, holder, contents)


def _held_by(
    repository: Repository, digest: Digest, holder: Digest, contents: ContentCheck
) -> CosignSignatures:
    """The signatures of the manifest ``digest`` that the manifest ``holder`` holds."""
    held = contents.examine(repository, holder)
    if not held.raw:
        return CosignSignatures(Subject(digest), damaged=f"its signatures: {held.faults[0]}")
    try:
        described = held.signatures or parse_signature_manifest(held.raw)
    except InvalidManifestError as error:
        return CosignSignatures(Subject(digest), refused=error.message)
    found = []
    problems = []
    wanted = [each for each in described if each.media_type == PAYLOAD_TYPE]
    if len(wanted) > MAX_SIGNATURES:
        refused = f"there are {len(wanted)} signatures; {MAX_SIGNATURES} are read"
        return CosignSignatures(Subject(digest), refused=refused)
    for descriptor in wanted:
        try:
            canonical = held.blobs.get(descriptor.digest)
            canonical = canonical or repository.layers.resolve(descriptor.digest)
            payload = repository.blobs.get(canonical, MAX_PAYLOAD_BYTES)
        except (NotFoundError, DamagedError, ContentError) as error:
            problems.append(f"the payload of a signature: {error.message}")
        else:
            found.append(CosignSignature(descriptor, payload))
    content_of = repository.manifests.get(digest) if _by_other(digest, found) else None
    return CosignSignatures(Subject(digest, content_of), tuple(found), "; ".join(problems))


def libtrust_blobs(repository: Repository, revision: Digest) -> tuple[bytes, ...]:
    """The stored signatures of a schema 1 revision, each link read.

    Raises `DamagedError` if a link or a blob is not what it should be, and what cannot be read.
    """
    digests = repository.signatures.list(revision)[: MAX_SIGNATURES + 1]
    return tuple(repository.signatures.get(revision, each) for each in digests)


def _by_other(digest: Digest, signatures: list[CosignSignature]) -> bool:
    """Whether a payload may name the manifest by another algorithm than ``digest``'s."""
    words = [word for word in _WORDS if word != digest.algorithm.encode()]
    return any(word in each.payload for each in signatures for word in words)
