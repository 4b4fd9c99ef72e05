"""Judging what is signed: by named keys, ids and authorities, or by what a policy makes of it.

Importing this loads ``cryptography``: import it where it is used, not where a program starts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from regctl.digest import Digest
from regctl.errors import InvalidNameError
from regctl.layout import RepositoryName, Tag
from regctl.maintenance.audit_content import Content, ContentCheck, ManifestKey, manifest_key
from regctl.maintenance.audit_results import Judged, Requirement
from regctl.maintenance.audit_signatures import CosignSignatures, cosign_signatures
from regctl.maintenance.once import Once
from regctl.manifest import ManifestKind
from regctl.registry.repository import Repository
from regctl.signature.cosign import Subject, Trust, judge_signature
from regctl.signature.cosign_verdict import Judgement, Verdict, best_of
from regctl.signature.policy_identity import stored_refusal
from regctl.signature.policy_reference import DockerReference

# What only some audits need: certificates, schema 1 and policies take long to load.
if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from regctl.maintenance.audit_schema1 import Schema1Judge
    from regctl.signature.policy_evaluation import Evaluator

#: Bytes of signatures, and their count, that are remembered.
_KEPT_BYTES = 32 << 20
_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Asked:
    """As what a manifest is asked for: of a child, what its index was asked for as."""

    repository: Repository
    tag: Tag | None
    digest: Digest | None


class Judge(Protocol):
    """One way to judge the signatures of a manifest whose content is whole."""

    @property
    def judges_children(self) -> bool:
        """Whether the children of an index are always judged with it."""

    def judge(self, asked: Asked, content: Content, contents: ContentCheck) -> Judged:
        """What is to be said of the manifest. What cannot be read raises.

        ``contents`` finds what holds its signatures.
        """


@dataclass(frozen=True, slots=True)
class Trusted:
    """Whom the caller trusts; ``roots`` and the authorities of ``cosign`` are the same ones.

    ``key_ids`` are libtrust's ids of further keys. ``at`` is when certificates must be valid.
    """

    cosign: Trust = field(default_factory=Trust)
    key_ids: frozenset[str] = frozenset()
    roots: tuple[Certificate, ...] = ()
    at: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nobody is trusted, so that nothing can be proved."""
        return not (self.cosign.keys or self.key_ids or self.roots)


class KeyJudge:
    """Judges by keys and certificates. ``host``, if given, must be in the signed names.

    For one audit: it remembers what it has verified.
    """

    judges_children = False

    def __init__(self, trusted: Trusted, requirement: Requirement, host: str = "") -> None:
        self._trusted = trusted
        self._requirement = requirement
        self._host = host
        self._cosign: Once[ManifestKey, tuple[CosignSignatures, list[Judgement]]] = Once(
            _KEPT, lambda found: 1 + len(found[1])
        )
        self._libtrust: Once[ManifestKey, Judgement | None] = Once(_KEPT)

    def judge(self, asked: Asked, content: Content, contents: ContentCheck) -> Judged:
        judgement = self._judge_cosign(asked, content.digest, contents)
        if content.kind is ManifestKind.SCHEMA1:
            judgement = self._judge_schema1(asked, content, judgement)
        return Judged(judgement, self._requirement.is_met_by(judgement.verdict))

    def _judge_cosign(self, asked: Asked, digest: Digest, contents: ContentCheck) -> Judgement:
        repository = asked.repository
        found, judgements = self._cosign.get(
            manifest_key(repository, digest),
            lambda: self._verify_cosign(repository, digest, contents),
        )
        if found.refused:
            return Judgement(Verdict.INVALID, (f"its signatures are refused: {found.refused}",))
        judgement = best_of([self._fitting(asked, each) for each in judgements])
        if found.damaged and judgement.verdict is not Verdict.TRUSTED:
            reasons = judgement.reasons if judgements else ()
            return Judgement(Verdict.BROKEN, (found.damaged, *reasons))
        return judgement

    def _verify_cosign(
        self, repository: Repository, digest: Digest, contents: ContentCheck
    ) -> tuple[CosignSignatures, list[Judgement]]:
        found = cosign_signatures(repository, digest, contents)
        judgements = [
            judge_signature(each, found.subject, self._trusted.cosign) for each in found.signatures
        ]
        # The signatures themselves need not be remembered.
        subject = Subject(digest)
        return CosignSignatures(subject, (), found.damaged, found.refused), judgements

    def _fitting(self, asked: Asked, judgement: Judgement) -> Judgement:
        """``judgement``, unless the signed name is of another image than the one asked for."""
        written = judgement.docker_reference
        if judgement.verdict is Verdict.INVALID:
            return judgement
        refusal = stored_refusal(asked.repository.name, asked.tag, written)
        if not (refusal or not self._host or _is_at(self._host, asked.repository.name, written)):
            refusal = f"it was signed as {written!r}, which is not at {self._host}"
        if not refusal:
            return judgement
        return Judgement(Verdict.INVALID, (refusal,), judgement.signer, written)

    @cached_property
    def _schema1(self) -> Schema1Judge:
        from regctl.maintenance.audit_schema1 import Schema1Judge  # noqa: PLC0415

        return Schema1Judge(self._trusted)

    def _judge_schema1(self, asked: Asked, content: Content, cosign: Judgement) -> Judgement:
        """By libtrust, unless that says nothing, or cosign's signatures say more good of it."""
        repository = asked.repository
        judgement = self._libtrust.get(
            manifest_key(repository, content.digest),
            lambda: self._schema1.judge(repository, content),
        )
        if judgement is None:
            return cosign
        misfit = _misfit(asked, content)
        if misfit and judgement.verdict not in (Verdict.INVALID, Verdict.BROKEN):
            return Judgement(Verdict.INVALID, misfit, judgement.signer)
        if judgement.verdict is Verdict.SIGNED and cosign.verdict is Verdict.TRUSTED:
            return cosign
        return judgement


class PolicyJudge:
    """Judges as nodes with a policy would that know this storage as ``host``.

    With a ``requirement``, what they accept must meet that too. For one audit: it remembers what
    it has read.
    """

    judges_children = True

    def __init__(
        self, evaluator: Evaluator, host: str, requirement: Requirement | None = None
    ) -> None:
        self._evaluator = evaluator
        self._host = host
        self._requirement = requirement
        self._cosign: Once[ManifestKey, CosignSignatures] = Once(
            _KEPT_BYTES, lambda found: found.weight
        )

    def judge(self, asked: Asked, content: Content, contents: ContentCheck) -> Judged:
        name = asked.repository.name
        found = self._cosign.get(
            manifest_key(asked.repository, content.digest),
            lambda: cosign_signatures(asked.repository, content.digest, contents),
        )
        try:
            intended = DockerReference.of(self._host, name, asked.tag, asked.digest)
        except InvalidNameError as error:
            return Judged(Judgement(Verdict.UNCHECKED, (error.message,)), False)
        verdict = self._evaluator.evaluate(
            intended, found.subject, found.signatures, unreadable=found.damaged or found.refused
        )
        met = verdict.accepted
        if self._requirement is not None:
            met = met and self._requirement.is_met_by(verdict.judgement.verdict)
        return Judged(verdict.judgement, met)


def _is_at(host: str, name: RepositoryName, written: str) -> bool:
    """Whether a reference is of the repository ``name`` at ``host``."""
    try:
        return DockerReference.parse(written).name == DockerReference.of(host, name).name
    except InvalidNameError:
        return False


def _misfit(asked: Asked, content: Content) -> tuple[str, ...]:
    """Why a schema 1 manifest is not the one of this name and tag."""
    name, tag = str(asked.repository.name), asked.tag
    found = []
    if content.name != name:
        found.append(f"the manifest's name is {content.name!r}, not {name!r}")
    if tag is not None and content.tag != str(tag):
        found.append(f"the manifest's tag is {content.tag!r}, not {str(tag)!r}")
    return tuple(found)
