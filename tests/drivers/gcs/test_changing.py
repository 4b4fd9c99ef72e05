"""Writing, moving and removing objects, on conditions and by the hundred."""

from __future__ import annotations

import threading

import pytest

from regctl.drivers.gcs.driver import GCSDriver
from regctl.drivers.gcs.errors import NoSuchBucketError
from regctl.drivers.objects.leases import LostRaceError
from regctl.drivers.objects.ranged import ContentChangedError
from regctl.errors import (
    DamagedError,
    DeniedError,
    PathExistsError,
    PathNotFoundError,
    UnavailableError,
)
from tests.drivers.gcs.conftest import put, stored
from tests.servers.faults import Answer, CutRequest, FaultProxy, LoseAnswer
from tests.servers.gcs import FakeGCS, StorageEmulator
from tests.servers.gcs_fixtures import GCSOpener
from tests.servers.gcs_json import GCSServer


@pytest.mark.parametrize("fault", [LoseAnswer(), Answer(503, forward=True), CutRequest(10)])
@pytest.mark.parametrize("if_absent", [True, False])
def test_lost_answer_to_a_put(
    proxy: FaultProxy, faulty: GCSDriver, fault: LoseAnswer, if_absent: bool
) -> None:
    """A conditional write that comes back as 412 may be our own: then it is a success."""
    proxy.inject(fault, method="POST")
    faulty.put("/a/b", b"content", if_absent=if_absent)
    assert faulty.get("/a/b", 99) == b"content"
    with pytest.raises(PathExistsError):
        faulty.put("/a/b", b"content", if_absent=True)


def test_another_was_first(gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver) -> None:
    """The same content, and not our write: somebody else has won."""
    put(gcs_server.bucket, faulty, "/a/b", b"content")
    proxy.inject(LoseAnswer(), method="POST")
    with pytest.raises(PathExistsError):
        faulty.put("/a/b", b"content", if_absent=True)


def test_lost_answer_to_a_delete(proxy: FaultProxy, faulty: GCSDriver) -> None:
    """What is gone when the delete is repeated, the delete has removed."""
    faulty.put("/a/b", b"x")
    proxy.inject(LoseAnswer(), method="DELETE")
    faulty.delete("/a/b")
    with pytest.raises(PathNotFoundError):
        faulty.delete("/a/b")


def test_corrupted_on_the_way(gcs_server: GCSServer, faulty: GCSDriver, proxy: FaultProxy) -> None:
    """The server is told the crc32c, and refuses what has another."""
    proxy.inject(Answer(400, '{"error": {"message": "Provided crc32c does not match"}}'))
    with pytest.raises(Exception, match="Provided crc32c"):
        faulty.put("/a/b", b"x")


@pytest.mark.parametrize("calls", [1, 5])
def test_move_in_several_calls(gcs_server: GCSServer, gcs_driver: GCSDriver, calls: int) -> None:
    gcs_driver.put("/a/b", b"0123456789")
    gcs_server.bucket.rewrite_bytes = 10 // calls
    gcs_driver.move("/a/b", "/x/y z/ü")
    assert gcs_driver.requests()["objects.rewrite"] == calls
    assert gcs_driver.get("/x/y z/ü", 99) == b"0123456789"
    assert stored(gcs_server, gcs_driver, "/x/y z/ü").content_type == "application/octet-stream"


@pytest.mark.parametrize("nth", [1, 2])
def test_move_with_lost_answers(
    gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver, nth: int
) -> None:
    faulty.put("/a/b", b"0123456789")
    proxy.inject(LoseAnswer(), method="POST", path="rewriteTo", nth=nth)
    proxy.inject(LoseAnswer(), method="DELETE")
    if nth == 2:
        proxy.inject(Answer(503), method="POST", path="rewriteTo")
    faulty.move("/a/b", "/c")
    assert faulty.get("/c", 99) == b"0123456789"
    with pytest.raises(PathNotFoundError):
        faulty.stat("/a/b")


@pytest.mark.parametrize("replaced", [True, False])
def test_source_changes_while_it_is_moved(
    gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver, replaced: bool
) -> None:
    """Never is a mixture at the target, and what came to the source meanwhile stays."""
    from tests.servers.faults import Hold

    faulty.put("/a/b", b"0123456789")
    gcs_server.bucket.rewrite_bytes = 5
    proxy.inject(Hold(), method="POST", path="rewriteTo", nth=2)
    errors: list[BaseException] = []

    def move() -> None:
        try:
            faulty.move("/a/b", "/c")
        except ContentChangedError as error:
            errors.append(error)

    thread = threading.Thread(target=move)
    thread.start()
    proxy.wait_for(2, path="rewriteTo")
    if replaced:
        put(gcs_server.bucket, faulty, "/a/b", b"another")
    else:
        gcs_server.bucket.delete(faulty.store.keys.key("/a/b"))
    proxy.release()
    thread.join()
    assert len(errors) == 1
    with pytest.raises(PathNotFoundError):
        faulty.stat("/c")
    if replaced:
        assert faulty.get("/a/b", 99) == b"another"


def test_source_replaced_before_it_is_removed(
    gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver
) -> None:
    from tests.servers.faults import Hold

    faulty.put("/a/b", b"old")
    proxy.inject(Hold(), method="DELETE")
    thread = threading.Thread(target=faulty.move, args=("/a/b", "/c"))
    thread.start()
    proxy.wait_for(1, method="DELETE")
    put(gcs_server.bucket, faulty, "/a/b", b"new")
    proxy.release()
    thread.join()
    assert faulty.get("/a/b", 9) == b"new"
    assert faulty.get("/c", 9) == b"old"


def test_copy_that_is_another(proxy: FaultProxy, faulty: GCSDriver) -> None:
    """The source stays where the target is not what it should be."""
    faulty.put("/a/b", b"old")
    body = (
        '{"done": true, "resource": {"name": "c", "size": "3", "generation": "1",'
        ' "crc32c": "AAAAAA=="}}'
    )
    proxy.inject(Answer(200, body, "application/json"), method="POST", path="rewriteTo")
    with pytest.raises(DamagedError):
        faulty.move("/a/b", "/c")
    assert faulty.get("/a/b", 9) == b"old"


def fill(server: GCSServer, driver: GCSDriver, count: int) -> list[str]:
    paths = [f"/a/{number}%2F ü" for number in range(count)]
    for path in paths:
        put(server.bucket, driver, path, b"x")
    return paths


def test_delete_in_batches(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """A hundred by one request; what is absent is no error."""
    paths = fill(gcs_server, gcs_driver, 250)
    wanted = [*paths, "/none", "/bad/\udcff"]
    assert sorted(gcs_driver.delete_many(wanted)) == sorted((path, None) for path in wanted)
    assert gcs_driver.requests() == {"batch": 3}
    assert not gcs_server.bucket.objects


def test_delete_without_batches(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """A server that knows no batches is asked once."""
    gcs_server.takes_batches = False
    paths = fill(gcs_server, gcs_driver, 30)
    assert {error for _, error in gcs_driver.delete_many(paths)} == {None}
    assert {error for _, error in gcs_driver.delete_many(fill(gcs_server, gcs_driver, 3))} == {None}
    assert gcs_driver.requests() == {"batch": 1, "objects.delete": 33}
    assert not gcs_server.bucket.objects


@pytest.mark.parametrize("which", ["fake_gcs", "storage_emulator"])
def test_delete_on_the_emulators(
    which: str, request: pytest.FixtureRequest, open_driver_at: GCSOpener
) -> None:
    """One of them answers in parts that do not name their request."""
    server: FakeGCS | StorageEmulator = request.getfixturevalue(which)
    driver = open_driver_at(server.url)
    for number in range(5):
        driver.put(f"/a/{number}", b"x")
    wanted = [f"/a/{number}" for number in range(7)]
    assert sorted(driver.delete_many(wanted)) == [(path, None) for path in wanted]
    assert list(driver.walk("/")) == []
    assert driver.requests()["batch"] == 1


def batch_answer(*statuses: int) -> Answer:
    parts = "".join(
        f"--B\r\nContent-Type: application/http\r\nContent-ID: <response-x+{number}>\r\n\r\n"
        f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\r\n"
        f'{{"error": {{"message": "said {number}"}}}}\r\n'
        for number, status in enumerate(statuses)
    )
    return Answer(200, f"{parts}--B--\r\n", "multipart/mixed; boundary=B")


def test_a_batch_that_is_answered_with_nothing(
    gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver
) -> None:
    """200 without an answer for each is no success of any."""
    paths = fill(gcs_server, faulty, 4)
    proxy.inject(batch_answer(204, 204, 204))
    assert {error for _, error in faulty.delete_many(paths)} == {None}
    assert proxy.count(method="DELETE") == 4
    assert not gcs_server.bucket.objects


def test_errors_in_a_batch(gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver) -> None:
    """Each object has its own error; what may work later is tried by itself."""
    paths = fill(gcs_server, faulty, 4)
    proxy.inject(batch_answer(204, 403, 503, 404))
    results = dict(faulty.delete_many(paths))
    assert results[paths[0]] is None
    assert isinstance(results[paths[1]], DeniedError)
    assert "said 1" in str(results[paths[1]])
    assert results[paths[2]] is None
    assert results[paths[3]] is None
    assert proxy.count(method="DELETE") == 1


def test_a_batch_that_fails(gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver) -> None:
    """No object of it is reported as removed."""
    paths = fill(gcs_server, faulty, 4)
    proxy.inject(Answer(503), path="batch", times=None)
    results = dict(faulty.delete_many(paths))
    assert all(isinstance(error, UnavailableError) for error in results.values())
    assert sorted(results) == sorted(paths)
    assert proxy.count() == 4


def test_delete_many_without_a_bucket(gcs_server: GCSServer, open_driver_at: GCSOpener) -> None:
    """A bucket that is not there has not had its objects removed."""
    driver = open_driver_at(gcs_server.url, bucket="none")
    for paths in (["/a"], ["/a", "/b"]):
        results = list(driver.delete_many(paths))
        assert [path for path, _ in results] == paths
        assert all(isinstance(error, NoSuchBucketError) for _, error in results)


def test_delete_many_is_lazy(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """Who stops iterating has not had everything removed."""
    paths = fill(gcs_server, gcs_driver, 1500)
    removing = gcs_driver.delete_many(paths)
    next(iter(removing))
    assert len(gcs_server.bucket.objects) >= 500


def test_cell(gcs_driver: GCSDriver) -> None:
    """Compare-and-swap by generations."""
    cell, same = gcs_driver.cell("/regctl/locks/x"), gcs_driver.cell("/regctl/locks/x")
    assert cell.read() is None
    first = cell.write(b"one", None)
    with pytest.raises(LostRaceError):
        same.write(b"two", None)
    second = same.write(b"two", first)
    with pytest.raises(LostRaceError):
        cell.write(b"three", first)
    assert cell.read() == (b"two", second)
    with pytest.raises(LostRaceError):
        cell.remove(first)
    cell.remove(second)
    cell.remove(second)
    assert cell.read() is None
