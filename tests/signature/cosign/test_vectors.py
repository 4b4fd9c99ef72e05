"""Images that skopeo signed, or that were made to deceive it, and what skopeo's policy said."""

from __future__ import annotations

import json

import pytest

from regctl.signature.cosign import Trust, judge
from regctl.signature.cosign_verdict import Verdict
from regctl.signature.policy import parse_policy
from regctl.signature.policy_evaluation import Evaluator
from tests.signature.cosign.samples import INDEX, KEYS, VECTORS, Image, public_key

NAMES = [f"{each['repository']}:{each['tag']}" for each in INDEX["images"]]
RULES = ("matchRepository", "matchRepoDigestOrExact")


def evaluator(key: str, rule: str) -> Evaluator:
    requirement = {
        "type": "sigstoreSigned",
        "keyPath": f"/keys/{key}.pub",
        "signedIdentity": {"type": rule},
    }
    policy = parse_policy(json.dumps({"default": [requirement]}).encode())
    assert policy.key_paths() == {f"/keys/{key}.pub"}
    return Evaluator(policy, {f"/keys/{key}.pub": (VECTORS / "keys" / f"{key}.pub").read_bytes()})


@pytest.mark.parametrize("name", NAMES)
def test_policy_agrees_with_skopeo(name: str, cosign_images: dict[str, Image]) -> None:
    image = cosign_images[name]
    said, ours = {}, {}
    for key in KEYS:
        for rule in RULES:
            said[key, rule] = image.accepted_by[key][rule]
            policy = evaluator(key, rule)
            verdicts = [
                policy.evaluate(each.reference, each.subject, each.signatures)
                for each in image.manifests
            ]
            ours[key, rule] = all(each.accepted for each in verdicts)
            assert all(each.accepted or each.judgement.reasons for each in verdicts)
    assert ours == said
    assert len(said) == len(KEYS) * len(RULES)


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("bad/moved:v1", "a", "for another manifest: sha256:9633eef"),
        ("bad/type:v1", "a", "its type is 'atomic container signature'"),
        ("bad/nodigest:v1", "a", "lacks the member 'image'"),
        ("bad/critical:v1", "a", "the unknown member 'new'"),
        ("bad/notb64:v1", "a", "not base64"),
        ("bad/empty:v1", "a", "there is none"),
        ("bad/tampered:v1", "a", "the key does not verify it"),
        ("app/p384:v1", "p384", "the key does not verify it"),
        ("ident/notag:v1", "a", "ident/notag', which is not accepted"),
        ("app/retag:new", "a", "app/retag:old', which is not accepted"),
    ],
)
def test_reasons(name: str, key: str, words: str, cosign_images: dict[str, Image]) -> None:
    image = cosign_images[name]
    verdict = evaluator(key, "matchRepoDigestOrExact").evaluate(
        image.reference, image.subject, image.signatures
    )
    assert not verdict.accepted
    assert words in verdict.judgement.reasons[0]


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("app/one:v1", Verdict.TRUSTED),
        ("app/two:v1", Verdict.TRUSTED),
        ("mixed/badfirst:v1", Verdict.TRUSTED),
        ("app/index:multi", Verdict.TRUSTED),
        ("app/other:v1", Verdict.UNKNOWN_KEY),
        ("app/p384:v1", Verdict.UNKNOWN_KEY),
        ("bad/tampered:v1", Verdict.UNKNOWN_KEY),
        ("app/none:v1", Verdict.UNSIGNED),
        ("bad/empty:v1", Verdict.UNSIGNED),
        ("bad/moved:v1", Verdict.INVALID),
        ("bad/type:v1", Verdict.INVALID),
        ("bad/nodigest:v1", Verdict.INVALID),
        ("bad/critical:v1", Verdict.INVALID),
        ("bad/notb64:v1", Verdict.INVALID),
    ],
)
def test_verdicts_by_key(name: str, verdict: Verdict, cosign_images: dict[str, Image]) -> None:
    image = cosign_images[name]
    judgement = judge(image.signatures, image.subject, Trust((public_key("a"),)))
    assert judgement.verdict is verdict
    assert (judgement.reasons == ()) == (verdict is Verdict.TRUSTED)


def test_a_good_signature_counts_beside_others(cosign_images: dict[str, Image]) -> None:
    image = cosign_images["app/two:v1"]
    none_named = judge(image.signatures, image.subject, Trust())
    assert none_named.verdict is Verdict.UNKNOWN_KEY
    assert [reason[:20] for reason in none_named.reasons] == [
        "signature 1 of 2: no",
        "signature 2 of 2: no",
    ]
