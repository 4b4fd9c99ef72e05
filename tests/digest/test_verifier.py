"""Verifiers over streams."""

from __future__ import annotations

import hashlib

import pytest

from regctl.digest import Digest, MultiHasher, Verifier, hasher
from regctl.errors import DigestMismatchError, UnsupportedDigestError

CONTENT = b"some content"
SHA256 = Digest.of_hash("sha256", hashlib.sha256(CONTENT).digest())
SHA512 = Digest.of_hash("sha512", hashlib.sha512(CONTENT).digest())


def test_all_digests_are_demanded() -> None:
    verifier = Verifier(SHA256, SHA512)
    verifier.update(CONTENT[:5])
    verifier.update(memoryview(CONTENT)[5:])
    verifier.check("the layer")
    assert verifier.size == len(CONTENT)
    verifier.update(b"!")
    with pytest.raises(DigestMismatchError, match="the layer"):
        verifier.check("the layer")


def test_two_digests_of_one_algorithm_cannot_both_be_met() -> None:
    other = Digest.of_hash("sha256", bytes(32))
    verifier = Verifier(SHA256, other)
    verifier.update(CONTENT)
    with pytest.raises(DigestMismatchError, match=str(other)):
        verifier.check("it")


def test_a_multi_hasher_gives_what_was_asked_for() -> None:
    hashes = MultiHasher(["sha256", "sha512"])
    hashes.update(CONTENT)
    assert (hashes.digest("sha256"), hashes.digest("sha512")) == (SHA256, SHA512)
    with pytest.raises(KeyError):
        hashes.digest("sha384")


@pytest.mark.parametrize("algorithm", ["tarsum.v1+sha256", "crc32", ""])
def test_what_is_no_hash_function_is_refused(algorithm: str) -> None:
    with pytest.raises(UnsupportedDigestError):
        hasher(algorithm)
