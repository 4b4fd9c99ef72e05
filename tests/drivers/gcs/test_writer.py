"""Uploads in progress: as a registry leaves and finds them, and what may become of them."""

from __future__ import annotations

import itertools
import random
from contextlib import ExitStack
from functools import cache
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regctl.drivers.base import Entry, Kind, Reader
from regctl.drivers.gcs.driver import GCSDriver
from regctl.errors import (
    DamagedError,
    PathNotFoundError,
    StorageError,
    UnavailableError,
    UploadInUseError,
)
from tests.drivers.gcs.conftest import put, read_all, stored
from tests.servers.faults import Answer, CutRequest, FaultProxy, LoseAnswer
from tests.servers.gcs_bucket import QUANTUM, Stored
from tests.servers.gcs_fixtures import GCSOpener
from tests.servers.gcs_json import GCSServer

PATH = "/docker/registry/v2/repositories/a/_uploads/1/data"
SESSION_TYPE = "application/x-docker-upload-session"
_numbers = itertools.count()
CONTENT = random.Random(4).randbytes(6 * QUANTUM + 1000)


class Registry:
    """Does with an upload what Distribution's driver does."""

    def __init__(self, server: GCSServer, driver: GCSDriver) -> None:
        self._server, self._driver = server, driver

    def leave(self, content: bytes, *, unrecorded: bytes = b"") -> None:
        """An upload of ``content``; the session has ``unrecorded`` too, for who sent that died."""
        key = self._driver.store.keys.key(PATH)
        sent = len(content) - len(content) % QUANTUM
        uri = ""
        if sent:
            started = requests.post(
                f"{self._server.url}/upload/storage/v1/b/{self._server.bucket.name}/o",
                params={"uploadType": "resumable", "name": key},
                headers={"X-Upload-Content-Type": "application/octet-stream"},
                timeout=9,
            )
            uri = started.headers["Location"]
            self._put(uri, content[:sent], 0, "*")
        if unrecorded:
            more = content[sent:] + unrecorded
            self._put(uri, more[: len(more) - len(more) % QUANTUM], sent, "*")
        put(
            self._server.bucket,
            self._driver,
            PATH,
            content[sent:],
            content_type=SESSION_TYPE,
            metadata={"Session-URI": uri, "Offset": str(sent)},
        )

    def finish(self, more: bytes) -> bytes:
        """Go on with what is recorded, and commit; the content that came of it."""
        record = stored(self._server, self._driver, PATH)
        rest = record.content + more
        uri, offset = record.metadata["Session-URI"], int(record.metadata["Offset"])
        self._put(uri, rest, offset, str(offset + len(rest)))
        return stored(self._server, self._driver, PATH).content

    def _put(self, uri: str, data: bytes, start: int, total: str) -> None:
        extent = f"bytes {start}-{start + len(data) - 1}/{total}"
        answer = requests.put(uri, data, headers={"Content-Range": extent}, timeout=9)
        assert answer.status_code == (308 if total == "*" else 200)


@pytest.fixture
def registry(gcs_server: GCSServer, gcs_driver: GCSDriver) -> Registry:
    return Registry(gcs_server, gcs_driver)


def leave(driver: GCSDriver, content: bytes) -> None:
    with driver.writer(PATH) as writer:
        writer.write(content)


def finish(driver: GCSDriver, more: bytes) -> bytes:
    with driver.writer(PATH, append=True) as writer:
        writer.write(more)
        writer.commit()
    return read_all(driver, PATH)


def upload_id(record: Stored) -> str:
    return parse_qs(urlsplit(record.metadata["Session-URI"]).query)["upload_id"][0]


@pytest.mark.parametrize("size", [1000, QUANTUM - 1, QUANTUM, 5 * QUANTUM + 7])
def test_record(gcs_server: GCSServer, gcs_driver: GCSDriver, size: int) -> None:
    """Between two writers stands what Distribution's driver leaves."""
    leave(gcs_driver, CONTENT[:size])
    record = stored(gcs_server, gcs_driver, PATH)
    sent = size - size % QUANTUM
    assert record.content_type == SESSION_TYPE
    assert record.metadata["Offset"] == str(sent)
    assert record.content == CONTENT[sent:size]
    if sent:
        assert gcs_server.bucket.upload(upload_id(record)).data == CONTENT[:sent]
    else:
        assert record.metadata["Session-URI"] == ""
    with pytest.raises(PathNotFoundError):
        gcs_driver.stat(PATH)
    with pytest.raises(PathNotFoundError):
        gcs_driver.read(PATH)
    assert [entry.size for entry in gcs_driver.unfinished("/docker")] == [size]


def test_an_empty_record_is_no_file(gcs_driver: GCSDriver) -> None:
    """A ranged request for an empty object is refused without a word of what it is."""
    leave(gcs_driver, CONTENT[:QUANTUM])
    for look in (gcs_driver.read, lambda path: gcs_driver.get(path, 9), gcs_driver.stat):
        with pytest.raises(PathNotFoundError):
            look(PATH)
    with pytest.raises(PathNotFoundError):
        gcs_driver.move(PATH, "/docker/elsewhere")


@pytest.mark.parametrize("size", [0, 1000, QUANTUM, 3 * QUANTUM + 7])
def test_registry_goes_on_with_ours(
    gcs_server: GCSServer, gcs_driver: GCSDriver, registry: Registry, size: int
) -> None:
    leave(gcs_driver, CONTENT[:size])
    if size < QUANTUM:
        # A registry begins a session then; so does this test, by way of the registry's own form.
        registry.leave(stored(gcs_server, gcs_driver, PATH).content + CONTENT[size:])
        assert finish(gcs_driver, b"") == CONTENT
    else:
        assert registry.finish(CONTENT[size:]) == CONTENT
        assert gcs_driver.stat(PATH).size == len(CONTENT)


@pytest.mark.parametrize("size", [0, 1000, QUANTUM, 3 * QUANTUM + 7, len(CONTENT)])
def test_we_go_on_with_a_registrys(gcs_driver: GCSDriver, registry: Registry, size: int) -> None:
    registry.leave(CONTENT[:size])
    with gcs_driver.writer(PATH, append=True) as writer:
        assert writer.size == size
    assert finish(gcs_driver, CONTENT[size:]) == CONTENT
    assert not list(gcs_driver.unfinished("/"))


@pytest.mark.parametrize("unrecorded", [QUANTUM, 3 * QUANTUM])
def test_a_registry_died_before_it_recorded(
    gcs_driver: GCSDriver, registry: Registry, unrecorded: int
) -> None:
    """The session has more than the record says, and nobody knows what: it is cut back."""
    size = 2 * QUANTUM + 7
    registry.leave(CONTENT[:size], unrecorded=b"?" * unrecorded)
    assert finish(gcs_driver, CONTENT[size:]) == CONTENT


def test_a_registry_died_and_nothing_more_comes(gcs_driver: GCSDriver, registry: Registry) -> None:
    size = QUANTUM + 7
    registry.leave(CONTENT[:size], unrecorded=b"?" * 2 * QUANTUM)
    assert finish(gcs_driver, b"") == CONTENT[:size]


def die_beyond_the_record(driver: GCSDriver, size: int, more: bytes) -> None:
    """Record ``size`` bytes, send ``more``, and leave as a process does that is killed."""
    writer = driver.writer(PATH)
    writer.write(CONTENT[:size])
    writer.sync()
    writer.write(more)
    writer._sending.settle()
    writer._lease.release()


@pytest.mark.parametrize("size", [QUANTUM, 2 * QUANTUM + 7])
@pytest.mark.parametrize("end", [2 * QUANTUM + 8, 5 * QUANTUM, len(CONTENT)])
def test_we_died_before_we_recorded(
    gcs_server: GCSServer, gcs_driver: GCSDriver, size: int, end: int
) -> None:
    """What the session has already comes again, and is ignored there."""
    die_beyond_the_record(gcs_driver, size, CONTENT[size : 5 * QUANTUM])
    with gcs_driver.writer(PATH, append=True) as writer:
        assert writer.size == size
        writer.write(CONTENT[size:end])
        writer.commit()
    assert read_all(gcs_driver, PATH) == CONTENT[:end]


@pytest.mark.parametrize("size", [QUANTUM, 2 * QUANTUM + 7])
def test_we_died_and_other_content_comes(gcs_driver: GCSDriver, size: int) -> None:
    """A session keeps the first of what it was sent; that this is the other is found out."""
    die_beyond_the_record(gcs_driver, size, b"?" * 4 * QUANTUM)
    with gcs_driver.writer(PATH, append=True) as writer:
        writer.write(CONTENT[size:])
        with pytest.raises(DamagedError, match="other bytes"):
            writer.commit()
        writer.cancel()
    assert not list(gcs_driver.unfinished("/"))


@pytest.mark.parametrize("cut", [0, 5, QUANTUM, 2 * QUANTUM + 3])
def test_truncate_below_what_the_session_has(gcs_driver: GCSDriver, cut: int) -> None:
    size = 2 * QUANTUM + 7
    die_beyond_the_record(gcs_driver, size, b"?" * 2 * QUANTUM)
    with gcs_driver.writer(PATH, append=True) as writer:
        writer.truncate(cut)
        assert writer.size == cut
        writer.write(CONTENT[cut:])
        writer.commit()
    assert read_all(gcs_driver, PATH) == CONTENT


def test_expired(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """An upload whose session is gone says what is lost, is left as it is, and can be cancelled."""
    leave(gcs_driver, CONTENT)
    record = stored(gcs_server, gcs_driver, PATH)
    gcs_server.bucket.end(upload_id(record), 410)
    assert [entry.size for entry in gcs_driver.unfinished("/")] == [len(CONTENT)]
    writer = gcs_driver.writer(PATH, append=True)
    assert writer.size == len(CONTENT)
    for attempt in (lambda: writer.write(b"x"), writer.commit, writer.reader):
        with pytest.raises(DamagedError, match=f"{6 * QUANTUM} of its {len(CONTENT)}") as caught:
            attempt()
        assert "upload_id" not in str(caught.value)
        assert upload_id(record) not in str(caught.value)
    writer.close()
    assert stored(gcs_server, gcs_driver, PATH) == record
    with gcs_driver.writer(PATH, append=True) as writer:
        writer.cancel()
    assert not list(gcs_driver.unfinished("/"))


def test_expired_with_nothing_in_it(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """A session that never had anything is no loss: another is begun."""
    number = gcs_server.bucket.begin(gcs_driver.store.keys.key(PATH), "x/y", {}, None)
    uri = f"{gcs_server.url}/upload/storage/v1/b/b/o?uploadType=resumable&upload_id={number}"
    gcs_server.bucket.end(number, 410)
    put(
        gcs_server.bucket,
        gcs_driver,
        PATH,
        CONTENT[:9],
        content_type=SESSION_TYPE,
        metadata={"Session-URI": uri, "Offset": "0"},
    )
    assert finish(gcs_driver, CONTENT[9:]) == CONTENT


def test_session_that_lost_something(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """A session that has less than was recorded is never gone on with."""
    leave(gcs_driver, CONTENT)
    record = stored(gcs_server, gcs_driver, PATH)
    del gcs_server.bucket.upload(upload_id(record)).data[QUANTUM:]
    with gcs_driver.writer(PATH, append=True) as writer, pytest.raises(DamagedError):
        writer.commit()
    assert stored(gcs_server, gcs_driver, PATH) == record


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9/upload?upload_id=1",
        "https://evil.example/upload?upload_id=1",
        "https://storage.googleapis.com.evil.example/?upload_id=1",
        "https://storage.googleapis.com@evil.example/?upload_id=1",
        "http://storage.googleapis.com/?upload_id=1",
        "https://storage.googleapis.com:444/?upload_id=1",
        "//[",
    ],
)
def test_session_that_leads_elsewhere(
    gcs_server: GCSServer, gcs_driver: GCSDriver, uri: str
) -> None:
    """Whoever may write objects could have content sent to another server."""
    metadata = {"Session-URI": uri, "Offset": str(QUANTUM)}
    put(gcs_server.bucket, gcs_driver, PATH, b"x", content_type=SESSION_TYPE, metadata=metadata)
    with gcs_driver.writer(PATH, append=True) as writer:
        with pytest.raises(DamagedError, match="does not lead to"):
            writer.write(CONTENT)
        writer.cancel()


@pytest.mark.parametrize(
    "uri",
    ["https://www.googleapis.com/upload/x?upload_id=1", "https://storage.googleapis.com:443/x"],
)
def test_session_at_google(gcs_driver: GCSDriver, uri: str) -> None:
    """Registries begin sessions at Google's own host, whatever the endpoint is."""
    assert gcs_driver.store.trusts(uri)


@pytest.mark.parametrize("metadata", [{"Offset": "-5"}, {"Offset": "x"}, {"Offset": "262144"}])
def test_record_that_is_none(
    gcs_server: GCSServer, gcs_driver: GCSDriver, metadata: dict[str, str]
) -> None:
    put(gcs_server.bucket, gcs_driver, PATH, b"x", content_type=SESSION_TYPE, metadata=metadata)
    with pytest.raises(DamagedError, match="record"):
        gcs_driver.writer(PATH, append=True)
    gcs_driver.delete(PATH)
    gcs_driver.writer(PATH).close()  # and its lease is free again


@pytest.mark.parametrize("kept", [0, QUANTUM])
def test_a_part_of_a_chunk_is_kept(gcs_server: GCSServer, gcs_driver: GCSDriver, kept: int) -> None:
    """The server may keep less of a chunk than it was sent; the rest is sent again, or fails."""
    gcs_server.bucket.persist_bytes = kept
    with gcs_driver.writer(PATH) as writer:
        if kept:
            writer.write(CONTENT)
            writer.commit()
            assert read_all(gcs_driver, PATH) == CONTENT
            return
        writer.write(CONTENT[: 4 * QUANTUM])
        with pytest.raises(UnavailableError, match="takes no more"):
            writer.sync()
        assert writer.size == 4 * QUANTUM
        gcs_server.bucket.persist_bytes = None
        writer.sync()
        writer.write(CONTENT[4 * QUANTUM :])
        writer.commit()
    assert read_all(gcs_driver, PATH) == CONTENT


@pytest.mark.parametrize(
    "fault",
    [LoseAnswer(), CutRequest(300_000), Answer(503), Answer(429), Answer(500, forward=True)],
)
@pytest.mark.parametrize("nth", [1, 2])
def test_faults_while_sending(
    proxy: FaultProxy, faulty: GCSDriver, fault: Answer | LoseAnswer | CutRequest, nth: int
) -> None:
    """The first chunk, or the one that ends the upload, fails once."""
    proxy.inject(fault, method="PUT", nth=nth)
    with faulty.writer(PATH) as writer:
        writer.write(CONTENT[: 7 * QUANTUM])
        writer.commit()
    assert read_all(faulty, PATH) == CONTENT


@pytest.mark.parametrize("fault", [LoseAnswer(), Answer(503), Answer(500, forward=True)])
@pytest.mark.parametrize("what", ["uploadType=resumable&name", "uploadType=multipart"])
def test_faults_while_recording(
    proxy: FaultProxy, faulty: GCSDriver, fault: Answer | LoseAnswer, what: str
) -> None:
    """A record whose answer was lost is known for our own, though its condition fails now."""
    with faulty.writer(PATH) as writer:
        writer.write(CONTENT)
        writer.sync()
        writer.write(b"more")
        if what.endswith("multipart"):
            proxy.inject(fault, method="POST", query=what)
    if not what.endswith("multipart"):
        proxy.inject(fault, method="POST", query=what)
        with faulty.writer(PATH) as writer:
            writer.write(CONTENT)
        assert finish(faulty, b"") == CONTENT
    else:
        assert finish(faulty, b"") == CONTENT + b"more"


def test_a_store_that_fails_for_ever(proxy: FaultProxy, faulty: GCSDriver) -> None:
    """Tries are bounded, the error is clear, and what was recorded is there later."""
    leave(faulty, CONTENT)
    writer = faulty.writer(PATH, append=True)
    proxy.forget()
    proxy.inject(Answer(503), method="PUT", times=None)
    with pytest.raises(UnavailableError, match="503"):
        writer.write(b"x")
    assert proxy.count(method="PUT") == 4
    proxy.clear()
    writer.close()
    assert finish(faulty, b"") == CONTENT


def test_session_that_ends_while_it_is_written(
    gcs_server: GCSServer, gcs_driver: GCSDriver
) -> None:
    writer = gcs_driver.writer(PATH)
    writer.write(CONTENT)
    writer.sync()
    gcs_server.bucket.end(upload_id(stored(gcs_server, gcs_driver, PATH)), 410)
    writer.write(CONTENT)
    with pytest.raises(DamagedError, match="expired"):
        writer.commit()
    writer.cancel()


def test_first_chunk_meets_an_ended_session(proxy: FaultProxy, faulty: GCSDriver) -> None:
    """410 before anything was sent: another session is begun with the same bytes."""
    proxy.inject(Answer(410), method="PUT")
    leave(faulty, CONTENT)
    assert finish(faulty, b"more") == CONTENT + b"more"


@pytest.mark.parametrize("served", [True, False])
def test_the_last_answer_is_lost_and_the_session_gone(
    proxy: FaultProxy, faulty: GCSDriver, served: bool
) -> None:
    """What was finalised is known by its checksum; what was not is no success."""
    proxy.inject(LoseAnswer() if served else Answer(503), method="PUT", nth=2)
    proxy.inject(Answer(410), method="PUT", nth=3, times=None)
    with faulty.writer(PATH) as writer:
        writer.write(CONTENT)
        if served:
            writer.commit()
        else:
            with pytest.raises(DamagedError, match="expired or was ended"):
                writer.commit()
            writer.cancel()
    if served:
        assert read_all(faulty, PATH) == CONTENT
    proxy.clear()


def test_a_registry_records_meanwhile(
    gcs_server: GCSServer, gcs_driver: GCSDriver, registry: Registry
) -> None:
    """What a registry recorded since we looked is not overwritten."""
    leave(gcs_driver, CONTENT)
    writer = gcs_driver.writer(PATH, append=True)
    writer.write(b"more")
    registry.leave(CONTENT[:50])
    record = stored(gcs_server, gcs_driver, PATH)
    with pytest.raises(UploadInUseError, match="registry"):
        writer.sync()
    writer.cancel()
    assert stored(gcs_server, gcs_driver, PATH) == record


def test_two_processes(gcs_server: GCSServer, open_driver_at: GCSOpener) -> None:
    """Drivers that share nothing but the bucket keep each other off."""
    one = open_driver_at(gcs_server.url, rootdirectory="x")
    other = open_driver_at(gcs_server.url, rootdirectory="x")
    with one.writer(PATH) as writer:
        writer.write(b"x")
        with pytest.raises(UploadInUseError):
            other.writer(PATH, append=True)
    with other.writer(PATH, append=True) as writer:
        assert writer.size == 1
        writer.commit()


def test_no_credentials_and_no_memory(gcs_driver: GCSDriver, gcs_server: GCSServer) -> None:
    """A writer that is done leaves nothing but its file."""
    leave(gcs_driver, CONTENT)
    finish(gcs_driver, b"")
    assert list(gcs_server.bucket.objects) == [gcs_driver.store.keys.key(PATH)]


def test_appending_to_a_file(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """A finalised object is gone on with by sending its content again."""
    put(gcs_server.bucket, gcs_driver, PATH, CONTENT)
    with gcs_driver.writer(PATH, append=True) as writer:
        assert writer.size == len(CONTENT)
        assert not [line for line in gcs_server.log if line[0] == "PUT"]
        writer.write(b"more")
    assert next(iter(gcs_driver.unfinished("/docker"))).size == len(CONTENT) + 4
    assert finish(gcs_driver, b"!") == CONTENT + b"more!"


def test_unfinished_entries(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    leave(gcs_driver, CONTENT)
    gcs_driver.put("/docker/file", b"x")
    record = stored(gcs_server, gcs_driver, PATH)
    (entry,) = gcs_driver.unfinished("/docker")
    assert entry == Entry(PATH, Kind.FILE, len(CONTENT), entry.modified)
    assert entry.modified == pytest.approx(record.updated, abs=0.01)
    assert not list(gcs_driver.unfinished("/doc"))


_OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from([1, 1000, QUANTUM, 700_000, 4 * QUANTUM])),
        st.tuples(st.just("truncate"), st.integers(0, 100)),
        st.tuples(st.sampled_from(["sync", "reopen", "read", "die"]), st.just(0)),
    ),
    max_size=8,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(operations=_OPERATIONS)
def test_a_writer_is_a_file(gcs_driver: GCSDriver, operations: list[tuple[str, int]]) -> None:
    """Whatever is done to it, a writer holds what a file would; one that dies, what was synced.

    What is sent and lost comes again as it was, as it does when an upload is resumed, unless the
    upload was cut back to before it.
    """
    path = f"/uploads/{next(_numbers)}"
    content, variant = bytearray(), 0
    with ExitStack() as ending:
        writer = gcs_driver.writer(path)
        ending.callback(lambda: writer.close())  # noqa: PLW0108 - the last of them
        for name, number in operations:
            if name == "write":
                more = _stream(variant, len(content), number)
                writer.write(more)
                content += more
            elif name == "truncate" and content:
                size = len(content) * number // 101
                writer.truncate(size)
                del content[size:]
                variant += 1
            elif name == "sync":
                writer.sync()
            elif name == "read":
                with writer.reader() as reader:
                    assert _everything(reader) == content
            elif name == "reopen":
                writer.close()
                writer = gcs_driver.writer(path, append=True)
            elif name == "die":
                writer.sync()
                writer.write(_stream(variant, len(content), 5 * QUANTUM))
                writer._sending.settle()
                writer._lease.release()
                writer = gcs_driver.writer(path, append=True)
            assert writer.size == len(content)
        writer.commit()
    assert gcs_driver.stat(path).size == len(content)
    assert read_all(gcs_driver, path) == content


@cache
def _streams(variant: int) -> bytes:
    return random.Random(variant).randbytes(13 * 4 * QUANTUM)


def _stream(variant: int, start: int, size: int) -> bytes:
    return _streams(variant)[start : start + size]


def _everything(reader: Reader) -> bytes:
    content = bytearray()
    buffer = bytearray(1 << 16)
    while count := reader.readinto(buffer):
        content += buffer[:count]
    return bytes(content)


def test_sealed_is_refused(gcs_driver: GCSDriver) -> None:
    assert not gcs_driver.seals
    with pytest.raises(ValueError, match="seal"):
        gcs_driver.writer(PATH, sealed=True)


def test_lost_lease(gcs_driver: GCSDriver, gcs_server: GCSServer) -> None:
    """Who lost his lease records nothing any more."""
    writer = gcs_driver.writer(PATH)
    writer.write(CONTENT)
    for key in [key for key in gcs_server.bucket.objects if "regctl/locks" in key]:
        gcs_server.bucket.delete(key)
    with pytest.raises(UploadInUseError):
        writer.sync()
    with pytest.raises((StorageError, UploadInUseError)):
        writer.close()
    assert not list(gcs_driver.unfinished("/"))
