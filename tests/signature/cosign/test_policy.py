from __future__ import annotations

import pytest

from regctl.signature.policy import PolicyError, parse_policy
from regctl.signature.policy_identity import MatchRepoDigestOrExact
from regctl.signature.policy_reference import DockerReference
from regctl.signature.policy_requirements import (
    AcceptAnything,
    KeySource,
    NotCheckable,
    Reject,
    SigstoreSigned,
)
from tests.signature.cosign.policies import (
    ACCEPT,
    BAD,
    BAD_LATER,
    BY_PATHS,
    GOOD,
    GOOD_UNCHECKABLE,
    KEY_DATA,
    NEWER,
    NEWER_UNCHECKABLE,
    REJECT,
    policy,
    sigstore,
)


@pytest.mark.parametrize("content", GOOD + NEWER)
def test_policies_that_are_read(content: bytes) -> None:
    assert parse_policy(content).default


@pytest.mark.parametrize(("content", "words"), BAD + BAD_LATER)
def test_policies_that_are_refused(content: bytes, words: str) -> None:
    """A typo must not make a policy weaker than its author meant it."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(content)
    assert words in caught.value.message
    assert caught.value.exit_code == 2


def test_requirements() -> None:
    parsed = parse_policy(policy([*ACCEPT, *REJECT]))
    assert parsed.default == (AcceptAnything(), Reject())
    (requirement,) = parse_policy(BY_PATHS).default
    assert requirement == SigstoreSigned(
        (KeySource("/k"), KeySource("/l")), MatchRepoDigestOrExact()
    )


@pytest.mark.parametrize("content", NEWER_UNCHECKABLE + GOOD_UNCHECKABLE)
def test_what_cannot_be_checked_says_so(content: bytes) -> None:
    (requirement,) = parse_policy(content).default
    assert isinstance(requirement, NotCheckable)
    assert requirement.what


def test_the_most_specific_scope_decides() -> None:
    scopes = (
        "r.example:5000/ns/app:v1",
        "r.example:5000/ns/app",
        "r.example:5000/ns",
        "r.example:5000",
        "*.example",
        "",
    )
    image = DockerReference.parse("r.example:5000/ns/app:v1")
    for count in range(len(scopes)):
        parsed = parse_policy(policy(REJECT, **dict.fromkeys(scopes[count:], ACCEPT)))
        assert parsed.section(image) == (scopes[count], (AcceptAnything(),))
    others = parse_policy(policy(REJECT, **dict.fromkeys(("r.example", "*.r.example"), ACCEPT)))
    assert others.section(image) == ("default", (Reject(),))


def test_scopes_of_other_transports_do_not_count() -> None:
    content = b'{"default":[{"type":"reject"}],"transports":{"atomic":{"":[{"type":"reject"}]}}}'
    assert parse_policy(content).section(DockerReference.parse("r.example/a:1"))[0] == "default"


def test_the_files_that_a_policy_needs() -> None:
    content = policy(
        [sigstore(keyPath="/a"), sigstore(keyData=KEY_DATA)],
        **{"r.example": [sigstore(keyPaths=["/b", "/a"])], "s.example": REJECT},
    )
    assert parse_policy(content).key_paths() == {"/a", "/b"}
