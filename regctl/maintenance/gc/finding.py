"""Finding what goes: what is not needed, less what is young and what a link that stays leads to."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

from regctl.layout import PathMapper, RepositoryName, specs
from regctl.maintenance.gc.garbage import Garbage, RepositoryGarbage
from regctl.maintenance.gc.things import ThingKind
from regctl.maintenance.gc.times import GONE, Times
from regctl.maintenance.inventory.content import Inventory, RepositoryContent, numbers
from regctl.maintenance.inventory.marks import Marks, Numbers, RepositoryMarks
from regctl.maintenance.inventory.reader import Reads
from regctl.maintenance.inventory.references import NumberedReferences
from regctl.maintenance.inventory.table import DigestTable, NumberSet


def find_revisions(
    inventory: Inventory, marks: Marks, times: Times, oldest: float
) -> tuple[dict[RepositoryName, list[int]], dict[RepositoryName, float]]:
    """Revisions that nothing needs and that are too young to be judged, by repository.

    Young is what has a link, its own or in the index of a tag, that was written after ``oldest``
    (epoch seconds), and what has gone since it was seen: somebody is at work there. The second
    result is the time of the newest revision that goes, for repositories where one does.
    """
    young: dict[RepositoryName, list[int]] = {}
    newest: dict[RepositoryName, float] = {}
    for name, content in inventory.repositories.items():
        unneeded = _unneeded(content.revisions, marks.repositories[name].revisions)
        if not unneeded:
            continue
        dated = _date_revisions(content, inventory.table, unneeded, times)
        found = [number for number, modified in dated.items() if modified > oldest]
        if found:
            young[name] = found
        old = [modified for modified in dated.values() if modified <= oldest]
        if old:
            newest[name] = max(old)
    return young, newest


def _date_revisions(
    content: RepositoryContent, table: DigestTable, unneeded: Iterable[int], times: Times
) -> dict[int, float]:
    """The time of the newest link to each revision; infinite if its own has gone."""
    path = PathMapper(content.layout).path
    asked: list[tuple[int, str, bool]] = []
    wanted = set(unneeded)
    for number in unneeded:
        link = specs.RevisionLink(content.name, table.digest(number))
        asked.append((number, path(link), True))
    for tag, found in content.tags.items():
        for number in found.index:
            if number in wanted:
                entry = specs.TagIndexEntryLink(content.name, tag, table.digest(number))
                asked.append((number, path(entry), False))
    root = path(specs.Manifests(content.name))
    known = 3 * len(content.revisions)
    modified, _ = times.all((each for _, each, _ in asked), len(asked), root, known)
    dated: dict[int, float] = {}
    for (number, _, is_own), time in zip(asked, modified, strict=True):
        has_gone = is_own and time == GONE
        dated[number] = max(dated.get(number, GONE), float("inf") if has_gone else time)
    return dated


def find_garbage(
    inventory: Inventory,
    marks: Marks,
    reads: Reads,
    times: Times,
    *,
    oldest: float,
    untagged: bool,
) -> Garbage:
    """What goes: what ``marks`` does not have, and whose links and own time are not young.

    Young is what was written after ``oldest`` (epoch seconds). The revisions among it must be in
    ``marks`` already (`find_revisions`), with what they name. A link that stays keeps its blob,
    whatever the reason why it stays. Without ``untagged`` no revision goes, nor what lies beside
    one.

    Raises whatever ``times`` raises: then nothing may be deleted.
    """
    garbage = Garbage(inventory.table)
    linked = NumberSet(inventory.vanished)
    for name, content in inventory.repositories.items():
        found = RepositoryGarbage(name, content.layout)
        marked = marks.repositories[name]
        found.layers = _unneeded(content.layers, marked.layers)
        if untagged:
            _find_revisions(found, content, marked, reads)
        _add_targets(found, content)
        links_that_stay(linked, found, content)
        if found:
            garbage.repositories[name] = found
    _keep_young_layers(garbage, inventory, linked, times, oldest)
    _find_blobs(garbage, inventory, marks, linked, times, oldest)
    return garbage


def _unneeded(present: Iterable[int], needed: Numbers) -> array[int]:
    return array("I", [number for number in present if number not in needed])


def _find_revisions(
    found: RepositoryGarbage, content: RepositoryContent, marked: RepositoryMarks, reads: Reads
) -> None:
    going = set(_unneeded(content.revisions, marked.revisions))
    ranks = _rank(going, reads)
    found.revisions = array("I", sorted(ranks, key=lambda number: (ranks[number], number)))
    found.ranks = array("I", [ranks[number] for number in found.revisions])
    for tag, named in content.tags.items():
        if entries := array("I", [each for each in named.index if each in going]):
            found.entries[tag] = entries
    # Also beside a revision whose link is gone: a removal that was cut short leaves that.
    for revision, signatures in content.signatures.items():
        if revision not in marked.revisions:
            found.signatures[revision] = signatures


def _add_targets(found: RepositoryGarbage, content: RepositoryContent) -> None:
    aliases = ((True, content.layer_aliases), (False, content.revision_aliases))
    for is_layer, said in aliases:
        going = set(found.layers if is_layer else found.revisions) if said else ()
        for path, target in said.items():
            if path in going and target is not None and target != path:
                found.targets[is_layer, path] = target


def _rank(going: set[int], reads: Reads) -> dict[int, int]:
    """A rank for each manifest, lower than those of all that it names (but in a circle)."""
    ordered: list[int] = []
    done: set[int] = set()
    for first in sorted(going):
        # By depth, each written down when all below it are; so the order is from below.
        pending = [(first, False)]
        while pending:
            number, is_left = pending.pop()
            if is_left:
                ordered.append(number)
            elif number not in done:
                done.add(number)
                pending.append((number, True))
                pending += [(each, False) for each in _children(number, reads) if each in going]
    ranks = dict.fromkeys(going, 0)
    for number in reversed(ordered):
        for child in _children(number, reads):
            if child in going and child != number:
                ranks[child] = min(max(ranks[child], ranks[number] + 1), len(going))
    return ranks


def _children(number: int, reads: Reads) -> Iterable[int]:
    found = reads(number)
    if not isinstance(found, NumberedReferences):
        return ()
    return (*found.children, *found.possible)


def links_that_stay(
    linked: NumberSet, found: RepositoryGarbage, content: RepositoryContent
) -> None:
    """Add to ``linked`` what the links of a repository lead to that do not go."""
    going = set(found.layers)
    staying = [number for number in content.layers if number not in going]
    linked.update(staying)
    linked.update(_said(content.layer_aliases, staying))
    going = set(found.revisions)
    staying = [number for number in content.revisions if number not in going]
    linked.update(staying)
    linked.update(_said(content.revision_aliases, staying))
    for revision, signatures in content.signatures.items():
        if revision not in found.signatures:
            linked.update(signatures)
    for tag in content.tags.values():
        if tag.current is not None:
            linked.add(tag.current)


def _said(aliases: dict[int, int | None], paths: Iterable[int]) -> Iterator[int]:
    """What the links say whose content is other than their path."""
    for path in paths if aliases else ():
        content = aliases.get(path)
        if content is not None:
            yield content


def _keep_young_layers(
    garbage: Garbage, inventory: Inventory, linked: NumberSet, times: Times, oldest: float
) -> None:
    """Take young layer links out, with the blobs to which they lead."""
    paths = (thing.path for thing in garbage.things(ThingKind.LAYER_LINK))
    count = garbage.count(ThingKind.LAYER_LINK)
    root = PathMapper().path(specs.Repositories())
    known = sum(_links_in(each) for each in inventory.repositories.values())
    modified, _ = times.all(paths, count, root, known)
    dated = iter(modified)
    for name, found in list(garbage.repositories.items()):
        old, kept = numbers(), []
        for number in found.layers:
            time = next(dated)
            if GONE < time <= oldest:
                old.append(number)
            else:
                # One that has gone counts as young: somebody is at work there.
                kept.append(number)
        if kept:
            aliases = inventory.repositories[name].layer_aliases
            linked.update(kept)
            linked.update(_said(aliases, kept))
            young = garbage.young
            young[ThingKind.LAYER_LINK] = young.get(ThingKind.LAYER_LINK, 0) + len(kept)
            found.layers = old
            if not found:
                del garbage.repositories[name]


def _links_in(content: RepositoryContent) -> int:
    return len(content.layers) + 3 * len(content.revisions)


def _find_blobs(
    garbage: Garbage,
    inventory: Inventory,
    marks: Marks,
    linked: NumberSet,
    times: Times,
    oldest: float,
) -> None:
    table = inventory.table
    needed = marks.blobs
    unneeded = array("I", [n for n in inventory.blobs if n not in needed and n not in linked])
    path = PathMapper().path
    paths = (path(specs.BlobData(table.digest(number))) for number in unneeded)
    found = times.all(paths, len(unneeded), path(specs.Blobs()), len(inventory.blobs))
    young = 0
    for number, modified, size in zip(unneeded, *found, strict=True):
        if modified == GONE:
            continue  # a directory without data, or one that went meanwhile
        if modified > oldest:
            young += 1
            continue
        garbage.blobs.append(number)
        garbage.sizes.append(size)
        garbage.modified.append(modified)
    if young:
        garbage.young[ThingKind.BLOB] = young
