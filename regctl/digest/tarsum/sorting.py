"""What both sort algorithms are made of: an interface, insertion sort and heap sort.

Every comparison and exchange is made as Go makes it, since the result depends on each where the
comparison is no order. Source: Go, ``src/sort``.
"""

from __future__ import annotations

from typing import Protocol


class Sortable(Protocol):
    """Elements that are known by their place only."""

    def less(self, i: int, j: int, /) -> bool:
        """Whether the element at ``i`` belongs before the one at ``j``."""

    def swap(self, i: int, j: int, /) -> None:
        """Exchange the elements at ``i`` and ``j``."""


def insertion_sort(data: Sortable, start: int, end: int) -> None:
    """Sort from ``start`` to before ``end``: each goes left while it is less than its neighbour."""
    for i in range(start + 1, end):
        j = i
        while j > start and data.less(j, j - 1):
            data.swap(j, j - 1)
            j -= 1


def heap_sort(data: Sortable, start: int, end: int) -> None:
    """Sort from ``start`` to before ``end`` by a heap with the greatest on top."""
    length = end - start
    for root in range((length - 1) // 2, -1, -1):
        _sift_down(data, root, length, start)
    for last in range(length - 1, -1, -1):
        data.swap(start, start + last)
        _sift_down(data, 0, last, start)


def _sift_down(data: Sortable, root: int, length: int, start: int) -> None:
    while (child := 2 * root + 1) < length:
        if child + 1 < length and data.less(start + child, start + child + 1):
            child += 1
        if not data.less(start + root, start + child):
            return
        data.swap(start + root, start + child)
        root = child
