"""The contract of stat, list, probe and walk."""

from __future__ import annotations

import pytest

from regctl.drivers.base import NOT_A_FILE, NOTHING, Entry, Kind, StorageDriver
from regctl.drivers.suite.shared import Traits, paths_of
from regctl.errors import PathNotFoundError, RegctlError

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


class ListingSuite(Traits):
    """stat, list, probe, walk."""

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

    def test_stat_files_only(self, driver: StorageDriver) -> None:
        """Who asks for files alone is told of them, and of nothing that is not there."""
        driver.put("/a/b/c", b"x")
        assert driver.stat("/a/b/c", files_only=True).size == 1
        for path in ("/a/x", "/a/b/c/d"):
            with pytest.raises(PathNotFoundError):
                driver.stat(path, files_only=True)
        if not self.has_directories:
            with pytest.raises(PathNotFoundError):
                driver.stat("/a/b", files_only=True)

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

    def test_probe(self, driver: StorageDriver) -> None:
        """A probe tells names and kinds, and of each directory the size of one file in it."""
        for path, size in {
            "/a/one/link": 71,
            "/a/two/link": 0,
            "/a/none/other": 5,
            "/a/deep/link/x": 5,
            "/a/file": 5,
            "/a/one/more/x": 5,
            "/a/one/beside": 5,
            "/ab/link": 5,
        }.items():
            driver.put(path, b"x" * size)
        names = {
            "one": Kind.DIRECTORY,
            "two": Kind.DIRECTORY,
            "none": Kind.DIRECTORY,
            "deep": Kind.DIRECTORY,
            "file": Kind.FILE,
        }
        plain = list(driver.probe("/a"))
        assert sorted(plain) == sorted((name, kind, NOTHING) for name, kind in names.items())
        sizes = {"one": 71, "two": 0, "none": NOTHING, "deep": NOT_A_FILE, "file": NOTHING}
        probed = list(driver.probe("/a", "link"))
        assert sorted(probed) == sorted((name, names[name], sizes[name]) for name in names)
        below = {name: size for name, _, size in driver.probe("/a", "more/x")}
        assert below == {name: 5 if name == "one" else NOTHING for name in names}

    def test_probe_others(self, driver: StorageDriver) -> None:
        """What stands beside the file asked for comes after its directory, if that is wanted."""
        for path in ("/a/one/link", "/a/one/beside", "/a/one/more/x", "/a/two/link", "/a/x/y/link"):
            driver.put(path, b"x")
        seen = ""
        found = set()
        for name, kind, size in driver.probe("/a", "link", others=True):
            directory, slash, _ = name.partition("/")
            assert not slash or (directory == seen and size == NOTHING)
            seen = directory
            found.add((name, kind))
        assert found == {
            ("one", Kind.DIRECTORY),
            ("one/beside", Kind.FILE),
            ("one/more", Kind.DIRECTORY),
            ("two", Kind.DIRECTORY),
            ("x", Kind.DIRECTORY),
            ("x/y", Kind.DIRECTORY),
        }

    def test_probe_where_no_directory_is(self, driver: StorageDriver) -> None:
        """What is no directory, or not there, is not found; the root is there."""
        driver.put("/a/file", b"x")
        for path in ("/none", "/a/file", "/a/file/below"):
            with pytest.raises(PathNotFoundError) as caught:
                list(driver.probe(path, "link"))
            assert caught.value.path == path
        assert ("a", Kind.DIRECTORY, NOTHING) in list(driver.probe("/"))

    def test_probe_while_deleting(self, driver: StorageDriver) -> None:
        """What is still to come can be deleted meanwhile, and the probe goes on."""
        for number in range(20):
            driver.put(f"/a/{number}/link", b"x")
        probe = driver.probe("/a", "link", others=True)
        next(probe)
        for number in range(20):
            driver.delete(f"/a/{number}/link")
            driver.rmdir(f"/a/{number}")
        assert all(size in (1, NOTHING) for _, _, size in probe)

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
        if name in self.refused_names:
            # It is seen to fail: else the trait would be out of date.
            with pytest.raises((RegctlError, AssertionError)):
                self._use(driver, name)
        else:
            self._use(driver, name)

    @staticmethod
    def _use(driver: StorageDriver, name: str) -> None:
        """Do with a file and a directory of this name all that can be done."""
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
