"""The audit: is what the storage holds whole, and is it signed by whom it should be?

Importing this loads ``cryptography``: import it where it is used, not where a program starts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from regctl.digest import Digest
from regctl.errors import DamagedError, NotFoundError, StorageError
from regctl.layout import Reference, RepositoryName, Tag
from regctl.maintenance.audit_content import ContentCheck
from regctl.maintenance.audit_results import Audited, Failure, Judged, Target, worst_of
from regctl.maintenance.audit_trust import Asked, Judge
from regctl.registry import Registry, Repository
from regctl.signature.cosign_tags import AttachedTag, parse_attached_tag
from regctl.signature.cosign_verdict import Verdict

if TYPE_CHECKING:
    from concurrent.futures import Future

#: References in flight, for each thread.
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Options:
    """What an audit looks at besides tags, and how many references at a time."""

    all_revisions: bool = False
    read_blobs: bool = False
    #: Judge the children of indexes, also where the judge does not ask for it.
    recursive: bool = False
    jobs: int = 1


@dataclass(slots=True)
class Plan:
    """What is to be audited: ``targets``, and what is already known not to be possible."""

    targets: list[Target] = field(default_factory=list)
    failed: list[Audited] = field(default_factory=list)
    #: What a person should know of the storage, in sentences.
    remarks: list[str] = field(default_factory=list)
    #: Parts that were not looked at, in sentences: with any the storage is not said to be sound.
    unseen: list[str] = field(default_factory=list)


class Audit:
    """Audits references of one storage; each unique manifest and signature is looked at once."""

    def __init__(self, registry: Registry, judge: Judge, options: Options = Options()) -> None:
        self._registry = registry
        self._judge = judge
        self._options = options
        self._content = ContentCheck(read_blobs=options.read_blobs)
        self._repositories: dict[RepositoryName, Repository] = {}

    def plan(self, references: Sequence[Reference] = ()) -> Plan:
        """What ``references`` stand for; the whole storage if there are none.

        What is absent or cannot be listed becomes a result. Raises `StorageError` if the
        repositories cannot be listed at all.
        """
        plan = Plan()
        for reference in dict.fromkeys(references):
            self._plan_reference(reference, plan)
        if not references:
            self._plan_storage(plan)
        if len(references) > 1:  # nothing else could name anything twice
            plan.targets = list(dict.fromkeys(plan.targets))
        return plan

    def run(self, targets: Iterable[Target]) -> Iterator[Audited]:
        """The result of each target, in their order."""
        if self._options.jobs == 1:
            yield from map(self.audit, targets)
            return
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - not needed for one

        pending: deque[Future[Audited]] = deque()
        with ThreadPoolExecutor(self._options.jobs) as pool:
            try:
                for target in targets:
                    pending.append(pool.submit(self.audit, target))
                    if len(pending) >= _AHEAD * self._options.jobs:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for each in pending:
                    each.cancel()

    def audit(self, target: Target) -> Audited:
        """The result of one target. Raises nothing that the storage is the cause of."""
        try:
            return self._audit(target)
        except (DamagedError, NotFoundError) as error:
            return Audited(target, target.digest, Verdict.BROKEN, False, (error.message,))
        except StorageError as error:
            return _unreadable(target, error)

    def _audit(self, target: Target) -> Audited:
        repository = self._repository(target.repository)
        try:
            digest = _named_digest(repository, target)
        except NotFoundError as error:
            if not target.named and not self._is_listed(repository, target):
                reasons = ("not judged: it was removed meanwhile",)
                return Audited(target, None, Verdict.UNCHECKED, True, reasons, judged=False)
            return _absent(target, error)
        faults = self._content.faults(repository, digest)
        if faults:
            return Audited(target, digest, Verdict.BROKEN, False, faults)
        if target.hangs_on:
            if target.tag is not None:
                self._content.note_whole(repository, target.tag, digest)
            reasons = (f"not judged: it hangs on {target.hangs_on}",)
            return Audited(target, digest, Verdict.UNCHECKED, True, reasons, judged=False)
        judged = self._judged(Asked(repository, target.tag, target.digest), digest, frozenset())
        found = judged.judgement
        return Audited(target, digest, found.verdict, judged.met, found.reasons, found.signer)

    @staticmethod
    def _is_listed(repository: Repository, target: Target) -> bool:
        """Whether a tag that names nothing is there all the same: its link is what is missing."""
        return target.tag is not None and target.tag in repository.tags.list()

    def _judged(self, asked: Asked, digest: Digest, above: frozenset[Digest]) -> Judged:
        content = self._content.examine(asked.repository, digest)
        own = self._judge.judge(asked, content, self._content)
        if not (self._judge.judges_children or self._options.recursive):
            return own
        children = [
            (child.name, self._judged(asked, child.digest, above | {digest}))
            for child in content.children
            if child.digest not in above
        ]
        return worst_of(own, children) if children else own

    def _plan_storage(self, plan: Plan) -> None:
        catalog = self._registry.catalog()
        for path in catalog.misnamed:
            plan.remarks.append(
                f"{path} has a name that the grammar forbids; it cannot be addressed"
            )
        for path in catalog.symlinks:
            plan.unseen.append(f"{path} is a symlink, which is not followed: behind it is unseen")
        for entry in catalog.listed:
            self._plan_repository(entry.name, plan)

    def _plan_reference(self, reference: Reference, plan: Plan) -> None:
        if reference.tag is None and reference.digest is None:
            self._plan_repository(reference.repository, plan)
            return
        target = Target(reference.repository, reference.tag, reference.digest, named=True)
        if self._open(target, plan) is not None:
            plan.targets.append(target)

    def _plan_repository(self, name: RepositoryName, plan: Plan) -> None:
        whole = Target(name, named=True)
        repository = self._open(whole, plan)
        if repository is None:
            return
        try:
            tags = repository.tags.list()
            attached = {tag: found for tag in tags if (found := parse_attached_tag(tag))}
            plan.targets += [
                Target(name, tag, hangs_on=_subject_of(attached.get(tag))) for tag in tags
            ]
            if self._options.all_revisions:
                plan.targets += self._revisions(repository, attached)
        except StorageError as error:
            plan.failed.append(_unreadable(whole, error))

    def _revisions(
        self, repository: Repository, attached: dict[Tag, AttachedTag]
    ) -> Iterator[Target]:
        hanging = {
            entry.revision: _subject_of(found)
            for tag, found in attached.items()
            for entry in repository.tags.history(tag)
        }
        for revision in sorted(repository.manifests.list()):
            yield Target(repository.name, digest=revision, hangs_on=hanging.get(revision, ""))

    def _open(self, target: Target, plan: Plan) -> Repository | None:
        try:
            repository = self._repository(target.repository)
        except NotFoundError as error:
            plan.failed.append(_absent(target, error))
        except StorageError as error:
            plan.failed.append(_unreadable(target, error))
        else:
            if repository.is_mixed:
                remark = (
                    f"the repository {repository.name} holds directories of the current layout "
                    "and of that of 2015; only the current ones are read"
                )
                plan.remarks += [] if remark in plan.remarks else [remark]
            return repository
        return None

    def _repository(self, name: RepositoryName) -> Repository:
        found = self._repositories.get(name)
        if found is None:
            found = self._repositories[name] = self._registry.repository(name)
        return found


def _named_digest(repository: Repository, target: Target) -> Digest:
    """The manifest that a target is about. Raises `NotFoundError` if there is none."""
    if target.tag is not None:
        return repository.tags.get(target.tag)
    if target.digest is None:
        raise ValueError(f"{target} names no manifest")
    repository.manifests.resolve(target.digest)
    return target.digest


def _subject_of(attached: AttachedTag | None) -> str:
    return f"{attached.algorithm}:{attached.hex}" if attached is not None else ""


def _absent(target: Target, error: NotFoundError) -> Audited:
    """A named reference that is not there is absent; a listed one names nothing: it is broken."""
    failure = Failure.ABSENT if target.named else None
    return Audited(target, target.digest, Verdict.BROKEN, False, (error.message,), failure=failure)


def _unreadable(target: Target, error: StorageError) -> Audited:
    reasons = (f"it could not be read: {error.message}",)
    return Audited(
        target, target.digest, Verdict.UNCHECKED, False, reasons, failure=Failure.UNREADABLE
    )
