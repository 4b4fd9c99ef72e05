from __future__ import annotations

import pytest

from regctl.errors import InvalidManifestError
from regctl.manifest import Manifest, ManifestKind, descriptors_within, parse_manifest
from tests.manifest.samples import OCI_CONFIG, OCI_LAYER, A, B, C, descriptor, encode, image


def test_unknown_documents_are_not_guessed_at() -> None:
    """A collector must keep what it does not know, and what that holds."""
    document = image(
        mediaType="application/x",
        deep=[[{"x": [descriptor(C, Size=-1), {"digest": A, "size": 1}]}]],
        more=[descriptor("x"), descriptor(A, size="1"), {**descriptor(A), "size": True}],
    )
    manifest = parse_manifest(encode(document))
    assert manifest == Manifest("application/x", ManifestKind.UNKNOWN)
    found = descriptors_within(encode(document))
    assert [each.digest.hex[0] for each in found] == ["a", "b", "c"]
    assert [each.media_type for each in found] == [OCI_CONFIG, OCI_LAYER, OCI_LAYER]


def test_descriptors_hold_descriptors() -> None:
    document = descriptor(A, Digest=B, manifests=[descriptor(C)])
    found = descriptors_within(encode(document))
    assert [each.digest.hex[0] for each in found] == ["a", "b", "c"]


def test_the_limit_is_the_callers() -> None:
    content = encode(descriptor(A))
    assert len(descriptors_within(content, limit=len(content))) == 1
    with pytest.raises(InvalidManifestError, match="that are read"):
        descriptors_within(content, limit=len(content) - 1)


def test_what_the_parser_takes_is_never_too_deep() -> None:
    """The walk has a stack of its own, so that no depth that was parsed becomes a traceback."""
    for depth in (100, 500, 5_000, 50_000):
        content = b'{"a":' + b"[" * depth + encode(descriptor(A)) + b"]" * depth + b"}"
        try:
            found = len(descriptors_within(content))
        except InvalidManifestError as error:
            found = 1 if "nested too deep" in error.message and depth > 500 else 0
        assert found == 1
