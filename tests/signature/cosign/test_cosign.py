from __future__ import annotations

import base64
import hashlib

import pytest

from regctl.digest import Digest
from regctl.manifest import Descriptor
from regctl.signature.cosign import Subject, Trust, find_signature, judge, judge_signature
from regctl.signature.cosign_manifest import SIGNATURE, CosignSignature, new_signature
from regctl.signature.cosign_payload import Payload
from regctl.signature.cosign_verdict import Verdict
from tests.signature.cosign.samples import (
    KEYS,
    REFERENCE,
    SUBJECT,
    Image,
    private_key,
    public_key,
    signed,
)

OTHER = Subject(Digest.parse("sha256:" + "34" * 32))
A = Trust((public_key("a"),))


def with_signature(signature: CosignSignature, text: str) -> CosignSignature:
    return new_signature(signature.payload, {SIGNATURE: text})


@pytest.mark.parametrize("name", KEYS)
def test_what_a_key_signs_it_verifies(name: str) -> None:
    """SHA-256 for every curve: with another hash for P-384, clients refuse the signature."""
    judgement = judge([signed(name)], SUBJECT, Trust((public_key(name),)))
    assert judgement.verdict is Verdict.TRUSTED
    assert judgement.docker_reference == REFERENCE
    assert public_key(name).fingerprint in judgement.signer
    others = tuple(public_key(each) for each in KEYS if each != name)
    unknown = judge([signed(name)], SUBJECT, Trust(others))
    assert unknown.verdict is Verdict.UNKNOWN_KEY
    assert unknown.reasons == ("none of the 5 keys verifies it",)


def test_a_signature_for_another_manifest_is_invalid_whoever_signed() -> None:
    for trust in (A, Trust(), Trust((public_key("b"),))):
        judgement = judge([signed(subject=OTHER)], SUBJECT, trust)
        assert judgement.verdict is Verdict.INVALID
        assert judgement.reasons == (f"it is for another manifest: {OTHER.digest}",)


def test_a_manifest_may_be_named_by_another_algorithm() -> None:
    content = b"a manifest"
    subject = Subject(Digest.of_hash("sha256", hashlib.sha256(content).digest()), content)
    sha512 = Subject(Digest.of_hash("sha512", hashlib.sha512(content).digest()))
    assert judge([signed(subject=sha512)], subject, A).verdict is Verdict.TRUSTED
    assert judge([signed(subject=sha512)], Subject(subject.digest), A).verdict is Verdict.INVALID


def test_a_name_that_does_not_fit_is_invalid() -> None:
    judgement = judge([signed()], SUBJECT, A, lambda written: f"not {written}")
    assert (judgement.verdict, judgement.reasons) == (Verdict.INVALID, (f"not {REFERENCE}",))
    assert judge([signed()], SUBJECT, A, lambda _: "").verdict is Verdict.TRUSTED


def test_the_best_signature_counts() -> None:
    many = [signed(subject=OTHER), signed("b"), signed("a"), signed("c")]
    assert judge(many, SUBJECT, A).verdict is Verdict.TRUSTED
    without = judge([many[0], many[1]], SUBJECT, A)
    assert without.verdict is Verdict.UNKNOWN_KEY
    assert [each.partition(":")[0] for each in without.reasons] == [
        "signature 1 of 2",
        "signature 2 of 2",
    ]


def test_what_is_no_signature_does_not_count() -> None:
    payload, annotations = signed().payload, signed().descriptor.annotations
    other = Descriptor("application/x", signed().descriptor.digest, 1, annotations=annotations)
    assert judge([CosignSignature(other, payload)], SUBJECT, A).verdict is Verdict.UNSIGNED
    assert judge([], SUBJECT, A).verdict is Verdict.UNSIGNED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("*", "not base64"),
        ("é", "not base64"),
        ("A", "not base64"),
        (base64.b64encode(b"x" * 70).decode()[:-4] + "=AAA", "not base64"),
    ],
)
def test_a_signature_that_is_no_base64(text: str, words: str) -> None:
    judgement = judge([with_signature(signed(), text)], SUBJECT, A)
    assert judgement.verdict is Verdict.INVALID
    assert words in judgement.reasons[0]


def test_only_one_way_to_write_a_signature_is_taken() -> None:
    """The last character of base64 has bits that say nothing: a flip there must show."""
    text = base64.b64encode(private_key("ed").sign(signed("ed").payload)).decode()
    trust = Trust((public_key("ed"),))
    assert text.endswith("==")
    assert judge([with_signature(signed("ed"), text)], SUBJECT, trust).verdict is Verdict.TRUSTED
    flipped = text[:-3] + chr(ord(text[-3]) + 1) + "=="
    assert base64.b64decode(flipped) == base64.b64decode(text)
    for other in (flipped, text + "\n", text[:8] + "\n" + text[8:]):
        judgement = judge([with_signature(signed("ed"), other)], SUBJECT, trust)
        assert judgement.verdict is Verdict.INVALID


def test_a_signature_without_its_annotation() -> None:
    judgement = judge([new_signature(signed().payload, {})], SUBJECT, A)
    assert judgement.verdict is Verdict.INVALID
    assert "annotation dev.cosignproject.cosign/signature is missing" in judgement.reasons[0]


def test_a_payload_must_be_what_the_manifest_names() -> None:
    swapped = CosignSignature(signed("b").descriptor, signed(reference="r.example/x").payload)
    judgement = judge_signature(swapped, SUBJECT, A)
    assert judgement.verdict is Verdict.INVALID
    assert "is not the content of sha256:" in judgement.reasons[0]


def test_a_signature_that_is_there_is_found(cosign_images: dict[str, Image]) -> None:
    """Signing again with the same key and name changes nothing; another name is news."""
    image = cosign_images["app/two:v1"]
    name = str(image.reference)
    for who, found in (("a", image.signatures[0]), ("b", image.signatures[1]), ("c", None)):
        assert find_signature(image.signatures, public_key(who), image.subject, name) is found
    key = public_key("a")
    assert find_signature(image.signatures, key, image.subject, f"{name}-other") is None
    assert find_signature(image.signatures, key, OTHER, name) is None


def test_payloads_are_signed_as_they_are_made() -> None:
    payload = Payload(SUBJECT.digest, REFERENCE, "regctl", 1795451919)
    signature = signed()
    assert signature.payload == Payload(SUBJECT.digest, REFERENCE).encode()
    assert payload.encode() != signature.payload
    assert signature.descriptor.size == len(signature.payload)
    assert signature.descriptor.digest.hex == hashlib.sha256(signature.payload).hexdigest()
