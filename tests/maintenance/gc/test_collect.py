"""Live runs: condemned by one, swept by a later one, healed by every one; killed at every step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.drivers.forwarding import ForwardingDriver
from regctl.layout import RepositoryName, Tag, specs
from regctl.maintenance.gc.collect import Collection, Options, Plan
from regctl.maintenance.gc.condemned import find_lists
from regctl.maintenance.gc.garbage import Garbage
from regctl.maintenance.gc.guards import OF_TAGS, Guards
from regctl.maintenance.gc.lock import no_lock
from regctl.maintenance.gc.quarantine import list_runs
from regctl.maintenance.gc.runs import RunId
from regctl.maintenance.gc.survey import Policy
from regctl.maintenance.gc.sweep import MaxDelete, TooMuchError
from regctl.maintenance.gc.view import Means
from regctl.maintenance.inventory.refcache import ReferenceCache
from tests.failing import FailingDriver, Killed
from tests.images import build_image, build_index
from tests.maintenance.gc.making import (
    HOUR,
    MAPPER,
    Clock,
    Place,
    digests,
    memory,
    objects,
    whole_tags,
)

ONE, TWO, THREE = (build_image(seed) for seed in (1, 2, 3))
INDEX = build_index(4)
ALL = MaxDelete(percent=100)
LIVE = Options(Policy(untagged=True, grace=0), settle=HOUR, max_delete=ALL)


@pytest.fixture(params=[memory, objects])
def place(request: pytest.FixtureRequest) -> Place:
    make: Callable[[Clock], StorageDriver] = request.param
    return Place(make)


@contextmanager
def collecting(
    place: Place, options: Options = LIVE, driver: StorageDriver | None = None
) -> Iterator[Collection]:
    with ReferenceCache(None) as cache:
        means = Means(cache, jobs=2, sleep=lambda _: None)
        guards = Guards(OF_TAGS, [])
        yield Collection(driver or place.driver, means, options, guards, place.clock)


def run(
    place: Place,
    options: Options = LIVE,
    driver: StorageDriver | None = None,
    between: Callable[[Plan], object] = lambda _: None,
) -> Garbage:
    """A whole run; what it meant to remove. ``between`` is done after it was planned."""
    with collecting(place, options, driver) as collection:
        name = RunId.new(place.clock())
        with collection.plan(no_lock()) as plan:
            between(plan)
            if plan.going:
                collection.carry_out(plan, no_lock(), name)
            if not options.offline:
                collection.condemn(plan, no_lock(), name, "test")
            return plan.going


def fill(place: Place) -> set[tuple[str, str, Digest]]:
    place.push("a", ONE)
    place.push("a", TWO)
    place.push("b", INDEX, None)
    place.push("b", THREE)
    return whole_tags(place.driver)


def test_the_first_run_condemns_and_one_after_the_settling_sweeps(place: Place) -> None:
    tags = fill(place)
    before = place.stored()
    assert not run(place)
    place.age(HOUR - 1)
    assert not run(place)
    assert place.stored() == before
    place.age(1)
    assert run(place).total
    assert place.stored() == digests([TWO, THREE])
    assert whole_tags(place.driver) == tags
    assert len(list_runs(place.driver)) == 1


def test_what_was_not_condemned_stays_with_all_that_it_names(place: Place) -> None:
    """An old layer that a later revision names: garbage in both runs, condemned in one."""
    fill(place)
    place.push("c", ONE, None)
    for blob in INDEX.images[0].blobs:
        place.repository("b").layers.link(blob.digest)
    run(place)
    # It shares all layers with what was condemned, and is garbage itself, but new.
    place.repository("a")
    place.push("d", INDEX, None)
    place.age(HOUR)
    going = run(place)
    assert digests([INDEX]) <= place.stored()
    assert RepositoryName.parse("d") not in going.repositories
    place.age(HOUR)
    run(place)
    assert place.stored() == digests([TWO, THREE])


def test_what_was_condemned_and_is_needed_again_stays(place: Place) -> None:
    fill(place)
    run(place)
    place.push("a", ONE, "again")
    place.age(HOUR)
    run(place)
    assert digests([ONE]) <= place.stored()
    assert not digests([INDEX]) & place.stored()


def test_lists_that_were_swept_and_older_ones_go_and_newer_ones_stay(place: Place) -> None:
    fill(place)
    run(place)
    place.age(HOUR / 2)
    place.push("e", build_image(9), None)
    run(place)
    place.age(HOUR / 2)
    run(place)
    lists, broken = find_lists(place.driver)
    assert not broken
    assert [place.clock() - each.at for each in lists] == [0, HOUR / 2]


def test_a_damaged_list_is_no_list(place: Place) -> None:
    fill(place)
    run(place)
    (found,), _ = find_lists(place.driver)
    for entry in list(place.driver.walk("/regctl/gc")):
        if entry.name == "000000":
            place.driver.put(entry.path, b"x")
    place.age(HOUR)
    assert not run(place)
    assert found.run not in [each.run for each in find_lists(place.driver)[0]]
    place.age(HOUR)
    assert run(place).total


def test_what_is_needed_and_in_quarantine_is_put_back(place: Place) -> None:
    """A registry with a cache acknowledges a push of what is gone."""
    fill(place)
    run(place)
    place.age(HOUR)
    run(place)
    assert not digests([INDEX]) & place.stored()
    name, tag = RepositoryName.parse("b"), Tag.parse("back")
    content = str(INDEX.digest).encode()
    place.driver.put(MAPPER.path(specs.RevisionLink(name, INDEX.digest)), content)
    place.driver.put(MAPPER.path(specs.TagIndexEntryLink(name, tag, INDEX.digest)), content)
    place.driver.put(MAPPER.path(specs.TagCurrentLink(name, tag)), content)
    assert "back" not in {tag for _, tag, _ in whole_tags(place.driver)}
    run(place)
    assert "back" in {tag for _, tag, _ in whole_tags(place.driver)}


def test_a_run_whose_time_is_up_is_gone_on_with_by_the_next(place: Place) -> None:
    tags = fill(place)
    run(place)
    place.age(HOUR)
    short = Options(LIVE.policy, settle=HOUR, max_delete=ALL, max_time=60)
    before = place.stored()
    run(place, short, between=lambda _: place.age(60))
    assert place.stored() == before
    assert whole_tags(place.driver) == tags
    assert run(place).total
    assert place.stored() == digests([TWO, THREE])


def test_what_there_is_time_for_is_done() -> None:
    """Each thing that goes takes a second here: so links go, and no blobs."""
    place = Place(memory)
    tags = fill(place)
    options = Options(LIVE.policy, offline=True, quarantine=False, max_delete=ALL, max_time=3)

    class Slow(ForwardingDriver):
        def delete_many(self, paths):  # type: ignore[no-untyped-def]
            place.age(1)
            return self._inner.delete_many(paths)

    for _ in range(10):
        run(place, options, Slow(place.driver))
        assert whole_tags(place.driver) == tags
    assert place.stored() == digests([TWO, THREE])


def test_offline_all_goes_in_one_run_for_good(place: Place) -> None:
    tags = fill(place)
    options = Options(LIVE.policy, offline=True, quarantine=False, max_delete=ALL)
    run(place, options)
    assert place.stored() == digests([TWO, THREE])
    assert whole_tags(place.driver) == tags
    assert list_runs(place.driver) == []
    assert find_lists(place.driver) == ([], [])


def test_more_than_the_limit_is_refused_before_anything_goes(place: Place) -> None:
    fill(place)
    before = {entry.path for entry in place.driver.walk("/docker")}
    options = Options(LIVE.policy, offline=True, max_delete=MaxDelete(count=3))
    with pytest.raises(TooMuchError, match="no more than 3"):
        run(place, options)
    assert {entry.path for entry in place.driver.walk("/docker")} == before


@pytest.mark.parametrize("make", [memory, objects])
@pytest.mark.parametrize("offline", [False, True])
def test_killed_at_every_step_no_tag_breaks_and_the_next_runs_finish(
    make: Callable[[Clock], StorageDriver], offline: bool
) -> None:
    options = Options(LIVE.policy, offline=offline, settle=HOUR, max_delete=ALL)
    for at in itertools.count(1):
        place = Place(make)
        tags = fill(place)
        if not offline:
            run(place, options)
            place.age(HOUR)
        try:
            run(place, options, FailingDriver(place.driver, at))
        except Killed:
            assert whole_tags(place.driver) == tags
        else:
            break
        for _ in range(2):
            place.age(HOUR)
            run(place, options)
        assert place.stored() == digests([TWO, THREE])
        assert whole_tags(place.driver) == tags
    assert at > 20
