"""Base64url as JOSE and libtrust write it, without padding, and as libtrust reads it.

Source: libtrust, ``util.go``, ``joseBase64UrlDecode``; Go, ``encoding/base64``.
"""

from __future__ import annotations

import base64
import re

_PADDING = {0: "", 2: "==", 3: "="}
_NEWLINES = str.maketrans("", "", "\r\n")
_FORM = re.compile(r"[A-Za-z0-9_-]*={0,2}", re.ASCII)


class NotBase64Error(ValueError):
    """A text is not base64url to libtrust."""


def encode(content: bytes) -> str:
    """``content`` in base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes that ``text`` writes.

    Padding may be there or not. Newlines count for the length and then are passed over; trailing
    bits that are not zero are dropped. Every other character outside the alphabet is refused,
    which Python's own decoder would skip. Raises `NotBase64Error`.
    """
    padding = _PADDING.get(len(text.encode("utf-8", "replace")) % 4)
    if padding is None:
        raise NotBase64Error(f"no base64url has {len(text)} characters")
    plain = (text + padding).translate(_NEWLINES)
    if len(plain) % 4 or not _FORM.fullmatch(plain):
        raise NotBase64Error("not base64url")
    return base64.urlsafe_b64decode(plain)
