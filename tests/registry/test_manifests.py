"""Manifest revisions: kept as they came, there if their link is."""

from __future__ import annotations

import pytest

from regctl.drivers.base import StorageDriver
from regctl.errors import (
    DamagedError,
)
from regctl.layout import specs
from regctl.registry import Repository
from regctl.registry.manifests import RevisionNotFoundError
from tests.images import build_image
from tests.registry.storages import (
    NAME,
    PATHS,
    blob_path,
    digest_of,
    fill,
    push_image,
    revision_link,
    snapshot,
)

IMAGE = build_image(1, size=100)
ABSENT = digest_of(b"absent")


def test_a_manifest_is_kept_as_it_came(repository: Repository) -> None:
    content = b' {"schemaVersion":2 ,\n"x":1.0}\n'
    revision = digest_of(content)
    repository.manifests.put(revision, content)
    repository.manifests.put(revision, content)
    assert repository.manifests.get(revision) == content
    assert repository.manifests.size(revision) == len(content)
    assert list(repository.manifests.list()) == [revision]


def test_a_revision_is_there_if_its_link_is(driver: StorageDriver) -> None:
    """A registry's DELETE removes the link file only; the blob is others' as well."""
    fill(driver, "other/place").manifests.put(digest_of(b"{}"), b"{}")
    manifests = fill(driver).manifests
    driver.mkdir(revision_link(digest_of(b"{}")).rpartition("/")[0])
    assert not manifests.exists(digest_of(b"{}"))
    assert list(manifests.list()) == []
    for ask in (manifests.get, manifests.resolve, manifests.size, manifests.remove):
        with pytest.raises(RevisionNotFoundError):
            ask(digest_of(b"{}"))


def test_a_revision_without_its_blob_is_damage(repository: Repository) -> None:
    repository.manifests.link(ABSENT)
    assert not repository.manifests.exists(ABSENT)
    for ask in (repository.manifests.get, repository.manifests.size):
        with pytest.raises(DamagedError, match="missing"):
            ask(ABSENT)


def test_a_damaged_manifest_is_not_given_out(repository: Repository) -> None:
    revision = push_image(repository, IMAGE)
    repository.driver.put(blob_path(revision), IMAGE.manifest.content.replace(b"2", b"3", 1))
    with pytest.raises(DamagedError, match="has the digest"):
        repository.manifests.get(revision)
    repository.driver.put(blob_path(revision), b"")
    with pytest.raises(DamagedError):
        repository.manifests.parse(revision)


def test_a_huge_manifest_is_not_read(repository: Repository) -> None:
    repository.manifests.put(digest_of(b"x" * 100), b"x" * 100)
    with pytest.raises(DamagedError, match="100 bytes; more than 99"):
        repository.manifests.get(digest_of(b"x" * 100), 99)


def test_remove_takes_the_signatures_along(repository: Repository) -> None:
    revision = push_image(repository, IMAGE, None)
    signature = digest_of(b"signature")
    path = PATHS.path(specs.SignatureLink(NAME, revision, signature))
    repository.driver.put(path, str(signature).encode())
    assert repository.signatures.list(revision) == [signature]
    repository.manifests.remove(revision)
    assert not repository.manifests.exists(revision)
    assert not [
        p for p in snapshot(repository.driver) if f"/sha256/{revision.hex}" in p and "_m" in p
    ]
    assert repository.blobs.size(revision) == len(IMAGE.manifest.content)
