"""Verifiers: hash bytes as they pass, and say at the end whether they were the right ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol

from regctl.digest.digest import Digest
from regctl.errors import DamagedError, DigestMismatchError, UnsupportedDigestError

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
    """Several hash functions over the same bytes, and the count of these bytes."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashes: dict[str, Hash] = {name: hasher(name) for name in algorithms}
        self.size = 0

    def replace(self, algorithm: str, state: Hash) -> None:
        """Use ``state`` for ``algorithm``: a hash that can be saved, or that was restored."""
        self._hashes[algorithm] = state

    def update(self, data: Buffer) -> None:
        """Take in ``data``."""
        for each in self._hashes.values():
            each.update(data)
        self.size += len(data)

    def digest(self, algorithm: str) -> Digest:
        """The digest of everything so far; `KeyError` if ``algorithm`` was not asked for."""
        return Digest.of_hash(algorithm, self._hashes[algorithm].digest())


class Verifier:
    """Checks that the bytes given to `update` have every one of ``digests``."""

    def __init__(self, *digests: Digest) -> None:
        self._wanted = digests
        self._hashes = MultiHasher({digest.algorithm for digest in digests})

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
            found = self._hashes.digest(wanted.algorithm)
            if found != wanted:
                return f"has the digest {found}, not {wanted}"
        return None

    def check(self, what: str) -> None:
        """Raise `DigestMismatchError`, naming ``what``, unless all digests are met."""
        if difference := self.mismatch():
            raise DigestMismatchError(f"{what} {difference}")

    def check_stored(self, what: str) -> None:
        """The same for content that came from the storage: a mismatch is a `DamagedError`."""
        if difference := self.mismatch():
            raise DamagedError(f"{what} is damaged: it {difference}")
