"""Upload tokens: the state of an upload in progress, signed by the registry that began it.

A client hands the token back with every request (``_state`` in the query), and a registry with the
same ``http.secret`` goes on with the upload. A token is base64url, with padding, of HMAC-SHA256
over a message, then the message: a JSON object. Source: Distribution, ``registry/hmac.go`` (later
``registry/handlers/hmac.go``), and Go's ``encoding/json``.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from regctl.errors import InvalidNameError
from regctl.registry.gotime import ZERO_TIME, InvalidTimeError, Timestamp, parse_rfc3339

_MAC_SIZE = 32
#: No upload id is longer, and every token that a registry made is.
_LONGEST_ID = 64
_BASE64 = re.compile(r"[A-Za-z0-9_-]*={0,2}", re.ASCII)
_NEWLINES = str.maketrans("", "", "\r\n")
_SURROGATE = re.compile("[\ud800-\udfff]")
#: What Go escapes in a string beyond what JSON demands.
_GO_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
#: The only letters outside ASCII that Go takes for an ASCII letter in a key.
_GO_FOLDS = str.maketrans({"\u017f": "s", "\u212a": "k"})
_INT64 = range(-(2**63), 2**63)
_HINT = "a token is valid for one state of one upload, under the http.secret of its registry"


class InvalidTokenError(InvalidNameError):
    """An upload token does not verify. The message never holds the token."""

    code = "invalid-token"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the upload token {reason}", hint=_HINT)


@dataclass(frozen=True, slots=True)
class UploadState:
    """What a token says: the repository's ``name``, the upload's ``uuid``, the bytes it holds."""

    name: str
    uuid: str
    offset: int
    started_at: Timestamp = ZERO_TIME


def looks_like_token(text: str) -> bool:
    """Whether ``text`` can only be a token, not an upload id: by length and alphabet alone."""
    plain = text.translate(_NEWLINES)
    return len(plain) > _LONGEST_ID and _BASE64.fullmatch(plain) is not None


def sign(state: UploadState, secret: str | bytes) -> str:
    """The token for ``state``, byte for byte the one that a registry with ``secret`` makes."""
    fields = (
        f'"Name":{_go_string(state.name)}',
        f'"UUID":{_go_string(state.uuid)}',
        f'"Offset":{state.offset}',
        f'"StartedAt":"{state.started_at}"',
    )
    message = ("{" + ",".join(fields) + "}").encode()
    return base64.urlsafe_b64encode(_mac(message, secret) + message).decode("ascii")


def check(token: str, secret: str | bytes) -> UploadState:
    """The state in ``token``, which ``secret`` signed; nothing is read before that is certain.

    Accepts what the registry accepts: newlines in the base64, keys in any case, keys repeated (the
    last counts), missing or null (name and id empty, offset 0, `ZERO_TIME`), other keys. Hence a
    token that verifies may still be another upload's, or nobody's: compare all that it says. One
    thing is refused that the registry takes, a negative offset.

    Raises `InvalidTokenError`.
    """
    plain = token.translate(_NEWLINES)
    if len(plain) % 4 or not _BASE64.fullmatch(plain):
        raise InvalidTokenError("is not base64url with padding")
    content = base64.urlsafe_b64decode(plain)
    mac, message = content[:_MAC_SIZE], content[_MAC_SIZE:]
    if not hmac.compare_digest(mac, _mac(message, secret)):
        raise InvalidTokenError("does not verify: it was altered, or signed with another secret")
    return _parse(message)


def _mac(message: bytes, secret: str | bytes) -> bytes:
    # A secret from the environment may hold bytes that are no UTF-8; they stand for themselves.
    key = secret.encode(errors="surrogateescape") if isinstance(secret, str) else secret
    return hmac.digest(key, message, "sha256")


def _go_string(text: str) -> str:
    """``text`` as a JSON string in Go's spelling; what is no character becomes U+FFFD."""
    quoted = json.dumps(text, ensure_ascii=False).translate(_GO_ESCAPES)
    return _SURROGATE.sub(r"\\ufffd", quoted)


def _parse(message: bytes) -> UploadState:
    try:
        members = json.loads(
            message.decode(errors="replace"),
            object_pairs_hook=_Object,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError):
        # Without the cause: its text would show what the token holds.
        raise InvalidTokenError("verifies, but holds no JSON") from None
    if members is None:
        return UploadState("", "", 0)
    if not isinstance(members, _Object):
        raise InvalidTokenError("verifies, but holds no JSON object")
    fields = members.fields(("name", "uuid", "offset", "startedat"))
    return UploadState(
        _text(fields, "name"), _text(fields, "uuid"), _offset(fields), _started_at(fields)
    )


class _Object:
    """A JSON object with all its members, repeated ones too, in their order."""

    def __init__(self, pairs: Iterable[tuple[str, object]]) -> None:
        self._pairs = tuple(pairs)

    def fields(self, names: tuple[str, ...]) -> dict[str, list[object]]:
        """The values that Go would assign to each of ``names``, without null, which assigns
        nothing."""
        found: dict[str, list[object]] = {name: [] for name in names}
        for key, value in self._pairs:
            name = key.translate(_GO_FOLDS)
            if value is not None and name.isascii() and name.lower() in found:
                found[name.lower()].append(value)
        return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _text(fields: dict[str, list[object]], name: str) -> str:
    text = ""
    # Every value must have the right type, although the last one counts.
    for value in fields[name]:
        if not isinstance(value, str):
            raise InvalidTokenError(f"verifies, but its {name} is no text")
        text = _SURROGATE.sub("\ufffd", value)
    return text


def _offset(fields: dict[str, list[object]]) -> int:
    offset = 0
    for value in fields["offset"]:
        if not isinstance(value, int) or isinstance(value, bool) or value not in _INT64:
            raise InvalidTokenError("verifies, but its offset is no whole number of 64 bits")
        offset = value
    if offset < 0:
        raise InvalidTokenError("verifies, but its offset is negative")
    return offset


def _started_at(fields: dict[str, list[object]]) -> Timestamp:
    started_at = ZERO_TIME
    for value in fields["startedat"]:
        try:
            started_at = parse_rfc3339(value if isinstance(value, str) else "")
        except InvalidTimeError:
            raise InvalidTokenError("verifies, but its start is no RFC 3339 time") from None
    return started_at
