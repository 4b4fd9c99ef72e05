"""The sort of Go until 1.5: quicksort after Bentley and McIlroy.

Source: "Engineering a Sort Function" (Software: Practice and Experience, 1993) and Go 1.4,
``src/sort/sort.go``.
"""

from __future__ import annotations

from regctl.digest.tarsum.sorting import Sortable, heap_sort, insertion_sort

_INSERTION = 7
_NINTHER = 40


def quicksort(data: Sortable, length: int) -> None:
    """Sort all of ``data``; beyond a depth of 2 * ceil(lg(length + 1)) by a heap."""
    _sort(data, 0, length, 2 * length.bit_length())


def _sort(data: Sortable, start: int, end: int, depth: int) -> None:
    while end - start > _INSERTION:
        if depth == 0:
            heap_sort(data, start, end)
            return
        depth -= 1
        low, high = _partition(data, start, end)
        if low - start < end - high:
            _sort(data, start, low, depth)
            start = high
        else:
            _sort(data, high, end, depth)
            end = low
    insertion_sort(data, start, end)


def _partition(data: Sortable, start: int, end: int) -> tuple[int, int]:
    """Divide around a pivot; return where the elements equal to it start and end."""
    _choose_pivot(data, start, end)
    # Equal to the pivot: start to a, d to end. Less: a to b. Greater: c to d.
    a = b = start + 1
    c = d = end
    while True:
        a, b = _pass_smaller(data, start, a, b, c)
        c, d = _pass_greater(data, start, b, c, d)
        if b >= c:
            break
        data.swap(b, c - 1)
        b += 1
        c -= 1
    _swap_ranges(data, start, b, min(b - a, a - start))
    _swap_ranges(data, c, end, min(end - d, d - c))
    return start + b - a, end - (d - c)


def _pass_smaller(data: Sortable, pivot: int, a: int, b: int, c: int) -> tuple[int, int]:
    while b < c:
        if not data.less(b, pivot):
            if data.less(pivot, b):
                break
            data.swap(a, b)
            a += 1
        b += 1
    return a, b


def _pass_greater(data: Sortable, pivot: int, b: int, c: int, d: int) -> tuple[int, int]:
    while b < c:
        if not data.less(pivot, c - 1):
            if data.less(c - 1, pivot):
                break
            data.swap(c - 1, d - 1)
            d -= 1
        c -= 1
    return c, d


def _swap_ranges(data: Sortable, start: int, end: int, count: int) -> None:
    """Exchange the first and the last ``count`` elements between ``start`` and ``end``."""
    for i in range(count):
        data.swap(start + i, end - count + i)


def _choose_pivot(data: Sortable, start: int, end: int) -> None:
    """Bring the pivot to ``start``: a median of three, or of three such."""
    middle = start + (end - start) // 2
    if end - start > _NINTHER:
        step = (end - start) // 8
        _median_first(data, start, start + step, start + 2 * step)
        _median_first(data, middle, middle - step, middle + step)
        _median_first(data, end - 1, end - 1 - step, end - 1 - 2 * step)
    _median_first(data, start, middle, end - 1)


def _median_first(data: Sortable, m1: int, m0: int, m2: int) -> None:
    """Bring the median of the three to ``m1``."""
    if data.less(m1, m0):
        data.swap(m1, m0)
    if data.less(m2, m1):
        data.swap(m2, m1)
        if data.less(m1, m0):
            data.swap(m1, m0)
