"""Every place in the ``docker/registry/v2`` tree as a type. `regctl.layout.mapper` knows where.

Source: Distribution's ``registry/storage/paths.go`` and its form of January 2015.
"""

from __future__ import annotations

from dataclasses import dataclass

from regctl.digest import Digest
from regctl.layout.names import RepositoryName, Tag, UploadId


@dataclass(frozen=True, slots=True)
class Spec:
    """The base of all path specs."""


# --- what places differ by: dataclasses, few of them, for each takes long to make ----------------


@dataclass(frozen=True, slots=True)
class _OfBlob(Spec):
    """A place of a blob."""

    digest: Digest


@dataclass(frozen=True, slots=True)
class _OfRepository(Spec):
    """A place of a repository."""

    name: RepositoryName


@dataclass(frozen=True, slots=True)
class _OfRevision(Spec):
    """A place of a revision."""

    name: RepositoryName
    revision: Digest


@dataclass(frozen=True, slots=True)
class _OfSignature(Spec):
    """A place of a signature of a revision."""

    name: RepositoryName
    revision: Digest
    signature: Digest


@dataclass(frozen=True, slots=True)
class _OfTag(Spec):
    """A place of a tag."""

    name: RepositoryName
    tag: Tag


@dataclass(frozen=True, slots=True)
class _OfIndexEntry(Spec):
    """A place of a revision in the index of a tag."""

    name: RepositoryName
    tag: Tag
    revision: Digest


@dataclass(frozen=True, slots=True)
class _OfLayer(Spec):
    """A place of a layer of a repository."""

    name: RepositoryName
    digest: Digest


@dataclass(frozen=True, slots=True)
class _OfUpload(Spec):
    """A place of an upload."""

    name: RepositoryName
    upload: UploadId


@dataclass(frozen=True, slots=True)
class _OfPath(Spec):
    """A place that its path alone tells."""

    path: str


# --- files -------------------------------------------------------------------------------------


class BlobData(_OfBlob):
    """The bytes of a blob."""

    __slots__ = ()


class LayerLink(_OfLayer):
    """The link that makes a layer, config or other blob readable in a repository."""

    __slots__ = ()


class RevisionLink(_OfRevision):
    """The link that makes a manifest a revision of a repository."""

    __slots__ = ()


class SignatureLink(_OfSignature):
    """The link to a signature of a schema 1 revision."""

    __slots__ = ()


class TagCurrentLink(_OfTag):
    """The link to the revision that a tag names."""

    __slots__ = ()


class TagIndexEntryLink(_OfIndexEntry):
    """The link to a revision that a tag names or once named."""

    __slots__ = ()


class UploadData(_OfUpload):
    """The bytes of an upload in progress."""

    __slots__ = ()


class UploadStartedAt(_OfUpload):
    """When an upload began, in RFC 3339."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class HashState(Spec):
    """The state of a hash function after the first ``offset`` bytes of an upload."""

    name: RepositoryName
    upload: UploadId
    algorithm: str
    offset: int


# --- directories -------------------------------------------------------------------------------


class Root(Spec):
    """The root of the tree: ``docker/registry/v2``."""

    __slots__ = ()


class Blobs(Spec):
    """All blobs."""

    __slots__ = ()


class BlobDirectory(_OfBlob):
    """The directory of one blob."""

    __slots__ = ()


class Repositories(Spec):
    """All repositories."""

    __slots__ = ()


class RepositoryDirectory(_OfRepository):
    """One repository. Others, with longer names, can lie inside it."""

    __slots__ = ()


class Manifests(_OfRepository):
    """A repository's revisions and tags."""

    __slots__ = ()


class Revisions(_OfRepository):
    """A repository's manifest revisions."""

    __slots__ = ()


class RevisionDirectory(_OfRevision):
    """One revision: it exists only if its link does."""

    __slots__ = ()


class Signatures(_OfRevision):
    """The signatures of a revision."""

    __slots__ = ()


class SignatureDirectory(_OfSignature):
    """One signature of a revision."""

    __slots__ = ()


class Tags(_OfRepository):
    """A repository's tags."""

    __slots__ = ()


class TagDirectory(_OfTag):
    """One tag."""

    __slots__ = ()


class TagCurrent(_OfTag):
    """The directory of a tag's current link."""

    __slots__ = ()


class TagIndex(_OfTag):
    """All revisions that a tag names or once named."""

    __slots__ = ()


class TagIndexEntryDirectory(_OfIndexEntry):
    """One entry of a tag's index."""

    __slots__ = ()


class Layers(_OfRepository):
    """A repository's layer links."""

    __slots__ = ()


class LayerDirectory(_OfLayer):
    """The directory of one layer link."""

    __slots__ = ()


class Uploads(_OfRepository):
    """A repository's uploads in progress."""

    __slots__ = ()


class UploadDirectory(_OfUpload):
    """One upload in progress."""

    __slots__ = ()


class HashStates(_OfUpload):
    """All saved hash states of an upload."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class HashStatesOf(Spec):
    """An upload's saved states of one hash function."""

    name: RepositoryName
    upload: UploadId
    algorithm: str


# --- everything else, so that the inverse is total -----------------------------------------------


class Intermediate(_OfPath):
    """A directory between specs, for instance ``blobs/sha256`` or ``_layers/tarsum/v1``."""

    __slots__ = ()


class Foreign(_OfPath):
    """A path that the layout has no place for. It is kept, and reported."""

    __slots__ = ()
