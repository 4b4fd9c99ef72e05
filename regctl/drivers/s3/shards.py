"""Cutting a long listing into shards that are read at the same time.

A shard is a string that keys begin with. Shards are made of the names that a listing by delimiter
found, never of a server's order: listings in byte order, in the order of a tree or in none are cut
alike. An order only helps to guess how long a listing is, which costs requests where it is wrong.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: A listing shorter than so many pages is not worth cutting.
LEAST_PAGES = 12
#: So many pages are read before a directory is cut of which they tell nothing.
LOOK_PAGES = 4
#: What shards are aimed at.
SHARD_PAGES = 4
#: So many shards are always allowed: the digits of a digest.
LEAST_SHARDS = 16
#: So many are made where nothing is known of the names' sizes.
UNKNOWN_SHARDS = 64
#: Names are listed alone, before what is below them, where keys are so many times more: with
#: fewer, what one page of names leads to is not worth cutting.
KEYS_A_NAME = 8


@dataclass(frozen=True, slots=True)
class Shard:
    """Names of one directory (each ends with ``/``), and the string that all of them begin with,
    and no other name of the directory does."""

    prefix: str
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Sample:
    """What the first page, of ``page`` keys, of a longer listing of a directory tells of its names.

    ``keys`` of them were in ``names`` that ended before the page did; ``goes_on``: the last key
    was in a name, which may go on.
    """

    page: int
    keys: int
    names: int
    goes_on: bool

    @classmethod
    def of(cls, keys: Sequence[str], directory: str, page: int) -> Sample:
        """The sample of ``keys``: those, on a page of ``page`` keys, that are in ``directory``."""
        start = len(directory)
        parts = [key[start:].partition("/") for key in keys]
        last = parts[-1][0] if parts and parts[-1][1] else None
        ended = [name for name, slash, _ in parts if slash and name != last]
        return cls(page, len(ended), len(set(ended)), last is not None)

    @property
    def keys_a_name(self) -> float | None:
        """How many keys a name has, or None if no name ended."""
        return self.keys / self.names if self.names else None

    @property
    def may_be_cut(self) -> bool:
        """Whether the names are few enough, against the keys, to be listed before them."""
        each = self.keys_a_name
        return self.goes_on if each is None else each >= KEYS_A_NAME

    def pages(self, names: int) -> float | None:
        """How many pages so many names may fill, or None if that is not known."""
        each = self.keys_a_name
        return None if each is None else each * names / max(self.page, 1)


def deepest(keys: Sequence[str]) -> str:
    """The deepest directory, with its ``/``, that all of the keys lie in; at least one is given."""
    group = [min(keys), max(keys)]
    common = group[0][: _common(group)]
    return common[: common.rfind("/") + 1]


def cut(directory: str, names: Iterable[str], sample: Sample) -> list[Shard]:
    """Shards that cover every one of ``names``, which lie in ``directory``, once.

    About a quarter as many as the pages that they fill, where ``sample`` tells that, and at most
    half as many or `LEAST_SHARDS`: each costs about half a page, the last, that is not full.
    """
    every = sorted(names)
    if not every:
        return []
    pages = sample.pages(len(every))
    if pages is None:
        most, enough = UNKNOWN_SHARDS, 1.0
    else:
        most, enough = max(LEAST_SHARDS, int(pages / 2)), len(every) * SHARD_PAGES / pages
    done: list[Sequence[str]] = []
    # The largest first; the number keeps what is equally large from being compared further.
    number = itertools.count()
    heap: list[tuple[int, int, Sequence[str]]] = [(-len(every), next(number), every)]
    while heap:
        _, _, group = heapq.heappop(heap)
        parts = _split(group) if len(group) > max(enough, 1) else []
        # The first cut apart, shards of less than a page would cost more than they save.
        are_small = pages is not None and pages * len(group) / len(every) < len(parts)
        is_first = len(group) == len(every)
        if not parts or (are_small and not is_first) or len(done) + len(heap) + len(parts) > most:
            done.append(group)
            continue
        for part in parts:
            heapq.heappush(heap, (-len(part), next(number), part))
    return [Shard(directory + g[0][: _common(g)], g) for g in done]


def _split(group: Sequence[str]) -> list[Sequence[str]]:
    """Sorted names by the first character in which they differ.

    None is the beginning of another, since each ends with the only ``/`` in it.
    """
    at = _common(group)
    return [list(part) for _, part in itertools.groupby(group, key=lambda name: name[at])]


def _common(group: Sequence[str]) -> int:
    """How many characters all of the sorted names begin with."""
    first, last = group[0], group[-1]
    for at, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            return at
    return min(len(first), len(last))
