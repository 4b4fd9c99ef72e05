"""What the name of a directory proves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.layout import LAYOUT_ROOT, Layout, RepositoryName
from regctl.layout.evidence import Part, evidence, is_marker, is_misnamed, may_prove_2015, part_of
from tests.layout.strategies import PARTS


@pytest.mark.parametrize(
    ("path", "proof"),
    [
        ("a/_manifests", (Layout.CURRENT, "a")),
        ("a/b/_layers", (Layout.CURRENT, "a/b")),
        ("a/_uploads", (Layout.CURRENT, "a")),
        ("a/manifests/tags/_layers", (Layout.CURRENT, "a/manifests/tags")),
        ("a/manifests/revisions", (Layout.Y2015, "a")),
        ("a/b/manifests/tags", (Layout.Y2015, "a/b")),
        ("a/layers/tarsum", (Layout.Y2015, "a")),
        ("a/manifests", None),
        ("a/layers", None),
        ("a/uploads", None),
        ("manifests/tags", None),
        ("A/_layers", None),
        ("_layers", None),
        ("a/_layers/sha256", None),
        ("a", None),
    ],
)
def test_evidence(path: str, proof: tuple[Layout, str] | None) -> None:
    found = evidence(f"{LAYOUT_ROOT}/repositories/{path}")
    assert found == (proof and (proof[0], RepositoryName.parse(proof[1])))


@pytest.mark.parametrize(
    "path", ["", "/", "/a/_layers", LAYOUT_ROOT, f"{LAYOUT_ROOT}/blobs/_layers"]
)
def test_no_evidence_outside_repositories(path: str) -> None:
    assert evidence(path) is None


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("a/_layers", Part.LAYERS),
        ("a/layers/tarsum", Part.LAYERS),
        ("a/_manifests", Part.MANIFESTS),
        ("a/manifests/tags", Part.MANIFESTS),
        ("a/manifests/revisions", Part.MANIFESTS),
        ("a/_uploads", Part.UPLOADS),
        ("a/uploads", Part.UPLOADS),
        ("manifests/tags/_layers", Part.LAYERS),
        ("manifests/_uploads", Part.UPLOADS),
    ],
)
def test_parts(path: str, part: Part) -> None:
    assert part_of(f"{LAYOUT_ROOT}/repositories/{path}") is part


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("A/_layers", True),
        ("a//_manifests", True),
        ("_layers", True),
        ("a/_layers", False),
        ("A/_uploads", False),
        ("A/layers", False),
        ("A", False),
    ],
)
def test_misnamed(path: str, expected: bool) -> None:
    assert is_misnamed(f"{LAYOUT_ROOT}/repositories/{path}") is expected


@given(st.lists(PARTS, max_size=6).map(lambda parts: "/".join((LAYOUT_ROOT, *parts))) | st.text())
def test_all_of_it_is_total(path: str) -> None:
    proof = evidence(path)
    assert not (is_misnamed(path) and proof)
    assert proof is None or isinstance(part_of(path), Part)
    if proof is not None and proof[0] is Layout.CURRENT:
        assert is_marker(path)
        assert not may_prove_2015(path)
