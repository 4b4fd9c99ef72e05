"""Live collections: of what is garbage now, that which an earlier run found to be garbage too."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from regctl.drivers.base import StorageDriver
from regctl.layout import RepositoryName
from regctl.maintenance.gc.condemned import CondemnedList, Section, sections_of
from regctl.maintenance.gc.finding import links_that_stay
from regctl.maintenance.gc.garbage import Garbage, RepositoryGarbage
from regctl.maintenance.gc.survey import Policy, Survey
from regctl.maintenance.gc.things import Thing, ThingKind
from regctl.maintenance.gc.times import IndexTimes
from regctl.maintenance.gc.view import View
from regctl.maintenance.inventory.content import RepositoryContent
from regctl.maintenance.inventory.marking import mark
from regctl.maintenance.inventory.table import DigestTable, NumberSet


@dataclass(slots=True)
class Condemned:
    """What a list has, as numbers of one table. What lies beside a revision goes with it."""

    blobs: NumberSet = field(default_factory=NumberSet)
    layers: dict[RepositoryName, set[int]] = field(default_factory=dict)
    revisions: dict[RepositoryName, set[int]] = field(default_factory=dict)
    #: Revisions with links to their signatures.
    signed: dict[RepositoryName, set[int]] = field(default_factory=dict)


def load(found: CondemnedList, driver: StorageDriver, table: DigestTable) -> Condemned:
    """The list ``found``. Raises `DamagedError` if it is not whole, and other `StorageError`."""
    condemned = Condemned()
    for section in found.sections(driver):
        numbers = array("I", map(table.number, section.digests()))
        name = section.repository
        if name is None:
            condemned.blobs.update(numbers)
        elif section.kind is ThingKind.LAYER_LINK:
            condemned.layers.setdefault(name, set()).update(numbers)
        elif section.kind is ThingKind.REVISION:
            condemned.revisions.setdefault(name, set()).update(numbers)
        elif section.kind is ThingKind.SIGNATURE_LINK and section.revision is not None:
            condemned.signed.setdefault(name, set()).add(table.number(section.revision))
    return condemned


def restrict(view: View, survey: Survey, policy: Policy, condemned: Condemned) -> Garbage:
    """What of the survey's garbage was condemned.

    What was not is kept as if it were needed: a revision with all that it names, a layer link with
    its blob. No time is asked again.
    """
    inventory, every = view.inventory, survey.garbage
    nothing: set[int] = set()
    allowed = {
        name: condemned.revisions.get(name, nothing).intersection(each.revisions)
        for name, each in every.repositories.items()
    }

    def keep_also(content: RepositoryContent) -> Iterable[int]:
        may_go = allowed.get(content.name, nothing)
        return [number for number in content.revisions if number not in may_go]

    rules = policy.rules(IndexTimes(view.times, inventory.table), survey.now)
    marks = mark(inventory, view.reads, replace(rules, keep_also=keep_also))
    garbage = Garbage(inventory.table)
    used = NumberSet(inventory.vanished)
    for name, content in inventory.repositories.items():
        found = RepositoryGarbage(name, content.layout)
        whole = every.repositories.get(name)
        if whole is not None:
            marked = marks.repositories[name]
            layers = condemned.layers.get(name, nothing)
            found.layers = array(
                "I", [n for n in whole.layers if n in layers and n not in marked.layers]
            )
            going = {n for n in allowed[name] if n not in marked.revisions}
            signed = going | condemned.signed.get(name, nothing).difference(content.revisions)
            _choose_revisions(found, whole, going, signed)
        links_that_stay(used, found, content)
        if found:
            garbage.repositories[name] = found
    for number, size, modified in zip(every.blobs, every.sizes, every.modified, strict=True):
        if number in condemned.blobs and number not in marks.blobs and number not in used:
            garbage.blobs.append(number)
            garbage.sizes.append(size)
            garbage.modified.append(modified)
    return garbage


def _choose_revisions(
    found: RepositoryGarbage, whole: RepositoryGarbage, going: set[int], signed: set[int]
) -> None:
    """Of ``whole`` the revisions ``going``, with what lies beside them."""
    for number, rank in zip(whole.revisions, whole.ranks, strict=True):
        if number in going:
            found.revisions.append(number)
            found.ranks.append(rank)
    for tag, entries in whole.entries.items():
        if chosen := array("I", [number for number in entries if number in going]):
            found.entries[tag] = chosen
    found.signatures = {each: whole.signatures[each] for each in whole.signatures if each in signed}
    found.targets = whole.targets


def new_sections(every: Garbage, swept: Garbage) -> Iterator[Section]:
    """What is garbage and was not swept: the list that this run keeps for a later one."""
    return sections_of(_others(every, swept))


def _others(every: Garbage, swept: Garbage) -> Iterator[Thing]:
    gone = NumberSet(swept.blobs)
    for name, each in every.repositories.items():
        less = swept.repositories.get(name)
        rest = each if less is None else _without(each, less)
        if rest:
            yield from Garbage(every.table, {name: rest}).things()
    for number, thing in zip(every.blobs, every.things(ThingKind.BLOB), strict=True):
        if number not in gone:
            yield thing


def _without(each: RepositoryGarbage, less: RepositoryGarbage) -> RepositoryGarbage:
    rest = RepositoryGarbage(each.name, each.layout)
    layers, revisions = set(less.layers), set(less.revisions)
    rest.layers = array("I", [number for number in each.layers if number not in layers])
    left = set(each.revisions) - revisions
    signed = set(each.signatures).difference(less.signatures)
    _choose_revisions(rest, each, left, signed)
    return rest
