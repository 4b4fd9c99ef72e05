"""Removing a revision: what needs it is found first, and goes first."""

from __future__ import annotations

import json

import pytest

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.errors import DamagedError, UnsafeError
from regctl.layout import Tag, specs
from regctl.registry import Repository
from regctl.registry.links import DamagedLinkError
from regctl.registry.manifests import RevisionNotFoundError
from regctl.registry.removal import check_removal, plan_removal, remove_revision
from regctl.registry.tagging import push_manifest, set_tag
from tests import images
from tests.images import build_image, build_index
from tests.registry.storages import (
    LATEST,
    NAME,
    PATHS,
    assert_sound,
    digest_of,
    fill,
    push_image,
    registry_on,
    snapshot,
)
from tests.registry.watching import WatchedDriver

IMAGE = build_image(1, layers=1, size=100)
OTHER = build_image(2, layers=1, size=100)
INDEX = build_index(3, layers=1, size=100)
CHILD = INDEX.images[0].digest
STABLE = Tag.parse("stable")


@pytest.fixture
def repository(driver: StorageDriver) -> Repository:
    """``latest`` names IMAGE, ``stable`` named it before OTHER; an index is there, untagged."""
    made = fill(driver)
    push_image(made, IMAGE)
    push_image(made, OTHER, None)
    set_tag(made, STABLE, IMAGE.digest)
    set_tag(made, STABLE, OTHER.digest)
    push_image(made, INDEX, None)
    return made


def test_the_plan_says_what_needs_it(repository: Repository) -> None:
    plan = plan_removal(repository, IMAGE.digest)
    assert (plan.tags, plan.histories, plan.parents) == ((LATEST,), (LATEST, STABLE), ())
    assert plan.is_needed
    plan = plan_removal(repository, CHILD)
    assert (plan.tags, plan.histories, plan.parents) == ((), (), (INDEX.digest,))
    assert plan.is_needed
    plan = plan_removal(repository, INDEX.digest)
    assert not plan.is_needed
    with pytest.raises(RevisionNotFoundError):
        plan_removal(repository, digest_of(b"absent"))


@pytest.mark.parametrize("revision", [IMAGE.digest, CHILD], ids=["tagged", "child"])
def test_what_is_needed_goes_only_by_force(repository: Repository, revision: Digest) -> None:
    before = snapshot(repository.driver)
    plan = plan_removal(repository, revision)
    for refuse in (check_removal, remove_revision):
        with pytest.raises(UnsafeError, match="is needed by") as caught:
            refuse(repository, plan, force=False)
        assert caught.value.exit_code == 6
    assert snapshot(repository.driver) == before
    remove_revision(repository, plan, force=True)
    assert not repository.manifests.exists(revision)
    assert_sound(repository.driver)


def test_a_kept_history_is_no_need(repository: Repository) -> None:
    """An old revision goes, and the index loses it; the tag stays where it is."""
    repository.tags.remove(LATEST)
    remove_revision(repository, plan_removal(repository, IMAGE.digest))
    assert repository.tags.get(STABLE) == OTHER.digest
    assert [entry.revision for entry in repository.tags.history(STABLE)] == [OTHER.digest]
    assert repository.blobs.size(IMAGE.digest) == len(IMAGE.manifest.content)


def test_tags_go_before_the_revision(driver: StorageDriver, repository: Repository) -> None:
    changes: list[str] = []
    watched = fill(WatchedDriver(driver, lambda _, path: changes.append(path)))
    remove_revision(watched, plan_removal(watched, IMAGE.digest), force=True)
    assert changes == [
        PATHS.path(specs.TagIndexEntryLink(NAME, LATEST, IMAGE.digest)),
        PATHS.path(specs.TagCurrentLink(NAME, LATEST)),
        PATHS.path(specs.TagIndexEntryLink(NAME, STABLE, IMAGE.digest)),
        PATHS.path(specs.RevisionLink(NAME, IMAGE.digest)),
    ]
    assert repository.tags.list() == [STABLE]


def test_a_plan_that_is_out_of_date_is_refused(repository: Repository) -> None:
    plan = plan_removal(repository, INDEX.digest)
    set_tag(repository, LATEST, INDEX.digest)
    with pytest.raises(UnsafeError, match="has changed"):
        remove_revision(repository, plan)
    assert repository.manifests.exists(INDEX.digest)
    plan = plan_removal(repository, CHILD)
    entry = INDEX.images[0].manifest.descriptor()
    document = {"schemaVersion": 2, "mediaType": images.OCI_INDEX, "manifests": [entry]}
    push_manifest(repository, json.dumps(document).encode())
    with pytest.raises(UnsafeError, match="has changed"):
        remove_revision(repository, plan, force=True)


def test_what_cannot_be_read_may_need_it(driver: StorageDriver, repository: Repository) -> None:
    """Law 5: a scan that could not see everything deletes nothing."""
    current = PATHS.path(specs.TagCurrentLink(NAME, STABLE))
    driver.put(current, b"")
    waiting = registry_on(driver, lambda _seconds: None).repository_to_change(NAME)
    with pytest.raises(DamagedLinkError):
        plan_removal(waiting, CHILD)
    driver.put(current, str(OTHER.digest).encode())
    for content in (b"", b"{", b'{"schemaVersion":2}'[:-1]):
        driver.put(PATHS.path(specs.BlobData(INDEX.digest)), content)
        with pytest.raises(DamagedError):
            plan_removal(waiting, CHILD)
    broken = b"[]"
    repository.manifests.put(digest_of(broken), broken)
    driver.put(PATHS.path(specs.BlobData(INDEX.digest)), INDEX.manifest.content)
    with pytest.raises(DamagedError, match="what it needs is not known"):
        plan_removal(waiting, CHILD)


def test_directories_that_a_kill_left_of_a_tag_are_removed(
    directories: StorageDriver,
) -> None:
    """Nothing but directories: rm was killed after it had removed the tag's files."""
    gone = Tag.parse("gone")
    repository = fill(directories)
    push_image(repository, INDEX, None)
    directories.mkdir(PATHS.path(specs.TagIndex(NAME, gone)))
    directories.mkdir(PATHS.path(specs.TagCurrent(NAME, gone)))
    plan = plan_removal(repository, INDEX.digest)
    assert plan.remains == (gone,)
    assert not plan.is_needed
    remove_revision(repository, plan)
    assert gone not in repository.tags.list()


def test_a_tag_that_names_nothing_but_has_a_history_stays(
    driver: StorageDriver, repository: Repository
) -> None:
    driver.delete(PATHS.path(specs.TagCurrentLink(NAME, STABLE)))
    plan = plan_removal(repository, INDEX.digest)
    assert plan.remains == ()
    remove_revision(repository, plan)
    assert len(repository.tags.history(STABLE)) == 2


def test_signatures_are_in_the_plan(driver: StorageDriver, repository: Repository) -> None:
    signature = digest_of(b"signature")
    path = PATHS.path(specs.SignatureLink(NAME, INDEX.digest, signature))
    driver.put(path, str(signature).encode())
    plan = plan_removal(repository, INDEX.digest)
    assert plan.signatures == (signature,)
    remove_revision(repository, plan)
    assert path not in snapshot(driver)
