"""Manifests as JSON, read the way registries read it.

Distribution reads with Go's ``encoding/json``, which finds a member by its name without regard to
case, and of several takes the last. A JSON library that makes dictionaries loses what decides
here, so an `Object` keeps every member, in order, as it was spelled.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import NoReturn, TypeAlias, TypeGuard

from regctl.errors import InvalidManifestError

#: What registries take on push: 4 MiB.
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
#: What is parsed unless a caller says otherwise: room for manifests that were pushed by force.
MAX_PARSED_BYTES = 32 * 1024 * 1024

Value: TypeAlias = "bool | int | float | str | list[Value] | Object | None"

# The Kelvin sign and the long s are all that Unicode's simple folding adds to ASCII letters.
_FOLDING = str.maketrans(ascii_uppercase + "\u212a\u017f", ascii_lowercase + "ks")
_MAX_DIGITS = 1000
_STRING_OR_REFUSED = re.compile(
    rf'"[^"\\]*(?:\\.[^"\\]*)*"|(-?Infinity|NaN|-?[0-9]{{{_MAX_DIGITS + 1},}}(?![.eE0-9]))',
    re.DOTALL,
)
_SHOWN_LENGTH = 100


def fold(name: str) -> str:
    """The form in which two names are equal where a registry takes them for the same member.

    Simple folding, as far as names of ASCII letters go: case, the Kelvin sign for k, the long s
    for s; no other character. Source: Go, ``encoding/json``, ``fold.go``.
    """
    return name.lower() if name.isascii() else name.translate(_FOLDING)


#: The same, remembered: nearly all documents have the same few names.
_fold_known = lru_cache(256)(fold)
# Longer ones are not remembered: a document may have any.
_MAX_KNOWN_NAME = 64


class Object:
    """A JSON object with all its members: in order, doubled ones too, names as spelled."""

    __slots__ = ("_by_name", "members")

    def __init__(self, members: list[tuple[str, Value]]) -> None:
        self.members = members
        self._by_name: dict[str, list[tuple[str, Value]]] | None = None

    def matching(self, name: str) -> list[tuple[str, Value]]:
        """Spelling and value of every member that a registry takes for ``name``, in order."""
        if self._by_name is None:
            self._by_name = _by_name(self.members)
        return self._by_name.get(_fold_known(name), [])

    def values(self, name: str) -> list[Value]:
        """The values of every spelling of ``name``, in order; a null says nothing and is absent."""
        found = self.matching(name)
        return [value for _, value in found if value is not None] if found else []

    def text(self, name: str) -> str:
        """The last string that ``name`` has, as a registry takes it; empty if it has none."""
        for _, value in reversed(self.matching(name)):
            if isinstance(value, str):
                return clean(value)
        return ""


def _by_name(members: list[tuple[str, Value]]) -> dict[str, list[tuple[str, Value]]]:
    """``members`` by what a registry takes their names for, in order."""
    found: dict[str, list[tuple[str, Value]]] = {}
    for member in members:
        name = member[0]
        folded = _fold_known(name) if len(name) <= _MAX_KNOWN_NAME else fold(name)
        if folded in found:
            found[folded].append(member)
        else:
            found[folded] = [member]
    return found


def clean(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, as Go reads it: it can be encoded."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def is_integer(value: Value) -> TypeGuard[int]:
    """Whether this was written as an integer; true, 2.0 and 2e0 are none, here as in Go."""
    return isinstance(value, int) and not isinstance(value, bool)


def shown(value: Value) -> str:
    """A value as messages show it: short, and on one line."""
    if isinstance(value, Object):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value[: _SHOWN_LENGTH + 1] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."


def parse_document(content: bytes, limit: int = MAX_PARSED_BYTES) -> Object:
    """The JSON object that ``content`` is.

    Raises `InvalidManifestError`, saying what and where, if ``content`` has more than ``limit``
    bytes, is not one JSON object in UTF-8 without a byte order mark, has anything after it, or
    holds ``NaN``, ``Infinity``, integers of more than 1000 digits, or lists and objects nested
    deeper than Python follows (some thousand levels).
    """
    if len(content) > limit:
        raise InvalidManifestError(
            f"the manifest has {len(content)} bytes, more than the {limit} that are read"
        )
    value = _decode(_text(content))
    if not isinstance(value, Object):
        raise InvalidManifestError(f"the manifest is {shown(value)}, not a JSON object")
    return value


class _RefusedLiteralError(ValueError):
    """A literal that Python would read and a registry would not."""


def _integer(literal: str) -> int:
    if len(literal) > _MAX_DIGITS and len(literal.lstrip("-")) > _MAX_DIGITS:
        raise _RefusedLiteralError(f"an integer of more than {_MAX_DIGITS} digits")
    return int(literal)


def _constant(literal: str) -> NoReturn:
    raise _RefusedLiteralError(literal)


_DECODER = json.JSONDecoder(
    object_pairs_hook=Object, parse_int=_integer, parse_constant=_constant, strict=True
)


def _text(content: bytes) -> str:
    if content.startswith(b"\xef\xbb\xbf"):
        raise InvalidManifestError("the manifest begins with a byte order mark")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidManifestError(
            f"the manifest is not UTF-8: {error.reason} at byte {error.start}"
        ) from error


def _decode(text: str) -> Value:
    try:
        value: Value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise _not_json(what, text, error.pos) from error
    except _RefusedLiteralError as error:
        raise _not_json(f"{error} is refused", text, _refused_position(text)) from error
    except RecursionError as error:
        raise InvalidManifestError("the manifest is nested too deep to be read") from error
    return value


def _not_json(what: str, text: str, position: int) -> InvalidManifestError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return InvalidManifestError(
        f"the manifest is not valid JSON: {what} at line {line}, column {column}"
    )


def _refused_position(text: str) -> int:
    """Where the first refused literal stands; the decoder's hooks are not told."""
    found = (match.start() for match in _STRING_OR_REFUSED.finditer(text) if match.group(1))
    return next(found, 0)
