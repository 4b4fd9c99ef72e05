"""Which repositories gain most by a collection."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

from regctl.layout import RepositoryName
from regctl.maintenance.gc.garbage import Garbage


def gains_by_repository(garbage: Garbage) -> Counter[RepositoryName]:
    """The bytes of the blobs that go to which each repository has a link that goes.

    A blob that several of them link to counts for each.
    """
    gains: Counter[RepositoryName] = Counter()
    for name, found in garbage.repositories.items():
        numbers = {*found.layers, *found.revisions, *found.targets.values()}
        for signatures in found.signatures.values():
            numbers.update(signatures)
        if gained := _bytes(garbage, numbers):
            gains[name] = gained
    return gains


def _bytes(garbage: Garbage, numbers: Iterable[int]) -> int:
    total = 0
    for number in numbers:
        at = bisect_left(garbage.blobs, number)
        if at < len(garbage.blobs) and garbage.blobs[at] == number:
            total += garbage.sizes[at]
    return total
