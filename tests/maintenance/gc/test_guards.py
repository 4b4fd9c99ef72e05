"""What stops a collection, and with what it goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from regctl.drivers.base import StorageDriver
from regctl.drivers.forwarding import ForwardingDriver
from regctl.errors import DeniedError
from regctl.layout import RepositoryName, Tag, specs
from regctl.maintenance.gc.collect import Collection, Options
from regctl.maintenance.gc.guards import GuardError, Guards, IncompleteScanError, Sign
from regctl.maintenance.gc.survey import Policy
from regctl.maintenance.gc.sweep import MaxDelete
from regctl.maintenance.gc.view import Means
from regctl.maintenance.inventory.refcache import ReferenceCache
from tests.images import build_image
from tests.maintenance.gc.making import HOUR, MAPPER, Clock, Place, memory, objects

ONE, TWO = build_image(1), build_image(2)
EVERYTHING = MaxDelete(percent=100)


@pytest.fixture(params=[memory, objects])
def place(request: pytest.FixtureRequest) -> Place:
    make: Callable[[Clock], StorageDriver] = request.param
    return Place(make)


def plan(
    place: Place,
    *despite: Sign,
    untagged: bool = True,
    is_harbor: bool = False,
    driver: StorageDriver | None = None,
) -> list[str]:
    """Plan a run; the warnings that it has."""
    warnings: list[str] = []
    options = Options(
        Policy(untagged=untagged, grace=0),
        offline=True,
        max_delete=EVERYTHING,
        is_harbor=is_harbor,
    )
    with ExitStack() as stack:
        cache = stack.enter_context(ReferenceCache(None))
        guards = Guards(frozenset(despite), warnings)
        means = Means(cache, jobs=2, sleep=lambda _: None)
        collection = Collection(driver or place.driver, means, options, guards, place.clock)
        stack.enter_context(collection.plan(None))
    return warnings


def check(
    place: Place, sign: Sign, flag: str, *, untagged: bool = True, is_harbor: bool = False
) -> None:
    """It stops, naming the flag, and goes on with it, warning."""
    with pytest.raises(GuardError) as caught:
        plan(place, untagged=untagged, is_harbor=is_harbor)
    assert (caught.value.code, caught.value.exit_code) == (sign.value, 6)
    assert flag in str(caught.value.hint)
    assert plan(place, sign, untagged=untagged, is_harbor=is_harbor) == [caught.value.message]


def test_nothing_speaks_against_an_ordinary_storage(place: Place) -> None:
    place.push("a", ONE)
    assert plan(place) == []


def test_gitlabs_database(place: Place) -> None:
    place.push("a", ONE)
    place.driver.put("/docker/registry/lockfiles/database-in-use", b"")
    check(place, Sign.GITLAB_DATABASE, "--despite gitlab-database", untagged=False)


def test_a_pull_through_cache(place: Place) -> None:
    place.push("a", ONE)
    place.driver.put("/scheduler-state.json", b"{}")
    check(place, Sign.PULL_THROUGH_CACHE, "--despite pull-through-cache", untagged=False)


def test_a_repository_with_a_forbidden_name(place: Place) -> None:
    place.push("a", ONE)
    link = MAPPER.path(specs.LayerLink(RepositoryName.parse("a"), ONE.config.digest))
    place.driver.put(link.replace("/a/", "/A/"), str(ONE.config.digest).encode())
    check(place, Sign.FORBIDDEN_NAME, "--despite forbidden-name", untagged=False)


def test_tags_and_no_revision_that_can_be_read(place: Place) -> None:
    place.push("a", ONE)
    place.driver.put(place.path(ONE.digest), b"{}x")
    check(place, Sign.NO_REVISIONS, "--despite no-revisions", untagged=False)


def test_harbor(place: Place) -> None:
    place.push("a", ONE)
    check(place, Sign.HARBOR, "--tags-are-complete", is_harbor=True)
    assert plan(place, untagged=False, is_harbor=True) == []


def test_no_tag_at_all(place: Place) -> None:
    place.push("a", ONE, None)
    with pytest.raises(GuardError) as caught:
        plan(place)
    assert caught.value.code == "no-tags"
    assert plan(place, untagged=False) == []


def test_untagged_revisions_newer_than_all_tags_in_many_repositories(place: Place) -> None:
    for number in range(10):
        place.push(f"r{number}", ONE)
    place.age(HOUR)
    place.push("r0", TWO, None)
    assert plan(place) == []  # one in ten
    place.push("r1", TWO, None)
    check(place, Sign.NEWER_THAN_TAGS, "--tags-are-complete")


def test_untagged_revisions_older_than_a_tag_are_ordinary(place: Place) -> None:
    place.push("a", TWO, None)
    place.age(HOUR)
    place.push("a", ONE)
    assert plan(place) == []


@pytest.mark.parametrize("what", ["_manifests", "_layers", "blobs/sha256", "data"])
def test_what_cannot_be_read_stops_it(what: str) -> None:
    place = Place()
    place.push("a", ONE)
    place.push("a", TWO, None)

    class Denying(ForwardingDriver):
        def probe(self, path, name="", *, others=False):  # type: ignore[no-untyped-def]
            if path.endswith(what):
                raise DeniedError(f"no {path}")
            return self._inner.probe(path, name, others=others)

        def list(self, path):  # type: ignore[no-untyped-def]
            if path.endswith(what):
                raise DeniedError(f"no {path}")
            return self._inner.list(path)

        def get(self, path, limit):  # type: ignore[no-untyped-def]
            if path.endswith(what):
                raise DeniedError(f"no {path}")
            return self._inner.get(path, limit)

    with pytest.raises(IncompleteScanError) as caught:
        plan(place, driver=Denying(place.driver))
    assert caught.value.exit_code == 6
    assert what in str(caught.value)


def test_a_tag_whose_link_is_torn_is_kept_and_reported_by_marking(place: Place) -> None:
    place.push("a", ONE)
    tag = specs.TagCurrentLink(RepositoryName.parse("a"), Tag.parse("latest"))
    place.driver.put(MAPPER.path(tag), b"sha256:12")
    reports = place.survey().marks.reports
    assert [each.seen.value for each in reports] == ["unreadable-tag"]
