from __future__ import annotations

from dataclasses import replace

import pytest

from regctl.signature.libtrust import (
    Document,
    InvalidSignatureError,
    merge,
    parse,
    parse_blob,
    verify,
    why_unverified,
)
from tests.signature.libtrust import deviations
from tests.signature.libtrust.vectors import (
    DOCUMENTS,
    blobs,
    content,
    digest,
    document,
    payload,
)

PARSED = [name for name, vector in DOCUMENTS.items() if vector["parse"] == "ok"]
REFUSED = [name for name in DOCUMENTS if name not in PARSED]
ACCEPTED = [
    name
    for name, vector in DOCUMENTS.items()
    if vector["accepted"] and name not in deviations.DOCUMENTS
]
NOT_VERIFIED = [name for name in PARSED if name not in ACCEPTED]
STORABLE = [name for name in PARSED if "reassembled" in DOCUMENTS[name]]


def test_every_vector_is_in_one_of_the_lists() -> None:
    assert len(DOCUMENTS) == 73
    assert sorted([*REFUSED, *ACCEPTED, *NOT_VERIFIED]) == sorted(DOCUMENTS)
    assert len(ACCEPTED) == 36 - len(deviations.DOCUMENTS)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_libtrust_verifies_is_verified_by_the_same_keys(name: str) -> None:
    parsed = document(name)
    verdicts = verify(parsed)
    assert [verdict.reason for verdict in verdicts] == [""] * len(verdicts)
    assert [verdict.key_id for verdict in verdicts] == DOCUMENTS[name]["key_ids"]
    assert why_unverified(parsed) == ()


@pytest.mark.parametrize("name", NOT_VERIFIED)
def test_what_libtrust_does_not_verify_is_unverified_with_a_reason(name: str) -> None:
    reasons = why_unverified(document(name))
    assert reasons
    assert all(len(reason) > len("signatures[0]: ") for reason in reasons)


@pytest.mark.parametrize("name", REFUSED)
def test_what_libtrust_does_not_parse_is_refused(name: str) -> None:
    with pytest.raises(InvalidSignatureError):
        document(name)


@pytest.mark.parametrize("name", PARSED)
def test_the_payload_is_the_reference_s(name: str) -> None:
    vector = DOCUMENTS[name]["payload"]
    parsed = document(name)
    assert parsed.payload == payload(name)
    assert digest(parsed.payload) == vector["sha256"]


@pytest.mark.parametrize("name", PARSED)
def test_signature_blobs_are_the_reference_s(name: str) -> None:
    """They are written anew, so that their digests depend on every byte of the writer."""
    written = [signature.blob for signature in document(name).signatures]
    # The reference had sorted its signatures before it stored them.
    assert sorted(written) == sorted(blobs(name))
    assert [digest(blob) for blob in blobs(name)] == [
        each["sha256"] for each in DOCUMENTS[name]["signatures"]
    ]
    assert [parse_blob(blob).blob for blob in written] == written


@pytest.mark.parametrize("name", STORABLE)
def test_payload_and_stored_blobs_are_served_as_the_reference_does(name: str) -> None:
    expected = DOCUMENTS[name]["reassembled"]
    if isinstance(expected, str):
        with pytest.raises(InvalidSignatureError, match="the payload is not JSON"):
            merge(payload(name), blobs(name))
        return
    served = merge(payload(name), reversed(blobs(name)))
    assert digest(served) == expected["sha256"]
    if "file" in expected:
        assert served != content(name)
    elif expected["same_as_input"]:
        assert served == content(name)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_served_verifies_as_what_was_pushed_did(name: str) -> None:
    served = parse(merge(payload(name), blobs(name)))
    assert served.payload == payload(name)
    assert why_unverified(served) == ()
    assert {each.blob for each in served.signatures} == set(blobs(name))


def test_zero_signatures_are_no_proof() -> None:
    """Libtrust verifies a document of no signatures, and a registry stored its empty payload."""
    for name in deviations.DOCUMENTS:
        parsed = document(name)
        assert parsed.payload == b""
        assert verify(parsed) == ()
        assert why_unverified(parsed) == ("there are no signatures",)


def test_one_bad_signature_of_two_is_named() -> None:
    (reason,) = why_unverified(document("merged-one-bad"))
    assert reason == "signatures[1]: the signature has 64 bytes, not 96"
    assert [each.verified for each in verify(document("merged-one-bad"))] == [True, False]


def test_where_there_is_a_chain_the_key_beside_it_is_not_looked_at() -> None:
    chained, plain = document("chain-ec"), document("merge-two")
    other, own = plain.signatures
    beside = replace(chained.signatures[0], key=other.key)
    assert parse_blob(beside.blob) == beside
    (verdict,) = verify(Document(chained.payload, (beside,)))
    assert (verdict.reason, verdict.by_certificate) == ("", True)
    assert own.key
    assert verdict.key_id == own.key.key_id
    moved = replace(other, chain=chained.signatures[0].chain)
    assert not verify(Document(plain.payload, (moved,)))[0].verified


def test_a_certificate_with_junk_in_its_base64_is_refused() -> None:
    """Python's decoder would skip it."""
    (chained,) = document("chain-ec").signatures
    junk = chained.chain[0].replace("M", "M!!!!", 1)
    (verdict,) = verify(Document(payload("chain-ec"), (replace(chained, chain=(junk,)),)))
    assert verdict.reason == "the certificate in x5c cannot be read"
    assert verdict.key_id == ""


def test_a_key_of_a_certificate_is_told_from_a_key_of_the_header() -> None:
    assert [each.by_certificate for each in verify(document("chain-ec"))] == [True]
    assert [each.by_certificate for each in verify(document("sign-ec256"))] == [False]
