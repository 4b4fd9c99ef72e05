"""The sort of Go since 1.19: pattern-defeating quicksort.

Source: https://arxiv.org/pdf/2106.05123.pdf and Go 1.19, ``src/sort/zsortinterface.go``.
"""

from __future__ import annotations

from regctl.digest.tarsum.sorting import Sortable, heap_sort, insertion_sort

_INSERTION = 12
_SHORTEST_NINTHER = 50
_MAX_SWAPS = 12
_MAX_STEPS = 5
_SHORTEST_SHIFTING = 50


def pdqsort(data: Sortable, length: int) -> None:
    """Sort all of ``data``; after too many badly chosen pivots by a heap."""
    _sort(data, 0, length, length.bit_length())


def _sort(data: Sortable, start: int, end: int, limit: int) -> None:
    balanced = partitioned = True
    while end - start > _INSERTION:
        if limit == 0:
            heap_sort(data, start, end)
            return
        if not balanced:
            _break_patterns(data, start, end)
            limit -= 1
        pivot, swaps = _choose_pivot(data, start, end)
        if swaps == _MAX_SWAPS:
            _reverse(data, start, end)
            pivot = end - 1 - (pivot - start)
        likely_sorted = swaps in {0, _MAX_SWAPS}
        if balanced and partitioned and likely_sorted and _sort_almost_sorted(data, start, end):
            return
        if start > 0 and not data.less(start - 1, pivot):
            start = _partition_equal(data, start, end, pivot)
            continue
        length = end - start
        middle, partitioned = _partition(data, start, end, pivot)
        left, right = middle - start, end - middle
        balanced = min(left, right) >= length // 8
        if left < right:
            _sort(data, start, middle, limit)
            start = middle + 1
        else:
            _sort(data, middle + 1, end, limit)
            end = middle
    insertion_sort(data, start, end)


def _partition(data: Sortable, start: int, end: int, pivot: int) -> tuple[int, bool]:
    """Bring what is less than the pivot before it; its new place, and whether it was so before."""
    data.swap(start, pivot)
    i, j = start + 1, end - 1
    swapped = False
    while True:
        while i <= j and data.less(i, start):
            i += 1
        while i <= j and not data.less(j, start):
            j -= 1
        if i > j:
            data.swap(j, start)
            return j, not swapped
        data.swap(i, j)
        swapped = True
        i += 1
        j -= 1


def _partition_equal(data: Sortable, start: int, end: int, pivot: int) -> int:
    """Bring what equals the pivot before what is greater; where the greater starts."""
    data.swap(start, pivot)
    i, j = start + 1, end - 1
    while True:
        while i <= j and not data.less(start, i):
            i += 1
        while i <= j and data.less(start, j):
            j -= 1
        if i > j:
            return i
        data.swap(i, j)
        i += 1
        j -= 1


def _sort_almost_sorted(data: Sortable, start: int, end: int) -> bool:
    """Shift a few elements to their places; whether all is sorted then."""
    i = start + 1
    for _ in range(_MAX_STEPS):
        while i < end and not data.less(i, i - 1):
            i += 1
        if i == end:
            return True
        if end - start < _SHORTEST_SHIFTING:
            return False
        data.swap(i, i - 1)
        if i - start >= 2:
            # Down to the first of all elements, not to the first of this part: as Go does it.
            _shift(data, range(i - 1, 0, -1))
        if end - i >= 2:
            _shift(data, range(i + 1, end))
    return False


def _shift(data: Sortable, places: range) -> None:
    for j in places:
        if not data.less(j, j - 1):
            break
        data.swap(j, j - 1)


def _break_patterns(data: Sortable, start: int, end: int) -> None:
    """Scatter three elements, by numbers that are random only in appearance."""
    length = end - start
    number = length
    mask = (1 << length.bit_length()) - 1
    first = start + length // 4 * 2 - 1
    for place in range(first, first + 3):
        number = _xorshift(number)
        other = number & mask
        data.swap(place, start + (other - length if other >= length else other))


def _xorshift(number: int) -> int:
    number ^= number << 13 & 2**64 - 1
    number ^= number >> 7
    return number ^ number << 17 & 2**64 - 1


def _choose_pivot(data: Sortable, start: int, end: int) -> tuple[int, int]:
    """The place of a median, and how many of the comparisons found a wrong order."""
    quarter = (end - start) // 4
    places = [start + quarter * n for n in (1, 2, 3)]
    swaps = 0
    if end - start >= _SHORTEST_NINTHER:
        for n, place in enumerate(places):
            places[n], more = _median(data, place - 1, place, place + 1)
            swaps += more
    pivot, more = _median(data, *places)
    return pivot, swaps + more


def _median(data: Sortable, a: int, b: int, c: int) -> tuple[int, int]:
    swaps = 0
    if data.less(b, a):
        a, b, swaps = b, a, swaps + 1
    if data.less(c, b):
        b, c, swaps = c, b, swaps + 1
    if data.less(b, a):
        a, b, swaps = b, a, swaps + 1
    return b, swaps


def _reverse(data: Sortable, start: int, end: int) -> None:
    for i in range((end - start) // 2):
        data.swap(start + i, end - 1 - i)
