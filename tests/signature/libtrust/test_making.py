from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from regctl.signature import base64url
from regctl.signature.libtrust import (
    InvalidSignatureError,
    add_signature,
    assemble,
    merge,
    parse,
    sign,
    verify,
    why_unverified,
)
from regctl.signature.libtrust.making import format_of
from regctl.signature.libtrust.signatures import Format
from tests.signature.libtrust.vectors import (
    KEYS,
    NOW,
    blobs,
    content,
    document,
    payload,
    private_key,
)

PAYLOAD = payload("sign-ec256")
CHAIN = document("chain-rsa").signatures[0].chain


def signed_at(name: str) -> datetime:
    protected = json.loads(base64url.decode(document(name).signatures[0].protected))
    return datetime.fromisoformat(protected["time"])


def test_an_rsa_signature_is_the_reference_s_to_the_byte() -> None:
    """PKCS #1 v1.5 leaves nothing to chance, so that the whole document must come out again."""
    made = sign(PAYLOAD, private_key("rsa"), signed_at("sign-rsa"))
    assert assemble(PAYLOAD, [made]) == content("sign-rsa")
    made = sign(PAYLOAD, private_key("rsa"), signed_at("chain-rsa"), CHAIN)
    assert assemble(PAYLOAD, [made]) == content("chain-rsa")


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize(
    "vector",
    ["sign-ec256", "sign-html", "compact-payload", "payload-trailing-newline", "dup-payload-key"],
)
def test_what_is_signed_verifies(name: str, vector: str) -> None:
    key = private_key(name)
    made = assemble(payload(vector), [sign(payload(vector), key, NOW)])
    parsed = parse(made)
    assert parsed.payload == payload(vector)
    assert [(each.reason, each.key_id) for each in verify(parsed)] == [("", key.public.key_id)]
    assert assemble(parsed.payload, parsed.signatures) == made


def test_signature_and_protected_header_have_libtrust_s_form() -> None:
    elsewhere = timezone(timedelta(hours=2))
    made = sign(PAYLOAD, private_key("ec521"), datetime(2015, 1, 14, 22, 2, 43, 999, elsewhere))
    assert made.algorithm == "ES512"
    assert len(base64url.decode(made.signature)) == 132
    assert base64url.decode(made.protected) == (
        b'{"formatLength":133,"formatTail":"Cn0","time":"2015-01-14T20:02:43Z"}'
    )


def test_a_key_from_pem_carries_the_header_of_its_file() -> None:
    made = sign(PAYLOAD, private_key("ec256", "pem"), NOW)
    assert made.key == document("pem-key").signatures[0].key


def test_a_second_signer_adds_and_nothing_is_dropped() -> None:
    first = document("sign-ec256").signatures
    both = parse(add_signature(content("sign-ec256"), private_key("ec384"), NOW))
    assert why_unverified(both) == ()
    assert set(first) < set(both.signatures)
    three = parse(add_signature(assemble(PAYLOAD, both.signatures), private_key("rsa"), NOW))
    assert set(both.signatures) < set(three.signatures)
    assert len(three.signatures) == 3
    assert [each.key_id[:4] for each in verify(three)] == ["2GDZ", "4B4B", "GTD4"]


def test_the_same_signer_twice_is_two_signatures_and_the_same_blob_twice_is_one() -> None:
    again = parse(add_signature(content("sign-ec256"), private_key("ec256"), NOW))
    assert len(again.signatures) == 2
    stored = blobs("merge-same-signer")
    assert merge(PAYLOAD, stored * 2) == content("merge-same-signer")


def test_the_order_does_not_depend_on_the_order_of_the_blobs() -> None:
    stored = blobs("merge-three")
    assert merge(PAYLOAD, stored) == merge(PAYLOAD, stored[::-1]) == content("merge-three")


def test_what_registries_panic_at_is_refused() -> None:
    """Sorting two signatures of which one has no JWK is a nil dereference in libtrust."""
    chained = document("chain-ec").signatures[0]
    with pytest.raises(InvalidSignatureError, match="has no JWK"):
        add_signature(content("sign-ec256"), private_key("rsa"), NOW, CHAIN)
    with pytest.raises(InvalidSignatureError, match="has no JWK"):
        merge(PAYLOAD, [chained.blob, *blobs("sign-ec256")])
    beside = replace(chained, key=private_key("ec256").public)
    assert parse(assemble(PAYLOAD, [beside, *document("sign-ec384").signatures]))


def test_a_chain_of_another_key_is_refused() -> None:
    with pytest.raises(InvalidSignatureError, match="not the signing key's"):
        sign(PAYLOAD, private_key("ec256"), NOW, CHAIN)
    with pytest.raises(InvalidSignatureError, match="cannot be read"):
        sign(PAYLOAD, private_key("ec256"), NOW, ["AAAA"])


@pytest.mark.parametrize(
    "wrong", [b"", b"{}", b"{ \n}", b"[1]", b'{"a":1}x', b'{"a":NaN}', b"\xff"]
)
def test_what_cannot_be_signed_is_refused(wrong: bytes) -> None:
    """An empty object with signatures would be no JSON: ``{,"signatures":...``."""
    with pytest.raises(InvalidSignatureError, match="the payload"):
        sign(wrong, private_key("ec256"), NOW)
    with pytest.raises(InvalidSignatureError, match="the payload"):
        merge(wrong, blobs("sign-ec256"))


def test_all_blanks_at_the_end_of_the_payload_are_in_the_tail() -> None:
    assert format_of(b'{"a": "b" \t\r\n}\r\n\t ') == Format(9, b" \t\r\n}\r\n\t ")


def test_a_signed_document_is_no_payload() -> None:
    with pytest.raises(InvalidSignatureError, match="has signatures in it"):
        sign(content("sign-ec256"), private_key("ec256"), NOW)


def test_a_signature_is_not_added_to_what_does_not_verify() -> None:
    for name in ("sig-flipped", "signatures-empty"):
        with pytest.raises(InvalidSignatureError, match="does not verify"):
            add_signature(content(name), private_key("ec384"), NOW)


def test_a_document_needs_a_signature_and_a_blob_must_be_one() -> None:
    with pytest.raises(InvalidSignatureError, match="no signatures"):
        assemble(PAYLOAD, [])
    with pytest.raises(InvalidSignatureError, match="not JSON"):
        merge(PAYLOAD, [*blobs("sign-ec256"), b""])


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        sign(PAYLOAD, private_key("ec256"), NOW.replace(tzinfo=None))
    assert signed_at("hand-ok") == datetime(2015, 1, 14, 20, 2, 43, tzinfo=UTC)
