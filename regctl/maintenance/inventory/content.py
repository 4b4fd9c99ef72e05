"""What a storage holds, as a scan found it: plain data, with digests as numbers of one table."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import Enum

from regctl.layout import Layout, RepositoryName, Tag, UploadId
from regctl.maintenance.inventory.table import DigestTable, NumberSet


def numbers() -> array[int]:
    """An empty array of numbers."""
    return array("I")


class Oddity(Enum):
    """What stands in a tree and belongs to nobody."""

    FOREIGN_FILE = "foreign-file"
    #: A directory that no layout has a place for; what lies below is not looked at.
    UNKNOWN_DIRECTORY = "unknown-directory"
    #: A key that ends in a slash and has content; those without, which some tools make to show a
    #: directory, are no more than that.
    MARKER = "marker"
    #: A directory that looks like a repository's and has a name that none can have, or a key that
    #: is no path.
    FORBIDDEN_NAME = "forbidden-name"
    #: Nothing behind it is seen: a scan that met one has not seen everything.
    SYMLINK = "symlink"
    #: A file that a registry writes before it renames it, left behind by a crash.
    TEMPORARY_FILE = "temporary-file"


@dataclass(slots=True)
class TagContent:
    """A tag: the revision that it names, and all that its index has, as numbers.

    Where ``current`` is None, ``problem`` says why: the link is absent, empty or malformed, also
    after it was read again.
    """

    current: int | None
    index: array[int] = field(default_factory=numbers)
    problem: str = ""


@dataclass(slots=True)
class RepositoryContent:
    """The links of one repository, each by the number of the digest in its path.

    ``aliases`` has those links whose content was read, because the path alone is not believed:
    what they say, None if that is no digest. ``signatures`` are the links beside a revision.
    """

    name: RepositoryName
    layout: Layout = Layout.CURRENT
    #: Whether it has links in both layouts; then ``layout`` is the current one.
    is_mixed: bool = False
    revisions: array[int] = field(default_factory=numbers)
    layers: array[int] = field(default_factory=numbers)
    layer_aliases: dict[int, int | None] = field(default_factory=dict)
    revision_aliases: dict[int, int | None] = field(default_factory=dict)
    signatures: dict[int, array[int]] = field(default_factory=dict)
    tags: dict[Tag, TagContent] = field(default_factory=dict)
    uploads: list[UploadId] = field(default_factory=list)
    has_layers: bool = False
    has_manifests: bool = False
    has_uploads: bool = False


@dataclass(slots=True)
class Inventory:
    """A storage: its blobs, its repositories, and what belongs to neither.

    ``blobs`` were listed before anything in ``repositories`` was: what is pushed meanwhile is
    never among them. Where storages have directories those of blobs are listed by their names
    alone: a directory without data is in ``blobs`` as well, and whoever means to act on a blob
    asks for its data first. ``began`` is the storage's time before the listing, in epoch seconds.

    ``vanished`` is what links named that went away while they were looked at: somebody is at
    work there, and it counts as young.
    """

    table: DigestTable
    blobs: NumberSet
    repositories: dict[RepositoryName, RepositoryContent]
    oddities: list[tuple[Oddity, str]]
    began: float
    vanished: NumberSet = field(default_factory=NumberSet)
