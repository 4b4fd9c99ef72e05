"""The quarantine: what runs took away, listed, put back, and at last removed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from regctl.drivers.base import Entry, Kind, StorageDriver
from regctl.errors import PathNotFoundError, RegctlError, UnavailableError
from regctl.layout import own, specs
from regctl.maintenance.gc.putback import Returned, put_back
from regctl.maintenance.gc.runs import RunId, parse_or_none
from regctl.maintenance.gc.things import Outcome, Thing, ThingKind, path_of, thing_at

#: Is called before each batch of what cannot be undone: it checks the lock.
Check = Callable[[], None]
#: Whether something in the quarantine is referenced, as a marking just now found.
Needed = Callable[[Thing], bool]

_BATCH = 500
#: Things that are looked for by asking for each; more are looked for by listing.
_ASKED = 100
#: Blobs first, then what leads to them, and tags last.
_BACK = (
    (ThingKind.BLOB,),
    (ThingKind.REVISION, ThingKind.SIGNATURE_LINK),
    (ThingKind.LAYER_LINK,),
    (ThingKind.INDEX_ENTRY,),
    (ThingKind.TAG,),
)


@dataclass(slots=True)
class PutBack:
    """What was put back. ``there`` counts what was in its place already, ``newer`` are the paths
    where something else is now, which stays."""

    outcome: Outcome = field(default_factory=Outcome)
    there: int = 0
    newer: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Purged:
    """What a purge put back because it is referenced, and what it removed for good."""

    back: PutBack = field(default_factory=PutBack)
    removed: Outcome = field(default_factory=Outcome)


def list_runs(driver: StorageDriver) -> list[RunId]:
    """The runs that have something in quarantine, the oldest first. A run's age is that of
    `RunId.began`: what lies there may be older by years."""
    try:
        entries = driver.list(own.QUARANTINE)
    except PathNotFoundError:
        return []
    found = (parse_or_none(entry.name) for entry in entries if entry.kind is Kind.DIRECTORY)
    return sorted(run for run in found if run is not None)


def contents(driver: StorageDriver, run: RunId) -> Iterator[Thing]:
    """All that is in quarantine of ``run``, each at the path that it was taken from."""
    prefix = own.quarantine(str(run))
    for entry in _files(driver, prefix):
        thing = thing_at(entry.path.removeprefix(prefix), entry.size, entry.modified)
        if thing is not None:
            yield thing


def count(driver: StorageDriver, run: RunId) -> Outcome:
    """How many things of each kind, and how many bytes, are in quarantine of ``run``."""
    found = Outcome()
    for thing in contents(driver, run):
        found.add(thing)
    return found


def restore(driver: StorageDriver, run: RunId, check: Check) -> PutBack:
    """Put back all that ``run`` took away: blobs, revisions, layer links, tags.

    A single failure is counted and named, and what would lead to nothing without it stays in
    quarantine. Raises what ``check`` raises, and `UnavailableError` when the storage is gone.
    """
    back = PutBack()
    for kinds in _BACK:
        _return(driver, run, _of_kinds(driver, run, kinds), check, back)
    _tidy(driver, run)
    return back


def heal(driver: StorageDriver, missing: Collection[Thing], check: Check) -> PutBack:
    """Put back those of ``missing`` that are in quarantine of any run: of the newest that has it
    whole. What is in none is not an error here."""
    back = PutBack()
    found = _find(driver, missing) if missing else {}
    for kinds in _BACK:
        for thing in missing:
            if thing.kind in kinds:
                _heal(driver, thing, found.get(thing.path, ()), check, back)
    for run in {run for runs in found.values() for run, _ in runs}:
        _tidy(driver, run)
    return back


def purge(driver: StorageDriver, run: RunId, needed: Needed, check: Check) -> Purged:
    """Remove what is in quarantine of ``run`` for good, but for what is ``needed``: that is put
    back before anything is removed.

    ``needed`` is asked for everything there, and must know of a marking of just now. What is needed
    and cannot be put back stays. Raises as `restore`.
    """
    purged = Purged()
    kept: set[str] = set()
    for kinds in _BACK:
        things = [thing for thing in _of_kinds(driver, run, kinds) if needed(thing)]
        _return(driver, run, things, check, purged.back)
    kept.update(failure.path for failure in purged.back.outcome.failures)
    kept.update(purged.back.newer)
    prefix = own.quarantine(str(run))
    batch: list[Entry] = []
    for entry in _files(driver, prefix):
        if entry.path.removeprefix(prefix) not in kept:
            batch.append(entry)
        if len(batch) >= _BATCH:
            _delete(driver, run, batch, check, purged.removed)
            batch = []
    _delete(driver, run, batch, check, purged.removed)
    _tidy(driver, run)
    return purged


def _files(driver: StorageDriver, path: str) -> Iterator[Entry]:
    with suppress(PathNotFoundError):
        for entry in driver.walk(path):
            if entry.kind is Kind.FILE:
                yield entry


def _of_kinds(driver: StorageDriver, run: RunId, kinds: Collection[ThingKind]) -> list[Thing]:
    """What of these kinds is in quarantine of ``run``, as it is now."""
    top = specs.Blobs() if ThingKind.BLOB in kinds else specs.Repositories()
    prefix = own.quarantine(str(run))
    found = (
        thing_at(entry.path.removeprefix(prefix), entry.size, entry.modified)
        for entry in _files(driver, own.quarantined(str(run), path_of(top)))
    )
    return sorted(
        (thing for thing in found if thing is not None and thing.kind in kinds),
        key=lambda thing: thing.path,
    )


def _return(
    driver: StorageDriver, run: RunId, things: Collection[Thing], check: Check, back: PutBack
) -> None:
    for number, thing in enumerate(things):
        if not number % _BATCH or thing.kind is ThingKind.BLOB:
            check()
        try:
            _count(back, thing, put_back(driver, run, thing))
        except PathNotFoundError:
            back.outcome.absent += 1
        except UnavailableError as error:
            back.outcome.fail(thing.path, error)
            _require_storage(driver)
        except RegctlError as error:
            back.outcome.fail(thing.path, error)


def _count(back: PutBack, thing: Thing, returned: Returned) -> None:
    if returned is Returned.RESTORED:
        back.outcome.add(thing)
    elif returned is Returned.THERE:
        back.there += 1
    else:
        back.newer.append(thing.path)


def _require_storage(driver: StorageDriver) -> None:
    """Raise `UnavailableError` if the storage is gone, and not one file of it."""
    try:
        driver.list("/")
    except UnavailableError:
        raise
    except RegctlError:
        return


_Found = dict[str, list[tuple[RunId, int]]]


def _find(driver: StorageDriver, missing: Collection[Thing]) -> _Found:
    """By path, the runs that have it in quarantine, the newest first, and its bytes there."""
    found: _Found = {}
    wanted = {thing.path for thing in missing}
    for run in reversed(list_runs(driver)):
        prefix = own.quarantine(str(run))
        if len(wanted) > _ASKED:
            for entry in _files(driver, prefix):
                path = entry.path.removeprefix(prefix)
                if path in wanted:
                    found.setdefault(path, []).append((run, entry.size))
            continue
        for path in sorted(wanted):
            with suppress(PathNotFoundError):
                entry = driver.stat(own.quarantined(str(run), path), files_only=True)
                found.setdefault(path, []).append((run, entry.size))
    return found


def _heal(
    driver: StorageDriver,
    thing: Thing,
    runs: Collection[tuple[RunId, int]],
    check: Check,
    back: PutBack,
) -> None:
    failed: list[RegctlError] = []
    for run, size in runs:
        check()
        try:
            returned = put_back(driver, run, thing)
        except PathNotFoundError:
            continue
        except RegctlError as error:
            if isinstance(error, UnavailableError):
                _require_storage(driver)
            failed.append(error)
            continue
        if returned is Returned.RESTORED:
            back.outcome.counts[thing.kind] = back.outcome.counts.get(thing.kind, 0) + 1
            back.outcome.bytes += size
        else:
            _count(back, thing, returned)
        return
    if failed:
        back.outcome.fail(thing.path, failed[0])


def _delete(
    driver: StorageDriver, run: RunId, batch: list[Entry], check: Check, outcome: Outcome
) -> None:
    if not batch:
        return
    check()
    prefix = own.quarantine(str(run))
    by_path = {entry.path: entry for entry in batch}
    unavailable = 0
    for path, error in driver.delete_many(by_path):
        entry, taken_from = by_path[path], path.removeprefix(prefix)
        if error is not None:
            unavailable += isinstance(error, UnavailableError)
            outcome.fail(taken_from, error)
            continue
        thing = thing_at(taken_from, entry.size, entry.modified)
        if thing is not None:
            outcome.add(thing)
    if unavailable == len(batch):
        _require_storage(driver)


def _tidy(driver: StorageDriver, run: RunId) -> None:
    """Remove what a kill left half copied, and the directories of ``run`` that are empty now."""
    for root in (own.restoring(str(run)), own.quarantine(str(run))):
        try:
            entries = list(driver.walk(root, stat=False))
        except PathNotFoundError:
            continue
        if root == own.restoring(str(run)):
            for path, error in driver.delete_many(
                entry.path for entry in entries if entry.kind is Kind.FILE
            ):
                assert path
                if error is not None:
                    raise error
        directories = [entry.path for entry in entries if entry.kind is Kind.DIRECTORY]
        for path in sorted(directories, key=len, reverse=True):
            driver.rmdir(path)
        driver.rmdir(root)
