"""What a collection takes away, puts back and counts: files of the tree, by kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from regctl.digest import Digest
from regctl.errors import RegctlError
from regctl.layout import Layout, PathMapper, RepositoryName, specs


class ThingKind(Enum):
    """What a thing is, in the order in which things go: links before what they lead to.

    Layer links go before the revisions that need them: who pushes such a revision again meanwhile
    is refused, and sends what is missing. If the revision went first, its push could be
    acknowledged between the two, and it would then lose its layers.
    """

    #: The link in the index of a tag to a revision that it named.
    INDEX_ENTRY = "tag-index-entry"
    #: The link to the revision that a tag names: the tag itself.
    TAG = "tag"
    LAYER_LINK = "layer-link"
    REVISION = "revision"
    #: The link to a signature beside a revision.
    SIGNATURE_LINK = "signature-link"
    BLOB = "blob"


#: Kinds of one stage do not lead to each other.
_STAGES = {
    ThingKind.INDEX_ENTRY: 0,
    ThingKind.TAG: 0,
    ThingKind.LAYER_LINK: 0,
    ThingKind.REVISION: 1,
    ThingKind.SIGNATURE_LINK: 2,
    ThingKind.BLOB: 3,
}
KINDS: dict[type[specs.Spec], ThingKind] = {
    specs.TagIndexEntryLink: ThingKind.INDEX_ENTRY,
    specs.TagCurrentLink: ThingKind.TAG,
    specs.LayerLink: ThingKind.LAYER_LINK,
    specs.SignatureLink: ThingKind.SIGNATURE_LINK,
    specs.RevisionLink: ThingKind.REVISION,
    specs.BlobData: ThingKind.BLOB,
}
_MAPPERS = {layout: PathMapper(layout) for layout in Layout}


@dataclass(frozen=True, slots=True)
class Thing:
    """One file of the tree: a link to ``digest`` (by its path; None for a tag), or that blob.

    ``repository`` is None for a blob, ``size`` in bytes, ``modified`` in seconds since the epoch
    by the storage's clock. Of two of one kind that with the lower ``rank`` goes first (an index
    before its children). ``target`` is what a link says, where its path does not.
    """

    kind: ThingKind
    path: str
    repository: RepositoryName | None
    digest: Digest | None
    size: int = 0
    modified: float = 0.0
    rank: int = 0
    target: Digest | None = None

    @property
    def stage(self) -> tuple[int, int]:
        """Its place in the order of removal: everything of a stage is gone before the next."""
        return _STAGES[self.kind], self.rank


def path_of(spec: specs.Spec, layout: Layout = Layout.CURRENT) -> str:
    """Where ``spec`` lies in a tree of ``layout``."""
    return _MAPPERS[layout].path(spec)


def spec_at(path: str) -> tuple[specs.Spec, Layout]:
    """What the file at ``path`` is, and in which layout; `Foreign` if it has no place in any."""
    for layout, mapper in _MAPPERS.items():
        spec = mapper.parse_file(path)
        if not isinstance(spec, specs.Foreign):
            return spec, layout
    return specs.Foreign(path), Layout.CURRENT


def thing_of(
    spec: specs.Spec, layout: Layout = Layout.CURRENT, size: int = 0, modified: float = 0.0
) -> Thing:
    """The thing at the place ``spec``, which must be that of one (`KINDS`)."""
    if isinstance(spec, specs.RevisionLink | specs.TagIndexEntryLink):
        digest: Digest | None = spec.revision
    elif isinstance(spec, specs.SignatureLink):
        digest = spec.signature
    else:
        digest = spec.digest if isinstance(spec, specs.BlobData | specs.LayerLink) else None
    name: RepositoryName | None = getattr(spec, "name", None)
    path = path_of(spec, layout)
    return Thing(KINDS[type(spec)], path, name, digest, size, modified)


def thing_at(path: str, size: int = 0, modified: float = 0.0) -> Thing | None:
    """The thing that the file at ``path`` is, in either layout; None if it is none."""
    spec, layout = spec_at(path)
    return thing_of(spec, layout, size, modified) if type(spec) in KINDS else None


def directories_of(thing: Thing) -> list[str]:
    """The directories that are the thing's own, to be removed if they are empty, inner ones first.

    Nothing above is: ``sha256``, the two digits of a blob and ``_layers`` stay, as Distribution's
    collector leaves them. A tag's whole directory goes with the link to what it names, since an
    empty one is a tag to a registry.
    """
    own = thing.path.rpartition("/")[0]
    if thing.kind is ThingKind.SIGNATURE_LINK:
        # Then the algorithm's, that of all signatures, and the revision's, whose link went before.
        found = [own]
        for _ in range(3):
            found.append(found[-1].rpartition("/")[0])
        return found
    if thing.kind is ThingKind.TAG:
        spec, layout = spec_at(thing.path)
        assert isinstance(spec, specs.TagCurrentLink)
        index = path_of(specs.TagIndex(spec.name, spec.tag), layout)
        algorithms = [f"{index}/{name}" for name in ("sha256", "sha384", "sha512")]
        tag = path_of(specs.TagDirectory(spec.name, spec.tag), layout)
        return [*algorithms, index, own, tag]
    return [own]


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be done to the file at ``path``."""

    path: str
    error: RegctlError


@dataclass(slots=True)
class Outcome:
    """What became of things: ``counts`` and ``bytes`` of those that were seen to be done.

    ``absent`` were gone already, by another's doing, and count for nothing; ``skipped`` were spared
    by the look before; ``held`` stay because something that leads to them does.
    """

    counts: dict[ThingKind, int] = field(default_factory=dict)
    bytes: int = 0
    absent: int = 0
    skipped: int = 0
    held: int = 0
    failures: list[Failure] = field(default_factory=list)

    def add(self, thing: Thing) -> None:
        """Count ``thing`` as done."""
        self.counts[thing.kind] = self.counts.get(thing.kind, 0) + 1
        self.bytes += thing.size

    def fail(self, path: str, error: RegctlError) -> None:
        """Count a failure."""
        self.failures.append(Failure(path, error))

    @property
    def done(self) -> int:
        """How many were done."""
        return sum(self.counts.values())
