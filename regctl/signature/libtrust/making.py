"""Signing payloads, and putting payload and signatures together as one document.

Source: libtrust, ``jsonsign.go``, ``NewJSONSignature``, ``Sign`` and ``PrettySignature``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from regctl.manifest import gojson
from regctl.signature import base64url
from regctl.signature.libtrust.certificates import certificate_key
from regctl.signature.libtrust.document import (
    parse,
    read_object,
    signed_bytes,
    why_unverified,
)
from regctl.signature.libtrust.errors import InvalidKeyError, InvalidSignatureError
from regctl.signature.libtrust.keys import PrivateKey
from regctl.signature.libtrust.signatures import Format, Signature, parse_blob, write_format

_BLANKS = b" \t\r\n"


def sign(payload: bytes, key: PrivateKey, time: datetime, chain: Sequence[str] = ()) -> Signature:
    """A signature over ``payload``, which must be a JSON object with a member at least.

    With a ``chain``, certificates in standard base64 with the signer's own first, they stand in
    the header in place of the key. ``time`` must know its zone; it is written in whole seconds.
    Raises `InvalidSignatureError`, also if the first certificate is another key's, which libtrust
    does not look at.
    """
    form = format_of(payload)
    if any(name == "signatures" for name, _ in read_object(payload).members):
        raise InvalidSignatureError("the payload has signatures in it: add a signature instead")
    protected = write_format(form, _rfc3339(time))
    if chain:
        _check_chain(chain[0], key)
    raw = key.sign(signed_bytes(protected, payload))
    return Signature(
        algorithm=key.algorithm,
        signature=base64url.encode(raw),
        protected=protected,
        key=None if chain else key.public,
        chain=tuple(chain),
    )


def assemble(payload: bytes, signatures: Iterable[Signature]) -> bytes:
    """The document of ``payload`` and every one of ``signatures``, as a registry serves it.

    The same signature twice is one. They are sorted by key id, then by signature. Nothing is
    verified. Raises `InvalidSignatureError` if there are none, if the payload is not a JSON
    object with a member at least, and if there are several of which one has no JWK but a chain:
    there the registries of old panic, so that they could neither store nor serve the document.
    """
    form = format_of(payload)
    # By what is stored: two that differ in anything else are two blobs.
    found = sorted({each.compact: each for each in signatures}.values(), key=_order)
    if not found:
        raise InvalidSignatureError("there are no signatures to make a signed document with")
    why = why_unservable(found)
    if why:
        raise InvalidSignatureError(why)
    listed = "[" + ",".join(each.compact for each in found) + "]"
    indent = _indent(payload)
    if indent:
        listed = f'\n{indent}"signatures": {gojson.indented(listed, indent, indent)}\n'
    else:
        listed = f'"signatures":{listed}'
    return payload[: form.length] + f",{listed}}}".encode()


def add_signature(
    content: bytes, key: PrivateKey, time: datetime, chain: Sequence[str] = ()
) -> bytes:
    """The signed document ``content`` with one signature more; none of its own is lost.

    Raises `InvalidSignatureError`, also if ``content`` does not verify as it is: the outcome
    would not either.
    """
    document = parse(content)
    faults = why_unverified(document)
    if faults:
        raise InvalidSignatureError("the document does not verify", faults)
    added = sign(document.payload, key, time, chain)
    return assemble(document.payload, (*document.signatures, added))


def merge(payload: bytes, blobs: Iterable[bytes]) -> bytes:
    """The document of a stored payload and every signature blob that is stored beside it.

    Raises `InvalidSignatureError`, as `assemble`, and where a blob is not a signature: leaving one
    out would be to lose it.
    """
    return assemble(payload, [parse_blob(blob) for blob in blobs])


def why_unservable(signatures: Sequence[Signature]) -> str:
    """Why the registries of old cannot sort these signatures; empty if they can."""
    if len(signatures) > 1 and any(each.key is None for each in signatures):
        return (
            "of several signatures one has no JWK: registries panic when they sort them, and "
            "can neither store nor serve the manifest"
        )
    return ""


def format_of(payload: bytes) -> Format:
    """Where signatures are put into ``payload``: before its last bracket and the blanks there.

    Raises `InvalidSignatureError`.
    """
    try:
        members = read_object(payload).members
    except InvalidSignatureError as error:
        what = error.message.replace("the document", "the payload")
        raise InvalidSignatureError(what) from error
    if not members:
        raise InvalidSignatureError("the payload is empty: with signatures it would be no JSON")
    inner = payload.rstrip(_BLANKS)[:-1].rstrip(_BLANKS)
    return Format(len(inner), payload[len(inner) :])


def _indent(payload: bytes) -> str:
    """The blanks between the first line and the first quote, if there are any."""
    if not payload.startswith(b"{\n"):
        return ""
    return payload[2 : payload.index(b'"')].decode("ascii")


def _order(signature: Signature) -> tuple[str, str]:
    return signature.key.key_id if signature.key else "", signature.signature


def _check_chain(leaf: str, key: PrivateKey) -> None:
    try:
        named = certificate_key(leaf).key_id
    except InvalidKeyError as error:
        raise InvalidSignatureError(error.message) from error
    if named != key.public.key_id:
        raise InvalidSignatureError("the chain's first certificate is not the signing key's")


def _rfc3339(time: datetime) -> str:
    if time.tzinfo is None:
        raise ValueError("a time without a zone is no time")
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
