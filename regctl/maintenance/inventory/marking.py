"""What is needed: from tags and revisions to manifests, and from these to blobs and links.

The rules are those of a registry that serves the storage, taken in the sense that keeps more. What
a repository holds is needed there; blobs are shared, and needed if any repository needs them.

Whatever cannot be told is needed: all revisions in the history of a tag that does not say what it
names, and everything in a repository that holds a manifest which cannot be read.

Two names that a link puts together, one by its path and one by its content, are needed together.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import TypeGuard

from regctl.layout import Tag
from regctl.maintenance.inventory.attached import AttachedTags
from regctl.maintenance.inventory.content import Inventory, RepositoryContent, TagContent
from regctl.maintenance.inventory.marks import (
    Marks,
    Report,
    RepositoryMarks,
    Seen,
    compact,
)
from regctl.maintenance.inventory.reader import Missing, Reads, Unreadable
from regctl.maintenance.inventory.references import NumberedReferences
from regctl.maintenance.inventory.rules import Rules
from regctl.maintenance.inventory.table import DigestTable, NumberSet

#: A repository with less than one link in so many digests of the storage is marked in sets of
#: Python's; where there are more, flags for all digests take less, and less time.
_FEW = 64
#: A repository in which everything is damaged must not take more memory than one in which nothing
#: is.
_MAX_REASONS = 100
_IS_MIXED = "it is in two layouts at once, and what of it counts is not known"
_TELLS_NOTHING = "its type is not known, and nothing in it says what it needs"


class RootKind(Enum):
    """Why something is kept on its own account."""

    TAG = "tag"
    #: In the history of a tag, and kept by a rule.
    HISTORY = "history"
    #: In the history of a tag that does not say what it names.
    UNREADABLE_TAG = "unreadable-tag"
    #: Hung on a manifest that is kept, by the tag's name.
    ATTACHED_TAG = "attached-tag"
    REVISION = "revision"
    #: Kept by `Rules.keep_also`.
    ALSO = "also"
    OUT_OF_SCOPE = "out-of-scope"
    CONTAINED = "contained"


#: Told of each root: why, by which tag, the number, and whether it is a layer link.
NoteRoot = Callable[[RootKind, Tag | None, int, bool], None]


def mark(inventory: Inventory, reads: Reads, rules: Rules) -> Marks:
    """What is needed in the storage.

    Raises whatever ``reads`` raises: then nothing is known, and nothing may be collected.
    """
    reads.read_with_children(first_read(inventory))
    marks = Marks()
    for name, content in inventory.repositories.items():
        marking = RepositoryMarking(content, inventory.table, reads, rules, marks.blobs)
        marking.run()
        marks.repositories[name] = marking.marks()
        marks.reports += marking.reports
    return marks


def first_read(inventory: Inventory) -> Iterator[int]:
    """Every manifest that marking asks for in any case."""
    for content in inventory.repositories.values():
        for number in content.revisions:
            says = content.revision_aliases.get(number)
            yield number if says is None else says
        for tag in content.tags.values():
            if tag.current is not None:
                yield tag.current
            else:
                yield from tag.index


def partners(aliases: Mapping[int, int | None]) -> dict[int, list[int]]:
    """By number the others that links with other content than path put together with it."""
    found: dict[int, list[int]] = {}
    for path, content in aliases.items():
        if content is not None and content != path:
            found.setdefault(path, []).append(content)
            found.setdefault(content, []).append(path)
    return found


class RepositoryMarking:
    """Marking of one repository: to be run once.

    ``revisions`` and ``layers`` are the names that are needed, ``blobs`` the numbers of all needed
    blobs of the storage, to which this adds.
    """

    def __init__(
        self,
        content: RepositoryContent,
        table: DigestTable,
        reads: Reads,
        rules: Rules,
        blobs: NumberSet,
        note: NoteRoot | None = None,
    ) -> None:
        few = (len(content.revisions) + len(content.layers)) * _FEW < len(table)
        self.content = content
        self.revisions: NumberSet | set[int] = set() if few else NumberSet()
        self.layers: NumberSet | set[int] = set() if few else NumberSet()
        self.blobs = blobs
        self.in_scope = rules.in_scope(content)
        self.reports: list[Report] = []
        #: By subject, the revisions that are about it; as far as that was asked for.
        self.referrers: dict[int, list[int]] = {}
        self.revision_partners = partners(content.revision_aliases)
        self.layer_partners = partners(content.layer_aliases)
        self._table = table
        self._read = reads
        self._rules = rules
        self._note = note
        linked = content.revisions
        self._linked = set(linked) if few else NumberSet(linked)
        self._said = {each for each in content.revision_aliases.values() if each is not None}
        self._attached = AttachedTags(content, table, reads)
        self._pending = array("I")
        self._is_whole = False
        self._contained: dict[int, str] = {}

    def run(self) -> None:
        """Mark from all roots, until nothing is added."""
        rules = self._rules
        if self.content.is_mixed:
            self._contained[-1] = _IS_MIXED
            self._report(Seen.CONTAINED, _IS_MIXED, None)
            self._keep_whole(RootKind.CONTAINED)
        if not self.in_scope:
            self._keep_whole(RootKind.OUT_OF_SCOPE)
        elif not rules.keep_untagged or rules.stale_referrers:
            self._find_referrers()
        if rules.stale_referrers and self.in_scope:
            self._attached.find()
        if rules.keep_untagged:
            self._root_untagged()
        for tag, found in self.content.tags.items():
            if tag not in self._attached:
                self._root_tag(RootKind.TAG, tag, found)
        for number in rules.keep_also(self.content):
            self._root(RootKind.ALSO, None, number)
        while self._pending:
            self._follow(self._pending.pop())

    def marks(self) -> RepositoryMarks:
        """What is needed."""
        known = len(self._table)
        return RepositoryMarks(
            compact(self.revisions, known),
            compact(self.layers, known),
            self.in_scope,
            list(self._contained.values()),
        )

    def is_revision(self, number: int) -> bool:
        """Whether the repository has this as a revision, by the path or the content of a link."""
        return number in self._linked or number in self._said

    def _find_referrers(self) -> None:
        """What each revision is about; which also finds out what cannot be gone by."""
        for number in self.content.revisions:
            for name in (number, *self.revision_partners.get(number, ())):
                found = self._read(name)
                if self._is_readable(found, name):
                    for subject in found.subjects:
                        self.referrers.setdefault(subject, []).append(number)

    def _root_untagged(self) -> None:
        referring: set[int] = set()
        if self._rules.stale_referrers and self.in_scope:
            referring.update(*self.referrers.values(), self._attached.revisions())
            for tag, found in self.content.tags.items():
                if tag not in self._attached:
                    referring.difference_update(found.index, (found.current,))
        for number in self.content.revisions:
            if number not in referring:
                self._root(RootKind.REVISION, None, number)

    def _root_tag(self, kind: RootKind, tag: Tag, found: TagContent) -> None:
        if found.current is None:
            for number in found.index:
                self._root(RootKind.UNREADABLE_TAG, tag, number)
        else:
            self._root(kind, tag, found.current)
        self._look_at_tag(tag, found)
        earlier = [n for n in found.index if n != found.current and n in self._linked]
        for number in self._rules.keep_history(self.content, tag, earlier):
            self._root(RootKind.HISTORY, tag, number)
        if kind is RootKind.ATTACHED_TAG and self._rules.keep_untagged:
            for number in earlier:
                self._root(kind, tag, number)

    def _look_at_tag(self, tag: Tag, found: TagContent) -> None:
        """Report what is wrong with a tag."""
        if found.current is None:
            seen = Seen.UNREADABLE_TAG if found.index else Seen.EMPTY_TAG
            self._report(seen, f"its link is {found.problem or 'absent'}", tag)
        elif found.current not in self._linked:
            digest = self._table.digest(found.current)
            if isinstance(self._read(found.current), Missing):
                reason = f"it names {digest}, which is no revision of the repository nor stored"
                self._report(Seen.DANGLING_TAG, reason, tag, found.current)
            else:
                reason = f"it names {digest}, which the repository has no link of"
                self._report(Seen.UNLINKED_TAG, reason, tag, found.current)

    def _report(self, seen: Seen, reason: str, tag: Tag | None, number: int | None = None) -> None:
        if not self.in_scope:
            return  # nothing is judged there
        digest = None if number is None else self._table.digest(number)
        self.reports.append(Report(seen, self.content.name, reason, tag, digest))

    def _root(self, kind: RootKind, tag: Tag | None, number: int) -> None:
        if self._note is not None:
            self._note(kind, tag, number, False)
        self._need(number)

    def _need(self, number: int) -> None:
        """A manifest is needed."""
        if number not in self.revisions:
            self.revisions.add(number)
            self.blobs.add(number)
            self._pending.append(number)

    def _need_leaves(self, numbers: Iterable[int]) -> None:
        """Blobs are needed, and what makes them readable in the repository."""
        if not self.layer_partners:
            # Nearly all repositories; and most of the time goes here.
            self.layers.update(numbers)
            self.blobs.update(numbers)
            return
        left = list(numbers)
        while left:
            number = left.pop()
            if number not in self.layers:
                self.layers.add(number)
                self.blobs.add(number)
                left += self.layer_partners.get(number, ())

    def _follow(self, number: int) -> None:
        """What is needed because the manifest ``number`` is."""
        for partner in self.revision_partners.get(number, ()):
            self._need(partner)
        self.blobs.update(self.content.signatures.get(number, ()))
        for referrer in self.referrers.get(number, ()):
            self._need(referrer)
        for tag in self._attached.of(number):
            self._root_tag(RootKind.ATTACHED_TAG, tag, self.content.tags[tag])
        found = self._read(number)
        if self._is_readable(found, number):
            self._follow_references(found)

    def _follow_references(self, found: NumberedReferences) -> None:
        for leaves in found.leaves():
            if leaves:
                self._need_leaves(leaves)
        for number in found.children:
            self._need(number)
        for number in found.possible:
            if self.is_revision(number):
                self._need(number)
        # A client may ask for an entry of an index as for a blob, and some registries look there.
        self._need_leaves(found.children)
        self._need_leaves(found.possible)

    def _is_readable(
        self, found: NumberedReferences | Unreadable, number: int
    ) -> TypeGuard[NumberedReferences]:
        """Whether a manifest says what it needs; the repository is contained if it should."""
        if isinstance(found, NumberedReferences):
            if found.tells_nothing:
                self._contain(number, _TELLS_NOTHING)
            return True
        if not isinstance(found, Missing) or self._is_expected(number):
            self._contain(number, found.reason)
        return False

    def _is_expected(self, number: int) -> bool:
        """Whether a link of the repository says that this manifest is stored."""
        if number in self._said:
            return True
        says = self.content.revision_aliases.get(number)
        return number in self._linked and says in (None, number)

    def _contain(self, number: int, reason: str) -> None:
        if number not in self._contained and len(self._contained) < _MAX_REASONS:
            self._contained[number] = f"the manifest {self._table.digest(number)}: {reason}"
            self._report(Seen.CONTAINED, reason, None, number)
        self._keep_whole(RootKind.CONTAINED)

    def _keep_whole(self, kind: RootKind) -> None:
        """Keep the content of every link that there is."""
        if self._is_whole:
            return
        self._is_whole = True
        unlinked = [each for each in _all_names(self.content) if each not in self._linked]
        if unlinked:
            self._read.read_with_children(unlinked)
        for number in _all_names(self.content):
            self._root(kind, None, number)
        if self._note is not None:
            for number in self.content.layers:
                self._note(kind, None, number, True)
        self._need_leaves(self.content.layers)


def _all_names(content: RepositoryContent) -> Iterator[int]:
    """Every name of a manifest that the repository has in any place."""
    yield from content.revisions
    yield from content.signatures
    for tag in content.tags.values():
        if tag.current is not None:
            yield tag.current
        yield from tag.index
