"""The digest as a value."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.digest import Digest
from regctl.errors import InvalidDigestError, RegctlError, UnsupportedDigestError

EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("text", "hash_name", "tarsum", "version", "writable"),
    [
        (f"sha256:{EMPTY}", "sha256", False, "", True),
        (f"sha384:{'a' * 96}", "sha384", False, "", True),
        (f"sha512:{'a' * 128}", "sha512", False, "", True),
        (f"md5:{'a' * 32}", "md5", False, "", False),
        (f"sha1:{'a' * 40}", "sha1", False, "", False),
        (f"tarsum+sha256:{EMPTY}", "sha256", True, "v0", False),
        (f"tarsum.v1+sha256:{EMPTY}", "sha256", True, "v1", False),
        (f"tarsum.dev+sha512:{'a' * 128}", "sha512", True, "dev", False),
    ],
)
def test_digests_read_and_write(
    text: str, hash_name: str, tarsum: bool, version: str, writable: bool
) -> None:
    digest = Digest.parse(text)
    assert str(digest) == text
    assert (digest.hash_name, digest.is_tarsum, digest.tarsum_version) == (
        hash_name,
        tarsum,
        version,
    )
    assert digest.is_writable == writable


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        EMPTY,
        f"sha256:{EMPTY[:-1]}",
        f"sha256:{EMPTY}0",
        f"sha256:{EMPTY.upper()}",
        f"sha256:{EMPTY[:-1]}g",
        f"sha256:{EMPTY}\n",
        f" sha256:{EMPTY}",
        f"sha256:{EMPTY[:-2]}/.",
        f"../sha256:{EMPTY}",
        f"sha256:sha256:{EMPTY}",
    ],
)
def test_what_has_not_the_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidDigestError):
        Digest.parse(text)


@pytest.mark.parametrize(
    "algorithm", ["sha3-256", "SHA256", "tarsum.v2+sha256", "tarsum", "x+sha256"]
)
def test_unknown_algorithms_are_refused_as_such(algorithm: str) -> None:
    with pytest.raises(UnsupportedDigestError):
        Digest.parse(f"{algorithm}:{EMPTY}")


@given(st.text())
def test_nothing_that_parses_is_unsafe_in_a_path(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except RegctlError:
        return
    assert "/" not in str(digest)
    assert ".." not in str(digest)


def test_of_hash() -> None:
    assert str(Digest.of_hash("sha256", hashlib.sha256(b"").digest())) == f"sha256:{EMPTY}"


def test_a_tarsum_names_no_new_content_but_layers() -> None:
    Digest.parse(f"sha256:{EMPTY}").require_writable()
    Digest.parse(f"sha256:{EMPTY}").require_layer_writable()
    tarsum = Digest.parse(f"tarsum.v1+sha256:{EMPTY}")
    tarsum.require_layer_writable()
    with pytest.raises(UnsupportedDigestError):
        tarsum.require_writable()


@pytest.mark.parametrize("label", ["tarsum+sha256", "tarsum.dev+sha256", "tarsum.v1+md5", "md5"])
def test_other_versions_name_no_new_layer(label: str) -> None:
    """Nor did the registry of 2015 take them."""
    digits = 32 if label.endswith("md5") else 64
    with pytest.raises(UnsupportedDigestError):
        Digest.parse(f"{label}:{'0' * digits}").require_layer_writable()
