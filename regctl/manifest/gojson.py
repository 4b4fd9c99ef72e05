"""JSON read and written the way Go's ``encoding/json`` does it, byte for byte.

Signatures of schema 1 manifests are made over bytes that Go wrote, and stored as Go writes them
again; `regctl.manifest.document` reads manifests, where the exact bytes are never made anew.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal

from regctl.manifest.document import MAX_PARSED_BYTES, Object, Value

#: Go follows 10,000 levels; what is signed has three, and nobody needs the others.
MAX_DEPTH = 200

_SURROGATE = re.compile("[\ud800-\udfff]")
# Possessive, and matched where it has no end: no text costs more than one look at each character.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_BRACKETS = re.compile(rf"{_STRING}|([\[{{])|([\]}}])", re.DOTALL)
_TOKEN = re.compile(rf'{_STRING}|[{{}}\[\],:]|[^"{{}}\[\],:]+', re.DOTALL)
#: What Go escapes in a string beyond what JSON demands.
_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_EXPONENT_FROM, _EXPONENT_BELOW = 1e21, 1e-6


class NotJSONError(ValueError):
    """Bytes are not JSON to Go, or more of it than is read; the text says what, and where."""


def parse(content: bytes, limit: int = MAX_PARSED_BYTES) -> Value:
    """The value that ``content`` is; numbers are floats, infinite where Go would refuse to read.

    As Go does, this takes bytes that are no UTF-8 and lone surrogates for U+FFFD, one for each,
    and refuses a byte order mark, ``NaN``, ``Infinity`` and anything after the value. Raises
    `NotJSONError`, also for more than ``limit`` bytes or `MAX_DEPTH` levels.
    """
    if len(content) > limit:
        raise NotJSONError(f"{len(content)} bytes, more than the {limit} that are read")
    text = _SURROGATE.sub("\ufffd", content.decode("utf-8", "surrogateescape"))
    _check_depth(text)
    try:
        value: Value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        line, column = error.lineno, error.colno
        raise NotJSONError(f"{what} at line {line}, column {column}") from error
    except RecursionError as error:
        raise NotJSONError("nested deeper than can be read here") from error
    return valid(value) if isinstance(value, str) else value


def valid(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, so that it can be encoded."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def quote(text: str) -> str:
    """``text`` as a JSON string: ``<>&`` and U+2028/9 escaped, all else outside ASCII as it is."""
    return json.dumps(valid(text), ensure_ascii=False).translate(_ESCAPES)


def members(pairs: Iterable[tuple[str, str]]) -> str:
    """An object of the names and the values, which are JSON already, in this order."""
    return "{" + ",".join(f"{quote(name)}:{value}" for name, value in pairs) + "}"


def compact(value: Value) -> str:
    """``json.Marshal`` of what was read into Go's ``interface{}``: members sorted, last one wins.

    Raises `NotJSONError` for a number that is infinite.
    """
    if isinstance(value, Object):
        found = dict(value.members)
        return members((name, compact(found[name])) for name in sorted(found))
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    if isinstance(value, str):
        return quote(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _number(float(value))


def indented(text: str, prefix: str, step: str) -> str:
    """``json.Indent`` of compact JSON: ``prefix`` before each line but the first."""
    parts: list[str] = []
    depth = 0
    opened = False
    for part in _TOKEN.findall(text):
        closing = part in {"]", "}"}
        depth -= closing
        if opened != closing:
            # After an opening bracket unless it closes at once, and before a closing one.
            parts.append(_line(prefix, step, depth))
        opened = part in {"[", "{"}
        depth += opened
        parts.append(part)
        if part == ",":
            parts.append(_line(prefix, step, depth))
        elif part == ":":
            parts.append(" ")
    return "".join(parts)


def _line(prefix: str, step: str, depth: int) -> str:
    return "\n" + prefix + step * depth


def _check_depth(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        if match[1]:
            depth += 1
        elif match[2]:
            depth -= 1
        if depth > MAX_DEPTH:
            raise NotJSONError(f"nested deeper than {MAX_DEPTH} levels")


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise NotJSONError("a number beyond 64 bits of floating point")
    size = abs(value)
    if size and (size < _EXPONENT_BELOW or size >= _EXPONENT_FROM):
        return re.sub(r"e([+-])0", r"e\1", repr(value))
    plain = format(Decimal(repr(value)), "f")
    return plain.removesuffix(".0")


def _constant(literal: str) -> Value:
    raise NotJSONError(f"{literal} is refused")


def _object(pairs: list[tuple[str, Value]]) -> Object:
    return Object([(valid(name), _valid_value(value)) for name, value in pairs])


def _valid_value(value: Value) -> Value:
    if isinstance(value, str):
        return valid(value)
    if isinstance(value, list):
        return [_valid_value(each) for each in value]
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=float, parse_float=float, parse_constant=_constant
)
