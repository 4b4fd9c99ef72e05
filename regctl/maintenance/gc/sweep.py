"""Removing garbage: links and revisions, a second look at everything, and then blobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.errors import UnsafeError
from regctl.layout import PathMapper, RepositoryName, specs
from regctl.maintenance.gc.garbage import Garbage
from regctl.maintenance.gc.guards import complete_scan
from regctl.maintenance.gc.lock import Lock
from regctl.maintenance.gc.removal import Remover
from regctl.maintenance.gc.runs import RunId
from regctl.maintenance.gc.things import Outcome, Thing, ThingKind
from regctl.maintenance.gc.times import Times
from regctl.maintenance.gc.view import Means, View, look
from regctl.maintenance.inventory.content import Inventory
from regctl.maintenance.inventory.marking import mark
from regctl.maintenance.inventory.marks import Marks
from regctl.maintenance.inventory.reader import Reads
from regctl.maintenance.inventory.references import NumberedReferences
from regctl.maintenance.inventory.rules import Rules
from regctl.maintenance.inventory.table import NumberSet
from regctl.registry.links import write_link

#: What leads to blobs, and goes before them.
LINKS = (
    ThingKind.INDEX_ENTRY,
    ThingKind.LAYER_LINK,
    ThingKind.REVISION,
    ThingKind.SIGNATURE_LINK,
)


class TooMuchError(UnsafeError):
    """More would go than was said to be normal."""

    code = "too-much"


@dataclass(frozen=True, slots=True)
class MaxDelete:
    """How many blobs may go at most: ``count`` of them, or ``percent`` of all."""

    count: int | None = None
    percent: float = 50.0

    def check(self, garbage: Garbage, inventory: Inventory) -> None:
        """Raise `TooMuchError` if more would go."""
        going, known = len(garbage.blobs), len(inventory.blobs)
        limit = known * self.percent / 100 if self.count is None else self.count
        if going > limit:
            said = f"{self.percent:g}%" if self.count is None else str(self.count)
            raise TooMuchError(
                f"{going} of {known} blobs would go, and no more than {said} may",
                hint="if that is right, give --max-delete 100% (or another limit)",
            )


@dataclass(slots=True)
class Swept:
    """What was done: ``outcome`` of all that was to go, ``mended`` links that were written again
    because somebody came to need them meanwhile, and ``spared`` blobs for the same reason."""

    outcome: Outcome
    mended: int = 0
    spared: int = 0
    #: Whether something was left because the time was up.
    is_cut_short: bool = False


class Sweep:
    """The removal of garbage from a storage: to the quarantine of ``run``, or outright if None.

    ``lock`` is checked before each batch. Once ``is_over``, nothing more is begun. Use it once.
    """

    def __init__(
        self,
        driver: StorageDriver,
        means: Means,
        lock: Lock,
        run: RunId | None = None,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._driver = driver
        self._means = means
        self._lock = lock
        self._run = run
        self._is_over = is_over

    def sweep(self, view: View, garbage: Garbage, oldest: float) -> Swept:
        """Remove ``garbage``, which was found in ``view``, as far as it is still as it was found.

        ``oldest`` is the time (epoch seconds) after which nothing that goes was written. First the
        links and revisions; then everything is looked at a second time, and what anybody came to
        need meanwhile, or still has a link to, stays: links that it needs are written again. Then
        the blobs.

        Raises `IncompleteScanError` if the second look is not at everything: no blob was removed
        then. Single failures are in the outcome.
        """
        again = _Again(view.times, self._lock, oldest)
        remover = Remover(
            self._driver,
            again,
            run=self._run,
            needs=_needs(view.inventory, view.reads),
            jobs=view.times.jobs,
        )
        swept = Swept(remover.outcome)
        remover.remove(self._in_time(garbage.things(*LINKS), swept))
        if not garbage:
            return swept
        self._lock.check()
        # In the same numbers, so that what was garbage can be told from what is needed now.
        with look(self._driver, self._means, table=garbage.table) as second:
            needed = self._look_again(second, garbage, swept)
            remover.remove(self._in_time(_unused(garbage, needed, swept), swept))
        return swept

    def _in_time(self, things: Iterable[Thing], swept: Swept) -> Iterator[Thing]:
        """Those of ``things`` for which there is time."""
        for thing in things:
            if swept.is_cut_short or self._is_over():
                swept.is_cut_short = True
                return
            self._means.progress(1)
            yield thing

    def _look_again(self, second: View, garbage: Garbage, swept: Swept) -> NumberSet:
        """The blobs that are needed now, with every link mended that what is needed lacks."""
        with complete_scan():
            marks = mark(second.inventory, second.reads, Rules())
        swept.mended = _mend(self._driver, second.inventory, marks, garbage)
        return blobs_in_use(second.inventory, marks)


def blobs_in_use(inventory: Inventory, marks: Marks) -> NumberSet:
    """The blobs that are needed, and those to which any link leads, needed or not."""
    used = NumberSet(marks.blobs)
    used.update(inventory.vanished)
    for content in inventory.repositories.values():
        used.update(content.layers)
        used.update(content.revisions)
        for aliases in (content.layer_aliases, content.revision_aliases):
            used.update(each for each in aliases.values() if each is not None)
        for signatures in content.signatures.values():
            used.update(signatures)
    return used


def _unused(garbage: Garbage, used: NumberSet, swept: Swept) -> Iterator[Thing]:
    """The blobs that go and that nothing has come to use."""
    for number, thing in zip(garbage.blobs, garbage.things(ThingKind.BLOB), strict=True):
        if number in used:
            swept.spared += 1
        else:
            yield thing


def _mend(driver: StorageDriver, inventory: Inventory, marks: Marks, garbage: Garbage) -> int:
    """Write those links again that went and that somebody came to need meanwhile; how many."""
    mended = 0
    digest_of = garbage.table.digest
    for name, gone in garbage.repositories.items():
        content, path = inventory.repositories.get(name), PathMapper(gone.layout).path
        if content is None:
            continue
        marked = marks.repositories[name]
        for is_layer, went, there, needed in (
            (True, gone.layers, NumberSet(content.layers), marked.layers),
            (False, gone.revisions, NumberSet(content.revisions), marked.revisions),
        ):
            for number in went:
                if number in needed and number not in there:
                    target = gone.targets.get((is_layer, number), number)
                    spec = _link(name, digest_of(number), is_layer)
                    write_link(driver, path(spec), digest_of(target))
                    mended += 1
    return mended


def _link(name: RepositoryName, digest: Digest, is_layer: bool) -> specs.Spec:
    return specs.LayerLink(name, digest) if is_layer else specs.RevisionLink(name, digest)


def _needs(inventory: Inventory, reads: Reads) -> Callable[[Thing], Iterable[Digest]]:
    """What a thing that stays after all needs besides what its link says."""
    table = inventory.table

    def needed(thing: Thing) -> Iterable[Digest]:
        if thing.kind is not ThingKind.REVISION or thing.digest is None:
            return ()
        number = table.find(thing.target or thing.digest)
        found = None if number is None else reads(number)
        if not isinstance(found, NumberedReferences):
            return ()
        named = [*found.children, *found.possible]
        for leaves in found.leaves():
            named += leaves
        return map(table.digest, named)

    return needed


class _Again:
    """The look right before a batch goes: what of it is still there, and as old as it was."""

    def __init__(self, times: Times, lock: Lock, oldest: float) -> None:
        self._times = times
        self._lock = lock
        self._oldest = oldest

    def __call__(self, batch: Sequence[Thing]) -> Iterable[Thing]:
        self._lock.check()
        found = self._times.each(thing.path for thing in batch)
        for thing, entry in zip(batch, found, strict=True):
            if entry is None or entry.modified > self._oldest:
                continue
            # A listing may tell fractions of a second where an answer about one file does not.
            if thing.kind is ThingKind.BLOB and abs(entry.modified - thing.modified) >= 1:
                continue
            yield thing
