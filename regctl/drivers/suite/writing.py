"""The contract of a writer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from regctl.drivers.base import Kind, StorageDriver, Writer
from regctl.drivers.suite.shared import BIG, Traits, read_all, together
from regctl.errors import (
    DamagedError,
    PathExistsError,
    PathNotFoundError,
    UploadInUseError,
)


class WriterSuite(Traits):
    """Writers."""

    def test_write_and_commit(self, driver: StorageDriver) -> None:
        """What was written in several forms is there in order after the commit."""
        with driver.writer("/a/b/data") as writer:
            assert writer.size == 0
            writer.write(b"one ")
            writer.write(bytearray(b"two "))
            writer.write(memoryview(b"-three-")[1:-1])
            writer.write(b"")
            assert writer.size == 13
            writer.flush_early()
            writer.sync()
            writer.commit()
        assert driver.get("/a/b/data", 99) == b"one two three"
        assert driver.stat("/a/b/data").size == 13

    def test_write_much(self, driver: StorageDriver) -> None:
        """Megabytes in unequal pieces arrive whole."""
        content = bytes(range(251)) * (BIG // 251)
        with driver.writer("/a/data") as writer:
            for start in range(0, len(content), 999_983):
                writer.write(content[start : start + 999_983])
                writer.flush_early()
            writer.commit()
        assert read_all(driver, "/a/data") == content

    def test_append(self, driver: StorageDriver) -> None:
        """A writer that was closed leaves what the next one appends to."""
        with driver.writer("/a/data") as writer:
            writer.write(b"one ")
        with driver.writer("/a/data", append=True) as writer:
            assert writer.size == 4
            writer.write(b"two")
            writer.commit()
        assert driver.get("/a/data", 99) == b"one two"

    def test_append_to_nothing(self, driver: StorageDriver) -> None:
        """Appending begins with nothing where nothing is there."""
        with driver.writer("/a/data", append=True) as writer:
            assert writer.size == 0
            writer.write(b"x")
            writer.commit()
        assert driver.get("/a/data", 99) == b"x"

    def test_without_append_starts_empty(self, driver: StorageDriver) -> None:
        """A writer that does not append drops what was there."""
        driver.put("/a/data", b"something long")
        with driver.writer("/a/data") as writer:
            assert writer.size == 0
            writer.write(b"x")
            writer.commit()
        assert driver.get("/a/data", 99) == b"x"

    def test_commit_of_nothing(self, driver: StorageDriver) -> None:
        """A committed writer leaves a file, even an empty one."""
        with driver.writer("/a/data") as writer:
            writer.commit()
        assert driver.stat("/a/data").kind is Kind.FILE
        assert driver.get("/a/data", 9) == b""

    def test_truncate(self, driver: StorageDriver) -> None:
        """Writing goes on where the file was cut; it cannot be cut to more than it has."""
        with driver.writer("/a/data") as writer:
            writer.write(b"0123456789")
            writer.flush_early()
            writer.truncate(4)
            assert writer.size == 4
            writer.write(b"x")
            with pytest.raises(ValueError, match="5"):
                writer.truncate(6)
            writer.truncate(5)
            writer.commit()
        assert driver.get("/a/data", 99) == b"0123x"
        with driver.writer("/a/data", append=True) as writer:
            writer.truncate(0)
            writer.write(b"y")
            writer.commit()
        assert driver.get("/a/data", 99) == b"y"

    def test_cancel(self, driver: StorageDriver) -> None:
        """Cancelling removes the file, also what earlier writers left, and may be repeated."""
        with driver.writer("/a/data") as writer:
            writer.write(b"x")
        with driver.writer("/a/data", append=True) as writer:
            writer.write(b"y")
            writer.cancel()
            writer.cancel()
        with pytest.raises(PathNotFoundError):
            driver.stat("/a/data")
        with driver.writer("/a/data") as writer:
            writer.commit()

    def test_cancel_after_the_end(self, driver: StorageDriver) -> None:
        """A writer that is closed or committed removes nothing any more."""
        for end in ("commit", "close"):
            writer = driver.writer("/a/data")
            writer.write(b"x")
            (writer.commit if end == "commit" else writer.close)()
            writer.cancel()
            writer.close()
            if end == "commit" or not driver.hides_unfinished:
                assert driver.get("/a/data", 9) == b"x"
            with driver.writer("/a/data", append=True) as again:
                assert again.size == 1

    def test_move_of_what_is_committed(self, driver: StorageDriver) -> None:
        """A committed file is moved before anybody else can get hold of it.

        Else a second upload could append to what has become a blob.
        """
        with driver.writer("/a/data") as writer:
            writer.write(b"blob")
            writer.commit()
            with pytest.raises(UploadInUseError):
                driver.writer("/a/data", append=True)
            with pytest.raises(ValueError, match="closed"):
                writer.write(b"more")
            driver.move("/a/data", "/b/blob")
            writer.cancel()
        assert driver.get("/b/blob", 9) == b"blob"
        driver.writer("/b/blob", append=True).close()

    def test_closed_writer(self, driver: StorageDriver) -> None:
        """A closed writer takes nothing more, and says so."""
        writer = driver.writer("/a/data")
        writer.write(b"x")
        writer.close()
        attempts: list[Callable[[], None]] = [
            lambda: writer.write(b"y"),
            lambda: writer.truncate(0),
            writer.flush_early,
            writer.sync,
            writer.commit,
        ]
        for attempt in attempts:
            with pytest.raises(ValueError, match="closed"):
                attempt()
        with driver.writer("/a/data", append=True) as again:
            assert again.size == 1
            again.commit()
        assert driver.get("/a/data", 9) == b"x"

    def test_unfinished(self, driver: StorageDriver) -> None:
        """What a writer left is a file as others, or nobody but `unfinished` sees it."""
        driver.put("/a/b/other", b"x")
        before = driver.now()
        with driver.writer("/a/b/data") as writer:
            writer.write(b"one ")
            writer.sync()
        with driver.writer("/a/bc/data") as writer:
            writer.write(b"neighbour")
        hidden = list(driver.unfinished("/a/b"))
        seen = [entry for entry in driver.walk("/a/b") if entry.path == "/a/b/data"]
        if driver.hides_unfinished:
            assert [(entry.path, entry.kind, entry.size) for entry in hidden] == [
                ("/a/b/data", Kind.FILE, 4)
            ]
            assert before - 2 <= hidden[0].modified <= driver.now() + 2
            assert not seen
            for look in (driver.stat, lambda path: driver.get(path, 9), driver.read):
                with pytest.raises(PathNotFoundError):
                    look("/a/b/data")
            assert "/a/b/data" not in {entry.path for entry in driver.list("/a/b")}
        else:
            assert not hidden
            assert [entry.size for entry in seen] == [4]
        with driver.writer("/a/b/data", append=True) as writer:
            writer.commit()
        with driver.writer("/a/bc/data", append=True) as writer:
            writer.cancel()
        assert not list(driver.unfinished("/"))
        assert driver.stat("/a/b/data").size == 4

    def test_unfinished_of_nothing(self, driver: StorageDriver) -> None:
        """Nothing is unfinished where nothing is."""
        assert list(driver.unfinished("/none/at/all")) == []

    def test_reader_of_a_writer(self, driver: StorageDriver) -> None:
        """What was written can be read, by whoever writes it, and then it goes on."""
        with driver.writer("/a/data") as writer:
            with writer.reader() as reader:
                assert reader.readinto(bytearray(9)) == 0
            writer.write(b"one ")
        with driver.writer("/a/data", append=True) as writer:
            writer.write(b"two ")
            content = bytearray(20)
            with writer.reader() as reader:
                count = reader.readinto(content)
                while more := reader.readinto(memoryview(content)[count:]):
                    count += more
            assert content[:count] == b"one two "
            assert writer.size == 8
            writer.write(b"three")
            writer.commit()
            with pytest.raises(ValueError, match="closed"):
                writer.reader()
        assert driver.get("/a/data", 99) == b"one two three"
        assert not list(driver.unfinished("/a"))

    def test_sealed(self, driver: StorageDriver) -> None:
        """Nothing of a sealed file is seen before the commit; what stands there stays till then."""
        if not driver.seals:
            with pytest.raises(ValueError, match="seal"):
                driver.writer("/a/data", sealed=True)
            return
        driver.put("/a/data", b"there")
        with driver.writer("/a/data", append=True, sealed=True) as writer:
            assert writer.size == 0
            writer.write(b"x" * BIG)
            writer.write(b"short end")
            writer.sync()
            for attempt in (writer.reader, lambda: writer.truncate(5)):
                with pytest.raises(ValueError, match="sealed"):
                    attempt()
        assert driver.get("/a/data", 9) == b"there"
        with driver.writer("/a/data", append=True, sealed=True) as writer:
            kept = writer.size
            assert kept <= BIG + 9
            if not writer.holds([b"x" * BIG, b"short end"]):
                writer.truncate(0)
            writer.write((b"x" * BIG + b"short end, and more")[writer.size :])
            assert driver.get("/a/data", 9) == b"there"
            writer.commit()
        assert read_all(driver, "/a/data") == b"x" * BIG + b"short end, and more"
        assert not list(driver.unfinished("/a"))

    def test_sealed_and_cancelled(self, driver: StorageDriver) -> None:
        """Cancelling a sealed file removes what was begun, and not what stands there."""
        if not driver.seals:
            with pytest.raises(ValueError, match="seal"):
                driver.writer("/a/data", append=True, sealed=True)
            return
        for is_there in (False, True):
            if is_there:
                driver.put("/a/data", b"there")
            with driver.writer("/a/data", sealed=True) as writer:
                writer.write(b"x" * BIG)
                writer.truncate(0)
                writer.write(b"y")
                writer.cancel()
            assert not list(driver.unfinished("/a"))
            if is_there:
                assert driver.get("/a/data", 9) == b"there"
            else:
                with pytest.raises(PathNotFoundError):
                    driver.stat("/a/data")

    def test_holds(self, driver: StorageDriver) -> None:
        """A storage may know what it holds; it never says yes to what is something else."""
        content = bytes(range(256)) * (BIG // 256)
        with driver.writer("/a/data") as writer:
            assert writer.holds([])
            assert writer.holds([b"anything"])
            writer.write(content)
        with driver.writer("/a/data", append=True) as writer:
            assert writer.size == len(content)
            assert not writer.holds([content[:-1]])
            assert not writer.holds([content[:-1], b"?", b"more"])
            assert not writer.holds([b"?", content[1:]])
            assert writer.holds([content[:9], content[9:], b"more"]) in (True, False)
            writer.cancel()

    def test_closed_by_an_error(self, driver: StorageDriver) -> None:
        """An error in the block keeps what was written and lets the next writer in."""

        def fail() -> None:
            with driver.writer("/a/data") as writer:
                writer.write(b"kept")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        with driver.writer("/a/data", append=True) as writer:
            assert writer.size == 4
            writer.commit()

    @pytest.mark.parametrize("append", [True, False])
    def test_second_writer(self, driver: StorageDriver, append: bool) -> None:
        """A second writer is refused and changes nothing, least of all by starting empty."""
        with driver.writer("/a/data") as writer:
            writer.write(b"one ")
            with pytest.raises(UploadInUseError, match="/a/data"):
                driver.writer("/a/data", append=append)
            with driver.writer("/a/other") as other:
                other.commit()
            writer.write(b"two")
            writer.commit()
        assert driver.get("/a/data", 99) == b"one two"
        with driver.writer("/a/data", append=True) as writer:
            assert writer.size == 7

    def test_one_writer_of_many(self, driver: StorageDriver) -> None:
        """Of sixteen that open at once, one gets the file."""
        opened: list[Writer] = []

        def open_(_: int) -> bool:
            try:
                opened.append(driver.writer("/a/race/data", append=True))
            except UploadInUseError:
                return False
            return True

        try:
            assert together(16, open_) == 1
        finally:
            for writer in opened:
                writer.close()

    def test_move_under_the_writer(self, driver: StorageDriver) -> None:
        """A file that its writer has open can be moved; cancelling then removes nothing."""
        with driver.writer("/a/data") as writer:
            writer.write(b"content")
            writer.sync()
            if not self.moves_while_writing:
                # Such a writer keeps what it writes to itself, until it is committed.
                with pytest.raises(PathNotFoundError):
                    driver.move("/a/data", "/b/blob")
                return
            driver.move("/a/data", "/b/blob")
            driver.put("/a/data", b"another's")
            writer.cancel()
        assert driver.get("/b/blob", 99) == b"content"
        assert driver.get("/a/data", 99) == b"another's"

    def test_write_below_a_file(self, driver: StorageDriver) -> None:
        """A file where a directory should be is damage, named, and is left as it is."""
        driver.put("/a/b", b"x")
        if not self.has_directories:
            driver.put("/a/b/c", b"y")
            assert (driver.get("/a/b", 9), driver.get("/a/b/c", 9)) == (b"x", b"y")
            return
        for attempt in (
            lambda: driver.put("/a/b/c/d", b"y"),
            lambda: driver.writer("/a/b/c/d"),
            lambda: driver.move("/a/b", "/a/b/c"),
        ):
            with pytest.raises(DamagedError, match="/a/b: a file where a directory should be"):
                attempt()
        assert driver.get("/a/b", 9) == b"x"

    def test_write_over_a_directory(self, driver: StorageDriver) -> None:
        """A directory is not replaced by a file."""
        driver.put("/a/b/c", b"x")
        driver.put("/a/d", b"y")
        if not self.has_directories:
            driver.move("/a/d", "/a/b")
            assert (driver.get("/a/b", 9), driver.get("/a/b/c", 9)) == (b"y", b"x")
            return
        for attempt in (
            lambda: driver.put("/a/b", b"y"),
            lambda: driver.writer("/a/b"),
            lambda: driver.move("/a/d", "/a/b"),
        ):
            with pytest.raises(DamagedError, match="/a/b: a directory where a file should be"):
                attempt()
        with pytest.raises(PathExistsError):
            driver.put("/a/b", b"y", if_absent=True)
        assert driver.get("/a/b/c", 9) == b"x"
        assert driver.get("/a/d", 9) == b"y"
