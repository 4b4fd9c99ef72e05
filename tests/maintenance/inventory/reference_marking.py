"""What is needed, worked out a second time: slowly, obviously, and without a line in common.

Everything is a set of digests, and each sentence of the rules adds to the sets what it asks for,
over and over again, until nothing is added.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from regctl.digest import Digest
from regctl.maintenance.inventory.references import References
from regctl.manifest import ManifestKind

_ABOUT = re.compile(r"(sha256)-([0-9a-f]{64})(\.sig|\.att|\.sbom)?")


@dataclass
class PlainTag:
    """``current`` is None where it cannot be read."""

    current: Digest | None
    index: set[Digest]


@dataclass
class PlainRepository:
    """Links by the digest in the path, with what they say; None is no digest."""

    revisions: dict[Digest, Digest | None] = field(default_factory=dict)
    layers: dict[Digest, Digest | None] = field(default_factory=dict)
    signatures: dict[Digest, set[Digest]] = field(default_factory=dict)
    tags: dict[str, PlainTag] = field(default_factory=dict)


@dataclass
class PlainStorage:
    """``blobs``: None is one that is no manifest. What is not in there is not in the storage."""

    blobs: dict[Digest, References | None]
    repositories: dict[str, PlainRepository]


@dataclass
class PlainRules:
    keep_untagged: bool
    #: Names of repositories.
    in_scope: set[str]
    #: Of each tag's history, these are kept.
    history: set[Digest]
    also: set[Digest]
    stale_referrers: bool


@dataclass
class Needed:
    """What is needed in one repository, and the blobs that it needs."""

    manifests: set[Digest] = field(default_factory=set)
    leaves: set[Digest] = field(default_factory=set)
    signatures: set[Digest] = field(default_factory=set)
    contained: bool = False

    @property
    def blobs(self) -> set[Digest]:
        return self.manifests | self.leaves | self.signatures

    def size(self) -> tuple[int, int, int, bool]:
        return len(self.manifests), len(self.leaves), len(self.signatures), self.contained


def needed(storage: PlainStorage, rules: PlainRules) -> dict[str, Needed]:
    """What is needed, by repository."""
    found = {}
    for name in storage.repositories:
        one = _Repository(storage, name, rules)
        while True:
            before = one.needed.size()
            one.apply_every_rule()
            if one.needed.size() == before:
                break
        found[name] = one.needed
    return found


class _Repository:
    def __init__(self, storage: PlainStorage, name: str, rules: PlainRules) -> None:
        self.blobs = storage.blobs
        self.has = storage.repositories[name]
        self.rules = rules
        self.is_out_of_scope = name not in rules.in_scope
        self.needed = Needed()

    def apply_every_rule(self) -> None:
        self.roots()
        self.references()
        self.subjects()
        self.other_names()
        self.signatures()
        self.containment()
        if self.is_out_of_scope or self.needed.contained:
            self.everything()

    # Roots: a tag's current; without --untagged every revision with a link.
    def roots(self) -> None:
        if self.rules.keep_untagged:
            for revision in self.has.revisions:
                if not self.is_about_something(revision):
                    self.needed.manifests.add(revision)
        self.needed.manifests |= self.rules.also
        for name, tag in self.has.tags.items():
            subject = self.subject_of_tag(name)
            if subject is not None and subject not in self.needed.manifests:
                continue
            if tag.current is None:
                self.needed.manifests |= tag.index
            else:
                self.needed.manifests.add(tag.current)
            linked = tag.index & set(self.has.revisions)
            self.needed.manifests |= (linked - {tag.current}) & self.rules.history
            if subject is not None and self.rules.keep_untagged:
                self.needed.manifests |= linked

    # A manifest keeps its config, layers, blobs; an index its children, to any depth. An entry is
    # a manifest if it is a revision here or has a manifest media type.
    def references(self) -> None:
        for manifest in list(self.needed.manifests):
            names = self.blobs.get(manifest)
            if names is None:
                continue
            leaves = names.configs + names.layers + names.blobs + names.foreign
            self.needed.leaves.update(leaves, names.children, names.possible)
            self.needed.manifests.update(names.children)
            self.needed.manifests |= self.names_of_revisions() & set(names.possible)

    # A subject keeps the referrer while the subject is kept.
    def subjects(self) -> None:
        if self.rules.keep_untagged and not self.rules.stale_referrers:
            return  # all revisions are kept anyway
        if self.is_out_of_scope:
            return
        for revision in self.has.revisions:
            if self.subjects_of(revision) & self.needed.manifests:
                self.needed.manifests.add(revision)

    # The content of a link counts as well as its path.
    def other_names(self) -> None:
        for links, names in (
            (self.has.revisions, self.needed.manifests),
            (self.has.layers, self.needed.leaves),
        ):
            for path, says in links.items():
                if says is not None and names & {path, says}:
                    names |= {path, says}

    # Signatures beside a revision.
    def signatures(self) -> None:
        for revision, signatures in self.has.signatures.items():
            if revision in self.needed.manifests:
                self.needed.signatures |= signatures

    # A revision whose manifest is missing or wrong, or tells nothing.
    def containment(self) -> None:
        judged = set(self.needed.manifests)
        if not self.is_out_of_scope:
            judged |= self.names_of_revisions()
        for manifest in judged:
            if manifest not in self.blobs:
                if manifest in self.promised():
                    self.needed.contained = True
                continue
            names = self.blobs[manifest]
            if names is None or self.tells_nothing(names):
                self.needed.contained = True

    def everything(self) -> None:
        self.needed.manifests.update(self.has.revisions, self.has.signatures)
        self.needed.leaves.update(self.has.layers)
        for tag in self.has.tags.values():
            self.needed.manifests |= tag.index
            if tag.current is not None:
                self.needed.manifests.add(tag.current)
        self.needed.signatures.update(*self.has.signatures.values())

    def names_of_revisions(self) -> set[Digest]:
        said = {says for says in self.has.revisions.values() if says is not None}
        return said | set(self.has.revisions)

    def promised(self) -> set[Digest]:
        """What links of revisions lead to."""
        return {path if says is None else says for path, says in self.has.revisions.items()}

    def subjects_of(self, revision: Digest) -> set[Digest]:
        names = {revision, self.has.revisions[revision]}
        names |= {path for path, says in self.has.revisions.items() if says == revision}
        found: set[Digest] = set()
        for name in names:
            manifest = self.blobs.get(name) if name is not None else None
            if manifest is not None:
                found.update(manifest.subjects)
        return found

    @staticmethod
    def tells_nothing(names: References) -> bool:
        return names == References(ManifestKind.UNKNOWN)

    def is_about_something(self, revision: Digest) -> bool:
        """Whether a revision is no root because it is there for another manifest alone."""
        if not self.rules.stale_referrers or self.is_out_of_scope:
            return False
        about = bool(self.subjects_of(revision))
        for name, tag in self.has.tags.items():
            if revision in tag.index | {tag.current}:
                if self.subject_of_tag(name) is None:
                    return False
                about = True
        return about

    def subject_of_tag(self, name: str) -> Digest | None:
        """What a tag is about by its name, where that counts."""
        match = _ABOUT.fullmatch(name)
        tag = self.has.tags[name]
        if not self.rules.stale_referrers or self.is_out_of_scope or not match:
            return None
        subject = Digest.parse(f"{match[1]}:{match[2]}")
        if tag.current in (None, subject):
            return None
        if not match[3] and not self.is_fallback_index(tag.current, subject):
            return None
        return subject

    def is_fallback_index(self, index: Digest | None, subject: Digest) -> bool:
        names = self.blobs.get(index) if index is not None else None
        if names is None or names.kind is not ManifestKind.INDEX:
            return False
        if names.possible:
            return False
        entries = map(self.blobs.get, names.children)
        return all(subject in entry.subjects for entry in entries if entry is not None)
