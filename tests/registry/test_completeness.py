"""What an index needs, to any depth: children, their blobs, and blobs of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regctl.errors import (
    InvalidManifestError,
)
from regctl.layout import specs
from regctl.registry import Repository
from regctl.registry.tagging import push_manifest
from tests import images
from tests.images import build_image, build_index
from tests.registry.storages import (
    LATEST,
    NAME,
    PATHS,
    blob_path,
    manifest_of,
    push,
    push_image,
)

IMAGE = build_image(1, size=100)
INDEX = build_index(2, layers=1, size=100)


def test_an_index_needs_its_children(repository: Repository) -> None:
    push_image(repository, INDEX.images[0], None)
    with pytest.raises(InvalidManifestError) as caught:
        push_manifest(repository, INDEX.manifest.content)
    (reason,) = caught.value.reasons
    assert f"manifests[1]: the manifest {INDEX.images[1].digest} is not a revision" in reason
    pushed = push_manifest(repository, INDEX.manifest.content, allow_sparse=True)
    assert repository.manifests.exists(pushed.digest)


def test_a_child_as_a_mere_blob_is_no_revision(repository: Repository) -> None:
    """Its bytes are linked as a layer, and still no registry serves it as a manifest."""
    for image in INDEX.images:
        push(repository, image.manifest.content)
    with pytest.raises(InvalidManifestError) as caught:
        push_manifest(repository, INDEX.manifest.content)
    assert len(caught.value.reasons) == 2


def test_what_the_children_need_is_looked_at(repository: Repository) -> None:
    push_image(repository, INDEX, None)
    missing = INDEX.images[1].layers[0].digest
    repository.driver.delete(blob_path(missing))
    with pytest.raises(InvalidManifestError) as caught:
        push_manifest(repository, INDEX.manifest.content, allow_sparse=True)
    (reason,) = caught.value.reasons
    assert reason.startswith("manifests[1] > layers[0]: ")


def test_sparse_is_not_damaged(repository: Repository) -> None:
    """``--allow-sparse`` is for children that were left out, not for such that were lost."""
    push_image(repository, INDEX, None)
    repository.driver.delete(blob_path(INDEX.images[0].digest))
    with pytest.raises(InvalidManifestError):
        push_manifest(repository, INDEX.manifest.content, allow_sparse=True)


def _nested(repository: Repository, content: bytes) -> bytes:
    revision = push_manifest(repository, content).digest
    descriptor = {"mediaType": images.OCI_INDEX, "digest": str(revision), "size": len(content)}
    return manifest_of(images.OCI_INDEX, manifests=[descriptor])


def test_indexes_in_indexes(repository: Repository) -> None:
    push_image(repository, INDEX)
    content = _nested(repository, _nested(repository, INDEX.manifest.content))
    push_manifest(repository, content)
    repository.driver.delete(PATHS.path(specs.LayerLink(NAME, INDEX.blobs[0].digest)))
    with pytest.raises(InvalidManifestError) as caught:
        push_manifest(repository, content)
    assert caught.value.reasons[0].startswith("manifests[0] > manifests[0] > manifests[0] > ")


def test_indexes_without_end_are_refused(repository: Repository) -> None:
    content = manifest_of(images.OCI_INDEX, manifests=[])
    for _ in range(8):
        content = _nested(repository, content)
    push_manifest(repository, content)
    with pytest.raises(InvalidManifestError, match="nested more than"):
        push_manifest(repository, _nested(repository, content))


def test_a_build_cache_is_an_index_of_blobs(repository: Repository) -> None:
    """BuildKit lists layers and a configuration as the manifests of an index."""
    cache = replace(IMAGE.config, media_type="application/vnd.buildkit.cacheconfig.v0")
    entries = [IMAGE.layers[0].descriptor(), cache.descriptor()]
    content = manifest_of(images.OCI_INDEX, manifests=entries)
    with pytest.raises(InvalidManifestError) as caught:
        push_manifest(repository, content)
    assert len(caught.value.reasons) == 2
    push(repository, IMAGE.layers[0].content)
    push(repository, cache.content)
    push_manifest(repository, content, tag=LATEST)
    repository.driver.delete(blob_path(cache.digest))
    with pytest.raises(InvalidManifestError, match="missing from the storage"):
        push_manifest(repository, content)
