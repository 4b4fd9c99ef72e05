"""Digests and names in bulk are those that are parsed one by one."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.digest import Digest
from regctl.errors import RegctlError
from regctl.layout.bulk import LINK_BYTES, is_shard, is_temporary, pack_hex, packed_link

DIGITS = hashlib.sha256(b"x").hexdigest()
_HEX = st.text("0123456789abcdef", min_size=63, max_size=65)
_ODD = st.text("0123456789abcdefABCDEF \n\u0660\udcff", min_size=62, max_size=66)


def _parses(name: str) -> bool:
    try:
        Digest.parse(f"sha256:{name}")
    except RegctlError:
        return False
    return True


@given(st.lists(st.one_of(_HEX, _ODD)))
def test_pack(names: list[str]) -> None:
    """What is packed are the names that are digests, in order, and nothing else is left out."""
    packed, others = pack_hex(names)
    good = [name for name in names if _parses(name)]
    assert packed == b"".join(map(bytes.fromhex, good))
    assert others == [name for name in names if not _parses(name)]


@pytest.mark.parametrize(
    "odd", [DIGITS.upper(), f" {DIGITS[1:]}", f"{DIGITS[:-2]} \n", DIGITS[:-1] + "\u0660"]
)
def test_pack_what_fromhex_takes(odd: str) -> None:
    """Capitals, blanks and other alphabets' digits are none, though they have the length."""
    assert pack_hex([DIGITS, odd]) == (bytes.fromhex(DIGITS), [odd])


def test_packed_link() -> None:
    """Only a link that is the whole text of a sha256 digest is packed."""
    link = f"sha256:{DIGITS}".encode()
    assert len(link) == LINK_BYTES
    assert packed_link(link) == bytes.fromhex(DIGITS)
    for odd in (b"", link[:-1], link + b"\n", link.upper(), b"sha512:" + link[7:], b"\xff" + link):
        assert packed_link(odd) is None


def test_names() -> None:
    """Shards are two hex digits; temporary files end in a UUID and ``.tmp``."""
    assert is_shard("0f")
    assert not any(map(is_shard, ("", "0", "0F", "zz", "0f1", "0f\n")))
    uuid = "11111111-2222-4333-8444-555555555555"
    assert is_temporary(f"link.{uuid}.tmp")
    for name in (f".{uuid}.tmp", f"link.{uuid}", "link.tmp", f"link.{uuid}.tmp~", "link"):
        assert not is_temporary(name)
