"""The manifest that holds the cosign signatures of another one.

It is an OCI image manifest whose layers are the signatures: the blob is the signed payload,
annotations hold the signature and what belongs to it. `regctl.signature.cosign_tags` names it.
Source: cosign's signature specification; containers/image, ``docker/docker_image_{src,dest}.go``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from regctl.digest import Digest
from regctl.errors import InvalidManifestError
from regctl.manifest import MAX_MANIFEST_BYTES, Descriptor, Manifest
from regctl.manifest.document import Object, Value, parse_document
from regctl.manifest.manifest import manifest_of
from regctl.manifest.media_types import OCI_CONFIG, OCI_MANIFEST
from regctl.signature import cosign_json
from regctl.signature.cosign_json import Plain, StrictJSONError
from regctl.signature.cosign_payload import PAYLOAD_TYPE

SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
CHAIN = "dev.sigstore.cosign/chain"
BUNDLE = "dev.sigstore.cosign/bundle"

# The time that Go writes where none is known: what cosign puts into a history.
_NO_TIME = "0001-01-01T00:00:00Z"
#: Members of other kinds of manifest, with which clients refuse an OCI image manifest.
_FOREIGN = ("fsLayers", "history", "manifests")


@dataclass(frozen=True, slots=True)
class CosignSignature:
    """One signature: the layer of the manifest that holds it, and the payload's bytes."""

    descriptor: Descriptor
    payload: bytes

    def annotation(self, name: str) -> str | None:
        """The value of an annotation; None without it."""
        return dict(self.descriptor.annotations).get(name)

    @property
    def is_signature(self) -> bool:
        """Whether it is one at all, and not an attestation or something else kept beside it."""
        return self.descriptor.media_type == PAYLOAD_TYPE


def new_signature(payload: bytes, annotations: Mapping[str, str]) -> CosignSignature:
    """The signature with these bytes and annotations, `SIGNATURE` among them."""
    digest = Digest.of_hash("sha256", hashlib.sha256(payload).digest())
    descriptor = Descriptor(
        PAYLOAD_TYPE, digest, len(payload), annotations=tuple(annotations.items())
    )
    return CosignSignature(descriptor, payload)


@dataclass(frozen=True, slots=True)
class SignatureManifest:
    """What to store for a new signature, in this order: payload, ``config``, ``content``."""

    content: bytes
    config: bytes


def parse_signature_manifest(content: bytes) -> tuple[Descriptor, ...]:
    """The descriptors of the signatures in ``content``, and of what else lies beside them.

    Raises `InvalidManifestError` for what clients refuse, and where they could disagree on what
    it names: not an OCI image manifest, members of another kind, doubled ones.
    """
    document = parse_document(content)
    return signatures_in(document, manifest_of(document))


def signatures_in(document: Object, manifest: Manifest) -> tuple[Descriptor, ...]:
    """The same of a document that was parsed already, and the manifest that it is."""
    if manifest.media_type != OCI_MANIFEST:
        what = manifest.media_type or "of no known type"
        raise InvalidManifestError(f"signatures are held by {OCI_MANIFEST}; this is {what}")
    foreign = [name for name in _FOREIGN if document.values(name)]
    if foreign:
        raise InvalidManifestError(f"the manifest of the signatures has the member {foreign[0]!r}")
    if len(document.matching("layers")) > 1:
        raise InvalidManifestError("the manifest of the signatures has its layers twice")
    for layers in document.values("layers"):
        _check_layers(layers if isinstance(layers, list) else [], len(manifest.layers))
    return tuple(layer.descriptor for layer in manifest.layers)


def _check_layers(layers: list[Value], read: int) -> None:
    if len(layers) != read:
        raise InvalidManifestError("a layer of the manifest of the signatures has two digests")
    for layer in layers:
        if not isinstance(layer, Object):
            continue
        for name in ("mediaType", "annotations"):
            if len(layer.matching(name)) > 1:
                raise InvalidManifestError(f"a signature has the member {name!r} twice")
        for pairs in layer.values("annotations"):
            if not isinstance(pairs, Object) or any(
                not isinstance(value, str) for _, value in pairs.members
            ):
                raise InvalidManifestError("a signature has annotations that are not all strings")


def build_signature_manifest(signature: CosignSignature) -> SignatureManifest:
    """A manifest that holds this one signature, as containers/image writes it."""
    config = cosign_json.encode(
        {
            "architecture": "",
            "os": "",
            "rootfs": {"type": "layers", "diff_ids": [str(signature.descriptor.digest)]},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _config_descriptor(config),
        "layers": [_layer(signature)],
    }
    return SignatureManifest(cosign_json.encode(manifest), config)


def merge_signature(
    existing: bytes, config: bytes, signature: CosignSignature
) -> SignatureManifest | None:
    """``existing`` with ``signature`` behind what it holds; None if it holds exactly this one.

    ``config`` are the bytes that ``existing`` names as its configuration; that of an OCI image
    gains a diff id (and an entry of its history, where it has one), any other stays as it is.
    No layer, annotation or member of either is lost, known or not.
    Raises `InvalidManifestError` if either cannot be read well enough for that.
    """
    held = parse_signature_manifest(existing)
    if any(_same(descriptor, signature.descriptor) for descriptor in held):
        return None
    manifest = _plain_object(existing, "the manifest of the signatures")
    merged_config = config
    described = manifest.get("config")
    if not isinstance(described, dict):
        raise InvalidManifestError("the manifest of the signatures has no configuration")
    if described.get("mediaType") == OCI_CONFIG:
        merged_config = _merge_config(config, signature)
        manifest["config"] = {**described, **_config_descriptor(merged_config)}
    layers = manifest.get("layers") or []
    if not isinstance(layers, list):
        raise InvalidManifestError("the manifest of the signatures: layers is not a list")
    manifest["layers"] = [*layers, _layer(signature)]
    content = cosign_json.encode(manifest)
    if len(content) > MAX_MANIFEST_BYTES:
        raise InvalidManifestError(
            f"with one more signature the manifest would have {len(content)} bytes; "
            f"registries take {MAX_MANIFEST_BYTES}"
        )
    return SignatureManifest(content, merged_config)


def _merge_config(config: bytes, signature: CosignSignature) -> bytes:
    document = _plain_object(config, "the configuration of the signatures")
    rootfs = document.get("rootfs") or {"type": "layers"}
    if not isinstance(rootfs, dict):
        raise InvalidManifestError("the configuration of the signatures: rootfs is not an object")
    diff_ids = rootfs.get("diff_ids") or []
    if not isinstance(diff_ids, list):
        raise InvalidManifestError("the configuration of the signatures: diff_ids is not a list")
    document["rootfs"] = {**rootfs, "diff_ids": [*diff_ids, str(signature.descriptor.digest)]}
    history = document.get("history")
    if isinstance(history, list):
        document["history"] = [*history, {"created": _NO_TIME}]
    return cosign_json.encode(document)


def _plain_object(content: bytes, what: str) -> dict[str, Plain]:
    """The JSON object ``content``; a doubled member could not be kept and is refused."""
    try:
        value = cosign_json.plain(cosign_json.decode(content), what)
    except StrictJSONError as error:
        raise InvalidManifestError(f"{what} cannot be added to: {error}") from error
    if not isinstance(value, dict):
        raise InvalidManifestError(f"{what} is not an object")
    return value


def _same(held: Descriptor, new: Descriptor) -> bool:
    return (held.media_type, held.digest, held.size, dict(held.annotations)) == (
        new.media_type,
        new.digest,
        new.size,
        dict(new.annotations),
    )


def _layer(signature: CosignSignature) -> dict[str, Plain]:
    descriptor = signature.descriptor
    return {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
        "annotations": dict(descriptor.annotations),
    }


def _config_descriptor(config: bytes) -> dict[str, Plain]:
    digest = Digest.of_hash("sha256", hashlib.sha256(config).digest())
    return {"mediaType": OCI_CONFIG, "digest": str(digest), "size": len(config)}
