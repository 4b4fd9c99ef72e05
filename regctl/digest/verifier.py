"""Verifiers: hash bytes as they pass, and say at the end whether they were the right ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol

from regctl.digest.digest import TARSUM_VERSIONS, Digest
from regctl.errors import ContentError, DamagedError, DigestMismatchError, UnsupportedDigestError

Buffer = bytes | bytearray | memoryview


class Hash(Protocol):
    """What `hashlib` objects and the resumable SHA-256 have in common."""

    def update(self, data: Buffer, /) -> None:
        """Take in ``data``."""

    def digest(self) -> bytes:
        """The hash of everything taken in so far; more may follow."""


def hasher(algorithm: str) -> Hash:
    """A fresh hash function; raises `UnsupportedDigestError` for a TarSum or an unknown one."""
    if algorithm not in {"sha256", "sha384", "sha512", "md5", "sha1"}:
        raise UnsupportedDigestError(f"{algorithm} cannot be computed by this version of regctl")
    return hashlib.new(algorithm, usedforsecurity=False)


class MultiHasher:
    """Several digests of the same bytes, and the count of these bytes.

    An algorithm is that of a `Digest`: a hash function, or a TarSum. Where the bytes turn out to
    be no archive, `check`, and whatever asks for the TarSum, raises `InvalidArchiveError`; the
    other digests are still right. ``strict_end`` is that of `TarSum`.
    """

    def __init__(self, algorithms: Iterable[str], *, strict_end: bool = False) -> None:
        self._hashes: dict[str, Hash] = {}
        self._archives: dict[str, _Archive] = {}
        for name in dict.fromkeys(algorithms):
            if version := _tarsum_version(name):
                self._archives[name] = _Archive(version, strict_end=strict_end)
            else:
                self._hashes[name] = hasher(name)
        self.size = 0

    def replace(self, algorithm: str, state: Hash) -> None:
        """Use ``state`` for ``algorithm``: a hash that can be saved, or that was restored."""
        self._hashes[algorithm] = state

    def update(self, data: Buffer) -> None:
        """Take in ``data``."""
        for each in self._hashes.values():
            each.update(data)
        for archive in self._archives.values():
            archive.update(data)
        self.size += len(data)

    def check(self) -> None:
        """Raise `InvalidArchiveError` if a TarSum was asked for, and there will never be one."""
        for archive in self._archives.values():
            archive.check()

    def digest(self, algorithm: str) -> Digest:
        """The digest of everything so far; `KeyError` if ``algorithm`` was not asked for."""
        return self.digests(algorithm)[0]

    def digests(self, algorithm: str) -> tuple[Digest, ...]:
        """All digests that the bytes are known by: one, or two for an ambiguous TarSum."""
        if algorithm in self._archives:
            return self._archives[algorithm].digests()
        return (Digest.of_hash(algorithm, self._hashes[algorithm].digest()),)

    def mismatch(self, wanted: Digest) -> str | None:
        """How the bytes so far differ from those of ``wanted``; None if they do not.

        Raises as `digest`.
        """
        found = self.digests(wanted.algorithm)
        return None if wanted in found else f"has the digest {found[0]}, not {wanted}"


def _tarsum_version(algorithm: str) -> str:
    """The version of a TarSum that can be computed; the empty string for everything else."""
    label, _, inner = algorithm.partition("+")
    return TARSUM_VERSIONS.get(label, "") if inner == "sha256" else ""


class _Archive:
    """A TarSum that says at the end, and not at once, that there is none."""

    def __init__(self, version: str, *, strict_end: bool) -> None:
        # Most commands need none of it.
        from regctl.digest.tarsum import TarSum  # noqa: PLC0415

        self._sum = TarSum(version, strict_end=strict_end)
        self._error: ContentError | None = None

    def update(self, data: Buffer) -> None:
        if self._error is None:
            try:
                self._sum.update(data)
            except ContentError as error:
                self._error = error

    def check(self) -> None:
        if self._error is not None:
            raise self._error

    def digests(self) -> tuple[Digest, ...]:
        self.check()
        return self._sum.digests()


class Verifier:
    """Checks that the bytes given to `update` have every one of ``digests``.

    Raises `UnsupportedDigestError` where one cannot be computed. ``strict_end`` is that of
    `TarSum`.
    """

    def __init__(self, *digests: Digest, strict_end: bool = False) -> None:
        self._wanted = digests
        self._hashes = MultiHasher((each.algorithm for each in digests), strict_end=strict_end)

    @property
    def size(self) -> int:
        """Bytes seen so far."""
        return self._hashes.size

    def update(self, data: Buffer) -> None:
        """Take in ``data``."""
        self._hashes.update(data)

    def mismatch(self) -> str | None:
        """How the bytes so far differ from what was wanted; None if they do not."""
        for wanted in self._wanted:
            try:
                difference = self._hashes.mismatch(wanted)
            except ContentError as error:
                difference = f"is not {wanted}: {error.message}"
            if difference:
                return difference
        return None

    def check(self, what: str) -> None:
        """Raise `DigestMismatchError`, naming ``what``, unless all digests are met."""
        if difference := self.mismatch():
            raise DigestMismatchError(f"{what} {difference}")

    def check_stored(self, what: str) -> None:
        """The same for content that came from the storage: a mismatch is a `DamagedError`."""
        if difference := self.mismatch():
            raise DamagedError(f"{what} is damaged: it {difference}")
