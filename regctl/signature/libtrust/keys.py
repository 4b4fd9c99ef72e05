"""Keys as libtrust knows them: EC on three curves and RSA, each with a key id, and what they do.

Source: libtrust, ``ec_key.go``, ``rsa_key.go``, ``util.go``.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from regctl.manifest import gojson
from regctl.manifest.document import Value
from regctl.signature import base64url
from regctl.signature.libtrust.errors import InvalidKeyError

PublicNumbers: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateNumbers: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

#: What OpenSSL verifies with; larger ones are made to cost time.
MAX_RSA_BITS = 16384
_KEY_ID_BYTES = 30
_RSA_HASHES: dict[str, hashes.HashAlgorithm] = {
    "RS256": hashes.SHA256(),
    "RS384": hashes.SHA384(),
    "RS512": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve by its name in a JWK, with its one signature algorithm and its width in bytes."""

    name: str
    algorithm: str
    width: int
    numbers: ec.EllipticCurve = field(compare=False)
    hash: hashes.HashAlgorithm = field(compare=False)


CURVES = {
    "P-256": Curve("P-256", "ES256", 32, ec.SECP256R1(), hashes.SHA256()),
    "P-384": Curve("P-384", "ES384", 48, ec.SECP384R1(), hashes.SHA384()),
    "P-521": Curve("P-521", "ES512", 66, ec.SECP521R1(), hashes.SHA512()),
}
_BY_LIBRARY_NAME = {curve.numbers.name: curve for curve in CURVES.values()}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key. ``jwk`` is its JWK as libtrust emits it: compact, sorted, ``kid`` included.

    Two keys are equal if their JWKs are; the same key with other members beside it has the same
    ``key_id``. Made by `of_numbers`.
    """

    key_id: str
    jwk: str
    numbers: PublicNumbers = field(compare=False, repr=False)

    def why_not(self, algorithm: str, signature: bytes, content: bytes) -> str:
        """Why ``signature`` over ``content`` does not verify; empty if it does."""
        if isinstance(self.numbers, rsa.RSAPublicKey):
            return _why_not_rsa(self.numbers, algorithm, signature, content)
        return _why_not_ec(self.numbers, algorithm, signature, content)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key and its ``public`` half. It shows no number of its own."""

    public: PublicKey
    numbers: PrivateNumbers = field(compare=False, repr=False)

    @property
    def algorithm(self) -> str:
        """What this key signs with: RS256, or the one that belongs to the curve."""
        if isinstance(self.numbers, rsa.RSAPrivateKey):
            return "RS256"
        return curve_of(self.numbers).algorithm

    def sign(self, content: bytes) -> bytes:
        """The signature over ``content``: PKCS #1 v1.5, or r and s, each as wide as the curve."""
        numbers = self.numbers
        if isinstance(numbers, rsa.RSAPrivateKey):
            try:
                return numbers.sign(content, padding.PKCS1v15(), hashes.SHA256())
            except ValueError as error:
                raise InvalidKeyError(f"the RSA key cannot sign: {error}") from error
        curve = curve_of(numbers)
        r, s = utils.decode_dss_signature(numbers.sign(content, ec.ECDSA(curve.hash)))
        return r.to_bytes(curve.width, "big") + s.to_bytes(curve.width, "big")


def of_numbers(numbers: object, extra: dict[str, Value] | None = None) -> PublicKey:
    """The public key with these numbers; ``extra`` has the other members of its JWK.

    Raises `InvalidKeyError` if libtrust has no such keys, or ``extra`` has a number that no
    64 bits of floating point hold.
    """
    if isinstance(numbers, rsa.RSAPublicKey):
        if numbers.key_size > MAX_RSA_BITS:
            raise InvalidKeyError(f"an RSA key of {numbers.key_size} bits is too large")
        own = _rsa_members(numbers)
    elif isinstance(numbers, ec.EllipticCurvePublicKey):
        own = _ec_members(numbers)
    else:
        raise InvalidKeyError("only EC and RSA keys sign schema 1 manifests")
    key_id = _key_id(numbers)
    own["kid"] = key_id
    try:
        found = {name: gojson.compact(value) for name, value in (extra or {}).items()}
    except gojson.NotJSONError as error:
        raise InvalidKeyError(f"the JWK holds {error}") from error
    found |= {name: gojson.quote(text) for name, text in own.items()}
    return PublicKey(key_id, gojson.members(sorted(found.items())), numbers)


def curve_of(numbers: ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) -> Curve:
    """The curve that a key is on. Raises `InvalidKeyError` if libtrust does not know it."""
    curve = _BY_LIBRARY_NAME.get(numbers.curve.name)
    if curve is None:
        raise InvalidKeyError(
            f"the curve {numbers.curve.name} is not supported: libtrust has P-256, P-384, P-521"
        )
    return curve


def _key_id(numbers: PublicNumbers) -> str:
    der = numbers.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(der).digest()[:_KEY_ID_BYTES]).decode("ascii")
    return ":".join(text[start : start + 4] for start in range(0, len(text), 4))


def _ec_members(numbers: ec.EllipticCurvePublicKey) -> dict[str, str]:
    curve, point = curve_of(numbers), numbers.public_numbers()
    return {
        "crv": curve.name,
        "kty": "EC",
        "x": base64url.encode(point.x.to_bytes(curve.width, "big")),
        "y": base64url.encode(point.y.to_bytes(curve.width, "big")),
    }


def _rsa_members(numbers: rsa.RSAPublicKey) -> dict[str, str]:
    public = numbers.public_numbers()
    return {"e": _integer(public.e), "kty": "RSA", "n": _integer(public.n)}


def _integer(value: int) -> str:
    return base64url.encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _why_not_ec(
    numbers: ec.EllipticCurvePublicKey, algorithm: str, signature: bytes, content: bytes
) -> str:
    curve = curve_of(numbers)
    if algorithm != curve.algorithm:
        return f"a key on {curve.name} signs by {curve.algorithm}, not by {algorithm[:40]!r}"
    if len(signature) != 2 * curve.width:
        return f"the signature has {len(signature)} bytes, not {2 * curve.width}"
    r, s = (int.from_bytes(half, "big") for half in _halves(signature, curve.width))
    der = utils.encode_dss_signature(r, s)
    try:
        numbers.verify(der, content, ec.ECDSA(curve.hash))
    except InvalidSignature:
        return "the signature is not this key's over this content"
    return ""


def _halves(signature: bytes, width: int) -> tuple[bytes, bytes]:
    return signature[:width], signature[width:]


def _why_not_rsa(
    numbers: rsa.RSAPublicKey, algorithm: str, signature: bytes, content: bytes
) -> str:
    if algorithm not in _RSA_HASHES:
        return f"an RSA key signs by RS256, RS384 or RS512, not by {algorithm[:40]!r}"
    try:
        numbers.verify(signature, content, padding.PKCS1v15(), _RSA_HASHES[algorithm])
    except InvalidSignature:
        return f"the signature is not this key's {algorithm} over this content"
    except (ValueError, UnsupportedAlgorithm) as error:
        return f"the RSA key cannot verify: {error}"
    return ""
