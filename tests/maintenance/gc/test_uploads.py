"""Uploads go when nothing of them was written for long, and nobody writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from regctl.drivers.base import Entry, StorageDriver, Writer
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.forwarding import ForwardingDriver
from regctl.drivers.memory import MemoryDriver
from regctl.errors import DeniedError, PathNotFoundError
from regctl.layout import LAYOUT_ROOT, Layout, PathMapper, RepositoryName, UploadId, specs
from regctl.layout.own import is_registry_temporary
from regctl.maintenance.gc.uploads import (
    Beginnings,
    Ended,
    Upload,
    find_beginnings,
    remove_hidden,
    remove_temporary,
    remove_upload,
)
from regctl.registry.gotime import format_rfc3339
from tests.maintenance.gc.storing import Storages, kill_at_every_step
from tests.objectstore import ObjectsDriver
from tests.registry.storages import (
    NAME,
    PATHS,
    assert_sound,
    begun,
    blob_path,
    data_path,
    digest_of,
    fill,
    objects,
    push,
    snapshot,
    upload_path,
)

CONTENT = bytes(range(200))
HERE = [(NAME, Layout.CURRENT)]
ID = UploadId.parse("11111111-2222-4333-8444-555555555555")
TEMPORARY = ".0f8fad5b-d9cb-469f-a165-70867728950e.tmp"


def find(driver: StorageDriver, *, old: bool = True) -> Beginnings:
    return find_beginnings(driver, HERE, _limit(driver, old=old))


def _limit(driver: StorageDriver, *, old: bool = True) -> float:
    """A time before which all is that was written just now, or nothing."""
    return driver.now() + (100 if old else -100)


def remove(driver: StorageDriver, upload: Upload) -> Ended:
    return remove_upload(driver, upload, _limit(driver))[0]


def start_path(upload: UploadId) -> str:
    return PATHS.path(specs.UploadStartedAt(NAME, upload))


def uploads_left(driver: StorageDriver) -> list[str]:
    """What is left of uploads, hidden or not."""
    root = PATHS.path(specs.Uploads(NAME))
    hidden = [entry.path for entry in driver.unfinished(root)]
    return sorted([*snapshot(driver, root), *hidden])


def test_what_nobody_goes_on_with_is_found_and_removed(storage: StorageDriver) -> None:
    upload = begun(fill(storage), CONTENT)
    other = push(fill(storage), b"a blob").digest
    assert find(storage, old=False).stale == []
    assert find(storage, old=False).young == 1
    found = find(storage)
    assert (len(found.stale), found.young, found.hidden, found.unknown) == (1, 0, [], [])
    (stale,) = found.stale
    assert (stale.repository, stale.id, stale.layout) == (NAME, upload, Layout.CURRENT)
    assert stale.size > len(CONTENT)
    assert remove_upload(storage, stale, _limit(storage)) == (Ended.REMOVED, stale.size)
    assert uploads_left(storage) == []
    assert remove(storage, stale) is Ended.ABSENT
    assert storage.stat(blob_path(other))


@pytest.mark.parametrize("make", [MemoryDriver, ObjectsDriver])
@pytest.mark.parametrize("what", ["startedat", "data", "states"])
def test_one_thing_that_is_young_keeps_it(
    make: type[MemoryDriver | ObjectsDriver], what: str
) -> None:
    time = [1_000_000.0]
    driver: StorageDriver = CheckedDriver(make(lambda: time[0]))
    driver.put(start_path(ID), format_rfc3339(900_000).encode())
    driver.put(PATHS.path(specs.HashState(NAME, ID, "sha256", 0)), b"state")
    with driver.writer(data_path(ID), append=True) as writer:
        writer.write(CONTENT)
    (stale,) = find_beginnings(driver, HERE, 1_000_001).stale
    assert stale.active_at == 1_000_000
    time[0] = 2_000_000
    if what == "startedat":
        time[0] = 1_000_000
        driver.put(start_path(ID), format_rfc3339(2_000_000).encode())
    elif what == "data":
        with driver.writer(data_path(ID), append=True) as writer:
            writer.write(b"more")
    else:
        driver.put(PATHS.path(specs.HashState(NAME, ID, "sha256", 9)), b"state")
    found = find_beginnings(driver, HERE, 1_500_000)
    assert (found.stale, found.young) == ([], 1)
    assert remove_upload(driver, stale, 1_500_000) == (Ended.ACTIVE, 0)
    assert driver.stat(start_path(ID))


def test_a_time_to_come_is_young(storage: StorageDriver) -> None:
    storage.put(start_path(ID), format_rfc3339(storage.now() + 86_400).encode())
    assert find(storage).young == 1


@pytest.mark.parametrize("content", [b"", b"yesterday", b"\xff", b"x" * 99])
def test_a_start_that_is_no_time_does_not_count(storage: StorageDriver, content: bytes) -> None:
    storage.put(start_path(ID), content)
    assert find(storage, old=False).young == 1
    (stale,) = find(storage).stale
    assert remove(storage, stale) is Ended.REMOVED
    assert uploads_left(storage) == []


def test_an_upload_without_its_start_goes_by_the_times_of_its_files(
    storage: StorageDriver,
) -> None:
    upload = begun(fill(storage), CONTENT)
    storage.delete(start_path(upload))
    assert find(storage, old=False).young == 1
    (stale,) = find(storage).stale
    assert remove(storage, stale) is Ended.REMOVED
    assert uploads_left(storage) == []


def test_an_empty_directory_goes_if_it_is_seen_empty_twice(storages: Storages) -> None:
    storage = storages.new()
    if storages.kind == "objects":
        return  # there are no directories
    storage.mkdir(f"{upload_path(ID)}/hashstates")
    (stale,) = find(storage, old=False).stale
    assert stale.active_at is None
    storage.put(start_path(ID), b"just now")
    assert remove(storage, stale) is Ended.ACTIVE
    storage.delete(start_path(ID))
    assert remove(storage, stale) is Ended.REMOVED
    assert uploads_left(storage) == []


def test_what_somebody_writes_is_in_use(storage: StorageDriver) -> None:
    upload = begun(fill(storage), CONTENT)
    (stale,) = find(storage).stale
    with storage.writer(data_path(upload), append=True):
        assert remove(storage, stale) is Ended.IN_USE
    assert storage.stat(start_path(upload))


class _Resumed(ForwardingDriver):
    """A storage where somebody goes on with the upload just before its data is opened."""

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> Writer:
        self._inner.put(start_path(ID), format_rfc3339(self.now() + 500).encode())
        return self._inner.writer(path, append=append, sealed=sealed)


def test_it_is_looked_at_again_when_it_is_nobody_elses(storage: StorageDriver) -> None:
    storage.put(start_path(ID), b"2020-01-01T00:00:00Z")
    with storage.writer(data_path(ID), append=True) as writer:
        writer.write(CONTENT)
    (stale,) = find(storage).stale
    assert remove(_Resumed(storage), stale) is Ended.ACTIVE
    with storage.writer(data_path(ID), append=True) as writer:
        assert writer.size == len(CONTENT)


def test_hidden_data_is_an_upload_without_anything_else(storage: StorageDriver) -> None:
    if not storage.hides_unfinished:
        return
    with storage.writer(data_path(ID), append=True) as writer:
        writer.write(CONTENT)
    found = find_beginnings(storage, [], _limit(storage))
    (stale,) = found.stale
    assert (stale.id, stale.size) == (ID, len(CONTENT))
    assert find_beginnings(storage, [], _limit(storage, old=False)).young == 1
    assert remove(storage, stale) is Ended.REMOVED
    assert uploads_left(storage) == []
    assert remove(storage, stale) is Ended.ABSENT


def test_hidden_beginnings_of_blobs_go_and_the_blob_stays(sealing: StorageDriver) -> None:
    storage = sealing
    push(fill(storage), CONTENT)
    path = blob_path(digest_of(CONTENT))
    with storage.writer(path, append=True, sealed=True) as writer:
        writer.write(b"a beginning")
    young = find(storage, old=False)
    assert (young.hidden, young.young_hidden) == ([], 1)
    (hidden,) = find(storage).hidden
    assert (hidden.path, hidden.size) == (path, 11)
    with storage.writer(path, append=True, sealed=True):
        assert remove_hidden(storage, hidden, _limit(storage)) == (Ended.IN_USE, 0)
    assert remove_hidden(storage, hidden, _limit(storage, old=False)) == (Ended.ABSENT, 0)
    assert remove_hidden(storage, hidden, _limit(storage)) == (Ended.REMOVED, 11)
    assert storage.get(path, 9999) == CONTENT
    assert list(storage.unfinished(LAYOUT_ROOT)) == []


def test_what_is_hidden_elsewhere_is_left_alone() -> None:
    storage = objects()
    paths = [f"{LAYOUT_ROOT}/foreign/data", "/elsewhere/data"]
    for path in paths:
        with storage.writer(path, append=True) as writer:
            writer.write(b"?")
    found = find(storage)
    assert (found.stale, found.hidden, found.unknown) == ([], [], [paths[0]])


def test_uploads_of_the_layout_of_2015(storage: StorageDriver) -> None:
    mapper = PathMapper(Layout.Y2015)
    storage.put(mapper.path(specs.UploadStartedAt(NAME, ID)), b"2015-01-14T02:02:43Z")
    with storage.writer(mapper.path(specs.UploadData(NAME, ID)), append=True) as writer:
        writer.write(CONTENT)
    assert find_beginnings(storage, HERE, _limit(storage)).stale == [] or storage.hides_unfinished
    places = [(NAME, Layout.Y2015)]
    (stale,) = find_beginnings(storage, places, _limit(storage)).stale
    assert stale.layout is Layout.Y2015
    assert remove(storage, stale) is Ended.REMOVED
    assert find_beginnings(storage, places, _limit(storage)).stale == []


def test_what_is_no_upload_stays(storage: StorageDriver) -> None:
    root = PATHS.path(specs.Uploads(NAME))
    storage.put(f"{root}/README", b"?")
    storage.put(f"{root}/not-an-upload/data", b"?")
    outside = "/docker/registry/v1/thing"
    storage.put(outside, b"?")
    assert find(storage).stale == []


class _Refusing(ForwardingDriver):
    def delete_many(self, paths: object) -> Iterator[tuple[str, DeniedError]]:
        assert isinstance(paths, list)
        for path in paths:
            yield path, DeniedError(path)


def test_what_cannot_be_removed_is_an_error(storage: StorageDriver) -> None:
    begun(fill(storage), CONTENT)
    (stale,) = find(storage).stale
    with pytest.raises(DeniedError):
        remove(_Refusing(storage), stale)
    (again,) = find(storage).stale
    assert remove(storage, again) is Ended.REMOVED


def test_temporary_files_of_a_registry(storage: StorageDriver) -> None:
    path = PATHS.path(specs.LayerLink(NAME, digest_of(b""))) + TEMPORARY
    storage.put(path, b"sha256:")
    assert is_registry_temporary(path)
    assert remove_temporary(storage, path, _limit(storage, old=False)) == (Ended.ACTIVE, 0)
    assert remove_temporary(storage, path, _limit(storage)) == (Ended.REMOVED, 7)
    assert remove_temporary(storage, path, _limit(storage)) == (Ended.ABSENT, 0)
    for other in (f"/elsewhere/link{TEMPORARY}", path + "x", f"{LAYOUT_ROOT}/{TEMPORARY}"):
        assert not is_registry_temporary(other)
        with pytest.raises(ValueError, match="no temporary"):
            remove_temporary(storage, other, _limit(storage))


def test_a_kill_at_any_step_leaves_an_upload_that_is_found_again(storages: Storages) -> None:
    ids: dict[int, UploadId] = {}

    def prepare(driver: StorageDriver) -> None:
        ids[id(driver)] = begun(fill(driver), CONTENT)
        push(fill(driver), b"a blob")

    def job(driver: StorageDriver) -> None:
        for stale in find(driver).stale:
            remove(driver, stale)

    def files(driver: StorageDriver) -> list[str]:
        left = uploads_left(driver)
        return [*left, *(path for path in snapshot(driver) if not path.endswith("/"))]

    steps = kill_at_every_step(storages, prepare, job, assert_sound, files)
    assert steps >= 4


def test_a_kill_at_any_step_of_hidden_beginnings() -> None:
    storages = Storages("objects", Path())
    path = blob_path(digest_of(CONTENT))

    def prepare(driver: StorageDriver) -> None:
        push(fill(driver), CONTENT)
        with driver.writer(path, append=True, sealed=True) as writer:
            writer.write(b"a beginning")

    def job(driver: StorageDriver) -> None:
        for hidden in find(driver).hidden:
            remove_hidden(driver, hidden, _limit(driver))

    def look(driver: StorageDriver) -> None:
        assert driver.get(path, 9999) == CONTENT

    def final(driver: StorageDriver) -> list[Entry]:
        return list(driver.unfinished(LAYOUT_ROOT))

    kill_at_every_step(storages, prepare, job, look, final)


def test_repositories_that_are_not_there(storage: StorageDriver) -> None:
    name = RepositoryName.parse("none")
    assert find_beginnings(storage, [(name, Layout.CURRENT)], _limit(storage)) == Beginnings()
    with pytest.raises(PathNotFoundError):
        storage.stat(PATHS.path(specs.Uploads(name)))
