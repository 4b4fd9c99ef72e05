"""A policy applied: would nodes take this image, and why not?

Source: containers/image, ``signature/policy_eval*.go``. A requirement that cannot be checked here
is a failure, never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from regctl.signature.cosign import Subject, Trust, judge
from regctl.signature.cosign_manifest import CosignSignature
from regctl.signature.cosign_verdict import Judgement, Verdict
from regctl.signature.keyfile import PublicKey, load_public_key
from regctl.signature.keyfile_errors import KeyFileError
from regctl.signature.policy import Policy
from regctl.signature.policy_identity import refusal
from regctl.signature.policy_reference import DockerReference
from regctl.signature.policy_requirements import (
    AcceptAnything,
    KeySource,
    Reject,
    Requirement,
    SigstoreSigned,
)


@dataclass(frozen=True, slots=True)
class PolicyVerdict:
    """Whether nodes would take an image, and what is known of its signatures.

    ``scope`` is the section of the policy that decided. ``judgement`` is that of the first
    requirement that fails, with the reasons of all that do; of an image that is accepted, the
    best. Accepted without any signature having been asked for, it is `Verdict.UNCHECKED`.
    """

    accepted: bool
    scope: str
    judgement: Judgement


class Evaluator:
    """Applies one policy to many images; every key is loaded once.

    ``files`` holds, for each of `Policy.key_paths`, the file's content, or why it could not be
    read: then what needs it fails.
    """

    def __init__(self, policy: Policy, files: Mapping[str, bytes | str]) -> None:
        self._policy = policy
        self._files = files
        self._keys: dict[KeySource, PublicKey | str] = {}

    def evaluate(
        self,
        intended: DockerReference,
        subject: Subject,
        signatures: Sequence[CosignSignature],
        *,
        unreadable: str = "",
    ) -> PolicyVerdict:
        """What nodes say of the manifest ``subject`` when it is asked for as ``intended``.

        A child of an index is judged under the index's own reference. ``signatures`` is all that
        the manifest of the signatures holds; where it, or a blob that it names, is damaged,
        ``unreadable`` says how, and nodes refuse the image wherever a signature is required.
        A reference without tag or digest means ``latest``.
        """
        if intended.is_name_only:
            intended = DockerReference(intended.name, tag="latest")
        scope, requirements = self._policy.section(intended)
        judgements = [
            self._check(each, intended, subject, signatures, unreadable) for each in requirements
        ]
        failed = [judgement for passed, judgement in judgements if not passed]
        if not failed:
            by_signature = [each for _, each in judgements if each.verdict is Verdict.TRUSTED]
            return PolicyVerdict(True, scope, (*by_signature, judgements[0][1])[0])
        reasons = tuple(dict.fromkeys(reason for each in failed for reason in each.reasons))
        first = failed[0]
        judgement = Judgement(first.verdict, reasons, first.signer, first.docker_reference)
        return PolicyVerdict(False, scope, judgement)

    def _check(
        self,
        requirement: Requirement,
        intended: DockerReference,
        subject: Subject,
        signatures: Sequence[CosignSignature],
        unreadable: str,
    ) -> tuple[bool, Judgement]:
        if isinstance(requirement, AcceptAnything):
            reason = "the policy accepts it whoever signed it (insecureAcceptAnything)"
            return True, Judgement(Verdict.UNCHECKED, (reason,))
        if isinstance(requirement, Reject):
            return False, Judgement(Verdict.UNCHECKED, ("the policy rejects it (reject)",))
        if not isinstance(requirement, SigstoreSigned):
            reason = f"the policy asks for {requirement.what}, which cannot be checked here"
            return False, Judgement(Verdict.UNCHECKED, (reason,))
        if unreadable:
            return False, Judgement(Verdict.BROKEN, (unreadable,))
        found = [each for each in signatures if each.is_signature]
        if not found:
            reason = "the policy asks for a signature, and there is none"
            return False, Judgement(Verdict.UNSIGNED, (reason,))
        return self._check_signatures(requirement, intended, subject, found)

    def _check_signatures(
        self,
        requirement: SigstoreSigned,
        intended: DockerReference,
        subject: Subject,
        signatures: Sequence[CosignSignature],
    ) -> tuple[bool, Judgement]:
        loaded = [self._key(source) for source in requirement.keys]
        # Clients go by no key at all if one cannot be used, so that it does not go unseen.
        problems = tuple(each for each in loaded if isinstance(each, str))
        if problems:
            return False, Judgement(Verdict.UNCHECKED, problems)
        keys = tuple(each for each in loaded if isinstance(each, PublicKey))
        identity = partial(refusal, requirement.identity, intended)
        judgement = judge(signatures, subject, Trust(keys), identity)
        return judgement.verdict is Verdict.TRUSTED, judgement

    def _key(self, source: KeySource) -> PublicKey | str:
        if source not in self._keys:
            self._keys[source] = self._load(source)
        return self._keys[source]

    def _load(self, source: KeySource) -> PublicKey | str:
        name = "a key in the text" if source.path is None else f"the key {source.path!r}"
        content = (
            self._files.get(source.path, "it was not read")
            if source.path is not None
            else source.data
        )
        if isinstance(content, str):
            return f"{name} of the policy cannot be used: {content}"
        try:
            return load_public_key(content)
        except KeyFileError as error:
            return f"{name} of the policy cannot be used: {error.message}"
