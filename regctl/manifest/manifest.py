"""Manifests: which kind a document is, and what it names. Bytes in, a value out; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from regctl.errors import InvalidManifestError
from regctl.manifest import media_types
from regctl.manifest.descriptor import Descriptor
from regctl.manifest.document import MAX_PARSED_BYTES, Object, is_integer, parse_document
from regctl.manifest.reader import (
    BLOBS,
    CONFIG,
    FS_LAYERS,
    LAYERS,
    MANIFESTS,
    SUBJECT,
    Section,
    read_annotations,
    read_references,
)
from regctl.manifest.reference import Reference, Role

# A document of a million faults must not make a message of a million lines.
_MAX_REASONS = 100


class ManifestKind(Enum):
    """The shapes of manifest."""

    #: A config and layers: Docker's schema 2, the OCI image manifest.
    IMAGE = "image"
    #: Other manifests: Docker's manifest list, the OCI image index.
    INDEX = "index"
    #: Blobs: the OCI artifact manifest, which was withdrawn.
    ARTIFACT = "artifact"
    #: Docker's signed manifest of old, with or without its signatures.
    SCHEMA1 = "schema1"
    #: Any other. It is kept, and not read: see `regctl.manifest.unknown.descriptors_within`.
    UNKNOWN = "unknown"


_KINDS = {
    **dict.fromkeys(media_types.IMAGE_TYPES, ManifestKind.IMAGE),
    **dict.fromkeys(media_types.INDEX_TYPES, ManifestKind.INDEX),
    **dict.fromkeys(media_types.SCHEMA1_TYPES, ManifestKind.SCHEMA1),
    media_types.OCI_ARTIFACT: ManifestKind.ARTIFACT,
}
#: The members of each kind that hold descriptors.
SECTIONS: dict[ManifestKind, tuple[Section, ...]] = {
    ManifestKind.IMAGE: (CONFIG, LAYERS, SUBJECT),
    ManifestKind.INDEX: (MANIFESTS, SUBJECT),
    ManifestKind.ARTIFACT: (BLOBS, SUBJECT),
    ManifestKind.SCHEMA1: (FS_LAYERS,),
    ManifestKind.UNKNOWN: (),
}
# Members that other readers may go by in a document of another kind (CVE-2021-41190).
_CONTESTED = (CONFIG, LAYERS, MANIFESTS, FS_LAYERS)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says.

    ``media_type`` is the document's own or, where it has none, the one that a registry judges it
    to have; it is empty where there is nothing to judge by. ``references`` has everything that
    the document names, as often as it does; schema 1 repeats layers as a rule. ``given_type`` is
    what the caller took the document for, empty if the caller did not say. ``name``, ``tag`` and
    ``architecture`` are of schema 1 only.
    """

    media_type: str
    kind: ManifestKind
    references: tuple[Reference, ...] = ()
    artifact_type: str = ""
    annotations: tuple[tuple[str, str], ...] = ()
    given_type: str = ""
    name: str = ""
    tag: str = ""
    architecture: str = ""

    @property
    def config(self) -> Descriptor | None:
        """The configuration of an image; of several, the one that a registry takes."""
        return self._last(Role.CONFIG)

    @property
    def subject(self) -> Descriptor | None:
        """The manifest that this one is about; of several, the last."""
        return self._last(Role.SUBJECT)

    @property
    def layers(self) -> tuple[Reference, ...]:
        """The layers, in order and with their repetitions."""
        return self._all(Role.LAYER)

    @property
    def children(self) -> tuple[Reference, ...]:
        """The entries of an index: manifests, save where `Reference.may_be_blob`."""
        return self._all(Role.CHILD)

    @property
    def blobs(self) -> tuple[Reference, ...]:
        """What the repository must link to serve this manifest: config, layers, blobs.

        Not `children`, which it must have as revisions, and not layers that are kept elsewhere.
        """
        blobs = self._all(Role.CONFIG, Role.LAYER, Role.BLOB)
        return tuple(blob for blob in blobs if not blob.descriptor.is_foreign)

    def _all(self, *roles: Role) -> tuple[Reference, ...]:
        return tuple(each for each in self.references if each.role in roles)

    def _last(self, role: Role) -> Descriptor | None:
        found = self._all(role)
        return found[-1].descriptor if found else None


def parse_manifest(
    content: bytes, media_type: str | None = None, *, limit: int = MAX_PARSED_BYTES
) -> Manifest:
    """The manifest that ``content``, exactly as stored or sent, is.

    ``media_type`` is what the caller took it for. It does not change how the document is read,
    because a registry stores the bytes and nothing else; a contradiction is for
    `regctl.manifest.push_rules.faults`. Reading is as tolerant as a registry is, and takes the
    union where a registry has to choose: all spellings of a member, and the members of another
    kind in an ambiguous document, as far as they hold descriptors.

    Raises `InvalidManifestError`, with every reason, if ``content`` is not a JSON object, or one
    that leaves open what it names, and if it has more than ``limit`` bytes.
    """
    return manifest_of(parse_document(content, limit), media_type)


def manifest_of(document: Object, media_type: str | None = None) -> Manifest:
    """The same of a document that was parsed already."""
    manifest, reasons = read_manifest(document, media_type)
    if reasons:
        what = manifest.media_type or "a manifest"
        more = len(reasons) - _MAX_REASONS
        shown = (*reasons[:_MAX_REASONS], f"and {more} more") if more > 0 else tuple(reasons)
        raise InvalidManifestError(f"the document cannot be read as {what}", shown)
    return manifest


def read_manifest(document: Object, media_type: str | None) -> tuple[Manifest, list[str]]:
    """The manifest, as far as it can be read, and the reasons why it is malformed, if any."""
    judged, kind = judge(document)
    given = (media_type or "").partition(";")[0].strip()
    if kind is ManifestKind.UNKNOWN:
        return Manifest(judged, kind, given_type=given), []
    reasons: list[str] = []
    schema1 = kind is ManifestKind.SCHEMA1
    manifest = Manifest(
        judged,
        kind,
        references=_references(document, kind, reasons),
        artifact_type=document.text("artifactType"),
        annotations=read_annotations(document),
        given_type=given,
        name=document.text("name") if schema1 else "",
        tag=document.text("tag") if schema1 else "",
        architecture=document.text("architecture") if schema1 else "",
    )
    return manifest, reasons


def judge(document: Object) -> tuple[str, ManifestKind]:
    """Media type and kind of a document, as Distribution finds them in what it has stored.

    Its ``mediaType`` decides; without one, ``schemaVersion`` 1 is schema 1, and 2 is an OCI index
    if there are ``manifests``, else an OCI image manifest. Source: ``manifeststore.go``.
    """
    declared = document.text("mediaType")
    if declared:
        return declared, _KINDS.get(declared, ManifestKind.UNKNOWN)
    versions = document.values("schemaVersion")
    version = versions[-1] if versions else None
    if not is_integer(version) or version not in (1, 2):
        return "", ManifestKind.UNKNOWN
    if version == 1:
        signed = document.values("signatures")
        judged = media_types.DOCKER_SCHEMA1_SIGNED if signed else media_types.DOCKER_SCHEMA1
    else:
        index = document.values("manifests")
        judged = media_types.OCI_INDEX if index else media_types.OCI_MANIFEST
    return judged, _KINDS[judged]


def _references(document: Object, kind: ManifestKind, reasons: list[str]) -> tuple[Reference, ...]:
    """The references of the kind's own members, then those of a kind that it is not."""
    own = SECTIONS[kind]
    found = [each for section in own for each in read_references(document, section, reasons)]
    passed_over: list[str] = []
    for section in _CONTESTED:
        if section not in own:
            found += read_references(document, section, passed_over)
    return tuple(found)
