"""Descriptors: what a manifest says of one piece of content."""

from __future__ import annotations

from dataclasses import dataclass

from regctl.digest import Digest
from regctl.manifest.media_types import FOREIGN_LAYER_TYPES


@dataclass(frozen=True, slots=True)
class Platform:
    """What a manifest of an index runs on. A member that is not given is the empty string."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    def __str__(self) -> str:
        """``linux/arm64/v8``; the version of the system, where given, as ``windows:10.0/amd64``."""
        system = f"{self.os}:{self.os_version}" if self.os_version else self.os
        return "/".join(part for part in (system, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A piece of content by media type, digest and size.

    ``size`` is in bytes and None where the document gives none, as schema 1 never does.
    ``media_type`` is empty where the document gives none. ``annotations`` are pairs of name and
    value. Source: OCI image specification, "Content Descriptors".
    """

    media_type: str
    digest: Digest
    size: int | None
    urls: tuple[str, ...] = ()
    platform: Platform | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    artifact_type: str = ""

    @property
    def is_foreign(self) -> bool:
        """Whether this is a layer that registries let be elsewhere, at one of its ``urls``.

        A foreign layer type without URLs is a blob like any other, and so is a layer of an
        ordinary type that has URLs. Source: Distribution, ``ocimanifesthandler.go``.
        """
        return bool(self.urls) and self.media_type in FOREIGN_LAYER_TYPES
