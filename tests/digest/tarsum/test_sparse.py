"""Sparse files in all four forms: the same sum, the same refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from regctl.digest.tarsum import InvalidArchiveError
from tests.digest.tarsum.archives import (
    BLOCK,
    END,
    entry,
    extended,
    header,
    number,
    padded,
    seal,
    tarsum,
)

Pieces = Sequence[tuple[int, int]]
Maker = Callable[[Pieces, int, bytes], bytes]


def old_gnu(pieces: Pieces, size: int, data: bytes) -> bytes:
    """The first four pieces in the header, the others in blocks of 21."""
    fields = [number(offset, 12) + number(count, 12) for offset, count in pieces]
    head, blocks = fields[:4], [fields[at : at + 21] for at in range(4, len(fields), 21)]
    block = header(size=len(data), typeflag=b"S")[:386] + b"".join(head).ljust(96, b"\0")
    archive = seal(block + bytes([bool(blocks)]) + number(size, 12) + bytes(17))
    for at, part in enumerate(blocks, 1):
        archive += b"".join(part).ljust(504, b"\0") + bytes([at < len(blocks)]) + bytes(7)
    return archive + padded(data)


def pax_00(pieces: Pieces, size: int, data: bytes) -> bytes:
    records = [(b"GNU.sparse.size", b"%d" % size), (b"GNU.sparse.numblocks", b"%d" % len(pieces))]
    for offset, count in pieces:
        records += [(b"GNU.sparse.offset", b"%d" % offset), (b"GNU.sparse.numbytes", b"%d" % count)]
    return extended(*records) + entry(content=data)


def pax_01(pieces: Pieces, size: int, data: bytes) -> bytes:
    return extended(
        (b"GNU.sparse.size", b"%d" % size),
        (b"GNU.sparse.numblocks", b"%d" % len(pieces)),
        (b"GNU.sparse.name", b"file"),
        (b"GNU.sparse.map", b",".join(b"%d,%d" % each for each in pieces)),
    ) + entry(b"GNUSparseFile.0/file", data)


def pax_10(pieces: Pieces, size: int, data: bytes) -> bytes:
    text = b"%d\n" % len(pieces) + b"".join(b"%d\n%d\n" % each for each in pieces)
    return pax_10_with(padded(text) + data, size)


def pax_10_with(content: bytes, size: int) -> bytes:
    return extended(
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", b"file"),
        (b"GNU.sparse.realsize", b"%d" % size),
    ) + entry(b"GNUSparseFile.0/file", content)


every_form = pytest.mark.parametrize("make", [old_gnu, pax_00, pax_01, pax_10])


def plain(make: Maker, content: bytes) -> str:
    """The sum of the file written out; the old form alone leaves its type in the sum."""
    typeflag = b"S" if make is old_gnu else b"0"
    if typeflag == b"0":
        return tarsum(entry(content=content) + END)
    return tarsum(old_gnu([(0, len(content))], len(content), content) + END)


@every_form
@pytest.mark.parametrize("count", [1, 3, 4, 5, 25, 26, 100])
def test_a_sparse_file_is_hashed_written_out(make: Maker, count: int) -> None:
    pieces = [(100 * at + 10, 50) for at in range(count)]
    data = bytes(range(50)) * count
    content = b"".join(bytes(10) + bytes(range(50)) + bytes(40) for _ in range(count))
    # With the last, empty piece that GNU tar writes where a hole ends the file.
    pieces.append((len(content), 0))
    archive = make(pieces, len(content), data) + entry(b"next") + END
    whole = plain(make, content)
    assert tarsum(make(pieces, len(content), data) + END) == whole
    assert tarsum(archive) != whole


@every_form
def test_a_file_that_is_one_hole(make: Maker) -> None:
    assert tarsum(make([(700, 0)], 700, b"") + END) == plain(make, bytes(700))


@every_form
@pytest.mark.parametrize(
    ("pieces", "size", "data"),
    [
        ([(0, 10), (5, 10)], 15, b"x" * 15),
        ([(0, 4), (2, 4)], 6, b"x" * 6),
        ([(0, 4)], 4, b"four and more"),
    ],
)
def test_odd_maps_that_the_reference_follows(
    make: Maker, pieces: Pieces, size: int, data: bytes
) -> None:
    """Pieces that overlap go on where the last ended; what no piece wants is skipped."""
    assert tarsum(make(pieces, size, data) + END) == plain(make, data[:size])


@every_form
@pytest.mark.parametrize(
    ("pieces", "size", "data", "reason"),
    [
        ([(0, 10), (2, 3)], 10, b"x" * 10, "not valid"),
        ([(0, 10)], 12, b"x" * 5, "silently"),
        ([(0, 4), (6, 0), (8, 4)], 12, b"x" * 8, "silently"),
        ([(4, 0)], 12, b"", "silently"),
        ([(0, 10)], 5, b"x" * 10, "size is not that"),
        ([(90, 10)], 50, b"x" * 10, "size is not that"),
    ],
)
def test_refused_maps(make: Maker, pieces: Pieces, size: int, data: bytes, reason: str) -> None:
    """Where the data ends before the map, the reference calls the entries before it all."""
    with pytest.raises(InvalidArchiveError, match=reason):
        tarsum(make(pieces, size, data) + entry(b"hidden") + END)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1\n0\n4\n",
        b"x" * BLOCK,
        padded(b"x\n"),
        padded(b"-1\n"),
        padded(b"2\n0\n1\n1\n"),
        padded(b"9223372036854775807\n"),
        padded(b"1\n" + b"0" * 510 + b"1" * 512),
    ],
)
def test_damaged_maps_of_version_1_0(content: bytes) -> None:
    with pytest.raises(InvalidArchiveError):
        tarsum(pax_10_with(content, 4) + END)


@pytest.mark.parametrize(
    "records",
    [
        [(b"GNU.sparse.size", b"4")],
        [(b"GNU.sparse.size", b"x"), (b"GNU.sparse.numblocks", b"0")],
        [(b"GNU.sparse.size", b"4"), (b"GNU.sparse.numblocks", b"0")],
        [(b"GNU.sparse.size", b"4"), (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", b"0")],
        [(b"GNU.sparse.size", b"4"), (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", b"0,x")],
    ],
)
def test_damaged_maps_in_records(records: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(InvalidArchiveError, match="sparse file"):
        tarsum(extended(*records) + entry(content=b"data") + END)


def test_an_unknown_version_is_a_plain_file() -> None:
    data = extended((b"GNU.sparse.major", b"2"), (b"GNU.sparse.minor", b"0"))
    assert tarsum(data + entry(content=b"x") + END) == tarsum(entry(content=b"x") + END)


def test_a_file_described_in_two_ways() -> None:
    """The reference ends in a panic there."""
    records = pax_01([(0, 4)], 4, b"")[: 2 * BLOCK]
    with pytest.raises(InvalidArchiveError, match="two ways"):
        tarsum(records + old_gnu([(0, 4)], 4, b"data") + END)


@every_form
def test_the_strict_end(make: Maker) -> None:
    """The registry could not take an end right behind data, but could where a hole follows."""
    archive = make([(0, 4)], 4, b"data")
    cut = archive[: len(archive) - BLOCK + 4]
    assert tarsum(cut) == tarsum(archive)
    with pytest.raises(InvalidArchiveError, match="last byte"):
        tarsum(cut, strict_end=True)
    archive = make([(0, 4)], 9, b"data")
    assert tarsum(archive[: len(archive) - BLOCK + 4], strict_end=True) == tarsum(archive)
