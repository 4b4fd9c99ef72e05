from __future__ import annotations

import json

import pytest

from regctl.layout import RepositoryName, Tag
from regctl.signature import cosign_json
from regctl.signature.cosign_json import StrictJSONError
from regctl.signature.policy_identity import (
    SignedIdentity,
    parse_identity,
    refusal,
    stored_refusal,
)
from regctl.signature.policy_reference import DockerReference

DIGEST = "@sha256:" + "ab" * 32
OTHER = "@sha512:" + "cd" * 64
TAG = "r.example/ns/app:v1"
NAME = "r.example/ns/app"


def identity(kind: str, **more: str) -> SignedIdentity:
    document = json.dumps({"type": kind, **more}).encode()
    return parse_identity(cosign_json.decode(document), "signedIdentity")


#: Kind, members, what is asked for, what was signed, and what containers/image says.
CASES: list[tuple[str, dict[str, str], str, str, bool]] = [
    ("matchExact", {}, TAG, TAG, True),
    ("matchExact", {}, TAG, NAME, False),
    ("matchExact", {}, TAG, f"{NAME}:v2", False),
    ("matchExact", {}, NAME + DIGEST, NAME + DIGEST, True),
    ("matchExact", {}, NAME + DIGEST, TAG, False),
    ("matchExact", {}, TAG, TAG + DIGEST, False),
    ("matchRepoDigestOrExact", {}, TAG, TAG, True),
    ("matchRepoDigestOrExact", {}, TAG, f"{NAME}:v2", False),
    ("matchRepoDigestOrExact", {}, TAG, NAME, False),
    ("matchRepoDigestOrExact", {}, TAG, NAME + DIGEST, False),
    ("matchRepoDigestOrExact", {}, NAME + DIGEST, TAG, True),
    ("matchRepoDigestOrExact", {}, NAME + DIGEST, NAME + OTHER, True),
    ("matchRepoDigestOrExact", {}, NAME + DIGEST, NAME, False),
    ("matchRepoDigestOrExact", {}, NAME + DIGEST, "r.example/ns/other:v1", False),
    ("matchRepoDigestOrExact", {}, NAME, TAG, False),
    ("matchRepository", {}, TAG, NAME, True),
    ("matchRepository", {}, TAG, f"{NAME}:v2", True),
    ("matchRepository", {}, TAG, "other.example/ns/app:v1", False),
    ("matchRepository", {}, TAG, "not a reference", False),
    ("matchRepository", {}, "docker.io/library/busybox:1", "busybox", True),
    ("exactReference", {"dockerReference": TAG}, "x.example/y:1", TAG, True),
    ("exactReference", {"dockerReference": TAG}, TAG, f"{NAME}:v2", False),
    ("exactRepository", {"dockerRepository": NAME}, "x.example/y:1", TAG, True),
    ("exactRepository", {"dockerRepository": TAG}, "x.example/y:1", NAME, True),
    ("exactRepository", {"dockerRepository": "r.example/ns"}, TAG, TAG, False),
]
REMAP: list[tuple[str, str, str, str, bool]] = [
    ("r.example/ns", "s.example/up", TAG, "s.example/up/app:v1", True),
    ("r.example/ns", "s.example/up", TAG, TAG, False),
    ("r.example", "s.example", TAG, "s.example/ns/app:v1", True),
    ("r.example/n", "s.example/n", TAG, TAG, True),
    (NAME, "s.example/x", TAG, "s.example/x:v1", True),
    (NAME, "s.example/x", NAME + DIGEST, "s.example/x:v9", True),
    ("q.example", "s.example", TAG, TAG, True),
    ("r.example/ns", "docker.io", TAG, "docker.io/library/app:v1", False),
    ("r.example/ns", "s.example", TAG, "s.example/app:v2", False),
]


@pytest.mark.parametrize(("kind", "more", "intended", "written", "accepted"), CASES)
def test_rules(
    kind: str, more: dict[str, str], intended: str, written: str, accepted: bool
) -> None:
    said = refusal(identity(kind, **more), DockerReference.parse(intended), written)
    assert (said == "") == accepted


@pytest.mark.parametrize(("prefix", "signed_prefix", "intended", "written", "accepted"), REMAP)
def test_remapping(
    prefix: str, signed_prefix: str, intended: str, written: str, accepted: bool
) -> None:
    rule = identity("remapIdentity", prefix=prefix, signedPrefix=signed_prefix)
    said = refusal(rule, DockerReference.parse(intended), written)
    assert (said == "") == accepted


@pytest.mark.parametrize(
    ("tag", "written", "words"),
    [
        ("v1", TAG, ""),
        ("v1", "other.example:5000/ns/app:v1", ""),
        ("v1", NAME, ""),
        (None, TAG, ""),
        ("v2", TAG, "another tag than v2"),
        ("v1", "r.example/ns/other:v1", "another repository than ns/app"),
        ("v1", "r.example/x/ns/app:v1", "another repository than ns/app"),
        ("v1", "", "is none"),
    ],
)
def test_names_without_a_host(tag: str | None, written: str, words: str) -> None:
    said = stored_refusal(RepositoryName("ns/app"), Tag(tag) if tag else None, written)
    assert (words in said) if words else (said == "")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("null", "null, not an object"),
        ("{}", "unknown type ''"),
        ('{"type":"matchAny"}', "unknown type 'matchAny'"),
        ('{"Type":"matchExact"}', "unknown type ''"),
        ('{"type":"matchExact","x":1}', "unknown member 'x'"),
        ('{"type":"matchExact","type":"matchExact"}', "twice"),
        ('{"type":"exactReference"}', "lacks the member 'dockerReference'"),
        ('{"type":"exactReference","dockerReference":"r.example/a"}', "neither a tag"),
        ('{"type":"exactReference","dockerReference":"A"}', "not a reference"),
        ('{"type":"exactRepository","dockerRepository":7}', "7, not a string"),
        ('{"type":"remapIdentity","prefix":"r.example"}', "lacks the member 'signedPrefix'"),
        ('{"type":"remapIdentity","prefix":"r/","signedPrefix":"s"}', "neither a host"),
        ('{"type":"remapIdentity","prefix":"r","signedPrefix":"s:v1/"}', "neither a host"),
    ],
)
def test_refused_rules(document: str, words: str) -> None:
    with pytest.raises(StrictJSONError, match=words):
        parse_identity(cosign_json.decode(document.encode()), "signedIdentity")
