from __future__ import annotations

import json

import pytest

from regctl.digest import Digest
from regctl.manifest.schema1 import make_payload
from regctl.signature.libtrust import (
    NameMismatch,
    TagMismatch,
    UnknownLayer,
    Unservable,
    UnsignedContent,
    Unverified,
    assemble,
    sign,
    verify_push,
)
from tests.signature.libtrust import deviations
from tests.signature.libtrust.vectors import DOCUMENTS, NOW, content, document, private_key

NAME = "library/oracle"
#: What the registry of 2015 said of a push, and the class of the reason that it is here.
CLASSES: dict[str, type[object]] = {
    "name does not match": NameMismatch,
    "tag does not match": TagMismatch,
}


@pytest.mark.parametrize("vector", DOCUMENTS)
def test_a_push_is_taken_if_the_registry_of_2015_took_it(vector: str) -> None:
    push, said = DOCUMENTS[vector]["push"], DOCUMENTS[vector]["seed_put"]["result"]
    reasons = verify_push(content(vector), push["name"], push["tag"])
    if (said == "ok" and vector not in deviations.PUSHES) or "unknown layer" in said:
        assert reasons == ()
        return
    found = {kind for text, kind in CLASSES.items() if text in said} or {Unverified}
    assert {type(reason) for reason in reasons} - {Unservable, UnsignedContent} == found


def test_every_reason_is_given_at_once() -> None:
    reasons = verify_push(content("sig-flipped"), "library/another", "latest")
    assert reasons == (
        NameMismatch(NAME, "library/another"),
        TagMismatch("v1", "latest"),
        Unverified("signatures[0]: the signature is not this key's over this content"),
    )
    assert str(reasons[0]) == "the manifest's name is 'library/oracle', not 'library/another'"
    assert str(reasons[1]) == "the manifest's tag is 'v1', not 'latest'"
    assert str(reasons[2]).startswith("the manifest is not verified: signatures[0]: ")


def test_every_bad_signature_is_a_reason() -> None:
    broken = json.loads(content("merge-two"))
    for signature in broken["signatures"]:
        signature["protected"] = "!"
    reasons = verify_push(json.dumps(broken).encode(), NAME, "v1")
    assert [type(reason) for reason in reasons] == [Unverified, Unverified]


def test_a_push_by_digest_compares_no_tag() -> None:
    assert verify_push(content("sign-ec256"), NAME, None) == ()
    assert verify_push(content("sign-ec256"), NAME, "") == (TagMismatch("v1", ""),)


def test_what_is_no_document_is_unverified() -> None:
    for wrong in (b"", b"[]", b"{", b"\xff\xfe"):
        (reason,) = verify_push(wrong, NAME, "v1")
        assert isinstance(reason, Unverified)
    assert verify_push(b"{}", NAME, "v1") == (
        NameMismatch("", NAME),
        TagMismatch("", "v1"),
        Unverified("the document has no signatures"),
    )


@pytest.mark.parametrize(
    "member",
    [b'"name": "library/another"', b'"tag": "latest"', b'"Name": "a"', b'"fsLayers": [{}]'],
)
def test_what_stands_between_payload_and_signatures_is_not_signed(member: bytes) -> None:
    """Libtrust verifies such a document, and the registry of 2015 read its name and its tag."""
    start = b',\n   "signatures"'
    forged = content("sign-ec256").replace(start, b",\n   " + member + start)
    assert forged != content("sign-ec256")
    (reason,) = verify_push(forged, NAME, "v1")
    assert isinstance(reason, UnsignedContent)
    assert str(reason).startswith("the document is not what is signed")


def test_a_signature_moved_to_another_document_proves_nothing_of_it() -> None:
    """The payload is what signatures say it is: cut after another's first bytes it is neither."""
    signatures = json.loads(content("sign-ec256"))["signatures"]
    payload = make_payload(NAME, "v2", "amd64", [], []).rstrip(b"\n}")
    forged = payload + b',"signatures":' + json.dumps(signatures).encode() + b"}"
    reasons = verify_push(forged, NAME, "v2")
    assert Unverified in {type(reason) for reason in reasons}


def test_a_payload_that_is_no_json_could_not_be_served() -> None:
    reasons = verify_push(content("tamper-length-minus1"), NAME, "v1")
    assert {type(reason) for reason in reasons} == {Unverified, Unservable}


def test_signatures_that_registries_cannot_sort_could_not_be_served() -> None:
    chained = document("chain-ec").signatures[0]
    mixed = json.loads(content("sign-ec256"))
    mixed["signatures"].append(json.loads(chained.blob))
    text = content("sign-ec256").split(b',\n   "signatures"')[0]
    pushed = text + b',"signatures":' + json.dumps(mixed["signatures"]).encode() + b"}"
    (reason,) = verify_push(pushed, NAME, "v1")
    assert isinstance(reason, Unservable)
    assert "could not be served" in str(reason)


def test_an_unknown_layer_says_which() -> None:
    layer = Digest.parse("sha256:" + "a" * 64)
    assert str(UnknownLayer(layer)) == f"the repository has no layer {layer}"


def test_what_is_made_and_signed_here_can_be_pushed() -> None:
    payload = make_payload("a/b", "<&>", "amd64", [Digest.parse("sha256:" + "a" * 64)], ['{"é":1}'])
    made = assemble(payload, [sign(payload, private_key(each), NOW) for each in ("rsa", "ec384")])
    assert verify_push(made, "a/b", "<&>") == ()
    assert verify_push(made, "a/b", "other") == (TagMismatch("<&>", "other"),)
