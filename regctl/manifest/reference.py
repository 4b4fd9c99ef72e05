"""References: what a manifest names, in which role, and where in the document it does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from regctl.digest import Digest
from regctl.manifest.descriptor import Descriptor
from regctl.manifest.media_types import MANIFEST_TYPES


class Role(Enum):
    """What a reference is to the manifest that has it."""

    CONFIG = "config"
    LAYER = "layer"
    #: A blob of an artifact manifest.
    BLOB = "blob"
    #: An entry of an index.
    CHILD = "child"
    #: The manifest that this one is about. It may be absent, and is not needed to serve this one.
    SUBJECT = "subject"


@dataclass(frozen=True, slots=True)
class Reference:
    """One descriptor of a manifest; ``path`` says where it stands: ``layers[2]``, ``config``."""

    role: Role
    descriptor: Descriptor
    path: str

    @property
    def digest(self) -> Digest:
        """The digest of what is named."""
        return self.descriptor.digest

    @property
    def may_be_blob(self) -> bool:
        """Whether this entry of an index may be a blob, reached through a layer link.

        Build caches are indexes that name layers and a configuration; registries take them, for
        they look for the entries of an index among revisions and layers alike.
        """
        return self.role is Role.CHILD and self.descriptor.media_type not in MANIFEST_TYPES


def unique_digests(references: Iterable[Reference]) -> tuple[Digest, ...]:
    """The digests of ``references``, each once, in the order in which they first come."""
    return tuple(dict.fromkeys(reference.digest for reference in references))
