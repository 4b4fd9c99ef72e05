"""Inspection: the tree of a reference, its referrers, and everything that is missing."""

from __future__ import annotations

import pytest

from regctl.drivers.base import StorageDriver
from regctl.layout import Tag, specs
from regctl.manifest import Waiver
from regctl.registry import Repository
from regctl.registry.inspection import Node, inspect
from regctl.registry.manifests import RevisionNotFoundError
from regctl.registry.tagging import push_manifest
from tests import images
from tests.images import build_image, build_index
from tests.registry.storages import (
    LATEST,
    NAME,
    PATHS,
    digest_of,
    manifest_of,
    push,
    push_image,
)

IMAGE = build_image(1, size=100)
INDEX = build_index(2, layers=1, size=100)
ABSENT = digest_of(b"absent")


def roles(node: Node) -> list[str]:
    return [child.role for child in node.children]


@pytest.mark.parametrize("jobs", [1, 4])
def test_an_image_down_to_its_layers(repository: Repository, jobs: int) -> None:
    push_image(repository, IMAGE)
    found = inspect(repository, IMAGE.digest, jobs=jobs)
    assert found.tags == [LATEST]
    assert found.problems == []
    assert (found.root.media_type, found.root.size) == (
        images.OCI_MANIFEST,
        len(IMAGE.manifest.content),
    )
    assert roles(found.root) == ["config", "layer", "layer"]
    assert [(n.digest, n.size, n.media_type) for n in found.root.children] == [
        (blob.digest, blob.size, blob.media_type) for blob in IMAGE.blobs
    ]
    assert found.total_size == sum(blob.size for blob in IMAGE.content)


def test_an_index_down_to_its_images(repository: Repository) -> None:
    push_image(repository, INDEX)
    found = inspect(repository, INDEX.digest)
    assert [child.platform for child in found.root.children] == ["linux/amd64", "linux/arm64"]
    assert [roles(child) for child in found.root.children] == [["config", "layer"]] * 2
    assert found.total_size == sum(blob.size for blob in INDEX.content)


def test_what_is_not_there(repository: Repository) -> None:
    with pytest.raises(RevisionNotFoundError):
        inspect(repository, ABSENT)


def test_everything_that_is_missing_or_wrong(driver: StorageDriver, repository: Repository) -> None:
    push_image(repository, INDEX)
    first, second = INDEX.images
    driver.delete(PATHS.path(specs.LayerLink(NAME, first.config.digest)))
    driver.put(PATHS.path(specs.BlobData(first.layers[0].digest)), b"short")
    driver.delete(PATHS.path(specs.RevisionLink(NAME, second.digest)))
    found = inspect(repository, INDEX.digest)
    assert len(found.problems) == 3
    config, layer, child = found.problems
    assert config == f"config {first.config.digest}: not linked in {NAME}"
    assert layer.startswith(f"layer {first.layers[0].digest}: it has 5 bytes, the descriptor")
    assert child.startswith(f"manifest {second.digest}: ")
    assert found.root.children[1].size is None


def test_a_damaged_manifest_is_a_problem_of_its_own(
    driver: StorageDriver, repository: Repository
) -> None:
    push_image(repository, IMAGE)
    driver.put(PATHS.path(specs.BlobData(IMAGE.digest)), b"{")
    assert len(inspect(repository, IMAGE.digest).problems) == 1
    driver.delete(PATHS.path(specs.BlobData(IMAGE.digest)))
    (problem,) = inspect(repository, IMAGE.digest).problems
    assert "missing" in problem
    repository.manifests.put(digest_of(b"no JSON"), b"no JSON")
    assert len(inspect(repository, digest_of(b"no JSON")).problems) == 1


def test_a_missing_blob_and_a_damaged_link(driver: StorageDriver, repository: Repository) -> None:
    push_image(repository, IMAGE)
    driver.delete(PATHS.path(specs.BlobData(IMAGE.layers[0].digest)))
    driver.put(PATHS.path(specs.LayerLink(NAME, IMAGE.layers[1].digest)), b"")
    missing, damaged = inspect(repository, IMAGE.digest).problems
    assert "missing" in missing
    assert "is empty" in damaged


def test_referrers_and_subjects(repository: Repository) -> None:
    push_image(repository, IMAGE)
    subject = IMAGE.manifest.descriptor()
    first = manifest_of(
        config=IMAGE.config.descriptor(), layers=[], subject=subject, artifactType="a/first"
    )
    second = manifest_of(
        config=IMAGE.config.descriptor(),
        layers=[],
        subject={**subject, "digest": str(digest_of(first)), "size": len(first)},
    )
    for content in (first, second):
        push_manifest(repository, content)
    found = inspect(repository, IMAGE.digest, jobs=2)
    (referrer,) = found.root.referrers
    assert (referrer.role, referrer.digest) == ("referrer", digest_of(first))
    assert referrer.artifact_type == "a/first"
    assert [each.digest for each in referrer.referrers] == [digest_of(second)]
    assert found.problems == []
    assert found.total_size == sum(blob.size for blob in IMAGE.content)
    (about,) = [
        n for n in inspect(repository, digest_of(first)).root.children if n.role == "subject"
    ]
    assert (about.digest, about.notes) == (IMAGE.digest, [])


def test_a_missing_subject_is_a_note(repository: Repository) -> None:
    push(repository, IMAGE.config.content)
    subject = {"mediaType": images.OCI_MANIFEST, "digest": str(ABSENT), "size": 1}
    content = manifest_of(config=IMAGE.config.descriptor(), layers=[], subject=subject)
    revision = push_manifest(repository, content).digest
    found = inspect(repository, revision)
    assert found.problems == []
    assert [n.notes for n in found.root.children if n.role == "subject"] == [
        ["not in this repository"]
    ]


def test_subjects_that_go_round_in_a_circle_end(repository: Repository) -> None:
    """No honest pair of digests can; a damaged or forged storage must not hang the program."""
    contents = []
    digests = [digest_of(b"one"), digest_of(b"two")]
    for other in reversed(digests):
        subject = {"mediaType": images.OCI_MANIFEST, "digest": str(other), "size": 1}
        contents.append(manifest_of(config=IMAGE.config.descriptor(), layers=[], subject=subject))
    for digest, content in zip(digests, contents, strict=True):
        repository.driver.put(PATHS.path(specs.BlobData(digest)), content)
        repository.manifests.link(digest)
    assert inspect(repository, digests[0]).problems


def test_a_layer_by_sha512_is_whole(repository: Repository) -> None:
    content = IMAGE.layers[0].content
    alias = digest_of(content, "sha512")
    push(repository, content, alias)
    push(repository, IMAGE.config.content)
    layer = {**IMAGE.layers[0].descriptor(), "digest": str(alias)}
    body = manifest_of(config=IMAGE.config.descriptor(), layers=[layer])
    revision = push_manifest(repository, body, waivers={Waiver.DIGEST_ALGORITHM}).digest
    found = inspect(repository, revision)
    assert found.problems == []
    assert found.root.children[1].size == len(content)


def test_a_foreign_layer_is_kept_elsewhere(repository: Repository) -> None:
    push(repository, IMAGE.config.content)
    layer = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": str(ABSENT),
        "size": 1,
        "urls": ["https://example.com/layer"],
    }
    body = manifest_of(images.DOCKER_MANIFEST, config=IMAGE.config.descriptor(), layers=[layer])
    found = inspect(repository, push_manifest(repository, body).digest)
    assert found.problems == []
    assert found.root.children[1].notes == ["kept elsewhere: https://example.com/layer"]


def test_an_unknown_type_is_kept_and_not_guessed_at(repository: Repository) -> None:
    body = manifest_of("application/vnd.example.thing+json", layers=[IMAGE.config.descriptor()])
    revision = push_manifest(repository, body, waivers={Waiver.UNSERVED_TYPE}).digest
    found = inspect(repository, revision)
    assert found.root.children == []
    assert found.root.notes == ["unknown media type: what it needs is not known"]


def test_fallback_and_cosign_tags_are_ordinary_tags(repository: Repository) -> None:
    """``sha256-<hex>`` and ``sha256-<hex>.sig`` are tags like any other, and named so.

    That they hang on the manifest whose digest they are made of is shown besides.
    """
    push_image(repository, IMAGE)
    names = [f"sha256-{IMAGE.digest.hex}", f"sha256-{IMAGE.digest.hex}.sig"]
    for name in names:
        repository.tags.set(Tag.parse(name), IMAGE.digest)
    repository.tags.set(Tag.parse(f"sha256-{'0' * 64}.sig"), IMAGE.digest)
    found = inspect(repository, IMAGE.digest)
    assert {str(tag) for tag in found.tags} > {"latest", *names}
    assert [str(tag) for tag in found.attached] == names


def test_tags_that_cannot_be_read_are_left_out(
    driver: StorageDriver, repository: Repository
) -> None:
    push_image(repository, IMAGE)
    driver.mkdir(PATHS.path(specs.TagDirectory(NAME, Tag.parse("empty"))))
    assert inspect(repository, IMAGE.digest).tags == [LATEST]
