"""Keys in PEM form, as libtrust reads them: three labels, and headers that become members.

Only the first block counts. The header ``keyID`` or ``kid`` that libtrust writes is one that
OpenSSL chokes on, so the armour is read here. Source: libtrust, ``key.go``, ``util.go``; Go,
``encoding/pem``.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from regctl.manifest.document import Value, shown
from regctl.signature.libtrust.errors import InvalidKeyError
from regctl.signature.libtrust.jwk import PRIVATE_MEMBERS
from regctl.signature.libtrust.keys import PrivateKey, PublicKey, of_numbers

#: A key of the largest kind has some 13 kB.
MAX_PEM_BYTES = 256 * 1024
_BEGIN = re.compile(rb"^-----BEGIN ([^\r\n]*?)-----[ \t\r]*\n", re.MULTILINE)
_HEADER = re.compile(rb"([^:\r\n]*):([^\r\n]*)\r?\n")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_BLANKS = b" \t\r\n"
_PRIVATE_TYPES = {
    "EC PRIVATE KEY": ec.EllipticCurvePrivateKey,
    "RSA PRIVATE KEY": rsa.RSAPrivateKey,
}
_PUBLIC_TYPE = "PUBLIC KEY"
#: How to make what libtrust reads of what it does not, where there is a way.
_HINTS = {
    "PRIVATE KEY": "openssl ec -in KEY, or openssl rsa -traditional -in KEY, writes one it reads",
    "RSA PUBLIC KEY": "openssl rsa -RSAPublicKey_in -pubout -in KEY writes one it reads",
    "EC PARAMETERS": "remove this block: only the first one is read",
    "CERTIFICATE": "a certificate is no key: it belongs into a chain",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A block of PEM: what stands in its first line, its headers, what it holds."""

    label: str
    headers: dict[str, str]
    content: bytes


def read_public(content: bytes) -> PublicKey:
    """The public key in ``content``: its first block, a ``PUBLIC KEY``.

    Raises `InvalidKeyError`.
    """
    block = first_block(content)
    if block.label != _PUBLIC_TYPE:
        raise _wrong_label(block.label, _PUBLIC_TYPE)
    try:
        numbers = load_der_public_key(block.content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidKeyError(f"the PUBLIC KEY cannot be read: {_why(error)}") from error
    return of_numbers(numbers, _extra(block, numbers))


def read_private(content: bytes) -> PrivateKey:
    """The private key in ``content``: its first block, ``EC PRIVATE KEY`` or ``RSA PRIVATE KEY``.

    Encrypted ones are refused, as libtrust does. Raises `InvalidKeyError`.
    """
    block = first_block(content)
    wanted = _PRIVATE_TYPES.get(block.label)
    if wanted is None:
        raise _wrong_label(block.label, "EC PRIVATE KEY or RSA PRIVATE KEY")
    if any(name.upper() in {"PROC-TYPE", "DEK-INFO"} for name in block.headers):
        raise InvalidKeyError(f"the {block.label} is encrypted, which is not supported")
    try:
        numbers = load_der_private_key(block.content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause: its text may show what the file holds.
        raise InvalidKeyError(f"the {block.label} cannot be read") from None
    if not isinstance(numbers, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) or not isinstance(
        numbers, wanted
    ):
        raise InvalidKeyError(f"the {block.label} holds a key of another kind")
    return PrivateKey(of_numbers(numbers.public_key(), _extra(block, numbers)), numbers)


def first_block(content: bytes) -> Block:
    """The first block of PEM in ``content``; text around it is passed over.

    Raises `InvalidKeyError` if there is none that is whole.
    """
    if len(content) > MAX_PEM_BYTES:
        raise InvalidKeyError(f"the file has {len(content)} bytes: no key is as large")
    for begin in _BEGIN.finditer(content):
        body, end, _ = content[begin.end() :].partition(b"-----END " + begin[1] + b"-----")
        if end:
            block = _block(begin[1].decode("utf-8", "replace"), body)
            if block is not None:
                return block
    raise InvalidKeyError("there is no PEM in it")


def _block(label: str, body: bytes) -> Block | None:
    headers: dict[str, str] = {}
    start = 0
    while header := _HEADER.match(body, start):
        name, value = (part.decode("utf-8", "replace").strip() for part in header.groups())
        headers[name] = value
        start = header.end()
    plain = body[start:].translate(None, _BLANKS)
    if len(plain) % 4 or not _BASE64.fullmatch(plain):
        return None
    return Block(label, headers, base64.b64decode(plain))


def _extra(block: Block, numbers: object) -> dict[str, Value]:
    """The headers as members of the JWK; ``hosts`` is a list, and nothing takes a private name."""
    kind = "RSA" if isinstance(numbers, rsa.RSAPublicKey | rsa.RSAPrivateKey) else "EC"
    extra: dict[str, Value] = {}
    for name, text in block.headers.items():
        if name in PRIVATE_MEMBERS[kind]:
            raise InvalidKeyError(f"the PEM has a header {name!r}, the name of a private number")
        hosts: list[Value] = list(text.split(","))
        extra[name] = hosts if name == "hosts" else text
    return extra


def _wrong_label(label: str, wanted: str) -> InvalidKeyError:
    return InvalidKeyError(
        f"the PEM is {shown(label)}; libtrust reads {wanted}", hint=_HINTS.get(label)
    )


def _why(error: Exception) -> str:
    return str(error).splitlines()[0][:100] if str(error) else type(error).__name__
