"""The conformance suite: the contract of `regctl.drivers.base`, sentence by sentence, as tests.

A driver, or a wrapper, passes it by inheriting it with pytest::

    class TestMemoryDriver(DriverSuite):
        @pytest.fixture
        def driver(self) -> StorageDriver:
            return CheckedDriver(MemoryDriver())

The fixture gives an empty storage to each test. Importing this module needs pytest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from regctl.drivers.base import Entry, Kind, StorageDriver, Writer
from regctl.errors import (
    DamagedError,
    NotPermittedPathError,
    PathExistsError,
    PathNotFoundError,
    RegctlError,
    StorageError,
    UploadInUseError,
)

_BIG = 5 << 20
#: Names that are foreign to a registry and may lie in its tree all the same.
_ODD_NAMES = (
    "with space",
    "UPPER",
    "ünïcödé",
    "a%2Fb",
    "back\\slash",
    "new\nline",
    "...",
    "-",
    "x" * 255,
)
_UNSAFE = (
    "",
    "a",
    "a/b",
    "//a",
    "/a/",
    "/a//b",
    "/.",
    "/..",
    "/a/.",
    "/a/../b",
    "/a\0b",
    "/" + "x" * 256,
)


def read_all(driver: StorageDriver, path: str, offset: int = 0, size: int = 1 << 16) -> bytes:
    """What a reader of ``path`` yields, read in pieces of ``size`` bytes."""
    content = bytearray()
    buffer = bytearray(size)
    with driver.read(path, offset) as reader:
        while count := reader.readinto(buffer):
            content += memoryview(buffer)[:count]
        assert reader.readinto(buffer) == 0
    return bytes(content)


def paths_of(entries: Iterable[Entry]) -> list[str]:
    """The paths of ``entries``, in order of name."""
    return sorted(entry.path for entry in entries)


def together(count: int, work: Callable[[int], bool]) -> int:
    """For how many of 0 to ``count`` - 1 ``work``, begun by all threads at once, says yes."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> bool:
        barrier.wait(timeout=30)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(begin, range(count)))


class Traits:
    """What a driver may differ in; a subclass says so."""

    #: Whether the driver has directories as such, and knows files from them; an object store has
    #: none.
    has_directories = True
    #: Whether a file that a writer has open can be moved.
    moves_while_writing = True


class ReadingSuite(Traits):
    """read, get, put."""

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
        content = bytes(range(256)) * (_BIG // 256)
        driver.put("/a/big", content)
        assert driver.get("/a/big", _BIG) == content
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
        content = bytes(range(251)) * (_BIG // 251)
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
            assert driver.get("/a/data", 9) == b"x"

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
        assert driver.get("/a/data", 9) == b"x"

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
        if not self.moves_while_writing:
            pytest.skip("this driver's writers keep what they write to themselves")
        with driver.writer("/a/data") as writer:
            writer.write(b"content")
            writer.sync()
            driver.move("/a/data", "/b/blob")
            driver.put("/a/data", b"another's")
            writer.cancel()
        assert driver.get("/b/blob", 99) == b"content"
        assert driver.get("/a/data", 99) == b"another's"

    def test_write_below_a_file(self, driver: StorageDriver) -> None:
        """A file where a directory should be is damage, named, and is left as it is."""
        if not self.has_directories:
            pytest.skip("this driver has no directories that a file could be taken for")
        driver.put("/a/b", b"x")
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
        if not self.has_directories:
            pytest.skip("this driver has no directories that a file could be taken for")
        driver.put("/a/b/c", b"x")
        driver.put("/a/d", b"y")
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


class ListingSuite(Traits):
    """stat, list, walk."""

    def test_stat_file(self, driver: StorageDriver) -> None:
        """A file's entry has its size and time."""
        before = driver.now()
        driver.put("/a/b", b"hello")
        entry = driver.stat("/a/b")
        assert (entry.path, entry.name, entry.kind, entry.size) == ("/a/b", "b", Kind.FILE, 5)
        assert before - 2 <= entry.modified <= driver.now() + 2

    def test_stat_directory(self, driver: StorageDriver) -> None:
        """A directory's entry has no size and no time."""
        driver.put("/a/b/c", b"x")
        assert driver.stat("/a/b") == Entry("/a/b", Kind.DIRECTORY)
        assert driver.stat("/") == Entry("/", Kind.DIRECTORY)

    def test_stat_changes(self, driver: StorageDriver) -> None:
        """Another content shows at once."""
        driver.put("/a/b", b"x")
        driver.put("/a/b", b"xyz")
        assert driver.stat("/a/b").size == 3

    def test_list(self, driver: StorageDriver) -> None:
        """A listing is by name, one level deep, with kinds and nothing else."""
        for path in ("/a/b/x", "/a/b/y/z", "/a/foo/1", "/a/foo-bar", "/a/Z", "/ab/no"):
            driver.put(path, b"content")
        assert driver.list("/a") == [
            Entry("/a/Z", Kind.FILE),
            Entry("/a/b", Kind.DIRECTORY),
            Entry("/a/foo", Kind.DIRECTORY),
            Entry("/a/foo-bar", Kind.FILE),
        ]
        assert driver.list("/a/b") == [
            Entry("/a/b/x", Kind.FILE),
            Entry("/a/b/y", Kind.DIRECTORY),
        ]
        assert {"/a", "/ab"} <= {entry.path for entry in driver.list("/")}

    def test_walk(self, driver: StorageDriver) -> None:
        """A walk yields what is below, a directory before its content, and no neighbour."""
        sizes = {"/a/b/c": 1, "/a/b/d/e": 2, "/a/f": 3, "/a/b-c/g": 4}
        for path, size in sizes.items():
            driver.put(path, b"x" * size)
        driver.put("/ab", b"neighbour")
        driver.put("/a-b/x", b"neighbour")
        entries = list(driver.walk("/a"))
        files = {entry.path: entry for entry in entries if entry.kind is Kind.FILE}
        assert {path: entry.size for path, entry in files.items()} == sizes
        assert all(files[path].modified == driver.stat(path).modified for path in sizes)
        seen = {"/a"}
        for entry in entries:
            if self.has_directories:
                assert entry.path.rpartition("/")[0] in seen
            assert entry.path not in seen
            seen.add(entry.path)

    def test_walk_without_stat(self, driver: StorageDriver) -> None:
        """Without stat the same things come, without size and time."""
        driver.put("/a/b/c", b"x")
        driver.put("/a/d", b"y")
        plain = list(driver.walk("/a", stat=False))
        assert paths_of(plain) == paths_of(driver.walk("/a"))
        assert all(entry == Entry(entry.path, entry.kind) for entry in plain)

    def test_walk_the_root(self, driver: StorageDriver) -> None:
        """The root can be walked."""
        driver.put("/a/b", b"x")
        assert "/a/b" in {entry.path for entry in driver.walk("/")}

    def test_walk_descend(self, driver: StorageDriver) -> None:
        """Where descend says no nothing below comes; only directories are asked for."""
        for path in ("/a/keep/x", "/a/skip/y", "/a/skip/deeper/z", "/a/skipped/no"):
            driver.put(path, b"x")
        asked: list[Entry] = []

        def descend(entry: Entry) -> bool:
            asked.append(entry)
            return entry.name != "skip"

        files = [e for e in driver.walk("/a", descend=descend) if e.kind is Kind.FILE]
        assert paths_of(files) == ["/a/keep/x", "/a/skipped/no"]
        assert all(entry.kind is Kind.DIRECTORY for entry in asked)
        assert "/a/skip/deeper" not in paths_of(asked)

    def test_walk_while_deleting(self, driver: StorageDriver) -> None:
        """What the walk has just yielded can be deleted, and it goes on."""
        paths = [f"/a/{directory}/{name}" for directory in "xyz" for name in "123"]
        for path in paths:
            driver.put(path, b"x")
        for entry in driver.walk("/a"):
            if entry.kind is Kind.FILE:
                driver.delete(entry.path)
        assert not [e for e in driver.walk("/") if e.path in paths]

    def test_walk_vanishing(self, driver: StorageDriver) -> None:
        """What vanishes before the walk gets to it is left out, and no error."""
        for number in range(20):
            driver.put(f"/a/{number}/file", b"x")
        walk = driver.walk("/a")
        next(walk)
        for number in range(20):
            driver.delete(f"/a/{number}/file")
            driver.rmdir(f"/a/{number}")
        rest = list(walk)
        assert len([e for e in rest if e.kind is Kind.FILE]) <= 20

    def test_walk_abandoned(self, driver: StorageDriver) -> None:
        """Who needs no more of a walk may leave it."""
        for number in range(5):
            driver.put(f"/a/{number}/file", b"x")
        for _ in range(300):
            assert next(iter(driver.walk("/a"))).path.startswith("/a/")

    @pytest.mark.parametrize("name", _ODD_NAMES)
    def test_odd_names(self, driver: StorageDriver, name: str) -> None:
        """Foreign names are read, written, listed, moved and deleted like any other."""
        path = f"/a/{name}/{name}"
        driver.put(path, b"x")
        assert driver.get(path, 9) == b"x"
        assert driver.stat(path).name == name
        assert [entry.path for entry in driver.list(f"/a/{name}")] == [path]
        assert path in {entry.path for entry in driver.walk("/a")}
        driver.move(path, "/a/plain")
        driver.move("/a/plain", path)
        driver.delete(path)
        assert not [e for e in driver.walk("/") if e.path == path]


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


class DriverSuite(ReadingSuite, WriterSuite, ListingSuite, ChangingSuite):
    """The whole contract. The driver is used through `CheckedDriver`, as all drivers are."""

    @pytest.mark.parametrize("path", _UNSAFE)
    def test_unsafe_paths(self, driver: StorageDriver, path: str) -> None:
        """No operation takes a path that is unsafe."""
        driver.put("/a/b", b"x")
        attempts: list[Callable[[], object]] = [
            lambda: driver.read(path),
            lambda: driver.get(path, 9),
            lambda: driver.put(path, b"x"),
            lambda: driver.writer(path),
            lambda: driver.stat(path),
            lambda: driver.list(path),
            lambda: list(driver.walk(path)),
            lambda: driver.move(path, "/a/c"),
            lambda: driver.move("/a/b", path),
            lambda: driver.delete(path),
            lambda: driver.mkdir(path),
            lambda: driver.rmdir(path),
        ]
        for attempt in attempts:
            with pytest.raises(NotPermittedPathError):
                attempt()
        results: dict[str, RegctlError | None] = dict(driver.delete_many([path, "/a/b"]))
        assert isinstance(results[path], NotPermittedPathError)
        assert results["/a/b"] is None
