"""Keys in JWK form, public and private, as libtrust reads them.

Members beside the key's own are kept and come back, sorted. regctl is stricter than libtrust in
what would be unsafe: see `read_public` and `read_private`. Source: libtrust, ``key.go``,
``ec_key.go``, ``rsa_key.go``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from regctl.manifest import gojson
from regctl.manifest.document import Object, Value, shown
from regctl.signature import base64url
from regctl.signature.libtrust.errors import InvalidKeyError
from regctl.signature.libtrust.keys import (
    CURVES,
    MAX_RSA_BITS,
    Curve,
    PrivateKey,
    PrivateNumbers,
    PublicKey,
    PublicNumbers,
    of_numbers,
)

#: A JWK is small; chains of certificates beside a key do not belong into it.
MAX_JWK_BYTES = 256 * 1024
#: The members of each kind that tell the private key.
PRIVATE_MEMBERS = {
    "EC": frozenset({"d"}),
    "RSA": frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"}),
}
_MAX_EXPONENT_BYTES = 4

_Members = dict[str, Value]
_Built = TypeVar("_Built")


def read_public(content: bytes) -> PublicKey:
    """The public key that a JWK is.

    Refused although libtrust takes it: a JWK with any private member, which libtrust would keep
    and publish with every signature; a point that is not on its curve; numbers that are no RSA
    key; an ``e`` of more than four bytes, at which libtrust panics. Raises `InvalidKeyError`.
    """
    return public_of_members(_members(content))


def public_of_value(value: Value) -> PublicKey:
    """The public key of a JWK that stood in a document; see `read_public`."""
    if not isinstance(value, Object):
        raise InvalidKeyError(f"the JWK is {shown(value)}, not an object")
    return public_of_members(dict(value.members))


def public_of_members(members: _Members) -> PublicKey:
    """The public key with these members of a JWK; see `read_public`."""
    kind = _kind(members)
    private = sorted(PRIVATE_MEMBERS[kind] & members.keys())
    if private:
        raise InvalidKeyError(
            f"the JWK holds the private member {private[0]!r}: a public key is wanted",
            hint="whoever has seen this document can sign with its key" if "d" in private else None,
        )
    return _public(kind, members)


def read_private(content: bytes) -> PrivateKey:
    """The private key that a JWK is.

    Refused although libtrust takes it: private numbers that do not belong to the public ones, and
    RSA keys of more than two primes. Raises `InvalidKeyError`, which never holds a number.
    """
    members = _members(content)
    kind = _kind(members)
    rest = {name: members[name] for name in members.keys() - PRIVATE_MEMBERS[kind]}
    public = _public(kind, rest)
    read = _ec_private if kind == "EC" else _rsa_private
    return read(members, public)


def _members(content: bytes) -> _Members:
    try:
        value = gojson.parse(content, MAX_JWK_BYTES)
    except gojson.NotJSONError as error:
        # Without the cause: what it points at may be a private number.
        raise InvalidKeyError(f"the JWK cannot be read: {error}") from None
    if not isinstance(value, Object):
        what = "a list" if isinstance(value, list) else "no JSON object"
        raise InvalidKeyError(f"the JWK is {what}, not an object")
    return dict(value.members)


def _kind(members: _Members) -> str:
    kind = _text(members, "kty")
    if kind not in PRIVATE_MEMBERS:
        raise InvalidKeyError(f"the JWK's kty is {shown(kind)}: only EC and RSA are supported")
    return kind


def _public(kind: str, members: _Members) -> PublicKey:
    numbers: PublicNumbers
    if kind == "EC":
        numbers = _built(_ec_point(members).public_key, kind)
    else:
        numbers = _built(_rsa_numbers(members).public_key, kind)
    public = of_numbers(numbers, members)
    if "kid" in members and _text(members, "kid") != public.key_id:
        raise InvalidKeyError(
            f"the JWK's kid is not its own, which is {public.key_id}: it may be another key's"
        )
    return public


def _ec_point(members: _Members) -> ec.EllipticCurvePublicNumbers:
    name = _text(members, "crv")
    if name not in CURVES:
        raise InvalidKeyError(
            f"the JWK's crv is {shown(name)}: only P-256, P-384 and P-521 are supported"
        )
    curve = CURVES[name]
    x, y = (_coordinate(members, axis, curve) for axis in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, curve.numbers)


def _coordinate(members: _Members, name: str, curve: Curve) -> int:
    raw = _bytes(members, name)
    if len(raw) != curve.width:
        raise InvalidKeyError(
            f"the JWK's {name} has {len(raw)} bytes: on {curve.name} it has {curve.width}"
        )
    return int.from_bytes(raw, "big")


def _rsa_numbers(members: _Members) -> rsa.RSAPublicNumbers:
    exponent = _bytes(members, "e")
    if len(exponent) > _MAX_EXPONENT_BYTES:
        raise InvalidKeyError(
            f"the JWK's e has {len(exponent)} bytes: libtrust reads {_MAX_EXPONENT_BYTES}"
        )
    return rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), _number(members, "n"))


def _ec_private(members: _Members, public: PublicKey) -> PrivateKey:
    curve = CURVES[_text(members, "crv")]
    scalar = _coordinate(members, "d", curve)
    numbers = _built(lambda: ec.derive_private_key(scalar, curve.numbers), "EC")
    return _matching(numbers, public)


def _rsa_private(members: _Members, public: PublicKey) -> PrivateKey:
    if "oth" in members:
        raise InvalidKeyError("the JWK has more than two primes, which is not supported")
    d, p, q = (_number(members, name) for name in ("d", "p", "q"))

    def optional(name: str, computed: Callable[[], int]) -> int:
        return _number(members, name) if name in members else computed()

    def build() -> rsa.RSAPrivateKey:
        dp = optional("dp", lambda: rsa.rsa_crt_dmp1(d, p))
        dq = optional("dq", lambda: rsa.rsa_crt_dmq1(d, q))
        qi = optional("qi", lambda: rsa.rsa_crt_iqmp(p, q))
        own = _rsa_numbers(members)
        return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, own).private_key()

    return _matching(_built(build, "RSA"), public)


def _matching(numbers: PrivateNumbers, public: PublicKey) -> PrivateKey:
    if of_numbers(numbers.public_key()).key_id != public.key_id:
        raise InvalidKeyError("the JWK's private numbers do not belong to its public ones")
    return PrivateKey(public, numbers)


def _built(build: Callable[[], _Built], kind: str) -> _Built:
    try:
        return build()
    except (ValueError, TypeError, ZeroDivisionError, OverflowError):
        # Without the cause: its text may show a private number.
        raise InvalidKeyError(f"the JWK's numbers are no {kind} key") from None


def _number(members: _Members, name: str) -> int:
    raw = _bytes(members, name)
    if len(raw) * 8 > MAX_RSA_BITS + 8:
        raise InvalidKeyError(f"the JWK's {name} has {len(raw)} bytes, which is too many")
    return int.from_bytes(raw, "big")


def _bytes(members: _Members, name: str) -> bytes:
    try:
        return base64url.decode(_text(members, name))
    except base64url.NotBase64Error:
        raise InvalidKeyError(f"the JWK's {name} is not base64url") from None


def _text(members: _Members, name: str) -> str:
    if name not in members:
        raise InvalidKeyError(f"the JWK has no {name}")
    value = members[name]
    if not isinstance(value, str):
        raise InvalidKeyError(f"the JWK's {name} is not a string")
    return value
