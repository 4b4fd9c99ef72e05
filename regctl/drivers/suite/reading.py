"""The contract of read, get, get_many and put."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from regctl.drivers.base import Kind, StorageDriver
from regctl.drivers.suite.shared import BIG, Traits, paths_of, read_all, together
from regctl.errors import (
    DamagedError,
    NotPermittedPathError,
    PathExistsError,
    PathNotFoundError,
    StorageError,
)


class ReadingSuite(Traits):
    """read, get, get_many, put."""

    def test_put_and_get(self, driver: StorageDriver) -> None:
        """What was put is there, whatever its directories; putting again replaces it."""
        driver.put("/a/b/c", b"one")
        assert driver.get("/a/b/c", 100) == b"one"
        driver.put("/a/b/c", b"the second")
        assert driver.get("/a/b/c", 100) == b"the second"
        driver.put("/a/b/c", b"3")
        assert driver.get("/a/b/c", 100) == b"3"

    def test_put_leaves_nothing_else(self, driver: StorageDriver) -> None:
        """No temporary file stays beside the content."""
        driver.put("/a/b", b"x")
        driver.put("/a/b", b"y")
        assert paths_of(driver.walk("/a")) == ["/a/b"]

    def test_empty_file(self, driver: StorageDriver) -> None:
        """A file of no bytes is a file."""
        driver.put("/a/empty", b"")
        assert driver.get("/a/empty", 0) == b""
        assert read_all(driver, "/a/empty") == b""
        assert driver.stat("/a/empty").size == 0

    def test_big_content(self, driver: StorageDriver) -> None:
        """Megabytes come back as they went in, also in small pieces and from the middle."""
        content = bytes(range(256)) * (BIG // 256)
        driver.put("/a/big", content)
        assert driver.get("/a/big", BIG) == content
        assert read_all(driver, "/a/big", size=100_001) == content
        assert read_all(driver, "/a/big", 3 << 20) == content[3 << 20 :]

    @pytest.mark.parametrize(("offset", "rest"), [(0, b"hello"), (1, b"ello"), (5, b""), (99, b"")])
    def test_read_offset(self, driver: StorageDriver, offset: int, rest: bytes) -> None:
        """A stream begins at its offset, and is empty from the end on."""
        driver.put("/a/b", b"hello")
        assert read_all(driver, "/a/b", offset) == rest

    def test_read_negative_offset(self, driver: StorageDriver) -> None:
        """An offset before the start is a mistake of the caller."""
        driver.put("/a/b", b"hello")
        with pytest.raises(ValueError, match="-1"):
            driver.read("/a/b", -1)

    def test_readinto_memoryview(self, driver: StorageDriver) -> None:
        """A reader fills a part of the caller's buffer and nothing beside it."""
        driver.put("/a/b", b"abc")
        buffer = bytearray(b"......")
        with driver.read("/a/b") as reader:
            assert reader.readinto(memoryview(buffer)[1:3]) == 2
        assert buffer == b".ab..."

    def test_closed_reader(self, driver: StorageDriver) -> None:
        """Closing twice is fine; reading afterwards is a mistake, not an end of file."""
        driver.put("/a/b", b"abc")
        reader = driver.read("/a/b")
        reader.close()
        reader.close()
        with pytest.raises(ValueError, match="closed"):
            reader.readinto(bytearray(1))

    def test_get_limit(self, driver: StorageDriver) -> None:
        """A file of exactly the limit is given; a larger one is refused, not cut."""
        driver.put("/a/b", b"12345")
        assert driver.get("/a/b", 5) == b"12345"
        with pytest.raises(DamagedError, match="/a/b"):
            driver.get("/a/b", 4)

    def test_get_many(self, driver: StorageDriver) -> None:
        """Every path comes back in its turn, with what it holds or what is the matter with it."""
        contents = {f"/a/{number}/file": b"%d" % number for number in range(50)}
        for path, content in contents.items():
            driver.put(path, content)
        driver.put("/a/empty", b"")
        driver.put("/a/large", b"x" * 10)
        odd = ["/a/none", "/a/empty", "/a/large", "/a/1", "/none/at/all", "/a/../b", "/"]
        paths = [path for pair in zip(contents, odd * 8, strict=False) for path in pair]
        found = list(driver.get_many(iter(paths), 9))
        assert [path for path, _ in found] == paths
        for path, got in found:
            if path in contents:
                assert got == contents[path]
            elif path == "/a/empty":
                assert got == b""
            elif path == "/a/large":
                assert isinstance(got, DamagedError)
            elif path == "/a/../b":
                assert isinstance(got, NotPermittedPathError)
            else:
                assert isinstance(got, PathNotFoundError)
                assert got.path == path

    def test_get_many_of_nothing(self, driver: StorageDriver) -> None:
        """Who asks for nothing gets nothing; of paths that are all refused, the refusals."""
        assert list(driver.get_many([], 9)) == []
        assert [path for path, _ in driver.get_many(["x", "//"], 9)] == ["x", "//"]

    def test_get_many_abandoned(self, driver: StorageDriver) -> None:
        """Paths are taken some way ahead, and no further; who needs no more may leave."""
        driver.put("/a/b", b"x")
        taken: list[int] = []

        def endless() -> Iterator[str]:
            for number in itertools.count():
                taken.append(number)
                yield "/a/b"

        assert next(driver.get_many(endless(), 9)) == ("/a/b", b"x")
        assert len(taken) < 1000

    def test_absent(self, driver: StorageDriver) -> None:
        """What is not there is not found, under its own name, and nothing else is the matter."""
        driver.put("/a/file", b"x")
        attempts: list[Callable[[str], object]] = [
            driver.stat,
            driver.list,
            driver.delete,
            lambda path: driver.get(path, 9),
            driver.read,
            lambda path: list(driver.walk(path)),
            lambda path: driver.move(path, "/a/target"),
        ]
        for attempt in attempts:
            for path in ("/a/none", "/none/at/all", "/a/file/below"):
                with pytest.raises(PathNotFoundError) as caught:
                    attempt(path)
                assert caught.value.path == path

    def test_directory_is_no_file(self, driver: StorageDriver) -> None:
        """A directory is neither read, moved nor deleted as a file."""
        driver.put("/a/b/c", b"x")
        for attempt in (
            lambda: driver.read("/a/b"),
            lambda: driver.get("/a/b", 9),
            lambda: driver.delete("/a/b"),
            lambda: driver.move("/a/b", "/a/d"),
            lambda: driver.delete("/"),
            lambda: driver.read("/"),
        ):
            with pytest.raises(PathNotFoundError):
                attempt()
        assert paths_of(e for e in driver.walk("/a") if e.kind is Kind.FILE) == ["/a/b/c"]

    def test_file_is_no_directory(self, driver: StorageDriver) -> None:
        """A file is not listed as a directory."""
        driver.put("/a/b", b"x")
        with pytest.raises(PathNotFoundError):
            driver.list("/a/b")
        with pytest.raises(PathNotFoundError):
            list(driver.walk("/a/b"))

    def test_put_if_absent(self, driver: StorageDriver) -> None:
        """Create-if-absent makes a file once, and never touches one."""
        driver.put("/a/b", b"first", if_absent=True)
        with pytest.raises(PathExistsError) as caught:
            driver.put("/a/b", b"second", if_absent=True)
        assert caught.value.path == "/a/b"
        assert driver.get("/a/b", 99) == b"first"
        assert paths_of(driver.walk("/a")) == ["/a/b"]

    def test_put_if_absent_one_winner(self, driver: StorageDriver) -> None:
        """Of sixteen that create at once, exactly one succeeds, and its content is what stays."""
        winners: list[int] = []

        def create(number: int) -> bool:
            try:
                driver.put("/a/race/file", b"%d" % number * 1000, if_absent=True)
            except PathExistsError:
                return False
            winners.append(number)
            return True

        assert together(16, create) == 1
        assert driver.get("/a/race/file", 1 << 20) == b"%d" % winners[0] * 1000

    def test_put_old_or_new(self, driver: StorageDriver) -> None:
        """Readers see one whole content or another while it is replaced again and again."""
        contents = [bytes([letter]) * 200_000 for letter in b"abcd"]
        driver.put("/a/b", contents[0])
        done = threading.Event()

        def read(_: int) -> bool:
            seen = 0
            while not done.is_set() or seen == 0:
                seen += 1
                if read_all(driver, "/a/b") not in contents:
                    return False
                if driver.get("/a/b", 1 << 20) not in contents:
                    return False
            return True

        with ThreadPoolExecutor(2) as pool:
            readers = [pool.submit(read, number) for number in range(2)]
            try:
                for round_ in range(24):
                    driver.put("/a/b", contents[round_ % 4])
            finally:
                done.set()
            assert all(reader.result() for reader in readers)

    def test_reader_keeps_what_it_opened(self, driver: StorageDriver) -> None:
        """A stream that was opened gives one content though the file is replaced and deleted."""
        driver.put("/a/b", b"old" * 100_000)
        buffer = bytearray(1000)
        with driver.read("/a/b") as reader:
            content = bytearray(buffer[: reader.readinto(buffer)])
            driver.put("/a/b", b"new")
            driver.delete("/a/b")
            try:
                while count := reader.readinto(buffer):
                    content += buffer[:count]
            except StorageError:
                assert not self.has_directories  # a file on a disk stays while it is open
            else:
                assert content == b"old" * 100_000

    def test_parallel_puts_in_new_directories(self, driver: StorageDriver) -> None:
        """Threads that make the same directories do not get in each other's way."""

        def put(number: int) -> bool:
            for turn in range(3):
                driver.put(f"/deep/{turn}/x/y/z/{number}", b"%d" % number)
            return True

        assert together(8, put) == 8
        files = [e.path for e in driver.walk("/deep") if e.kind is Kind.FILE]
        assert sorted(files) == sorted(f"/deep/{t}/x/y/z/{n}" for t in range(3) for n in range(8))
