"""Pushing a manifest: all that it names is there, or every reason is given and nothing written."""

from __future__ import annotations

import pytest

from regctl.drivers.base import StorageDriver
from regctl.errors import (
    DigestMismatchError,
    InvalidManifestError,
    UnsupportedDigestError,
)
from regctl.layout import specs
from regctl.manifest import Waiver
from regctl.registry import Repository
from regctl.registry.tagging import push_manifest
from tests import images
from tests.images import Blob, build_image, build_index
from tests.registry.storages import (
    LATEST,
    NAME,
    PATHS,
    assert_sound,
    blob_path,
    digest_of,
    fill,
    manifest_of,
    memory,
    push,
    push_image,
    revision_link,
    snapshot,
)
from tests.registry.watching import WatchedDriver

IMAGE = build_image(1, size=100)
INDEX = build_index(2, layers=1, size=100)
ABSENT = digest_of(b"absent")


def test_push_an_image(driver: StorageDriver, repository: Repository) -> None:
    for blob in IMAGE.blobs:
        push(repository, blob.content)
    pushed = push_manifest(repository, IMAGE.manifest.content, tag=LATEST, expected=IMAGE.digest)
    assert (pushed.digest, pushed.size) == (IMAGE.digest, len(IMAGE.manifest.content))
    assert (pushed.mounted, pushed.waived) == (0, ())
    assert repository.tags.get(LATEST) == IMAGE.digest
    assert driver.get(blob_path(IMAGE.digest), 1 << 20) == IMAGE.manifest.content
    assert_sound(driver)


def test_push_without_a_tag(repository: Repository) -> None:
    push_image(repository, IMAGE, None)
    assert repository.manifests.exists(IMAGE.digest)
    assert repository.tags.list() == []


def test_a_manifest_without_blobs_makes_a_repository_of_both_kinds(
    directories: StorageDriver,
) -> None:
    """2.8 knows a repository by ``_layers``, and its collector deletes what it does not know."""
    push_manifest(fill(directories), manifest_of(images.OCI_INDEX, manifests=[]), tag=LATEST)
    assert PATHS.path(specs.Layers(NAME)) + "/" in snapshot(directories)


def test_all_links_are_written_before_the_tag_moves() -> None:
    changes = []
    driver = memory()
    push_image(fill(driver), INDEX, None)
    watched = WatchedDriver(driver, lambda _, path: changes.append(path))
    push_manifest(fill(watched), INDEX.manifest.content, tag=LATEST)
    renewed = {PATHS.path(specs.LayerLink(NAME, blob.digest)) for blob in INDEX.blobs}
    renewed |= {revision_link(image.digest) for image in INDEX.images}
    assert renewed | {revision_link(INDEX.digest)} == set(changes[:-2])
    assert changes[-2:] == [
        PATHS.path(specs.TagIndexEntryLink(NAME, LATEST, INDEX.digest)),
        PATHS.path(specs.TagCurrentLink(NAME, LATEST)),
    ]


def test_every_reason_at_once_and_nothing_written(repository: Repository) -> None:
    push(repository, IMAGE.config.content)
    push(repository, IMAGE.layers[0].content)
    repository.layers.link(ABSENT)
    layers = [
        {**IMAGE.layers[0].descriptor(), "size": 1},
        IMAGE.layers[1].descriptor(),
        {"mediaType": images.OCI_LAYER, "digest": str(ABSENT), "size": 6},
    ]
    content = manifest_of(config=IMAGE.config.descriptor(), layers=layers, Layers=[])
    before = snapshot(repository.driver)
    with pytest.raises(InvalidManifestError) as caught:
        push_manifest(repository, content, tag=LATEST)
    assert caught.value.exit_code == 4
    said = "\n".join(caught.value.reasons)
    assert "layers[0]: the blob" in said
    assert "descriptor says 1" in said
    assert f"layers[1]: the blob {IMAGE.layers[1].digest} is not linked in {NAME}" in said
    assert f"layers[2]: the blob {ABSENT} is linked, but missing" in said
    assert "Layers" in said
    assert len(caught.value.reasons) >= 4
    assert snapshot(repository.driver) == before


def test_a_blob_that_only_others_link_to_is_missing(driver: StorageDriver) -> None:
    push_image(fill(driver, "other/place"), IMAGE)
    with pytest.raises(InvalidManifestError) as caught:
        push_manifest(fill(driver), IMAGE.manifest.content)
    assert len(caught.value.reasons) == 3


def test_mount_from(driver: StorageDriver) -> None:
    other = fill(driver, "other/place")
    alias = digest_of(IMAGE.layers[0].content, "sha512")
    push(other, IMAGE.layers[0].content, alias)
    push_image(other, IMAGE)
    repository = fill(driver)
    push(repository, IMAGE.config.content)
    descriptor = {**IMAGE.layers[0].descriptor(), "digest": str(alias)}
    content = manifest_of(config=IMAGE.config.descriptor(), layers=[descriptor])
    waived = {Waiver.DIGEST_ALGORITHM}
    empty = fill(driver, "third")
    pushed = push_manifest(repository, content, mount_from=[empty, other], waivers=waived)
    assert pushed.mounted == 1
    assert pushed.waived
    assert repository.layers.get(alias).canonical == IMAGE.layers[0].digest
    again = push_manifest(repository, content, mount_from=[other], waivers=waived)
    assert again.mounted == 0


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_an_expected_digest(repository: Repository, algorithm: str) -> None:
    content = manifest_of(images.OCI_INDEX, manifests=[])
    wrong = digest_of(b"another", algorithm)
    with pytest.raises(DigestMismatchError):
        push_manifest(repository, content, expected=wrong)
    assert snapshot(repository.driver) == {}
    pushed = push_manifest(repository, content, expected=digest_of(content, algorithm))
    assert pushed.digest == digest_of(content)


def test_an_old_digest_is_no_proof(repository: Repository) -> None:
    content = manifest_of(images.OCI_INDEX, manifests=[])
    with pytest.raises(UnsupportedDigestError):
        push_manifest(repository, content, expected=digest_of(content, "md5"))


FOREIGN = Blob(b"kept elsewhere", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")


def test_foreign_layers_with_urls_may_be_absent(repository: Repository) -> None:
    push(repository, IMAGE.config.content)
    with_urls = FOREIGN.descriptor(urls=["https://example.com/x"])
    content = manifest_of(
        images.DOCKER_MANIFEST, config=IMAGE.config.descriptor(), layers=[with_urls]
    )
    push_manifest(repository, content)
    without = manifest_of(
        images.DOCKER_MANIFEST, config=IMAGE.config.descriptor(), layers=[FOREIGN.descriptor()]
    )
    with pytest.raises(InvalidManifestError):
        push_manifest(repository, without)


def test_a_missing_subject_is_legal(repository: Repository) -> None:
    push(repository, IMAGE.config.content)
    subject = {"mediaType": images.OCI_MANIFEST, "digest": str(ABSENT), "size": 3}
    content = manifest_of(config=IMAGE.config.descriptor(), layers=[], subject=subject)
    assert repository.manifests.exists(push_manifest(repository, content).digest)
