"""Writers in S3: continued from every state, by us and by registries; errors that lose nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from regctl.drivers.objects.leases import LeaseLostError, lease_path
from regctl.drivers.s3 import client
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.driver import S3Driver, open_s3
from regctl.drivers.s3.multipart import MultipartUpload, find_uploads, put_object
from regctl.drivers.s3.parts import LEAST_PART, MOST_PARTS, Part
from regctl.drivers.s3.writer import S3Writer
from regctl.errors import PathNotFoundError, StorageError, UnavailableError, UploadInUseError
from tests.drivers.s3.writers import (
    MB,
    PATH,
    begun_by_registry,
    content,
    continued_by_registry,
    read_back,
    stored,
    upload_count,
    write,
)
from tests.servers.faults import SLOW_DOWN, FaultProxy, LoseAnswer, s3_error
from tests.servers.s3 import S3Endpoint

#: Parts are as small as can be: the same happens with fewer bytes.
CHUNKS = {"chunksize": 5 * MB}
SIZES = [0, 1, 5 * MB - 1, 5 * MB, 5 * MB + 1, 10 * MB, 12 * MB + 3]


@pytest.fixture
def s3_parameters(s3_parameters: dict[str, object]) -> dict[str, object]:
    return {**s3_parameters, **CHUNKS}


def finish(driver: S3Driver, size: int) -> None:
    """Append what is missing of `content`, commit, and see that it is all there, and no more."""
    with driver.writer(PATH, append=True) as writer:
        write(writer, content(size)[writer.size :])
        assert writer.size == size
        writer.commit()
    assert stored(driver) == content(size)
    assert upload_count(driver.store) == 0


@pytest.fixture
def spoil(s3_server: S3Endpoint, s3_prefix: str, s3_proxy: FaultProxy) -> Callable[[], S3Driver]:
    """What opens a driver of the same files as ``driver``, by way of `s3_proxy`."""
    members = s3_server.behind(s3_proxy.url).parameters(s3_prefix)
    return lambda: open_s3({**members, **CHUNKS}, 4)


@pytest.fixture
def spoiled(spoil: Callable[[], S3Driver]) -> S3Driver:
    return spoil()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("synced", [False, True])
def test_sizes(driver: S3Driver, size: int, synced: bool) -> None:
    """Contents around the bounds of parts arrive whole."""
    with driver.writer(PATH) as writer:
        write(writer, content(size))
        if synced:
            writer.sync()
        writer.commit()
    assert stored(driver) == content(size)
    assert upload_count(driver.store) == 0


@pytest.mark.parametrize("first", [0, 1, 5 * MB, 5 * MB + 1])
@pytest.mark.parametrize("second", [1, 6 * MB])
def test_appended(driver: S3Driver, first: int, second: int) -> None:
    """What one writer left, another goes on with, and a third completes."""
    with driver.writer(PATH) as writer:
        write(writer, content(first))
    assert upload_count(driver.store) == 1
    with pytest.raises(PathNotFoundError):
        driver.stat(PATH)
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == first
        write(writer, content(first + second)[first:])
        assert writer.size == first + second
    finish(driver, first + second + 7)


def test_synced_in_small_steps(driver: S3Driver) -> None:
    """Whatever is written between two syncs, each of them stores it all."""
    ends = [1, 2, 3 * MB, 5 * MB - 1, 5 * MB, 5 * MB + 1, 11 * MB, 16 * MB, 16 * MB + 5, 17 * MB]
    with driver.writer(PATH) as writer:
        for start, end in itertools.pairwise([0, *ends]):
            write(writer, content(end)[start:])
            writer.sync()
            assert writer.holds([content(end)])
            # SeaweedFS lists replaced parts too, so the sizes do not tell.
            parts = find_uploads(driver.store, PATH)[0].parts()
            longest: dict[int, int] = {}
            for part in parts:
                longest[part.number] = max(part.size, longest.get(part.number, 0))
            assert sum(longest.values()) == end
        writer.commit()
    assert stored(driver) == content(17 * MB)


def test_nothing_written_leaves_an_upload(driver: S3Driver) -> None:
    """A new file of no bytes is there for whoever appends, a registry too."""
    driver.writer(PATH, append=True).close()
    assert upload_count(driver.store) == 0
    driver.writer(PATH).close()
    assert upload_count(driver.store) == 1
    continued_by_registry(driver.store, content(6 * MB))
    assert stored(driver) == content(6 * MB)


@pytest.mark.parametrize("sizes", [(), (100,), (5 * MB,), (5 * MB, 6 * MB, 3), (5 * MB, 9)])
def test_continues_a_registry(driver: S3Driver, sizes: tuple[int, ...]) -> None:
    """An upload that a registry began is gone on with."""
    begun_by_registry(driver.store, *sizes)
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == sum(sizes)
        assert writer.holds([content()])
    finish(driver, sum(sizes) + 6 * MB)


@pytest.mark.parametrize("size", SIZES[1:])
def test_continued_by_a_registry(driver: S3Driver, size: int) -> None:
    """A registry goes on with what we left, and we with what it left before."""
    begun_by_registry(driver.store, 5 * MB, 77)
    with driver.writer(PATH, append=True) as writer:
        write(writer, content()[writer.size : writer.size + size])
        end = writer.size
    continued_by_registry(driver.store, content(end + 6 * MB)[end:])
    assert stored(driver) == content(end + 6 * MB)


def test_commit_without_a_word(driver: S3Driver) -> None:
    """What a registry left is completed as it is, and what is an object already stays one."""
    begun_by_registry(driver.store, 10 * MB, 3)
    with driver.writer(PATH, append=True) as writer:
        writer.commit()
    assert stored(driver) == content(10 * MB + 3)
    before = driver.requests().get("CompleteMultipartUpload", 0)
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == 10 * MB + 3
        writer.commit()
    assert stored(driver) == content(10 * MB + 3)
    assert driver.requests()["CompleteMultipartUpload"] == before


@pytest.mark.parametrize("size", [3, 6 * MB])
@pytest.mark.parametrize("left", [None, (), (5 * MB,)])
def test_died_while_it_began_again(
    driver: S3Driver, size: int, left: tuple[int, ...] | None
) -> None:
    """The object that the short last part made is the content, also beside what was to follow."""
    put_object(driver.store, PATH, content(size))
    if left is not None and sum(left) <= size:
        begun_by_registry(driver.store, *left)
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == size
    finish(driver, 13 * MB)


def test_object_beside_a_longer_upload(driver: S3Driver) -> None:
    """An upload that has more than the object was begun with it, and is the file."""
    put_object(driver.store, PATH, content(6 * MB))
    begun_by_registry(driver.store, 6 * MB, 5 * MB)
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == 11 * MB
    with driver.writer(PATH, append=True) as writer:
        writer.cancel()
    with pytest.raises(PathNotFoundError):
        driver.stat(PATH)
    assert upload_count(driver.store) == 0


def test_several_uploads(driver: S3Driver) -> None:
    """Of several uploads the one that has most is the file; the others go with it.

    An answer that was lost leaves an upload without parts, before the one that is used.
    """
    for size in (0, 7 * MB, 6 * MB):
        begun_by_registry(driver.store, *([size] if size else []))
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == 7 * MB
        write(writer, content(8 * MB)[7 * MB :])
    # A registry, which takes the first, goes on with this one too.
    assert upload_count(driver.store) == 1
    finish(driver, 12 * MB)
    for size in (3, 4):
        begun_by_registry(driver.store, size, path="/other")
    with driver.writer("/other", append=True) as writer:
        writer.cancel()
    assert upload_count(driver.store, "/other") == 0


def test_an_upload_that_grows_is_left(driver: S3Driver) -> None:
    """What somebody sends to at this moment is not taken from him."""
    begun_by_registry(driver.store, 7 * MB)
    other = MultipartUpload(driver.store, PATH, begun_by_registry(driver.store, 6 * MB))
    with driver.writer(PATH, append=True) as writer:
        other.put(2, content(2 * MB))
        write(writer, content(8 * MB)[7 * MB :])
        writer.commit()
    assert stored(driver) == content(8 * MB)
    assert other.size() == 8 * MB
    other.abort()


@pytest.mark.parametrize("gap", [1, 2])
def test_gap(driver: S3Driver, gap: int) -> None:
    """Parts after one that is missing do not count, also not when the gap is filled.

    A writer that died with several parts on their way leaves such a gap. The part behind it would
    be at another place of the file.
    """
    upload = MultipartUpload.start(driver.store, PATH)
    for number in {1, 2, 3} - {gap}:
        upload.put(number, content(6 * MB * number)[6 * MB * (number - 1) :])
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == 6 * MB * (gap - 1)
        write(writer, content()[writer.size : 6 * MB * (gap - 1) + 5 * MB])
        size = writer.size
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == size
        assert read_back(writer) == content(size)
    finish(driver, 20 * MB)


#: By what the file consists of: the bounds of its parts, of what can be copied, of what is stored.
CUTS = {
    "parts": [0, 1, 5 * MB, 6 * MB, 6 * MB + 1, 11 * MB + 2],
    "synced": [0, 1, 6 * MB, 6 * MB + 1, 11 * MB, 11 * MB + 2],
    "object": [0, 5 * MB - 1, 5 * MB],
}


@pytest.mark.parametrize(
    ("beginning", "cut"), [(each, cut) for each, cuts in CUTS.items() for cut in cuts]
)
def test_truncate(driver: S3Driver, cut: int, beginning: str) -> None:
    """A file is cut at, before and after the bounds of its parts, whatever it consists of."""
    size = 11 * MB + 9
    if beginning == "parts":
        begun_by_registry(driver.store, 6 * MB, 5 * MB, 9)
    elif beginning == "object":
        put_object(driver.store, PATH, content(size))
    with driver.writer(PATH, append=True) as writer:
        if beginning == "synced":
            for start, end in itertools.pairwise([0, 6 * MB, 11 * MB, size]):
                write(writer, content(end)[start:])
                writer.sync()
        assert writer.size == size
        writer.truncate(cut)
        assert writer.size == cut
        with pytest.raises(ValueError, match="cannot be cut"):
            writer.truncate(cut + 1)
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == cut
        if cut:
            assert read_back(writer) == content(cut)
    finish(driver, 12 * MB)


def test_truncate_in_memory(driver: S3Driver) -> None:
    """What was not yet sent is cut where it is."""
    with driver.writer(PATH) as writer:
        write(writer, content(8 * MB))
        for size in (7 * MB, 5 * MB, 4 * MB, 3):
            writer.truncate(size)
        write(writer, content(12 * MB)[3:])
        writer.commit()
    assert stored(driver) == content(12 * MB)
    assert driver.requests()["CompleteMultipartUpload"] == 1


def test_starts_empty(driver: S3Driver) -> None:
    """A writer that does not append has nothing of what was there."""
    put_object(driver.store, PATH, b"old")
    begun_by_registry(driver.store, 6 * MB, 4)
    with driver.writer(PATH) as writer:
        assert writer.size == 0
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == 0
    finish(driver, 9)


def test_reads_and_goes_on(driver: S3Driver) -> None:
    """Everything written can be read at any time, and more be written after it."""
    with driver.writer(PATH) as writer:
        assert read_back(writer) == b""
        for end in (3, 4, 6 * MB, 11 * MB):
            write(writer, content(end)[writer.size :])
            assert read_back(writer) == content(end)
    finish(driver, 12 * MB)


def test_holds(driver: S3Driver) -> None:
    """Parts, and what is in memory, are compared with content that comes in other pieces."""
    size = 17 * MB + 9
    with driver.writer(PATH) as writer:
        write(writer, content(size))
        assert writer.holds([content()])
        assert writer.holds(content()[start : start + 777_777] for start in range(0, size, 777_777))
        assert not writer.holds([content(size - 1)])
        assert not writer.holds([content(size - 1), b"?"])
        assert not writer.holds([b"?", content()])
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == size
        assert writer.holds([content()])
        assert not writer.holds([content(10 * MB + 5), content()])


def test_sealed(driver: S3Driver) -> None:
    """At a blob's key nothing is completed before the commit: the short end is sent again."""
    with driver.writer(PATH, sealed=True) as writer:
        write(writer, content(12 * MB))
        writer.sync()
        write(writer, content(13 * MB)[12 * MB :])
    with driver.writer(PATH, append=True, sealed=True) as writer:
        assert writer.size == 12 * MB
        assert writer.holds([content()])
        write(writer, content(18 * MB)[12 * MB :])
        with pytest.raises(PathNotFoundError):
            driver.stat(PATH)
        writer.commit()
    assert stored(driver) == content(18 * MB)
    assert upload_count(driver.store) == 0


@pytest.mark.parametrize("chunk", [11 * MB, 32 * MB])
def test_sealed_beside_a_registry(driver: S3Driver, chunk: int) -> None:
    """The upload by which a registry copies to the same key at this moment is left alone, also
    where its parts are of another size than is configured here."""
    upload = MultipartUpload.start(driver.store, PATH)
    part = upload.put(1, content(chunk))
    with driver.writer(PATH, append=True, sealed=True) as writer:
        assert writer.size == 0
        write(writer, content(6 * MB))
        writer.cancel()
    assert upload.complete([part]).size == chunk


def test_sealed_while_a_registry_is_done(driver: S3Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload that was listed and is gone a moment later is nothing to go on with."""
    upload = MultipartUpload.start(driver.store, PATH)
    part = upload.put(1, content(6 * MB))
    before_next(driver.store, monkeypatch, "list_parts", lambda: upload.complete([part]))
    with driver.writer(PATH, append=True, sealed=True) as writer:
        assert writer.size == 0
    assert stored(driver) == content(6 * MB)


def before_next(
    store: Store, monkeypatch: pytest.MonkeyPatch, operation: str, act: Callable[[], object]
) -> None:
    """Have ``act`` come right before the next request of ``operation``."""
    call = store.call

    def acting(name: str, path: str, /, **arguments: object) -> dict[str, Any]:
        if name == operation:
            monkeypatch.undo()
            act()
        return call(name, path, **arguments)

    monkeypatch.setattr(store, "call", acting)


def test_lease_lost_while_it_begins_again(
    driver: S3Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copying may take long. What another has by then is not removed."""
    put_object(driver.store, PATH, content(6 * MB))
    lease = lease_path(PATH)
    with driver.writer(PATH, append=True) as writer:
        act = partial(driver.delete, lease)
        before_next(driver.store, monkeypatch, "upload_part_copy", act)
        with pytest.raises(LeaseLostError):
            writer.write(b"x")
        assert stored(driver) == content(6 * MB)
    finish(driver, 7 * MB)


def test_lease_lost_while_it_sends(driver: S3Driver) -> None:
    """What is known to be another's is sent nothing more, also at the end."""
    writer = driver.writer(PATH)
    assert isinstance(writer, S3Writer)
    write(writer, content(6 * MB))
    writer.sync()
    driver.delete(lease_path(PATH))
    with pytest.raises(LeaseLostError):
        writer._lease.renew()
    sent = driver.requests()["UploadPart"]
    write(writer, content(7 * MB)[6 * MB :])
    for attempt in (writer.sync, writer.commit, writer.close):
        with pytest.raises(LeaseLostError):
            attempt()
    assert driver.requests()["UploadPart"] == sent
    finish(driver, 8 * MB)


def test_cancelled_after_a_lost_answer(spoiled: S3Driver, s3_proxy: FaultProxy) -> None:
    """An object that may have come of a commit that failed goes with the upload."""
    with spoiled.writer(PATH) as writer:
        writer.write(b"x")
        s3_proxy.inject(LoseAnswer(), method="PUT", path="/data$", times=None)
        with pytest.raises(UnavailableError, match=PATH):
            writer.commit()
        s3_proxy.clear()
        assert stored(spoiled) == b"x"
        writer.cancel()
    with pytest.raises(PathNotFoundError):
        spoiled.stat(PATH)


def test_too_many_parts(driver: S3Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose upload can take no more parts is begun again; a sealed one says what helps."""
    monkeypatch.setattr("regctl.drivers.s3.writer.MOST_PARTS", 4)
    assert MOST_PARTS == 10_000
    with driver.writer(PATH) as writer:
        write(writer, content(22 * MB))
        writer.commit()
    assert stored(driver) == content(22 * MB)
    with driver.writer("/sealed", sealed=True) as writer:
        with pytest.raises(StorageError, match="too many parts"):
            write(writer, content(22 * MB))
        writer.cancel()


def test_part_fails(spoiled: S3Driver, driver: S3Driver, s3_proxy: FaultProxy) -> None:
    """An error of a part shows soon, in everything that follows, and closes nothing for others.

    What was stored before is there for the next writer, without what came after the gap.
    """
    denied = s3_error(403, "AccessDenied")
    s3_proxy.inject(denied, method="PUT", query="partNumber=2(&|$)", times=None)
    writer = spoiled.writer(PATH)

    def write_all() -> None:
        write(writer, content(16 * MB))
        writer.sync()

    with pytest.raises(StorageError, match="denies"):
        write_all()
    attempts: list[Callable[[], None]] = [
        lambda: writer.write(b"x"),
        writer.sync,
        writer.commit,
    ]
    for attempt in attempts:
        with pytest.raises(StorageError, match="denies"):
            attempt()
    writer.close()
    writer.close()
    with driver.writer(PATH, append=True) as resumed:
        assert resumed.size == 5 * MB
    finish(driver, 12 * MB)


def test_first_error_is_told(spoiled: S3Driver, s3_proxy: FaultProxy) -> None:
    """An error in the block is not hidden by what then goes wrong in closing."""
    s3_proxy.inject(s3_error(403, "AccessDenied"), method="PUT", query="partNumber=", times=None)

    def fail() -> None:
        with spoiled.writer(PATH) as writer:
            writer.write(b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with spoiled.writer(PATH, append=True) as writer:
        assert writer.size == 0


def test_closing_that_fails(spoiled: S3Driver, driver: S3Driver, s3_proxy: FaultProxy) -> None:
    """What could not be stored when it closed is an error, and others get in."""
    s3_proxy.inject(s3_error(403, "AccessDenied"), method="PUT", query="partNumber=", times=None)
    writer = spoiled.writer(PATH)
    writer.write(b"x")
    with pytest.raises(StorageError, match="denies"):
        writer.close()
    writer.close()
    finish(driver, 3)


def test_slow_down(spoiled: S3Driver, s3_proxy: FaultProxy) -> None:
    """A server that is busy for a moment is asked again."""
    for number in (1, 2, 3):
        s3_proxy.inject(SLOW_DOWN, method="PUT", query=f"partNumber={number}(&|$)", times=1)
    with spoiled.writer(PATH) as writer:
        write(writer, content(16 * MB))
        writer.commit()
    assert stored(spoiled) == content(16 * MB)


def test_slow_down_for_ever(
    spoil: Callable[[], S3Driver], s3_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that stays busy is asked a bounded number of times."""
    monkeypatch.setattr(client, "ATTEMPTS", 3)
    s3_proxy.inject(SLOW_DOWN, method="PUT", query="partNumber=", times=None)
    with spoil().writer(PATH) as writer:
        writer.write(b"x")
        with pytest.raises(UnavailableError, match=PATH):
            writer.sync()
    assert s3_proxy.count(method="PUT", query="partNumber=") == 3


@pytest.mark.parametrize("end", ["complete", "abort"])
def test_somebody_ends_the_upload(driver: S3Driver, end: str) -> None:
    """An upload that is completed or aborted under us is named; what is an object stays."""
    with driver.writer(PATH) as writer:
        write(writer, content(12 * MB))
        writer.sync()
        upload = find_uploads(driver.store, PATH)[0]
        if end == "complete":
            upload.complete(upload.parts())
        else:
            upload.abort()
        write(writer, content(13 * MB)[12 * MB :])
        with pytest.raises(UploadInUseError, match=PATH):
            writer.commit()
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == (12 * MB if end == "complete" else 0)
    finish(driver, 14 * MB)


def test_commit_again(spoiled: S3Driver, s3_proxy: FaultProxy) -> None:
    """A completion that the server did not do is an error, and can be tried again."""
    with spoiled.writer(PATH) as writer:
        write(writer, content(12 * MB))
        writer.sync()
        s3_proxy.inject(
            s3_error(200, "InternalError"), method="POST", query="uploadId=", times=None
        )
        with pytest.raises(UnavailableError, match=PATH):
            writer.commit()
        s3_proxy.clear()
        with pytest.raises(PathNotFoundError):
            spoiled.stat(PATH)
        writer.commit()
    assert stored(spoiled) == content(12 * MB)


def test_interrupted_while_bytes_change_hands(
    driver: S3Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt at the worst moment leaves a beginning of the content, never one with a hole."""

    def interrupt(*_: object) -> Part:
        raise KeyboardInterrupt

    def write_and_be_interrupted() -> None:
        with driver.writer(PATH) as writer:
            assert isinstance(writer, S3Writer)
            write(writer, content(11 * MB))
            writer.sync()
            monkeypatch.setattr(writer._sender, "_submit", interrupt)
            write(writer, content(40 * MB)[11 * MB :])

    with pytest.raises(KeyboardInterrupt):
        write_and_be_interrupted()
    monkeypatch.undo()
    with driver.writer(PATH, append=True) as writer:
        assert writer.size == 11 * MB
        assert read_back(writer) == content(11 * MB)


def test_memory_is_bounded(
    spoiled: S3Driver, s3_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer faster than the store waits: what is in memory keeps to its bound."""
    monkeypatch.setattr("regctl.drivers.s3.parts.BUFFER_BYTES", 20 * MB)
    s3_proxy.set_delay(0.05)
    most = 0
    with spoiled.writer(PATH) as writer:
        assert isinstance(writer, S3Writer)
        for number in range(40):
            writer.write(content()[number * MB :][:MB])
            held = [buffer for buffer in writer._sender._in_flight.values() if buffer is not None]
            most = max(most, sum(map(len, held)) + writer._sender.pending)
        writer.commit()
    assert most <= 20 * MB
    assert most > LEAST_PART
    assert stored(spoiled) == content()
