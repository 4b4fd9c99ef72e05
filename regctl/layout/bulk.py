"""Many names and links at once, without a value for each: what scans of whole storages go by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from regctl.digest.digest import HEX_LENGTHS

#: Bytes of a link to a sha256 digest.
LINK_BYTES = len("sha256:") + 64

_HEX64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LINK = re.compile(rb"sha256:([0-9a-f]{64})")
_SHARD = re.compile(r"[0-9a-f]{2}", re.ASCII)
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TEMPORARY = re.compile(rf".+\.{_UUID}\.tmp", re.ASCII | re.DOTALL)


def pack_hex(names: Sequence[str]) -> tuple[bytes, list[str]]:
    """Those of ``names`` that are the hex digits of a sha256 digest, as the bytes of one digest
    after the other, and the other names."""
    # One look at all of them together: nearly always there are no others.
    if set(map(len, names)) <= {HEX_LENGTHS["sha256"]}:
        digits = "".join(names)
        with suppress(ValueError):
            packed = bytes.fromhex(digits)
            # It takes capitals, and blanks, too.
            if packed.hex() == digits:
                return packed, []
    good = [each for each in names if _HEX64.fullmatch(each)]
    return bytes.fromhex("".join(good)), [each for each in names if not _HEX64.fullmatch(each)]


def packed_link(content: bytes) -> bytes | None:
    """The bytes of the sha256 digest that a link's ``content`` is; None if it is anything else."""
    match = _LINK.fullmatch(content)
    return bytes.fromhex(match[1].decode("ascii")) if match else None


def is_shard(name: str) -> bool:
    """Whether ``name`` is of a directory that blobs are spread over: two hex digits."""
    return _SHARD.fullmatch(name) is not None


def is_temporary(name: str) -> bool:
    """Whether ``name`` is of a file that a registry writes and then renames: ``link.<uuid>.tmp``.

    Source: Distribution since 3.1, ``registry/storage/driver/filesystem/driver.go``.
    """
    return _TEMPORARY.fullmatch(name) is not None
