"""Taking things away, in the one order that never leaves a link to what is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby, islice

from regctl.digest import Digest
from regctl.drivers.base import Kind, StorageDriver
from regctl.errors import DeniedError, PathNotFoundError, RegctlError, UnavailableError
from regctl.layout import Layout, RepositoryName, own, specs
from regctl.maintenance.gc.runs import RunId
from regctl.maintenance.gc.things import Outcome, Thing, ThingKind, directories_of, path_of

#: So many things are looked at again, and then removed, at a time.
BATCH = 500

#: Is shown each batch right before it is removed, and gives those of it that may go. It checks the
#: lock, and looks again at whatever could have changed.
Before = Callable[[Sequence[Thing]], Iterable[Thing]]
#: What else must stay if a thing cannot be removed.
Needs = Callable[[Thing], Iterable[Digest]]


def _nothing(_thing: Thing) -> Iterable[Digest]:
    return ()


class Remover:
    """Removes things: to the quarantine of ``run``, or outright where that is None.

    ``outcome`` tells of all that it did. It is idempotent: what is absent was done by another, or
    by the run that is being gone on with.
    """

    def __init__(
        self,
        driver: StorageDriver,
        before: Before,
        *,
        run: RunId | None = None,
        needs: Needs = _nothing,
        jobs: int = 1,
        batch: int = BATCH,
    ) -> None:
        self._driver = driver
        self._before = before
        self._run = run
        self._needs = needs
        self._jobs = jobs
        self._batch = batch
        self._last = (-1, 0)
        #: What something leads to that could not be removed: in its repository, and as blobs.
        self._held: set[tuple[RepositoryName | None, Digest]] = set()
        self._held_blobs: set[Digest] = set()
        self.outcome = Outcome()

    def remove(self, things: Iterable[Thing]) -> None:
        """Remove ``things``, which come in the order of `Thing.stage`; it may be called again with
        those that follow.

        One that fails is counted and named, and what it leads to is kept. Raises `ValueError` if
        the order is another, whatever the look before raises, and `UnavailableError` when the
        storage is gone: nothing more is removed then.
        """
        for stage, group in groupby(things, key=lambda thing: thing.stage):
            if stage < self._last:
                raise ValueError("what leads to other things is removed before them")
            self._last = stage
            for batch in _batches(group, self._batch):
                self._remove(batch)

    def _remove(self, batch: Sequence[Thing]) -> None:
        going = []
        for thing in batch:
            if self._is_held(thing):
                # A link that could not be removed would lead to nothing.
                self.outcome.held += 1
                self._hold(thing)
            else:
                going.append(thing)
        permitted = list(self._before(going)) if going else []
        self.outcome.skipped += len(going) - len(permitted)
        for thing in _others(going, permitted):
            self._hold(thing)
        work = self._delete if self._run is None else self._move
        unavailable = 0
        for thing, error in work(permitted):
            if error is None:
                self.outcome.add(thing)
            elif isinstance(error, PathNotFoundError):
                self.outcome.absent += 1
            else:
                unavailable += isinstance(error, UnavailableError)
                self.outcome.fail(thing.path, error)
                self._hold(thing)
                continue
            self._tidy(thing)
        if unavailable and unavailable == len(permitted):
            self._require_storage()

    def _is_held(self, thing: Thing) -> bool:
        digest = thing.digest
        if digest is None:
            return False
        if thing.kind is ThingKind.BLOB:
            return digest in self._held_blobs
        return (thing.repository, digest) in self._held

    def _hold(self, thing: Thing) -> None:
        named = {each for each in (thing.digest, thing.target) if each is not None}
        named.update(self._needs(thing))
        self._held.update((thing.repository, each) for each in named)
        self._held_blobs |= named

    def _delete(self, batch: Sequence[Thing]) -> Iterator[tuple[Thing, RegctlError | None]]:
        by_path = {thing.path: thing for thing in batch}
        for path, error in self._driver.delete_many(by_path):
            yield by_path[path], error

    def _move(self, batch: Sequence[Thing]) -> Iterator[tuple[Thing, RegctlError | None]]:
        assert self._run is not None
        move = partial(_quarantine, self._driver, str(self._run))
        if self._jobs < 2 or len(batch) < 2:
            for thing in batch:
                yield thing, move(thing)
            return
        with ThreadPoolExecutor(self._jobs) as pool:
            yield from zip(batch, pool.map(move, batch), strict=True)

    def _tidy(self, thing: Thing) -> None:
        """Remove the directories of a thing that is gone, as far as they are empty."""
        for path in directories_of(thing):
            try:
                self._driver.rmdir(path)
            except RegctlError as error:
                self.outcome.fail(path, error)
                return

    def _require_storage(self) -> None:
        """Raise `UnavailableError` if it is not the things that fail, but the storage."""
        try:
            self._driver.now()
        except DeniedError:
            return


def _quarantine(driver: StorageDriver, run: str, thing: Thing) -> RegctlError | None:
    path = thing.path
    try:
        driver.move(path, own.quarantined(run, path))
    except RegctlError as error:
        return error
    return None


def _batches(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    left = iter(things)
    while batch := list(islice(left, size)):
        yield batch


def _others(all_: Sequence[Thing], some: Sequence[Thing]) -> Iterator[Thing]:
    chosen = {id(thing) for thing in some}
    return (thing for thing in all_ if id(thing) not in chosen)


def remove_empty_repository(driver: StorageDriver, name: RepositoryName) -> bool:
    """Remove the directories of a repository of the current layout in which there is no file;
    whether nothing of it is left.

    By rmdir alone, so that whatever comes meanwhile stays, and with it what is above. A repository
    of which files are left, or a symlink, is not touched. Repositories inside its directory are
    others, and stay.
    """
    markers = [
        path_of(spec(name), Layout.CURRENT)
        for spec in (specs.Uploads, specs.Layers, specs.Manifests)
    ]
    directories: list[str] = []
    for marker in markers:
        try:
            for entry in driver.walk(marker, stat=False):
                if entry.kind is not Kind.DIRECTORY:
                    return False
                directories.append(entry.path)
        except PathNotFoundError:
            continue
        directories.append(marker)
    for path in sorted(directories, key=len, reverse=True):
        driver.rmdir(path)
    driver.rmdir(path_of(specs.RepositoryDirectory(name), Layout.CURRENT))
    return not any(_is_there(driver, marker) for marker in markers)


def _is_there(driver: StorageDriver, path: str) -> bool:
    try:
        driver.stat(path)
    except PathNotFoundError:
        return False
    return True
