"""Digests as small numbers: the one place of this program where a digest is not a value.

A storage of a million blobs has five million links. As objects they take gigabytes; a number in an
array takes four bytes, and what belongs to a digest is then a flag in an array of bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

from regctl.digest import Digest

#: The bytes of a packed sha256 digest.
PACKED_BYTES = 32
_SHA256 = "sha256"


class DigestTable:
    """Numbers of digests, from 0 on, in the order in which they are met."""

    def __init__(self) -> None:
        self._packed: dict[bytes, int] = {}
        self._others: dict[Digest, int] = {}
        #: By number: the packed sha256 digest, or the other digest.
        self._digests: list[bytes | Digest] = []

    def __len__(self) -> int:
        return len(self._digests)

    def number(self, digest: Digest) -> int:
        """The number of ``digest``, which is given one if it has none."""
        if digest.algorithm == _SHA256:
            return self.number_of_packed(bytes.fromhex(digest.hex))
        found = self._others.get(digest)
        if found is None:
            found = self._others[digest] = len(self._digests)
            self._digests.append(digest)
        return found

    def number_of_packed(self, packed: bytes) -> int:
        """The same for the `PACKED_BYTES` bytes of a sha256 digest."""
        found = self._packed.get(packed)
        if found is None:
            found = self._packed[packed] = len(self._digests)
            self._digests.append(packed)
        return found

    def numbers_of_packed(self, joined: bytes) -> array[int]:
        """The same for many, one after the other."""
        # Not by `number_of_packed`: millions of digests come this way.
        packed, digests, found = self._packed, self._digests, array("I")
        known = packed.get
        for at in range(0, len(joined), PACKED_BYTES):
            piece = joined[at : at + PACKED_BYTES]
            number = known(piece)
            if number is None:
                number = packed[piece] = len(digests)
                digests.append(piece)
            found.append(number)
        return found

    def find(self, digest: Digest) -> int | None:
        """The number of ``digest``, None if it was never met."""
        if digest.algorithm == _SHA256:
            return self._packed.get(bytes.fromhex(digest.hex))
        return self._others.get(digest)

    def digest(self, number: int) -> Digest:
        """The digest with ``number``."""
        found = self._digests[number]
        return Digest.of_hash(_SHA256, found) if isinstance(found, bytes) else found

    def packed(self, number: int) -> bytes | None:
        """The bytes of the sha256 digest with ``number``; None for one of another algorithm."""
        found = self._digests[number]
        return found if isinstance(found, bytes) else None


class NumberSet:
    """A set of numbers of one table, one byte for each number up to the largest."""

    __slots__ = ("_flags",)

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._flags = bytearray()
        self.update(numbers)

    def add(self, number: int) -> bool:
        """Add ``number``; whether it was new."""
        flags = self._flags
        if number >= len(flags):
            self._grow(number)
        if flags[number]:
            return False
        flags[number] = 1
        return True

    def _grow(self, number: int) -> None:
        # By half as much again, so that adding a million numbers moves few bytes.
        self._flags.extend(bytes(number + 1 - len(self._flags) + len(self._flags) // 2))

    def update(self, numbers: Iterable[int]) -> None:
        """Add all ``numbers``."""
        flags = self._flags
        for number in numbers:
            # Not by `add`: millions of numbers come this way.
            if number >= len(flags):
                self._grow(number)
            flags[number] = 1

    def discard(self, number: int) -> None:
        """Take ``number`` out, if it is in."""
        if number in self:
            self._flags[number] = 0

    def __contains__(self, number: int) -> bool:
        return number < len(self._flags) and bool(self._flags[number])

    def __len__(self) -> int:
        return self._flags.count(1)

    def __iter__(self) -> Iterator[int]:
        """The numbers, in order."""
        flags = self._flags
        at = flags.find(1)
        while at >= 0:
            yield at
            at = flags.find(1, at + 1)
