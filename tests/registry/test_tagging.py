"""Giving a tag: only to what is whole, also while a collector is at work."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from regctl.drivers.base import StorageDriver
from regctl.errors import (
    DamagedError,
    UnavailableError,
    UsageError,
)
from regctl.layout import Reference, specs
from regctl.manifest import Waiver
from regctl.registry import Repository
from regctl.registry.manifests import RevisionNotFoundError
from regctl.registry.tagging import DanglingTagError, named_by, push_manifest, revision_of, set_tag
from regctl.registry.tags import TagNotFoundError
from tests import images
from tests.images import build_image, build_index
from tests.registry.storages import (
    LATEST,
    NAME,
    PATHS,
    blob_path,
    digest_of,
    fill,
    manifest_of,
    memory,
    push_image,
    revision_link,
)
from tests.registry.watching import WatchedDriver

IMAGE = build_image(1, size=100)
INDEX = build_index(2, layers=1, size=100)
ABSENT = digest_of(b"absent")


def _collected(driver: StorageDriver, when: str, what: str) -> StorageDriver:
    """A driver under which ``what`` is removed once ``when`` has been written."""

    def collect(operation: str, path: str) -> None:
        if (operation, path) == ("put", when):
            driver.delete(what)

    return WatchedDriver(driver, collect)


COLLECTED: dict[str, Callable[[], tuple[str, str]]] = {
    "a layer": lambda: (
        PATHS.path(specs.LayerLink(NAME, INDEX.blobs[0].digest)),
        blob_path(INDEX.blobs[0].digest),
    ),
    "a child": lambda: (revision_link(INDEX.images[0].digest), blob_path(INDEX.images[0].digest)),
    "the manifest": lambda: (revision_link(INDEX.digest), blob_path(INDEX.digest)),
    "the revision": lambda: (revision_link(INDEX.digest), revision_link(INDEX.digest)),
}


@pytest.mark.parametrize("name", COLLECTED)
@pytest.mark.parametrize(
    "run",
    [
        lambda repository: push_manifest(repository, INDEX.manifest.content, tag=LATEST),
        lambda repository: set_tag(repository, LATEST, INDEX.digest),
    ],
    ids=["push", "tag"],
)
def test_what_is_collected_meanwhile_gets_no_tag(
    name: str, run: Callable[[Repository], object]
) -> None:
    """Law 7: who relies on what is there looks again after writing the link."""
    driver = memory()
    push_image(fill(driver), INDEX, None)
    repository = fill(_collected(driver, *COLLECTED[name]()))
    with pytest.raises(UnavailableError):
        run(repository)
    assert fill(driver).tags.list() == []


def test_set_tag_moves_to_what_is_whole(repository: Repository) -> None:
    push_image(repository, IMAGE)
    push_image(repository, INDEX, None)
    set_tag(repository, LATEST, INDEX.digest)
    assert repository.tags.get(LATEST) == INDEX.digest
    repository.driver.delete(blob_path(IMAGE.layers[1].digest))
    repository.driver.delete(PATHS.path(specs.LayerLink(NAME, IMAGE.layers[0].digest)))
    with pytest.raises(DamagedError, match="not complete") as caught:
        set_tag(repository, LATEST, IMAGE.digest)
    assert "layers[0]" in caught.value.message
    assert "layers[1]" in caught.value.message
    assert repository.tags.get(LATEST) == INDEX.digest
    with pytest.raises(RevisionNotFoundError):
        set_tag(repository, LATEST, ABSENT)


def test_set_tag_to_a_sparse_index(repository: Repository) -> None:
    push_manifest(repository, INDEX.manifest.content, allow_sparse=True)
    with pytest.raises(DamagedError):
        set_tag(repository, LATEST, INDEX.digest)
    set_tag(repository, LATEST, INDEX.digest, allow_sparse=True)
    assert repository.tags.get(LATEST) == INDEX.digest


@pytest.mark.parametrize("child", [False, True], ids=["itself", "a child"])
def test_renewing_a_link_keeps_what_it_says(repository: Repository, child: bool) -> None:
    """A revision by sha512 is linked to its blob under sha256: the link must go on saying so."""
    alias = digest_of(IMAGE.manifest.content, "sha512")
    push_image(repository, IMAGE)
    repository.driver.put(revision_link(alias), str(IMAGE.digest).encode())
    if child:
        entry = {**IMAGE.manifest.descriptor(), "digest": str(alias)}
        content = manifest_of(images.OCI_INDEX, manifests=[entry])
        push_manifest(repository, content, waivers={Waiver.DIGEST_ALGORITHM})
    else:
        set_tag(repository, LATEST, alias)
    assert repository.manifests.get(alias) == IMAGE.manifest.content


def test_what_a_reference_names(repository: Repository) -> None:
    push_image(repository, IMAGE)
    assert revision_of(repository, Reference(NAME, tag=LATEST)) == IMAGE.digest
    assert revision_of(repository, Reference(NAME, digest=IMAGE.digest)) == IMAGE.digest
    assert named_by(repository, LATEST) == IMAGE.digest
    with pytest.raises(UsageError):
        revision_of(repository, Reference(NAME))
    with pytest.raises(RevisionNotFoundError):
        revision_of(repository, Reference(NAME, digest=ABSENT))
    repository.tags.set(LATEST, ABSENT)
    with pytest.raises(DanglingTagError) as caught:
        revision_of(repository, Reference(NAME, tag=LATEST))
    assert caught.value.exit_code == 5
    repository.tags.remove(LATEST)
    assert named_by(repository, LATEST) is None
    with pytest.raises(TagNotFoundError):
        revision_of(repository, Reference(NAME, tag=LATEST))
