"""Healing: what is needed and in quarantine goes back to its place, and only then is any purged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from regctl.drivers.base import StorageDriver
from regctl.layout import specs
from regctl.maintenance.gc.guards import complete_scan
from regctl.maintenance.gc.quarantine import Purged, PutBack, heal, list_runs, purge
from regctl.maintenance.gc.runs import RunId
from regctl.maintenance.gc.sweep import blobs_in_use
from regctl.maintenance.gc.things import Thing, ThingKind, spec_at, thing_of
from regctl.maintenance.gc.view import Means, View, look
from regctl.maintenance.inventory.content import Inventory
from regctl.maintenance.inventory.marking import mark
from regctl.maintenance.inventory.marks import Marks
from regctl.maintenance.inventory.rules import Rules
from regctl.maintenance.inventory.table import NumberSet

#: A manifest that is put back names others: so often is looked again, at most.
_MOST_ROUNDS = 20


@contextmanager
def healed_look(
    driver: StorageDriver,
    means: Means,
    check: Callable[[], None],
    healed: PutBack,
    *,
    tag_indexes: bool = False,
) -> Iterator[View]:
    """The storage, as by `look`, after everything was put back from quarantine that anything in it
    needs, tagged or not: that is added to ``healed``.

    ``check`` is called before each batch. Raises `IncompleteScanError`, and what
    `regctl.maintenance.gc.quarantine.heal` raises.
    """
    for left in reversed(range(_MOST_ROUNDS)):
        with look(driver, means, tag_indexes=tag_indexes) as view:
            if not (list_runs(driver) and _heal(driver, view, check, healed) and left):
                yield view
                return


def _heal(driver: StorageDriver, view: View, check: Callable[[], None], healed: PutBack) -> bool:
    """Put back what ``view`` lacks; whether anything was."""
    with complete_scan():
        marks = mark(view.inventory, view.reads, Rules())
    back = heal(driver, list(missing(view, marks)), check)
    for kind, count in back.outcome.counts.items():
        healed.outcome.counts[kind] = healed.outcome.counts.get(kind, 0) + count
    healed.outcome.bytes += back.outcome.bytes
    healed.outcome.failures = back.outcome.failures
    healed.there += back.there
    healed.newer = back.newer
    return bool(back.outcome.done)


def missing(view: View, marks: Marks) -> Iterator[Thing]:
    """What is needed and is not there: blobs, and links that make them part of a repository."""
    inventory, digest = view.inventory, view.inventory.table.digest
    for number in marks.blobs:
        if number not in inventory.blobs:
            yield thing_of(specs.BlobData(digest(number)))
    for name, marked in marks.repositories.items():
        content = inventory.repositories[name]
        layers, revisions = NumberSet(content.layers), NumberSet(content.revisions)
        for number in marked.revisions:
            if number not in revisions:
                yield thing_of(specs.RevisionLink(name, digest(number)), content.layout)
        for number in marked.layers:
            if number not in layers:
                yield thing_of(specs.LayerLink(name, digest(number)), content.layout)


def purge_storage(
    driver: StorageDriver, means: Means, runs: Sequence[RunId], check: Callable[[], None]
) -> tuple[PutBack, list[Purged]]:
    """Remove for good what ``runs`` have in quarantine, after all that is needed was put back.

    Raises as `healed_look`: then nothing was removed.
    """
    healed = PutBack()
    with healed_look(driver, means, check, healed) as view:
        with complete_scan():
            marks = mark(view.inventory, view.reads, Rules())
        needed = _Needed(view.inventory, marks)
        return healed, [purge(driver, run, needed, check) for run in runs]


class _Needed:
    """Whether what is in quarantine is needed, by a marking of just now."""

    def __init__(self, inventory: Inventory, marks: Marks) -> None:
        self._table = inventory.table
        self._marks = marks
        self._blobs = blobs_in_use(inventory, marks)

    def __call__(self, thing: Thing) -> bool:
        number = None if thing.digest is None else self._table.find(thing.digest)
        if number is None:
            return False
        if thing.kind is ThingKind.BLOB:
            return number in self._blobs
        marked = None
        if thing.repository is not None:
            marked = self._marks.repositories.get(thing.repository)
        if marked is None:
            return False
        if thing.kind is ThingKind.LAYER_LINK:
            return number in marked.layers
        if thing.kind is ThingKind.SIGNATURE_LINK:
            spec, _ = spec_at(thing.path)
            signed = spec.revision if isinstance(spec, specs.SignatureLink) else thing.digest
            signed_number = None if signed is None else self._table.find(signed)
            return signed_number is not None and signed_number in marked.revisions
        return thing.kind is ThingKind.REVISION and number in marked.revisions
