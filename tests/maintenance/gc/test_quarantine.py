"""What was taken away comes back verified, young, in order, and never over something newer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from regctl.drivers.base import StorageDriver
from regctl.errors import DamagedError, PathNotFoundError
from regctl.layout import own, specs
from regctl.maintenance.gc import quarantine
from regctl.maintenance.gc.lock import LockLostError
from regctl.maintenance.gc.putback import DanglingError
from regctl.maintenance.gc.quarantine import count, heal, list_runs, purge, restore
from regctl.maintenance.gc.things import Thing, ThingKind, thing_of
from tests.maintenance.gc.storing import LATER, RUN, Storages, kill_at_every_step, no_check
from tests.maintenance.gc.test_removal import GONE, garbage, prepare, remove
from tests.registry.storages import (
    LATEST,
    NAME,
    PATHS,
    assert_sound,
    digest_of,
    filesystem,
    memory,
    snapshot,
)

BLOB = thing_of(specs.BlobData(GONE.layers[0].digest))
CONTENT = GONE.layers[0].content


def swept(driver: StorageDriver) -> None:
    """A storage from which all garbage went to the quarantine."""
    prepare(driver)
    remove(driver, garbage(driver), RUN)


def files(driver: StorageDriver, below: str = "/docker") -> dict[str, bytes]:
    return {p: c for p, c in snapshot(driver, below).items() if not p.endswith("/")}


def test_what_is_there_is_listed_and_counted(storage: StorageDriver) -> None:
    assert list_runs(storage) == []
    prepare(storage)
    things = garbage(storage)
    size = sum(len(storage.get(thing.path, 1 << 20)) for thing in things)
    remove(storage, things, RUN)
    storage.put(f"{own.QUARANTINE}/README", b"?")
    storage.put(f"{own.QUARANTINE}/other/thing", b"?")
    assert list_runs(storage) == [RUN]
    found = count(storage, RUN)
    assert found.bytes == size
    assert found.done == len(things)
    assert {thing.path for thing in quarantine.contents(storage, RUN)} == {
        thing.path for thing in things
    }


def test_a_run_is_restored(storage: StorageDriver) -> None:
    prepare(storage)
    before = files(storage)
    remove(storage, garbage(storage), RUN)
    taken = len(before) - len(files(storage))
    assert taken > 5
    back = restore(storage, RUN, no_check)
    assert back.outcome.failures == []
    assert files(storage) == before
    assert back.outcome.done == taken
    assert list_runs(storage) == []
    assert files(storage, "/regctl") == {}
    assert restore(storage, RUN, no_check).outcome.done == 0


def test_what_comes_back_is_of_now(tmp_path: Path) -> None:
    driver = filesystem(tmp_path)
    swept(driver)
    for entry in driver.walk(own.quarantine(str(RUN))):
        if entry.kind.value == "file":
            os.utime(f"{tmp_path}{entry.path}", (1.0, 1.0))
    now = driver.now()
    paths = [thing.path for thing in quarantine.contents(driver, RUN)]
    restore(driver, RUN, no_check)
    assert len(paths) > 5
    for path in paths:
        assert driver.stat(path).modified >= now - 1


def test_nothing_newer_is_replaced(storage: StorageDriver) -> None:
    prepare(storage)
    link = thing_of(specs.TagCurrentLink(NAME, LATEST))
    mine = storage.get(link.path, 99)
    remove(storage, [link], RUN)
    newer = str(digest_of(b"newer")).encode()
    storage.put(link.path, newer)
    back = restore(storage, RUN, no_check)
    assert back.newer == [link.path]
    assert storage.get(link.path, 99) == newer
    assert storage.get(own.quarantined(str(RUN), link.path), 99) == mine
    storage.put(link.path, mine)
    assert restore(storage, RUN, no_check).there == 1
    assert files(storage, "/regctl") == {}


def test_a_blob_that_is_there_stays(storage: StorageDriver) -> None:
    swept(storage)
    storage.put(BLOB.path, CONTENT)
    assert restore(storage, RUN, no_check).there == 1
    assert storage.get(BLOB.path, 9999) == CONTENT
    other = memory()
    swept(other)
    other.put(BLOB.path, b"half")
    assert restore(other, RUN, no_check).newer == [BLOB.path]
    assert other.get(own.quarantined(str(RUN), BLOB.path), 9999) == CONTENT


def test_damaged_bytes_do_not_come_back_nor_what_leads_to_them(storage: StorageDriver) -> None:
    swept(storage)
    aside = own.quarantined(str(RUN), BLOB.path)
    storage.put(aside, CONTENT[:-1] + b"?")
    back = restore(storage, RUN, no_check)
    link = PATHS.path(specs.LayerLink(NAME, GONE.layers[0].digest))
    failed = {failure.path: type(failure.error) for failure in back.outcome.failures}
    assert failed == {BLOB.path: DamagedError, link: DanglingError}
    with pytest.raises(PathNotFoundError):
        storage.stat(BLOB.path, files_only=True)
    assert_sound(storage)
    assert files(storage, "/regctl").keys() == {aside, own.quarantined(str(RUN), link)}
    storage.put(aside, CONTENT)
    assert restore(storage, RUN, no_check).outcome.failures == []
    assert_sound(storage)
    assert list_runs(storage) == []


@pytest.mark.parametrize("content", [b"", b"sha256:12", b"x" * 500])
def test_a_link_that_is_none_does_not_come_back(storage: StorageDriver, content: bytes) -> None:
    swept(storage)
    link = PATHS.path(specs.LayerLink(NAME, GONE.layers[0].digest))
    storage.put(own.quarantined(str(RUN), link), content)
    (failure,) = restore(storage, RUN, no_check).outcome.failures
    assert failure.path == link
    assert isinstance(failure.error, DamagedError)
    assert_sound(storage)


def test_a_lost_lock_stops_a_restore(storage: StorageDriver) -> None:
    swept(storage)

    def lost() -> None:
        raise LockLostError("lost")

    before = files(storage)
    with pytest.raises(LockLostError):
        restore(storage, RUN, lost)
    with pytest.raises(LockLostError):
        purge(storage, RUN, lambda _: False, lost)
    with pytest.raises(LockLostError):
        heal(storage, [BLOB], lost)
    assert files(storage) == before


def test_what_is_missing_is_healed_from_the_newest_that_is_whole(storage: StorageDriver) -> None:
    swept(storage)
    storage.put(own.quarantined(str(LATER), BLOB.path), b"damaged")
    link = thing_of(specs.LayerLink(NAME, GONE.layers[0].digest))
    unknown = thing_of(specs.BlobData(digest_of(b"never there")))
    back = heal(storage, [link, unknown, BLOB], no_check)
    assert back.outcome.failures == []
    assert back.outcome.counts == {ThingKind.BLOB: 1, ThingKind.LAYER_LINK: 1}
    assert storage.get(BLOB.path, 9999) == CONTENT
    assert storage.stat(link.path)
    assert heal(storage, [], no_check).outcome.done == 0


def test_many_are_healed_by_listing(storage: StorageDriver) -> None:
    prepare(storage)
    things = garbage(storage)
    before = files(storage)
    remove(storage, things, RUN)
    unknown = [thing_of(specs.BlobData(digest_of(bytes([n])))) for n in range(150)]
    back = heal(storage, [*unknown, *things], no_check)
    assert back.outcome.done == len(things)
    assert files(storage) == before
    assert list_runs(storage) == []


def test_one_that_is_whole_nowhere_is_named(storage: StorageDriver) -> None:
    prepare(storage)
    remove(storage, [BLOB], RUN)
    storage.put(own.quarantined(str(RUN), BLOB.path), b"damaged")
    (failure,) = heal(storage, [BLOB], no_check).outcome.failures
    assert failure.path == BLOB.path


def test_a_purge_puts_back_what_is_referenced_and_removes_the_rest(storage: StorageDriver) -> None:
    prepare(storage)
    things = garbage(storage)
    remove(storage, things, RUN)
    remove(storage, [], LATER)
    needed = {thing.path for thing in things if thing.digest == GONE.layers[0].digest}
    assert len(needed) == 2
    total = count(storage, RUN)
    purged = purge(storage, RUN, lambda thing: thing.path in needed, no_check)
    assert purged.back.outcome.done == 2
    assert purged.removed.done == len(things) - 2
    assert purged.removed.bytes + purged.back.outcome.bytes == total.bytes
    assert storage.get(BLOB.path, 9999) == CONTENT
    assert files(storage, "/regctl") == {}
    assert list_runs(storage) == []
    assert_sound(storage)


def test_what_is_needed_and_damaged_is_not_purged(storage: StorageDriver) -> None:
    swept(storage)
    aside = own.quarantined(str(RUN), BLOB.path)
    storage.put(aside, b"damaged")
    purged = purge(storage, RUN, lambda thing: thing.path == BLOB.path, no_check)
    assert [failure.path for failure in purged.back.outcome.failures] == [BLOB.path]
    assert files(storage, "/regctl") == {aside: b"damaged"}


def _restore(driver: StorageDriver) -> None:
    restore(driver, RUN, no_check)


def _purge(driver: StorageDriver) -> None:
    purge(driver, RUN, lambda thing: thing.digest == GONE.layers[0].digest, no_check)


def _heal(driver: StorageDriver) -> None:
    layer = specs.LayerLink(NAME, GONE.layers[0].digest)
    missing: list[Thing] = [thing_of(layer), BLOB]
    heal(driver, missing, no_check)


@pytest.mark.parametrize("job", [_restore, _purge, _heal])
@pytest.mark.parametrize("torn", [False, True])
def test_a_kill_at_any_step_leaves_a_sound_storage(
    storages: Storages, job: object, torn: bool
) -> None:
    assert callable(job)
    if torn and storages.kind == "filesystem":
        return  # as slow as it is like that in memory
    names = {thing.digest: thing.path for thing in _blobs()}

    def look(driver: StorageDriver) -> None:
        assert_sound(driver)
        if job is _restore:
            # Each is in one of the two places, or in both.
            for path in names.values():
                here, aside = path, own.quarantined(str(RUN), path)
                assert files(driver).get(here) or files(driver, "/regctl").get(aside)

    kill_at_every_step(
        storages,
        swept,
        job,
        look,
        lambda driver: (files(driver), files(driver, "/regctl")),
        torn=torn,
    )


def _blobs() -> list[Thing]:
    driver = memory()
    prepare(driver)
    return [thing for thing in garbage(driver) if thing.kind is ThingKind.BLOB]
