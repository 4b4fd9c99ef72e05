"""The TarSum of an archive that is pushed in."""

from __future__ import annotations

import hashlib

from regctl.digest.digest import TARSUM_LABELS, Digest
from regctl.digest.tarsum.errors import InvalidArchiveError
from regctl.digest.tarsum.header import Header
from regctl.digest.tarsum.limits import DEFAULT_LIMITS, Limits
from regctl.digest.tarsum.order import SUM_SIZE, orders
from regctl.digest.tarsum.reader import ArchiveReader
from regctl.digest.verifier import Buffer, Hash

#: Of these, only v0 hashes modification times, and only v1 and dev extended attributes.
VERSIONS = ("v0", "v1", "dev")

#: Names up to this length are kept as they are, longer ones by a hash that is longer than these.
_SHORT_NAME = 64
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x5d\0\0": "lzma",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_MAGIC_SIZE = 6
_PART = 4096


class TarSum:
    """TarSums of one archive, in one pass: the archive is given to `update`, bit by bit.

    Several ``versions`` cost one more hash of the content at most: v1 and dev differ in name only.

    What a registry of January 2015 accepted has its sum, also where that is odd: a member's data
    counts whatever its type, what follows the end is not read. What it refused or panicked over
    raises `InvalidArchiveError` with the reason, from `update` or, where something is missing,
    from `digest`. So does, with the reason too:

    - what it answers at random: records of an extended header beside one that it cannot read;
    - where it silently stops within an entry, and calls the sum of the entries before it good;
    - what goes beyond ``limits``.

    ``strict_end`` adds what the registry itself refused when a layer was put into its storage,
    and the same code elsewhere accepted: an archive that ends with the last byte of content.
    """

    def __init__(
        self, *versions: str, limits: Limits = DEFAULT_LIMITS, strict_end: bool = False
    ) -> None:
        self._versions = versions or ("v1",)
        if not set(self._versions) <= set(VERSIONS):
            raise ValueError(f"unknown TarSum version among {versions}")
        forms = sorted({version == "v0" for version in self._versions})
        self._entries = _Entries(forms, limits.entries)
        self._reader = ArchiveReader(self._entries, limits, strict_end=strict_end)
        self._first = b""
        self._error: InvalidArchiveError | None = None

    def update(self, data: Buffer, /) -> None:
        """Take in ``data``; raises `InvalidArchiveError`, from then on always the same."""
        if self._error is not None:
            raise self._error
        if len(self._first) < _MAGIC_SIZE:
            self._first += bytes(data[:_MAGIC_SIZE])
        try:
            self._reader.feed(data)
        except InvalidArchiveError as error:
            self._error = self._explain(error.message)
            raise self._error from None

    @property
    def ended(self) -> bool:
        """Whether the archive's end was seen: whatever follows is not covered by any sum."""
        return self._reader.ended

    def digest(self, version: str | None = None) -> Digest:
        """The TarSum in ``version``, by default the first that was asked for.

        Raises `InvalidArchiveError` if the archive may not end here. More may follow.
        """
        return self.digests(version)[0]

    def digests(self, version: str | None = None) -> tuple[Digest, ...]:
        """Every TarSum that programs are known to give the archive; one, or at most two.

        The first is the reference's. There is a second for some archives of more than seven
        entries among which are duplicates: see `regctl.digest.tarsum.order`.
        """
        version = self._versions[0] if version is None else version
        if version not in self._versions:
            raise ValueError(f"TarSum {version} was not asked for")
        if self._error is not None:
            raise self._error
        if self._reader.incomplete is not None:
            raise self._explain(self._reader.incomplete)
        label = f"{TARSUM_LABELS[version]}+sha256"
        sums = self._entries.sums(with_mtime=version == "v0")
        return tuple(dict.fromkeys(Digest.of_hash(label, each) for each in sums))

    def accepts(self, wanted: Digest) -> bool:
        """Whether ``wanted`` is a TarSum of the archive, in one of the versions asked for."""
        return wanted.tarsum_version in self._versions and wanted in self.digests(
            wanted.tarsum_version
        )

    def _explain(self, reason: str) -> InvalidArchiveError:
        number = self._entries.count + 1
        form = next((f for magic, f in _COMPRESSED.items() if self._first.startswith(magic)), None)
        hint = None
        if form and number == 1:
            hint = f"it looks compressed ({form}): a TarSum is that of the uncompressed archive"
        return InvalidArchiveError(
            f"the archive has no TarSum: entry {number}: {reason}", hint=hint
        )


class _Entries:
    """Hashes the entries one after the other, in each of the ``forms`` (with times or without)."""

    def __init__(self, forms: list[bool], limit: int) -> None:
        self._forms = forms
        self._limit = limit
        self._hashes: list[Hash] = []
        self._sums = [bytearray() for _ in forms]
        self._names: list[bytes] = []
        self._name = b""

    @property
    def count(self) -> int:
        return len(self._names)

    def begin(self, header: Header, otherwise: Header | None, /) -> None:
        header.check()
        if len(self._names) >= self._limit:
            raise InvalidArchiveError(f"there are more than {self._limit} entries")
        texts = [header.encode(with_mtime=form) for form in self._forms]
        self._name = header.key()
        if otherwise is not None and (
            otherwise.key() != self._name
            or texts != [otherwise.encode(with_mtime=form) for form in self._forms]
        ):
            raise InvalidArchiveError(
                "an extended header has a value that cannot be read, and the reference takes the "
                "others or leaves them, at random"
            )
        self._hashes = [hashlib.sha256(each, usedforsecurity=False) for each in texts]

    def content(self, data: memoryview, /) -> None:
        for each in self._hashes:
            each.update(data)

    def end(self) -> None:
        for sums, each in zip(self._sums, self._hashes, strict=True):
            sums.extend(each.digest())
        name = self._name
        if len(name) > _SHORT_NAME:
            name = hashlib.sha512(name, usedforsecurity=False).digest() + b"\0"
        self._names.append(name)

    def sums(self, *, with_mtime: bool) -> list[bytes]:
        """The sums over all entries, in the orders that are accepted."""
        packed = self._sums[self._forms.index(with_mtime)]
        sums = [bytes(packed[i : i + SUM_SIZE]) for i in range(0, len(packed), SUM_SIZE)]
        return [_hash_of_hex(order) for order in orders(self._names, sums)]


def _hash_of_hex(sums: list[bytes]) -> bytes:
    """The hash of ``sums`` as they are written; a part at a time, for they may be millions."""
    result = hashlib.sha256(usedforsecurity=False)
    for start in range(0, len(sums), _PART):
        result.update(b"".join(sums[start : start + _PART]).hex().encode())
    return result.digest()
