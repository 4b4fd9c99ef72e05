"""The property that all of this is for: what was changed after it was signed is not verified."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.signature import base64url
from regctl.signature.libtrust import Document, InvalidSignatureError, parse, verify
from tests.signature.libtrust.vectors import content

SIGNED = ["jwk-no-kid", "sign-ec384", "sign-ec521", "sign-rsa", "chain-ec"]
#: The text of base64 whose last character holds bits that count for nothing.
BASE64 = r'"(?:signature|x|y|n|e)": "([A-Za-z0-9_-]+)"'
PROTECTED = r'"protected": "([A-Za-z0-9_-]+)"'
X5C = r'"x5c": \[\s*"([A-Za-z0-9+/=]+)"'


def without_kid(name: str) -> bytes:
    """The document without the key's id, so that it is the signature that must not verify."""
    return re.sub(rb'"kid": "[^"]*",\s*', b"", content(name))


def verified(document: bytes) -> Document | None:
    try:
        parsed = parse(document)
    except InvalidSignatureError:
        return None
    verdicts = verify(parsed)
    return parsed if verdicts and all(each.verified for each in verdicts) else None


def signed_positions(document: bytes) -> Iterator[int]:
    """Every byte of the payload, the protected header, the signature and the key."""
    text = document.decode("ascii")
    yield from range(text.index(',\n   "signatures"'))
    for match in re.finditer(f"{BASE64}|{PROTECTED}|{X5C}", text):
        group = match.lastindex or 0
        last = match.end(group) - (group == 1 and len(match[group]) % 4 != 0)
        yield from range(match.start(group), last)


def is_leaf_outside_its_key(name: str, document: bytes, position: int) -> bool:
    """Whether a byte is of a certificate, but not of the key in it: the chain's part to see."""
    start = document.find(b'"x5c"')
    if start < 0 or position < start:
        return False
    return position < document.index(b"]", start)


@pytest.mark.parametrize("name", SIGNED)
def test_a_flipped_bit_in_any_signed_byte_is_seen(name: str) -> None:
    document = without_kid(name)
    assert verified(document)
    positions = list(signed_positions(document))
    assert len(positions) > 300
    missed = []
    for position in positions:
        changed = bytearray(document)
        # One bit for each byte, another for its neighbour.
        changed[position] ^= 1 << position % 7
        outcome = verified(bytes(changed))
        if outcome and not is_leaf_outside_its_key(name, document, position):
            missed.append(position)
        elif outcome:
            # A certificate may change around its key, which its issuer's signature covers.
            assert verify(outcome)[0].key_id == verify(parse(document))[0].key_id
    assert missed == []


@given(st.sampled_from(SIGNED[:2]), st.data())
def test_whatever_changes_a_document_that_verifies_says_the_same(
    name: str, data: st.DataObject
) -> None:
    """Spaces, spellings of names and bits that count for nothing may change, nothing signed."""
    document = without_kid(name)
    before = parse(document)
    position = data.draw(st.integers(0, len(document) - 1))
    length = data.draw(st.integers(0, 3))
    new = data.draw(st.binary(max_size=3) | st.sampled_from([b" ", b"\n", b",", b'"', b"null"]))
    after = verified(document[:position] + new + document[position + length :])
    if after is not None:
        assert after.payload == before.payload
        assert facts(after) == facts(before)


def facts(document: Document) -> list[tuple[object, ...]]:
    return [
        (
            each.algorithm,
            each.protected,
            base64url.decode(each.signature),
            each.key and each.key.key_id,
        )
        for each in document.signatures
    ]
