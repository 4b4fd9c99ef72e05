"""Signed documents: the payload, the signatures, and whether each one verifies.

Source: libtrust, ``jsonsign.go``, ``ParsePrettySignature`` and ``Verify``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from regctl.manifest import gojson
from regctl.manifest.document import MAX_PARSED_BYTES, Object, Value, shown
from regctl.signature import base64url
from regctl.signature.libtrust.certificates import certificate_key
from regctl.signature.libtrust.errors import InvalidKeyError, InvalidSignatureError
from regctl.signature.libtrust.keys import PublicKey
from regctl.signature.libtrust.signatures import Format, Signature, read_format, read_signature

#: Each costs a hash of the whole payload, so that a small document could take hours.
MAX_SIGNATURES = 1000


@dataclass(frozen=True, slots=True)
class Document:
    """A signed document. Its digest in a registry is the payload's.

    The payload need not be what stands in the document, nor JSON: what signatures cover is the
    payload alone. Nothing of it is proved before `verify`.
    """

    payload: bytes
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one signature: it ``verified``, or else ``reason`` says why not.

    ``key`` is the one that it names itself, None where there is none that can be read;
    ``by_certificate`` says that it is the one of a certificate, whose chain proves nothing yet.
    """

    signature: Signature
    reason: str
    key: PublicKey | None
    by_certificate: bool

    @property
    def verified(self) -> bool:
        """Whether this key signed this payload; that anybody trusts the key is not said."""
        return not self.reason

    @property
    def key_id(self) -> str:
        """The libtrust id of the key; empty where there is none."""
        return self.key.key_id if self.key else ""


def parse(content: bytes, limit: int = MAX_PARSED_BYTES) -> Document:
    """The signed document that ``content`` is, nothing of it verified.

    Refused with every reason is what libtrust refuses, what makes it panic (a negative
    ``formatLength``, an RSA exponent of five bytes), and what it takes though it is unsafe (see
    `regctl.signature.libtrust.jwk`); and more than `MAX_SIGNATURES` signatures, ``limit`` bytes,
    or `regctl.manifest.gojson.MAX_DEPTH` levels. Raises `InvalidSignatureError`.
    """
    elements = _elements(read_object(content, limit))
    signatures: list[Signature] = []
    formats: list[Format] = []
    reasons: list[str] = []
    for index, element in enumerate(elements):
        try:
            signature = read_signature(element)
            formats.append(read_format(signature.protected))
            signatures.append(signature)
        except InvalidSignatureError as error:
            reasons.append(f"signatures[{index}]: {error.message}")
    if reasons:
        raise InvalidSignatureError("the signatures cannot be read", tuple(reasons))
    return Document(_payload(content, formats), tuple(signatures))


def verify(document: Document) -> tuple[Verdict, ...]:
    """A verdict for each signature, in the document's order; none are no proof of anything."""
    return tuple(_verdicts(document))


def why_unverified(document: Document) -> tuple[str, ...]:
    """Every reason why the document is not verified; empty if it is.

    All signatures must verify, and there must be one: libtrust is content with none.
    """
    if not document.signatures:
        return ("there are no signatures",)
    return tuple(
        f"signatures[{index}]: {verdict.reason}"
        for index, verdict in enumerate(_verdicts(document))
        if not verdict.verified
    )


def signed_bytes(protected: str, payload: bytes) -> bytes:
    """What is signed: the protected header as it stands, a dot, the payload in base64url."""
    return f"{protected}.{base64url.encode(payload)}".encode()


def read_object(content: bytes, limit: int = MAX_PARSED_BYTES) -> Object:
    """The JSON object that ``content`` is, as Go reads it. Raises `InvalidSignatureError`."""
    try:
        value = gojson.parse(content, limit)
    except gojson.NotJSONError as error:
        raise InvalidSignatureError(f"the document is not JSON: {error}") from error
    if not isinstance(value, Object):
        raise InvalidSignatureError(f"the document is {shown(value)}, not an object")
    return value


def _elements(document: Object) -> list[Value]:
    found = [value for name, value in document.members if name == "signatures"]
    if not found:
        raise InvalidSignatureError("the document has no signatures")
    elements = [] if found[-1] is None else found[-1]
    if not isinstance(elements, list):
        raise InvalidSignatureError(f"the signatures are {shown(elements)}, not a list")
    if len(elements) > MAX_SIGNATURES:
        raise InvalidSignatureError(
            f"the document has {len(elements)} signatures, more than the {MAX_SIGNATURES} that "
            "are read"
        )
    return elements


def _payload(content: bytes, formats: list[Format]) -> bytes:
    length, tail = 0, b""
    for form in formats:
        # What says nothing is no conflict before the first that says something; see libtrust.
        if length and length != form.length:
            raise InvalidSignatureError("two signatures have different formatLengths")
        if tail and tail != form.tail:
            raise InvalidSignatureError("two signatures have different formatTails")
        length, tail = form.length, form.tail
    if length > len(content):
        raise InvalidSignatureError(
            f"formatLength is {length}, and the document has {len(content)} bytes"
        )
    return content[:length] + tail


def _verdicts(document: Document) -> Iterator[Verdict]:
    for signature in document.signatures:
        by_certificate = bool(signature.chain)
        try:
            key = certificate_key(signature.chain[0]) if by_certificate else signature.key
        except InvalidKeyError as error:
            yield Verdict(signature, error.message, None, by_certificate)
            continue
        reason = _why_not(signature, key, document.payload)
        yield Verdict(signature, reason, key, by_certificate)


def _why_not(signature: Signature, key: PublicKey | None, payload: bytes) -> str:
    if key is None:
        return "there is no public key in the header"
    try:
        raw = base64url.decode(signature.signature)
    except base64url.NotBase64Error:
        return "the signature is not base64url"
    return key.why_not(signature.algorithm, raw, signed_bytes(signature.protected, payload))
