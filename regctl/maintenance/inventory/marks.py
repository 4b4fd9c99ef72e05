"""What marking found: what is needed, by number, and what was seen on the way."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from regctl.digest import Digest
from regctl.layout import RepositoryName, Tag
from regctl.maintenance.inventory.table import NumberSet

#: An array is four bytes for each of its members, a `NumberSet` one for each number there is.
_BYTES_EACH = 4


class SortedNumbers:
    """A set of numbers that does not change and is small beside the table it belongs to."""

    __slots__ = ("_numbers",)

    def __init__(self, ascending: array[int] | None = None) -> None:
        self._numbers = array("I") if ascending is None else ascending

    def __contains__(self, number: int) -> bool:
        at = bisect_left(self._numbers, number)
        return at < len(self._numbers) and self._numbers[at] == number

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[int]:
        """The numbers, in order."""
        return iter(self._numbers)


#: A set of numbers, in whatever form is the smaller one.
Numbers = NumberSet | SortedNumbers


def compact(numbers: NumberSet | set[int], known: int) -> Numbers:
    """The same set as it is best kept, where ``known`` is how many numbers there are in all."""
    if isinstance(numbers, set):
        return SortedNumbers(array("I", sorted(numbers)))
    if len(numbers) * _BYTES_EACH >= known:
        return numbers
    return SortedNumbers(array("I", numbers))


class Seen(Enum):
    """What a report is about."""

    #: A tag does not say what it names: all revisions in its history are kept.
    UNREADABLE_TAG = "unreadable-tag"
    #: The same of a tag that has no history either: there is nothing to be kept.
    EMPTY_TAG = "empty-tag"
    #: A tag names a manifest that is stored, and that the repository has no link of.
    UNLINKED_TAG = "unlinked-tag"
    #: A tag names what is neither a revision of the repository nor stored.
    DANGLING_TAG = "dangling-tag"
    #: A manifest cannot be gone by: everything that the repository has is kept.
    CONTAINED = "contained"


@dataclass(frozen=True, slots=True)
class Report:
    """One thing seen in a repository in scope: ``reason`` is a clause. What is about a tag has
    ``tag``, what is about a manifest ``digest``."""

    seen: Seen
    repository: RepositoryName
    reason: str
    tag: Tag | None = None
    digest: Digest | None = None


@dataclass(slots=True)
class RepositoryMarks:
    """What is needed in one repository, by number: names of revisions, and of layers.

    A link is needed if the number of the digest in its path is in there; names that are needed
    without there being a link are in there too. Links in the index of a tag go with the revision
    that they name, and so do signatures. ``contained`` are the reasons why everything is needed.
    """

    revisions: Numbers = field(default_factory=SortedNumbers)
    layers: Numbers = field(default_factory=SortedNumbers)
    in_scope: bool = True
    contained: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Marks:
    """What is needed in a storage. ``blobs`` has numbers of what is needed and not there, too."""

    blobs: NumberSet = field(default_factory=NumberSet)
    repositories: dict[RepositoryName, RepositoryMarks] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
