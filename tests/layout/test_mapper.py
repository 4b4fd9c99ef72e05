"""PathMapper: both layouts, there and back, against the paths that the 2015 code made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired, TypedDict, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regctl.digest import Digest
from regctl.errors import RegctlError
from regctl.layout import (
    LAYOUT_ROOT,
    Layout,
    PathMapper,
    RepositoryName,
    Tag,
    UploadId,
    specs,
)
from tests.layout.strategies import DIRECTORIES, FILES, PARTS, has, spec_of

CURRENT, OLD = PathMapper(), PathMapper(Layout.Y2015)
A = RepositoryName.parse("a")
HEX = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
SHA256 = Digest.parse(f"sha256:{HEX}")


class PathVector(TypedDict):
    kind: str
    name: str
    path: str
    result: str
    tag: NotRequired[str]
    digest: NotRequired[str]
    sig: NotRequired[str]
    uuid: NotRequired[str]


class DigestVector(TypedDict):
    digest: str
    validate: str
    blob_path: str
    blob_path_value: NotRequired[str]
    layer_link_path: str
    layer_link_path_value: NotRequired[str]


class Vectors(TypedDict):
    digests: list[DigestVector]
    paths: list[PathVector]


VECTORS = cast(
    Vectors,
    json.loads((Path(__file__).parent.parent / "vectors/seedpaths/paths.json").read_text()),
)
KINDS: dict[str, type[specs.Spec]] = {
    "tags": specs.Tags,
    "tag": specs.TagDirectory,
    "current": specs.TagCurrentLink,
    "index": specs.TagIndex,
    "indexentry": specs.TagIndexEntryLink,
    "revision": specs.RevisionDirectory,
    "revisionlink": specs.RevisionLink,
    "signatures": specs.Signatures,
    "signaturelink": specs.SignatureLink,
    "layerlink": specs.LayerLink,
    "blob": specs.BlobData,
    "uploaddata": specs.UploadData,
    "startedat": specs.UploadStartedAt,
}
#: What regctl takes of the digests that the 2015 code was tried with; it took more.
ACCEPTED = {
    f"sha256:{HEX}",
    f"tarsum.v1+sha256:{HEX}",
    f"tarsum+sha256:{HEX}",
    f"tarsum.dev+sha256:{HEX}",
    f"md5:{HEX[:32]}",
    f"sha1:{HEX[:40]}",
    f"sha512:{HEX}{HEX}",
}
UNSAFE = [
    f"xxtarsum.v1+sha256:{HEX}",
    f"tarsum.v1+sha256:{HEX}..zzz",
    f"tarsumXv2+sha256:{HEX}",
    "tarsum.v1+sha256:abc/../../def",
    "sha256:../../etc",
    "sha256:a",
    "tarsum.v2+sha256:" + HEX,
]


def _spec(vector: PathVector) -> specs.Spec:
    kind = KINDS[vector["kind"]]
    digest = Digest.parse(vector["digest"]) if "digest" in vector else None
    known: dict[str, object] = {
        "name": RepositoryName.parse(vector["name"]),
        "tag": Tag.parse(vector["tag"]) if "tag" in vector else None,
        "upload": UploadId.parse(vector["uuid"]) if "uuid" in vector else None,
        "digest": digest,
        "revision": digest,
        "signature": Digest.parse(vector["sig"]) if "sig" in vector else None,
    }
    return kind(**{name: known[name] for name in kind.__dataclass_fields__})


@pytest.mark.parametrize(
    "vector",
    VECTORS["paths"],
    ids=lambda v: f"{v['kind']}-{v['name']}-{v.get('tag', '')}-{v.get('digest', '')[:9]}",
)
def test_paths_of_2015(vector: PathVector) -> None:
    spec = _spec(vector)
    if vector["result"] != "ok":
        # A layer that is no TarSum had no place then: nothing in such a tree is one.
        assert isinstance(OLD.parse_file(OLD.path(spec)), specs.Foreign)
        return
    assert OLD.path(spec) == vector["path"]
    if isinstance(spec, FILES):
        assert OLD.parse_file(vector["path"]) == spec
    else:
        assert spec in OLD.parse_directory(vector["path"])


def test_every_vector_is_of_a_known_kind() -> None:
    assert {vector["kind"] for vector in VECTORS["paths"]} == set(KINDS)


@pytest.mark.parametrize("vector", VECTORS["digests"], ids=lambda v: v["digest"][:24])
def test_digests_of_2015(vector: DigestVector) -> None:
    """The 2015 code took any text behind the colon; only what is one digest is taken here."""
    try:
        digest = Digest.parse(vector["digest"])
    except RegctlError:
        assert vector["digest"] not in ACCEPTED
        path = vector.get("blob_path_value")
        if path is not None:
            assert isinstance(OLD.parse_file(path), specs.Foreign)
        return
    assert vector["digest"] in ACCEPTED
    if "blob_path_value" in vector:
        assert OLD.path(specs.BlobData(digest)) == vector["blob_path_value"]
        assert OLD.parse_file(vector["blob_path_value"]) == specs.BlobData(digest)
    if "layer_link_path_value" in vector:
        link = specs.LayerLink(RepositoryName.parse("n/r"), digest)
        assert OLD.path(link) == vector["layer_link_path_value"]


@pytest.mark.parametrize("text", UNSAFE)
def test_unsafe_digests_that_2015_accepted(text: str) -> None:
    with pytest.raises(RegctlError):
        Digest.parse(text)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (specs.Root(), ""),
        (specs.Blobs(), "/blobs"),
        (specs.Repositories(), "/repositories"),
        (specs.BlobData(SHA256), f"/blobs/sha256/2d/{HEX}/data"),
        (specs.LayerLink(A, SHA256), f"/repositories/a/_layers/sha256/{HEX}/link"),
        (
            specs.LayerLink(A, Digest.parse(f"tarsum.v1+sha256:{HEX}")),
            f"/repositories/a/_layers/tarsum/v1/sha256/{HEX}/link",
        ),
        (specs.TagCurrentLink(A, Tag.parse("t")), "/repositories/a/_manifests/tags/t/current/link"),
        (
            specs.TagIndexEntryLink(A, Tag.parse("t"), SHA256),
            f"/repositories/a/_manifests/tags/t/index/sha256/{HEX}/link",
        ),
        (
            specs.SignatureLink(A, SHA256, SHA256),
            f"/repositories/a/_manifests/revisions/sha256/{HEX}/signatures/sha256/{HEX}/link",
        ),
        (
            specs.HashState(A, UploadId("11111111-2222-4333-8444-555555555555"), "sha256", 70001),
            "/repositories/a/_uploads/11111111-2222-4333-8444-555555555555/hashstates/sha256/70001",
        ),
        (
            specs.UploadStartedAt(A, UploadId("11111111-2222-4333-8444-555555555555")),
            "/repositories/a/_uploads/11111111-2222-4333-8444-555555555555/startedat",
        ),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, specs.Spec) else "",
)
def test_paths_of_the_current_layout(spec: specs.Spec, path: str) -> None:
    assert CURRENT.path(spec) == LAYOUT_ROOT + path


def _places(kinds: Iterable[type[specs.Spec]]) -> list[object]:
    """Every place of every layout."""
    return [
        pytest.param(kind, layout, id=f"{kind.__name__}-{layout.name}")
        for kind in kinds
        for layout in Layout
        if has(layout, kind)
    ]


@pytest.mark.parametrize(("kind", "layout"), _places(FILES))
def test_every_file_is_found_again(kind: type[specs.Spec], layout: Layout) -> None:
    mapper = PathMapper(layout)

    @settings(max_examples=25)
    @given(spec_of(kind, layout))
    def found_again(spec: specs.Spec) -> None:
        path = mapper.path(spec)
        assert path.startswith(LAYOUT_ROOT + "/")
        assert mapper.parse_file(path) == spec

    found_again()


@pytest.mark.parametrize(("kind", "layout"), _places(DIRECTORIES))
def test_every_directory_is_among_its_candidates(kind: type[specs.Spec], layout: Layout) -> None:
    mapper = PathMapper(layout)

    @settings(max_examples=25)
    @given(spec_of(kind, layout))
    def among_candidates(spec: specs.Spec) -> None:
        path = mapper.path(spec)
        assert path == LAYOUT_ROOT or path.startswith(LAYOUT_ROOT + "/")
        candidates = mapper.parse_directory(path)
        assert spec in candidates
        assert all(mapper.path(each) == path for each in candidates)
        if layout is Layout.CURRENT:
            assert candidates == (spec,)

    among_candidates()


@pytest.mark.parametrize("layout", Layout, ids=lambda each: each.name)
def test_the_directories_of_every_file_have_a_place(layout: Layout) -> None:
    """Above a file that the layout knows nothing is foreign: else a walk would report it."""
    mapper = PathMapper(layout)
    kinds = [kind for kind in FILES if has(layout, kind)]

    @given(st.sampled_from(kinds).flatmap(lambda kind: spec_of(kind, layout)))
    def nothing_foreign(spec: specs.Spec) -> None:
        path = mapper.path(spec).rpartition("/")[0]
        while path:
            assert not any(isinstance(each, specs.Foreign) for each in mapper.parse_directory(path))
            path = path.rpartition("/")[0]

    nothing_foreign()


PATHS = st.text(max_size=30) | st.lists(PARTS, max_size=9).map(
    lambda parts: "/".join((LAYOUT_ROOT, *parts))
)
IN_REPOSITORIES = st.lists(PARTS, max_size=9).map(
    lambda parts: "/".join((LAYOUT_ROOT, "repositories", "a", *parts))
)


@pytest.mark.parametrize("layout", Layout, ids=lambda each: each.name)
def test_parsing_is_total_and_the_inverse_of_path(layout: Layout) -> None:
    mapper = PathMapper(layout)

    @given(PATHS | IN_REPOSITORIES)
    def total(path: str) -> None:
        assert mapper.path(mapper.parse_file(path)) == path
        candidates = mapper.parse_directory(path)
        assert candidates
        assert len(set(candidates)) == len(candidates)
        assert all(mapper.path(each) == path for each in candidates)

    total()


@pytest.mark.parametrize(
    "path",
    [
        f"blobs/sha256/2e/{HEX}/data",
        f"blobs/sha256/2d/{HEX}/data/",
        f"blobs/sha256/2d/{HEX}/data.tmp",
        f"blobs/sha256/2d/{HEX[:-1]}/data",
        f"blobs/sha256/2d/{HEX.replace('d', 'D')}/data",
        "blobs/sha256/zz/x/data",
        f"blobs/blake3/2d/{HEX}/data",
        f"blobs/tarsum/v2/sha256/2d/{HEX}/data",
        f"repositories/a/_layers/sha256/{HEX}/link/x",
        f"repositories/a/_layers/sha256/{HEX}/link.1234.tmp",
        f"repositories/A/_layers/sha256/{HEX}/link",
        f"repositories/_layers/sha256/{HEX}/link",
        f"repositories/a/_layers/tarsum/v0/sha256/2d/{HEX}/link",
        "repositories/a/_manifests/tags/.t/current/link",
        "repositories/a/_uploads/x/data",
        "repositories/a/_uploads/11111111-2222-4333-8444-555555555555/hashstates/sha256/007",
        "repositories/a/_uploads/11111111-2222-4333-8444-555555555555/hashstates/sha256/-1",
        "repositories/a/_uploads/11111111-2222-4333-8444-555555555555/hashstates/x/7",
        "repositories/a//_layers",
        "repositories/a/../b",
        "repositories/a/notes.txt",
    ],
)
def test_what_has_no_place_is_foreign(path: str) -> None:
    assert CURRENT.parse_file(f"{LAYOUT_ROOT}/{path}") == specs.Foreign(f"{LAYOUT_ROOT}/{path}")


def test_a_directory_of_2015_gives_every_candidate() -> None:
    path = f"{LAYOUT_ROOT}/repositories/a/manifests/tags"
    assert set(OLD.parse_directory(path)) == {
        specs.Tags(A),
        specs.RepositoryDirectory(RepositoryName.parse("a/manifests/tags")),
    }
    assert CURRENT.parse_directory(path) == (
        specs.RepositoryDirectory(RepositoryName.parse("a/manifests/tags")),
    )


@pytest.mark.parametrize(
    "path",
    ["/", "/docker", "/docker/registry"]
    + [f"{LAYOUT_ROOT}/{below}" for below in ("blobs/sha256", "blobs/sha256/2d", "blobs/tarsum/v1")]
    + [
        f"{LAYOUT_ROOT}/repositories/a/_layers/{below}"
        for below in ("sha256", "tarsum", "tarsum/v1")
    ]
    + [f"{LAYOUT_ROOT}/repositories/a/_manifests/revisions/sha256"]
    + [f"{LAYOUT_ROOT}/repositories/a/_manifests/tags/t/index/sha256"],
)
def test_directories_between_specs(path: str) -> None:
    assert CURRENT.parse_directory(path) == (specs.Intermediate(path),)
