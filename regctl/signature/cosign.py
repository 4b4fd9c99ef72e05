"""cosign signatures: made, and judged by keys, certificates and the name that was signed.

A signature counts if a key verifies exactly the payload's bytes, the payload has the right type,
and it names the manifest by its digest; where the caller says so, also the name must fit.
Source: cosign's signature specification; containers/image, ``signature/policy_eval_sigstore.go``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from regctl.digest import Digest
from regctl.signature.cosign_manifest import (
    CERTIFICATE,
    CHAIN,
    SIGNATURE,
    CosignSignature,
    new_signature,
)
from regctl.signature.cosign_payload import InvalidSignatureError, Payload, parse_payload
from regctl.signature.cosign_verdict import Judgement, Verdict, best_of
from regctl.signature.keyfile import PrivateKey, PublicKey
from regctl.signature.keyfile_errors import KeyFileError

# What certificates need takes long to load, and few signatures have one.
if TYPE_CHECKING:
    from regctl.signature.cosign_certificate import Certificate

#: Says why a signed docker-reference is not accepted for an image; empty if it is.
Identity = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Subject:
    """The manifest that is judged. With its ``content``, digests by other algorithms fit too."""

    digest: Digest
    content: bytes | None = None

    def is_named_by(self, digest: Digest) -> bool:
        """Whether ``digest`` is one of this manifest."""
        return digest == self.digest or (
            self.content is not None and _is_digest_of(digest, self.content)
        )


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom the caller trusts: ``keys``, and ``authorities`` for certificates at the time ``at``.

    ``at`` has a time zone; there are no authorities without it.
    """

    keys: tuple[PublicKey, ...] = ()
    authorities: tuple[Certificate, ...] = ()
    at: datetime | None = None

    def __post_init__(self) -> None:
        if self.authorities and (self.at is None or self.at.tzinfo is None):
            raise ValueError("authorities are trusted at a time, with its zone")


def sign(
    payload: Payload, key: PrivateKey, annotations: Mapping[str, str] | None = None
) -> CosignSignature:
    """A new signature of ``payload``; ``annotations`` are further ones, such as a certificate.

    Raises `KeyFileError` if the key is too weak, or a certificate beside it is another key's.
    """
    more = dict(annotations or {})
    if CERTIFICATE in more:
        from regctl.signature.cosign_certificate import load_certificates  # noqa: PLC0415

        (leaf, *_) = load_certificates(more[CERTIFICATE].encode())
        if leaf.key != key.public:
            raise KeyFileError("the certificate is of another key than the one that signs")
    content = payload.encode()
    signature = base64.b64encode(key.sign(content)).decode("ascii")
    return new_signature(content, {SIGNATURE: signature, **more})


def find_signature(
    signatures: Sequence[CosignSignature], key: PublicKey, subject: Subject, docker_reference: str
) -> CosignSignature | None:
    """The signature by ``key`` that says the same already, if there is one: no need of another."""
    for signature in signatures:
        judged = judge_signature(signature, subject, Trust((key,)))
        if judged.verdict is Verdict.TRUSTED and judged.docker_reference == docker_reference:
            return signature
    return None


def judge(
    signatures: Sequence[CosignSignature],
    subject: Subject,
    trust: Trust,
    identity: Identity | None = None,
) -> Judgement:
    """The best that can be said of any of ``signatures``; what is none of them does not count."""
    return best_of(
        [
            judge_signature(each, subject, trust, identity)
            for each in signatures
            if each.is_signature
        ]
    )


def judge_signature(
    signature: CosignSignature,
    subject: Subject,
    trust: Trust,
    identity: Identity | None = None,
) -> Judgement:
    """What can be said of one signature of ``subject``.

    With ``identity``, a signature whose docker-reference it refuses is invalid. A certificate
    counts only where no named key verifies the signature.
    """
    try:
        raw = _signature_bytes(signature)
    except InvalidSignatureError as error:
        return Judgement(Verdict.INVALID, (error.message,))
    faults, docker_reference = _payload_faults(signature, subject, identity)
    key = next((each for each in trust.keys if each.verifies(signature.payload, raw)), None)
    if key is None and signature.annotation(CERTIFICATE) is not None:
        judged = _judge_certificate(signature, raw, trust)
    elif key is None:
        judged = Judgement(Verdict.UNKNOWN_KEY, (_unknown_key(trust),))
    else:
        judged = Judgement(Verdict.TRUSTED, signer=f"the key {key}")
    if faults:
        # They stand in the payload for all to see, whoever signed it.
        reasons = (*faults, *judged.reasons) if judged.verdict is Verdict.INVALID else faults
        return Judgement(Verdict.INVALID, reasons, judged.signer, docker_reference)
    return Judgement(judged.verdict, judged.reasons, judged.signer, docker_reference)


def _is_digest_of(digest: Digest, content: bytes) -> bool:
    if not digest.is_writable:
        return False
    return hashlib.new(digest.algorithm, content).hexdigest() == digest.hex


def _signature_bytes(signature: CosignSignature) -> bytes:
    """What the annotation holds. Only the one way to write it in base64 is taken.

    Other readers pass over line breaks and stray bits at the end; no program writes them.
    """
    text = signature.annotation(SIGNATURE)
    if text is None:
        raise InvalidSignatureError(f"the annotation {SIGNATURE} is missing")
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidSignatureError("the signature is not base64") from error
    if base64.b64encode(raw).decode("ascii") != text:
        raise InvalidSignatureError("the signature is not base64 as it is written")
    return raw


def _payload_faults(
    signature: CosignSignature, subject: Subject, identity: Identity | None
) -> tuple[tuple[str, ...], str]:
    """What is wrong with the payload, and the docker-reference that it holds."""
    named = signature.descriptor.digest
    if not _is_digest_of(named, signature.payload):
        return (f"the payload is not the content of {named}",), ""
    try:
        payload = parse_payload(signature.payload)
    except InvalidSignatureError as error:
        return (error.message,), ""
    faults = []
    if not subject.is_named_by(payload.manifest_digest):
        faults.append(f"it is for another manifest: {payload.manifest_digest}")
    if identity is not None and (reason := identity(payload.docker_reference)):
        faults.append(reason)
    return tuple(faults), payload.docker_reference


def _unknown_key(trust: Trust) -> str:
    if not trust.keys:
        return "no key was named to verify it with"
    count = len(trust.keys)
    return "the key does not verify it" if count == 1 else f"none of the {count} keys verifies it"


def _judge_certificate(signature: CosignSignature, raw: bytes, trust: Trust) -> Judgement:
    """What the certificate beside the signature proves, apart from the payload."""
    from regctl.signature.cosign_certificate import distrust, load_certificates  # noqa: PLC0415

    try:
        leaf, *_ = load_certificates((signature.annotation(CERTIFICATE) or "").encode())
        chain_text = signature.annotation(CHAIN)
        chain = load_certificates(chain_text.encode()) if chain_text else ()
    except KeyFileError as error:
        return Judgement(Verdict.INVALID, (f"its certificate cannot be read: {error.message}",))
    signer = f"the certificate {leaf.subject}"
    if not leaf.key.verifies(signature.payload, raw):
        return Judgement(
            Verdict.INVALID, ("the key of its own certificate does not verify it",), signer
        )
    if not trust.authorities or trust.at is None:
        reason = "it is valid by its own certificate, which nobody named"
        return Judgement(Verdict.SIGNED, (reason,), signer)
    if reason := distrust(leaf, chain, trust.authorities, trust.at):
        return Judgement(Verdict.SIGNED, (f"its certificate is not trusted: {reason}",), signer)
    return Judgement(Verdict.TRUSTED, signer=signer)
