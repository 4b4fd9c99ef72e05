"""The uploads of a repository: listed, taken up by one at a time, cancelled, finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from regctl.drivers.base import StorageDriver
from regctl.errors import (
    DamagedError,
    DigestMismatchError,
    UploadInUseError,
    UploadMismatchError,
)
from regctl.layout import UploadId, specs
from regctl.registry import Repository
from regctl.registry.uploads import UploadNotFoundError
from tests.registry.storages import (
    NAME,
    PATHS,
    begun,
    blob_path,
    digest_of,
    filesystem,
    fill,
    lose_data,
    memory,
    move_data,
    push,
    snapshot,
    upload_path,
)

CONTENT = bytes(range(200))


def test_cancel_removes_everything(driver: StorageDriver, repository: Repository) -> None:
    repository.layers.ensure_directory()
    begun(repository, CONTENT)
    upload = begun(repository, CONTENT)
    repository.uploads.cancel(upload)
    assert not snapshot(driver, upload_path(upload))
    with repository.uploads.create() as opened:
        opened.write(CONTENT)
        opened.cancel()
    assert not snapshot(driver, upload_path(opened.id))
    assert len(list(repository.uploads.list())) == 1
    with pytest.raises(UploadNotFoundError):
        repository.uploads.cancel(upload)


def test_an_upload_without_its_start_can_only_be_cancelled(
    driver: StorageDriver, repository: Repository
) -> None:
    upload = begun(repository, CONTENT)
    driver.delete(PATHS.path(specs.UploadStartedAt(NAME, upload)))
    (info,) = repository.uploads.list()
    assert info.problem is not None
    assert info.started_at is None
    with pytest.raises(UploadNotFoundError, match="no startedat") as caught:
        repository.uploads.resume(upload)
    assert f"uploads cancel {NAME} {upload}" in (caught.value.hint or "")
    repository.uploads.cancel(upload)
    assert list(repository.uploads.list()) == []


@pytest.mark.parametrize("content", [b"", b"yesterday", b"\xff", b"2026-13-01T00:00:00Z"])
def test_a_start_that_is_no_time_is_damage(
    content: bytes, driver: StorageDriver, repository: Repository
) -> None:
    upload = begun(repository, CONTENT)
    driver.put(PATHS.path(specs.UploadStartedAt(NAME, upload)), content)
    with pytest.raises(DamagedError):
        repository.uploads.resume(upload)
    (info,) = repository.uploads.list()
    assert info.problem is not None


def test_uploads_are_listed_with_what_they_hold(repository: Repository) -> None:
    first = begun(repository, CONTENT)
    second = begun(repository, b"")
    found = {info.id: info for info in repository.uploads.list()}
    assert list(found) == sorted(found)
    assert (found[first].size, found[second].size) == (200, 0)
    assert str(found[first].started_at) == "2023-11-14T22:13:20Z"
    assert found[first].problem is None
    assert repository.uploads.get(first) == found[first]
    with pytest.raises(UploadNotFoundError):
        repository.uploads.get(UploadId.new())


def test_a_token_for_another_size_is_refused(driver: StorageDriver, repository: Repository) -> None:
    upload, digest = begun(repository, CONTENT), digest_of(CONTENT)
    before = snapshot(driver)
    for ask in (repository.uploads.resume, repository.uploads.get):
        with pytest.raises(UploadMismatchError, match="199 bytes"):
            ask(upload, offset=199)
    with pytest.raises(UploadMismatchError):
        repository.uploads.finish(upload, digest_of(CONTENT), offset=201)
    assert snapshot(driver) == before
    assert repository.uploads.finish(upload, digest, offset=200).layer.canonical == digest


@pytest.mark.parametrize("where", ["memory", "filesystem"])
def test_two_writers_exclude_each_other(where: str, tmp_path: Path) -> None:
    storage = memory() if where == "memory" else filesystem(tmp_path)
    repository = fill(storage)
    with repository.uploads.create() as upload:
        upload.write(CONTENT)
        upload.checkpoint()
        before = snapshot(storage)
        for ask in (
            lambda: fill(storage).uploads.resume(upload.id),
            lambda: fill(storage).uploads.cancel(upload.id),
            lambda: fill(storage).uploads.finish(upload.id, digest_of(CONTENT)),
        ):
            with pytest.raises(UploadInUseError) as caught:
                ask()
            assert caught.value.exit_code == 6
        assert snapshot(storage) == before
    fill(storage).uploads.resume(upload.id).close()


def test_a_refused_upload_is_given_up(repository: Repository) -> None:
    """Whoever is refused for a wrong token does not keep others off."""
    upload = begun(repository, CONTENT)
    with pytest.raises(UploadMismatchError):
        repository.uploads.resume(upload, offset=1)
    repository.uploads.resume(upload).close()


def test_finish_after_a_run_that_was_lost_when_the_data_had_moved(
    driver: StorageDriver, repository: Repository
) -> None:
    """Law 6: the same command finishes the work, although the upload holds nothing any more."""
    digest = digest_of(CONTENT)
    upload = begun(repository, CONTENT)
    move_data(driver, upload, blob_path(digest))
    with pytest.raises(DigestMismatchError):
        repository.uploads.finish(upload, digest_of(b"something else"))
    with pytest.raises(UploadMismatchError):
        repository.uploads.finish(upload, digest, offset=3)
    assert not repository.layers.exists(digest)
    assert repository.uploads.finish(upload, digest, offset=200).layer.canonical == digest
    assert repository.layers.exists(digest)
    assert not snapshot(driver, upload_path(upload))


def test_an_empty_upload_does_not_become_a_blob_of_others(
    driver: StorageDriver, repository: Repository
) -> None:
    """Law 1: that a blob is in the storage gives nobody a link to it."""
    digest = push(fill(driver, "other/place"), CONTENT).digest
    upload = begun(repository, b"")
    with pytest.raises(DigestMismatchError):
        repository.uploads.finish(upload, digest)
    assert not repository.layers.exists(digest)
    shorter = begun(repository, CONTENT[:64])
    lose_data(driver, shorter)
    with pytest.raises(DigestMismatchError):
        repository.uploads.finish(shorter, digest)
    assert not repository.layers.exists(digest)
