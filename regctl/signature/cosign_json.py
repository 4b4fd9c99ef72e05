"""JSON read as strictly as containers/image reads what decides over trust.

A member that is unknown, doubled or of a wrong type is refused, and names are compared as they
are: a typo in a policy, or a member that some reader would take for another, must not go unseen.
Source: containers/image, ``signature/internal/json.go``; Go, ``encoding/json``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import NoReturn, TypeAlias

from regctl.manifest.document import Object, Value, clean, shown

_MAX_DIGITS = 1000

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"


class StrictJSONError(ValueError):
    """What is refused, and where; callers make an error of their own kind of it."""


def decode(content: bytes) -> Value:
    """The JSON value that ``content`` is. Raises `StrictJSONError`.

    Bytes that are no UTF-8 are U+FFFD, as in Go; numbers beyond a double are refused.
    """
    try:
        value: Value = _DECODER.decode(content.decode("utf-8", "replace"))
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise StrictJSONError(
            f"not valid JSON: {what} at line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise StrictJSONError("not valid JSON: nested too deep to be read") from error
    return value


def members(value: Value, where: str) -> dict[str, Value]:
    """The members of the object ``value``; ``where`` says what it is, for messages.

    Raises `StrictJSONError` if it is none, or has a member twice.
    """
    if not isinstance(value, Object):
        raise StrictJSONError(f"{where} is {shown(value)}, not an object")
    found: dict[str, Value] = {}
    for spelled, member in value.members:
        name = clean(spelled)
        if name in found:
            raise StrictJSONError(f"{where} has the member {shown(name)} twice")
        found[name] = member
    return found


def known_members(value: Value, where: str, known: Collection[str]) -> dict[str, Value]:
    """The members of ``value``, none of them outside of ``known``. Raises `StrictJSONError`."""
    found = members(value, where)
    for name in found:
        if name not in known:
            raise StrictJSONError(f"{where} has the unknown member {shown(name)}")
    return found


def exact_members(value: Value, where: str, names: Collection[str]) -> dict[str, Value]:
    """The members of ``value``: all of ``names``, and no others. Raises `StrictJSONError`."""
    found = known_members(value, where, names)
    for name in names:
        if name not in found:
            raise StrictJSONError(f"{where} lacks the member {name!r}")
    return found


def text(value: Value, where: str) -> str:
    """The string ``value``; null is the empty one, as in Go. Raises `StrictJSONError`."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise StrictJSONError(f"{where} is {shown(value)}, not a string")
    return clean(value)


def plain(value: Value, where: str) -> Plain:
    """``value`` in dictionaries and lists, for writing it again.

    Raises `StrictJSONError` for a doubled member: writing would lose one.
    """
    if isinstance(value, Object):
        return {name: plain(each, where) for name, each in members(value, where).items()}
    if isinstance(value, list):
        return [plain(each, where) for each in value]
    return clean(value) if isinstance(value, str) else value


def encode(value: object) -> bytes:
    """``value`` as JSON without white space, members in their order."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _refuse(literal: str) -> NoReturn:
    raise StrictJSONError(f"not valid JSON: {literal[:20]} is no number")


def _integer(literal: str) -> int:
    _float(literal)
    return int(literal)


def _float(literal: str) -> float:
    if len(literal) > _MAX_DIGITS or math.isinf(float(literal)):
        raise StrictJSONError(f"the number {literal[:20]}... is too large")
    return float(literal)


_DECODER = json.JSONDecoder(
    object_pairs_hook=Object, parse_int=_integer, parse_float=_float, parse_constant=_refuse
)
