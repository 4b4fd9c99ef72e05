"""libtrust: the keys and signed documents of schema 1 manifests. Bytes in, verdicts out.

Importing this loads ``cryptography``: import it where it is used, not where a program starts.
"""

from regctl.signature.libtrust.certificates import chain_texts, read_bundle
from regctl.signature.libtrust.chains import ChainVerdict, verify_chains
from regctl.signature.libtrust.document import Document, Verdict, parse, verify, why_unverified
from regctl.signature.libtrust.errors import InvalidKeyError, InvalidSignatureError
from regctl.signature.libtrust.keyfiles import read_private, read_public
from regctl.signature.libtrust.keys import PrivateKey, PublicKey
from regctl.signature.libtrust.making import add_signature, assemble, merge, sign
from regctl.signature.libtrust.push import (
    NameMismatch,
    Reason,
    TagMismatch,
    UnknownLayer,
    Unservable,
    UnsignedContent,
    Unverified,
    verify_push,
)
from regctl.signature.libtrust.signatures import Signature, parse_blob

__all__ = [
    "ChainVerdict",
    "Document",
    "InvalidKeyError",
    "InvalidSignatureError",
    "NameMismatch",
    "PrivateKey",
    "PublicKey",
    "Reason",
    "Signature",
    "TagMismatch",
    "UnknownLayer",
    "Unservable",
    "UnsignedContent",
    "Unverified",
    "Verdict",
    "add_signature",
    "assemble",
    "chain_texts",
    "merge",
    "parse",
    "parse_blob",
    "read_bundle",
    "read_private",
    "read_public",
    "sign",
    "verify",
    "verify_chains",
    "verify_push",
    "why_unverified",
]
