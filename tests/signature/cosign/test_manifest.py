from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from regctl.digest import Digest
from regctl.errors import InvalidManifestError, UnsupportedDigestError
from regctl.layout import Tag
from regctl.manifest import examine, parse_manifest
from regctl.manifest.media_types import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from regctl.signature.cosign_manifest import (
    SIGNATURE,
    CosignSignature,
    build_signature_manifest,
    merge_signature,
    new_signature,
    parse_signature_manifest,
)
from regctl.signature.cosign_tags import parse_attached_tag, signature_tag
from tests.signature.cosign.samples import Image, signed

HEX = "0123456789abcdef" * 4
DIGEST = Digest.parse(f"sha256:{HEX}")
FIRST = signed("a")
SECOND = signed("b", annotations={"extra": "<é>"})


def test_the_tag_of_signatures() -> None:
    assert signature_tag(DIGEST) == Tag(f"sha256-{HEX}.sig")
    assert len(signature_tag(Digest.parse("sha384:" + "0" * 96)).value) == 107
    with pytest.raises(UnsupportedDigestError, match="139 characters"):
        signature_tag(Digest.parse("sha512:" + "0" * 128))
    with pytest.raises(UnsupportedDigestError):
        signature_tag(Digest.parse("md5:" + "0" * 32))


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
def test_tags_made_of_digests_are_recognised(suffix: str) -> None:
    found = parse_attached_tag(Tag.parse(f"sha256-{HEX}{suffix}"))
    assert found is not None
    assert (found.digest, found.suffix) == (DIGEST, suffix)


def test_the_referrers_tag_cuts_sha512_short() -> None:
    cut = parse_attached_tag(Tag.parse(f"sha512-{HEX}"))
    assert cut is not None
    assert cut.digest is None
    assert (cut.algorithm, cut.hex) == ("sha512", HEX)


@pytest.mark.parametrize(
    "text",
    [
        "v1",
        "latest.sig",
        f"sha256-{HEX[:-1]}",
        f"sha256-{HEX}0",
        f"sha256-{HEX.upper()}.sig",
        f"sha256-{HEX}.SIG",
        f"sha256-{HEX}.sig.sig",
        f"md5-{HEX}",
        f"x-sha256-{HEX}",
        f"sha512-{HEX}00",
    ],
)
def test_other_tags_are_not(text: str) -> None:
    assert parse_attached_tag(Tag.parse(text)) is None


def test_a_first_signature_makes_what_skopeo_makes(cosign_images: dict[str, Image]) -> None:
    signature = cosign_images["app/one:v1"].signatures[0]
    built = build_signature_manifest(signature)
    # What the vector's registry holds under the tag of signatures, by digest.
    assert hashlib.sha256(built.config).hexdigest()[:8] == "439a47b8"
    assert hashlib.sha256(built.content).hexdigest()[:8] == "4386400a"


def test_what_is_built_is_a_manifest_that_registries_take() -> None:
    built = build_signature_manifest(FIRST)
    assert examine(built.content, OCI_MANIFEST)[1] == ()
    assert parse_signature_manifest(built.content) == (FIRST.descriptor,)


def held(content: bytes) -> list[dict[str, str]]:
    return [dict(each.annotations) for each in parse_signature_manifest(content)]


def test_a_second_signature_is_added_behind_the_first() -> None:
    built = build_signature_manifest(FIRST)
    merged = merge_signature(built.content, built.config, SECOND)
    assert merged is not None
    assert parse_signature_manifest(merged.content) == (FIRST.descriptor, SECOND.descriptor)
    assert examine(merged.content, OCI_MANIFEST)[1] == ()
    config = parse_manifest(merged.content).config
    assert config is not None
    assert config.digest.hex == hashlib.sha256(merged.config).hexdigest()
    assert config.size == len(merged.config)
    assert json.loads(merged.config)["rootfs"]["diff_ids"] == [
        str(FIRST.descriptor.digest),
        str(SECOND.descriptor.digest),
    ]


def test_the_same_signature_is_not_added_twice() -> None:
    built = build_signature_manifest(FIRST)
    assert merge_signature(built.content, built.config, FIRST) is None
    other = new_signature(FIRST.payload, {**dict(FIRST.descriptor.annotations), "x": "y"})
    assert merge_signature(built.content, built.config, other) is not None


def test_nothing_that_is_there_is_lost() -> None:
    """Cosign keeps a history in the configuration, others keep what they like in annotations."""
    built = build_signature_manifest(FIRST)
    manifest = json.loads(built.content)
    manifest["annotations"] = {"who": "é\ud800"[:1], "n": "1"}
    manifest["layers"][0] |= {"urls": ["https://example.com/x"], "unknown": [1, {"a": 2.5}]}
    manifest["layers"].append(
        {**manifest["layers"][0], "mediaType": "application/x-other", "annotations": {"k": "v"}}
    )
    manifest["config"]["annotations"] = {"of": "config"}
    manifest["subject"] = {**manifest["config"], "mediaType": OCI_MANIFEST}
    config = json.loads(built.config)
    config |= {"created": "0001-01-01T00:00:00Z", "config": {}, "history": [{"created": "x"}]}
    merged = merge_signature(json.dumps(manifest).encode(), json.dumps(config).encode(), SECOND)
    assert merged is not None
    now, now_config = json.loads(merged.content), json.loads(merged.config)
    assert now["layers"][:2] == manifest["layers"]
    assert now["config"]["annotations"] == {"of": "config"}
    for name in ("annotations", "subject", "mediaType", "schemaVersion"):
        assert now[name] == manifest[name]
    assert [entry["created"] for entry in now_config["history"]] == ["x", "0001-01-01T00:00:00Z"]
    assert {**now_config, "history": 0, "rootfs": 0} == {**config, "history": 0, "rootfs": 0}


def test_a_configuration_of_another_kind_stays_as_it_is() -> None:
    built = build_signature_manifest(FIRST)
    manifest = json.loads(built.content)
    manifest["config"] = {
        "mediaType": "application/vnd.oci.empty.v1+json",
        "digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}",
        "size": 2,
    }
    merged = merge_signature(json.dumps(manifest).encode(), b"{}", SECOND)
    assert merged is not None
    assert merged.config == b"{}"
    assert json.loads(merged.content)["config"] == manifest["config"]


def variant(**changes: Any) -> bytes:
    manifest = json.loads(build_signature_manifest(FIRST).content)
    return json.dumps({**manifest, **changes}).encode()


def layer(**changes: Any) -> bytes:
    (first,) = json.loads(build_signature_manifest(FIRST).content)["layers"]
    return variant(layers=[{**first, **changes}])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not valid JSON"),
        (variant(mediaType=OCI_INDEX, manifests=[]), "image.index"),
        (variant(mediaType=DOCKER_MANIFEST), "docker.distribution.manifest.v2"),
        (variant(mediaType="application/x"), "application/x"),
        (variant(manifests=[]), "the member 'manifests'"),
        (variant(history=[]), "the member 'history'"),
        (variant(Layers=[]), "layers twice"),
        (layer(annotations={"a": 1}), "not all strings"),
        (layer(annotations=[]), "not all strings"),
        (layer(Annotations={}), "'annotations' twice"),
        (layer(MediaType="x"), "'mediaType' twice"),
        (layer(Digest=str(DIGEST)), "two digests"),
        (layer(digest="sha256:0"), "not a digest"),
    ],
)
def test_refused_manifests(content: bytes, words: str) -> None:
    """Whatever readers could take in two ways is refused: one would see another's signatures."""
    with pytest.raises(InvalidManifestError, match=words):
        parse_signature_manifest(content)
    with pytest.raises(InvalidManifestError, match=words):
        merge_signature(content, b"{}", SECOND)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (b"[]", "not an object"),
        (b"\xff", "not valid JSON"),
        (b'{"a":1,"a":2}', "twice"),
        (b'{"rootfs":[1]}', "rootfs is not an object"),
        (b'{"rootfs":{"diff_ids":{"a":1}}}', "diff_ids is not a list"),
    ],
)
def test_a_configuration_that_cannot_be_added_to(config: bytes, words: str) -> None:
    with pytest.raises(InvalidManifestError, match=words):
        merge_signature(build_signature_manifest(FIRST).content, config, SECOND)


def test_a_manifest_grows_no_larger_than_registries_take() -> None:
    huge = new_signature(b"x", {SIGNATURE: "A" * (4 * 1024 * 1024 - 700)})
    built = build_signature_manifest(huge)
    big = new_signature(b"y", {SIGNATURE: "A" * 1000})
    with pytest.raises(InvalidManifestError, match="with one more signature"):
        merge_signature(built.content, built.config, big)


def test_other_layers_are_no_signatures() -> None:
    content = layer(mediaType="application/vnd.dsse.envelope.v1+json")
    (descriptor,) = parse_signature_manifest(content)
    assert not CosignSignature(descriptor, FIRST.payload).is_signature
    assert FIRST.is_signature


def test_no_layers_are_no_signatures() -> None:
    assert held(variant(layers=[])) == []
    assert held(variant(layers=None)) == []
