"""From what is said to the bytes that go out: text and JSON, whatever the stream's encoding."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import TextIO

import click

from regctl.digest import Digest
from regctl.terminal.formatting import timestamp

#: Valid raw in JSON, and yet not to be shown raw: they break lines or drive a terminal.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def encode_text(text: str, encoding: str) -> bytes:
    r"""``text`` in ``encoding``; names that are no UTF-8 come out as the bytes they are.

    What the encoding has no form for is spelled ``\xe9`` or ``\u20ac``: this never raises.
    """
    try:
        return text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace")


def encode_json(data: object, encoding: str) -> bytes:
    """``data`` as one line of JSON without its newline, UTF-8, also fit for ``encoding``.

    Characters are written as they are where ``encoding`` is UTF-8, as escapes elsewhere. Besides
    JSON's own types takes `Digest`, `datetime`, mappings and sets (sorted). Raises `TypeError`
    for others and `ValueError` for a number that JSON has no form for.
    """
    if codecs.lookup(encoding).name == "utf-8":
        text = _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", _dumps(data, ascii_only=False))
        try:
            return text.encode()
        except UnicodeEncodeError:
            pass  # a surrogate: a name that is no UTF-8, which only an escape can carry
    return _dumps(data, ascii_only=True).replace("\x7f", "\\u007f").encode("ascii")


def write(stream: TextIO, content: bytes) -> None:
    """Write ``content`` to ``stream``, past its encoding, and flush."""
    if getattr(stream, "buffer", None) is not None:
        click.echo(content, file=stream, nl=False)
    else:  # a stream of text alone, such as `io.StringIO`
        click.echo(content.decode(errors="backslashreplace"), file=stream, nl=False, color=True)


def encoding_of(stream: TextIO) -> str:
    """The encoding that ``stream`` writes; UTF-8 where it names none that is known."""
    name = getattr(stream, "encoding", None)
    try:
        return codecs.lookup(name).name if isinstance(name, str) else "utf-8"
    except LookupError:
        return "utf-8"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether ``stream`` is open and a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def _dumps(data: object, *, ascii_only: bool) -> str:
    return json.dumps(data, ensure_ascii=ascii_only, allow_nan=False, default=_plain)


def _plain(value: object) -> object:
    """What `json` takes in place of ``value``."""
    if isinstance(value, Digest):
        return str(value)
    if isinstance(value, datetime):
        return timestamp(value.timestamp(), fraction=True)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSet):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
