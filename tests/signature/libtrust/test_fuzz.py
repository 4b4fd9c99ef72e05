"""Whatever comes in: an answer or our own error, soon, and in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.signature import base64url
from regctl.signature.libtrust import (
    InvalidKeyError,
    InvalidSignatureError,
    assemble,
    jwk,
    merge,
    parse,
    parse_blob,
    pem,
    verify,
    verify_push,
)
from tests.signature.libtrust.vectors import DOCUMENTS, KEY_CASES, content, read

DEEP = 10_000
SEEDS = [content(name) for name in ("sign-ec256", "merge-two", "chain-ec", "dup-payload-key")]
KEY_SEEDS = [read(case["file"]) for case in KEY_CASES.values()]


def exercise(document: bytes) -> None:
    """Everything that is done with a document from outside."""
    verify_push(document, "library/oracle", "v1")
    with suppress(InvalidSignatureError):
        parsed = parse(document)
        verify(parsed)
        assemble(parsed.payload, parsed.signatures)


def refused(read_it: Callable[[bytes], object], wrong: bytes) -> bool:
    try:
        read_it(wrong)
    except (InvalidKeyError, InvalidSignatureError) as error:
        return bool(error.message)
    return False


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    pieces = [
        b'"',
        b"{",
        b"[",
        b"}",
        b"]",
        b",",
        b"null",
        b"1e999",
        b"\\u0000",
        b"\\ud800",
        b"\xff",
    ]

    def change(seed: bytes, start: int, length: int, new: bytes) -> bytes:
        start %= len(seed)
        return seed[:start] + new + seed[start + length :]

    return st.builds(
        change,
        st.sampled_from(seeds),
        st.integers(min_value=0),
        st.integers(0, 40),
        st.binary(max_size=4) | st.sampled_from(pieces),
    )


@given(st.binary(max_size=200) | mutated(SEEDS))
def test_any_document_is_judged_or_refused(document: bytes) -> None:
    exercise(document)


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.just("Cn0"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["header", "jwk", "alg", "x5c", "signature", "protected", "kty", "x"])
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_signatures_are_judged_or_refused(signatures: object) -> None:
    exercise(json.dumps({"name": "a", "signatures": signatures}).encode())
    exercise(json.dumps({"name": "a", "signatures": [signatures]}).encode())
    refused(parse_blob, json.dumps(signatures).encode())


@given(VALUES)
def test_any_protected_header_is_judged_or_refused(header: object) -> None:
    protected = base64url.encode(json.dumps(header).encode())
    exercise(json.dumps({"signatures": [{"protected": protected}]}).encode())


@given(st.binary(max_size=200) | mutated(KEY_SEEDS))
def test_any_key_file_is_read_or_refused(key: bytes) -> None:
    for read_it in (jwk.read_public, jwk.read_private, pem.read_public, pem.read_private):
        refused(read_it, key)


NESTED = [
    b"[" * DEEP + b"]" * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    b"[" * DEEP,
    b'{"signatures":' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"signatures":[{"header":{"jwk":{"a":' + b"[" * DEEP + b"]" * DEEP + b"}}}]}",
    # What no reader of JSON can see: only who decodes the protected header does.
    b'{"signatures":[{"protected":"%s"}]}'
    % base64url.encode(b'{"a":' * DEEP + b"1" + b"}" * DEEP).encode(),
]


@pytest.mark.parametrize("document", NESTED, ids=range(len(NESTED)))
def test_ten_thousand_brackets_are_refused(document: bytes) -> None:
    assert refused(parse, document)
    assert refused(parse_blob, document)
    assert refused(jwk.read_public, document)
    assert verify_push(document, "a", "b")
    assert refused(lambda content: merge(content, [b"{}"]), document)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "document",
    [
        b"[" * 201 + b'"' + b'\\"' * 4_000_000,
        b"[" * 201 + b'"' * 8_000_001,
        b'{"signatures":[{"signature":"' + b"A" * 8_000_000 + b'"}]}',
        b'{"signatures":[{"header":{"jwk":{"kty":"RSA","e":"AQAB","n":"'
        + b"A" * 4_000_000
        + b'"}}}]}',
        b'{"a":' + b"9" * 4_000_000 + b',"signatures":[1]}',
        b'{"signatures":[' + b"{}," * 500_000 + b"{}]}",
        b"\xff" * 8_000_000,
    ],
    ids=["escapes", "quotes", "signature", "modulus", "digits", "signatures", "no UTF-8"],
)
def test_a_large_document_costs_no_more_than_its_size(document: bytes) -> None:
    """A pattern that looked back over an unfinished string took time by the square of its size."""
    assert refused(parse, document)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_ends_early_is_refused(name: str) -> None:
    whole = content(name).rstrip()
    for end in range(0, len(whole) - 1, 37):
        assert refused(parse, whole[:end])


def test_a_signature_of_many_certificates_is_bounded() -> None:
    chain = ["AAAA"] * 100_000
    header = {"alg": "ES256", "x5c": chain}
    protected = base64url.encode(b'{"formatLength":1,"formatTail":""}')
    text = json.dumps({"signatures": [{"header": header, "protected": protected}]})
    (verdict,) = verify(parse(text.encode()))
    assert verdict.reason == "the certificate in x5c cannot be read"
