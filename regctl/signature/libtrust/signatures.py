"""One signature of a signed document: read as Go reads it, written as Go writes it.

Source: libtrust, ``jsonsign.go``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from regctl.manifest import gojson
from regctl.manifest.document import Object, Value, shown
from regctl.signature import base64url
from regctl.signature.libtrust.errors import InvalidKeyError, InvalidSignatureError
from regctl.signature.libtrust.jwk import public_of_value
from regctl.signature.libtrust.keys import PublicKey

_MAX_PROTECTED_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Format:
    """How a document is put together: ``length`` bytes of it, then ``tail``, are the payload."""

    length: int
    tail: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature; ``signature`` and ``protected`` are base64url, exactly as they stood.

    ``key`` is the header's JWK. ``chain`` has its certificates, the signer's first, in standard
    base64; where there are any, the first one's key counts, and ``key`` is not looked at.
    """

    algorithm: str
    signature: str
    protected: str
    key: PublicKey | None = None
    chain: tuple[str, ...] = ()

    @property
    def blob(self) -> bytes:
        """The bytes that a registry stores: ``json.Marshal``, no slice of the document.

        Absent members are left out, but ``alg`` and ``signature`` are written empty.
        """
        return self.compact.encode()

    @property
    def compact(self) -> str:
        """`blob` as text, as it stands in a list of signatures."""
        header = []
        if self.key is not None:
            header.append(("jwk", self.key.jwk))
        header.append(("alg", gojson.quote(self.algorithm)))
        if self.chain:
            header.append(("x5c", "[" + ",".join(map(gojson.quote, self.chain)) + "]"))
        pairs = [("header", gojson.members(header)), ("signature", gojson.quote(self.signature))]
        if self.protected:
            pairs.append(("protected", gojson.quote(self.protected)))
        return gojson.members(pairs)


def parse_blob(content: bytes) -> Signature:
    """The signature that a registry stored as the blob ``content``.

    Raises `InvalidSignatureError`, also where the protected header is none: with such a one
    beside it, a document could not be read at all.
    """
    try:
        value = gojson.parse(content)
    except gojson.NotJSONError as error:
        raise InvalidSignatureError(f"the signature is not JSON: {error}") from error
    signature = read_signature(value)
    read_format(signature.protected)
    return signature


def read_signature(value: Value) -> Signature:
    """The signature that an element of ``signatures`` is.

    Members go by their names without regard to case, the last one wins, null is as good as
    absent; but a ``jwk`` of null is refused, and several headers are read as one. Raises
    `InvalidSignatureError`.
    """
    outer = Object([]) if value is None else value
    if not isinstance(outer, Object):
        raise InvalidSignatureError(f"{shown(value)} is not an object")
    header = Object([member for each in _headers(outer) for member in each.members])
    return Signature(
        algorithm=_text(header, "alg"),
        signature=_text(outer, "signature"),
        protected=_text(outer, "protected"),
        key=_key(header),
        chain=_chain(header),
    )


def read_format(protected: str) -> Format:
    """What the protected header, in base64url, says of the document's format.

    Its members go by their exact names. A length that is no whole number is cut, as Go does;
    a negative one, at which libtrust panics, is refused. Raises `InvalidSignatureError`.
    """
    members = _protected_members(protected)
    length = _member(members, "formatLength")
    tail = _member(members, "formatTail")
    # The upper bound is Go's: beyond it, conversion gives what it likes.
    if not isinstance(length, float) or not -1 < length < 2**63:
        raise InvalidSignatureError(f"formatLength is {shown(length)}, which is no number of bytes")
    if not isinstance(tail, str):
        raise InvalidSignatureError(f"formatTail is {shown(tail)}, not a string")
    return Format(int(length), _decoded(tail, "formatTail"))


def write_format(form: Format, time: str) -> str:
    """The protected header that says ``form`` and when it was signed, in base64url."""
    pairs = (
        ("formatLength", str(form.length)),
        ("formatTail", gojson.quote(base64url.encode(form.tail))),
        ("time", gojson.quote(time)),
    )
    return base64url.encode(gojson.members(pairs).encode())


def _protected_members(protected: str) -> dict[str, Value]:
    if not protected:
        raise InvalidSignatureError("there is no protected header")
    try:
        value = gojson.parse(_decoded(protected, "the protected header"), _MAX_PROTECTED_BYTES)
    except gojson.NotJSONError as error:
        raise InvalidSignatureError(f"the protected header is not JSON: {error}") from error
    if not isinstance(value, Object):
        raise InvalidSignatureError(f"the protected header is {shown(value)}, not an object")
    return dict(value.members)


def _member(members: dict[str, Value], name: str) -> Value:
    if name not in members:
        raise InvalidSignatureError(f"the protected header has no {name}")
    return members[name]


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64url.decode(text)
    except base64url.NotBase64Error as error:
        raise InvalidSignatureError(f"{what} is not base64url") from error


def _headers(outer: Object) -> Iterator[Object]:
    for value in outer.values("header"):
        if not isinstance(value, Object):
            raise InvalidSignatureError(f"the header is {shown(value)}, not an object")
        yield value


def _text(within: Object, name: str) -> str:
    text = ""
    # Every value must have the right type, although the last one counts.
    for value in within.values(name):
        if not isinstance(value, str):
            raise InvalidSignatureError(f"{name} is {shown(value)}, not a string")
        text = value
    return text


def _key(header: Object) -> PublicKey | None:
    found = header.matching("jwk")
    if not found:
        return None
    try:
        return public_of_value(found[-1][1])
    except InvalidKeyError as error:
        raise InvalidSignatureError(error.message, hint=error.hint) from error


def _chain(header: Object) -> tuple[str, ...]:
    chain: tuple[str, ...] = ()
    for _, value in header.matching("x5c"):
        certificates = [] if value is None else value
        if not isinstance(certificates, list):
            raise InvalidSignatureError(f"x5c is {shown(value)}, not a list")
        texts = []
        for each in certificates:
            if each is not None and not isinstance(each, str):
                raise InvalidSignatureError(f"x5c holds {shown(each)}, not a string")
            texts.append(each or "")
        chain = tuple(texts)
    return chain
