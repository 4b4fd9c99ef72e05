"""The contract of moving, deleting and directories."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from regctl.drivers.base import Kind, StorageDriver
from regctl.drivers.suite.shared import Traits, paths_of, together
from regctl.errors import (
    DamagedError,
    PathNotFoundError,
)


class ChangingSuite(Traits):
    """move, delete, delete_many, mkdir, rmdir, now."""

    def test_move(self, driver: StorageDriver) -> None:
        """A moved file is at its target, below new directories, and no longer at its source."""
        driver.put("/a/b", b"content")
        driver.move("/a/b", "/x/y/z")
        assert driver.get("/x/y/z", 99) == b"content"
        with pytest.raises(PathNotFoundError):
            driver.stat("/a/b")

    def test_move_replaces(self, driver: StorageDriver) -> None:
        """A file at the target is replaced."""
        driver.put("/a/b", b"new")
        driver.put("/a/c", b"the old content")
        driver.move("/a/b", "/a/c")
        assert driver.get("/a/c", 99) == b"new"
        assert paths_of(driver.walk("/a")) == ["/a/c"]

    def test_move_to_itself(self, driver: StorageDriver) -> None:
        """A file that is moved to where it is stays there."""
        driver.put("/a/b", b"x")
        driver.move("/a/b", "/a/b")
        assert driver.get("/a/b", 9) == b"x"

    def test_move_of_nothing(self, driver: StorageDriver) -> None:
        """Moving nothing leaves the target alone."""
        driver.put("/a/c", b"x")
        with pytest.raises(PathNotFoundError) as caught:
            driver.move("/a/b", "/a/c")
        assert caught.value.path == "/a/b"
        assert driver.get("/a/c", 9) == b"x"

    def test_move_one_winner(self, driver: StorageDriver) -> None:
        """Of many that move one file, one does, and the others find nothing."""
        driver.put("/a/source", b"x")

        def move(number: int) -> bool:
            try:
                driver.move("/a/source", f"/b/{number}")
            except PathNotFoundError:
                return False
            return True

        if self.has_directories:
            assert together(8, move) == 1
            assert len(driver.list("/b")) == 1

    def test_delete(self, driver: StorageDriver) -> None:
        """A deleted file is gone, its neighbours are not; deleting again finds nothing."""
        for name in ("foo", "foo-bar", "foo.bar"):
            driver.put(f"/a/{name}", b"x")
        driver.delete("/a/foo")
        assert paths_of(driver.walk("/a")) == ["/a/foo-bar", "/a/foo.bar"]
        with pytest.raises(PathNotFoundError):
            driver.delete("/a/foo")

    def test_delete_many(self, driver: StorageDriver) -> None:
        """Each path comes back once; what is absent is no error; the rest stays."""
        for number in range(30):
            driver.put(f"/a/{number}", b"x")
        wanted = [f"/a/{number}" for number in range(0, 40, 2)] + ["/none/at/all"]
        results = list(driver.delete_many(iter(wanted)))
        assert sorted(path for path, _ in results) == sorted(wanted)
        assert [error for _, error in results if error is not None] == []
        assert paths_of(driver.walk("/a")) == sorted(f"/a/{number}" for number in range(1, 30, 2))

    def test_delete_many_of_nothing(self, driver: StorageDriver) -> None:
        """No paths, no results."""
        assert list(driver.delete_many([])) == []

    def test_delete_many_keeps_directories(self, driver: StorageDriver) -> None:
        """A directory is no file: it and its content stay."""
        driver.put("/a/b/c", b"x")
        assert [path for path, _ in driver.delete_many(["/a/b"])] == ["/a/b"]
        assert driver.get("/a/b/c", 9) == b"x"

    def test_mkdir(self, driver: StorageDriver) -> None:
        """A directory is made with those above it, and making it again is no error."""
        driver.mkdir("/a/b/c")
        driver.mkdir("/a/b/c")
        driver.mkdir("/")
        if self.has_directories:
            assert driver.stat("/a/b/c").kind is Kind.DIRECTORY
            assert driver.list("/a/b/c") == []
            assert list(driver.walk("/a/b/c")) == []
            assert paths_of(driver.walk("/a")) == ["/a/b", "/a/b/c"]

    def test_mkdir_keeps_content(self, driver: StorageDriver) -> None:
        """Making a directory that is there keeps what it holds."""
        driver.put("/a/b/c", b"x")
        driver.mkdir("/a/b")
        assert driver.get("/a/b/c", 9) == b"x"

    def test_mkdir_over_a_file(self, driver: StorageDriver) -> None:
        """A file is no directory, neither here nor above."""
        driver.put("/a/b", b"x")
        if self.has_directories:
            for path in ("/a/b", "/a/b/c"):
                with pytest.raises(DamagedError, match="/a/b: a file where a directory should be"):
                    driver.mkdir(path)
        assert driver.get("/a/b", 9) == b"x"

    def test_rmdir(self, driver: StorageDriver) -> None:
        """An empty directory goes; nothing else does, and nothing of it is an error."""
        driver.mkdir("/a/empty")
        driver.put("/a/full/file", b"x")
        for path in ("/a/empty", "/a/empty", "/a/full", "/a/full/file", "/none/at/all", "/"):
            driver.rmdir(path)
        assert driver.get("/a/full/file", 9) == b"x"
        assert paths_of(driver.list("/a")) == ["/a/full"]

    def test_rmdir_while_writing(self, driver: StorageDriver) -> None:
        """Files arrive in directories that somebody else removes as often as they are empty."""
        done = threading.Event()

        def remove() -> int:
            rounds = 0
            while not done.is_set():
                rounds += 1
                driver.rmdir("/a/b/c")
                driver.rmdir("/a/b")
            return rounds

        with ThreadPoolExecutor(1) as pool:
            remover = pool.submit(remove)
            try:
                for number in range(20):
                    driver.put("/a/b/c/d", b"%d" % number)
                    assert driver.get("/a/b/c/d", 9) == b"%d" % number
                    driver.delete("/a/b/c/d")
            finally:
                done.set()
            assert remover.result() > 0

    def test_now(self, driver: StorageDriver) -> None:
        """The storage's clock goes on, is that of its files, and leaves nothing behind."""
        first = driver.now()
        driver.put("/a/b", b"x")
        modified = driver.stat("/a/b").modified
        last = driver.now()
        assert first - 1 <= modified <= last + 1
        assert first <= last
        assert paths_of(driver.walk("/a")) == ["/a/b"]

    def test_name(self, driver: StorageDriver) -> None:
        """A driver has a name."""
        assert driver.name
        assert driver.name == driver.name.lower()

    def test_is_a_driver(self, driver: StorageDriver) -> None:
        """It has all that the protocol has."""
        assert isinstance(driver, StorageDriver)
