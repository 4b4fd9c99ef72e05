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


# --- files -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlobData(Spec):
    """The bytes of a blob."""

    digest: Digest


@dataclass(frozen=True, slots=True)
class LayerLink(Spec):
    """The link that makes a layer, config or other blob readable in a repository."""

    name: RepositoryName
    digest: Digest


@dataclass(frozen=True, slots=True)
class RevisionLink(Spec):
    """The link that makes a manifest a revision of a repository."""

    name: RepositoryName
    revision: Digest


@dataclass(frozen=True, slots=True)
class SignatureLink(Spec):
    """The link to a signature of a schema 1 revision."""

    name: RepositoryName
    revision: Digest
    signature: Digest


@dataclass(frozen=True, slots=True)
class TagCurrentLink(Spec):
    """The link to the revision that a tag names."""

    name: RepositoryName
    tag: Tag


@dataclass(frozen=True, slots=True)
class TagIndexEntryLink(Spec):
    """The link to a revision that a tag names or once named."""

    name: RepositoryName
    tag: Tag
    revision: Digest


@dataclass(frozen=True, slots=True)
class UploadData(Spec):
    """The bytes of an upload in progress."""

    name: RepositoryName
    upload: UploadId


@dataclass(frozen=True, slots=True)
class UploadStartedAt(Spec):
    """When an upload began, in RFC 3339."""

    name: RepositoryName
    upload: UploadId


@dataclass(frozen=True, slots=True)
class HashState(Spec):
    """The state of a hash function after the first ``offset`` bytes of an upload."""

    name: RepositoryName
    upload: UploadId
    algorithm: str
    offset: int


# --- directories -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Root(Spec):
    """The root of the tree: ``docker/registry/v2``."""


@dataclass(frozen=True, slots=True)
class Blobs(Spec):
    """All blobs."""


@dataclass(frozen=True, slots=True)
class BlobDirectory(Spec):
    """The directory of one blob."""

    digest: Digest


@dataclass(frozen=True, slots=True)
class Repositories(Spec):
    """All repositories."""


@dataclass(frozen=True, slots=True)
class RepositoryDirectory(Spec):
    """One repository. Others, with longer names, can lie inside it."""

    name: RepositoryName


@dataclass(frozen=True, slots=True)
class Manifests(Spec):
    """A repository's revisions and tags."""

    name: RepositoryName


@dataclass(frozen=True, slots=True)
class Revisions(Spec):
    """A repository's manifest revisions."""

    name: RepositoryName


@dataclass(frozen=True, slots=True)
class RevisionDirectory(Spec):
    """One revision: it exists only if its link does."""

    name: RepositoryName
    revision: Digest


@dataclass(frozen=True, slots=True)
class Signatures(Spec):
    """The signatures of a revision."""

    name: RepositoryName
    revision: Digest


@dataclass(frozen=True, slots=True)
class SignatureDirectory(Spec):
    """One signature of a revision."""

    name: RepositoryName
    revision: Digest
    signature: Digest


@dataclass(frozen=True, slots=True)
class Tags(Spec):
    """A repository's tags."""

    name: RepositoryName


@dataclass(frozen=True, slots=True)
class TagDirectory(Spec):
    """One tag."""

    name: RepositoryName
    tag: Tag


@dataclass(frozen=True, slots=True)
class TagCurrent(Spec):
    """The directory of a tag's current link."""

    name: RepositoryName
    tag: Tag


@dataclass(frozen=True, slots=True)
class TagIndex(Spec):
    """All revisions that a tag names or once named."""

    name: RepositoryName
    tag: Tag


@dataclass(frozen=True, slots=True)
class TagIndexEntryDirectory(Spec):
    """One entry of a tag's index."""

    name: RepositoryName
    tag: Tag
    revision: Digest


@dataclass(frozen=True, slots=True)
class Layers(Spec):
    """A repository's layer links."""

    name: RepositoryName


@dataclass(frozen=True, slots=True)
class LayerDirectory(Spec):
    """The directory of one layer link."""

    name: RepositoryName
    digest: Digest


@dataclass(frozen=True, slots=True)
class Uploads(Spec):
    """A repository's uploads in progress."""

    name: RepositoryName


@dataclass(frozen=True, slots=True)
class UploadDirectory(Spec):
    """One upload in progress."""

    name: RepositoryName
    upload: UploadId


@dataclass(frozen=True, slots=True)
class HashStates(Spec):
    """All saved hash states of an upload."""

    name: RepositoryName
    upload: UploadId


@dataclass(frozen=True, slots=True)
class HashStatesOf(Spec):
    """An upload's saved states of one hash function."""

    name: RepositoryName
    upload: UploadId
    algorithm: str


# --- everything else, so that the inverse is total -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Intermediate(Spec):
    """A directory between specs, for instance ``blobs/sha256`` or ``_layers/tarsum/v1``."""

    path: str


@dataclass(frozen=True, slots=True)
class Foreign(Spec):
    """A path that the layout has no place for. It is kept, and reported."""

    path: str
