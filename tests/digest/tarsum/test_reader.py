"""What the reader of 2015 makes of archives that others read in another way.

Each expectation is an archive with the same entries written so that nobody disagrees about it, or
the text of the entries' headers; both as the reference was seen to do it.
"""

from __future__ import annotations

import hashlib

import pytest

from regctl.digest.tarsum import InvalidArchiveError, TarSum
from tests.digest.tarsum.archives import (
    BLOCK,
    END,
    GNU,
    POSIX,
    entry,
    extended,
    header,
    number,
    padded,
    seal,
    tarsum,
)


def of_texts(*texts: bytes) -> str:
    """The TarSum of entries whose headers' texts and contents are these."""
    sums = sorted(hashlib.sha256(text).hexdigest() for text in texts)
    return hashlib.sha256("".join(sums).encode()).hexdigest()


def text(
    name: bytes = b"file",
    *,
    size: int = 0,
    uid: int = 0,
    mtime: bytes = b"",
    typeflag: bytes = b"0",
    linkname: bytes = b"",
    rest: bytes = b"unamegnamedevmajor0devminor0",
    content: bytes = b"",
) -> bytes:
    return b"name%bmode420uid%dgid0size%d%btypeflag%blinkname%b%b%b" % (
        name,
        uid,
        size,
        mtime,
        typeflag,
        linkname,
        rest,
        content,
    )


def refusal(data: bytes, *, strict_end: bool = False) -> str:
    with pytest.raises(InvalidArchiveError) as raised:
        tarsum(data, strict_end=strict_end)
    return str(raised.value)


def test_the_text_of_a_header() -> None:
    data = entry(b"./d/", typeflag=b"5") + entry(b"f", b"content") + END
    directory = text(b"./d/", typeflag=b"5")
    assert tarsum(data) == of_texts(directory, text(b"f", size=7, content=b"content"))
    assert tarsum(header(mtime=-5) + END, "v0") == of_texts(text(mtime=b"mtime-5"))


@pytest.mark.parametrize("typeflag", [b"1", b"2", b"5", b"6", b"g", b"\0", b"Z"])
def test_data_is_read_whatever_the_type(typeflag: bytes) -> None:
    """Later readers skip none or all of it, and then see other entries."""
    data = entry(content=b"data", typeflag=typeflag) + END
    assert tarsum(data) == of_texts(text(size=4, typeflag=typeflag, content=b"data"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"\0 \x0017 \0 ", 15),
        (b"17\x009\0\0\0\0", 15),
        (b" " * 8, 0),
        (b"77777777", 0o77777777),
        (b"\x80" + bytes(6) + b"\x05", 5),
        (b"\xff" * 8, 2**63 - 1),
    ],
)
def test_numbers(field: bytes, value: int) -> None:
    """A negative base-256 number of 8 bytes loses its sign with the top bit."""
    assert tarsum(header(uid=field) + END) == of_texts(text(uid=value))


@pytest.mark.parametrize("field", [b"-1", b"+1", b"1_0", b"8", b"0o7", b"1 2", b"1\t", b"x"])
def test_what_is_no_number(field: bytes) -> None:
    assert "where a number is due" in refusal(header(uid=field.ljust(8, b"\0")) + END)


def test_a_signed_checksum_is_good_and_a_wrong_one_is_not() -> None:
    block = header(b"\xc3\xa9")
    assert tarsum(seal(block, signed=True) + END) == tarsum(block + END)
    assert "checksum" in refusal(block[:-1] + b"x" + END)


def test_sizes_and_modes_that_the_reference_cannot_copy() -> None:
    assert "negative size" in refusal(header(size=number(-1, 12)) + END)
    assert "mode is too large" in refusal(header(mode=8**8) + END)
    assert tarsum(header(mode=8**8 - 1) + END)


def test_the_magic_decides_what_else_there_is() -> None:
    owner = b"unamerootgnamewheeldevmajor0devminor0"
    for magic in (GNU, POSIX, b"ustar\0xx"):
        block = header(magic=magic, uname=b"root", gname=b"wheel", rest=b"pre")
        assert tarsum(block + END) == of_texts(text(b"pre/file", rest=owner))
    block = header(magic=b"ustar  x", uname=b"root", gname=b"wheel", rest=b"pre")
    assert tarsum(block + END) == of_texts(text())


def test_star_has_a_shorter_prefix_with_times_behind_it() -> None:
    times = number(1, 12) + number(2, 12)
    star = header(magic=POSIX, rest=b"p" * 131 + times + bytes(8) + b"tar\0")
    assert tarsum(star + END) == of_texts(text(b"p" * 131 + b"/file"))
    damaged = header(magic=POSIX, rest=b"p" * 131 + b"x" * 24 + bytes(8) + b"tar\0")
    assert "where a number is due" in refusal(damaged + END)


def test_device_numbers_count_for_devices_only() -> None:
    device = number(8, 8) + number(1, 8)
    rest = b"unamegnamedevmajor8devminor1"
    block = header(typeflag=b"3", device=device)
    assert tarsum(block + END) == of_texts(text(typeflag=b"3", rest=rest))
    assert tarsum(header(device=device) + END) == of_texts(text())


def test_a_global_header_is_an_entry_and_changes_none() -> None:
    data = entry(b"g", b"16 path=changed\n", typeflag=b"g") + entry() + END
    first = text(b"g", size=16, typeflag=b"g", content=b"16 path=changed\n")
    assert tarsum(data) == of_texts(first, text())


def test_long_names() -> None:
    """Of several the first wins, also over an extended header between; cut at the first NUL."""
    long = entry(b"@", b"n1\0x", typeflag=b"L")
    link = entry(b"@", b"l", typeflag=b"K")
    other = entry(b"@", b"n2", typeflag=b"L")
    pax = extended((b"path", b"n3"))
    expected = of_texts(text(b"n1", linkname=b"l"))
    assert tarsum(long + link + other + pax + entry() + END) == expected


def test_behind_an_extended_header_everything_is_an_entry() -> None:
    data = extended((b"uname", b"me")) + entry(b"L", b"name", typeflag=b"L") + END
    rest = b"unamemegnamedevmajor0devminor0"
    assert tarsum(data) == of_texts(text(b"L", size=4, typeflag=b"L", rest=rest, content=b"name"))


@pytest.mark.parametrize("kind", [b"x", b"L", b"K"])
@pytest.mark.parametrize("behind", [b"", END, b"x" * BLOCK, bytes(100)])
def test_records_need_an_entry_behind_them(kind: bytes, behind: bytes) -> None:
    """The reference ends in a panic there."""
    assert refusal(entry(b"@", b"", typeflag=kind) + behind)


@pytest.mark.parametrize(
    "records",
    [b"x", b"0 a=b\n", b"-6 a=b\n", b"99 a=b\n", b"3 =", b"5 ab\n", b" 6 a=b\n", b"6 a=b\n7"],
)
def test_broken_records(records: bytes) -> None:
    assert "record" in refusal(entry(b"@", records, typeflag=b"x") + entry() + END)


def test_records_need_no_newline() -> None:
    data = entry(b"@", b"9 path=aX9 path=cY", typeflag=b"x")
    assert tarsum(data + entry() + END) == of_texts(text(b"c"))


@pytest.mark.parametrize(
    ("time", "second"),
    [
        (b"1.9", 1),
        (b"-1.5", -1),
        (b"-0.5", 0),
        (b"1.-5", 0),
        (b"1.", 1),
        (b"+1.0000000009x", 1),
        (b"-9223372036854775808.-1", 2**63 - 1),
    ],
)
def test_times(time: bytes, second: int) -> None:
    """The fraction is added, and may have a sign; nine of its digits are read."""
    data = extended((b"mtime", time)) + entry() + END
    assert tarsum(data, "v0") == of_texts(text(mtime=b"mtime%d" % second))


def test_what_cannot_be_read_leaves_the_header_alone() -> None:
    data = extended((b"uid", b"x"), (b"comment", b"y")) + header(uid=7) + END
    assert tarsum(data) == of_texts(text(uid=7))


def test_records_beside_one_that_cannot_be_read() -> None:
    """The reference takes records in random order, and silently stops at a bad one."""
    data = extended((b"uid", b"x"), (b"path", b"p")) + entry() + END
    assert "at random" in refusal(data)
    # Where it makes no difference to the version in hand, there is but one answer.
    data = extended((b"uid", b"x"), (b"SCHILY.xattr.a", b"1")) + entry() + END
    assert tarsum(data, "v0") == of_texts(text(mtime=b"mtime0"))
    assert "at random" in refusal(data)


def test_attributes_are_ordered_and_one_without_a_name_counts_again() -> None:
    """Once more for every attribute there is: the reference's list starts with empty keys."""
    records = [(b"SCHILY.xattr." + key, value) for key, value in ((b"b", b"2"), (b"a", b"1"))]
    assert tarsum(extended(*records) + entry() + END) == of_texts(text(content=b"a1b2"))
    records.append((b"SCHILY.xattr.", b"N"))
    assert tarsum(extended(*records) + entry() + END) == of_texts(text(content=b"NNNNa1b2"))


def test_a_size_in_a_record_is_hashed_but_does_not_change_what_is_read() -> None:
    assert "size is not that" in refusal(extended((b"size", b"4")) + entry(content=b"x") + END)
    data = extended((b"size", b"4")) + entry(content=b"four") + END
    assert tarsum(data) == of_texts(text(size=4, content=b"four"))


@pytest.mark.parametrize("end", [b"", bytes(BLOCK), END, END + b"garbage", END + entry(b"more")])
def test_good_ends(end: bytes) -> None:
    assert tarsum(entry() + end) == of_texts(text())


@pytest.mark.parametrize("end", [b"\0", bytes(511), bytes(BLOCK + 1), bytes(BLOCK) + entry()])
def test_bad_ends(end: bytes) -> None:
    assert refusal(entry() + end)


def test_an_end_in_the_padding() -> None:
    """Good; the registry's own reader could not take one directly behind the content."""
    data = entry(content=b"data")[: BLOCK + 4]
    assert tarsum(data) == tarsum(data + b"\0", strict_end=True) == tarsum(padded(data))
    assert "last byte" in refusal(data, strict_end=True)
    assert "last byte" in refusal(entry(content=b"d" * BLOCK), strict_end=True)
    assert "inside an entry's content" in refusal(data[:-1])


def test_the_end_is_known_only_when_it_is_asked_for() -> None:
    """More may follow a digest, as with every other hash."""
    reader = TarSum()
    assert reader.digest().hex == of_texts()
    reader.update(entry(content=b"data")[: BLOCK + 2])
    with pytest.raises(InvalidArchiveError):
        reader.digest()
    reader.update(padded(b"xxta")[2:])
    assert reader.digest().hex == of_texts(text(size=4, content=b"data"))
    assert not reader.ended
    reader.update(END)
    assert reader.ended


def test_a_refusal_is_repeated() -> None:
    reader = TarSum()
    for _ in range(2):
        with pytest.raises(InvalidArchiveError, match="a number is due"):
            reader.update(b"x" * BLOCK)
    with pytest.raises(InvalidArchiveError, match="a number is due"):
        reader.digest()


def test_an_interrupted_reader_gives_no_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal in the middle of an update must not pass for the end of the archive."""
    reader = TarSum()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("regctl.digest.tarsum.header.Header.check", interrupt)
        with pytest.raises(KeyboardInterrupt):
            reader.update(entry())
    reader.update(END)
    with pytest.raises(InvalidArchiveError, match="not read to its end"):
        reader.digest()


def test_versions_are_asked_for_beforehand() -> None:
    with pytest.raises(ValueError, match="unknown TarSum version"):
        TarSum("v2")
    with pytest.raises(ValueError, match="not asked for"):
        TarSum("v1").digest("v0")
