"""How members are found and what they may be: Go's rules, which a JSON library does not have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from regctl.signature import base64url
from regctl.signature.libtrust import InvalidSignatureError, parse, parse_blob, why_unverified
from regctl.signature.libtrust.document import MAX_SIGNATURES
from regctl.signature.libtrust.signatures import Format, read_format
from tests.signature.libtrust.vectors import content, document, payload

GOOD: dict[str, Any] = json.loads(content("hand-ok"))["signatures"][0]
HEADER: dict[str, Any] = GOOD["header"]


def pairs(*members: tuple[str, object]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{_text(value)}" for name, value in members) + "}"


def _text(value: object) -> str:
    return value[1:] if isinstance(value, str) and value[:1] == "\0" else json.dumps(value)


def raw(text: str) -> str:
    return "\0" + text


def signed(*signatures: str) -> bytes:
    inner = payload("hand-ok").rstrip(b"}\n")
    return inner + f',"signatures":[{",".join(signatures)}]}}'.encode()


def good(**more: object) -> list[tuple[str, object]]:
    return list({**GOOD, **more}.items())


@pytest.mark.parametrize(
    "signature",
    [
        pairs(*good(), ("unknown", 1)),
        pairs(*((name.upper(), value) for name, value in good())),
        pairs(("signature", "AAAA"), *good()),
        pairs(*good(), ("signature", None), ("header", None), ("protected", None)),
        pairs(*good(header=raw(pairs(("JW\u212a", HEADER["jwk"]), ("alg", "ES256"))))),
        pairs(*good(header={"alg": "ES256"}), ("header", {"jwk": HEADER["jwk"]})),
        pairs(*good(header={**HEADER, "x5c": None})),
        pairs(*good(header={**HEADER, "x5c": []})),
        pairs(*good(header=raw(pairs(*HEADER.items(), ("x5c", ["!"]), ("x5c", None))))),
        pairs(*good(header=raw(pairs(("jwk", None), *HEADER.items())))),
    ],
)
def test_members_are_found_as_go_finds_them(signature: str) -> None:
    assert why_unverified(parse(signed(signature))) == ()


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("1", "1.0 is not an object"),
        ("null", "there is no protected header"),
        ("[]", "a list is not an object"),
        (pairs(*good(signature=5)), "signature is 5.0, not a string"),
        (pairs(("signature", 5), *good()), "signature is 5.0, not a string"),
        (pairs(*good(header=[])), "the header is a list, not an object"),
        (pairs(*good(header={**HEADER, "alg": []})), "alg is a list, not a string"),
        (pairs(*good(header={**HEADER, "jwk": None})), "the JWK is null, not an object"),
        (pairs(*good(header={**HEADER, "x5c": "a"})), "x5c is 'a', not a list"),
        (pairs(*good(header={**HEADER, "x5c": [1]})), "x5c holds 1.0, not a string"),
        (pairs(*good(protected="e")), "the protected header is not base64url"),
        (pairs(*good(protected="e30")), "the protected header has no formatLength"),
        (pairs(*good(protected="bnVsbA")), "the protected header is null, not an object"),
    ],
)
def test_members_of_wrong_types_are_refused(signature: str, reason: str) -> None:
    with pytest.raises(InvalidSignatureError) as caught:
        parse(signed(signature))
    assert caught.value.reasons == (f"signatures[0]: {reason}",)


def test_every_signature_that_cannot_be_read_is_named_at_once() -> None:
    with pytest.raises(InvalidSignatureError) as caught:
        parse(signed("1", pairs(*good()), "2"))
    assert [reason[:14] for reason in caught.value.reasons] == ["signatures[0]:", "signatures[2]:"]


def test_the_signatures_go_by_their_exact_name() -> None:
    other = signed(pairs(*good())).replace(b'"signatures"', b'"Signatures"')
    with pytest.raises(InvalidSignatureError, match="has no signatures"):
        parse(other)
    escaped = signed(pairs(*good())).replace(b'"signatures"', b'"\\u0073ignatures"')
    assert why_unverified(parse(escaped)) == ()


def protected(text: str) -> str:
    return base64url.encode(text.encode())


@pytest.mark.parametrize("number", ["12", "12.0", "12.9", "1.2e1", "1200E-2"])
def test_a_length_is_read_as_go_converts_it(number: str) -> None:
    text = protected(f'{{"formatLength":{number},"formatTail":"Cn0"}}')
    assert read_format(text) == Format(12, b"\n}")


@pytest.mark.parametrize(
    "length", ["-1", "-5", "1e19", "9223372036854775808", "1e999", '"12"', "null", "true", "[12]"]
)
def test_a_length_that_is_none_is_refused(length: str) -> None:
    """Libtrust panics at a negative one, and at one that leaves 64 bits."""
    with pytest.raises(InvalidSignatureError, match="no number of bytes"):
        read_format(protected(f'{{"formatLength":{length},"formatTail":"Cn0"}}'))


@pytest.mark.parametrize("tail", ['"!"', '"A"', "5", "null"])
def test_a_tail_that_is_none_is_refused(tail: str) -> None:
    with pytest.raises(InvalidSignatureError, match="formatTail"):
        read_format(protected(f'{{"formatLength":1,"formatTail":{tail}}}'))


def test_the_names_in_the_protected_header_are_exact() -> None:
    with pytest.raises(InvalidSignatureError, match="no formatLength"):
        read_format(protected('{"FormatLength":1,"formatTail":"Cn0"}'))


def test_a_zero_length_before_the_first_is_no_conflict() -> None:
    """A quirk of libtrust: what says nothing conflicts only with what was said before it."""
    silent = pairs(*good(protected=protected('{"formatLength":0,"formatTail":""}')))
    speaking = pairs(*good())
    assert parse(signed(silent, speaking)).payload == payload("hand-ok")
    with pytest.raises(InvalidSignatureError, match="different formatLengths"):
        parse(signed(speaking, silent))


@pytest.mark.parametrize("name", ["hand-ok", "chain-ec"])
def test_the_content_of_a_document_is_bounded(name: str) -> None:
    text = document(name).signatures[0].compact
    with pytest.raises(InvalidSignatureError, match=f"more than the {MAX_SIGNATURES}"):
        parse(signed(*[text] * (MAX_SIGNATURES + 1)))
    with pytest.raises(InvalidSignatureError, match="more than the 100 that are read"):
        parse(content(name), limit=100)


def test_a_stored_blob_that_is_no_signature_is_refused() -> None:
    for blob in (b"", b"{", b"[]", b"\xef\xbb\xbf{}", b'{"header":1}', b"{}"):
        with pytest.raises(InvalidSignatureError):
            parse_blob(blob)
