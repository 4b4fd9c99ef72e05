"""Rules for single members: each stands once, in its own spelling, and has its type.

Problems are pairs of a stable code and a message that begins with where it is.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator

from regctl.manifest.document import Object, Value, is_integer, shown

Problem = tuple[str, str]

#: The members of a descriptor. Source: OCI image specification, "Content Descriptors".
DESCRIPTOR_NAMES = (
    "mediaType",
    "digest",
    "size",
    "urls",
    "annotations",
    "platform",
    "data",
    "artifactType",
)
_MAX_SIZE = 2**63 - 1


def spelling_problems(value: Object, names: Iterable[str], path: str) -> Iterator[Problem]:
    """Problems with the members ``names``: doubled ones, and other spellings that registries take
    for them. A registry reads the last one, other readers the first, or only the exact one."""
    for name in names:
        spellings = [spelling for spelling, _ in value.matching(name)]
        where = _join(path, name)
        if len(spellings) > 1:
            yield (
                "doubled-member",
                f"{where} stands there {len(spellings)} times: readers differ in which they take",
            )
        for other in dict.fromkeys(spellings):
            if other != name:
                yield (
                    "misspelled-member",
                    f"{where} is spelled {other!r}: registries read it, other readers do not",
                )


def optional_problems(value: Object, names: Iterable[str], path: str) -> Iterator[Problem]:
    """Problems with the types of those of ``names`` that are there; null is as good as absent."""
    for name in names:
        wanted, fits = _TYPES[name]
        for found in value.values(name):
            if not fits(found):
                yield "member-type", f"{_join(path, name)}: {shown(found)} is not {wanted}"


def descriptor_problems(value: Object, path: str) -> Iterator[Problem]:
    """Problems with a descriptor, its digest aside."""
    yield from spelling_problems(value, DESCRIPTOR_NAMES, path)
    media_types = value.values("mediaType")
    if not media_types:
        yield "descriptor-media-type", f"{path}.mediaType is missing"
    for media_type in media_types:
        if not isinstance(media_type, str) or not media_type:
            yield (
                "descriptor-media-type",
                f"{path}.mediaType: {shown(media_type)} is not a media type",
            )
    sizes = value.values("size")
    if not sizes:
        yield "descriptor-size", f"{path}.size is missing"
    for size in sizes:
        # A negative one is malformed already, and reported as that.
        if not is_integer(size) or size > _MAX_SIZE:
            yield "descriptor-size", f"{path}.size: {shown(size)} is not a number of bytes"
    yield from optional_problems(
        value, ("urls", "annotations", "platform", "data", "artifactType"), path
    )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _is_text(value: Value) -> bool:
    return isinstance(value, str)


def _are_texts(value: Value) -> bool:
    return isinstance(value, list) and all(isinstance(each, str | None) for each in value)


def _are_named_texts(value: Value) -> bool:
    return isinstance(value, Object) and all(
        isinstance(each, str | None) for _, each in value.members
    )


def _is_platform(value: Value) -> bool:
    if not isinstance(value, Object):
        return False
    names = ("os", "architecture", "variant", "os.version")
    texts = all(_is_text(each) for name in names for each in value.values(name))
    return texts and all(_are_texts(each) for each in value.values("os.features"))


def _is_base64(value: Value) -> bool:
    if not isinstance(value, str):
        return False
    try:
        base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


_TYPES: dict[str, tuple[str, Callable[[Value], bool]]] = {
    "mediaType": ("a string", _is_text),
    "artifactType": ("a string", _is_text),
    "urls": ("a list of strings", _are_texts),
    "annotations": ("an object of strings", _are_named_texts),
    "platform": ("a platform", _is_platform),
    "data": ("base64", _is_base64),
}
