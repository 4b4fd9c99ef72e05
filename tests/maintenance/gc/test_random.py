"""Random storages: no tag that was whole breaks, nothing that is kept lacks what it needs."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from regctl.drivers.base import StorageDriver
from regctl.errors import RegctlError
from regctl.layout import RepositoryName, Tag, specs
from regctl.maintenance.gc.collect import Options
from regctl.maintenance.gc.survey import Policy
from regctl.maintenance.gc.sweep import MaxDelete
from regctl.registry.links import write_link
from tests.images import Image, Index, build_image, build_index
from tests.maintenance.gc.making import (
    AT_ONCE,
    HOUR,
    MAPPER,
    Clock,
    Place,
    memory,
    objects,
    whole_tags,
)
from tests.maintenance.gc.test_collect import run

IMAGES: list[Image | Index] = [build_image(seed, layers=1, size=20) for seed in range(4)]
IMAGES += [build_index(seed, layers=1, size=20) for seed in range(3)]
NAMES = ("a", "b", "team/c")
TAGS = ("x", "y")
SEEDS = range(25)


def churn(place: Place, rng: random.Random, steps: int) -> None:
    """Do what clients and accidents do."""
    for _ in range(steps):
        name, tag, pushed = rng.choice(NAMES), rng.choice(TAGS), rng.choice(IMAGES)
        deed = rng.randrange(8)
        if deed < 3:
            _try(place.push, name, pushed, rng.choice((tag, tag, None)))
        elif deed == 3:
            _try(place.untag, name, tag)
        elif deed == 4:
            _remove(place, specs.RevisionLink(RepositoryName.parse(name), pushed.digest))
        elif deed == 5 and not rng.randrange(3):
            _remove(place, specs.BlobData(rng.choice(pushed.content).digest))
        elif deed == 6:
            link = specs.LayerLink(RepositoryName.parse(name), rng.choice(pushed.blobs).digest)
            write_link(place.driver, MAPPER.path(link), link.digest)
        elif deed == 7 and not rng.randrange(3):
            current = specs.TagCurrentLink(RepositoryName.parse(name), Tag.parse(tag))
            place.driver.put(MAPPER.path(current), rng.choice((b"", b"sha256:12")))
        place.age(rng.choice((0, 1, HOUR)))


def _try(deed: Callable[..., object], *arguments: object) -> None:
    """Do something that is refused where what it needs is damaged or missing."""
    with suppress(RegctlError):
        deed(*arguments)


def _remove(place: Place, spec: specs.Spec) -> None:
    _try(place.driver.delete, MAPPER.path(spec))


@pytest.mark.parametrize("make", [memory, objects])
@pytest.mark.parametrize("seed", SEEDS)
def test_offline(seed: int, make: Callable[[Clock], StorageDriver]) -> None:
    rng, place = random.Random(seed), Place(make)
    churn(place, rng, 25)
    before = whole_tags(place.driver)
    policy = rng.choice((AT_ONCE, Policy(grace=0), Policy(untagged=True, grace=2 * HOUR)))
    swept = place.sweep(policy)
    assert whole_tags(place.driver) == before
    assert (swept.spared, swept.mended, swept.outcome.failures) == (0, 0, [])
    again = place.sweep(policy)
    assert again.outcome.done == 0, again


@pytest.mark.parametrize("make", [memory, objects])
@pytest.mark.parametrize("seed", SEEDS)
def test_live(seed: int, make: Callable[[Clock], StorageDriver]) -> None:
    """What clients do between the runs, and between the plan and the removal, stays whole."""
    rng, place = random.Random(seed), Place(make)
    options = Options(
        Policy(untagged=rng.random() < 0.7, grace=rng.choice((0, HOUR))),
        quarantine=rng.random() < 0.7,
        settle=HOUR,
        max_delete=MaxDelete(percent=100),
    )
    before: set[object] = set()

    def meanwhile(_: object) -> None:
        place.age(1)
        _try(place.push, rng.choice(NAMES), rng.choice(IMAGES), "new")
        before.update(whole_tags(place.driver))

    for _ in range(5):
        churn(place, rng, 6)
        place.age(HOUR)
        before.clear()
        run(place, options, between=meanwhile)
        assert set(whole_tags(place.driver)) >= before
