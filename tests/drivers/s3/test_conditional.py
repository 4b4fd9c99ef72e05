"""Conditional writes, on a server that heeds them and on one made to ignore them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from regctl.drivers.objects.leases import ConditionalWritesIgnoredError, LostRaceError
from regctl.drivers.s3.client import Store, open_store
from regctl.drivers.s3.conditional import ConditionalWrites, S3Cell
from regctl.drivers.s3.driver import S3Driver
from regctl.errors import PathExistsError, UnavailableError, UploadInUseError
from tests.servers.faults import FaultProxy, LoseAnswer, s3_error
from tests.servers.s3 import S3Endpoint


@pytest.fixture
def behind(s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str) -> Store:
    return open_store(s3_server.behind(s3_proxy.url).parameters(s3_prefix), 4)


@pytest.fixture
def careless(store: Store) -> Store:
    """A store whose server never hears of a condition."""

    def strip(params: dict[str, Any], **_: object) -> None:
        for name in ("If-None-Match", "If-Match"):
            params["headers"].pop(name, None)

    store.client.meta.events.register("before-call.s3.PutObject", strip)
    return store


def content_of(store: Store, path: str) -> bytes:
    answer = store.call("get_object", path, Key=store.keys.key(path))
    body: bytes = answer["Body"].read()
    return body


class TestCreate:
    def test_once(self, store: Store) -> None:
        writes = ConditionalWrites(store)
        writes.create("/a", b"first")
        with pytest.raises(PathExistsError):
            writes.create("/a", b"second")
        assert content_of(store, "/a") == b"first"

    def test_something_is_there_from_the_start(self, store: Store) -> None:
        """Before it is known whether conditions are heeded, nothing is put at risk."""
        store.call("put_object", "/a", Key=store.keys.key("/a"), Body=b"old")
        with pytest.raises(PathExistsError):
            ConditionalWrites(store).create("/a", b"new")
        assert content_of(store, "/a") == b"old"

    def test_requests(self, store: Store) -> None:
        """The condition is tried out once; after that a write is one request."""
        writes = ConditionalWrites(store)
        writes.create("/a", b"x")
        tried = sum(store.requests().values())
        assert tried <= 4
        writes.create("/b", b"x")
        assert sum(store.requests().values()) == tried + 1

    def test_many_processes(self, store: Store, s3_parameters: dict[str, object]) -> None:
        """One of many that create it does, each with a client and a trial of its own."""
        stores = [open_store(s3_parameters, 2) for _ in range(6)]

        def create(each: Store) -> bool:
            try:
                ConditionalWrites(each).create("/a", b"%d" % id(each))
            except PathExistsError:
                return False
            return True

        with ThreadPoolExecutor(len(stores)) as pool:
            won = list(pool.map(create, stores))
        assert sum(won) == 1
        assert content_of(store, "/a") == b"%d" % id(stores[won.index(True)])

    @pytest.mark.parametrize("nth", [1, 2])
    def test_lost_answer(self, behind: Store, s3_proxy: FaultProxy, nth: int) -> None:
        """Repeated by the SDK, the write fails because of itself: that is no conflict."""
        writes = ConditionalWrites(behind)
        s3_proxy.inject(LoseAnswer(), method="PUT", nth=nth)
        writes.create("/a", b"content")
        assert content_of(behind, "/a") == b"content"
        s3_proxy.inject(LoseAnswer(), method="PUT")
        writes.create("/b", b"content")
        with pytest.raises(PathExistsError):
            writes.create("/b", b"content")

    def test_conflict_that_passes(self, behind: Store, s3_proxy: FaultProxy) -> None:
        """409 says that others are at it in this moment; nothing came of it, so it is repeated."""
        writes = ConditionalWrites(behind)
        s3_proxy.inject(s3_error(409, "ConditionalRequestConflict"), method="PUT")
        writes.create("/a", b"content")
        assert content_of(behind, "/a") == b"content"

    def test_conflict_that_stays(self, behind: Store, s3_proxy: FaultProxy) -> None:
        """Nothing is there, so nobody is told that something is."""
        s3_proxy.inject(s3_error(409, "ConditionalRequestConflict"), method="PUT", times=None)
        with pytest.raises(UnavailableError, match="/regctl/"):
            ConditionalWrites(behind).create("/a", b"content")


class TestIgnored:
    def test_create(self, careless: Store) -> None:
        """Said, and not believed; nothing of the trial stays."""
        writes = ConditionalWrites(careless)
        for _ in range(2):
            with pytest.raises(ConditionalWritesIgnoredError, match="does not heed"):
                writes.create("/a", b"x")
        assert careless.call("list_objects_v2", "/", Prefix=careless.keys.prefix)["KeyCount"] == 0

    def test_nothing_is_overwritten(self, careless: Store) -> None:
        careless.call("put_object", "/a", Key=careless.keys.key("/a"), Body=b"old")
        with pytest.raises(ConditionalWritesIgnoredError):
            ConditionalWrites(careless).create("/a", b"new")
        assert content_of(careless, "/a") == b"old"

    def test_nothing_is_removed(self, careless: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nor does what came right after somebody looked go with the trial."""
        writes = ConditionalWrites(careless)
        careless.call("put_object", "/a", Key=careless.keys.key("/a"), Body=b"theirs")
        monkeypatch.setattr(writes, "_head", lambda path: None)
        with pytest.raises(ConditionalWritesIgnoredError):
            writes.create("/a", b"ours")
        assert content_of(careless, "/a") == b"theirs"

    def test_not_implemented(self, behind: Store, s3_proxy: FaultProxy) -> None:
        s3_proxy.inject(s3_error(501, "NotImplemented"), method="PUT", times=None)
        with pytest.raises(ConditionalWritesIgnoredError):
            ConditionalWrites(behind).create("/a", b"x")

    def test_put(self, careless: Store) -> None:
        with pytest.raises(ConditionalWritesIgnoredError):
            S3Driver(careless).put("/a", b"x", if_absent=True)

    def test_writers_go_on(self, careless: Store) -> None:
        """In one process they keep each other off all the same."""
        driver = S3Driver(careless)
        with driver.writer("/a") as writer:
            with pytest.raises(UploadInUseError):
                driver.writer("/a")
            writer.write(b"content")
            writer.commit()
        assert driver.get("/a", 99) == b"content"


class TestCell:
    @pytest.fixture
    def cell(self, store: Store) -> S3Cell:
        return S3Cell(store, ConditionalWrites(store), "/regctl/cell")

    def test_life(self, cell: S3Cell) -> None:
        assert cell.read() is None
        first = cell.write(b"one", None)
        assert cell.read() == (b"one", first)
        second = cell.write(b"two", first)
        assert cell.read() == (b"two", second)
        cell.remove(second)
        assert cell.read() is None
        cell.remove(second)

    def test_races(self, cell: S3Cell) -> None:
        """Who holds an old version changes nothing."""
        first = cell.write(b"one", None)
        second = cell.write(b"two", first)
        for attempt in (
            lambda: cell.write(b"x", None),
            lambda: cell.write(b"x", first),
            lambda: cell.remove(first),
        ):
            with pytest.raises(LostRaceError):
                attempt()
        assert cell.read() == (b"two", second)

    def test_replacing_nothing(self, cell: S3Cell) -> None:
        first = cell.write(b"one", None)
        cell.remove(first)
        with pytest.raises(LostRaceError):
            cell.write(b"two", first)
        assert cell.read() is None

    def test_replacing_nothing_on_amazon(self, behind: Store, s3_proxy: FaultProxy) -> None:
        """It answers 404 then: no absence of anything that somebody asked for."""
        cell = S3Cell(behind, ConditionalWrites(behind), "/regctl/cell")
        first = cell.write(b"one", None)
        cell.remove(first)
        s3_proxy.inject(s3_error(404, "NoSuchKey"), method="PUT", times=None)
        with pytest.raises(LostRaceError):
            cell.write(b"two", first)

    def test_ignored(self, careless: Store) -> None:
        cell = S3Cell(careless, ConditionalWrites(careless), "/regctl/cell")
        with pytest.raises(ConditionalWritesIgnoredError):
            cell.write(b"one", None)
        assert cell.read() is None
