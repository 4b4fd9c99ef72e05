"""Whatever comes in: a sum or an `InvalidArchiveError`, soon, and however it is cut."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from regctl.digest.tarsum import VERSIONS, InvalidArchiveError, Limits, TarSum
from tests.digest.tarsum.archives import BLOCK, END, entry, extended, seal
from tests.digest.tarsum.test_sparse import old_gnu, pax_00, pax_01, pax_10
from tests.digest.tarsum.test_vectors import INDEX, read

#: What is not found here is found in a second; a hole of gigabytes would only take its time.
LIMITS = Limits(record=1 << 16, pieces=1000, holes=1 << 20, entries=1000)
ARCHIVES = [data for data in map(read, INDEX) if len(data) <= 16384]
KEYS = [b"path", b"uid", b"size", b"mtime", b"SCHILY.xattr.", b"GNU.sparse.size"]
KEYS += [b"GNU.sparse.map", b"GNU.sparse.major", b"GNU.sparse.minor", b"GNU.sparse.numblocks"]
short = st.binary(max_size=12)
numbers = st.integers(-3, 2000)
pieces = st.lists(st.tuples(numbers, numbers), max_size=6)
parts = st.one_of(
    st.builds(entry, short, st.binary(max_size=600)),
    st.builds(
        lambda kind, content: entry(b"k", content, typeflag=kind),
        st.sampled_from([b"x", b"L", b"K", b"g", b"S", b"5"]),
        st.binary(max_size=600),
    ),
    st.builds(
        lambda records: extended(*records),
        st.lists(st.tuples(st.sampled_from(KEYS), short), max_size=4),
    ),
    st.builds(
        lambda make, *rest: make(*rest),
        st.sampled_from([old_gnu, pax_00, pax_01, pax_10]),
        pieces,
        st.integers(0, 3000),
        st.binary(max_size=600),
    ),
    st.sampled_from([bytes(BLOCK), END, b"\0"]),
)


def answer(data: bytes, cuts: list[int]) -> list[str] | str:
    """All digests of ``data``, given in pieces that end at ``cuts``; or the reason for none."""
    tarsum = TarSum(*VERSIONS, limits=LIMITS)
    try:
        start = 0
        for end in [*sorted(cuts), len(data)]:
            tarsum.update(data[start:end])
            start = max(start, end)
        return [str(digest) for version in VERSIONS for digest in tarsum.digests(version)]
    except InvalidArchiveError as error:
        return str(error)


cuts = st.lists(st.integers(0, 20_000), max_size=6)


@given(st.binary(max_size=3 * BLOCK), cuts)
def test_arbitrary_bytes(data: bytes, where: list[int]) -> None:
    assert answer(data, where) == answer(data, [])


@settings(max_examples=300)
@given(st.lists(parts, max_size=6), st.one_of(st.none(), st.integers(0, 20_000)), cuts)
def test_arbitrary_entries(entries: list[bytes], end: int | None, where: list[int]) -> None:
    data = b"".join(entries)[:end]
    assert answer(data, where) == answer(data, [])


@settings(max_examples=400)
@given(
    st.sampled_from(ARCHIVES),
    st.lists(st.tuples(st.integers(0, 16_383), st.integers(0, 255)), max_size=4),
    st.integers(0, 31),
    cuts,
)
def test_damaged_archives(
    archive: bytes, damage: list[tuple[int, int]], sealed: int, where: list[int]
) -> None:
    """With one block given a checksum that fits, so that damage gets behind that."""
    data = bytearray(archive)
    for at, value in damage:
        if at < len(data):
            data[at] = value
    block = slice(sealed * BLOCK, (sealed + 1) * BLOCK)
    if block.stop <= len(data):
        data[block] = seal(bytes(data[block]))
    assert answer(bytes(data), where) == answer(bytes(data), [])
