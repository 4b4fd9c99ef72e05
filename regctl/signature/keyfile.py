"""Keys as files hold them: loaded with a reason where one is refused, and made.

Source: sigstore, ``pkg/cryptoutils``; cosign, ``pkg/cosign/keys.go``.

Importing this loads ``cryptography``: import it where it is used, not where a program starts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
)

from regctl.signature import keyfile_encrypted, keyfile_pem
from regctl.signature.keyfile_errors import (
    KeyFileError,
    PassphraseNeededError,
    WrongPassphraseError,
)
from regctl.signature.keyfile_keys import PrivateKey, PublicKey, private_key, public_key

__all__ = [
    "KeyFileError",
    "KeyPair",
    "PassphraseNeededError",
    "PrivateKey",
    "PublicKey",
    "WrongPassphraseError",
    "generate_key_pair",
    "load_private_key",
    "load_public_key",
    "needs_passphrase",
    "public_key_of_spki",
]

_PRIVATE_LABELS = frozenset({"PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"})
_ENCRYPTED_PKCS8 = "ENCRYPTED PRIVATE KEY"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The two files of a key pair; the private one is encrypted."""

    private_pem: bytes = field(repr=False)
    public_pem: bytes


def load_public_key(content: bytes) -> PublicKey:
    """The public key in a PEM file: of several blocks the first, as cosign and skopeo take it.

    EC on the NIST curves, RSA, Ed25519; in PKIX form, RSA also in that of PKCS#1.
    Raises `KeyFileError` with the reason.
    """
    block = _first_block(content, "public key")
    raw = block.decoded()
    if block.label not in ("PUBLIC KEY", "RSA PUBLIC KEY") or raw is None:
        raise _no_public_key(block.label)
    if block.label == "PUBLIC KEY":
        return public_key_of_spki(raw)
    # A PKIX key in this armour would do for the library, not for other readers.
    if b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" in raw[:40]:
        raise KeyFileError("the RSA PUBLIC KEY is not in the form of PKCS#1")
    try:
        return public_key(load_der_public_key(raw))
    except Exception as error:
        raise KeyFileError("the public key is malformed") from error


def public_key_of_spki(spki: bytes) -> PublicKey:
    """The key whose PKIX DER is ``spki``. Raises `KeyFileError`."""
    try:
        key = public_key(load_der_public_key(spki))
    except KeyFileError:
        raise
    except Exception as error:
        raise KeyFileError("the public key is malformed, or of a kind that is not known") from error
    if key.spki != spki:
        raise KeyFileError("the public key is not written in its one DER form")
    return key


def needs_passphrase(content: bytes) -> bool:
    """Whether the private key in ``content`` is encrypted. Raises `KeyFileError`."""
    block = _private_block(content)
    return (
        block.label in keyfile_encrypted.LABELS
        or block.label == _ENCRYPTED_PKCS8
        or b"ENCRYPTED" in block.headers
    )


def load_private_key(content: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """The private key in a PEM file: PKCS#8, SEC1, PKCS#1, or cosign's encrypted form.

    ``passphrase`` is of no account for a key that is not encrypted; the empty one is one.
    Raises `PassphraseNeededError`, `WrongPassphraseError`, and `KeyFileError` with the reason.
    """
    encrypted = needs_passphrase(content)
    block = _private_block(content)
    if encrypted and passphrase is None:
        raise PassphraseNeededError(
            "the private key is encrypted, and there is no passphrase",
            hint="set COSIGN_PASSWORD, or run on a terminal",
        )
    if block.label in keyfile_encrypted.LABELS:
        raw = block.decoded()
        if raw is None:
            raise KeyFileError("the encrypted private key is malformed: it is not base64")
        return _load_der(keyfile_encrypted.unseal(raw, passphrase or b""))
    return _load_pem(block.text, passphrase if encrypted else None)


def generate_key_pair(passphrase: bytes) -> KeyPair:
    """A new pair as cosign makes it: EC P-256, the private key encrypted with ``passphrase``."""
    private = ec.generate_private_key(ec.SECP256R1())
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(keyfile_encrypted.seal(der, passphrase), public_key(private.public_key()).pem())


def _first_block(content: bytes, what: str) -> keyfile_pem.Block:
    if len(content) > keyfile_pem.MAX_BYTES:
        raise KeyFileError(f"{len(content)} bytes are too many for a {what}")
    found = keyfile_pem.blocks(content)
    if not found:
        raise KeyFileError(f"there is no {what} in PEM form in it")
    # openssl writes the curve before an EC key.
    return next((each for each in found if each.label != "EC PARAMETERS"), found[0])


def _private_block(content: bytes) -> keyfile_pem.Block:
    block = _first_block(content, "private key")
    known = _PRIVATE_LABELS | keyfile_encrypted.LABELS | {_ENCRYPTED_PKCS8}
    if block.label not in known:
        raise KeyFileError(f"it holds a {block.label}, not a private key")
    return block


def _no_public_key(label: str) -> KeyFileError:
    if "PRIVATE" in label:
        return KeyFileError("it holds a private key, where a public one is wanted")
    if label == "CERTIFICATE":
        return KeyFileError("it holds a certificate, not a public key", hint="give it with --ca")
    if label.endswith("PUBLIC KEY"):
        return KeyFileError("the public key is malformed: it is not base64")
    return KeyFileError(f"it holds a {label}, not a public key")


def _load_der(der: bytes) -> PrivateKey:
    try:
        return private_key(load_der_private_key(der, None))
    except KeyFileError:
        raise
    except Exception as error:
        raise KeyFileError("the private key inside is malformed") from error


def _load_pem(text: bytes, passphrase: bytes | None) -> PrivateKey:
    try:
        return private_key(load_pem_private_key(text, passphrase))
    except KeyFileError:
        raise
    except Exception as error:
        if passphrase is not None:
            raise WrongPassphraseError(
                "the private key does not open with this passphrase: "
                "it is another one, or the file is damaged"
            ) from error
        raise KeyFileError("the private key is malformed") from error
