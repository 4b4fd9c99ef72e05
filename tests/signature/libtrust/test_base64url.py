from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.signature.base64url import NotBase64Error, decode, encode


@given(st.binary())
def test_what_is_written_is_read(content: bytes) -> None:
    text = encode(content)
    assert "=" not in text
    assert decode(text) == content
    assert decode(text + "=" * (-len(text) % 4)) == content


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("", b""),
        ("QQ", b"A"),
        ("QR", b"A"),
        ("QQ==", b"A"),
        ("QQ=\n=\r\n\n", b"A"),
        ("QU\r\nI\r\n", b"AB"),
        ("QQ=", b"A"),
        ("\n\n\n\n", b""),
        ("_-8", b"\xff\xef"),
    ],
)
def test_what_libtrust_decodes_is_decoded(text: str, content: bytes) -> None:
    assert decode(text) == content


@pytest.mark.parametrize(
    "text",
    [
        *("A", "=", "==", "====", "A===", "QU\nI", "QQ\n", "QQ==QQ==", "QUI==", "QQ== ", "Q Q"),
        *("+/8", "QU!I", "QUI\x00", "é", "QUé", "\uff31\uff31", "\ud800AA", "QQ=="[::-1]),
    ],
)
def test_what_libtrust_refuses_is_refused(text: str) -> None:
    """Python's decoder skips what is not in the alphabet: a signature with junk would verify."""
    with pytest.raises(NotBase64Error):
        decode(text)
