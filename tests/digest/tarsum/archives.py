"""Archives made block by block, since no tar program writes what readers disagree about."""

from __future__ import annotations

from regctl.digest.tarsum import DEFAULT_LIMITS, Limits, TarSum

BLOCK = 512
END = bytes(2 * BLOCK)
GNU = b"ustar  \0"
POSIX = b"ustar\x0000"


def number(value: int, size: int) -> bytes:
    """An octal field with its NUL, or base-256 for what is larger or negative."""
    if 0 <= value < 8 ** (size - 1):
        return b"%0*o\0" % (size - 1, value)
    return bytes([0x80 | (0x7F if value < 0 else 0)]) + value.to_bytes(size - 1, "big", signed=True)


def seal(block: bytes, *, signed: bool = False) -> bytes:
    """The block with the checksum that fits."""
    blank = block[:148] + b" " * 8 + block[156:]
    total = sum(byte - 256 if signed and byte > 127 else byte for byte in blank)
    return blank[:148] + b"%06o\0 " % total + blank[156:]


def header(
    name: bytes = b"file",
    *,
    size: int | bytes = 0,
    mode: int = 0o644,
    uid: int | bytes = 0,
    mtime: int = 0,
    typeflag: bytes = b"0",
    linkname: bytes = b"",
    magic: bytes = GNU,
    uname: bytes = b"",
    gname: bytes = b"",
    device: bytes = bytes(16),
    rest: bytes = b"",
) -> bytes:
    """One block; ``rest`` stands where the prefix does. Numbers may be given as their field."""
    fields = (
        name.ljust(100, b"\0"),
        number(mode, 8),
        uid if isinstance(uid, bytes) else number(uid, 8),
        number(0, 8),
        size if isinstance(size, bytes) else number(size, 12),
        number(mtime, 12),
        bytes(8),
        typeflag,
        linkname.ljust(100, b"\0"),
        magic,
        uname.ljust(32, b"\0"),
        gname.ljust(32, b"\0"),
        device,
        rest.ljust(167, b"\0"),
    )
    return seal(b"".join(fields))


def padded(content: bytes) -> bytes:
    """The content, filled up to whole blocks."""
    return content + bytes(-len(content) % BLOCK)


def entry(name: bytes = b"file", content: bytes = b"", *, typeflag: bytes = b"0") -> bytes:
    """A header and its content."""
    return header(name, size=len(content), typeflag=typeflag) + padded(content)


def record(key: bytes, value: bytes) -> bytes:
    """One PAX record."""
    text = b" " + key + b"=" + value + b"\n"
    length = len(text) + len(str(len(text)))
    return b"%d" % (length + (len(str(length)) > len(str(len(text))))) + text


def extended(*records: tuple[bytes, bytes]) -> bytes:
    """A PAX extended header."""
    return entry(b"pax", b"".join(record(*each) for each in records), typeflag=b"x")


def tarsum(
    data: bytes, version: str = "v1", *, limits: Limits = DEFAULT_LIMITS, strict_end: bool = False
) -> str:
    """The TarSum's hex, of ``data`` in one piece."""
    reader = TarSum(version, limits=limits, strict_end=strict_end)
    reader.update(data)
    return reader.digest().hex
