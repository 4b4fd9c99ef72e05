"""Why a digest is kept, or what would let it go, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from regctl.digest import Digest
from regctl.drivers.base import Entry
from regctl.errors import NotFoundError
from regctl.layout import PathMapper, RepositoryName, specs
from regctl.maintenance.gc.survey import DEFAULT_GRACE, Policy
from regctl.maintenance.gc.times import IndexTimes, Times
from regctl.maintenance.inventory.content import Inventory, RepositoryContent
from regctl.maintenance.inventory.explaining import Chain, explain
from regctl.maintenance.inventory.reader import Reads


class DigestNotFoundError(NotFoundError):
    """Nothing of that digest is stored, linked or named by a manifest."""

    code = "digest-not-found"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a digest stands and what keeps it.

    ``blob`` is its data, None if there is none. ``chains`` are ways in which it is needed, not all
    of them if there are ``more``: from tags, and from revisions whether tagged or not. Unless
    ``is_tagged``, which says that it is needed also where tags alone count, it may go at
    ``free_at`` (epoch seconds): when it, its links, and what needs it are not young any more.
    """

    digest: Digest
    blob: Entry | None
    layers: tuple[RepositoryName, ...]
    revisions: tuple[RepositoryName, ...]
    chains: tuple[Chain, ...]
    more: bool
    is_tagged: bool
    free_at: float | None

    @property
    def collected_by(self) -> str | None:
        """The option of gc that lets it go; None if none does."""
        if self.is_tagged:
            return None
        return "--untagged" if self.chains or self.revisions else "--blobs"


def explain_standing(
    inventory: Inventory,
    reads: Reads,
    times: Times,
    digest: Digest,
    *,
    limit: int,
    grace: float = DEFAULT_GRACE,
) -> Standing:
    """Where ``digest`` stands, with at most ``limit`` ways in which it is needed.

    Raises `DigestNotFoundError`, and whatever ``reads`` and ``times`` raise.
    """
    number = inventory.table.find(digest)
    path = PathMapper().path(specs.BlobData(digest))
    blob = next(times.each([path]))
    names = IndexTimes(times, inventory.table)
    rules = Policy(grace=grace).rules(names, inventory.began)
    chains = list(islice(explain(inventory, reads, rules, digest), limit + 1))
    tagged = explain(inventory, reads, replace(rules, keep_untagged=False), digest)
    is_tagged = bool(chains) and next(tagged, None) is not None
    layers, revisions = _places(inventory, number)
    if blob is None and not chains and not layers and not revisions:
        raise DigestNotFoundError(f"nothing in the storage has or names {digest}")
    free_at = None
    if not is_tagged:
        roots = {(chain.repository, chain.links[0].digest) for chain in chains}
        free_at = _newest(inventory, times, digest, roots, blob) + grace
    return Standing(
        digest,
        blob,
        tuple(layers),
        tuple(revisions),
        tuple(chains[:limit]),
        len(chains) > limit,
        is_tagged,
        free_at,
    )


def _places(
    inventory: Inventory, number: int | None
) -> tuple[list[RepositoryName], list[RepositoryName]]:
    """The repositories that link it as a layer, and as a revision; by path or by content."""
    if number is None:
        return [], []
    layers, revisions = [], []
    for name, content in sorted(inventory.repositories.items()):
        if number in content.layers or number in content.layer_aliases.values():
            layers.append(name)
        if number in content.revisions or number in content.revision_aliases.values():
            revisions.append(name)
    return layers, revisions


def _newest(
    inventory: Inventory,
    times: Times,
    digest: Digest,
    roots: set[tuple[RepositoryName, Digest]],
    blob: Entry | None,
) -> float:
    """When it, a link to it, or a link to a revision that keeps it, was written last."""
    paths: list[str] = []
    for name, content in inventory.repositories.items():
        wanted = {digest, *(each for repository, each in roots if repository == name)}
        for each in wanted:
            paths += _links(inventory, content, each)
    found = [entry.modified for entry in times.each(paths) if entry is not None]
    if blob is not None:
        found.append(blob.modified)
    return max(found, default=0.0)


def _links(inventory: Inventory, content: RepositoryContent, digest: Digest) -> Iterator[str]:
    """The paths of all links to ``digest`` in a repository."""
    number, path = inventory.table.find(digest), PathMapper(content.layout).path
    table, name = inventory.table, content.name
    if number is None:
        return
    for at in content.layers:
        if number in (at, content.layer_aliases.get(at)):
            yield path(specs.LayerLink(name, table.digest(at)))
    for at in content.revisions:
        if number in (at, content.revision_aliases.get(at)):
            yield path(specs.RevisionLink(name, table.digest(at)))
    for tag, found in content.tags.items():
        if number in found.index:
            yield path(specs.TagIndexEntryLink(name, tag, digest))
    for revision, signatures in content.signatures.items():
        if number in signatures:
            yield path(specs.SignatureLink(name, table.digest(revision), digest))
