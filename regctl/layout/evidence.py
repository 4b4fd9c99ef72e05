"""What the name of a directory proves: a repository, the layout it is in, a part of it."""

from __future__ import annotations

from enum import Enum

from regctl.layout.mapper import Layout, below_root, name_or_none
from regctl.layout.names import RepositoryName


class Part(Enum):
    """What of a repository a directory holds."""

    LAYERS = "layers"
    MANIFESTS = "manifests"
    UPLOADS = "uploads"


_CURRENT = {"_layers": Part.LAYERS, "_manifests": Part.MANIFESTS, "_uploads": Part.UPLOADS}
_2015 = {"layers": Part.LAYERS, "manifests": Part.MANIFESTS, "uploads": Part.UPLOADS}
_PROOF_2015 = {("manifests", "revisions"), ("manifests", "tags"), ("layers", "tarsum")}


def evidence(path: str) -> tuple[Layout, RepositoryName] | None:
    """The layout that a directory at ``path`` proves, and the repository it belongs to, or None.

    Proof of the current layout is ``_manifests``, ``_layers`` or ``_uploads``; of the 2015 one
    ``manifests/revisions``, ``manifests/tags`` or ``layers/tarsum``.
    """
    parts = below_root(path)
    if parts is None or len(parts) < 3 or parts[0] != "repositories":
        return None
    if parts[-1] in _CURRENT:
        name = name_or_none("/".join(parts[1:-1]))
        return (Layout.CURRENT, name) if name else None
    if tuple(parts[-2:]) in _PROOF_2015 and len(parts) > 3:
        name = name_or_none("/".join(parts[1:-2]))
        return (Layout.Y2015, name) if name else None
    return None


def part_of(path: str) -> Part | None:
    """Which part of a repository the directory at ``path``, for which there is proof, is of."""
    *_, above, last = ("", *path.split("/"))
    return _CURRENT.get(last) or _2015.get(last) or _2015.get(above)


def is_misnamed(path: str) -> bool:
    """Whether ``path`` is of a repository whose name the grammar forbids, so that none is seen."""
    last = path.rpartition("/")[2]
    return _CURRENT.get(last) in (Part.LAYERS, Part.MANIFESTS) and evidence(path) is None


def may_prove_2015(path: str) -> bool:
    """Whether what lies in the directory at ``path`` may prove a repository of 2015."""
    return path.rpartition("/")[2] in _2015


def is_marker(path: str) -> bool:
    """Whether ``path`` is named as a part of a repository, so that none can lie below."""
    return path.rpartition("/")[2] in _CURRENT
