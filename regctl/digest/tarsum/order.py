"""The order in which TarSum hashes the sums of the entries.

Without duplicate names that is the order of the sums. With duplicates, entries of one name keep
their order and all others go by their sums, which is no order at all in mathematics (a < b < c does
not make a < c): what comes out is up to the algorithm that sorts. There are two: that of Go until
1.5, which the registries of 2015 were built with, and that of Go since 1.19.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from regctl.digest.tarsum.pdqsort import pdqsort
from regctl.digest.tarsum.quicksort import quicksort

SUM_SIZE = 32


class Entries:
    """A list of entries that the algorithms sort, by index, as Go's ``sort.Interface`` does."""

    def __init__(self, names: Sequence[int], sums: Sequence[bytes]) -> None:
        self.names = names
        self.sums = sums
        self.order = list(range(len(sums)))

    def less(self, i: int, j: int) -> bool:
        """Whether the entry at ``i`` belongs before the one at ``j``."""
        left, right = self.order[i], self.order[j]
        if self.names[left] == self.names[right]:
            return left < right
        return self.sums[left] < self.sums[right]

    def swap(self, i: int, j: int) -> None:
        """Exchange the entries at ``i`` and ``j``."""
        order = self.order
        order[i], order[j] = order[j], order[i]


def orders(names: Sequence[bytes], sums: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The sums in every order that is accepted, first the reference's; one order or two."""
    if len(set(names)) == len(names):
        yield sorted(sums)
        return
    numbers: dict[bytes, int] = {}
    by_number = [numbers.setdefault(name, len(numbers)) for name in names]
    first = Entries(by_number, sums)
    quicksort(first, len(sums))
    yield [sums[i] for i in first.order]
    second = Entries(by_number, sums)
    pdqsort(second, len(sums))
    if second.order != first.order:
        yield [sums[i] for i in second.order]
