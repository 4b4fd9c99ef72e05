"""Garbage: links, revisions and blobs that go, as numbers, and as things when asked for."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from regctl.digest import Digest
from regctl.layout import Layout, PathMapper, RepositoryName, Tag, specs
from regctl.maintenance.gc.things import Thing, ThingKind, thing_of
from regctl.maintenance.inventory.content import numbers
from regctl.maintenance.inventory.table import DigestTable


@dataclass(slots=True)
class RepositoryGarbage:
    """What goes in one repository, by number. ``ranks`` are those of ``revisions``, in the same
    order: an index has a lower one than its children."""

    name: RepositoryName
    layout: Layout
    layers: array[int] = field(default_factory=numbers)
    revisions: array[int] = field(default_factory=numbers)
    ranks: array[int] = field(default_factory=numbers)
    entries: dict[Tag, array[int]] = field(default_factory=dict)
    signatures: dict[int, array[int]] = field(default_factory=dict)
    #: What those links say that do not say their path: (is it a layer, number) to number.
    targets: dict[tuple[bool, int], int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.layers or self.revisions or self.signatures)


@dataclass(slots=True)
class Garbage:
    """All that goes: what nothing needs, and that is not young.

    ``blobs`` are numbers, ascending, ``sizes`` their bytes and ``modified`` their times, in the
    same order. ``young`` counts what nothing needs and is too young to go.
    """

    table: DigestTable
    repositories: dict[RepositoryName, RepositoryGarbage] = field(default_factory=dict)
    blobs: array[int] = field(default_factory=numbers)
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    modified: array[float] = field(default_factory=lambda: array("d"))
    young: dict[ThingKind, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The bytes of all blobs that go."""
        return sum(self.sizes)

    def count(self, kind: ThingKind) -> int:
        """How many things of one kind go."""
        if kind is ThingKind.BLOB:
            return len(self.blobs)
        return sum(_count(each, kind) for each in self.repositories.values())

    @property
    def total(self) -> int:
        """How many things of all kinds go."""
        return sum(map(self.count, ThingKind))

    def __bool__(self) -> bool:
        return bool(self.repositories or self.blobs)

    def things(self, *kinds: ThingKind) -> Iterator[Thing]:
        """What goes, of these ``kinds`` (all unless given), made as it is asked for.

        In the order in which it is to go, `Thing.stage`.
        """
        makers: dict[ThingKind, Callable[[], Iterator[Thing]]] = {
            ThingKind.INDEX_ENTRY: self._entries,
            ThingKind.LAYER_LINK: self._layers,
            ThingKind.REVISION: self._revisions,
            ThingKind.SIGNATURE_LINK: self._signatures,
            ThingKind.BLOB: self._blobs,
        }
        for kind, make in makers.items():
            if not kinds or kind in kinds:
                yield from make()

    def _entries(self) -> Iterator[Thing]:
        for each in self.repositories.values():
            for tag, entries in each.entries.items():
                for digest in map(self.table.digest, entries):
                    spec = specs.TagIndexEntryLink(each.name, tag, digest)
                    yield thing_of(spec, each.layout)

    def _layers(self) -> Iterator[Thing]:
        for each in self.repositories.values():
            path = PathMapper(each.layout).path
            for number in each.layers:
                digest = self.table.digest(number)
                where = path(specs.LayerLink(each.name, digest))
                target = self._target(each, True, number)
                yield Thing(ThingKind.LAYER_LINK, where, each.name, digest, target=target)

    def _revisions(self) -> Iterator[Thing]:
        last = max((max(each.ranks, default=0) for each in self.repositories.values()), default=0)
        for wanted in range(last + 1):
            for each in self.repositories.values():
                for number, rank in zip(each.revisions, each.ranks, strict=True):
                    if rank == wanted:
                        yield self._revision(each, number, rank)

    def _revision(self, each: RepositoryGarbage, number: int, rank: int) -> Thing:
        digest = self.table.digest(number)
        path = PathMapper(each.layout).path(specs.RevisionLink(each.name, digest))
        target = self._target(each, False, number)
        return Thing(ThingKind.REVISION, path, each.name, digest, rank=rank, target=target)

    def _signatures(self) -> Iterator[Thing]:
        for each in self.repositories.values():
            for revision, signatures in each.signatures.items():
                for digest in map(self.table.digest, signatures):
                    spec = specs.SignatureLink(each.name, self.table.digest(revision), digest)
                    yield thing_of(spec, each.layout)

    def _target(self, each: RepositoryGarbage, is_layer: bool, number: int) -> Digest | None:
        found = each.targets.get((is_layer, number))
        return None if found is None else self.table.digest(found)

    def _blobs(self) -> Iterator[Thing]:
        path = PathMapper().path
        found = zip(self.blobs, self.sizes, self.modified, strict=True)
        for number, size, modified in found:
            digest = self.table.digest(number)
            where = path(specs.BlobData(digest))
            yield Thing(ThingKind.BLOB, where, None, digest, size, modified)


def _count(each: RepositoryGarbage, kind: ThingKind) -> int:
    if kind is ThingKind.LAYER_LINK:
        return len(each.layers)
    if kind is ThingKind.REVISION:
        return len(each.revisions)
    if kind is ThingKind.INDEX_ENTRY:
        return sum(map(len, each.entries.values()))
    if kind is ThingKind.SIGNATURE_LINK:
        return sum(map(len, each.signatures.values()))
    return 0
