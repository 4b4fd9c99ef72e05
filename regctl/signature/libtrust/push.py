"""Why a signed schema 1 manifest is refused on push: every reason at once, each of its own class.

Source: Distribution, January 2015, ``storage/manifeststore.go``, ``verifyManifest``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from regctl.digest import Digest
from regctl.manifest import gojson
from regctl.manifest.document import MAX_PARSED_BYTES, Object, Value
from regctl.signature.libtrust.document import Document, parse, read_object, why_unverified
from regctl.signature.libtrust.errors import InvalidSignatureError
from regctl.signature.libtrust.making import format_of, why_unservable


@dataclass(frozen=True, slots=True)
class NameMismatch:
    """The manifest is of another repository, ``found``."""

    found: str
    wanted: str

    def __str__(self) -> str:
        return f"the manifest's name is {self.found!r}, not {self.wanted!r}"


@dataclass(frozen=True, slots=True)
class TagMismatch:
    """The manifest is of another tag, ``found``."""

    found: str
    wanted: str

    def __str__(self) -> str:
        return f"the manifest's tag is {self.found!r}, not {self.wanted!r}"


@dataclass(frozen=True, slots=True)
class Unverified:
    """The signatures do not verify, or there are none; ``why`` says which and why."""

    why: str

    def __str__(self) -> str:
        return f"the manifest is not verified: {self.why}"


@dataclass(frozen=True, slots=True)
class UnknownLayer:
    """The repository does not link a layer. Only who sees the storage can find this."""

    digest: Digest

    def __str__(self) -> str:
        return f"the repository has no layer {self.digest}"


@dataclass(frozen=True, slots=True)
class UnsignedContent:
    """The document says what its signed payload does not: it would be pulled otherwise."""

    why: str

    def __str__(self) -> str:
        return f"the document is not what is signed: {self.why}"


@dataclass(frozen=True, slots=True)
class Unservable:
    """Verified or not, no registry could store the manifest and serve it again."""

    why: str

    def __str__(self) -> str:
        return f"the manifest could not be served: {self.why}"


Reason: TypeAlias = (
    NameMismatch | TagMismatch | Unverified | UnknownLayer | UnsignedContent | Unservable
)


def verify_push(
    content: bytes, repository: str, tag: str | None, limit: int = MAX_PARSED_BYTES
) -> tuple[Reason, ...]:
    """Every reason to refuse the signed document ``content`` in ``repository``; none, none.

    Name and tag are the payload's, for that is what is signed and stored; ``tag`` None compares
    no tag. The registry of 2015 compared the whole document's: hence a document that says
    anything beside its payload and the signatures is refused. Nothing is raised.
    """
    try:
        outer = read_object(content, limit)
    except InvalidSignatureError as error:
        return (Unverified(error.message),)
    reasons: list[Reason] = []
    stated = outer
    try:
        document = parse(content, limit)
    except InvalidSignatureError as error:
        reasons += [Unverified(why) for why in error.reasons or (error.message,)]
    else:
        reasons += [Unverified(why) for why in why_unverified(document)]
        if document.signatures:
            reasons += _payload_reasons(outer, document)
            stated = _payload_members(document.payload) or outer
    return (*_name_reasons(stated, repository, tag), *reasons)


def _name_reasons(stated: Object, repository: str, tag: str | None) -> Iterator[Reason]:
    name, found = stated.text("name"), stated.text("tag")
    if name != repository:
        yield NameMismatch(name, repository)
    if tag is not None and found != tag:
        yield TagMismatch(found, tag)


def _payload_reasons(outer: Object, document: Document) -> Iterator[Reason]:
    try:
        format_of(document.payload)
    except InvalidSignatureError as error:
        yield Unservable(error.message)
        return
    why = why_unservable(document.signatures)
    if why:
        yield Unservable(why)
    inner = _payload_members(document.payload)
    if inner is None or _plain(outer) != _plain(inner):
        yield UnsignedContent("members stand in it that the payload does not have")


def _payload_members(payload: bytes) -> Object | None:
    try:
        return read_object(payload)
    except InvalidSignatureError:
        return None


def _plain(document: Object) -> list[tuple[str, str]]:
    """The members, without the signatures, in a form that can be compared."""
    return [(name, _written(value)) for name, value in document.members if name != "signatures"]


def _written(value: Value) -> str:
    try:
        return gojson.compact(value)
    except gojson.NotJSONError:
        return repr(value)


__all__ = [
    "NameMismatch",
    "Reason",
    "TagMismatch",
    "UnknownLayer",
    "Unservable",
    "UnsignedContent",
    "Unverified",
    "verify_push",
]
