"""From JSON to references: every descriptor in every spelling, and every reason why one is none.

What leaves open which content a manifest needs is a reason to refuse it: a list that is none, a
digest that does not parse. What does not, such as annotations of a wrong type, is passed over
here; `regctl.manifest.push_rules` refuses it in what is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from regctl.digest import Digest
from regctl.errors import InvalidDigestError, UnsupportedDigestError
from regctl.manifest.descriptor import Descriptor, Platform
from regctl.manifest.document import Object, Value, clean, is_integer, shown
from regctl.manifest.reference import Reference, Role

# Longer texts are no digests, and are not worth showing whole.
_MAX_DIGEST_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Section:
    """A member of a manifest that holds a descriptor, or with ``many`` a list of them."""

    name: str
    role: Role
    many: bool = True
    #: The member of the descriptor that has the digest.
    digest_name: str = "digest"


CONFIG = Section("config", Role.CONFIG, many=False)
LAYERS = Section("layers", Role.LAYER)
MANIFESTS = Section("manifests", Role.CHILD)
FS_LAYERS = Section("fsLayers", Role.LAYER, digest_name="blobSum")
BLOBS = Section("blobs", Role.BLOB)
SUBJECT = Section("subject", Role.SUBJECT, many=False)


def elements(document: Object, section: Section, reasons: list[str]) -> Iterator[tuple[str, Value]]:
    """Path and value of each element of ``section``, in every spelling; null is an empty list.

    A list that is none is added to ``reasons``.
    """
    for spelling, value in document.matching(section.name):
        if value is None:
            continue
        if not section.many:
            yield spelling, value
        elif isinstance(value, list):
            for index, element in enumerate(value):
                yield f"{spelling}[{index}]", element
        else:
            reasons.append(f"{spelling}: {shown(value)} is not a list")


def read_references(document: Object, section: Section, reasons: list[str]) -> list[Reference]:
    """The references of ``section``; what is malformed is left out and added to ``reasons``."""
    if not document.matching(section.name):
        return []
    return [
        Reference(section.role, descriptor, path)
        for path, value in elements(document, section, reasons)
        for descriptor in read_descriptors(value, path, reasons, section.digest_name)
    ]


def read_descriptors(
    value: Value, path: str, reasons: list[str], digest_name: str = "digest"
) -> list[Descriptor]:
    """The descriptor that ``value`` is: one, or one for each digest that it gives.

    A digest that stands there twice names two things to keep; of the other members the last
    counts. What is malformed is added to ``reasons``.
    """
    if not isinstance(value, Object):
        reasons.append(f"{path}: {shown(value)} is not a descriptor")
        return []
    digests = _digests(value, path, reasons, digest_name)
    size = _size(value, path, reasons)
    return [
        Descriptor(
            media_type=value.text("mediaType"),
            digest=digest,
            size=size,
            urls=_urls(value),
            platform=_platform(value),
            annotations=read_annotations(value),
            artifact_type=value.text("artifactType"),
        )
        for digest in digests
    ]


def read_annotations(value: Object) -> tuple[tuple[str, str], ...]:
    """Name and value of every annotation that is a text; doubled names have their last value."""
    found: dict[str, str] = {}
    for pairs in value.values("annotations"):
        if isinstance(pairs, Object):
            for name, text in pairs.members:
                if isinstance(text, str):
                    found[clean(name)] = clean(text)
    return tuple(found.items())


def _digests(value: Object, path: str, reasons: list[str], name: str) -> list[Digest]:
    found: dict[Digest, None] = {}
    texts = value.values(name)
    if not texts:
        reasons.append(f"{path}.{name} is missing")
    for text in texts:
        if not isinstance(text, str) or len(text) > _MAX_DIGEST_LENGTH:
            reasons.append(f"{path}.{name}: {shown(text)} is not a digest")
            continue
        try:
            found[Digest.parse(text)] = None
        except (InvalidDigestError, UnsupportedDigestError) as error:
            reasons.append(f"{path}.{name}: {error.message}")
    return list(found)


def _size(value: Object, path: str, reasons: list[str]) -> int | None:
    size = None
    for number in value.values("size"):
        if is_integer(number):
            if number < 0:
                reasons.append(f"{path}.size: {shown(number)} is negative")
            else:
                size = number
    return size


def _urls(value: Object) -> tuple[str, ...]:
    lists = [urls for urls in value.values("urls") if isinstance(urls, list)]
    return tuple(clean(url) for url in lists[-1] if isinstance(url, str)) if lists else ()


def _platform(value: Object) -> Platform | None:
    found = [platform for platform in value.values("platform") if isinstance(platform, Object)]
    if not found:
        return None
    last = found[-1]
    return Platform(
        os=last.text("os"),
        architecture=last.text("architecture"),
        variant=last.text("variant"),
        os_version=last.text("os.version"),
    )
