"""Parts as values, up to the largest objects that there are."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.drivers.s3.parts import (
    BUFFER_BYTES,
    LEAST_PART,
    MOST_OBJECT,
    MOST_PART,
    MOST_PARTS,
    Part,
    completed_etag,
    copy_ranges,
    counted,
    most_buffers,
    needed,
    part_bytes,
)

SIZES = [1, LEAST_PART, 10 << 20, 16 << 20, 100 << 20, 1 << 30, MOST_PART, MOST_PART + 1]


@pytest.mark.parametrize("least", SIZES)
def test_parts_grow_to_the_largest_object(least: int) -> None:
    """10,000 parts hold 5 TiB, none is too small or too large, and none smaller than before."""
    sizes = [part_bytes(number, least) for number in range(1, MOST_PARTS + 1)]
    assert sum(sizes) >= MOST_OBJECT
    assert sizes == sorted(sizes)
    assert sizes[0] == min(max(least, LEAST_PART), MOST_PART)
    assert sizes[-1] <= MOST_PART


@pytest.mark.parametrize("least", [LEAST_PART, 10 << 20, 32 << 20])
def test_buffers_are_bounded(least: int) -> None:
    """Up to 150 GiB the buffers of a writer keep to their bound."""
    total = 0
    for number in itertools.count(1):
        size = part_bytes(number, least)
        total += size
        if total > 150 << 30:
            break
        assert 3 <= most_buffers(size) <= BUFFER_BYTES // size


@given(
    st.integers(LEAST_PART, MOST_OBJECT) | st.integers(LEAST_PART, LEAST_PART * 20),
    st.sampled_from(SIZES) | st.integers(1, MOST_PART),
)
def test_copies(size: int, chunk: int) -> None:
    """The ranges that an object is copied by join, and others may follow each of them."""
    ranges = copy_ranges(size, chunk)
    assert ranges[0][0] == 0
    assert all(a + b == c for (a, b), (c, _) in itertools.pairwise(ranges))
    assert sum(ranges[-1]) == size
    assert all(LEAST_PART <= length <= MOST_PART for _, length in ranges)
    assert len(ranges) <= 2048


def _parts(*pairs: tuple[int, int]) -> list[Part]:
    return [Part(number, size, f"{number}-{size}") for number, size in pairs]


FULL = LEAST_PART


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([], []),
        ([(1, FULL), (2, FULL), (3, 9)], [(1, FULL), (2, FULL), (3, 9)]),
        ([(3, 9), (1, FULL), (2, FULL)], [(1, FULL), (2, FULL), (3, 9)]),
        ([(1, FULL), (2, FULL), (4, FULL)], [(1, FULL), (2, FULL)]),
        ([(2, FULL)], []),
        ([(1, 9), (2, FULL)], [(1, 9)]),
        # SeaweedFS lists a part beside the one that took its place.
        ([(1, FULL), (2, 9), (2, FULL), (3, 1)], [(1, FULL), (2, FULL), (3, 1)]),
        ([(1, FULL), (2, FULL), (2, 9)], [(1, FULL), (2, FULL)]),
        ([(1, FULL), (2, 0)], [(1, FULL)]),
    ],
)
def test_counted(listed: list[tuple[int, int]], expected: list[tuple[int, int]]) -> None:
    """The parts that a file consists of, whatever the server lists."""
    assert counted(_parts(*listed)) == _parts(*expected)


def test_needed() -> None:
    """How many parts hold so many bytes."""
    parts = _parts((1, 10), (2, 10), (3, 5))
    assert [needed(parts, size) for size in (0, 1, 10, 11, 20, 21, 25)] == [0, 1, 1, 2, 2, 3, 3]


def test_etag_of_what_is_completed() -> None:
    """S3's ETag of an object of parts: the example of its documentation's rule, worked by hand."""
    empty = "d41d8cd98f00b204e9800998ecf8427e"
    assert completed_etag([Part(1, 0, empty)]) == "59adb24ef3cdbe0297f05b395827453f-1"
    assert completed_etag([Part(1, 0, "no md5")]) is None
