"""Why something is needed: every way from a root to it, worked out on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from regctl.digest import Digest
from regctl.layout import RepositoryName, Tag
from regctl.maintenance.inventory.content import Inventory, RepositoryContent
from regctl.maintenance.inventory.marking import RepositoryMarking, RootKind, first_read
from regctl.maintenance.inventory.reader import Reads
from regctl.maintenance.inventory.references import NumberedReferences
from regctl.maintenance.inventory.rules import Rules
from regctl.maintenance.inventory.table import DigestTable, NumberSet


class Use(Enum):
    """What something is to what stands before it in a chain."""

    #: A manifest that is a root.
    MANIFEST = "manifest"
    #: A layer link that is a root.
    LAYER_LINK = "layer-link"
    #: An entry of an index.
    CHILD = "child"
    CONFIG = "config"
    LAYER = "layer"
    BLOB = "blob"
    #: A manifest that is about the one before it.
    REFERRER = "referrer"
    #: A signature beside a schema 1 manifest.
    SIGNATURE = "signature"
    #: The other name of the same link.
    ALIAS = "alias"


@dataclass(frozen=True, slots=True)
class Link:
    """One step of a chain: what is reached, and as what."""

    use: Use
    digest: Digest


@dataclass(frozen=True, slots=True)
class Chain:
    """A way from a root of one repository: by ``root``, and the ``tag`` if it is by one, to the
    first of ``links``, and from each of these to the next. No digest comes twice as the same."""

    repository: RepositoryName
    root: RootKind
    tag: Tag | None
    links: tuple[Link, ...]


#: The name of a manifest (False) or of a layer (True) in the repository.
_Node = tuple[bool, int]


def explain(inventory: Inventory, reads: Reads, rules: Rules, digest: Digest) -> Iterator[Chain]:
    """Every chain that keeps ``digest`` under ``rules``, none if nothing does; shortest first in
    each repository. There may be very many: take what is wanted.

    Raises whatever ``reads`` raises.
    """
    reads.read_with_children(first_read(inventory))
    number = inventory.table.find(digest)
    if number is None:
        return
    for content in inventory.repositories.values():
        yield from _Explanation(content, inventory.table, reads, rules).of(number)


class _Explanation:
    """The ways in one repository."""

    def __init__(
        self, content: RepositoryContent, table: DigestTable, reads: Reads, rules: Rules
    ) -> None:
        self._content = content
        self._table = table
        self._read = reads
        self._roots: dict[_Node, dict[tuple[RootKind, Tag | None], None]] = {}
        self._marking = RepositoryMarking(content, table, reads, rules, NumberSet(), self._note)
        self._above: dict[int, list[tuple[Use, _Node]]] = {}

    def _note(self, kind: RootKind, tag: Tag | None, number: int, is_layer: bool) -> None:
        self._roots.setdefault((is_layer, number), {})[kind, tag] = None

    def of(self, number: int) -> Iterator[Chain]:
        self._marking.run()
        targets = [(False, number)] if number in self._marking.revisions else []
        if number in self._marking.layers or self._signs(number):
            targets.append((True, number))
        if targets:
            self._index_manifests()
        for target in targets:
            yield from self._chains(target)

    def _signs(self, number: int) -> bool:
        return any(
            number in signatures
            for revision, signatures in self._content.signatures.items()
            if revision in self._marking.revisions
        )

    def _index_manifests(self) -> None:
        """Which manifests name which, among those that are needed."""
        needed = self._marking.revisions
        for number in needed:
            found = self._read(number)
            if isinstance(found, NumberedReferences):
                manifests = filter(self._marking.is_revision, found.possible)
                for child in (*found.children, *manifests):
                    self._add(child, Use.CHILD, number)
            for partner in self._marking.revision_partners.get(number, ()):
                self._add(partner, Use.ALIAS, number)
            for referrer in self._marking.referrers.get(number, ()):
                self._add(referrer, Use.REFERRER, number)

    def _add(self, number: int, use: Use, above: int) -> None:
        self._above.setdefault(number, []).append((use, (False, above)))

    def _chains(self, target: _Node) -> Iterator[Chain]:
        """By breadth, upwards; a way never comes to the same node again."""
        ways: list[tuple[_Node, tuple[tuple[Use, _Node], ...]]] = [(target, ())]
        while ways:
            longer = []
            for node, below in ways:
                for kind, tag in self._roots.get(node, ()):
                    yield self._chain(kind, tag, node, below)
                passed = {node, *(each for _, each in below)}
                for use, above in self._all_above(node):
                    # As a manifest it has these ways already.
                    is_known = use is Use.CHILD and node == target and node[0]
                    if above not in passed and not (is_known and node[1] in self._above):
                        longer.append((above, ((use, node), *below)))
            ways = longer

    def _chain(
        self, kind: RootKind, tag: Tag | None, root: _Node, below: tuple[tuple[Use, _Node], ...]
    ) -> Chain:
        steps = ((Use.LAYER_LINK if root[0] else Use.MANIFEST, root), *below)
        links = tuple(Link(use, self._table.digest(number)) for use, (_, number) in steps)
        return Chain(self._content.name, kind, tag, links)

    def _all_above(self, node: _Node) -> list[tuple[Use, _Node]]:
        is_layer, number = node
        if not is_layer:
            return self._above.get(number, [])
        above: list[tuple[Use, _Node]] = [
            (Use.ALIAS, (True, partner))
            for partner in self._marking.layer_partners.get(number, ())
            if partner in self._marking.layers
        ]
        for manifest in self._marking.revisions:
            use = self._use(manifest, number)
            if use is not None:
                above.append((use, (False, manifest)))
        return above

    def _use(self, manifest: int, number: int) -> Use | None:
        """What the blob ``number`` is to a manifest; None if nothing."""
        if number in self._content.signatures.get(manifest, ()):
            return Use.SIGNATURE
        found = self._read(manifest)
        if not isinstance(found, NumberedReferences):
            return None
        uses = (
            (Use.CONFIG, found.configs),
            (Use.LAYER, found.layers),
            (Use.LAYER, found.foreign),
            (Use.BLOB, found.blobs),
            (Use.CHILD, found.possible),
            (Use.CHILD, found.children),
        )
        return next((use for use, numbers in uses if number in numbers), None)
