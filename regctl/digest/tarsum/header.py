"""One entry's header: read from its block, and written as the text that TarSum hashes."""

from __future__ import annotations

import copy
import struct

from regctl.digest.tarsum.errors import InvalidArchiveError
from regctl.digest.tarsum.fields import checksum_fits, octal, text

BLOCK_SIZE = 512

#: Name, mode, uid, gid, size, mtime, checksum, typeflag, linkname, magic and version, uname,
#: gname, devmajor, devminor, prefix, the last 12 bytes.
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12s")
_GNU_MAGIC = b"ustar  \0"
_POSIX_MAGIC = b"ustar\0"
_STAR_TRAILER = b"tar\0"
_STAR_PREFIX = 131
_DEVICES = {b"3", b"4"}
#: From here on the reference cannot write the mode into the copy that it makes as it reads.
_MODE_LIMIT = 8**8
_KNOWN_LIMIT = 4096


class _Known(dict[bytes, int]):
    """Numbers in fields that come again and again, read once; what hostile archives have is not."""

    def __missing__(self, field: bytes) -> int:
        value = octal(field)
        if len(self) < _KNOWN_LIMIT:
            self[field] = value
        return value


_known = _Known()


class Header:
    """What the reference knows of an entry. ``size`` is hashed; ``stored`` bytes are read."""

    __slots__ = (
        "devmajor",
        "devminor",
        "gid",
        "gname",
        "linkname",
        "mode",
        "mtime",
        "name",
        "size",
        "stored",
        "typeflag",
        "uid",
        "uname",
        "xattrs",
    )

    def __init__(self, block: bytes) -> None:
        """Read ``block``; raises `InvalidArchiveError` where the reference refuses it."""
        (name, mode, uid, gid, size, mtime, checksum, typeflag, linkname, magic, *rest) = (
            _HEADER.unpack(block)
        )
        if not checksum_fits(block, octal(checksum)):
            raise InvalidArchiveError("a header's checksum does not fit")
        self.name = text(name)
        self.mode, self.uid, self.gid = _known[mode], _known[uid], _known[gid]
        self.size = self.stored = octal(size)
        self.mtime = octal(mtime)
        self.typeflag: bytes = typeflag
        self.linkname = text(linkname) if linkname[0] else b""
        self.uname = self.gname = b""
        self.devmajor = self.devminor = 0
        self.xattrs: dict[bytes, bytes] | None = None
        if magic == _GNU_MAGIC or magic.startswith(_POSIX_MAGIC):
            self._read_rest(magic, *rest)
        if self.stored < 0:
            raise InvalidArchiveError("a header has a negative size")

    def _read_rest(
        self,
        magic: bytes,
        uname: bytes,
        gname: bytes,
        major: bytes,
        minor: bytes,
        prefix: bytes,
        end: bytes,
    ) -> None:
        """What stands behind the magic, where that is a known one."""
        self.uname, self.gname = text(uname), text(gname)
        if self.typeflag in _DEVICES:
            self.devmajor, self.devminor = octal(major), octal(minor)
        if end[8:] == _STAR_TRAILER and magic != _GNU_MAGIC:
            # Access and change time, which are read and not used.
            octal(prefix[_STAR_PREFIX : _STAR_PREFIX + 12])
            octal(prefix[_STAR_PREFIX + 12 :])
            prefix = prefix[:_STAR_PREFIX]
        if prefix[0]:
            # For the old GNU magic too, though it has other fields there.
            self.name = text(prefix) + b"/" + self.name

    def copy(self) -> Header:
        """A header of its own with the same values."""
        return copy.copy(self)

    def check(self) -> None:
        """Raise `InvalidArchiveError` for what the reference cannot put into its own copy."""
        if self.size < 0:
            raise InvalidArchiveError("an entry has a negative size")
        if self.mode >= _MODE_LIMIT:
            raise InvalidArchiveError("an entry's mode is too large for a header")

    def key(self) -> bytes:
        """What two entries have in common that count as the same file."""
        return self.name.removeprefix(b"./").removesuffix(b"/")

    def encode(self, *, with_mtime: bool) -> bytes:
        """The text that is hashed before the content: of v0 with, of v1 and dev without mtime.

        Names and values follow each other with nothing between them; only v1 and dev have the
        extended attributes.
        """
        return (
            b"name%bmode%duid%dgid%dsize%d%btypeflag%blinkname%buname%bgname%bdevmajor%ddevminor%d%b"
            % (
                self.name,
                self.mode,
                self.uid,
                self.gid,
                self.size,
                b"mtime%d" % self.mtime if with_mtime else b"",
                self.typeflag,
                self.linkname,
                self.uname,
                self.gname,
                self.devmajor,
                self.devminor,
                _attributes(self.xattrs) if self.xattrs and not with_mtime else b"",
            )
        )


def _attributes(xattrs: dict[bytes, bytes]) -> bytes:
    """Keys and values, ordered by key.

    The reference makes the list of keys with as many empty ones as there are attributes, then
    appends the keys: an attribute without a name is hashed once more for each of them.
    """
    unnamed = xattrs.get(b"", b"") * len(xattrs)
    return unnamed + b"".join(key + xattrs[key] for key in sorted(xattrs))
