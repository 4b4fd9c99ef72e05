from __future__ import annotations

import pytest

from regctl.digest import Digest
from regctl.errors import InvalidManifestError
from regctl.manifest import (
    Descriptor,
    Platform,
    parse_manifest,
)
from regctl.manifest import media_types as types
from tests.manifest.samples import (
    OCI_CONFIG,
    OCI_IMAGE,
    OCI_LAYER,
    A,
    B,
    C,
    descriptor,
    encode,
    image,
    index,
    members,
    named,
)


def reasons_of(content: bytes) -> tuple[str, ...]:
    with pytest.raises(InvalidManifestError) as caught:
        parse_manifest(content)
    return caught.value.reasons


def test_every_spelling_is_kept_alive() -> None:
    """Of ``layers`` and ``LAYERS`` a registry keeps the last alive and other readers the first:
    a collector that takes one of them deletes the layers of the other's reader."""
    content = members(
        ("schemaVersion", 2),
        ("mediaType", OCI_IMAGE),
        ("Config", descriptor(A, OCI_CONFIG)),
        ("layers", [descriptor(A)]),
        ("LAYERS", [descriptor(B)]),
        ("layer\u017f", None),
        ("layers", [descriptor(C)]),
        ("config", descriptor(C, OCI_CONFIG)),
    )
    manifest = parse_manifest(content)
    assert [(each.path, each.digest.hex[0]) for each in manifest.references] == [
        ("Config", "a"),
        ("config", "c"),
        ("layers[0]", "a"),
        ("LAYERS[0]", "b"),
        ("layers[0]", "c"),
    ]
    assert manifest.config is not None
    assert manifest.config.digest == Digest.parse(C)


def test_every_digest_of_a_descriptor_is_kept_alive() -> None:
    layer = members(
        ("digest", A),
        ("DIGEST", B),
        ("digest", A),
        ("size", 1),
        ("Size", 2),
        ("mediaType", "a/b"),
        ("annotations", {"x": "1", "y": "2"}),
        ("Annotations", {"x": "3"}),
    )
    content = b'{"schemaVersion":2,"layers":[%s]}' % layer
    found = [each.descriptor for each in parse_manifest(content).layers]
    annotations = (("x", "3"), ("y", "2"))
    assert found == [
        Descriptor("a/b", Digest.parse(digest), 2, annotations=annotations) for digest in (A, B)
    ]


def test_members_of_another_kind_are_kept_alive() -> None:
    """CVE-2021-41190: what is an index to one reader is an image to another."""
    both = image(manifests=[descriptor(C, OCI_IMAGE), {"digest": "x"}, 5])
    assert named(parse_manifest(encode(both))) == [("config", "a"), ("layer", "b"), ("child", "c")]
    other = index(layers=[descriptor(B)], config=5, fsLayers=[{"blobSum": C}])
    assert named(parse_manifest(encode(other))) == [("child", "a"), ("layer", "b"), ("layer", "c")]


def test_blobs_of_an_image_are_nobodys() -> None:
    assert named(parse_manifest(encode(image(blobs="x")))) == [("config", "a"), ("layer", "b")]


@pytest.mark.parametrize("member", ["config", "layers", "subject", "annotations", "artifactType"])
def test_null_is_absent(member: str) -> None:
    manifest = parse_manifest(encode(image(**{member: None})))
    assert all(not each.path.startswith(member) for each in manifest.references)


@pytest.mark.parametrize(
    ("media_type", "urls", "needed"),
    [
        (types.DOCKER_FOREIGN_LAYER_GZIP, ["https://example.com/x"], False),
        (types.OCI_NONDISTRIBUTABLE_LAYER_GZIP, ["https://example.com/x"], False),
        (types.OCI_NONDISTRIBUTABLE_LAYER_GZIP, [], True),
        (OCI_LAYER, ["https://example.com/x"], True),
    ],
)
def test_foreign_layers_need_not_be_linked(media_type: str, urls: list[str], needed: bool) -> None:
    manifest = parse_manifest(encode(image(layers=[descriptor(B, media_type, urls=urls)])))
    assert [each.path for each in manifest.layers] == ["layers[0]"]
    assert [each.path for each in manifest.blobs] == ["config", "layers[0]"][: 1 + needed]


def test_every_reason_is_given_at_once() -> None:
    content = encode(
        image(
            config="x",
            layers=[
                descriptor("sha256:xyz"),
                descriptor(A, size=-1),
                None,
                {"size": 1},
                descriptor("blake3:00"),
                {"digest": 5},
                descriptor("x" * 1000),
                descriptor(B),
            ],
            Layers={},
            subject={"digest": None},
        )
    )
    sixty_four = "sha256 has 64 lower-case hex digits"
    assert reasons_of(content) == (
        "config: 'x' is not a descriptor",
        f"layers[0].digest: 'sha256:xyz' is not a digest: {sixty_four}",
        "layers[1].size: -1 is negative",
        "layers[2]: null is not a descriptor",
        "layers[3].digest is missing",
        "layers[4].digest: the digest algorithm 'blake3' of 'blake3:00' is not supported",
        "layers[5].digest: 5 is not a digest",
        f"layers[6].digest: '{'x' * 99}... is not a digest",
        "Layers: an object is not a list",
        "subject.digest is missing",
    )


def test_reasons_without_end_are_counted() -> None:
    found = reasons_of(encode(image(layers=[{}] * 1000)))
    assert len(found) == 101
    assert found[-1] == "and 900 more"


def test_odd_members_that_leave_nothing_open_are_passed_over() -> None:
    odd = descriptor(
        B, size="5", urls=5, annotations={"a": 1, "b": "c"}, platform=[], artifactType={}
    )
    odd["mediaType"] = 7
    manifest = parse_manifest(encode(image(layers=[odd], annotations=[], artifactType=1)))
    expected = Descriptor("", Digest.parse(B), None, annotations=(("b", "c"),))
    assert [each.descriptor for each in manifest.layers] == [expected]
    assert (manifest.annotations, manifest.artifact_type) == ((), "")


@pytest.mark.parametrize(
    ("platform", "text"),
    [
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, "linux/arm64/v8"),
        ({"OS": "linux", "architecture": "amd64"}, "linux/amd64"),
        (
            {"os": "windows", "os.version": "10.0.1", "architecture": "amd64"},
            "windows:10.0.1/amd64",
        ),
        ({"os": "linux"}, "linux"),
    ],
)
def test_platforms(platform: dict[str, str], text: str) -> None:
    document = index(manifests=[descriptor(A, OCI_IMAGE, platform=platform)])
    (child,) = parse_manifest(encode(document)).children
    assert isinstance(child.descriptor.platform, Platform)
    assert str(child.descriptor.platform) == text
