"""What is needed, rule by rule, on storages of real manifests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from regctl.digest import Digest
from regctl.errors import UnavailableError
from regctl.layout import Tag
from regctl.maintenance.inventory.content import RepositoryContent
from regctl.maintenance.inventory.marking import mark
from regctl.maintenance.inventory.rules import (
    Rules,
    keep_any,
    keep_last,
    keep_matching,
    keep_younger,
)
from tests.images import OCI_LAYER, OCI_MANIFEST
from tests.maintenance.inventory.storages import UNTAGGED, Storage, descriptor
from tests.schema1 import payload_of

EVERYTHING = Rules()
STALE = Rules(stale_referrers=True)
SHA512 = Digest.parse("sha512:" + "5" * 128)
TARSUM = Digest.parse("tarsum.v1+sha256:" + "7" * 64)
NOWHERE = Digest.parse("sha256:" + "0" * 64)


def test_a_tag_keeps_its_manifest_and_what_that_names() -> None:
    storage = Storage()
    used, unused = storage.blob(), storage.blob()
    image, untagged = storage.image(used), storage.image(unused)
    storage.repository("a").revision(image, untagged).layer(used, unused).tag("t", image)
    kept = storage.mark()
    assert kept.blobs == {image, storage.config_of(image), used}
    assert kept.revisions("a") == {image}
    assert kept.layers("a") == {used, storage.config_of(image)}
    assert kept.seen() == []


def test_without_untagged_every_revision_is_kept() -> None:
    storage = Storage()
    layer, dangling = storage.blob(), storage.blob()
    image = storage.image(layer)
    storage.repository("a").revision(image).layer(layer, dangling)
    kept = storage.mark(EVERYTHING)
    assert {image, layer} <= kept.blobs
    assert dangling not in kept.blobs
    assert dangling not in kept.layers("a")


def test_untagged_children_of_tagged_indexes_are_kept_to_any_depth() -> None:
    """2.8.2 with -m deletes the children of every image for more than one architecture."""
    storage = Storage()
    layer = storage.blob()
    image = storage.image(layer)
    inner = storage.index(image)
    outer = storage.index(inner)
    storage.repository("a").revision(image, inner, outer).layer(layer).tag("t", outer)
    kept = storage.mark()
    assert kept.revisions("a") == {outer, inner, image}
    assert layer in kept.blobs & kept.layers("a")


def test_the_same_index_in_two_repositories_is_marked_in_each() -> None:
    """3.x deletes the layers of the second repository, where the first one lacks the child."""
    storage = Storage()
    layer = storage.blob()
    image = storage.image(layer)
    index = storage.index(image)
    storage.repository("a").revision(index).tag("t", index)
    storage.repository("b").revision(index, image).layer(layer).tag("t", index)
    kept = storage.mark()
    assert image in kept.revisions("b")
    assert layer in kept.layers("b")
    assert layer in kept.blobs


def test_an_absent_child_is_normal() -> None:
    storage = Storage()
    index = storage.index(NOWHERE)
    storage.repository("a").revision(index).tag("t", index)
    kept = storage.mark()
    assert kept.seen() == []
    assert kept.contained("a") == []


def test_an_entry_of_another_type_is_a_leaf_unless_it_is_a_revision() -> None:
    """BuildKit lists the layers of its caches in an index."""
    storage = Storage()
    layer, other = storage.blob(), storage.blob()
    image = storage.image(other)
    index = storage.index(layer, image, media_type=OCI_LAYER)
    storage.repository("a").revision(index, image).layer(layer, other).tag("t", index)
    storage.repository("b").revision(index).tag("t", index)
    kept = storage.mark()
    assert kept.layers("a") >= {layer, other}
    assert kept.revisions("a") == {index, image}
    assert kept.revisions("b") == {index}
    assert other not in kept.layers("b")
    assert kept.seen() == []


@pytest.mark.parametrize("rules", [UNTAGGED, STALE, replace(UNTAGGED, stale_referrers=True)])
def test_referrers_are_kept_with_their_subject_through_chains(rules: Rules) -> None:
    """Registries delete the untagged referrers of tagged images."""
    storage = Storage()
    image = storage.image()
    signature = storage.image(subject=image)
    signed = storage.image(subject=signature)
    storage.repository("a").revision(signed, signature, image).tag("t", image)
    assert storage.mark(rules).revisions("a") == {image, signature, signed}


def test_a_referrer_never_keeps_its_subject() -> None:
    storage = Storage()
    image = storage.image()
    referrer = storage.image(subject=image)
    storage.repository("a").revision(image, referrer).tag("t", referrer)
    assert storage.mark().revisions("a") == {referrer}
    storage.repository("a").content.tags.clear()
    assert storage.mark().revisions("a") == set()


def test_a_subject_in_another_repository_keeps_nothing() -> None:
    storage = Storage()
    image = storage.image()
    referrer = storage.image(subject=image)
    storage.repository("a").revision(image).tag("t", image)
    storage.repository("b").revision(referrer)
    assert storage.mark().revisions("b") == set()


@pytest.mark.parametrize("alias", [SHA512, TARSUM])
def test_a_layer_under_another_name_is_kept_under_both(alias: Digest) -> None:
    """Both real collectors delete a layer that was uploaded with a sha512 digest."""
    storage = Storage()
    layer = storage.blob()
    image = storage.image(alias)
    storage.repository("a").revision(image).layer(layer).layer(alias, says=layer).tag("t", image)
    kept = storage.mark()
    assert layer in kept.blobs
    assert kept.layers("a") >= {alias, layer}


def test_a_revision_under_another_name_is_read_where_its_link_leads() -> None:
    storage = Storage()
    layer = storage.blob()
    image = storage.image(layer)
    storage.repository("a").revision(SHA512, says=image).tag("t", SHA512)
    kept = storage.mark()
    assert kept.blobs >= {image, layer}
    assert kept.revisions("a") == {SHA512, image}
    assert kept.seen() == []


def test_what_the_link_of_a_revision_says_is_a_revision_too() -> None:
    storage = Storage()
    layer, other = storage.blob(), storage.blob()
    image = storage.image(layer)
    index = storage.index(image, media_type=OCI_LAYER)
    referrer = storage.image(other, subject=index)
    repository = storage.repository("a").revision(index).tag("t", index)
    repository.revision(SHA512, says=image).revision(TARSUM, says=referrer)
    kept = storage.mark()
    assert kept.revisions("a") == {index, SHA512, image, TARSUM, referrer}
    assert kept.blobs >= {layer, other}


def test_links_that_lead_to_each_other_and_nowhere_contain_their_repository() -> None:
    storage = Storage()
    repository = storage.repository("a").revision(SHA512, says=NOWHERE)
    repository.revision(NOWHERE, says=SHA512).tag("t", SHA512)
    assert len(storage.mark().contained("a")) == 2


def test_signatures_are_kept_beside_a_kept_revision() -> None:
    """2.8.2 deletes what 2.0 to 2.4 stored of signatures."""
    storage = Storage()
    layer, one, two = storage.blob(), storage.blob(), storage.blob()
    image = storage.blob(payload_of("a", "t", [layer]))
    other = storage.blob(payload_of("a", "u", [layer]))
    repository = storage.repository("a").revision(image, other).layer(layer).tag("t", image)
    repository.signature(image, one).signature(other, two)
    kept = storage.mark()
    assert kept.blobs == {image, layer, one}
    assert storage.mark(EVERYTHING).blobs == {image, other, layer, one, two}


def test_a_tag_without_revision_link_keeps_what_is_stored() -> None:
    """Registries delete the manifest."""
    storage = Storage()
    layer = storage.blob()
    image = storage.image(layer)
    storage.repository("a").layer(layer).tag("t", image)
    kept = storage.mark()
    assert kept.blobs >= {image, layer}
    assert layer in kept.layers("a")
    assert kept.seen() == [("unlinked-tag", "t")]


def test_a_dangling_tag_is_reported() -> None:
    storage = Storage()
    storage.repository("a").tag("t", NOWHERE)
    kept = storage.mark()
    assert kept.seen() == [("dangling-tag", "t")]
    assert kept.contained("a") == []


def test_a_tag_that_does_not_say_what_it_names_keeps_its_history() -> None:
    storage = Storage()
    old, new, other = storage.image(), storage.image(), storage.image()
    repository = storage.repository("a").revision(old, new, other)
    repository.tag("t", None, [old, new]).tag("u", None)
    kept = storage.mark()
    assert kept.revisions("a") == {old, new}
    assert kept.seen() == [("unreadable-tag", "t"), ("empty-tag", "u")]


def unknown(storage: Storage, **more: object) -> Digest:
    return storage.manifest({"schemaVersion": 2, "mediaType": "application/x", **more})


@pytest.mark.parametrize("damage", ["missing", "wrong", "not JSON", "too large", "unknown"])
@pytest.mark.parametrize("rules", [UNTAGGED, EVERYTHING, STALE])
def test_what_cannot_be_gone_by_contains_its_repository(damage: str, rules: Rules) -> None:
    storage = Storage()
    layer, unused, elsewhere = storage.blob(), storage.blob(), storage.blob()
    image, old = storage.image(layer), storage.image()
    signature = storage.blob()
    bad = {
        "missing": lambda: NOWHERE,
        "wrong": lambda: storage.put(NOWHERE, b"{}"),
        "not JSON": lambda: storage.blob(b"no"),
        "too large": lambda: storage.blob(b'{"a":"%s"}' % (b"x" * (4 << 20))),
        "unknown": lambda: unknown(storage),
    }[damage]()
    repository = storage.repository("a").revision(image, bad).layer(unused)
    repository.signature(image, signature).tag("t", None, [old])
    storage.repository("b").layer(elsewhere)
    kept = storage.mark(rules)
    assert kept.blobs >= {image, layer, unused, signature, old}
    assert kept.revisions("a") >= {image, bad, old}
    assert kept.layers("a") >= {unused}
    assert elsewhere not in kept.blobs
    assert ("contained", "") in kept.seen()
    (reason,) = kept.contained("a")
    assert str(bad) in reason
    assert kept.contained("b") == []


def test_an_empty_link_is_believed_by_its_path() -> None:
    """One empty link stops the registry's own collector."""
    storage = Storage()
    image = storage.image()
    storage.repository("a").empty_revision_link(image).tag("t", image)
    kept = storage.mark()
    assert image in kept.blobs
    assert kept.contained("a") == []


def test_what_is_named_in_a_document_of_unknown_type_is_kept() -> None:
    storage = Storage()
    layer, below = storage.blob(), storage.blob()
    image = storage.image(below)
    artifact = unknown(
        storage, a={"b": [descriptor(layer, "text/plain"), descriptor(image, OCI_MANIFEST)]}
    )
    storage.repository("a").revision(artifact).tag("t", artifact)
    kept = storage.mark()
    assert kept.blobs == {artifact, layer, image, below, storage.config_of(image)}
    assert kept.seen() == []


def test_a_child_that_came_after_the_listing_is_read() -> None:
    storage = Storage()
    layer = storage.blob()
    image = storage.image(layer, seen=False)
    index = storage.index(image)
    storage.repository("a").revision(index).tag("t", index)
    assert layer in storage.mark().blobs


def test_out_of_scope_is_kept_whole() -> None:
    storage = Storage()
    layer, unused = storage.blob(), storage.blob()
    image, old = storage.image(layer), storage.image()
    for name in ("a", "b"):
        storage.repository(name).revision(image).layer(unused).tag("t", NOWHERE, [old])
    rules = replace(UNTAGGED, in_scope=lambda content: content.name.value == "a")
    kept = storage.mark(rules)
    assert kept.revisions("a") == {NOWHERE}
    assert kept.revisions("b") >= {image, old}
    assert kept.layers("b") >= {layer, unused}
    assert unused in kept.blobs
    assert kept.seen() == [("dangling-tag", "t")]


def test_what_is_too_young_is_kept_with_all_that_it_names() -> None:
    """A revision is pushed before its tag, and its layers may have been there for long."""
    storage = Storage()
    layer = storage.blob()
    image = storage.image(layer)
    storage.repository("a").revision(image)
    rules = replace(UNTAGGED, keep_also=lambda _: [storage.number(image)])
    assert storage.mark(rules).blobs >= {image, layer}


def test_stale_referrers_go_with_their_subject() -> None:
    storage = Storage()
    image, gone = storage.image(), NOWHERE
    good, stale = storage.image(), storage.image()
    about_good, about_gone = storage.image(subject=image), storage.image(subject=gone)
    fallback = storage.index(about_gone)
    repository = storage.repository("a")
    repository.revision(image, good, stale, about_good, about_gone, fallback)
    repository.tag(f"sha256-{image.hex}.sig", good).tag(f"sha256-{gone.hex}.sig", stale)
    repository.tag(f"sha256-{gone.hex}", fallback)
    assert len(storage.mark(EVERYTHING).revisions("a")) == 6
    assert storage.mark(STALE).revisions("a") == {image, good, about_good}


def test_what_is_in_the_history_of_another_tag_is_not_stale() -> None:
    storage = Storage()
    image = storage.image()
    signature, artifact = storage.image(), storage.image(subject=NOWHERE)
    repository = storage.repository("a").revision(image, signature, artifact)
    repository.tag(f"sha256-{NOWHERE.hex}.sig", signature)
    repository.tag("t", image, [signature, artifact])
    assert storage.mark(STALE).revisions("a") == {image, signature, artifact}


def test_a_tag_is_not_stale_because_its_name_looks_so() -> None:
    """Mirrors name images by their digests."""
    storage = Storage()
    image, other = storage.image(), storage.image()
    index = storage.index(other)
    plain = storage.image(subject=NOWHERE)
    repository = storage.repository("a").revision(image, other, index, plain).tag("t", plain)
    repository.tag(f"sha256-{image.hex}", image)
    repository.tag(f"sha256-{NOWHERE.hex}", index, [other])
    rules = replace(UNTAGGED, stale_referrers=True)
    assert storage.mark(rules).revisions("a") == {image, index, other, plain}


def test_storage_errors_end_marking() -> None:
    storage = Storage()
    image = storage.image()
    storage.repository("a").revision(image)

    class Failing:
        def __call__(self, number: int) -> None:
            raise AssertionError

        def read_with_children(self, numbers: object) -> None:
            raise UnavailableError("no answer")

    with pytest.raises(UnavailableError):
        mark(storage.inventory, Failing(), UNTAGGED)  # type: ignore[arg-type]


TIMES = {1: 10.0, 2: 20.0, 3: 20.0, 4: 30.0}


def times(_: RepositoryContent, __: Tag, numbers: Sequence[int]) -> Mapping[int, float]:
    return {number: TIMES[number] for number in numbers if number in TIMES}


@pytest.mark.parametrize(
    ("history", "kept"),
    [
        (keep_last(0, times), set()),
        (keep_last(1, times), {4, 9}),
        (keep_last(2, times), {4, 3, 2, 9}),
        (keep_last(3, times), {4, 3, 2, 9}),
        (keep_last(4, times), {4, 3, 2, 1, 9}),
        (keep_last(9, times), {4, 3, 2, 1, 9}),
        (keep_younger(20.0, times), {4, 3, 2, 9}),
        (keep_younger(20.1, times), {4, 9}),
        (keep_matching(re.compile("v.*")), {1, 2, 3, 4, 9}),
        (keep_matching(re.compile("v")), set()),
        (keep_any(keep_matching(re.compile("v")), keep_younger(30.0, times)), {4, 9}),
        (keep_any(), set()),
    ],
)
def test_history_rules_keep_ties_and_what_has_no_time(history: object, kept: set[int]) -> None:
    """The link of 9 could not be dated."""
    content = Storage().repository("a").content
    assert callable(history)
    assert set(history(content, Tag.parse("v1"), [1, 2, 3, 4, 9])) == kept


def test_history_is_asked_of_earlier_revisions_only() -> None:
    storage = Storage()
    current, old, unlinked = storage.image(), storage.image(), storage.image()
    repository = storage.repository("a").revision(current, old)
    repository.tag("t", current, [old, unlinked])
    asked: list[int] = []

    def history(_: RepositoryContent, __: Tag, earlier: Sequence[int]) -> Sequence[int]:
        asked.extend(earlier)
        return earlier

    rules = replace(UNTAGGED, keep_history=history)
    assert storage.mark(rules).revisions("a") == {current, old}
    assert asked == [storage.number(old)]


def test_chains_say_why() -> None:
    storage = Storage()
    layer, signature = storage.blob(), storage.blob()
    image = storage.image(SHA512)
    index = storage.index(image)
    referrer = storage.image(layer, subject=index)
    repository = storage.repository("a").revision(image, index, referrer)
    repository.layer(layer).layer(SHA512, says=layer).tag("t", index).signature(image, signature)
    storage.repository("b").revision(image)

    def said(digest: Digest) -> list[tuple[str, str, str, tuple[tuple[str, Digest], ...]]]:
        return [
            (
                str(chain.repository),
                chain.root.value,
                str(chain.tag),
                tuple((link.use.value, link.digest) for link in chain.links),
            )
            for chain in storage.explain(digest)
        ]

    top = ("manifest", index)
    assert said(index) == [("a", "tag", "t", (top,))]
    assert said(image) == [("a", "tag", "t", (top, ("child", image)))]
    assert said(signature) == [("a", "tag", "t", (top, ("child", image), ("signature", signature)))]
    assert said(layer) == [
        ("a", "tag", "t", (top, ("referrer", referrer), ("layer", layer))),
        ("a", "tag", "t", (top, ("child", image), ("layer", SHA512), ("alias", layer))),
    ]
    assert said(storage.blob()) == []
    assert said(NOWHERE) == []


def test_everything_that_is_needed_has_a_chain() -> None:
    storage = Storage()
    layer, linked = storage.blob(), storage.blob()
    image = storage.image(layer)
    storage.repository("a").revision(image, NOWHERE).layer(linked)
    for digest in storage.mark().blobs:
        assert storage.explain(digest), digest
    (chain,) = storage.explain(linked)
    assert (chain.root.value, chain.links[0].use.value) == ("contained", "layer-link")


def test_marking_twice_reads_nothing_again() -> None:
    storage = Storage()
    image = storage.image()
    storage.repository("a").revision(image).tag("t", image)
    with storage.reader() as reader:
        first = mark(storage.inventory, reader, UNTAGGED)
        fetched = reader.fetched
        again = mark(storage.inventory, reader, EVERYTHING)
        assert reader.fetched == fetched == 1
    assert set(first.blobs) == set(again.blobs)
    assert json.loads(storage.driver.get(storage.path(image), 1 << 20))["schemaVersion"] == 2
