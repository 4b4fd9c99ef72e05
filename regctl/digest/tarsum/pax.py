"""PAX extended headers: their records, and what becomes of the header that they precede."""

from __future__ import annotations

from collections.abc import Callable

from regctl.digest.tarsum.errors import InvalidArchiveError
from regctl.digest.tarsum.fields import decimal, pax_seconds
from regctl.digest.tarsum.header import Header

Records = dict[bytes, bytes]

SPARSE = b"GNU.sparse."
SPARSE_MAP = b"GNU.sparse.map"
_XATTR = b"SCHILY.xattr."
_MAP_PARTS = {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}
_TEXTS = {b"path": "name", b"linkpath": "linkname", b"uname": "uname", b"gname": "gname"}
_NUMBERS: dict[bytes, tuple[str | None, Callable[[bytes], int | None]]] = {
    b"uid": ("uid", decimal),
    b"gid": ("gid", decimal),
    b"size": ("size", decimal),
    b"mtime": ("mtime", pax_seconds),
    b"atime": (None, pax_seconds),
    b"ctime": (None, pax_seconds),
}


def parse_records(data: bytes) -> Records:
    """The records of an extended header that matter; of equal keys the last.

    The pieces of a sparse map of version 0.0, which come as records with equal keys, are
    gathered into one record of version 0.1. Whether a record ends in a newline does not count.

    Raises `InvalidArchiveError` for what the reference refuses, or ends in a panic over.
    """
    records: Records = {}
    parts: list[bytes] = []
    start, end = 0, len(data)
    while start < end:
        blank = data.find(b" ", start)
        length = decimal(data[start:blank]) if blank >= 0 else None
        if length is None or not blank - start + 2 <= length <= end - start:
            raise InvalidArchiveError("an extended header has a record of no valid length")
        key, equals, value = data[blank + 1 : start + length - 1].partition(b"=")
        if not equals:
            raise InvalidArchiveError("an extended header has a record without a value")
        if key in _MAP_PARTS:
            parts.append(value)
        elif key in _TEXTS or key in _NUMBERS or key.startswith((_XATTR, SPARSE)):
            records[key] = value
        start += length
    # One empty part leaves a map of no text, which counts; no part at all leaves what there was.
    if parts:
        records[SPARSE_MAP] = b",".join(parts)
    return records


def merge(header: Header, records: Records) -> Header | None:
    """Put ``records`` into ``header``.

    The reference takes them in random order and silently stops at the first value that it cannot
    read. Then the header as it was before is returned, to find out whether that makes a
    difference; otherwise None.
    """
    values: list[tuple[str, bytes | int]] = []
    xattrs: dict[bytes, bytes] = {}
    stopped = False
    for key, value in records.items():
        if (name := _TEXTS.get(key)) is not None:
            values.append((name, value))
        elif (number := _NUMBERS.get(key)) is not None:
            field, reader = number
            read = reader(value)
            if read is None:
                stopped = True
            elif field is not None:
                values.append((field, read))
        elif key.startswith(_XATTR):
            xattrs[key[len(_XATTR) :]] = value
    before = header.copy() if stopped else None
    for field, new in values:
        setattr(header, field, new)
    header.xattrs = xattrs or None
    return before


def sparse_version(records: Records) -> bytes | None:
    """The version of the sparse format that ``records`` describe; None if they describe none."""
    major, minor = records.get(b"GNU.sparse.major"), records.get(b"GNU.sparse.minor")
    if major is not None and minor is not None:
        version = major + b"." + minor
    elif b"GNU.sparse.name" in records and SPARSE_MAP in records:
        version = b"0.1"
    elif b"GNU.sparse.size" in records:
        version = b"0.0"
    else:
        return None
    return version if version in {b"0.0", b"0.1", b"1.0"} else None


def merge_sparse(header: Header, records: Records) -> None:
    """Put the real name and size of a sparse file into ``header``."""
    header.name = records.get(b"GNU.sparse.name", header.name)
    size = records.get(b"GNU.sparse.size", records.get(b"GNU.sparse.realsize"))
    if size is not None:
        number = decimal(size)
        if number is None:
            raise InvalidArchiveError("a sparse file has no valid size")
        header.size = number
