"""Trees that registries wrote: after a collection every tag that was whole is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from regctl.digest import Digest
from regctl.drivers.filesystem import FilesystemDriver
from regctl.errors import RegctlError
from regctl.registry import Registry
from tests import trees
from tests.maintenance.gc.making import AT_ONCE, START, Place, whole_tags
from tests.maintenance.gc.test_garbage import BLOBS
from tests.registry.storages import never_sleep


def signatures(place: Place) -> set[tuple[str, Digest, Digest]]:
    """Every signature that is stored beside a schema 1 manifest that a tag names."""
    registry = Registry(place.driver, clock=lambda: START, sleep=never_sleep)
    found = set()
    for entry in registry.catalog().listed:
        repository = registry.repository(entry.name)
        for tag in repository.tags.list():
            try:
                revision = repository.tags.get(tag)
            except RegctlError:
                continue
            for signature in repository.signatures.list(revision):
                if repository.blobs.size(signature) is not None:
                    found.add((str(entry.name), revision, signature))
    return found


@pytest.fixture
def place(tree_name: str, tmp_path: Path) -> Place:
    root = trees.unpack(tree_name, tmp_path).root
    return Place(lambda _: FilesystemDriver(str(root)))


@pytest.mark.parametrize("tree_name", trees.NAMES)
@pytest.mark.parametrize("policy", [AT_ONCE, BLOBS], ids=["untagged", "blobs"])
def test_every_whole_tag_stays_whole(place: Place, policy: object) -> None:
    assert policy in (AT_ONCE, BLOBS)
    before, signed = whole_tags(place.driver), signatures(place)
    swept = place.sweep(AT_ONCE if policy == AT_ONCE else BLOBS)
    assert swept.outcome.failures == []
    assert (swept.spared, swept.mended, swept.outcome.held) == (0, 0, 0)
    assert whole_tags(place.driver) == before
    assert signatures(place) == signed
    again = place.sweep(AT_ONCE if policy == AT_ONCE else BLOBS)
    assert again.outcome.done == 0


@pytest.mark.parametrize("tree_name", trees.DAMAGED)
def test_of_a_damaged_tree_nothing_that_is_linked_goes_from_what_is_contained(
    place: Place,
) -> None:
    survey = place.survey(AT_ONCE)
    contained = {name for name, each in survey.marks.repositories.items() if each.contained}
    for name, found in survey.garbage.repositories.items():
        assert name not in contained, list(survey.garbage.things())
        assert found
