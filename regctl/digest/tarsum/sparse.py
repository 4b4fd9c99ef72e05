"""Sparse files: their maps in all forms, and in which order holes and data follow each other."""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterator

from regctl.digest.tarsum.errors import InvalidArchiveError
from regctl.digest.tarsum.fields import decimal, octal, wrapped
from regctl.digest.tarsum.pax import SPARSE_MAP, Records

#: Where the old GNU header and its extension blocks have their pieces, and the mark for "more".
_MAIN = (386, 4, 482)
_EXTENSION = (0, 21, 504)
_REAL_SIZE = slice(483, 495)
_NUMBER = 12
_INVALID = "a sparse file's map is not valid"
_STOPS = (
    "a sparse file's data ends before its map does: the reference silently stops there, "
    "and no sum covers what follows"
)


class SparseMap:
    """The pieces of data of a sparse file, in the order of the map; 16 bytes each."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._numbers = array("q")

    def __len__(self) -> int:
        return len(self._numbers) // 2

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Offset in the file and count of bytes of each piece."""
        numbers = iter(self._numbers)
        return zip(numbers, numbers, strict=True)

    def check_room(self, pieces: int) -> None:
        """Raise `InvalidArchiveError` if ``pieces`` more are beyond the limit."""
        if len(self) + pieces > self._limit:
            raise InvalidArchiveError(f"a sparse file has more than {self._limit} pieces")

    def add(self, offset: int, count: int) -> None:
        """Take in one piece."""
        self.check_room(1)
        self._numbers.extend((offset, count))

    def add_block(self, block: bytes, *, extension: bool) -> bool:
        """Take in the pieces in an old GNU header or extension block; whether more blocks follow.

        The first empty piece ends the block, not the map.
        """
        start, pieces, more = _EXTENSION if extension else _MAIN
        for at in range(start, start + pieces * 2 * _NUMBER, 2 * _NUMBER):
            offset = octal(block[at : at + _NUMBER])
            count = octal(block[at + _NUMBER : at + 2 * _NUMBER])
            if offset == 0 == count:
                break
            self.add(offset, count)
        return block[more] != 0


def real_size(block: bytes) -> int:
    """The size of the file that an old GNU sparse header describes."""
    return octal(block[_REAL_SIZE])


def map_of_records(records: Records, limit: int) -> SparseMap:
    """The map in the records of versions 0.0 (as gathered by `pax.parse_records`) and 0.1."""
    pieces = decimal(records.get(b"GNU.sparse.numblocks", b""))
    numbers = records.get(SPARSE_MAP, b"").split(b",")
    if pieces is None or len(numbers) != 2 * pieces:
        raise InvalidArchiveError(_INVALID)
    found = SparseMap(limit)
    for offset, count in zip(numbers[::2], numbers[1::2], strict=True):
        found.add(_number(offset), _number(count))
    return found


def map_of_content(limit: int) -> Generator[None, bytes, SparseMap]:
    """The map of version 1.0, which precedes the data: a line for each number, then padding.

    Asks for one block of the content after the other.
    """
    lines = _Lines()
    found = SparseMap(limit)
    pieces = yield from lines.number()
    if pieces < 0:
        raise InvalidArchiveError(_INVALID)
    found.check_room(pieces)
    for _ in range(pieces):
        offset = yield from lines.number()
        count = yield from lines.number()
        found.add(offset, count)
    return found


class _Lines:
    """Numbers, one a line, in blocks. No line reaches into more than two blocks."""

    def __init__(self) -> None:
        self._text, self._at = b"", 0

    def number(self) -> Generator[None, bytes, int]:
        end = self._text.find(b"\n", self._at)
        if end < 0:
            block = yield
            if b"\n" not in block:
                raise InvalidArchiveError(_INVALID)
            self._text, self._at = self._text[self._at :] + block, 0
            end = self._text.index(b"\n")
        line = self._text[self._at : end]
        self._at = end + 1
        return _number(line)


def _number(digits: bytes) -> int:
    value = decimal(digits)
    if value is None:
        raise InvalidArchiveError(_INVALID)
    return value


def runs(pieces: SparseMap, stored: int, size: int) -> Iterator[tuple[int, int]]:
    """How the file is read: the length of a hole, then of the data behind it, and so on.

    The file is ``size`` bytes, of which ``stored`` are in the archive. The pieces are followed as
    they stand, also where they overlap or reach beyond the end; that is for the caller to see.

    Raises `InvalidArchiveError` where the reference ends in a panic, or stops in the middle.
    """
    position = 0
    for offset, count in pieces:
        hole = max(offset - position, 0)
        position += hole
        due = wrapped(count - wrapped(position - offset))
        if due < 0:
            raise InvalidArchiveError(_INVALID)
        data = min(due, stored)
        yield hole, data
        position += data
        stored -= data
        # At the end of what is stored the reference believes it has read the file, unless the
        # size says otherwise: then it reads nothing, and stops over that. So it does over an
        # empty piece, which is good only as the very last.
        if data < due or due == 0:
            if position < size or (due == 0 and stored):
                raise InvalidArchiveError(_STOPS)
            return
    yield max(size - position, 0), 0
