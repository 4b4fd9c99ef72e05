"""Rules for marking: what is a root besides that a tag names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from regctl.layout import Tag
from regctl.maintenance.inventory.content import RepositoryContent

#: Which of a tag's earlier revisions are kept. These are given as the numbers in its index, as far
#: as the repository has them as revisions, without the one that the tag names now.
History = Callable[[RepositoryContent, Tag, Sequence[int]], Iterable[int]]
#: When the links in a tag's index were written, in seconds since the epoch, by number. What is
#: left out, because its link has gone since or cannot be dated, is kept.
Times = Callable[[RepositoryContent, Tag, Sequence[int]], Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is a root besides that a tag names it.

    ``keep_untagged``: every revision is. ``in_scope``: repositories where it is not so are kept
    whole. ``keep_history``: earlier revisions of a tag that are kept. ``keep_also``: further
    revisions of a repository that are kept with all that they name, whether it has links of them
    or not: those that are too young to be judged, whose tag may be still to come.

    ``stale_referrers``: what is about a manifest is kept for that manifest alone: revisions with a
    ``subject`` that no tag names, tags ``<algorithm>-<hex>.sig``, ``.att`` and ``.sbom``, and
    without suffix where the tag names an index of such referrers.
    """

    keep_untagged: bool = True
    in_scope: Callable[[RepositoryContent], bool] = lambda _: True
    keep_history: History = lambda _, __, ___: ()
    keep_also: Callable[[RepositoryContent], Iterable[int]] = lambda _: ()
    stale_referrers: bool = False


def keep_matching(pattern: re.Pattern[str]) -> History:
    """All earlier revisions of the tags that ``pattern`` matches as a whole."""

    def chosen(_: RepositoryContent, tag: Tag, earlier: Sequence[int]) -> Iterable[int]:
        return earlier if pattern.fullmatch(tag.value) else ()

    return chosen


def keep_last(count: int, times: Times) -> History:
    """The ``count`` earlier revisions whose index links are the newest, and all that tie."""

    def chosen(content: RepositoryContent, tag: Tag, earlier: Sequence[int]) -> Iterable[int]:
        if count <= 0 or len(earlier) <= count:
            return earlier if count > 0 else ()
        dated = times(content, tag, earlier)
        newest = sorted(dated.values(), reverse=True)
        limit = newest[count - 1] if len(newest) >= count else float("-inf")
        return [each for each in earlier if dated.get(each, limit) >= limit]

    return chosen


def keep_younger(since: float, times: Times) -> History:
    """The earlier revisions whose index links were written at ``since`` (epoch seconds) or later.

    A time in the future is later as well.
    """

    def chosen(content: RepositoryContent, tag: Tag, earlier: Sequence[int]) -> Iterable[int]:
        if not earlier:
            return ()
        dated = times(content, tag, earlier)
        return [each for each in earlier if dated.get(each, since) >= since]

    return chosen


def keep_any(*histories: History) -> History:
    """What any of ``histories`` keeps."""

    def chosen(content: RepositoryContent, tag: Tag, earlier: Sequence[int]) -> Iterable[int]:
        kept: dict[int, None] = {}
        for history in histories:
            kept |= dict.fromkeys(history(content, tag, earlier))
        return kept

    return chosen
