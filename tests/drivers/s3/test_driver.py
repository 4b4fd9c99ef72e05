"""What the driver of S3 does beyond the suite: requests counted, odd keys, markers, races."""

from __future__ import annotations

import pytest

from regctl.drivers.base import Entry, Kind, Reader
from regctl.drivers.objects.ranges import ContentChangedError
from regctl.drivers.s3.driver import S3Driver, open_s3
from regctl.errors import DamagedError, PathNotFoundError, UnavailableError
from tests.servers.faults import CutAnswer, FaultProxy, LoseAnswer, Truncate
from tests.servers.s3 import S3Endpoint


@pytest.fixture
def behind(s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str) -> S3Driver:
    """The driver behind a proxy that spoils what it is told to."""
    return open_s3(s3_server.behind(s3_proxy.url).parameters(s3_prefix), 4)


def test_traits(driver: S3Driver) -> None:
    assert driver.hides_unfinished
    assert driver.seals


class TestKeys:
    @pytest.mark.parametrize("root", ["{}", "/{}", "{}/", "/{}/"])
    def test_root_directory(self, s3_server: S3Endpoint, s3_prefix: str, root: str) -> None:
        """However the root is written, the key is that of the registry."""
        members = s3_server.parameters(root.format(s3_prefix))
        open_s3(members, 4).put("/docker/registry/v2/x", b"content")
        assert s3_server.get(f"{s3_prefix}/docker/registry/v2/x") == b"content"

    def test_no_root_directory(self, s3_server: S3Endpoint, s3_prefix: str) -> None:
        driver = open_s3(s3_server.parameters(""), 4)
        driver.put(f"/{s3_prefix}/x", b"content")
        assert s3_server.get(f"{s3_prefix}/x") == b"content"

    def test_neighbour(self, s3_server: S3Endpoint, s3_prefix: str) -> None:
        """``reg`` does not hold what lies in ``registry``."""
        open_s3(s3_server.parameters(f"{s3_prefix}/registry"), 4).put("/a", b"x")
        driver = open_s3(s3_server.parameters(f"{s3_prefix}/reg"), 4)
        assert list(driver.walk("/")) == []
        assert driver.list("/") == []

    def test_undecodable(self, driver: S3Driver) -> None:
        """Nothing is at a path that is no text."""
        for attempt in (
            lambda: driver.stat("/a\udcff"),
            lambda: driver.get("/a\udcff", 9),
            lambda: driver.read("/a\udcff"),
            lambda: driver.list("/a\udcff"),
            lambda: driver.delete("/a\udcff"),
        ):
            with pytest.raises(PathNotFoundError):
                attempt()
        assert list(driver.delete_many(["/a\udcff"])) == [("/a\udcff", None)]

    @pytest.mark.parametrize("name", ["a b", "a+b", "a%20b", "a&b=c?d#e", "ü/ñ", "'\"<>", "a,b;c"])
    def test_odd_characters(self, driver: S3Driver, name: str) -> None:
        """Nothing in a name is taken for a part of a URL, also where it is copied from."""
        path = f"/a/{name}/x"
        driver.put(path, b"content")
        driver.move(path, f"/b/{name}")
        assert driver.get(f"/b/{name}", 99) == b"content"
        assert [entry.path for entry in driver.walk("/")] == [f"/b/{name}"]
        driver.put("/a/other", b"y")
        driver.put(path, b"x")
        assert dict(driver.delete_many([path, f"/b/{name}"])) == {path: None, f"/b/{name}": None}
        assert [entry.path for entry in driver.walk("/")] == ["/a/other"]


class TestStrays:
    """What other tools leave in a bucket; moto takes it all."""

    @pytest.fixture
    def marked(self, moto_server: S3Endpoint, moto_prefix: str) -> None:
        for key in ("a/", "a/b/", "a/empty/", "", "a/b/c"):
            moto_server.put(f"{moto_prefix}/{key}", b"x" if key == "a/b/c" else b"")

    def test_markers(self, moto_driver: S3Driver, marked: None) -> None:
        """Zero bytes with a slash at the end are no files, and make no directories."""
        assert [entry.path for entry in moto_driver.walk("/")] == ["/a/b/c"]
        assert moto_driver.list("/a/b") == [Entry("/a/b/c", Kind.FILE)]
        assert moto_driver.stat("/a/b") == Entry("/a/b", Kind.DIRECTORY)
        with pytest.raises(PathNotFoundError):
            moto_driver.stat("/a/empty")

    def test_many_markers(
        self, moto_driver: S3Driver, moto_server: S3Endpoint, moto_prefix: str
    ) -> None:
        """A directory is found behind any number of marks."""
        for number in range(5):
            moto_server.put(f"{moto_prefix}/a/{number}/")
        with pytest.raises(PathNotFoundError):
            moto_driver.stat("/a")
        moto_server.put(f"{moto_prefix}/a/x", b"x")
        assert moto_driver.stat("/a").kind is Kind.DIRECTORY

    def test_stray_keys(
        self, moto_driver: S3Driver, moto_server: S3Endpoint, moto_prefix: str
    ) -> None:
        """Keys that are no paths are shown as what they are, and nothing is lost beside them."""
        for key in ("a//b", "a/./c", "/lead", "a/d", "a/full/"):
            moto_server.put(f"{moto_prefix}/{key}", b"x")
        entries = {entry.path: entry.kind for entry in moto_driver.walk("/")}
        assert entries == {
            "/a//b": Kind.OTHER,
            "/a/./c": Kind.OTHER,
            "//lead": Kind.OTHER,
            "/a/full/": Kind.OTHER,
            "/a/d": Kind.FILE,
        }

    def test_file_and_directory(self, moto_driver: S3Driver) -> None:
        """One name can be both: as a file it is read, and what lies below is there too."""
        moto_driver.put("/a/b", b"file")
        moto_driver.put("/a/b/c", b"below")
        assert moto_driver.stat("/a/b").kind is Kind.FILE
        assert moto_driver.get("/a/b", 9) == b"file"
        assert moto_driver.list("/a/b") == [Entry("/a/b/c", Kind.FILE)]


class TestRequests:
    """One request where one will do."""

    def requests(self, driver: S3Driver, before: dict[str, int]) -> dict[str, int]:
        grown = {name: now - before.get(name, 0) for name, now in driver.requests().items()}
        return {name: count for name, count in grown.items() if count}

    def test_each(self, driver: S3Driver) -> None:
        driver.put("/a/b", b"content")
        with pytest.raises(PathNotFoundError):
            driver.stat("/none", files_only=True)  # takes a second look, the first time
        before = dict(driver.requests())
        driver.put("/a/b", b"content")
        assert self.requests(driver, before) == {"PutObject": 1}
        before = dict(driver.requests())
        driver.get("/a/b", 99)
        assert self.requests(driver, before) == {"GetObject": 1}
        before = dict(driver.requests())
        with driver.read("/a/b") as reader:
            while reader.readinto(bytearray(3)):
                pass
        assert self.requests(driver, before) == {"GetObject": 1}
        before = dict(driver.requests())
        driver.stat("/a/b")
        assert self.requests(driver, before) == {"HeadObject": 1}
        before = dict(driver.requests())
        with pytest.raises(PathNotFoundError):
            driver.stat("/a/none", files_only=True)
        assert self.requests(driver, before) == {"HeadObject": 1}
        before = dict(driver.requests())
        driver.stat("/a")
        assert self.requests(driver, before) == {"HeadObject": 1, "ListObjectsV2": 1}
        before = dict(driver.requests())
        driver.mkdir("/x")
        driver.rmdir("/x")
        assert self.requests(driver, before) == {}


class TestReading:
    def test_limit_reads_nothing(self, behind: S3Driver, s3_proxy: FaultProxy) -> None:
        """What is too large is not fetched to find that out."""
        behind.put("/a", bytes(20 << 20))
        with pytest.raises(DamagedError, match="20971520 bytes, more than 1000"):
            behind.get("/a", 1000)
        (get,) = [request for request in s3_proxy.log() if request.method == "GET"]
        assert get.sent < 20 << 20

    @pytest.mark.parametrize("fault", [CutAnswer(3), Truncate(3), CutAnswer(0)])
    def test_cut(self, behind: S3Driver, s3_proxy: FaultProxy, fault: CutAnswer) -> None:
        """A body that breaks off is fetched again, which the SDK does not do."""
        behind.put("/a", b"content")
        s3_proxy.inject(fault, method="GET")
        assert behind.get("/a", 99) == b"content"

    def test_cut_again_and_again(self, behind: S3Driver, s3_proxy: FaultProxy) -> None:
        behind.put("/a", b"content")
        s3_proxy.inject(CutAnswer(3), method="GET", times=None)
        with pytest.raises(UnavailableError, match="/a: the connection broke"):
            behind.get("/a", 99)

    def test_stream_is_cut(self, behind: S3Driver, s3_proxy: FaultProxy) -> None:
        """It goes on at the byte where it stopped."""
        content = bytes(range(256)) * (1 << 12)
        behind.put("/a", content)
        s3_proxy.inject(CutAnswer(300_000), method="GET")
        read = bytearray()
        buffer = bytearray(100_000)
        with behind.read("/a") as reader:
            while count := reader.readinto(buffer):
                read += buffer[:count]
        assert read == content
        sent = [request.sent for request in s3_proxy.log() if request.method == "GET"]
        assert len(sent) == 2
        assert sum(sent) <= len(content)

    def test_large_stream(self, driver: S3Driver) -> None:
        """By several ranges, in order, from anywhere, and as it was when it was opened."""
        content = b"".join(number.to_bytes(4, "big") for number in range(6 << 20))
        driver.put("/a", content)
        for offset in (0, 1, 8 << 20, len(content) - 1):
            read = bytearray()
            buffer = bytearray(1 << 20)
            with driver.read("/a", offset) as reader:
                while count := reader.readinto(buffer):
                    read += memoryview(buffer)[:count]
            assert read == content[offset:]

    def test_changed_while_it_is_read(self, driver: S3Driver) -> None:
        """Two contents are never given as one."""

        def read_on(reader: Reader) -> None:
            while reader.readinto(buffer):
                assert not any(buffer)

        driver.put("/a", bytes(20 << 20))
        buffer = bytearray(1 << 20)
        with driver.read("/a") as reader:
            reader.readinto(buffer)
            driver.put("/a", b"\1" * (20 << 20))
            with pytest.raises(ContentChangedError, match="/a"):
                read_on(reader)

    def test_listed_and_gone(self, driver: S3Driver) -> None:
        """What a listing showed and is gone is not found: no damage, no failure."""
        driver.put("/a", b"x")
        (entry,) = driver.walk("/")
        driver.delete("/a")
        with pytest.raises(PathNotFoundError):
            driver.get(entry.path, 9)


class TestLostAnswers:
    """The server has done what it was asked, and nobody heard it say so."""

    def test_put(self, behind: S3Driver, s3_proxy: FaultProxy) -> None:
        s3_proxy.inject(LoseAnswer(), method="PUT")
        behind.put("/a", b"content")
        assert behind.get("/a", 99) == b"content"

    def test_delete(self, behind: S3Driver, s3_proxy: FaultProxy) -> None:
        behind.put("/a", b"content")
        s3_proxy.inject(LoseAnswer(), method="DELETE")
        behind.delete("/a")
        with pytest.raises(PathNotFoundError):
            behind.stat("/a")

    def test_move(self, behind: S3Driver, s3_proxy: FaultProxy) -> None:
        behind.put("/a", b"content")
        s3_proxy.inject(LoseAnswer(), method="PUT")
        s3_proxy.inject(LoseAnswer(), method="DELETE")
        behind.move("/a", "/b")
        assert behind.get("/b", 99) == b"content"
        assert [entry.path for entry in behind.walk("/")] == ["/b"]
