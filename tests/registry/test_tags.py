"""Tags: the index first, ``current`` last, and links that are torn while a tag moves."""

from __future__ import annotations

import pytest

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.drivers.memory import MemoryDriver
from regctl.errors import DamagedError
from regctl.layout import Tag, specs
from regctl.registry import Repository
from regctl.registry.links import DamagedLinkError
from regctl.registry.tags import TagNotFoundError
from tests.failing import FailingDriver
from tests.registry.storages import (
    LATEST,
    NAME,
    PATHS,
    digest_of,
    fill,
    memory,
    registry_on,
    snapshot,
)
from tests.registry.watching import WatchedDriver

ONE, TWO, THREE = (digest_of(each) for each in (b"1", b"2", b"3"))
CURRENT = PATHS.path(specs.TagCurrentLink(NAME, LATEST))


def entry_of(revision: Digest, tag: Tag = LATEST) -> str:
    return PATHS.path(specs.TagIndexEntryLink(NAME, tag, revision))


def test_a_tag_names_the_last_and_remembers_all(repository: Repository) -> None:
    for revision in (ONE, TWO, ONE):
        repository.tags.set(LATEST, revision)
    assert repository.tags.get(LATEST) == ONE
    assert {entry.revision for entry in repository.tags.history(LATEST)} == {ONE, TWO}


def test_the_index_is_written_before_current() -> None:
    changes = []
    watched = WatchedDriver(memory(), lambda operation, path: changes.append((operation, path)))
    fill(watched).tags.set(LATEST, ONE)
    assert changes == [("put", entry_of(ONE)), ("put", CURRENT)]


def test_the_index_goes_before_current() -> None:
    """A crash in between leaves a tag that works, with a shorter history."""
    driver = memory()
    fill(driver).tags.set(LATEST, ONE)
    fill(driver).tags.set(LATEST, TWO)
    changes: list[str] = []
    fill(WatchedDriver(driver, lambda _, path: changes.append(path))).tags.remove(LATEST)
    assert changes[-1] == CURRENT
    assert set(changes[:-1]) == {entry_of(ONE), entry_of(TWO)}
    assert fill(driver).tags.list() == []


def test_history_is_by_the_time_of_the_index_link() -> None:
    times = iter((1.0, 2.0, 3.0, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0))
    repository = fill(MemoryDriver(lambda: next(times)))
    for revision in (TWO, ONE, THREE):
        repository.tags.set(LATEST, revision)
    entries = repository.tags.history(LATEST)
    assert [entry.revision for entry in entries] == [THREE, ONE, TWO]
    assert [entry.linked_at for entry in entries] == sorted(
        (entry.linked_at for entry in entries), reverse=True
    )


def test_equal_times_are_ordered_by_digest() -> None:
    repository = fill(memory())
    for revision in (TWO, ONE, THREE):
        repository.tags.set(LATEST, revision)
    entries = repository.tags.history(LATEST)
    assert [entry.revision for entry in entries] == sorted([ONE, TWO, THREE])


def test_removing_a_tag_leaves_no_directory(driver: StorageDriver, repository: Repository) -> None:
    """An empty directory below ``tags`` is a tag to a registry."""
    other = Tag.parse("other")
    repository.tags.set(LATEST, ONE)
    repository.tags.set(other, ONE)
    driver.put(CURRENT + ".1234.tmp", b"left by a crash of 3.1")
    repository.tags.remove(LATEST)
    assert repository.tags.list() == [other]
    assert not [path for path in snapshot(driver) if "/latest" in path]
    with pytest.raises(TagNotFoundError) as caught:
        repository.tags.remove(LATEST)
    assert caught.value.exit_code == 3


def test_one_revision_is_removed_from_the_index(repository: Repository) -> None:
    for revision in (ONE, TWO):
        repository.tags.set(LATEST, revision)
    repository.tags.remove_from_index(LATEST, ONE)
    repository.tags.remove_from_index(LATEST, THREE)
    assert [entry.revision for entry in repository.tags.history(LATEST)] == [TWO]
    assert entry_of(ONE).rpartition("/")[0] + "/" not in snapshot(repository.driver)


def test_every_directory_that_can_be_a_tag_is_one(
    driver: StorageDriver, repository: Repository
) -> None:
    root = PATHS.path(specs.Tags(NAME))
    assert repository.tags.list() == []
    for name in ("v1", "_x", "empty", ".hidden", "-dash", "x" * 129, "with blank"):
        driver.put(f"{root}/{name}/index/foreign", b"makes the directory, also on object stores")
    driver.put(f"{root}/file", b"no directory")
    assert [str(tag) for tag in repository.tags.list()] == ["_x", "empty", "v1"]


def test_what_a_tag_does_not_name(driver: StorageDriver, repository: Repository) -> None:
    with pytest.raises(TagNotFoundError, match="there is no tag latest"):
        repository.tags.get(LATEST)
    repository.tags.set(LATEST, ONE)
    driver.delete(CURRENT)
    with pytest.raises(TagNotFoundError, match="names nothing") as caught:
        repository.tags.get(LATEST)
    assert "rollback" in (caught.value.hint or "")
    assert repository.tags.history(LATEST)[0].revision == ONE


def test_a_torn_current_is_read_again(driver: StorageDriver) -> None:
    """2.8 truncates the link and then writes it: one read in ten was short or empty."""
    torn = [b"", str(ONE)[:20].encode(), str(ONE)[:70].encode()]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        driver.put(CURRENT, torn.pop() if torn else str(ONE).encode())

    driver.put(CURRENT, b"")
    repository = registry_on(driver, sleep).repository_to_fill(NAME)
    assert repository.tags.get(LATEST) == ONE
    assert len(slept) == 4
    assert all(0 < seconds < 1 for seconds in slept)


def test_a_current_that_stays_torn_is_damage(driver: StorageDriver) -> None:
    slept: list[float] = []
    driver.put(CURRENT, b"")
    repository = registry_on(driver, slept.append).repository_to_fill(NAME)
    with pytest.raises(DamagedLinkError, match="is empty"):
        repository.tags.get(LATEST)
    assert sum(slept) < 2


def test_a_current_that_cannot_be_read_is_not_taken_for_missing() -> None:
    """Law 5: an error is an error, and says nothing about what is there."""

    class Broken(FailingDriver):
        def get(self, path: str, limit: int) -> bytes:
            raise DamagedError(f"input/output error at {path}")

    driver = memory()
    fill(driver).tags.set(LATEST, ONE)
    with pytest.raises(DamagedError, match="input/output"):
        fill(Broken(driver, 1)).tags.get(LATEST)
