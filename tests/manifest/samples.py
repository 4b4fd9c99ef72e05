"""Manifests to test with: real ones, as registries stored them, and the parts of made-up ones."""

from __future__ import annotations

import json
from pathlib import Path

from regctl.manifest import Manifest

VECTORS = Path(__file__).parent.parent / "vectors" / "manifests"

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def stored(name: str) -> bytes:
    return (VECTORS / f"{name}.json").read_bytes()


def descriptor(digest: str, media_type: str = OCI_LAYER, **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": 12, **more}


def image(**more: object) -> dict[str, object]:
    """An OCI image manifest with the config A and the layer B; ``more`` adds and replaces."""
    return {
        "schemaVersion": 2,
        "mediaType": OCI_IMAGE,
        "config": descriptor(A, OCI_CONFIG),
        "layers": [descriptor(B)],
        **more,
    }


def index(**more: object) -> dict[str, object]:
    """An OCI index with the entry A; ``more`` adds and replaces."""
    return {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [descriptor(A, OCI_IMAGE)],
        **more,
    }


def encode(document: object) -> bytes:
    return json.dumps(document).encode()


def members(*pairs: tuple[str, object]) -> bytes:
    """An object of exactly these members, so that one can stand there twice."""
    return b"{%s}" % b",".join(encode(name) + b":" + encode(value) for name, value in pairs)


def named(manifest: Manifest) -> list[tuple[str, str]]:
    """Role and digest of every reference, the digest by one letter."""
    return [(each.role.value, each.digest.hex[0]) for each in manifest.references]
