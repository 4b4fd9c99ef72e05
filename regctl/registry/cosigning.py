"""Adding a cosign signature to a manifest: beside those that are there, which all stay.

The signatures of a manifest are one manifest more, which a tag names. To add one is to store a
new manifest with all of the old one in it, and to move the tag: what another signer writes in
between must not be lost. Source: cosign's signature specification.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from regctl.digest import Digest
from regctl.errors import DamagedError, InvalidManifestError, NotFoundError, UnavailableError
from regctl.layout import Tag
from regctl.manifest import Descriptor, Manifest, ManifestKind, parse_manifest
from regctl.registry.locking import tag_locked
from regctl.registry.manifests import RevisionNotFoundError
from regctl.registry.repository import Repository
from regctl.registry.tagging import named_by, push_manifest
from regctl.signature.cosign import Subject, find_signature, sign
from regctl.signature.cosign_manifest import (
    CosignSignature,
    SignatureManifest,
    build_signature_manifest,
    merge_signature,
    parse_signature_manifest,
)
from regctl.signature.cosign_payload import MAX_PAYLOAD_BYTES, Payload
from regctl.signature.cosign_tags import signature_tag
from regctl.signature.keyfile_keys import PrivateKey

#: How often it begins anew because somebody who takes no lock has moved the tag.
_ATTEMPTS = 20
_PAUSE = 0.1
_MAX_CONFIG_BYTES = 4 << 20
#: Nesting of indexes beyond this is refused, as in a push.
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Signing:
    """What is to be said of manifests, and by whom.

    ``annotations`` are further ones of the signature: a certificate and its chain.
    """

    key: PrivateKey
    docker_reference: str
    annotations: tuple[tuple[str, str], ...] = ()
    creator: str | None = None
    timestamp: int | None = None


@dataclass(frozen=True, slots=True)
class CosignedManifest:
    """A manifest that is signed now: ``tag`` names ``holder``, the manifest of its signatures.

    ``existed`` says that the signature was there before, so that nothing was written.
    """

    digest: Digest
    tag: Tag
    holder: Digest
    existed: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """The signatures that are there: the manifest that holds them, and their payloads."""

    holder: Digest
    content: bytes
    signatures: tuple[CosignSignature, ...]


def manifests_to_sign(
    repository: Repository, revision: Digest, *, recursive: bool, allow_sparse: bool = False
) -> tuple[Digest, ...]:
    """``revision``, and with ``recursive`` the manifests below it, before it, each once.

    They are given by the digests of their blobs. Raises `RevisionNotFoundError` for a child that
    is not here, unless ``allow_sparse``; `DamagedError` for what cannot be read.
    """
    found: dict[Digest, None] = {}

    def add(digest: Digest, depth: int) -> None:
        manifest = _parsed(repository, digest)
        if depth and manifest.kind is ManifestKind.SCHEMA1:
            raise InvalidManifestError(
                f"{digest}, a child of an index, is a schema 1 manifest: sign it by itself"
            )
        if depth > _MAX_DEPTH:
            raise InvalidManifestError(f"indexes are nested more than {_MAX_DEPTH} deep")
        for child in manifest.children if recursive else ():
            if child.may_be_blob and repository.layers.exists(child.digest):
                continue
            if child.digest in found or (allow_sparse and not _is_here(repository, child.digest)):
                continue
            add(child.digest, depth + 1)
        found[repository.manifests.resolve(digest)] = None

    add(revision, 0)
    return tuple(found)


def is_cosigned(
    repository: Repository, digest: Digest, signing: Signing
) -> CosignedManifest | None:
    """The signature of ``signing`` where it is there already; None if it is to be made.

    Raises as `cosign_manifest`.
    """
    tag = signature_tag(digest)
    held = _read(repository, digest, named_by(repository, tag))
    if held is None or not _says_it(held, digest, signing):
        return None
    return CosignedManifest(digest, tag, held.holder, existed=True)


def cosign_manifest(repository: Repository, digest: Digest, signing: Signing) -> CosignedManifest:
    """Sign the manifest ``digest``, unless this key has said the same of it already.

    Everything goes in this order: payload and config, the manifest that holds them, the tag. The
    tag is moved only if it still names what was added to, and it is read once more afterwards.
    That keeps two runs of regctl from losing anything, and leaves to a signer that writes at the
    very same moment, and takes no lock, an instant between the look and the move.

    Raises `DamagedError` if the signatures that are there cannot be read: they would be lost.
    `InvalidManifestError` if one more does not fit; `KeyFileError`; `UnsupportedDigestError` for
    a digest that no such tag can hold.
    """
    tag = signature_tag(digest)
    with tag_locked(repository, tag):
        for attempt in range(_ATTEMPTS):
            if attempt:
                repository.sleep(_PAUSE)
            before = named_by(repository, tag)
            held = _read(repository, digest, before)
            if held is not None and _says_it(held, digest, signing):
                return CosignedManifest(digest, tag, held.holder, existed=attempt == 0)
            holder = _store(repository, held, _new_signature(digest, signing))
            if named_by(repository, tag) != before:
                continue
            repository.tags.set(tag, holder)
            if named_by(repository, tag) == holder:
                return CosignedManifest(digest, tag, holder, existed=False)
    raise UnavailableError(
        f"another program keeps moving the tag {repository.name}:{tag}",
        hint="sign again when it has ended",
    )


def _new_signature(digest: Digest, signing: Signing) -> CosignSignature:
    payload = Payload(digest, signing.docker_reference, signing.creator, signing.timestamp)
    return sign(payload, signing.key, dict(signing.annotations))


def _says_it(held: _Held, digest: Digest, signing: Signing) -> bool:
    """Whether the key has signed this under this name, with the annotations asked for."""
    wanted = dict(signing.annotations)
    fitting = [each for each in held.signatures if _has(each, wanted)]
    found = find_signature(fitting, signing.key.public, Subject(digest), signing.docker_reference)
    return found is not None


def _has(signature: CosignSignature, annotations: Mapping[str, str]) -> bool:
    return all(signature.annotation(name) == value for name, value in annotations.items())


def _store(repository: Repository, held: _Held | None, signature: CosignSignature) -> Digest:
    """The manifest that holds ``signature`` beside those of ``held``, stored and not yet tagged."""
    if held is None:
        built: SignatureManifest | None = build_signature_manifest(signature)
    else:
        built = merge_signature(held.content, _config(repository, held), signature)
    assert built is not None, "it was looked for, and is not there"
    for content in (signature.payload, built.config):
        blob = Digest.of_hash("sha256", hashlib.sha256(content).digest())
        repository.blobs.put(blob, content)
        repository.layers.link(blob)
    return push_manifest(repository, built.content).digest


def _config(repository: Repository, held: _Held) -> bytes:
    described = parse_manifest(held.content).config
    return b"" if described is None else _blob(repository, held.holder, described.digest)


def _read(repository: Repository, digest: Digest, holder: Digest | None) -> _Held | None:
    """The signatures of ``digest`` that are in ``holder``; None where there are none."""
    if holder is None:
        return None
    try:
        content = repository.manifests.get(holder)
        descriptors = parse_signature_manifest(content)
    except (NotFoundError, InvalidManifestError) as error:
        raise _unreadable(repository, digest, error) from error
    return _Held(
        holder, content, tuple(_signature(repository, holder, each) for each in descriptors)
    )


def _signature(repository: Repository, holder: Digest, descriptor: Descriptor) -> CosignSignature:
    bare = CosignSignature(descriptor, b"")
    if not bare.is_signature:
        return bare
    return CosignSignature(descriptor, _blob(repository, holder, descriptor.digest))


def _blob(repository: Repository, holder: Digest, digest: Digest) -> bytes:
    try:
        layer = repository.layers.get(digest)
    except NotFoundError as error:
        raise DamagedError(
            f"the signatures in {repository.name}@{holder} are damaged: {error.message}"
        ) from error
    return repository.blobs.get(layer.canonical, max(MAX_PAYLOAD_BYTES, _MAX_CONFIG_BYTES))


def _unreadable(
    repository: Repository, digest: Digest, error: NotFoundError | InvalidManifestError
) -> DamagedError:
    tag = signature_tag(digest)
    return DamagedError(
        f"the signatures that are there cannot be added to: {error.message}",
        hint=f"see 'regctl inspect {repository.name}:{tag}' and "
        f"'regctl history {repository.name}:{tag}'",
    )


def _parsed(repository: Repository, digest: Digest) -> Manifest:
    try:
        return repository.manifests.parse(digest)
    except RevisionNotFoundError as error:
        raise RevisionNotFoundError(
            error.message, hint="children that are not here are passed over with --allow-sparse"
        ) from error
    except InvalidManifestError as error:
        raise DamagedError(
            f"{repository.name}@{digest} is no manifest, and is not signed: {error}"
        ) from error


def _is_here(repository: Repository, digest: Digest) -> bool:
    try:
        repository.manifests.resolve(digest)
    except RevisionNotFoundError:
        return False
    return True
