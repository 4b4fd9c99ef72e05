from __future__ import annotations

from collections.abc import Mapping

import pytest

from regctl.digest import Digest
from regctl.signature.cosign import Subject
from regctl.signature.cosign_manifest import CosignSignature
from regctl.signature.cosign_verdict import Verdict
from regctl.signature.policy import parse_policy
from regctl.signature.policy_evaluation import Evaluator, PolicyVerdict
from regctl.signature.policy_reference import DockerReference
from tests.signature.cosign.policies import (
    ACCEPT,
    B_DATA,
    BY_DATAS,
    GOOD_UNCHECKABLE,
    KEY_DATA,
    NEWER_UNCHECKABLE,
    REJECT,
    policy,
    sigstore,
)
from tests.signature.cosign.samples import REFERENCE, SUBJECT, VECTORS, public_key, signed

A_PEM = (VECTORS / "keys" / "a.pub").read_bytes()
BY_A = sigstore(keyData=KEY_DATA)
BY_B = sigstore(keyData=B_DATA)


def evaluate(
    content: bytes,
    *signatures: CosignSignature,
    reference: str = REFERENCE,
    files: Mapping[str, bytes | str] | None = None,
    unreadable: str = "",
    subject: Subject = SUBJECT,
) -> PolicyVerdict:
    evaluator = Evaluator(parse_policy(content), files or {})
    intended = DockerReference.parse(reference)
    return evaluator.evaluate(intended, subject, signatures, unreadable=unreadable)


def test_a_good_signature_is_accepted() -> None:
    verdict = evaluate(policy([BY_A]), signed("a"))
    assert verdict.accepted
    assert verdict.scope == "default"
    assert verdict.judgement.verdict is Verdict.TRUSTED
    assert public_key("a").fingerprint in verdict.judgement.signer


def test_accepting_anything_proves_nothing() -> None:
    for signatures in ((), (signed("b"),)):
        verdict = evaluate(policy(ACCEPT), *signatures)
        assert verdict.accepted
        assert verdict.judgement.verdict is Verdict.UNCHECKED
        assert "insecureAcceptAnything" in verdict.judgement.reasons[0]


def test_rejecting_says_so() -> None:
    verdict = evaluate(policy(ACCEPT, **{REFERENCE: REJECT}), signed("a"))
    assert not verdict.accepted
    assert verdict.scope == REFERENCE
    assert verdict.judgement.reasons == ("the policy rejects it (reject)",)


@pytest.mark.parametrize(
    ("signatures", "verdict", "words"),
    [
        ((), Verdict.UNSIGNED, "asks for a signature, and there is none"),
        ((signed("b"),), Verdict.UNKNOWN_KEY, "the key does not verify it"),
        (
            (signed("a", reference="r.example/x:1"),),
            Verdict.INVALID,
            f"'r.example/x:1', which is not accepted for {REFERENCE}",
        ),
        (
            (signed("a", subject=Subject(Digest.parse("sha256:" + "0" * 64))),),
            Verdict.INVALID,
            "for another manifest",
        ),
    ],
)
def test_refusals(signatures: tuple[CosignSignature, ...], verdict: Verdict, words: str) -> None:
    found = evaluate(policy([BY_A]), *signatures)
    assert not found.accepted
    assert found.judgement.verdict is verdict
    assert words in found.judgement.reasons[0]


def test_every_requirement_must_hold() -> None:
    both = policy([BY_A, BY_B])
    assert evaluate(both, signed("a"), signed("b")).accepted
    assert not evaluate(both, signed("a")).accepted
    assert not evaluate(policy([*ACCEPT, *REJECT]), signed("a")).accepted
    with_anything = evaluate(policy([*ACCEPT, BY_A]), signed("a"))
    assert with_anything.judgement.verdict is Verdict.TRUSTED
    neither = evaluate(policy([BY_A, *REJECT]))
    assert neither.judgement.verdict is Verdict.UNSIGNED
    assert len(neither.judgement.reasons) == 2


def test_one_of_several_keys_is_enough() -> None:
    for content in (BY_DATAS, policy([sigstore(keyPaths=["/a", "/b"])])):
        files = {f"/{name}": (VECTORS / "keys" / f"{name}.pub").read_bytes() for name in "ab"}
        for name, accepted in (("a", True), ("b", True), ("c", False)):
            assert evaluate(content, signed(name), files=files).accepted == accepted


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"/a": A_PEM}, "the key '/b' of the policy cannot be used: it was not read"),
        ({"/a": A_PEM, "/b": "permission denied"}, "cannot be used: permission denied"),
        ({"/a": A_PEM, "/b": b"junk"}, "cannot be used: there is no public key"),
    ],
)
def test_no_key_counts_if_one_cannot_be_used(files: dict[str, bytes | str], words: str) -> None:
    """As clients do: else a broken key would go unseen until the other is withdrawn."""
    verdict = evaluate(policy([sigstore(keyPaths=["/a", "/b"])]), signed("a"), files=files)
    assert not verdict.accepted
    assert verdict.judgement.verdict is Verdict.UNCHECKED
    assert words in verdict.judgement.reasons[0]


@pytest.mark.parametrize("content", NEWER_UNCHECKABLE + GOOD_UNCHECKABLE)
def test_what_cannot_be_checked_is_a_failure(content: bytes) -> None:
    verdict = evaluate(content, signed("a"), files={"/k": A_PEM, "/r": A_PEM})
    assert not verdict.accepted
    assert verdict.judgement.verdict is Verdict.UNCHECKED
    assert "cannot be checked here" in verdict.judgement.reasons[0]


def test_unreadable_signatures_are_a_failure_where_one_is_asked_for() -> None:
    """Clients fail if any blob of the signatures is missing, though another would verify."""
    damage = "the blob of a signature is missing"
    verdict = evaluate(policy([BY_A]), signed("a"), unreadable=damage)
    assert not verdict.accepted
    assert verdict.judgement.verdict is Verdict.BROKEN
    assert verdict.judgement.reasons == (damage,)
    assert evaluate(policy(ACCEPT), unreadable=damage).accepted


def test_a_reference_without_a_tag_means_latest() -> None:
    name = REFERENCE.rpartition(":")[0]
    content = policy([BY_A], **{f"{name}:v2": REJECT})
    latest = signed("a", reference=f"{name}:latest")
    assert evaluate(content, latest, reference=name).accepted
    assert not evaluate(content, signed("a"), reference=name).accepted
    assert evaluate(content, signed("a"), reference=f"{name}@{SUBJECT.digest}").accepted


def test_an_evaluator_serves_many_images() -> None:
    evaluator = Evaluator(parse_policy(policy([sigstore(keyPath="/a")])), {"/a": A_PEM})
    for number in range(3):
        name = f"r.example/app{number}:v1"
        intended = DockerReference.parse(name)
        assert evaluator.evaluate(intended, SUBJECT, [signed("a", reference=name)]).accepted
        assert not evaluator.evaluate(intended, SUBJECT, [signed("a")]).accepted
