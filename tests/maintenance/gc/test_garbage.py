"""What goes, and what stays because something needs it or because it is young."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from regctl.drivers.base import StorageDriver
from regctl.layout import RepositoryName, Tag, specs
from regctl.maintenance.gc.survey import Policy
from regctl.maintenance.gc.things import ThingKind
from regctl.registry.links import write_link
from regctl.registry.tagging import push_manifest
from tests.images import build_image, build_index
from tests.maintenance.gc.making import (
    AT_ONCE,
    DAY,
    HOUR,
    MAPPER,
    Clock,
    Place,
    digests,
    memory,
    objects,
)

BLOBS = Policy(untagged=False, grace=0)
ONE, TWO, THREE = (build_image(seed) for seed in (1, 2, 3))


@pytest.fixture(params=[memory, objects])
def place(request: pytest.FixtureRequest) -> Place:
    make: Callable[[Clock], StorageDriver] = request.param
    return Place(make)


def test_what_a_tag_names_stays(place: Place) -> None:
    place.push("a", build_index())
    assert list(place.survey().garbage.things()) == []


def test_what_no_tag_names_goes_whole(place: Place) -> None:
    place.push("a", ONE)
    place.push("a", TWO, None)
    assert place.blobs() == digests([TWO])
    assert place.goes(ThingKind.REVISION) == {("a", TWO.digest)}
    assert place.goes(ThingKind.LAYER_LINK) == {("a", blob.digest) for blob in TWO.blobs}


def test_without_untagged_only_what_no_manifest_names_goes(place: Place) -> None:
    place.push("a", ONE)
    place.push("a", TWO, None)
    loose = THREE.layers[0]
    repository = place.repository("a")
    repository.blobs.put(loose.digest, loose.content)
    repository.layers.link(loose.digest)
    assert place.blobs(BLOBS) == {loose.digest}
    assert place.goes(ThingKind.LAYER_LINK, BLOBS) == {("a", loose.digest)}
    assert place.goes(ThingKind.REVISION, BLOBS) == set()


def test_a_blob_that_another_repository_needs_stays_and_the_link_goes(place: Place) -> None:
    place.push("a", ONE, None)
    place.push("b", ONE)
    assert place.blobs() == set()
    assert place.goes(ThingKind.REVISION) == {("a", ONE.digest)}


def test_an_earlier_revision_goes_with_its_entry_in_the_index(place: Place) -> None:
    place.push("a", ONE)
    place.push("a", TWO)
    assert place.goes(ThingKind.INDEX_ENTRY) == {("a", ONE.digest)}
    assert place.goes(ThingKind.REVISION) == {("a", ONE.digest)}
    kept = Policy(untagged=True, grace=0, keep_tags=re.compile("lat.*"))
    assert place.blobs(kept) == set()
    assert place.goes(ThingKind.INDEX_ENTRY, kept) == set()


def test_the_last_and_the_younger_earlier_revisions_can_be_kept(place: Place) -> None:
    for image in (ONE, TWO, THREE):
        place.push("a", image)
        place.age(DAY)
    last = Policy(untagged=True, grace=0, keep_last=1)
    assert place.goes(ThingKind.REVISION, last) == {("a", ONE.digest)}
    younger = Policy(untagged=True, grace=0, keep_younger=2 * DAY)
    assert place.goes(ThingKind.REVISION, younger) == {("a", ONE.digest)}
    younger = Policy(untagged=True, grace=0, keep_younger=4 * DAY)
    assert place.goes(ThingKind.REVISION, younger) == set()


def test_repositories_out_of_scope_are_kept_whole(place: Place) -> None:
    place.push("team/a", ONE, None)
    place.push("team/b", TWO, None)
    place.push("c", THREE, None)
    policy = Policy(untagged=True, grace=0, repositories=("team/*",), exclude=("*/b",))
    assert place.blobs(policy) == digests([ONE])


def test_an_index_goes_before_its_children(place: Place) -> None:
    index = build_index(architectures=("amd64", "arm64", "s390x"))
    place.push("a", index, None)
    order = [each.digest for each in place.survey().garbage.things(ThingKind.REVISION)]
    assert order[0] == index.digest
    assert set(order[1:]) == {image.digest for image in index.images}


def test_things_come_in_the_order_of_removal(place: Place) -> None:
    place.push("a", ONE)
    place.push("a", TWO)
    place.push("b", THREE, None)
    place.push("a", build_index(), None)
    things = list(place.survey().garbage.things())
    assert [each.stage for each in things] == sorted(each.stage for each in things)
    assert {each.kind for each in things} == set(ThingKind) - {
        ThingKind.SIGNATURE_LINK,
        ThingKind.TAG,
    }


def test_blobs_have_size_and_time_and_all_things_a_path_that_is_there(place: Place) -> None:
    place.push("a", ONE, None)
    for thing in place.survey().garbage.things():
        entry = place.driver.stat(thing.path)
        if thing.kind is ThingKind.BLOB:
            assert (thing.size, thing.modified) == (entry.size, entry.modified)


# --- what is young ------------------------------------------------------------------------------


def test_what_is_young_stays_for_the_grace_and_goes_then(place: Place) -> None:
    place.push("a", ONE, None)
    policy = Policy(untagged=True)
    place.age(DAY - 1)
    survey = place.survey(policy)
    assert list(survey.garbage.things()) == []
    assert survey.garbage.young[ThingKind.REVISION] == 1
    place.age(1)
    assert place.blobs(policy) == digests([ONE])


def test_what_is_from_the_future_stays(place: Place) -> None:
    place.age(DAY)
    place.push("a", ONE, None)
    place.age(-DAY)
    assert list(place.survey().garbage.things()) == []


def test_a_young_revision_keeps_what_it_names_however_old(place: Place) -> None:
    place.push("a", ONE, None)
    place.age(2 * DAY)
    write_link(
        place.driver,
        MAPPER.path(specs.RevisionLink(RepositoryName.parse("a"), ONE.digest)),
        ONE.digest,
    )
    assert list(place.survey(Policy(untagged=True)).garbage.things()) == []


def test_a_young_entry_in_a_tags_index_keeps_its_revision(place: Place) -> None:
    place.push("a", ONE)
    place.push("a", TWO)
    place.age(2 * DAY)
    name, tag = RepositoryName.parse("a"), Tag.parse("latest")
    entry = specs.TagIndexEntryLink(name, tag, ONE.digest)
    write_link(place.driver, MAPPER.path(entry), ONE.digest)
    assert list(place.survey(Policy(untagged=True)).garbage.things()) == []


def test_a_young_layer_link_keeps_the_old_blob_but_not_the_old_links_of_others(
    place: Place,
) -> None:
    loose = THREE.layers[0]
    for name in ("a", "b"):
        repository = place.repository(name)
        repository.blobs.put(loose.digest, loose.content)
        repository.layers.link(loose.digest)
    place.age(2 * DAY)
    place.repository("b").layers.link(loose.digest)
    policy = Policy(untagged=False)
    assert place.blobs(policy) == set()
    assert place.goes(ThingKind.LAYER_LINK, policy) == {("a", loose.digest)}
    assert place.survey(policy).garbage.young == {ThingKind.LAYER_LINK: 1}


def test_a_young_blob_without_links_stays(place: Place) -> None:
    loose = THREE.layers[0]
    place.repository("a").blobs.put(loose.digest, loose.content)
    assert place.blobs(Policy()) == set()
    place.age(DAY)
    assert place.blobs(Policy()) == {loose.digest}


# --- what the real collectors get wrong -----------------------------------------------------------


def test_the_same_index_in_two_repositories_one_lacking_a_child(place: Place) -> None:
    index = build_index()
    lacking = place.repository("a")
    for blob in (*index.images[0].content, index.manifest):
        lacking.blobs.put(blob.digest, blob.content)
    for blob in index.images[0].blobs:
        lacking.layers.link(blob.digest)
    push_manifest(lacking, index.images[0].manifest.content)
    push_manifest(lacking, index.manifest.content, tag=Tag.parse("x"), allow_sparse=True)
    place.push("b", index)
    assert list(place.survey().garbage.things()) == []


def test_a_tag_whose_revision_link_is_missing_keeps_its_manifest_and_layers(place: Place) -> None:
    place.push("a", ONE)
    place.driver.delete(MAPPER.path(specs.RevisionLink(RepositoryName.parse("a"), ONE.digest)))
    assert list(place.survey().garbage.things()) == []


def test_a_manifest_that_is_missing_keeps_the_rest_of_its_repository_alone(place: Place) -> None:
    place.push("a", ONE)
    place.push("a", TWO, None)
    place.push("b", THREE, None)
    place.driver.delete(place.path(ONE.digest))
    assert place.blobs() == digests([THREE])
    assert place.goes(ThingKind.LAYER_LINK) == {("b", blob.digest) for blob in THREE.blobs}


def test_an_empty_tag_keeps_what_its_index_has(place: Place) -> None:
    place.push("a", ONE)
    place.push("a", TWO)
    place.push("a", THREE, None)
    tag = specs.TagCurrentLink(RepositoryName.parse("a"), Tag.parse("latest"))
    place.driver.put(MAPPER.path(tag), b"")
    assert place.blobs() == digests([THREE])


def test_surveying_changes_nothing_and_asks_for_no_link_that_stays(place: Place) -> None:
    place.push("a", ONE)
    place.age(HOUR)
    before = sorted(entry.path for entry in place.driver.walk("/"))
    assert list(place.survey(AT_ONCE).garbage.things()) == []
    assert sorted(entry.path for entry in place.driver.walk("/")) == before
