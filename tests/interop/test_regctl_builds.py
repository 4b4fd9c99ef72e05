"""What regctl alone builds from files in an empty directory, registries serve and keep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.images import Image, Index, build_image, build_index
from tests.interop.conftest import MakeStorage, Serve
from tests.interop.program import Regctl
from tests.interop.storages import root_of, section_of
from tests.servers.registry import RegistryServer
from tests.servers.skopeo import Skopeo

TAGGED: dict[str, Image | Index] = {
    "oci": build_image(seed=11),
    "docker": build_image(seed=12).as_docker(),
    "multi": build_index(seed=13),
    "docker-multi": build_index(seed=14).as_docker(),
}
IMAGES, INDEXES = "built/images", "built/indexes"
REPOSITORIES = {"oci": IMAGES, "docker": IMAGES, "multi": INDEXES, "docker-multi": INDEXES}


@dataclass(frozen=True, slots=True)
class Built:
    """A registry that was started on what regctl built."""

    server: RegistryServer
    regctl: Regctl


@pytest.fixture(scope="module")
def built(make_storage: MakeStorage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    directory = tmp_path_factory.mktemp("regctl-builds")
    with make_storage(directory / "root") as storage:
        regctl = Regctl(storage, directory / "regctl")
        for tag, content in TAGGED.items():
            regctl.push(REPOSITORIES[tag], content, tag)
        root = root_of(storage, directory / "unused")
        with RegistryServer(root, directory / "server", storage=section_of(storage)) as server:
            yield Built(server, regctl)


def test_the_registry_serves_every_byte(built: Built) -> None:
    client = built.server.client
    assert client.catalog() == [IMAGES, INDEXES]
    assert client.tags(IMAGES) == ["docker", "oci"]
    for tag, content in TAGGED.items():
        repository = REPOSITORIES[tag]
        answer = client.manifest(repository, tag).expect(200)
        assert (answer.body, answer.digest) == (content.manifest.content, content.digest)
        assert answer.media_type == content.manifest.media_type
        for blob in content.blobs:
            assert client.blob(repository, blob.digest).expect(200).body == blob.content


@pytest.mark.parametrize("tag", TAGGED)
def test_skopeo_copies_all_of_it_out(
    built: Built, skopeo: Skopeo, tmp_path: Path, tag: str
) -> None:
    """Into a plain directory, where skopeo changes no manifest."""
    content, copy = TAGGED[tag], tmp_path / "copy"
    source = f"docker://{built.server.host}/{REPOSITORIES[tag]}:{tag}"
    skopeo.copy(source, f"dir:{copy}", "--all", "--preserve-digests")
    assert (copy / "manifest.json").read_bytes() == content.manifest.content
    for blob in content.blobs:
        assert (copy / blob.digest.hex).read_bytes() == blob.content
    if isinstance(content, Index):
        for image in content.images:
            copied = copy / f"{image.digest.hex}.manifest.json"
            assert copied.read_bytes() == image.manifest.content


@pytest.mark.parametrize("tag", ["oci", "multi"])
def test_an_image_layout_made_of_it_has_the_same_digests(
    built: Built, skopeo: Skopeo, tmp_path: Path, tag: str
) -> None:
    content, layout = TAGGED[tag], tmp_path / "layout"
    source = f"docker://{built.server.host}/{REPOSITORIES[tag]}:{tag}"
    skopeo.copy(source, f"oci:{layout}:{tag}", "--all")
    copied = {path.name: path.read_bytes() for path in (layout / "blobs/sha256").iterdir()}
    assert copied == {blob.digest.hex: blob.content for blob in content.content}
    assert skopeo.inspect(f"oci:{layout}:{tag}", "--raw")["schemaVersion"] == 2


def _counts(report: str) -> tuple[int, int, int]:
    """Blobs marked, blobs eligible and manifests eligible, as the collector counts them."""
    found = re.search(
        r"(\d+) blobs marked, (\d+) blobs and (\d+) manifests eligible for deletion", report
    )
    assert found is not None, report
    marked, blobs, manifests = map(int, found.groups())
    return marked, blobs, manifests


def test_the_registrys_own_collector_finds_nothing_to_delete(built: Built) -> None:
    everything = {blob.digest for content in TAGGED.values() for blob in content.content}
    report = built.server.garbage_collect(dry_run=True)
    assert _counts(report) == (len(everything), 0, 0)


def test_the_collector_with_delete_untagged_takes_nothing_but_children_of_indexes(
    built: Built,
) -> None:
    """2.8 takes the untagged children of tagged indexes for garbage, whoever pushed them."""
    children = {
        str(image.digest)
        for content in TAGGED.values()
        if isinstance(content, Index)
        for image in content.images
    }
    report = built.server.garbage_collect(dry_run=True, delete_untagged=True)
    eligible = set(re.findall(r"manifest eligible for deletion: (sha256:[0-9a-f]{64})", report))
    assert len(eligible) == _counts(report)[2]
    assert eligible <= children
    kept = {blob.digest for tag in ("oci", "docker") for blob in TAGGED[tag].content}
    assert not {str(digest) for digest in kept} & set(
        re.findall(r"eligible for deletion: (\S+)", report)
    )


def test_a_real_collection_leaves_everything(serve: Serve, regctl: Regctl) -> None:
    image = build_image(seed=15)
    regctl.push("app", image, "v1")
    # Only a blob that nothing refers to goes: the collector does see this repository.
    waste = build_image(seed=16).layers[0]
    regctl.push_blob("app", waste)
    assert _counts(serve().garbage_collect(dry_run=False))[1] == 1
    assert regctl.inspect("app:v1")["problems"] == []
    for blob in image.blobs:
        assert regctl.pull_blob("app", blob.digest) == blob.content
    assert regctl.run("pull-layer", "app", str(waste.digest)).code == 5
