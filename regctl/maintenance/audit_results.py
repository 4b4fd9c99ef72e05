"""What an audit asks for and what it finds: references, verdicts, and their sum."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from regctl.digest import Digest
from regctl.layout import RepositoryName, Tag
from regctl.signature.cosign_verdict import Judgement, Verdict

#: From best to worst: what an index is, is the worst of its own and its children's.
_SEVERITY = (
    Verdict.TRUSTED,
    Verdict.SIGNED,
    Verdict.UNKNOWN_KEY,
    Verdict.UNSIGNED,
    Verdict.UNCHECKED,
    Verdict.INVALID,
    Verdict.BROKEN,
)


class Requirement(Enum):
    """What a verdict must be at least; the values are those of ``--require``."""

    TRUSTED = "trusted"
    SIGNED = "signed"
    PRESENT = "present"

    def is_met_by(self, verdict: Verdict) -> bool:
        """Whether ``verdict`` is good enough."""
        return verdict in _ENOUGH[self]


_ENOUGH = {
    Requirement.TRUSTED: (Verdict.TRUSTED,),
    Requirement.SIGNED: (Verdict.TRUSTED, Verdict.SIGNED),
    Requirement.PRESENT: (Verdict.TRUSTED, Verdict.SIGNED, Verdict.UNKNOWN_KEY),
}


class Failure(Enum):
    """Why a reference has no verdict that could be relied on, beyond what the verdict says."""

    #: It was named and is not there.
    ABSENT = "absent"
    #: The storage would not let it be read.
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Target:
    """One reference to audit. ``named`` ones are judged whatever their tag looks like."""

    repository: RepositoryName
    tag: Tag | None = None
    digest: Digest | None = None
    named: bool = False
    #: Checked for its content alone: it hangs on another manifest, which is said here.
    hangs_on: str = ""

    def __str__(self) -> str:
        if self.tag is not None:
            return f"{self.repository}:{self.tag}"
        return f"{self.repository}@{self.digest}" if self.digest else str(self.repository)


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement, and whether it is what was required."""

    judgement: Judgement
    met: bool

    @property
    def rank(self) -> tuple[bool, int]:
        """What orders several: one that fails is worse than any that does not."""
        return not self.met, _SEVERITY.index(self.judgement.verdict)


@dataclass(frozen=True, slots=True)
class Audited:
    """What was found of one reference.

    ``digest`` is the manifest that it names, None where that is not known. ``reasons`` are
    clauses, every one. ``judged`` says whether signatures were looked at.
    """

    target: Target
    digest: Digest | None
    verdict: Verdict
    met: bool
    reasons: tuple[str, ...] = ()
    signer: str = ""
    judged: bool = True
    failure: Failure | None = None


def worst_of(each: Judged, others: list[tuple[str, Judged]]) -> Judged:
    """The worst of an index's own judgement and those of its children, each with its name.

    Reasons are kept of all that are not met.
    """
    worst = max([each, *(judged for _, judged in others)], key=lambda one: one.rank)
    if worst is each and each.met:
        return each
    reasons = [] if each.met and worst.met else list(each.judgement.reasons)
    for name, judged in others:
        if not judged.met or judged is worst:
            reasons += [f"{name}: {reason}" for reason in judged.judgement.reasons]
    found = worst.judgement
    judgement = Judgement(
        found.verdict, tuple(dict.fromkeys(reasons)), found.signer, found.docker_reference
    )
    return Judged(judgement, worst.met)


@dataclass(slots=True)
class Summary:
    """The sum of an audit, kept while its results pass."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    checked: int = 0
    failed: int = 0
    absent: int = 0
    unreadable: int = 0
    content_only: int = 0

    def add(self, audited: Audited) -> None:
        """Count one result."""
        self.checked += 1
        self.failed += not audited.met
        self.absent += audited.failure is Failure.ABSENT
        self.unreadable += audited.failure is Failure.UNREADABLE
        if audited.judged:
            self.counts[audited.verdict] += 1
        else:
            self.content_only += 1

    @property
    def exit_code(self) -> int:
        """Unreadable counts over absent, absent over failed."""
        if self.unreadable:
            return 5
        if self.absent:
            return 3
        return 1 if self.failed else 0
