"""Keys as values: a `PublicKey` verifies, a `PrivateKey` signs, as cosign and its readers do.

ECDSA over SHA-256 for every curve, RSA PKCS#1 v1.5 over SHA-256, Ed25519. Source: sigstore,
``pkg/signature``; cosign's signature specification.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from regctl.signature import keyfile_pem
from regctl.signature.keyfile_errors import KeyFileError

Public: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
Private: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_CURVES = {"secp224r1": "P-224", "secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
#: Smaller RSA keys are read, since signatures by them exist, and make no new ones.
_MIN_SIGNING_BITS = 2048
_MAX_RSA_BITS = 16384
# Two numbers of P-521 are the longest that a curve here needs.
_MAX_P1363_BYTES = 132


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key. Two are equal if their ``spki``, the DER of a PKIX public key, is.

    ``kind`` is for people: ``EC P-256``, ``RSA 3072``, ``Ed25519``.
    """

    spki: bytes
    kind: str = field(compare=False)
    _key: Public = field(compare=False, repr=False)

    @property
    def fingerprint(self) -> str:
        """``sha256:`` and the hex digest of the key's DER: what tells it from another."""
        return _fingerprint(self.spki)

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"

    def pem(self) -> bytes:
        """The key as a PKIX PEM file."""
        return keyfile_pem.encode("PUBLIC KEY", self.spki)

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is this key's of exactly ``message``.

        An ECDSA signature is DER; where it is none, two numbers of equal length side by side
        (IEEE P1363) are taken too, since containers/image takes them.
        """
        try:
            if isinstance(self._key, ec.EllipticCurvePublicKey):
                self._key.verify(_as_der(signature), message, ec.ECDSA(SHA256()))
            elif isinstance(self._key, rsa.RSAPublicKey):
                self._key.verify(signature, message, padding.PKCS1v15(), SHA256())
            else:
                self._key.verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key and its ``public`` half."""

    public: PublicKey
    _key: Private = field(compare=False, repr=False)

    def sign(self, message: bytes) -> bytes:
        """The signature of ``message``: DER for ECDSA. Raises `KeyFileError` for weak RSA keys."""
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(message, ec.ECDSA(SHA256()))
        if isinstance(self._key, rsa.RSAPrivateKey):
            if self._key.key_size < _MIN_SIGNING_BITS:
                raise KeyFileError(
                    f"an RSA key of {self._key.key_size} bits is too weak to sign with",
                    hint=f"use one of {_MIN_SIGNING_BITS} bits or more, or 'regctl keygen'",
                )
            return self._key.sign(message, padding.PKCS1v15(), SHA256())
        return self._key.sign(message)

    def traditional_pem(self) -> bytes:
        """The key, not encrypted, as ``EC PRIVATE KEY`` or ``RSA PRIVATE KEY``, for libtrust.

        Raises `KeyFileError` for Ed25519, which has no such form.
        """
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            raise KeyFileError(
                "an Ed25519 key cannot sign schema 1 manifests", hint="use an EC or an RSA key"
            )
        return self._key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )


@lru_cache(64)
def _fingerprint(spki: bytes) -> str:
    return f"sha256:{hashlib.sha256(spki).hexdigest()}"


def private_key(key: object) -> PrivateKey:
    """The value for a private key of the library's. Raises `KeyFileError` for other kinds."""
    if not isinstance(
        key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    ):
        raise KeyFileError("keys of this kind are not supported: use EC, RSA or Ed25519")
    return PrivateKey(public_key(key.public_key()), key)


def public_key(key: object) -> PublicKey:
    """The value for a public key of the library's. Raises `KeyFileError` for other kinds."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise KeyFileError(f"the curve {key.curve.name} is not supported")
        kind = f"EC {_CURVES[key.curve.name]}"
    elif isinstance(key, rsa.RSAPublicKey):
        if key.key_size > _MAX_RSA_BITS:
            raise KeyFileError(f"an RSA key of {key.key_size} bits is not supported")
        kind = f"RSA {key.key_size}"
    elif isinstance(key, ed25519.Ed25519PublicKey):
        kind = "Ed25519"
    else:
        raise KeyFileError("keys of this kind are not supported: use EC, RSA or Ed25519")
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(spki, kind, key)


def _as_der(signature: bytes) -> bytes:
    """An ECDSA signature in DER: as it is, or from two numbers side by side."""
    try:
        utils.decode_dss_signature(signature)
    except ValueError:
        if signature and len(signature) <= _MAX_P1363_BYTES and len(signature) % 2 == 0:
            half = len(signature) // 2
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            return utils.encode_dss_signature(r, s)
    return signature
