"""Things go in one order, what fails is named, and what it leads to stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.drivers.forwarding import ForwardingDriver
from regctl.errors import (
    DeniedError,
    PathNotFoundError,
    RegctlError,
    UnavailableError,
)
from regctl.layout import RepositoryName, own, specs
from regctl.maintenance.gc.lock import LockLostError
from regctl.maintenance.gc.removal import Remover, remove_empty_repository
from regctl.maintenance.gc.runs import RunId
from regctl.maintenance.gc.things import Outcome, Thing, ThingKind, thing_at, thing_of
from regctl.registry.removal import plan_removal
from regctl.registry.tagging import push_manifest
from tests import schema1
from tests.images import build_image
from tests.maintenance.gc.storing import RUN, Storages, kill_at_every_step
from tests.registry.storages import (
    LATEST,
    NAME,
    PATHS,
    assert_sound,
    digest_of,
    fill,
    push,
    push_image,
    snapshot,
)

GONE, KEPT = build_image(1, layers=2, size=100), build_image(2, layers=1, size=100)
LAYER = b"a layer of schema 1"
SIGNED = schema1.signed_by(schema1.payload_of(str(NAME), "old", [digest_of(LAYER)]), schema1.EC256)


def prepare(driver: StorageDriver) -> None:
    """A tag that named one image and names another, and a schema 1 manifest without a tag."""
    repository = fill(driver)
    push_image(repository, GONE, LATEST)
    push_image(repository, KEPT, LATEST)
    push(repository, LAYER)
    push_manifest(repository, SIGNED)


def garbage(driver: StorageDriver) -> list[Thing]:
    """All but what ``latest`` needs now, in the order of removal."""
    kept = {KEPT.digest, *(blob.digest for blob in KEPT.blobs)}
    things = []
    for entry in driver.walk("/docker"):
        thing = thing_at(entry.path, entry.size, entry.modified)
        if thing is not None and thing.kind is not ThingKind.TAG and thing.digest not in kept:
            things.append(thing)
    return sorted(things, key=lambda thing: thing.stage)


def everything(batch: Sequence[Thing]) -> Iterable[Thing]:
    return batch


def remove(driver: StorageDriver, things: Iterable[Thing], run: RunId | None = None) -> Outcome:
    remover = Remover(driver, everything, run=run, batch=2)
    remover.remove(things)
    return remover.outcome


@pytest.mark.parametrize("run", [None, RUN], ids=["outright", "quarantine"])
@pytest.mark.parametrize("jobs", [1, 4])
def test_what_goes_goes_and_nothing_else(
    storage: StorageDriver, run: RunId | None, jobs: int
) -> None:
    prepare(storage)
    things = garbage(storage)
    assert {thing.kind for thing in things} == set(ThingKind) - {ThingKind.TAG}
    before = snapshot(storage)
    remover = Remover(storage, everything, run=run, jobs=jobs)
    remover.remove(things)
    outcome = remover.outcome
    assert outcome.failures == []
    assert outcome.done == len(things)
    assert outcome.bytes == sum(len(before[thing.path]) for thing in things)
    gone = {thing.path for thing in things}
    after = snapshot(storage)
    files = {path for path in before if not path.endswith("/")}
    assert {path for path in after if not path.endswith("/")} == files - gone
    for thing in things:
        if run is not None:
            assert storage.get(own.quarantined(str(run), thing.path), 1 << 20) == before[thing.path]
        if not storage.hides_unfinished:
            with pytest.raises(PathNotFoundError):
                storage.list(thing.path.rpartition("/")[0])
    assert_sound(storage)
    assert remove(storage, things, run).done == (0 if run else len(things))
    if run:
        assert remove(storage, things, run).absent == len(things)


def test_links_to_what_is_left_are_not_left_by_a_tag(storage: StorageDriver) -> None:
    """The whole directory of a tag goes with its link, or it would be a tag without a name."""
    prepare(storage)
    entries = [
        thing_of(specs.TagIndexEntryLink(NAME, LATEST, each.digest)) for each in (GONE, KEPT)
    ]
    remove(storage, [*entries, thing_of(specs.TagCurrentLink(NAME, LATEST))])
    assert fill(storage).tags.list() == []


def test_blobs_before_links_are_refused(storage: StorageDriver) -> None:
    prepare(storage)
    with pytest.raises(ValueError, match="removed before"):
        remove(storage, garbage(storage)[::-1])
    assert storage.stat(PATHS.path(specs.RevisionLink(NAME, GONE.digest)))


def test_indexes_go_before_their_children(storage: StorageDriver) -> None:
    order: list[str] = []

    def before(batch: Sequence[Thing]) -> Sequence[Thing]:
        order.append("".join(str(thing.rank) for thing in batch))
        return batch

    remover = Remover(storage, before)
    place = specs.RevisionLink(NAME, GONE.digest)
    ranked = [
        Thing(ThingKind.REVISION, thing_of(place).path, NAME, None, rank=r) for r in (0, 0, 1)
    ]
    remover.remove(ranked)
    assert order == ["00", "1"]


def test_what_the_look_before_spares_keeps_what_it_leads_to(storage: StorageDriver) -> None:
    prepare(storage)
    things = garbage(storage)
    layer = GONE.layers[0].digest

    def before(batch: Sequence[Thing]) -> list[Thing]:
        return [
            thing for thing in batch if (thing.kind, thing.digest) != (ThingKind.LAYER_LINK, layer)
        ]

    remover = Remover(storage, before)
    remover.remove(things)
    assert (remover.outcome.skipped, remover.outcome.held) == (1, 1)
    assert storage.stat(PATHS.path(specs.BlobData(layer)))
    assert_sound(storage)


def test_a_lost_lock_stops_everything(storage: StorageDriver) -> None:
    prepare(storage)
    things = garbage(storage)
    left = [2]

    def before(batch: Sequence[Thing]) -> Sequence[Thing]:
        left[0] -= 1
        if left[0] < 0:
            raise LockLostError("lost")
        return batch

    remover = Remover(storage, before, batch=2)
    with pytest.raises(LockLostError):
        remover.remove(things)
    assert remover.outcome.done == 4
    assert_sound(storage)


class _Denying(ForwardingDriver):
    """A storage that refuses some removals."""

    def __init__(
        self,
        inner: StorageDriver,
        refused: Callable[[str], bool],
        error: type[RegctlError] = DeniedError,
    ) -> None:
        super().__init__(inner)
        self._refused = refused
        self._error = error
        self.is_gone = False

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        for path in paths:
            if self._refused(path):
                yield path, self._error(f"no: {path}")
            else:
                yield from self._inner.delete_many([path])

    def move(self, source: str, target: str) -> None:
        if self._refused(source):
            raise self._error(f"no: {source}")
        self._inner.move(source, target)

    def now(self) -> float:
        if self.is_gone:
            raise UnavailableError("gone")
        return self._inner.now()


@pytest.mark.parametrize("run", [None, RUN], ids=["outright", "quarantine"])
def test_what_a_failed_link_leads_to_stays(storage: StorageDriver, run: RunId | None) -> None:
    prepare(storage)
    things = garbage(storage)
    layer = GONE.layers[0].digest
    link = PATHS.path(specs.LayerLink(NAME, layer))
    outcome = remove(_Denying(storage, lambda path: path == link), things, run)
    (failure,) = outcome.failures
    assert failure.path == link
    assert isinstance(failure.error, DeniedError)
    assert outcome.held == 1
    assert outcome.done == len(things) - 2
    assert_sound(storage)


def test_what_a_failed_revision_needs_stays(storage: StorageDriver) -> None:
    prepare(storage)
    things = garbage(storage)
    link = PATHS.path(specs.RevisionLink(NAME, GONE.digest))
    blobs = {blob.digest for blob in GONE.blobs}

    def needs(thing: Thing) -> Iterable[Digest]:
        return blobs if thing.digest == GONE.digest else ()

    remover = Remover(_Denying(storage, lambda path: path == link), everything, needs=needs)
    remover.remove(things)
    assert remover.outcome.held == len(blobs) + 1
    for digest in blobs | {GONE.digest}:
        assert storage.stat(PATHS.path(specs.BlobData(digest)))
    assert_sound(storage)


def test_a_storage_that_is_gone_stops_it(storage: StorageDriver) -> None:
    prepare(storage)
    driver = _Denying(storage, lambda _: True, UnavailableError)
    assert remove(driver, garbage(storage)).done == 0
    driver.is_gone = True
    with pytest.raises(UnavailableError, match="gone"):
        remove(driver, garbage(storage))


@pytest.mark.parametrize("run", [None, RUN], ids=["outright", "quarantine"])
def test_a_kill_at_any_step_leaves_a_sound_storage(storages: Storages, run: RunId | None) -> None:
    def look(driver: StorageDriver) -> None:
        assert_sound(driver)
        repository = fill(driver)
        assert plan_removal(repository, KEPT.digest).tags == (LATEST,)

    steps = kill_at_every_step(
        storages,
        prepare,
        lambda driver: remove(driver, garbage(driver), run),
        look,
        lambda driver: {p for p in snapshot(driver, "/docker") if not p.endswith("/")},
    )
    assert steps > 10


def test_an_empty_repository_disappears(storage: StorageDriver) -> None:
    name, inner = RepositoryName.parse("empty"), RepositoryName.parse("empty/inner")
    fill(storage, name).layers.ensure_directory()
    for spec in (specs.Uploads(name), specs.Tags(name), specs.Revisions(name)):
        storage.mkdir(PATHS.path(spec))
    push(fill(storage, inner), b"content")
    before = snapshot(storage, PATHS.path(specs.RepositoryDirectory(inner)))
    assert remove_empty_repository(storage, name)
    assert snapshot(storage, PATHS.path(specs.RepositoryDirectory(inner))) == before
    assert not remove_empty_repository(storage, inner)
    assert snapshot(storage, PATHS.path(specs.RepositoryDirectory(inner))) == before
