"""The payload of a cosign signature ("simple signing"): which manifest, under which name.

Made as cosign and containers/image make it, read as strictly as containers/image reads it.
Source: containers/image, ``signature/internal/sigstore_payload.go``; cosign's specification.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from regctl.digest import Digest
from regctl.errors import ContentError, InvalidDigestError, UnsupportedDigestError
from regctl.manifest.document import Value, is_integer, shown
from regctl.signature import cosign_json
from regctl.signature.cosign_json import StrictJSONError, exact_members, members, text

PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_TYPE = "cosign container image signature"
#: What clients read of one payload.
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024


class InvalidSignatureError(ContentError):
    """A signature, or the manifest that holds it, is malformed."""

    code = "invalid-signature"


@dataclass(frozen=True, slots=True)
class Payload:
    """What was signed: the digest of a manifest and the name that the signer gave it."""

    manifest_digest: Digest
    docker_reference: str
    creator: str | None = None
    timestamp: int | None = None

    def encode(self) -> bytes:
        """The bytes to sign: members in alphabetical order, no white space, as Go writes them."""
        optional: dict[str, object] = {}
        if self.creator is not None:
            optional["creator"] = self.creator
        if self.timestamp is not None:
            optional["timestamp"] = self.timestamp
        document = {
            "critical": {
                "identity": {"docker-reference": self.docker_reference},
                "image": {"docker-manifest-digest": str(self.manifest_digest)},
                "type": SIGNATURE_TYPE,
            },
            "optional": optional or None,
        }
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def parse_payload(content: bytes) -> Payload:
    """The payload that ``content`` is. Raises `InvalidSignatureError` with the reason.

    No other members than the known ones at the top and in ``critical``; ``optional`` may hold
    anything beside a ``creator`` and a ``timestamp`` of their types, or be null.
    """
    if len(content) > MAX_PAYLOAD_BYTES:
        raise InvalidSignatureError(f"a payload of {len(content)} bytes is not read")
    try:
        return _read(cosign_json.decode(content))
    except StrictJSONError as error:
        raise InvalidSignatureError(f"the payload is refused: {error}") from error


def _read(document: Value) -> Payload:
    top = exact_members(document, "the payload", ("critical", "optional"))
    optional = {} if top["optional"] is None else members(top["optional"], "optional")
    creator = text(optional["creator"], "optional.creator") if "creator" in optional else None
    timestamp = _timestamp(optional["timestamp"]) if "timestamp" in optional else None
    critical = exact_members(top["critical"], "critical", ("type", "image", "identity"))
    if text(critical["type"], "critical.type") != SIGNATURE_TYPE:
        raise StrictJSONError(f"its type is {shown(critical['type'])}, not {SIGNATURE_TYPE!r}")
    image = exact_members(critical["image"], "critical.image", ("docker-manifest-digest",))
    identity = exact_members(critical["identity"], "critical.identity", ("docker-reference",))
    return Payload(
        _digest(text(image["docker-manifest-digest"], "docker-manifest-digest")),
        text(identity["docker-reference"], "docker-reference"),
        creator,
        timestamp,
    )


def _digest(written: str) -> Digest:
    try:
        digest = Digest.parse(written)
    except (InvalidDigestError, UnsupportedDigestError) as error:
        raise StrictJSONError(f"docker-manifest-digest: {shown(written)} is no digest") from error
    if not digest.is_writable:
        raise StrictJSONError(f"docker-manifest-digest: {digest.algorithm} names no manifest")
    return digest


def _timestamp(value: Value) -> int:
    if value is None:
        return 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # The reference reads a double and wants it to be a 64-bit integer.
    if not is_integer(value) or not -(2**63) <= int(float(value)) < 2**63:
        raise StrictJSONError(f"optional.timestamp: {shown(value)} is not an integer")
    return int(float(value))
