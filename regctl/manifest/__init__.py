"""Manifests: descriptors, the formats, and the rules for a push. Bytes in, values out."""

from regctl.manifest.descriptor import Descriptor, Platform
from regctl.manifest.document import MAX_MANIFEST_BYTES, MAX_PARSED_BYTES
from regctl.manifest.manifest import Manifest, ManifestKind, parse_manifest
from regctl.manifest.push_rules import Fault, Waiver, examine, faults
from regctl.manifest.reference import Reference, Role, unique_digests
from regctl.manifest.unknown import descriptors_within

__all__ = [
    "MAX_MANIFEST_BYTES",
    "MAX_PARSED_BYTES",
    "Descriptor",
    "Fault",
    "Manifest",
    "ManifestKind",
    "Platform",
    "Reference",
    "Role",
    "Waiver",
    "descriptors_within",
    "examine",
    "faults",
    "parse_manifest",
    "unique_digests",
]
