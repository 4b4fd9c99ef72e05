"""cosign's encrypted private keys: scrypt makes a key of the passphrase, secretbox seals the DER.

The PEM block holds JSON: ``kdf`` with name, parameters and salt, ``cipher`` with name and nonce,
``ciphertext``. Source: go-securesystemslib, ``encrypted``; cosign, ``pkg/cosign/keys.go``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass

from regctl.manifest.document import Value, is_integer
from regctl.signature import cosign_json, keyfile_pem
from regctl.signature.cosign_json import StrictJSONError
from regctl.signature.keyfile_errors import KeyFileError, WrongPassphraseError

#: What older and newer releases write; they differ in nothing else.
LABELS = frozenset({"ENCRYPTED COSIGN PRIVATE KEY", "ENCRYPTED SIGSTORE PRIVATE KEY"})
_LABEL = "ENCRYPTED SIGSTORE PRIVATE KEY"
_KDF = "scrypt"
_CIPHER = "nacl/secretbox"
#: The parameters of new files: the standard ones of cosign.
_COST, _BLOCK_SIZE, _PARALLELISM = 1 << 16, 8, 1
_KEY_BYTES, _NONCE_BYTES, _SALT_BYTES = 32, 24, 32
# A file may not make this program use more: four times cosign's strongest parameters.
_MAX_MEMORY = 512 * 1024 * 1024
_MAX_PARALLELISM = 16


@dataclass(frozen=True, slots=True)
class _Envelope:
    cost: int
    block_size: int
    parallelism: int
    salt: bytes
    nonce: bytes
    ciphertext: bytes

    def key(self, passphrase: bytes) -> bytes:
        needed = 128 * self.block_size * (self.cost + self.parallelism + 2)
        return hashlib.scrypt(
            passphrase,
            salt=self.salt,
            n=self.cost,
            r=self.block_size,
            p=self.parallelism,
            maxmem=needed + 1024 * 1024,
            dklen=_KEY_BYTES,
        )


def seal(private_der: bytes, passphrase: bytes) -> bytes:
    """The PEM file that holds ``private_der`` (PKCS#8) encrypted with ``passphrase``."""
    from nacl.secret import SecretBox  # noqa: PLC0415 - public keys need none of it

    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    envelope = _Envelope(_COST, _BLOCK_SIZE, _PARALLELISM, salt, nonce, b"")
    box = SecretBox(envelope.key(passphrase))
    document = {
        "kdf": {
            "name": _KDF,
            "params": {"N": _COST, "r": _BLOCK_SIZE, "p": _PARALLELISM},
            "salt": _base64(salt),
        },
        "cipher": {"name": _CIPHER, "nonce": _base64(nonce)},
        "ciphertext": _base64(box.encrypt(private_der, nonce).ciphertext),
    }
    return keyfile_pem.encode(_LABEL, cosign_json.encode(document))


def unseal(content: bytes, passphrase: bytes) -> bytes:
    """The PKCS#8 DER in ``content``, the bytes of the PEM block.

    Raises `WrongPassphraseError`; `KeyFileError` if this is no such file.
    """
    from nacl.exceptions import CryptoError  # noqa: PLC0415 - as above
    from nacl.secret import SecretBox  # noqa: PLC0415

    try:
        envelope = _read(content)
    except StrictJSONError as error:
        raise KeyFileError(f"the encrypted private key is malformed: {error}") from error
    try:
        return bytes(
            SecretBox(envelope.key(passphrase)).decrypt(envelope.ciphertext, envelope.nonce)
        )
    except CryptoError as error:
        raise WrongPassphraseError(
            "the private key does not open with this passphrase: "
            "it is another one, or the file is damaged"
        ) from error


def _read(content: bytes) -> _Envelope:
    outer = cosign_json.members(cosign_json.decode(content), "the key")
    kdf = cosign_json.members(outer.get("kdf"), "kdf")
    cipher = cosign_json.members(outer.get("cipher"), "cipher")
    params = cosign_json.members(kdf.get("params"), "kdf.params")
    for value, expected, where in (
        (kdf.get("name"), _KDF, "kdf.name"),
        (cipher.get("name"), _CIPHER, "cipher.name"),
    ):
        if value != expected:
            raise StrictJSONError(f"{where} is not {expected!r}")
    cost, block_size, parallelism = (_positive(params.get(name), name) for name in ("N", "r", "p"))
    if cost < 2 or cost & (cost - 1):
        raise StrictJSONError("kdf.params.N is not a power of two")
    if 128 * cost * block_size > _MAX_MEMORY or parallelism > _MAX_PARALLELISM:
        raise StrictJSONError("kdf.params ask for more memory or time than any release writes")
    nonce = _bytes(cipher.get("nonce"), "cipher.nonce")
    if len(nonce) != _NONCE_BYTES:
        raise StrictJSONError(f"cipher.nonce has {len(nonce)} bytes, not {_NONCE_BYTES}")
    return _Envelope(
        cost,
        block_size,
        parallelism,
        _bytes(kdf.get("salt"), "kdf.salt"),
        nonce,
        _bytes(outer.get("ciphertext"), "ciphertext"),
    )


def _positive(value: Value, name: str) -> int:
    if not is_integer(value) or not 0 < value < 1 << 40:
        raise StrictJSONError(f"kdf.params.{name} is not a positive number")
    return value


def _bytes(value: Value, where: str) -> bytes:
    try:
        return base64.b64decode(cosign_json.text(value, where).encode(), validate=True)
    except binascii.Error as error:
        raise StrictJSONError(f"{where} is not base64") from error


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
