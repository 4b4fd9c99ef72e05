"""Archives that would take all memory, or all time."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from regctl.digest.tarsum import DEFAULT_LIMITS, InvalidArchiveError, Limits, TarSum
from tests.digest.tarsum.archives import BLOCK, END, entry, extended, header, number, tarsum
from tests.digest.tarsum.test_sparse import old_gnu, pax_01, pax_10, pax_10_with

EXABYTES = 2**63 - 1


@pytest.fixture
def small_memory() -> Iterator[None]:
    """The test takes no more than the longest record and a little."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("typeflag", [b"x", b"L", b"K"])
def test_a_record_of_a_gigabyte_is_refused_at_once(typeflag: bytes) -> None:
    with pytest.raises(InvalidArchiveError, match="has more than 4194304 bytes"):
        tarsum(header(size=1 << 30, typeflag=typeflag))


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("typeflag", [b"0", b"5", b"g"])
def test_a_file_that_claims_eight_exabytes_ends_early(typeflag: bytes) -> None:
    with pytest.raises(InvalidArchiveError, match="ends inside an entry's content"):
        tarsum(header(size=number(EXABYTES, 12), typeflag=typeflag) + bytes(BLOCK))


@pytest.mark.usefixtures("small_memory")
@pytest.mark.parametrize("make", [old_gnu, pax_01, pax_10])
def test_a_hole_of_eight_exabytes_is_not_hashed(make: object) -> None:
    assert callable(make)
    with pytest.raises(InvalidArchiveError, match="bytes in their holes"):
        tarsum(make([(EXABYTES, 0)], EXABYTES, b""))


def test_holes_are_counted_over_all_files() -> None:
    limits = Limits(holes=1000)
    one = old_gnu([(600, 0)], 600, b"")
    assert tarsum(one + END, limits=limits)
    with pytest.raises(InvalidArchiveError, match="entry 2: sparse files have more than 1000"):
        tarsum(one + one + END, limits=limits)


@pytest.mark.usefixtures("small_memory")
def test_a_map_that_announces_too_many_pieces() -> None:
    with pytest.raises(InvalidArchiveError, match="more than 1048576 pieces"):
        tarsum(pax_10_with(b"9000000000\n".ljust(BLOCK, b"\0"), 4))


def test_a_map_that_has_too_many_pieces() -> None:
    pieces = [(at, 1) for at in range(30)]
    for make in (old_gnu, pax_01, pax_10):
        archive = make(pieces, 30, b"x" * 30) + END
        assert tarsum(archive, limits=Limits(pieces=30))
        with pytest.raises(InvalidArchiveError, match="more than 29 pieces"):
            tarsum(archive, limits=Limits(pieces=29))


def test_too_many_entries() -> None:
    assert tarsum(entry() * 3, limits=Limits(entries=3))
    with pytest.raises(InvalidArchiveError, match="more than 2 entries"):
        tarsum(entry() * 3, limits=Limits(entries=2))


@pytest.mark.usefixtures("small_memory")
def test_long_names_do_not_pile_up() -> None:
    """Only their hashes are kept, to find duplicates."""
    reader = TarSum()
    for at in range(50):
        reader.update(entry(b"@", b"%d" % at * (1 << 19), typeflag=b"L") + entry())
    assert len(reader.digests()) == 1


def test_ten_thousand_long_names_in_a_row() -> None:
    """The reference calls itself for each."""
    reader = TarSum()
    reader.update(entry(b"@", b"name", typeflag=b"L") * 10_000)
    reader.update(entry(b"other"))
    assert reader.digest().hex == tarsum(entry(b"name"))


def test_a_record_as_long_as_allowed() -> None:
    value = b"v" * (DEFAULT_LIMITS.record - 30)
    assert tarsum(extended((b"comment", value)) + entry() + END) == tarsum(entry() + END)
