"""What skopeo pushed into a real registry, regctl lists, inspects and pulls, every byte of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from regctl.digest import Digest
from tests import images
from tests.images import Blob, Image, Index, build_image, build_index, write_oci_layout
from tests.interop.conftest import MakeStorage
from tests.interop.program import Regctl
from tests.interop.storages import root_of, section_of
from tests.servers.registry import RegistryServer
from tests.servers.skopeo import Skopeo

REPOSITORY = "team/app"
OCI, MULTI = build_image(seed=1), build_index(seed=2)
#: What skopeo makes of this one is a schema 2 manifest of its own spelling.
DOCKER = build_image(seed=3)


@dataclass(frozen=True, slots=True)
class Pushed:
    """A storage that skopeo filled, and the manifests that the registry served then, by tag."""

    regctl: Regctl
    served: Mapping[str, bytes]
    digests: Mapping[str, Digest]


@pytest.fixture(scope="module")
def pushed(make_storage: MakeStorage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    """All three kinds of images in one repository; the registry is stopped."""
    directory = tmp_path_factory.mktemp("skopeo-pushes")
    tags: dict[str, Image | Index] = {"oci": OCI, "docker": DOCKER, "multi": MULTI}
    layout = write_oci_layout(directory / "layout", tags)
    options = {"oci": (), "docker": ("--format", "v2s2"), "multi": ("--all",)}
    skopeo = Skopeo(directory / "skopeo")
    with make_storage(directory / "root") as storage:
        root = root_of(storage, directory / "unused")
        with RegistryServer(root, directory / "server", storage=section_of(storage)) as server:
            for tag, more in options.items():
                target = f"docker://{server.host}/{REPOSITORY}:{tag}"
                skopeo.copy(f"oci:{layout}:{tag}", target, *more)
            answers = {tag: server.client.manifest(REPOSITORY, tag).expect(200) for tag in tags}
        yield Pushed(
            Regctl(storage, directory / "regctl"),
            {tag: answer.body for tag, answer in answers.items()},
            {tag: answer.digest for tag, answer in answers.items()},
        )


def _blobs_below(node: object) -> Iterator[tuple[str, str, int]]:
    """Role, digest and size of every node of a tree that ``inspect`` shows."""
    assert isinstance(node, dict)
    assert node["problems"] == []
    yield node["role"], node["digest"], node["size"]
    for child in node["children"]:
        yield from _blobs_below(child)


def _said_of(image: Image) -> list[tuple[str, str, int]]:
    config, *layers = image.blobs
    return [
        ("config", str(config.digest), config.size),
        *(("layer", str(layer.digest), layer.size) for layer in layers),
    ]


def test_repositories_and_tags_are_listed(pushed: Pushed) -> None:
    assert pushed.regctl.ok("ls").lines == [REPOSITORY]
    assert pushed.regctl.ok("ls", REPOSITORY).lines == ["docker", "multi", "oci"]
    rows = [json.loads(row) for row in pushed.regctl.ok("--format=json", "ls", REPOSITORY).lines]
    assert {row["tag"]: row["digest"] for row in rows} == {
        tag: str(digest) for tag, digest in pushed.digests.items()
    }


def test_an_image_is_inspected_down_to_its_blobs(pushed: Pushed) -> None:
    for tag, image, media_type in (
        ("oci", OCI, images.OCI_MANIFEST),
        ("docker", DOCKER, images.DOCKER_MANIFEST),
    ):
        said = pushed.regctl.inspect(f"{REPOSITORY}:{tag}")
        root = said["manifest"]
        assert isinstance(root, dict)
        assert root["media_type"] == media_type
        first, *rest = _blobs_below(root)
        assert first == ("manifest", str(pushed.digests[tag]), len(pushed.served[tag]))
        assert rest == _said_of(image)
        assert said["tags"] == [tag]
        assert said["total_size"] == first[2] + sum(blob.size for blob in image.blobs)


def test_an_index_is_inspected_down_to_the_blobs_of_every_architecture(pushed: Pushed) -> None:
    said = pushed.regctl.inspect(f"{REPOSITORY}:multi")
    root = said["manifest"]
    assert isinstance(root, dict)
    assert root["media_type"] == images.OCI_INDEX
    assert [child["platform"] for child in root["children"]] == ["linux/amd64", "linux/arm64"]
    expected = []
    for image in MULTI.images:
        expected += [("manifest", str(image.digest), image.manifest.size), *_said_of(image)]
    assert list(_blobs_below(root))[1:] == expected


def test_every_blob_is_pulled(pushed: Pushed, tmp_path: Path) -> None:
    blobs: dict[Digest, Blob] = {
        blob.digest: blob for source in (OCI, DOCKER, MULTI) for blob in source.blobs
    }
    for digest, blob in blobs.items():
        assert pushed.regctl.pull_blob(REPOSITORY, digest) == blob.content
    file = tmp_path / "layer"
    layer = OCI.layers[0]
    pushed.regctl.ok("pull-layer", REPOSITORY, str(layer.digest), "-o", str(file))
    assert file.read_bytes() == layer.content


def test_every_manifest_is_pulled_as_it_was_pushed_or_served(pushed: Pushed) -> None:
    for tag, content in pushed.served.items():
        assert pushed.regctl.pull_manifest(f"{REPOSITORY}:{tag}") == content
        assert pushed.regctl.pull_manifest(f"{REPOSITORY}@{pushed.digests[tag]}") == content
    assert pushed.served["oci"] == OCI.manifest.content
    assert pushed.served["multi"] == MULTI.manifest.content
    for image in MULTI.images:
        pulled = pushed.regctl.pull_manifest(f"{REPOSITORY}@{image.digest}")
        assert pulled == image.manifest.content


def test_nothing_is_damaged_or_left_over_by_regctls_account(pushed: Pushed) -> None:
    said = pushed.regctl.inspect(REPOSITORY)
    blobs = {blob.digest for source in (OCI, DOCKER, MULTI) for blob in source.blobs}
    assert (said["layers"], said["revisions"], said["uploads"]) == (len(blobs), 5, 0)
    assert said["problems"] == []
    assert pushed.regctl.ok("uploads").lines == []
