"""Which repositories there are, in which layout, and whether the storage is a registry's at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regctl.drivers.base import Entry, StorageDriver
from regctl.errors import ConfigurationError, DamagedError, ReadOnlyLayoutError, StorageError
from regctl.layout import LAYOUT_ROOT, Layout, PathMapper, RepositoryName, Tag, specs
from regctl.registry import Repository
from regctl.registry.catalog import Catalog, layout_of
from regctl.registry.links import write_link
from regctl.registry.registry import RepositoryNotFoundError
from tests.failing import FailingDriver
from tests.images import build_image
from tests.registry.storages import (
    NAME,
    begun,
    digest_of,
    filesystem,
    fill,
    memory,
    objects,
    push_image,
    registry_on,
    snapshot,
    upload_path,
)

ROOT = f"{LAYOUT_ROOT}/repositories"
IMAGE = build_image(1, layers=1, size=50)
OLD = PathMapper(Layout.Y2015)
REVISION = digest_of(b"a manifest")
TARSUM_LINK = f"layers/tarsum/v1/sha256/{'ab' * 32}/link"


@pytest.fixture
def directories(tmp_path: Path) -> StorageDriver:
    """A storage that has empty directories."""
    return filesystem(tmp_path)


def catalog(driver: StorageDriver) -> Catalog:
    return registry_on(driver).catalog()


def listed(driver: StorageDriver) -> list[str]:
    return [str(entry.name) for entry in catalog(driver).listed]


def make_2015(driver: StorageDriver, name: str) -> None:
    """A repository as the 2015 code left it: a layer, a revision, a tag."""
    repository = RepositoryName.parse(name)
    driver.put(f"{ROOT}/{name}/{TARSUM_LINK}", b"tarsum.v1+sha256:" + b"ab" * 32)
    for spec in (
        specs.RevisionLink(repository, REVISION),
        specs.TagIndexEntryLink(repository, Tag.parse("t"), REVISION),
        specs.TagCurrentLink(repository, Tag.parse("t")),
    ):
        write_link(driver, OLD.path(spec), REVISION)


# --- the catalog -------------------------------------------------------------------------------


def test_an_empty_storage_has_no_repositories(driver: StorageDriver) -> None:
    assert catalog(driver).entries == {}
    assert listed(driver) == []


def test_repositories_lie_in_one_another(driver: StorageDriver) -> None:
    for name in ("a", "a/b", "a/b/c/d", "z"):
        push_image(fill(driver, name), IMAGE)
    found = catalog(driver)
    assert listed(driver) == ["a", "a/b", "a/b/c/d", "z"]
    assert found.layouts == {Layout.CURRENT}
    assert (found.misnamed, found.symlinks) == ([], [])
    assert all(each.has_layers and each.has_manifests for each in found.listed)


def test_what_either_registry_lists_is_listed(directories: StorageDriver) -> None:
    """2.8 goes by ``_layers``, 3.x by ``_manifests``; what has uploads only is on no list."""
    for path in ("two/_layers", "three/_manifests", "neither/_uploads", "none/at/all"):
        directories.mkdir(f"{ROOT}/{path}")
    assert listed(directories) == ["three", "two"]
    entries = {str(name): entry for name, entry in catalog(directories).entries.items()}
    assert set(entries) == {"two", "three", "neither"}
    assert entries["two"].has_layers
    assert not entries["two"].has_manifests
    assert entries["three"].has_manifests
    assert entries["neither"].has_uploads
    assert not entries["neither"].is_listed


def test_an_upload_alone_is_known_and_not_listed(driver: StorageDriver) -> None:
    fill(driver, "just/begun").uploads.create().close()
    assert listed(driver) == []
    assert [str(name) for name in catalog(driver).entries] == ["just/begun"]
    assert (
        len(list(registry_on(driver).repository(RepositoryName("just/begun")).uploads.list())) == 1
    )


def test_names_that_are_words_of_the_layout(driver: StorageDriver) -> None:
    """``a/manifests/tags`` is a fine name, and no proof that ``a`` is of 2015."""
    names = ["a/layers", "a/layers/tarsum", "a/manifests/revisions", "a/manifests/tags", "uploads"]
    for name in names:
        push_image(fill(driver, name), IMAGE)
    found = catalog(driver)
    assert listed(driver) == names
    assert found.layouts == {Layout.CURRENT}
    assert layout_of(driver, RepositoryName("a")) == set()
    with pytest.raises(RepositoryNotFoundError):
        registry_on(driver).repository(RepositoryName("a"))


def test_a_tree_of_2015(driver: StorageDriver) -> None:
    for name in ("a", "a/manifests", "team/b"):
        make_2015(driver, name)
    found = catalog(driver)
    assert listed(driver) == ["a", "a/manifests", "team/b"]
    assert found.layouts == {Layout.Y2015}
    assert all(entry.layout is Layout.Y2015 for entry in found.listed)
    assert all(entry.has_layers and entry.has_manifests for entry in found.listed)
    repository = registry_on(driver).repository(RepositoryName("a"))
    assert repository.tags.get(Tag("t")) == REVISION
    assert list(repository.manifests.list()) == [REVISION]
    assert [str(each) for each in repository.layers.list()] == ["tarsum.v1+sha256:" + "ab" * 32]


def test_a_tree_of_2015_is_not_written(driver: StorageDriver) -> None:
    make_2015(driver, "a")
    registry = registry_on(driver)
    before = snapshot(driver)
    for refuse, name in (
        (registry.repository_to_change, "a"),
        (registry.repository_to_fill, "a"),
        (registry.repository_to_fill, "new"),
    ):
        with pytest.raises(ReadOnlyLayoutError) as caught:
            refuse(RepositoryName(name))
        assert caught.value.exit_code == 6
    assert snapshot(driver) == before


def test_both_layouts_in_one_storage(driver: StorageDriver) -> None:
    make_2015(driver, "old")
    push_image(fill_in(driver, "new"), IMAGE)
    assert listed(driver) == ["new", "old"]
    assert catalog(driver).layouts == {Layout.CURRENT, Layout.Y2015}
    registry_on(driver).repository_to_fill(RepositoryName("another"))
    with pytest.raises(ReadOnlyLayoutError):
        registry_on(driver).repository_to_change(RepositoryName("old"))


def fill_in(driver: StorageDriver, name: str) -> Repository:
    """A repository of the current layout beside old ones: there is one already."""
    driver.put(f"{ROOT}/{name}/_layers/sha256/{'ab' * 32}/link", b"sha256:" + b"ab" * 32)
    return fill(driver, name)


def test_a_repository_in_both_layouts_is_read_in_the_current(driver: StorageDriver) -> None:
    make_2015(driver, "a")
    driver.put(f"{ROOT}/a/_layers/sha256/{'ab' * 32}/link", b"sha256:" + b"ab" * 32)
    repository = registry_on(driver).repository(RepositoryName("a"))
    assert repository.is_mixed
    assert repository.mapper.layout is Layout.CURRENT
    assert repository.tags.list() == []
    (entry,) = catalog(driver).listed
    assert entry.layouts == {Layout.CURRENT, Layout.Y2015}
    assert entry.layout is Layout.CURRENT
    with pytest.raises(ReadOnlyLayoutError):
        registry_on(driver).repository_to_change(RepositoryName("a"))


def test_an_old_repository_around_a_current_one(driver: StorageDriver) -> None:
    """The links of 2015 are proof enough, whatever repository lies below their directories."""
    make_2015(driver, "a")
    push_image(fill_in(driver, "a/manifests/tags"), IMAGE)
    assert listed(driver) == ["a", "a/manifests/tags"]
    assert layout_of(driver, RepositoryName("a")) == {Layout.Y2015}
    assert layout_of(driver, RepositoryName("a/manifests/tags")) == {Layout.CURRENT}


def test_misnamed_directories_are_reported_once(driver: StorageDriver) -> None:
    for name in ("Upper", "a/_x", "a..b"):
        for part in ("_layers", "_manifests/revisions"):
            for digest in ("ab" * 32, "cd" * 32):
                driver.put(f"{ROOT}/{name}/{part}/sha256/{digest}/link", b"sha256:")
    found = catalog(driver)
    assert found.entries == {}
    assert sorted(found.misnamed) == [f"{ROOT}/Upper", f"{ROOT}/a..b", f"{ROOT}/a/_x"]


def test_stray_files_do_not_matter(driver: StorageDriver) -> None:
    push_image(fill(driver, "a"), IMAGE)
    for path in ("README", "a/notes.txt", "a/_layers/README", "b/link", "b/layers/x"):
        driver.put(f"{ROOT}/{path}", b"stray")
    assert listed(driver) == ["a"]
    assert catalog(driver).misnamed == []


def test_symlinks_are_reported_and_not_followed(tmp_path: Path) -> None:
    driver = filesystem(tmp_path)
    push_image(fill(driver, "a"), IMAGE)
    os.symlink(tmp_path / ROOT[1:] / "a", tmp_path / ROOT[1:] / "b")
    assert listed(driver) == ["a"]
    assert catalog(driver).symlinks == [f"{ROOT}/b"]
    with pytest.raises((RepositoryNotFoundError, StorageError)):
        registry_on(driver).repository(RepositoryName("b"))


def test_a_storage_that_cannot_be_listed_is_not_empty() -> None:
    """Law 5: no error is taken for an absence."""

    class Broken(FailingDriver):
        def walk(
            self,
            path: str,
            *,
            stat: bool = True,
            descend: Callable[[Entry], bool] | None = None,
        ) -> Iterator[Entry]:
            raise DamagedError("input/output error")

        def list(self, path: str) -> list[Entry]:
            raise DamagedError("input/output error")

    broken = registry_on(Broken(memory(), 1))
    for ask in (
        broken.catalog,
        broken.check_root,
        lambda: broken.repository(RepositoryName("a")),
        lambda: broken.repository_to_fill(RepositoryName("a")),
    ):
        with pytest.raises(DamagedError):
            ask()


# --- the root ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "paths",
    [
        [],
        ["regctl/tmp"],
        ["lost+found"],
        ["lost+found", "regctl"],
        ["docker"],
        ["docker/registry"],
        ["docker/registry", "lost+found"],
        ["docker/registry/v2"],
        ["docker/registry/v2/repositories/a", "scheduler-state.json/"],
        ["docker/registry/v2", "some/thing/else"],
    ],
    ids=" ".join,
)
def test_a_root_that_is_a_registrys(paths: list[str], directories: StorageDriver) -> None:
    for path in paths:
        directories.mkdir("/" + path.rstrip("/"))
    registry_on(directories).check_root()


@pytest.mark.parametrize(
    "paths",
    [
        ["etc"],
        ["regctl", "home/user"],
        ["docker/overlay2"],
        ["docker/registry/v1"],
        ["docker/registry/v1", "docker/registry/x"],
        ["docker", "containers"],
        ["registry/v2"],
        ["repositories/a/_layers"],
    ],
    ids=" ".join,
)
def test_a_root_that_is_none(paths: list[str], directories: StorageDriver) -> None:
    for path in paths:
        directories.mkdir("/" + path)
    with pytest.raises(ConfigurationError) as caught:
        registry_on(directories).check_root()
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("path", ["docker", "docker/registry", "docker/registry/v2"])
def test_a_file_in_the_way_is_no_registry(path: str, tmp_path: Path) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_bytes(b"a file")
    with pytest.raises((ConfigurationError, StorageError)):
        registry_on(filesystem(tmp_path)).check_root()


def test_a_repository_that_is_not_there(driver: StorageDriver) -> None:
    push_image(fill(driver, "a/b"), IMAGE)
    for name in ("a", "b", "a/b/c"):
        for ask in (registry_on(driver).repository, registry_on(driver).repository_to_change):
            with pytest.raises(RepositoryNotFoundError) as caught:
                ask(RepositoryName(name))
            assert caught.value.exit_code == 3


def test_a_repository_of_which_only_hidden_data_is_left() -> None:
    """A registry's purge deletes the objects of an upload, and not what is kept apart of it."""
    driver = objects()
    upload = begun(fill(driver), b"content")
    root = upload_path(upload)
    for path in snapshot(driver, root):
        driver.delete(path)
    registry = registry_on(driver)
    assert not registry.catalog().entries
    (entry,) = registry.catalog(hidden=True).entries.values()
    assert (entry.name, entry.has_uploads, entry.is_listed) == (NAME, True, False)
    uploads = registry.repository_to_change(NAME, layers=True).uploads
    assert [(info.id, info.size) for info in uploads.list()] == [(upload, 7)]
    uploads.cancel(upload)
    assert not registry.catalog(hidden=True).entries
    with pytest.raises(RepositoryNotFoundError):
        registry.repository(NAME)
