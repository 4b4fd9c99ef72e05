"""The parts of a multipart upload as values: how large they are, and which of them count.

Source of the limits: "Amazon S3 multipart upload limits" in the Amazon S3 user guide.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Bytes that every part has at least, the last of an upload excepted.
LEAST_PART = 5 << 20
#: Bytes that a part has at most, sent or copied.
MOST_PART = 5 << 30
#: Parts of one upload, numbered from 1.
MOST_PARTS = 10_000
#: Bytes of an object.
MOST_OBJECT = 5 << 40
#: Bytes that the buffers of one writer take, as long as three parts fit in.
BUFFER_BYTES = 96 << 20

#: Parts from this number on are of `_LARGER` bytes at least...
_EARLY = 1001
_LARGER = 32 << 20
#: ...and from this on twice as large every so many parts: the price is memory, so it comes late,
#: after 190 GiB.
_LATE = 7001
_EVERY = 300
#: An object copied into parts takes at most so many, to leave the others for what is appended.
_MOST_COPIES = 2048
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Part:
    """A part that the store has; ``etag`` as the store gives it, without quotes."""

    number: int
    size: int
    etag: str


def part_bytes(number: int, least: int) -> int:
    """Bytes of the part ``number`` where parts start from ``least`` bytes.

    They grow so that 10,000 of them hold 5 TiB, whatever ``least`` is.
    """
    size = max(least, LEAST_PART)
    if number >= _EARLY:
        size = max(size, _LARGER)
    if number >= _LATE:
        size = max(size, _LARGER << ((number - _LATE) // _EVERY + 1))
    return min(size, MOST_PART)


def most_buffers(size: int) -> int:
    """How many buffers of ``size`` bytes one writer may have: one is filled, one awaits its turn,
    the others are on their way."""
    return max(3, BUFFER_BYTES // size)


def copy_ranges(size: int, chunk: int) -> list[tuple[int, int]]:
    """Offset and length of the parts that ``size`` bytes of an object, `LEAST_PART` or more, are
    copied as.

    None is too small to be followed by others, and none (nor their number) too large. They are of
    ``chunk`` bytes or more, and up to 2,048 of them.
    """
    chunk = max(chunk, LEAST_PART, -(-size // _MOST_COPIES))
    # As many as fit whole: what is left over goes to all of them.
    count = max(1, size // min(chunk, MOST_PART // 2))
    bounds = [size * number // count for number in range(count + 1)]
    return [(start, end - start) for start, end in pairwise(bounds)]


def counted(parts: Iterable[Part]) -> list[Part]:
    """Those of the listed ``parts``, in any order, that the file consists of.

    They are numbered from 1 without a gap: what comes after one was sent by a writer that died
    before all was stored. All but the last have `LEAST_PART`, else they could not be completed.
    Some servers (SeaweedFS) keep a part beside the one that replaced it: the longer one counts,
    for writers replace a part by one that begins with it.
    """
    longest: dict[int, Part] = {}
    for each in parts:
        if each.number not in longest or each.size > longest[each.number].size:
            longest[each.number] = each
    found: list[Part] = []
    while (part := longest.get(len(found) + 1)) is not None and part.size:
        found.append(part)
        if part.size < LEAST_PART:
            break
    return found


def size_of(parts: Iterable[Part]) -> int:
    """Bytes of ``parts`` together."""
    return sum(part.size for part in parts)


def needed(parts: Sequence[Part], size: int) -> int:
    """How many of ``parts``, from the first, hold ``size`` bytes."""
    count = total = 0
    while total < size:
        total += parts[count].size
        count += 1
    return count


def is_md5(etag: str) -> bool:
    """Whether ``etag`` may be the MD5 of a content. (Under KMS it is of the same form and none.)"""
    return _MD5.fullmatch(etag) is not None


def completed_etag(parts: Sequence[Part]) -> str | None:
    """The ETag that S3 gives to an object completed of ``parts``; None if that cannot be known."""
    if not all(is_md5(part.etag) for part in parts):
        return None
    digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
