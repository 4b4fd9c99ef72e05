"""Where regctl refuses what the reference takes, on purpose: by vector, with the reason."""

from __future__ import annotations

_UNSIGNED = "a document that nobody signed is unverified; to libtrust all of its none verify"

DOCUMENTS = {
    "signatures-empty": _UNSIGNED,
    "signatures-null": _UNSIGNED,
    "dup-signatures-key-bad-last": _UNSIGNED,
}

KEYS = {
    "ec-with-d": "libtrust keeps the private d, and publishes it with every signature",
    "ec-off-curve": "a point that is not on its curve is no key, and has no key id",
    "priv-ec-other-d": "signatures of d do not verify by x and y",
    "rsa-e-5bytes": "libtrust panics",
}

PUSHES = {
    **DOCUMENTS,
    "ws-leading": "the registry's HTTP reader dropped blanks before the document; libtrust itself "
    "refuses it, and a file is not what was signed",
    "ws-trailing-garbage": "the registry's HTTP reader dropped what follows the document; it is "
    "no JSON",
}
