"""Where everything lies: names, typed path specs, and the mapper between specs and paths."""

from regctl.layout.evidence import evidence
from regctl.layout.mapper import LAYOUT_ROOT, Layout, PathMapper
from regctl.layout.names import Reference, RepositoryName, Tag, UploadId

__all__ = [
    "LAYOUT_ROOT",
    "Layout",
    "PathMapper",
    "Reference",
    "RepositoryName",
    "Tag",
    "UploadId",
    "evidence",
]
