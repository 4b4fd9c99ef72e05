"""One upload: how it grows, what it saves, how it ends. Links, states and data in their order."""

from __future__ import annotations

import itertools

import pytest

from regctl.digest import Digest, libcrypto, sha256
from regctl.drivers.base import StorageDriver
from regctl.errors import (
    DamagedError,
    DigestMismatchError,
    NoSpaceError,
    UnsupportedDigestError,
)
from regctl.layout import specs
from regctl.registry import Repository
from regctl.registry.behind import Behind
from regctl.registry.layers import Layer, LayerNotFoundError
from tests.failing import FailingDriver
from tests.registry.storages import (
    NAME,
    PATHS,
    assert_sound,
    begun,
    blob_path,
    data_path,
    digest_of,
    fill,
    memory,
    push,
    settled,
    snapshot,
    state_of,
    state_path,
    states,
    stored_data,
    upload_path,
    uploads_of,
)
from tests.registry.watching import WatchedDriver

CONTENT = bytes(range(200))
EMPTY = digest_of(b"")


def link_of(driver: StorageDriver, digest: Digest) -> bytes:
    return driver.get(PATHS.path(specs.LayerLink(NAME, digest)), 1000)


def test_a_new_upload_is_one_that_a_registry_can_take_up(
    driver: StorageDriver, repository: Repository
) -> None:
    """Distribution writes ``startedat``, and the state of nothing under the offset 0."""
    with repository.uploads.create() as upload:
        root = upload_path(upload.id)
        files = {p: c for p, c in snapshot(driver, root).items() if not p.endswith("/")}
        # An object store has no data that can be seen before it is complete.
        assert files.pop(f"{root}/data", b"") == b""
        assert files == {
            f"{root}/startedat": b"2023-11-14T22:13:20Z",
            f"{root}/hashstates/sha256/0": state_of(b""),
        }
        assert str(upload.started_at) == "2023-11-14T22:13:20Z"


def test_states_are_saved_as_registries_save_them(
    driver: StorageDriver, repository: Repository
) -> None:
    upload = begun(repository, CONTENT)
    assert states(driver, upload) == {0, 64, 128, 192, 200}
    for offset in states(driver, upload):
        assert driver.get(state_path(upload, offset), 1000) == state_of(CONTENT[:offset])
    assert_sound(driver)


@pytest.mark.parametrize("step", [1, 7, 64, 100, 200])
def test_no_state_is_ever_ahead_of_the_durable_data(step: int) -> None:
    """Law: data, made durable, then the state. After each change this holds."""
    storage = memory()
    durable = 0
    saved = []

    def watch(operation: str, path: str) -> None:
        nonlocal durable
        if operation == "sync":
            durable = storage.stat(path).size
        elif operation == "put" and "/hashstates/" in path:
            saved.append(int(path.rpartition("/")[2]))
            assert saved[-1] <= durable
        assert_sound(storage)

    with uploads_of(fill(WatchedDriver(storage, watch)), 64).create() as upload:
        for at in range(0, len(CONTENT), step):
            upload.write(CONTENT[at : at + step])
    assert saved[0] == 0
    assert saved[-1] == len(CONTENT)
    assert len(saved) <= 2 + len(CONTENT) // 64


def test_nothing_is_visible_before_finish(driver: StorageDriver, repository: Repository) -> None:
    digest = digest_of(CONTENT)
    with repository.uploads.create() as upload:
        upload.write(CONTENT)
        upload.checkpoint()
        assert not repository.layers.exists(digest)
        assert repository.blobs.size(digest) is None
        assert upload.finish(digest).layer == Layer(digest, digest, len(CONTENT))
    assert repository.layers.get(digest).size == len(CONTENT)
    assert driver.get(blob_path(digest), 1000) == CONTENT
    assert list(repository.uploads.list()) == []
    assert not snapshot(driver, upload_path(upload.id))


def test_finish_by_sha512_stores_under_sha256(
    driver: StorageDriver, repository: Repository
) -> None:
    """As registries do: the link under ``sha512/`` says sha256."""
    alias = digest_of(CONTENT, "sha512")
    assert push(repository, CONTENT, alias).digest == alias
    canonical = digest_of(CONTENT)
    assert link_of(driver, alias) == link_of(driver, canonical) == str(canonical).encode()
    assert repository.layers.get(alias).canonical == canonical
    assert repository.blobs.size(alias) is None


def test_zero_bytes_are_a_layer(repository: Repository) -> None:
    pushed = push(repository, b"", EMPTY)
    assert (pushed.digest, pushed.size, pushed.written) == (EMPTY, 0, 0)
    assert repository.layers.get(EMPTY).size == 0


def test_a_mismatch_leaves_the_upload_as_it_was(
    driver: StorageDriver, repository: Repository
) -> None:
    upload = begun(repository, CONTENT)
    before = settled(driver)
    with repository.uploads.resume(upload) as opened:
        opened.seek(*opened.hash_stored())
        with pytest.raises(DigestMismatchError):
            opened.finish(digest_of(b"something else"))
    assert settled(driver) == before
    with pytest.raises(DigestMismatchError):
        repository.uploads.finish(upload, digest_of(b"something else"))
    assert settled(driver) == before
    assert stored_data(driver, data_path(upload)) == CONTENT


@pytest.mark.parametrize("algorithm", ["md5", "sha1"])
def test_old_algorithms_name_nothing_new(repository: Repository, algorithm: str) -> None:
    upload = begun(repository, CONTENT)
    with pytest.raises(UnsupportedDigestError):
        repository.uploads.finish(upload, digest_of(CONTENT, algorithm))
    with pytest.raises(UnsupportedDigestError):
        push(repository, CONTENT, digest_of(CONTENT, algorithm))


def test_finish_where_the_blob_is_there_already(driver: StorageDriver) -> None:
    """The stored blob stays as it is, with its time; the data that came again is dropped."""
    elsewhere = fill(driver, "other/place")
    digest = push(elsewhere, CONTENT).digest
    writes = []
    watched = WatchedDriver(driver, lambda operation, path: writes.append((operation, path)))
    push(fill(watched), CONTENT)
    assert not [each for each in writes if each[1] == blob_path(digest)]
    assert fill(driver).layers.exists(digest)
    assert "/_uploads/" not in "".join(p for p in snapshot(driver) if not p.endswith("/"))


def test_finish_where_a_blob_of_another_size_is_in_the_way(
    driver: StorageDriver, repository: Repository
) -> None:
    digest = digest_of(CONTENT)
    driver.put(blob_path(digest), CONTENT[:-1])
    with pytest.raises(DamagedError, match="199 bytes, its content 200"):
        push(repository, CONTENT)
    with pytest.raises(LayerNotFoundError):
        repository.layers.get(digest)
    assert driver.get(blob_path(digest), 1000) == CONTENT[:-1]
    assert [info.size for info in repository.uploads.list()] == [len(CONTENT)]


def test_a_blob_that_vanishes_before_it_is_linked_is_stored_again(driver: StorageDriver) -> None:
    """Law 7: a collector takes the blob after the look and before the link."""
    digest = push(fill(driver, "other/place"), CONTENT).digest
    link = PATHS.path(specs.LayerLink(NAME, digest))
    taken: list[str] = []

    def collect(operation: str, path: str) -> None:
        if (operation, path) == ("put", link) and not taken:
            taken.append(path)
            driver.delete(blob_path(digest))

    push(fill(WatchedDriver(driver, collect)), CONTENT)
    assert taken
    assert driver.get(blob_path(digest), 1000) == CONTENT
    assert_sound(driver)


def test_a_full_storage_keeps_what_is_stored(driver: StorageDriver) -> None:
    """No checkpoint is tried after a failure of the storage: it would hide the failure."""
    failing = FailingDriver(driver, 8, lambda: NoSpaceError("the disk is full"), torn=True)
    with pytest.raises(NoSpaceError, match="full"):
        push(fill(failing), CONTENT, step=50)
    assert_sound(driver)
    repository = fill(driver)
    (info,) = repository.uploads.list()
    assert 0 < info.size < len(CONTENT)
    repository.uploads.resume(info.id).close()


def test_an_interrupt_while_hashing_saves_no_wrong_state(
    driver: StorageDriver, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal is delivered right after the call in which it came: mostly that of libcrypto.

    The bytes are hashed then, and were not yet counted: a state saved under the old count was
    wrong, and no file began with it any more.
    """
    library = libcrypto.load()
    assert library is not None
    interrupted = False

    def update(*arguments: object) -> int:
        done = library.sha256_update(*arguments)
        if interrupted:
            raise KeyboardInterrupt
        return done

    hooked = libcrypto.Libcrypto(library.sha256_init, update, library.sha256_final)
    monkeypatch.setattr(sha256, "_library", lambda: hooked)
    with repository.uploads.create() as upload:
        upload.write(CONTENT[:70])
        interrupted = True
        with pytest.raises(KeyboardInterrupt):
            upload.write(CONTENT[70:])
    monkeypatch.undo()
    assert states(driver, upload.id) == {0, 200}
    assert_sound(driver)


@pytest.mark.parametrize("count", [130, 1 << 20], ids=["small piece", "large piece"])
def test_an_interrupt_between_writing_and_hashing_leaves_a_state_for_all_that_is_stored(
    driver: StorageDriver, repository: Repository, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a state at the data's size no registry can go on with the upload."""

    def interrupt(_behind: Behind, _data: memoryview) -> None:
        raise KeyboardInterrupt

    with repository.uploads.create() as upload:
        upload.write(CONTENT)
        monkeypatch.setattr(Behind, "__call__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            upload.write(bytes(count))
    monkeypatch.undo()
    assert states(driver, upload.id) == {0, len(CONTENT) + count}
    assert_sound(driver)


class _Interrupting:
    """Interrupts after the change number ``at`` that follows the first write."""

    def __init__(self, at: int) -> None:
        self._left = at
        self._counts = False

    def __call__(self, operation: str, path: str) -> None:
        self._counts |= operation == "write"
        self._left -= self._counts
        if not self._left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("exists", [False, True], ids=["new blob", "known blob"])
@pytest.mark.parametrize("end", ["finish", "cancel"])
def test_an_interrupt_at_any_change_is_an_interrupt(end: str, exists: bool) -> None:
    """While an upload ends, no state is saved any more: not into what was just removed.

    The attempt hid the interrupt behind an error of the closed writer, and brought back a
    directory of the upload without its start.
    """
    for at in itertools.count(1):
        storage = memory()
        if exists:
            push(fill(storage, "other/place"), CONTENT)
        try:
            with fill(WatchedDriver(storage, _Interrupting(at))).uploads.create() as upload:
                upload.write(CONTENT)
                upload.finish() if end == "finish" else upload.cancel()
        except KeyboardInterrupt:
            pass
        else:
            break
        assert_sound(storage)
        for info in fill(storage).uploads.list():
            if snapshot(storage, upload_path(info.id)):
                fill(storage).uploads.resume(info.id).close()
        push(fill(storage), CONTENT)
    assert at > 3
