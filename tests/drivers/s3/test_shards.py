"""Cutting names into shards: every name in one shard, and no more shards than are worth it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.drivers.s3.shards import LEAST_SHARDS, UNKNOWN_SHARDS, Sample, cut, deepest

NAMES = st.sets(st.text("ab01-.é", max_size=4).map(lambda name: f"{name}/"), max_size=60)
SAMPLES = st.one_of(
    st.just(Sample(1000, 0, 0, goes_on=True)),
    st.builds(
        lambda names, each: Sample(1000, int(names * each), names, goes_on=True),
        st.integers(1, 20),
        st.floats(1, 5000),
    ),
)
HEX = [f"{number:02x}/" for number in range(256)]


@given(NAMES, SAMPLES)
def test_each_name_is_in_one_shard(names: set[str], sample: Sample) -> None:
    """And its keys begin with that shard's prefix and no other's."""
    shards = cut("a/", names, sample)
    assert sorted(name for shard in shards for name in shard.names) == sorted(names)
    for name in names:
        key = f"a/{name}x"
        holding = [shard for shard in shards if key.startswith(shard.prefix)]
        assert len(holding) == 1
        assert name in holding[0].names


@given(NAMES, SAMPLES)
def test_no_more_shards_than_are_worth_it(names: set[str], sample: Sample) -> None:
    pages = sample.pages(len(names))
    most = UNKNOWN_SHARDS if pages is None else max(LEAST_SHARDS, pages / 2)
    assert len(cut("a/", names, sample)) <= most


def test_digits_of_a_digest() -> None:
    """What 256 directories of two digits hold is read by the first digit."""
    shards = cut("b/sha256/", HEX, Sample(1000, 800, 4, goes_on=True))
    assert sorted(shard.prefix for shard in shards) == [f"b/sha256/{d}" for d in "0123456789abcdef"]


def test_many_pages_make_more_shards() -> None:
    """Four pages a name are enough for a shard of its own."""
    shards = cut("b/", HEX, Sample(1000, 4000, 1, goes_on=True))
    assert sorted(shard.prefix for shard in shards) == [f"b/{name}" for name in HEX]


def test_one_name() -> None:
    (shard,) = cut("a/", ["only/"], Sample(1000, 0, 0, goes_on=True))
    assert shard.prefix == "a/only/"


def test_a_name_that_begins_another() -> None:
    shards = cut("", ["foo/", "foo-bar/", "food/"], Sample(10, 0, 0, goes_on=True))
    assert sorted(shard.prefix for shard in shards) == ["foo-bar/", "foo/", "food/"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["d/a/1", "d/a/2", "d/b/1", "d/c/1"], Sample(9, 3, 2, goes_on=True)),
        (["d/a/1", "d/a/2"], Sample(9, 0, 0, goes_on=True)),
        (["d/a/1", "d/z"], Sample(9, 1, 1, goes_on=False)),
        (["d/y", "d/z"], Sample(9, 0, 0, goes_on=False)),
        ([], Sample(9, 0, 0, goes_on=False)),
    ],
)
def test_sample(keys: list[str], expected: Sample) -> None:
    assert Sample.of(keys, "d/", 9) == expected


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (Sample(1000, 0, 0, goes_on=True), True),
        (Sample(1000, 0, 0, goes_on=False), False),
        (Sample(1000, 900, 900, goes_on=True), False),
        (Sample(1000, 900, 9, goes_on=True), True),
    ],
)
def test_what_may_be_cut(sample: Sample, expected: bool) -> None:
    """Files directly in a directory, or names of one file each, are listed as they are."""
    assert sample.may_be_cut is expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["a/b/1", "a/b/2"], "a/b/"),
        (["a/b/1", "a/bc/2", "a/b/3"], "a/"),
        (["a/b/1"], "a/b/"),
        (["x", "y"], ""),
    ],
)
def test_deepest(keys: list[str], expected: str) -> None:
    assert deepest(keys) == expected
