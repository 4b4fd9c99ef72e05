"""Marking of random storages: the same as the second, obvious implementation, and closed."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regctl.digest import Digest
from regctl.layout import RepositoryName, Tag
from regctl.maintenance.inventory.content import Inventory, RepositoryContent, TagContent
from regctl.maintenance.inventory.explaining import explain
from regctl.maintenance.inventory.marking import mark
from regctl.maintenance.inventory.marks import Marks
from regctl.maintenance.inventory.reader import Missing, Unreadable, Wrong
from regctl.maintenance.inventory.references import (
    GROUPS,
    NumberedReferences,
    ReferencePool,
    References,
    pack,
)
from regctl.maintenance.inventory.rules import Rules
from regctl.maintenance.inventory.table import DigestTable, NumberSet
from regctl.manifest import ManifestKind
from tests.maintenance.inventory.reference_marking import (
    PlainRepository,
    PlainRules,
    PlainStorage,
    PlainTag,
    needed,
)

SHA256 = [Digest.parse(f"sha256:{number:064x}") for number in range(9)]
ODD = [
    Digest.parse("sha512:" + "5" * 128),
    Digest.parse("tarsum.v1+sha256:" + "7" * 64),
]
DIGESTS = st.sampled_from(SHA256 + ODD)
TAGS = st.sampled_from(
    ["one", "two"]
    + [f"sha256-{digest.hex}{suffix}" for digest in SHA256[:4] for suffix in (".sig", "")]
)


def some(at_most: int = 3) -> st.SearchStrategy[set[Digest]]:
    return st.sets(DIGESTS, max_size=at_most)


@st.composite
def manifests(draw: st.DrawFn) -> References:
    kind = draw(st.sampled_from([ManifestKind.IMAGE, ManifestKind.INDEX, *ManifestKind]))
    names = GROUPS
    if kind is ManifestKind.INDEX:
        names = ("children", "possible", "subjects")
    elif kind is ManifestKind.IMAGE:
        names = ("subjects", "configs", "layers", "foreign")
    groups = {name: tuple(sorted(draw(some(2)))) for name in names}
    return References(kind, **groups)


@st.composite
def links(draw: st.DrawFn, *, at_most: int) -> dict[Digest, Digest | None]:
    """Nearly all say what their path does."""
    found: dict[Digest, Digest | None] = {}
    for path in draw(some(at_most)):
        odd = draw(st.integers(0, 3)) == 0
        found[path] = draw(st.one_of(st.none(), DIGESTS, DIGESTS)) if odd else path
    return found


@st.composite
def repositories(draw: st.DrawFn) -> PlainRepository:
    tags = draw(
        st.dictionaries(
            TAGS,
            st.builds(PlainTag, st.one_of(DIGESTS, DIGESTS, DIGESTS, st.none()), some()),
            max_size=3,
        )
    )
    signatures = draw(st.dictionaries(DIGESTS, some(2), max_size=2))
    return PlainRepository(draw(links(at_most=6)), draw(links(at_most=6)), signatures, tags)


@st.composite
def storages(draw: st.DrawFn) -> PlainStorage:
    """Some digests are absent, some are blobs that are no manifests; references may go in circles,
    which no real digests do. Half of all storages are whole: containment hides much."""
    blobs: dict[Digest, References | None] = {}
    if draw(st.booleans()):
        blobs = dict(draw(st.dictionaries(DIGESTS, st.one_of(manifests(), manifests(), st.none()))))
    else:
        for digest in SHA256 + ODD:
            found = draw(manifests())
            if is_nothing(found):
                found = References(ManifestKind.IMAGE)
            blobs[digest] = found
    names = draw(st.lists(st.sampled_from(["a", "b", "c/d"]), unique=True, min_size=1))
    return PlainStorage(blobs, {name: draw(repositories()) for name in names})


RULES = st.builds(
    PlainRules,
    st.booleans(),
    st.one_of(st.just({"a", "b", "c/d"}), st.sets(st.sampled_from(["a", "b", "c/d"]))),
    st.one_of(st.just(set()), some(9)),
    st.one_of(st.just(set()), some(1)),
    st.booleans(),
)


class Dice:
    """Storages and rules made by chance alone: many more in the same time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one_in(self, count: int) -> bool:
        return self._random.randrange(count) == 0

    def some(self, at_most: int) -> list[Digest]:
        return self._random.sample(SHA256 + ODD, self._random.randint(0, at_most))

    def digest(self) -> Digest:
        return self._random.choice(SHA256 + ODD)

    def manifest(self) -> References:
        kind = self._random.choice([ManifestKind.INDEX, ManifestKind.IMAGE, *ManifestKind])
        index = ("children", "possible") if self.one_in(3) else ("children",)
        groups = index if kind is ManifestKind.INDEX else GROUPS[3:]
        found = {name: tuple(self.some(2)) for name in groups}
        subjects = (self.digest(),) if self.one_in(3) else ()
        return References(kind, **found, subjects=subjects)

    def links(self) -> dict[Digest, Digest | None]:
        found: dict[Digest, Digest | None] = {each: each for each in self.some(6)}
        while found and self.one_in(2):
            found[self._random.choice(list(found))] = None if self.one_in(6) else self.digest()
        return found

    def tag(self) -> PlainTag:
        return PlainTag(None if self.one_in(8) else self.digest(), set(self.some(3)))

    def name_of_tag(self) -> str:
        subject, suffix = self._random.choice(SHA256), self._random.choice((".sig", ""))
        return self._random.choice(["one", "two", f"sha256-{subject.hex}{suffix}"])

    def repository(self) -> PlainRepository:
        signatures = {each: set(self.some(2)) for each in self.some(2)}
        tags = {self.name_of_tag(): self.tag() for _ in range(self._random.randrange(5))}
        return PlainRepository(self.links(), self.links(), signatures, tags)

    def storage(self) -> PlainStorage:
        is_damaged = self.one_in(3)
        blobs: dict[Digest, References | None] = {}
        for digest in SHA256 + ODD:
            found = self.manifest()
            if is_damaged and self.one_in(4):
                blobs[digest] = None if self.one_in(2) else References(ManifestKind.UNKNOWN)
            elif not is_damaged or not self.one_in(4):
                blobs[digest] = References(ManifestKind.IMAGE) if is_nothing(found) else found
        names = ["a", "b"][: self._random.randint(1, 2)]
        return PlainStorage(blobs, {name: self.repository() for name in names})

    def rules(self) -> PlainRules:
        scope = {"a"} if self.one_in(4) else {"a", "b"}
        also = set(self.some(1)) if self.one_in(3) else set()
        history = set(self.some(9)) if self.one_in(3) else set()
        return PlainRules(self.one_in(2), scope, history, also, self.one_in(2))


def is_nothing(found: References) -> bool:
    return found == References(ManifestKind.UNKNOWN)


class PlainReads:
    """A reader of manifests that are there as references."""

    def __init__(self, storage: PlainStorage, table: DigestTable) -> None:
        self._storage = storage
        self._table = table
        self._pool = ReferencePool(table)

    def __call__(self, number: int) -> NumberedReferences | Unreadable:
        digest = self._table.digest(number)
        if digest not in self._storage.blobs:
            return Missing()
        found = self._storage.blobs[digest]
        if found is None:
            return Wrong("it is none")
        place = self._pool.add(digest, pack(digest, found))
        assert place is not None
        return self._pool.get(place)

    def read_with_children(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self(number)


def inventory_of(storage: PlainStorage, padding: int) -> Inventory:
    """What a scan finds; with ``padding`` further digests, as if the storage were larger."""
    table = DigestTable()
    for number in range(padding):
        table.number(Digest.parse(f"sha256:{1 << 20 | number:064x}"))

    def numbers(digests: Iterable[Digest]) -> array[int]:
        return array("I", [table.number(each) for each in digests])

    def aliases(found: dict[Digest, Digest | None]) -> dict[int, int | None]:
        return {
            table.number(path): None if says is None else table.number(says)
            for path, says in found.items()
            if says != path or path.algorithm != "sha256"
        }

    inventory = Inventory(table, NumberSet(numbers(storage.blobs)), {}, [], 0.0)
    for text, repository in storage.repositories.items():
        name = RepositoryName.parse(text)
        inventory.repositories[name] = RepositoryContent(
            name,
            revisions=numbers(repository.revisions),
            layers=numbers(repository.layers),
            revision_aliases=aliases(repository.revisions),
            layer_aliases=aliases(repository.layers),
            signatures={
                table.number(each): numbers(found) for each, found in repository.signatures.items()
            },
            tags={
                Tag.parse(each): TagContent(
                    None if tag.current is None else table.number(tag.current),
                    numbers(sorted(tag.index)),
                    "empty" if tag.current is None else "",
                )
                for each, tag in repository.tags.items()
            },
        )
    return inventory


def rules_of(rules: PlainRules, table: DigestTable) -> Rules:
    return Rules(
        keep_untagged=rules.keep_untagged,
        in_scope=lambda content: content.name.value in rules.in_scope,
        keep_history=lambda _, __, earlier: [
            n for n in earlier if table.digest(n) in rules.history
        ],
        keep_also=lambda _: map(table.number, rules.also),
        stale_referrers=rules.stale_referrers,
    )


def marked(storage: PlainStorage, rules: PlainRules, padding: int = 0) -> tuple[Inventory, Marks]:
    inventory = inventory_of(storage, padding)
    reads = PlainReads(storage, inventory.table)
    return inventory, mark(inventory, reads, rules_of(rules, inventory.table))


def told(inventory: Inventory, marks: Marks) -> dict[str, tuple[set[Digest], set[Digest], bool]]:
    """What is needed, by repository: revisions, layers, and whether it is contained."""

    def digests(numbers: Iterable[int]) -> set[Digest]:
        return {inventory.table.digest(each) for each in numbers}

    return {
        str(name): (digests(found.revisions), digests(found.layers), bool(found.contained))
        for name, found in marks.repositories.items()
    }


def check_agreement(storage: PlainStorage, rules: PlainRules, padding: int) -> None:
    inventory, marks = marked(storage, rules, padding)
    expected = needed(storage, rules)
    assert told(inventory, marks) == {
        name: (found.manifests, found.leaves, found.contained) for name, found in expected.items()
    }
    blobs = {inventory.table.digest(each) for each in marks.blobs}
    assert blobs == set().union(*(found.blobs for found in expected.values()))


@settings(max_examples=150, deadline=None)
@given(storages(), RULES, st.sampled_from([0, 2000]))
def test_both_implementations_agree(storage: PlainStorage, rules: PlainRules, padding: int) -> None:
    check_agreement(storage, rules, padding)


@pytest.mark.parametrize("first", range(0, 2000, 1000))
def test_both_implementations_agree_on_very_many(first: int) -> None:
    for seed in range(first, first + 1000):
        dice = Dice(seed)
        storage, rules = dice.storage(), dice.rules()
        try:
            check_agreement(storage, rules, 0 if dice.one_in(2) else 1000)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {storage} {rules}") from error


@settings(max_examples=60, deadline=None)
@given(storages(), RULES)
def test_nothing_that_is_reached_from_what_is_kept_is_outside(
    storage: PlainStorage, rules: PlainRules
) -> None:
    inventory, marks = marked(storage, rules)
    blobs = {inventory.table.digest(each) for each in marks.blobs}
    for name, (revisions, layers, _) in told(inventory, marks).items():
        assert revisions | layers <= blobs
        for revision in revisions:
            references = storage.blobs.get(revision)
            if references is not None:
                _, _, _, *leaves = references.groups()
                assert set().union(*leaves) <= layers & blobs
                assert set(references.children) <= revisions & layers & blobs
                assert set(references.possible) <= layers & blobs
        assert name in storage.repositories


@settings(max_examples=40, deadline=None)
@given(storages(), RULES)
def test_marking_twice_is_the_same(storage: PlainStorage, rules: PlainRules) -> None:
    inventory = inventory_of(storage, 0)
    reads = PlainReads(storage, inventory.table)
    once, again = (mark(inventory, reads, rules_of(rules, inventory.table)) for _ in range(2))
    assert told(inventory, once) == told(inventory, again)
    assert set(once.blobs) == set(again.blobs)
    assert once.reports == again.reports


@settings(max_examples=60, deadline=None)
@given(storages(), RULES, DIGESTS, some(9))
def test_more_roots_never_keep_less(
    storage: PlainStorage, rules: PlainRules, root: Digest, history: set[Digest]
) -> None:
    inventory, marks = marked(storage, rules)
    before = told(inventory, marks)
    for more in (
        replace(rules, keep_untagged=True),
        replace(rules, also=rules.also | {root}),
        replace(rules, history=rules.history | history),
        replace(rules, in_scope=set()),
        replace(rules, stale_referrers=False),
    ):
        after = told(*marked(storage, more))
        for name, (revisions, layers, _) in before.items():
            assert revisions <= after[name][0]
            assert layers <= after[name][1]


@settings(max_examples=60, deadline=None)
@given(storages(), RULES)
def test_what_is_needed_has_a_reason_and_nothing_else_has(
    storage: PlainStorage, rules: PlainRules
) -> None:
    inventory, marks = marked(storage, rules)
    reads = PlainReads(storage, inventory.table)
    for digest in SHA256 + ODD:
        number = inventory.table.find(digest)
        found = explain(inventory, reads, rules_of(rules, inventory.table), digest)
        chain = next(found, None)
        assert (chain is not None) == (number is not None and number in marks.blobs)
        if chain is not None:
            assert chain.links[-1].digest == digest
