"""Verifiers over streams."""

from __future__ import annotations

import hashlib

import pytest

from regctl.digest import LAYER_TARSUM, Digest, MultiHasher, Verifier, hasher
from regctl.digest.digest import TARSUM_LABELS
from regctl.digest.tarsum import VERSIONS, InvalidArchiveError
from regctl.errors import DamagedError, DigestMismatchError, UnsupportedDigestError
from tests.digest.tarsum.archives import END, entry, header, tarsum

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


# --- TarSums -------------------------------------------------------------------------------------

ARCHIVE = entry(b"a", b"content") + END
#: Entries of the same name, whose order the reference and later programs take differently.
AMBIGUOUS = b"".join(entry(b"n%d" % (i % 5), b"%d" % i) for i in range(8)) + END


def tarsum_of(content: bytes, version: str = "v1") -> Digest:
    return Digest.parse(f"{TARSUM_LABELS[version]}+sha256:{tarsum(content, version)}")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_tarsum_is_demanded_beside_others(version: str) -> None:
    sha256 = Digest.of_hash("sha256", hashlib.sha256(ARCHIVE).digest())
    verifier = Verifier(tarsum_of(ARCHIVE, version), sha256)
    for at in range(0, len(ARCHIVE), 300):
        verifier.update(ARCHIVE[at : at + 300])
    assert verifier.mismatch() is None
    other = Verifier(tarsum_of(ARCHIVE, version))
    other.update(ARCHIVE.replace(b"content", b"changed"))
    with pytest.raises(DamagedError, match="has the digest tarsum"):
        other.check_stored("the layer")


def test_what_is_no_archive_is_a_mismatch_like_another() -> None:
    """Whoever verifies what is stored need not know how TarSums are computed."""
    verifier = Verifier(SHA256, tarsum_of(ARCHIVE))
    verifier.update(CONTENT)
    assert verifier.mismatch() is not None
    verifier = Verifier(tarsum_of(ARCHIVE))
    for _ in range(100):
        verifier.update(CONTENT)
    with pytest.raises(DamagedError, match="the archive has no TarSum: entry 1"):
        verifier.check_stored("the layer")


def test_both_sums_of_an_ambiguous_archive_are_accepted_and_no_third() -> None:
    hashes = MultiHasher(["sha256", LAYER_TARSUM])
    hashes.update(AMBIGUOUS)
    first, second = hashes.digests(LAYER_TARSUM)
    assert hashes.digest(LAYER_TARSUM) == first == tarsum_of(AMBIGUOUS)
    assert first != second
    assert hashes.mismatch(first) is hashes.mismatch(second) is None
    third = Digest.of_hash(LAYER_TARSUM, bytes(32))
    assert hashes.mismatch(third) == f"has the digest {first}, not {third}"


def test_a_multi_hasher_tells_early_of_what_is_no_archive() -> None:
    hashes = MultiHasher(["sha256", LAYER_TARSUM])
    hashes.update(b"x" * 300)
    hashes.check()
    hashes.update(b"x" * 300)
    with pytest.raises(InvalidArchiveError):
        hashes.check()
    with pytest.raises(InvalidArchiveError):
        hashes.digest(LAYER_TARSUM)
    expected = Digest.of_hash("sha256", hashlib.sha256(b"x" * 600).digest())
    assert (hashes.digest("sha256"), hashes.size) == (expected, 600)


def test_the_end_that_registries_wanted() -> None:
    content = header(b"a", size=7) + b"content"
    digest = tarsum_of(content)
    for strict_end in (False, True):
        verifier = Verifier(digest, strict_end=strict_end)
        verifier.update(content)
        assert bool(verifier.mismatch()) == strict_end


def test_a_tarsum_over_another_hash_is_not_computed() -> None:
    odd = Digest.parse(f"tarsum.v1+md5:{'0' * 32}")
    assert not odd.is_computable
    with pytest.raises(UnsupportedDigestError):
        Verifier(odd)
