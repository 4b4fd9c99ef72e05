from __future__ import annotations

import pytest

from regctl.digest import Digest
from regctl.errors import InvalidManifestError
from regctl.manifest import (
    Descriptor,
    ManifestKind,
    Reference,
    Role,
    parse_manifest,
    unique_digests,
)
from regctl.manifest import media_types as types
from tests.manifest.samples import (
    OCI_IMAGE,
    OCI_INDEX,
    OCI_LAYER,
    A,
    B,
    descriptor,
    encode,
    image,
    index,
    named,
    stored,
)


@pytest.mark.parametrize(
    ("name", "media_type", "kind", "paths"),
    [
        ("docker-schema2", types.DOCKER_MANIFEST, "image", "config layers[0] layers[1]"),
        ("docker-list", types.DOCKER_MANIFEST_LIST, "index", "manifests[0] manifests[1]"),
        ("oci-image", OCI_IMAGE, "image", "config layers[0] layers[1]"),
        ("oci-image-without-media-type", OCI_IMAGE, "image", "config layers[0] layers[1]"),
        ("oci-image-without-layers", OCI_IMAGE, "image", "config"),
        ("oci-image-with-subject", OCI_IMAGE, "image", "config layers[0] subject"),
        ("cosign-signatures", OCI_IMAGE, "image", "config layers[0]"),
        ("oci-index", OCI_INDEX, "index", "manifests[0] manifests[1]"),
        ("oci-index-nested", OCI_INDEX, "index", "manifests[0] manifests[1]"),
        ("schema1-payload-2.4.1", types.DOCKER_SCHEMA1, "schema1", "fsLayers[0] fsLayers[1]"),
        (
            "schema1-signed",
            types.DOCKER_SCHEMA1_SIGNED,
            "schema1",
            "fsLayers[0] fsLayers[1] fsLayers[2]",
        ),
    ],
)
def test_stored_manifests_are_judged(name: str, media_type: str, kind: str, paths: str) -> None:
    manifest = parse_manifest(stored(name))
    assert (manifest.media_type, manifest.kind.value) == (media_type, kind)
    assert [each.path for each in manifest.references] == paths.split()


def test_image_with_subject() -> None:
    manifest = parse_manifest(stored("oci-image-with-subject"))
    subject = "e83a4ac2d941b0531647632f3c39111b74908225152d826af70d3684b3b78023"
    layer = "952b0a60d5292c1a280eb79ae90898b2f48ffe002ca87748e919d172cfa2954d"
    assert manifest.subject == Descriptor(OCI_IMAGE, Digest("sha256", subject), 666)
    assert manifest.artifact_type == "application/vnd.example.signature"
    assert manifest.annotations == (("seed", "shared3sig"),)
    assert manifest.config is not None
    assert (manifest.config.media_type, manifest.config.size) == (types.OCI_EMPTY, 2)
    expected = Descriptor("application/octet-stream", Digest("sha256", layer), 222)
    assert manifest.layers == (Reference(Role.LAYER, expected, "layers[0]"),)
    assert [each.path for each in manifest.blobs] == ["config", "layers[0]"]


def test_index_has_children_and_no_blobs() -> None:
    manifest = parse_manifest(stored("oci-index-nested"))
    assert [each.descriptor.media_type for each in manifest.children] == [OCI_INDEX, OCI_IMAGE]
    assert [str(each.descriptor.platform) for each in manifest.children] == ["None", "linux/s390x"]
    assert manifest.blobs == ()
    assert manifest.config is None
    assert not any(each.may_be_blob for each in manifest.children)


def test_entries_of_a_build_cache_may_be_blobs() -> None:
    """BuildKit keeps its cache as an index that names layers, and registries take it."""
    cache = index(manifests=[descriptor(A, OCI_LAYER), descriptor(B, OCI_IMAGE)])
    manifest = parse_manifest(encode(cache))
    assert [each.may_be_blob for each in manifest.children] == [True, False]


def test_schema1_names_layers_without_sizes() -> None:
    manifest = parse_manifest(stored("schema1-payload-2.4.1"))
    assert (manifest.name, manifest.tag, manifest.architecture) == ("legacy/signed", "one", "amd64")
    assert {each.descriptor.size for each in manifest.layers} == {None}
    assert manifest.config is None


def test_schema1_of_2015_names_tarsums() -> None:
    manifest = parse_manifest(stored("schema1-payload-2015-tarsum"))
    assert [each.digest.tarsum_version for each in manifest.layers] == ["v1", "v1"]


def test_repeated_layers_stay_and_can_be_made_unique() -> None:
    """Schema 1 repeats the layer of nothing for every step that changed no file."""
    layers = [{"blobSum": digest} for digest in (A, B, A, A)]
    manifest = parse_manifest(encode({"schemaVersion": 1, "fsLayers": layers}))
    assert named(manifest) == [("layer", letter) for letter in "abaa"]
    assert unique_digests(manifest.references) == (Digest.parse(A), Digest.parse(B))


def test_artifact_manifest_has_blobs() -> None:
    document = {
        "mediaType": types.OCI_ARTIFACT,
        "artifactType": "application/x",
        "blobs": [descriptor(A)],
        "subject": descriptor(B, OCI_IMAGE),
    }
    manifest = parse_manifest(encode(document))
    assert manifest.kind is ManifestKind.ARTIFACT
    assert named(manifest) == [("blob", "a"), ("subject", "b")]
    assert [each.path for each in manifest.blobs] == ["blobs[0]"]


@pytest.mark.parametrize(
    ("document", "media_type", "kind"),
    [
        ({"schemaVersion": 2}, OCI_IMAGE, ManifestKind.IMAGE),
        ({"schemaVersion": 2, "manifests": []}, OCI_INDEX, ManifestKind.INDEX),
        ({"schemaVersion": 2, "manifests": None}, OCI_IMAGE, ManifestKind.IMAGE),
        ({"schemaVersion": 2, "mediaType": ""}, OCI_IMAGE, ManifestKind.IMAGE),
        ({"schemaVersion": 2, "mediaType": None}, OCI_IMAGE, ManifestKind.IMAGE),
        ({"schemaVersion": 1}, types.DOCKER_SCHEMA1, ManifestKind.SCHEMA1),
        ({"mediaType": OCI_INDEX}, OCI_INDEX, ManifestKind.INDEX),
        ({"SchemaVersion": 2, "MEDIATYPE": OCI_INDEX}, OCI_INDEX, ManifestKind.INDEX),
        ({"mediaType": OCI_INDEX, "MediaType": OCI_IMAGE}, OCI_IMAGE, ManifestKind.IMAGE),
        ({"schemaVersion": 1, "mediaType": "text/x"}, "text/x", ManifestKind.UNKNOWN),
        ({"schemaVersion": 2.0}, "", ManifestKind.UNKNOWN),
        ({"schemaVersion": True}, "", ManifestKind.UNKNOWN),
        ({"schemaVersion": "2", "layers": []}, "", ManifestKind.UNKNOWN),
        ({}, "", ManifestKind.UNKNOWN),
    ],
)
def test_kind_is_judged_as_distribution_does(
    document: dict[str, object], media_type: str, kind: ManifestKind
) -> None:
    manifest = parse_manifest(encode(document))
    assert (manifest.media_type, manifest.kind) == (media_type, kind)


def test_the_given_type_is_remembered_and_changes_nothing() -> None:
    content = encode({"schemaVersion": 2, "manifests": []})
    manifest = parse_manifest(content, f"{OCI_IMAGE}; charset=utf-8")
    assert (manifest.media_type, manifest.given_type) == (OCI_INDEX, OCI_IMAGE)


@pytest.mark.timeout(60)
def test_four_mebibytes_do_not_hang() -> None:
    layer = encode(descriptor(B))
    count = 4 * 1024 * 1024 // (len(layer) + 1)
    content = b'{"schemaVersion":2,"layers":[%s]}' % b",".join([layer] * count)
    assert len(parse_manifest(content).layers) == count


def test_the_limit_is_the_callers() -> None:
    content = encode(image())
    assert parse_manifest(content, limit=len(content)).kind is ManifestKind.IMAGE
    with pytest.raises(InvalidManifestError, match="that are read"):
        parse_manifest(content, limit=len(content) - 1)
