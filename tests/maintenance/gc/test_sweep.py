"""Sweeping: what went and what stayed, kills at every step, and what others do meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from regctl.drivers.base import StorageDriver
from regctl.drivers.filesystem import FilesystemDriver
from regctl.drivers.forwarding import ForwardingDriver
from regctl.errors import DeniedError, RegctlError, UnavailableError
from regctl.layout import RepositoryName, Tag, specs
from regctl.maintenance.gc.guards import IncompleteScanError
from regctl.maintenance.gc.lock import Lock, LockLostError
from regctl.maintenance.gc.survey import Policy
from regctl.maintenance.gc.sweep import Sweep
from regctl.maintenance.gc.things import ThingKind
from regctl.maintenance.gc.view import Means, look
from regctl.maintenance.inventory.refcache import ReferenceCache
from regctl.registry.tagging import push_manifest
from tests.failing import FailingDriver, Killed
from tests.images import build_image, build_index
from tests.maintenance.gc.making import (
    AT_ONCE,
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


@pytest.fixture(params=["memory", "objects", "filesystem"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "filesystem":
        return Place(lambda _: FilesystemDriver(str(tmp_path)))
    return Place(memory if request.param == "memory" else objects)


def fill(place: Place) -> set[tuple[str, str, object]]:
    """Two repositories that share, with earlier, untagged and tagged revisions."""
    place.push("a", ONE)
    place.push("a", TWO)
    place.push("a", INDEX, None)
    place.push("b", THREE)
    place.push("b", TWO, None)
    place.push("team/c", ONE, None)
    return set(whole_tags(place.driver))


def now_policy(place: Place) -> Policy:
    """Everything may go at once; on a disk, times are what the disk says."""
    del place
    return Policy(untagged=True, grace=-60)


def test_what_is_swept_is_gone_with_its_directories_and_the_rest_is_whole(place: Place) -> None:
    tags = fill(place)
    swept = place.sweep(now_policy(place))
    assert swept.outcome.failures == []
    assert set(whole_tags(place.driver)) == tags
    assert place.stored() == digests([TWO, THREE])
    assert list(place.survey(now_policy(place)).garbage.things()) == []
    for digest in digests([ONE, INDEX]):
        directory = MAPPER.path(specs.BlobDirectory(digest))
        assert all(entry.path != directory for entry in place.driver.walk("/"))


def test_a_second_sweep_finds_nothing(place: Place) -> None:
    fill(place)
    place.sweep(now_policy(place))
    before = {entry.path for entry in place.driver.walk("/")}
    again = place.sweep(now_policy(place))
    assert (again.outcome.done, again.outcome.bytes, again.spared) == (0, 0, 0)
    assert {entry.path for entry in place.driver.walk("/")} == before


def test_freed_bytes_are_those_of_the_blobs_that_went(place: Place) -> None:
    place.push("a", ONE)
    place.push("a", TWO, None)
    swept = place.sweep(now_policy(place))
    assert swept.outcome.bytes == sum(blob.size for blob in TWO.content)
    assert swept.outcome.counts[ThingKind.BLOB] == len(TWO.content)


def test_killed_at_every_step_no_tag_breaks_and_the_next_run_finishes(place: Place) -> None:
    tags = fill(place)
    for at in itertools.count(1):
        try:
            place.sweep(now_policy(place), FailingDriver(place.driver, at))
        except Killed:
            assert set(whole_tags(place.driver)) == tags
        else:
            break
        if at % 3 == 0:
            fill(place)
    assert at > 5
    place.sweep(now_policy(place))
    assert place.stored() == digests([TWO, THREE])


# --- others at work ---------------------------------------------------------------------------


class Meddling(ForwardingDriver):
    """A driver before whose first removal something is done by somebody else."""

    def __init__(self, inner: StorageDriver, deed: Callable[[], object], after: int = 0) -> None:
        super().__init__(inner)
        self._deed = deed
        self._left = after

    def delete_many(self, paths):  # type: ignore[no-untyped-def]
        for path in paths:
            yield from self._inner.delete_many([path])
            if self._left == 0:
                self._deed()
            self._left -= 1


@pytest.fixture(params=[memory, objects])
def still(request: pytest.FixtureRequest) -> Place:
    """A storage whose clock stands still."""
    make: Callable[[Clock], StorageDriver] = request.param
    return Place(make)


@pytest.mark.parametrize("after", range(4))
def test_what_is_pushed_while_links_go_is_whole_afterwards(still: Place, after: int) -> None:
    """A client that pushes by digests it has pushed before sees its blobs, and sends nothing."""
    still.push("a", ONE)
    still.push("a", TWO, None)

    def retag() -> None:
        still.age(1)
        repository = still.repository("a")
        for blob in TWO.blobs:
            repository.layers.link(blob.digest)
        push_manifest(repository, TWO.manifest.content, tag=Tag.parse("again"))

    still.sweep(AT_ONCE, Meddling(still.driver, retag, after))
    assert {tag for _, tag, _ in whole_tags(still.driver)} == {"latest", "again"}


def test_a_revision_that_is_tagged_by_its_link_alone_gets_its_layers_back(still: Place) -> None:
    """As a registry tags: it looks whether the manifest is there, and writes the tag."""
    still.push("a", ONE)
    still.push("a", TWO, None)
    name = RepositoryName.parse("a")

    def retag() -> None:
        still.age(1)
        content = str(TWO.digest).encode()
        tag = Tag.parse("again")
        revision = specs.RevisionLink(name, TWO.digest)
        still.driver.put(MAPPER.path(revision), content)
        still.driver.put(MAPPER.path(specs.TagCurrentLink(name, tag)), content)

    swept = still.sweep(AT_ONCE, Meddling(still.driver, retag, after=2))
    assert swept.mended == len(TWO.blobs)
    assert swept.spared == len(TWO.content)
    assert {tag for _, tag, _ in whole_tags(still.driver)} == {"latest", "again"}


def test_a_blob_that_is_linked_elsewhere_meanwhile_stays(still: Place) -> None:
    still.push("a", ONE)
    loose = TWO.layers[0]
    repository = still.repository("a")
    repository.blobs.put(loose.digest, loose.content)
    repository.layers.link(loose.digest)
    mount = still.repository("b")
    driver = Meddling(still.driver, lambda: mount.layers.link(loose.digest))
    assert still.sweep(AT_ONCE, driver).spared == 1
    assert loose.digest in still.stored()


def test_what_is_written_again_before_it_goes_stays(still: Place) -> None:
    still.push("a", ONE)
    still.push("b", TWO, None)
    still.push("c", THREE, None)

    def renew() -> None:
        still.age(1)
        still.repository("b").manifests.link(TWO.digest)

    # The first of the links goes; then the revision is written again, before its own turn.
    still.sweep(AT_ONCE, Meddling(still.driver, renew))
    assert still.repository("b").manifests.exists(TWO.digest)
    assert digests([TWO]) <= still.stored()


# --- failures -----------------------------------------------------------------------------------


class Refusing(ForwardingDriver):
    """A driver that cannot delete, or not see, some paths."""

    def __init__(self, inner: StorageDriver, refused: str, error: RegctlError) -> None:
        super().__init__(inner)
        self.refused = refused
        self.error = error
        self.lists = True

    def delete_many(self, paths):  # type: ignore[no-untyped-def]
        for path in paths:
            if self.refused in path:
                yield path, self.error
            else:
                yield from self._inner.delete_many([path])


def test_what_leads_to_what_could_not_be_removed_stays_and_is_counted(still: Place) -> None:
    still.push("a", ONE)
    still.push("a", TWO, None)
    layer = TWO.layers[0].digest
    link = MAPPER.path(specs.LayerLink(RepositoryName.parse("a"), layer))
    swept = still.sweep(AT_ONCE, Refusing(still.driver, link, DeniedError("no")))
    assert [failure.path for failure in swept.outcome.failures] == [link]
    assert layer in still.stored()
    assert TWO.digest not in still.stored()
    gone = digests([TWO]) - {layer}
    sizes = {blob.digest: blob.size for blob in TWO.content}
    assert swept.outcome.bytes == sum(sizes[digest] for digest in gone)


def test_a_second_look_that_fails_leaves_all_blobs(still: Place) -> None:
    still.push("a", ONE)
    still.push("a", TWO, None)
    before = still.stored()

    class Blind(ForwardingDriver):
        lists = 0

        def list(self, path):  # type: ignore[no-untyped-def]
            if path == "/docker/registry/v2":
                self.lists += 1
                if self.lists > 1:
                    raise UnavailableError("gone")
            return self._inner.list(path)

    with pytest.raises(IncompleteScanError):
        still.sweep(AT_ONCE, Blind(still.driver))
    assert still.stored() == before
    assert {tag for _, tag, _ in whole_tags(still.driver)} == {"latest"}


class _Lost(Lock):
    """A lock that another run takes over after ``checks`` more looks at it."""

    def __init__(self, checks: int) -> None:
        super().__init__(None)
        self._left = checks

    def check(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise LockLostError("taken over")


@pytest.mark.parametrize("checks", range(6))
def test_once_the_lock_is_lost_nothing_more_goes(still: Place, checks: int) -> None:
    still.push("a", ONE)
    still.push("a", TWO, None)
    before = {entry.path for entry in still.driver.walk("/docker")}
    with ReferenceCache(None) as cache:
        means = Means(cache, jobs=2, sleep=lambda _: None)
        with look(still.driver, means, tag_indexes=True) as view:
            survey = view.survey(AT_ONCE, still.clock())
            sweep = Sweep(still.driver, means, _Lost(checks))
            try:
                sweep.sweep(view, survey.garbage, survey.now)
            except LockLostError:
                assert digests([TWO]) <= still.stored()
            else:
                assert checks >= 4
    if not checks:
        assert {entry.path for entry in still.driver.walk("/docker")} == before
    assert {tag for _, tag, _ in whole_tags(still.driver)} == {"latest"}
