"""PEM: the first block of a file, as the readers of key files take it."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9][A-Z0-9 ]{0,60})-----[ \t]*\r?\n")
_LINE_LENGTH = 64
#: No key file and no certificate chain comes near.
MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Block:
    """``text`` is the whole block as it stands, ``label`` what its first line names."""

    label: str
    text: bytes
    headers: bytes
    body: bytes

    def decoded(self) -> bytes | None:
        """The bytes of the body; None if it is no base64."""
        try:
            return base64.b64decode(self.body.translate(None, b" \t\r\n"), validate=True)
        except binascii.Error:
            return None


def blocks(content: bytes) -> list[Block]:
    """Every PEM block of ``content``, up to the first that does not end.

    Text around the blocks is passed over. Source: RFC 1421, RFC 7468.
    """
    found: list[Block] = []
    position = 0
    while begin := _BEGIN.search(content, position):
        end_line = b"-----END " + begin[1] + b"-----"
        end = content.find(end_line, begin.end())
        if end < 0:
            break
        inner = content[begin.end() : end]
        headers, body = _split(inner)
        position = end + len(end_line)
        found.append(
            Block(begin[1].decode("ascii"), content[begin.start() : position], headers, body)
        )
    return found


def encode(label: str, raw: bytes) -> bytes:
    """``raw`` as one PEM block."""
    text = base64.b64encode(raw)
    lines = [text[n : n + _LINE_LENGTH] for n in range(0, len(text), _LINE_LENGTH)]
    name = label.encode("ascii")
    return b"\n".join([b"-----BEGIN %s-----" % name, *lines, b"-----END %s-----" % name, b""])


def _split(inner: bytes) -> tuple[bytes, bytes]:
    """Headers (``Proc-Type: 4,ENCRYPTED``) and body."""
    if b":" not in inner:
        return b"", inner
    headers, _, body = inner.replace(b"\r\n", b"\n").partition(b"\n\n")
    return headers, body
