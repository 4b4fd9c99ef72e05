"""What is refused on push, by the document alone: every reason at once, before storage is seen.

Some faults an operator may waive, because content of this kind exists and is to be kept. The
others would be read differently by different readers, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from regctl.errors import InvalidManifestError
from regctl.manifest.document import (
    MAX_MANIFEST_BYTES,
    MAX_PARSED_BYTES,
    Object,
    parse_document,
    shown,
)
from regctl.manifest.manifest import SECTIONS, Manifest, ManifestKind, read_manifest
from regctl.manifest.media_types import OCI_ARTIFACT, SCHEMA1_TYPES
from regctl.manifest.member_rules import descriptor_problems, optional_problems, spelling_problems
from regctl.manifest.reader import elements
from regctl.manifest.reference import Role


class Waiver(Enum):
    """What an operator can ask for, so that a fault is let pass."""

    OVERSIZE = "oversize"
    UNSERVED_TYPE = "unserved-type"
    DIGEST_ALGORITHM = "digest-algorithm"


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason to refuse a manifest. ``code`` is stable; without a ``waiver`` nothing helps."""

    code: str
    message: str
    waiver: Waiver | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    document: Object
    manifest: Manifest
    size: int


_MANIFESTS_AND_THEIR_PARTS = ("config", "layers", "manifests", "fsLayers")
_OPTIONAL = ("subject", "annotations", "artifactType")
_KNOWN: dict[ManifestKind, tuple[str, ...]] = {
    ManifestKind.IMAGE: (*_MANIFESTS_AND_THEIR_PARTS, *_OPTIONAL),
    ManifestKind.INDEX: (*_MANIFESTS_AND_THEIR_PARTS, *_OPTIONAL),
    ManifestKind.ARTIFACT: ("blobs", *_OPTIONAL),
    # Not "signatures": they are no part of what is stored as the manifest.
    ManifestKind.SCHEMA1: ("name", "tag", "architecture", "fsLayers", "history"),
    ManifestKind.UNKNOWN: (),
}
_CONTRADICTING: dict[ManifestKind, tuple[str, ...]] = {
    ManifestKind.IMAGE: ("manifests", "fsLayers"),
    ManifestKind.INDEX: ("config", "layers", "fsLayers"),
    ManifestKind.SCHEMA1: ("config", "layers", "manifests"),
}
_CALLED = {
    ManifestKind.IMAGE: "an image manifest",
    ManifestKind.INDEX: "an index",
    ManifestKind.SCHEMA1: "a schema 1 manifest",
}
_VERSIONS = {ManifestKind.IMAGE: 2, ManifestKind.INDEX: 2, ManifestKind.SCHEMA1: 1}


def faults(content: bytes, manifest: Manifest) -> tuple[Fault, ...]:
    """Every reason to refuse ``content``, of which ``manifest`` was parsed, as a new manifest.

    Codes: ``oversize``, ``unserved-type`` and ``digest-algorithm`` have a waiver;
    ``schema-version``, ``media-type-mismatch``, ``ambiguous``, ``config-missing``,
    ``doubled-member``, ``misspelled-member``, ``member-type``, ``descriptor-media-type`` and
    ``descriptor-size`` have none.
    """
    case = _Case(parse_document(content, len(content)), manifest, len(content))
    return tuple(fault for rule in _RULES for fault in rule(case))


def examine(
    content: bytes, media_type: str | None = None, *, limit: int = MAX_PARSED_BYTES
) -> tuple[Manifest | None, tuple[Fault, ...]]:
    """The manifest that ``content`` is, if it is one, and every reason to refuse it as a new one.

    Unlike `parse_manifest` and `faults` in turn, this gives the reasons of both at once; those of
    the first have the code ``malformed``. ``media_type`` and ``limit`` are as in `parse_manifest`,
    but nothing is raised.
    """
    try:
        document = parse_document(content, limit)
    except InvalidManifestError as error:
        return None, (Fault("malformed", error.message),)
    manifest, reasons = read_manifest(document, media_type)
    malformed = tuple(Fault("malformed", reason) for reason in reasons)
    case = _Case(document, manifest, len(content))
    others = tuple(fault for rule in _RULES for fault in rule(case))
    return (None if malformed else manifest), (*malformed, *others)


def _size(case: _Case) -> Iterator[Fault]:
    if case.size > MAX_MANIFEST_BYTES:
        yield Fault(
            "oversize",
            f"the manifest has {case.size} bytes, more than the {MAX_MANIFEST_BYTES} (4 MiB) "
            "that registries take",
            Waiver.OVERSIZE,
        )


def _type(case: _Case) -> Iterator[Fault]:
    kind, media_type = case.manifest.kind, case.manifest.media_type
    if kind is ManifestKind.ARTIFACT or (kind is ManifestKind.UNKNOWN and media_type):
        what = "was withdrawn" if media_type == OCI_ARTIFACT else "is not known"
        yield Fault(
            "unserved-type",
            f"the media type {shown(media_type)} {what}: no registry serves it, and one such "
            "revision stops a registry's own garbage collector for the whole storage",
            Waiver.UNSERVED_TYPE,
        )


def _given_type(case: _Case) -> Iterator[Fault]:
    given, judged = case.manifest.given_type, case.manifest.media_type
    if given and judged and given != judged and not {given, judged} <= SCHEMA1_TYPES:
        yield Fault(
            "media-type-mismatch",
            f"the document is {shown(judged)} and was given as {shown(given)}",
        )


def _version(case: _Case) -> Iterator[Fault]:
    manifest = case.manifest
    untyped = manifest.kind is ManifestKind.UNKNOWN and not manifest.media_type
    if manifest.kind not in _VERSIONS and not untyped:
        return
    wanted = _VERSIONS.get(manifest.kind, 2)
    versions = case.document.values("schemaVersion")
    if not versions:
        yield Fault("schema-version", f"schemaVersion is missing: it must be {wanted}")
    yield from (
        Fault("schema-version", f"schemaVersion is {shown(version)}: it must be {wanted}")
        for version in versions
        if type(version) is not int or version != wanted
    )


def _top_level(case: _Case) -> Iterator[Fault]:
    names = ("schemaVersion", "mediaType", *_KNOWN[case.manifest.kind])
    for code, message in spelling_problems(case.document, names, ""):
        yield Fault(code, message)
    optional = [name for name in names if name in {"mediaType", "annotations", "artifactType"}]
    for code, message in optional_problems(case.document, optional, ""):
        yield Fault(code, message)


def _ambiguity(case: _Case) -> Iterator[Fault]:
    kind = case.manifest.kind
    for name in _CONTRADICTING.get(kind, ()):
        if case.document.values(name):
            yield Fault(
                "ambiguous",
                f"the document is {_CALLED[kind]} and has {name}: readers may take it for "
                "something else (CVE-2021-41190)",
            )


def _config(case: _Case) -> Iterator[Fault]:
    if case.manifest.kind is ManifestKind.IMAGE and not case.document.values("config"):
        yield Fault("config-missing", "config is missing: an image manifest must have one")


def _descriptors(case: _Case) -> Iterator[Fault]:
    if case.manifest.kind is ManifestKind.SCHEMA1:
        return
    for section in SECTIONS[case.manifest.kind]:
        for path, value in elements(case.document, section, []):
            if isinstance(value, Object):
                for code, message in descriptor_problems(value, path):
                    yield Fault(code, message)


def _algorithms(case: _Case) -> Iterator[Fault]:
    for each in case.manifest.references:
        if each.role is not Role.SUBJECT and each.digest.algorithm != "sha256":
            yield Fault(
                "digest-algorithm",
                f"{each.path} is named by {each.digest.algorithm}: the garbage collector of "
                "registry 2.8 deletes what is not named by sha256",
                Waiver.DIGEST_ALGORITHM,
            )


_RULES: tuple[Callable[[_Case], Iterator[Fault]], ...] = (
    _size,
    _type,
    _given_type,
    _version,
    _top_level,
    _ambiguity,
    _config,
    _descriptors,
    _algorithms,
)
