"""Schema 1 manifests for tests: made of layers, signed by the keys of the vectors."""

from __future__ import annotations

from collections.abc import Sequence

from regctl.digest import Digest
from regctl.manifest.schema1 import make_payload
from regctl.signature.libtrust import (
    PrivateKey,
    Signature,
    assemble,
    chain_texts,
    read_bundle,
    sign,
)
from tests.signature.libtrust.vectors import NOW, VECTORS, private_key

#: RSA signs the same bytes in the same way every time, curves do not.
RSA, EC256, EC384 = private_key("rsa"), private_key("ec256"), private_key("ec384")
#: Files with the private key of `EC256`, and with a certificate of it.
KEY_FILE = VECTORS / "keys" / "ec256.jwk"
CHAIN_FILE = VECTORS / "keys" / "leaf-ec256.crt"
CHAIN: tuple[str, ...] = chain_texts(read_bundle(CHAIN_FILE.read_bytes()))


def payload_of(name: str, tag: str, layers: Sequence[Digest], architecture: str = "amd64") -> bytes:
    """The payload that names ``layers``."""
    history = [f'{{"id":"{number:064x}"}}' for number, _ in enumerate(layers)]
    return make_payload(name, tag, architecture, layers, history)


def signature_by(payload: bytes, key: PrivateKey = RSA) -> Signature:
    return sign(payload, key, NOW)


def signed_by(payload: bytes, *keys: PrivateKey) -> bytes:
    """The document of ``payload`` and a signature by each of ``keys``."""
    return assemble(payload, [signature_by(payload, key) for key in keys])
