"""Key files, told apart by their names as libtrust does. Source: libtrust, ``key_files.go``."""

from __future__ import annotations

from regctl.signature.libtrust import jwk, pem
from regctl.signature.libtrust.keys import PrivateKey, PublicKey

_JWK_ENDINGS = (".json", ".jwk")


def read_public(name: str, content: bytes) -> PublicKey:
    """The public key in the file ``name``: JWK if it ends in ``.json`` or ``.jwk``, else PEM.

    Raises `InvalidKeyError`.
    """
    return jwk.read_public(content) if _is_jwk(name) else pem.read_public(content)


def read_private(name: str, content: bytes) -> PrivateKey:
    """The private key in the file ``name``: JWK if it ends in ``.json`` or ``.jwk``, else PEM.

    Raises `InvalidKeyError`.
    """
    return jwk.read_private(content) if _is_jwk(name) else pem.read_private(content)


def _is_jwk(name: str) -> bool:
    return name.endswith(_JWK_ENDINGS)
