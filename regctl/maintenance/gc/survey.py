"""From what a storage holds to what of it is garbage, under the rules of one run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from regctl.layout import RepositoryName
from regctl.maintenance.gc.finding import find_garbage, find_revisions
from regctl.maintenance.gc.garbage import Garbage
from regctl.maintenance.gc.things import ThingKind
from regctl.maintenance.gc.times import IndexTimes, Times
from regctl.maintenance.inventory.content import Inventory, RepositoryContent
from regctl.maintenance.inventory.marking import mark
from regctl.maintenance.inventory.marks import Marks
from regctl.maintenance.inventory.reader import Reads
from regctl.maintenance.inventory.rules import (
    History,
    Rules,
    keep_any,
    keep_last,
    keep_matching,
    keep_younger,
)

#: Seconds for which nothing goes after it was written, unless told otherwise.
DEFAULT_GRACE = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What may go: with ``untagged`` also revisions to which no tag leads.

    ``grace`` is the seconds for which nothing goes after it, or a link to it, was written.
    ``repositories`` and ``exclude`` are patterns with ``*``, ``?`` and ``[..]``, in which ``*``
    stands for slashes as well: what no pattern of the first names (all, if there is none), or one
    of the second does, is kept whole. Of a tag's earlier revisions those are kept whose tag
    ``keep_tags`` matches as a whole, the ``keep_last`` newest, and what is younger than
    ``keep_younger`` seconds.
    """

    untagged: bool = False
    grace: float = DEFAULT_GRACE
    repositories: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    keep_tags: re.Pattern[str] | None = None
    keep_last: int = 0
    keep_younger: float | None = None

    def is_in_scope(self, name: RepositoryName) -> bool:
        """Whether anything of the repository may go."""
        text = str(name)
        chosen = not self.repositories or _matches_any(text, self.repositories)
        return chosen and not _matches_any(text, self.exclude)

    def rules(self, times: IndexTimes, now: float) -> Rules:
        """The rules for marking, at the storage's time ``now``."""
        histories: list[History] = []
        if self.keep_tags is not None:
            histories.append(keep_matching(self.keep_tags))
        if self.keep_last:
            histories.append(keep_last(self.keep_last, times))
        if self.keep_younger is not None:
            histories.append(keep_younger(now - self.keep_younger, times))
        return Rules(
            keep_untagged=not self.untagged,
            in_scope=lambda content: self.is_in_scope(content.name),
            keep_history=keep_any(*histories),
        )


def _matches_any(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


@dataclass(slots=True)
class Survey:
    """What is in a storage at ``now`` (epoch seconds, by its own clock), what is needed of it, and
    what goes. ``newest`` is when the newest revision that goes was written or last named, by
    repository."""

    now: float
    inventory: Inventory
    marks: Marks
    garbage: Garbage
    newest: Mapping[RepositoryName, float]


def take_survey(
    inventory: Inventory, reads: Reads, times: Times, policy: Policy, now: float
) -> Survey:
    """What goes of ``inventory`` under ``policy``.

    Raises whatever ``reads`` and ``times`` raise: then nothing is known, and nothing may go.
    """
    oldest = now - policy.grace
    rules = policy.rules(IndexTimes(times, inventory.table), now)
    marks = mark(inventory, reads, rules)
    newest: Mapping[RepositoryName, float] = {}
    young: Mapping[RepositoryName, list[int]] = {}
    if policy.untagged:
        young, newest = find_revisions(inventory, marks, times, oldest)
    if young:
        # What a young revision names is kept as for any other: its tag may be still to come.
        marks = mark(inventory, reads, replace(rules, keep_also=_lookup(young)))
    garbage = find_garbage(inventory, marks, reads, times, oldest=oldest, untagged=policy.untagged)
    if young:
        garbage.young[ThingKind.REVISION] = sum(map(len, young.values()))
    return Survey(now, inventory, marks, garbage, newest)


def _lookup(
    found: Mapping[RepositoryName, list[int]],
) -> Callable[[RepositoryContent], Iterable[int]]:
    return lambda content: found.get(content.name, ())
