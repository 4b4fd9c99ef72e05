"""The two sorts, element by element as Go's, where the comparison is no order."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.digest.tarsum.order import Entries, orders
from regctl.digest.tarsum.pdqsort import pdqsort
from regctl.digest.tarsum.quicksort import quicksort

#: Length, number of names, kind of sums; what the order hashes to with the sort of Go 1.5, and with
#: that of Go 1.27, as programs built by it gave them.
PINNED = [
    (6, 3, "random", "70b46cd49edf", "70b46cd49edf"),
    (6, 3, "rising", "b0229c06acf4", "b0229c06acf4"),
    (6, 3, "falling", "ca54fa432b2f", "ca54fa432b2f"),
    (6, 3, "few", "b02b75a29b7d", "b02b75a29b7d"),
    (6, 3, "organ", "b0229c06acf4", "b0229c06acf4"),
    (8, 4, "random", "a9dc57e729b5", "5b6226549e74"),
    (8, 4, "rising", "809d533fc370", "809d533fc370"),
    (8, 4, "falling", "19f3ee31d140", "cb545979e6c1"),
    (8, 4, "few", "e855e5b7ec92", "5839dd859047"),
    (8, 4, "organ", "54677c702b3c", "a0756fa36f52"),
    (13, 5, "random", "fa9d35096a5a", "6a2953eb20a3"),
    (13, 5, "rising", "a7253cab11c6", "a7253cab11c6"),
    (13, 5, "falling", "dbc2c955e5f2", "d333178ac5b2"),
    (13, 5, "few", "679efd983958", "046948ad1d47"),
    (13, 5, "organ", "2cff8cf1bf21", "bb16e56f9e1a"),
    (41, 20, "random", "293c40434be0", "2aa4ab898cff"),
    (41, 20, "rising", "a5360176c794", "a5360176c794"),
    (41, 20, "falling", "bf8d0c16c091", "3700347304c6"),
    (41, 20, "few", "8109e40931ee", "083a711cf789"),
    (41, 20, "organ", "c71f10610f5e", "d3e72488a694"),
    (60, 3, "random", "c09f15ceedcf", "bc0032a8052f"),
    (60, 3, "rising", "74ddd3b90902", "74ddd3b90902"),
    (60, 3, "falling", "65b3bb6f50a4", "68e80a191719"),
    (60, 3, "few", "df24abe641d4", "26360f67a534"),
    (60, 3, "organ", "fa6551c7b5cb", "de638d0a0712"),
    (300, 200, "random", "da27a87250f9", "3dcae879765e"),
    (300, 200, "rising", "3b5f74133aec", "3b5f74133aec"),
    (300, 200, "falling", "befa29b03cb7", "8cf473afecf1"),
    (300, 200, "few", "e9c5e3f0caef", "773abac36226"),
    (300, 200, "organ", "9b49c5dd87ea", "03df1945acf6"),
]


def sample(length: int, names: int, kind: str) -> Entries:
    """Entries that a simple generator makes."""
    state = length * 31 + names
    numbers, sums = [], []
    for i in range(length):
        state = (state * 1103515245 + 12345) % 2**31
        kinds = {
            "random": state >> 8,
            "rising": i,
            "falling": length - i,
            "few": (state >> 16) % 5,
            "organ": min(i, length - i),
        }
        numbers.append((state >> 12) % names)
        sums.append(kinds[kind].to_bytes(8, "big"))
    return Entries(numbers, sums)


def mark(entries: Entries) -> str:
    return hashlib.sha256(repr(entries.order).encode()).hexdigest()[:12]


@pytest.mark.parametrize(("length", "names", "kind", "first", "second"), PINNED)
def test_every_step_is_that_of_go(
    length: int, names: int, kind: str, first: str, second: str
) -> None:
    entries = sample(length, names, kind)
    quicksort(entries, length)
    assert mark(entries) == first
    entries = sample(length, names, kind)
    pdqsort(entries, length)
    assert mark(entries) == second


def test_the_two_differ_where_there_are_duplicates() -> None:
    assert sum(first != second for *_, first, second in PINNED) > len(PINNED) // 3
    assert all(first == second for length, _, _, first, second in PINNED if length <= 7)


@given(st.lists(st.integers(0, 60), max_size=300))
def test_both_sort_what_has_an_order(numbers: list[int]) -> None:
    """Equal sums of different names stand for each other, so only the values are compared."""
    sums = [number.to_bytes(1, "big") for number in numbers]
    for sort in (quicksort, pdqsort):
        entries = Entries(range(len(sums)), sums)
        sort(entries, len(sums))
        assert [sums[i] for i in entries.order] == sorted(sums)


def test_without_duplicates_the_sums_decide() -> None:
    assert list(orders([b"b", b"a"], [b"2", b"1"])) == [[b"1", b"2"]]


def test_duplicates_keep_their_order_up_to_seven_and_have_one_result() -> None:
    assert list(orders([b"a", b"a"], [b"2", b"1"])) == [[b"2", b"1"]]


def test_of_two_results_the_reference_has_the_first() -> None:
    entries = sample(13, 5, "random")
    names = [b"%d" % number for number in entries.names]
    both = list(orders(names, entries.sums))
    quicksort(entries, 13)
    assert both[0] == [entries.sums[i] for i in entries.order]
    assert len(both) == 2
    assert sorted(both[0]) == sorted(both[1])
    assert both[0] != both[1]
