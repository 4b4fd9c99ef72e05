from __future__ import annotations

import pytest

from regctl.manifest import MAX_MANIFEST_BYTES, Waiver, examine, faults, parse_manifest
from regctl.manifest import media_types as types
from regctl.manifest.member_rules import DESCRIPTOR_NAMES
from tests.manifest.samples import (
    OCI_IMAGE,
    OCI_INDEX,
    A,
    B,
    C,
    descriptor,
    encode,
    image,
    index,
    members,
    stored,
)


def codes(content: bytes, media_type: str | None = None) -> list[str]:
    return [fault.code for fault in faults(content, parse_manifest(content, media_type))]


def messages(content: bytes, media_type: str | None = None) -> list[str]:
    return [fault.message for fault in faults(content, parse_manifest(content, media_type))]


@pytest.mark.parametrize(
    "name",
    [
        "docker-schema2",
        "docker-list",
        "oci-image",
        "oci-image-without-media-type",
        "oci-image-without-layers",
        "oci-image-with-subject",
        "cosign-signatures",
        "oci-index",
        "oci-index-nested",
    ],
)
def test_what_registries_took_has_no_faults(name: str) -> None:
    content = stored(name)
    media_type = parse_manifest(content).media_type
    assert codes(content, media_type) == []


def test_made_up_manifests_have_no_faults() -> None:
    """Else the tests below would pass for the wrong reason."""
    assert codes(encode(image())) == codes(encode(index())) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("schema1-payload-2.8.2", set()), ("schema1-signed", {"digest-algorithm"})],
)
def test_schema1_has_no_faults_but_layers_by_tarsum(name: str, expected: set[str]) -> None:
    """Whether its signatures verify is for others to say; they are no part of what is stored."""
    assert set(codes(stored(name), types.DOCKER_SCHEMA1_SIGNED)) == expected


@pytest.mark.parametrize(
    ("member", "code"),
    [
        (b'"NAME": "x/y"', "misspelled-member"),
        (b'"tag": "x"', "doubled-member"),
        (b'"fsLayers": []', "doubled-member"),
        (b'"layers": []', "ambiguous"),
        (b'"manifests": []', "ambiguous"),
        (b'"schemaVersion": 2', "doubled-member"),
        (b'"mediaType": "application/vnd.docker.distribution.manifest.v1+json"', None),
        (b'"signatures": []', None),
    ],
)
def test_schema1_that_readers_may_read_differently(member: bytes, code: str | None) -> None:
    content = stored("schema1-payload-2.8.2").replace(b"{", b"{" + member + b",", 1)
    assert (code in codes(content)) if code else codes(content) == []


def test_schema1_by_its_type_must_be_of_version_1() -> None:
    """Registries go by the version where the document is stored, and would take it for OCI's."""
    content = stored("schema1-payload-2.8.2").replace(b'"schemaVersion": 1', b'"schemaVersion": 2')
    typed = content.replace(b"{", b'{"mediaType": "%s",' % types.DOCKER_SCHEMA1.encode(), 1)
    assert messages(typed) == ["schemaVersion is 2: it must be 1"]


def test_oversize_can_be_waived() -> None:
    exact = encode(image(x=""))
    padding = "x" * (MAX_MANIFEST_BYTES - len(exact))
    assert codes(encode(image(x=padding))) == []
    above = encode(image(x=padding + "x"))
    (fault,) = faults(above, parse_manifest(above))
    assert (fault.code, fault.waiver) == ("oversize", Waiver.OVERSIZE)
    assert "4194305 bytes" in fault.message


@pytest.mark.parametrize(
    "document",
    [
        {"mediaType": types.OCI_ARTIFACT, "artifactType": "a/b", "blobs": [descriptor(A)]},
        {"mediaType": "application/x", "Layers": 5, "layers": 6},
    ],
)
def test_unserved_types_can_be_waived(document: dict[str, object]) -> None:
    content = encode(document)
    (fault,) = faults(content, parse_manifest(content))
    assert (fault.code, fault.waiver) == ("unserved-type", Waiver.UNSERVED_TYPE)
    assert "garbage collector" in fault.message


@pytest.mark.parametrize(
    "document",
    [
        image(config=descriptor("sha512:" + "a" * 128)),
        image(layers=[descriptor("tarsum.v1+sha256:" + "a" * 64)]),
        index(manifests=[descriptor("md5:" + "a" * 32)]),
    ],
)
def test_other_digests_can_be_waived(document: dict[str, object]) -> None:
    content = encode(document)
    (fault,) = faults(content, parse_manifest(content))
    assert (fault.code, fault.waiver) == ("digest-algorithm", Waiver.DIGEST_ALGORITHM)


def test_a_subject_may_have_another_digest() -> None:
    subject = descriptor("sha512:" + "a" * 128, OCI_IMAGE)
    assert codes(encode(image(subject=subject))) == []


@pytest.mark.parametrize(
    ("document", "given", "mismatch"),
    [
        (image(), OCI_INDEX, True),
        (image(), types.DOCKER_MANIFEST, True),
        (image(), OCI_IMAGE, False),
        (image(), f"{OCI_IMAGE};x=y", False),
        ({**image(), "mediaType": None}, types.DOCKER_MANIFEST, True),
        ({**index(), "mediaType": None}, OCI_INDEX, False),
    ],
)
def test_given_media_type(document: dict[str, object], given: str, mismatch: bool) -> None:
    """A registry stores no media type beside a manifest: it judges by the document for ever."""
    assert codes(encode(document), given) == ["media-type-mismatch"] * mismatch


@pytest.mark.parametrize("version", [1, 3, "2", 2.0, True, [2]])
def test_schema_version_must_be_2(version: object) -> None:
    assert codes(encode(image(schemaVersion=version))) == ["schema-version"]


@pytest.mark.parametrize("version", [None, 3])
def test_nothing_to_judge_by(version: object) -> None:
    assert codes(encode({"layers": [], "schemaVersion": version})) == ["schema-version"]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("layers", []), ("layers", [])], ["doubled-member"]),
        ([("layers", []), ("layers", None)], ["doubled-member"]),
        ([("layers", []), ("Layers", [])], ["doubled-member", "misspelled-member"]),
        ([("LAYERS", [])], ["misspelled-member"]),
        ([("layer\u017f", [])], ["misspelled-member"]),
        ([("MediaType", OCI_IMAGE)], ["doubled-member", "misspelled-member"]),
        ([("schemaVersion", 2)], ["doubled-member"]),
        ([("Config", None)], ["doubled-member", "misspelled-member"]),
        ([("Annotations", {})], ["misspelled-member"]),
        ([("x", 1), ("x", 2), ("X", 3)], []),
        ([("annotations", {"a": "", "A": ""})], []),
        ([("l\u0131yers", [])], []),
    ],
)
def test_members_stand_once_and_as_specified(
    pairs: list[tuple[str, object]], expected: list[str]
) -> None:
    """Of ``layers`` and ``LAYERS`` a registry takes the last, another reader the first: what is
    pushed, what is kept and what is pulled would be three things."""
    base = image()
    del base["layers"]
    assert codes(members(*base.items(), *pairs)) == expected


@pytest.mark.parametrize(
    "name",
    DESCRIPTOR_NAMES,
)
def test_members_of_descriptors_stand_once(name: str) -> None:
    layer = {"urls": [], "annotations": {}, "platform": {}, "data": "", "artifactType": ""}
    full = {**descriptor(B), **layer}
    doubled = members(*full.items(), (name, full[name]))
    content = encode(image(layers=["HERE"])).replace(b'"HERE"', doubled)
    assert codes(content) == ["doubled-member"]
    respelled = members(*full.items()).replace(
        b'"%s"' % name.encode(), b'"%s"' % name.upper().encode()
    )
    content = encode(image(layers=["HERE"])).replace(b'"HERE"', respelled)
    assert messages(content) == [
        f"layers[0].{name} is spelled '{name.upper()}': registries read it, other readers do not"
    ]


@pytest.mark.parametrize(
    "document",
    [
        image(manifests=[]),
        image(fsLayers=[]),
        index(config=descriptor(A)),
        index(layers=[]),
        index(fsLayers=[]),
    ],
)
def test_ambiguous_documents_are_refused(document: dict[str, object]) -> None:
    """CVE-2021-41190: an image to one reader, an index to another, under one digest."""
    assert codes(encode(document)) == ["ambiguous"]


@pytest.mark.parametrize("document", [image(manifests=None), index(layers=None, config=None)])
def test_null_is_not_ambiguous(document: dict[str, object]) -> None:
    assert codes(encode(document)) == []


@pytest.mark.parametrize("config", [None, "absent"])
def test_an_image_has_a_config(config: str | None) -> None:
    document = image(config=config)
    if config:
        del document["config"]
    assert codes(encode(document)) == ["config-missing"]


def test_a_config_may_have_any_media_type() -> None:
    assert codes(encode(image(config=descriptor(A, "application/vnd.cncf.helm.config")))) == []


def test_a_foreign_layer_without_urls_is_a_blob() -> None:
    assert codes(encode(image(layers=[descriptor(B, types.DOCKER_FOREIGN_LAYER_GZIP)]))) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mediaType": None}, "descriptor-media-type"),
        ({"mediaType": ""}, "descriptor-media-type"),
        ({"mediaType": 5}, "descriptor-media-type"),
        ({"size": None}, "descriptor-size"),
        ({"size": "5"}, "descriptor-size"),
        ({"size": 5.0}, "descriptor-size"),
        ({"size": True}, "descriptor-size"),
        ({"size": 2**63}, "descriptor-size"),
        ({"size": 2**63 - 1}, None),
        ({"size": 0}, None),
        ({"urls": "https://example.com"}, "member-type"),
        ({"urls": [5]}, "member-type"),
        ({"annotations": []}, "member-type"),
        ({"annotations": {"a": 5}}, "member-type"),
        ({"platform": "linux"}, "member-type"),
        ({"platform": {"os": 5}}, "member-type"),
        ({"platform": {"os.features": "x"}}, "member-type"),
        ({"platform": {"os": "linux", "os.features": ["x"], "y": 1}}, None),
        ({"data": "e30="}, None),
        ({"data": "e30"}, "member-type"),
        ({"data": "\u00e9"}, "member-type"),
        ({"artifactType": 5}, "member-type"),
        ({"unknown": 5}, None),
    ],
)
@pytest.mark.parametrize("member", ["config", "layers", "subject"])
def test_members_of_descriptors_have_their_type(
    member: str, changes: dict[str, object], expected: str | None
) -> None:
    changed = {**descriptor(B), **changes}
    document = image(**{member: [changed] if member == "layers" else changed})
    assert codes(encode(document)) == ([expected] if expected else [])


@pytest.mark.parametrize(
    "changes", [{"mediaType": 5}, {"annotations": {"a": 1}}, {"artifactType": []}]
)
def test_members_have_their_type(changes: dict[str, object]) -> None:
    assert codes(encode(image(**changes))) == ["member-type"]


def test_every_reason_is_given_at_once() -> None:
    document = image(
        schemaVersion=3,
        Layers=[descriptor("sha512:" + "c" * 128)],
        manifests=[],
        config=descriptor(A, size=None),
    )
    assert codes(encode(document), OCI_INDEX) == [
        "media-type-mismatch",
        "schema-version",
        "doubled-member",
        "misspelled-member",
        "ambiguous",
        "descriptor-size",
        "digest-algorithm",
    ]


def test_examine_gives_malformed_parts_and_faults_at_once() -> None:
    content = encode(image(schemaVersion=3, layers=[descriptor("x"), descriptor(C, size="1")]))
    manifest, found = examine(content)
    assert manifest is None
    assert [fault.code for fault in found] == ["malformed", "schema-version", "descriptor-size"]
    assert found[0].message == "layers[0].digest: 'x' is not a digest"


def test_examine_of_what_is_no_manifest() -> None:
    manifest, found = examine(b"\x1f\x8b")
    assert manifest is None
    assert [fault.code for fault in found] == ["malformed"]
    assert "not UTF-8" in found[0].message


def test_examine_of_a_sound_manifest() -> None:
    manifest, found = examine(stored("oci-index"), OCI_INDEX)
    assert manifest == parse_manifest(stored("oci-index"), OCI_INDEX)
    assert found == ()
