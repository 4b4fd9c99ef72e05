"""`open_driver`, the wrappers, and the clock of the memory driver."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from regctl.drivers import open_driver
from regctl.drivers.base import StorageDriver
from regctl.drivers.checked import CheckedDriver, check_path
from regctl.drivers.counting import CountingDriver
from regctl.drivers.memory import MemoryDriver
from regctl.errors import ConfigurationError, NotPermittedPathError, PathNotFoundError
from tests.failing import FailingDriver, Killed


class TestOpenDriver:
    def test_filesystem(self, tmp_path: Path) -> None:
        driver = open_driver("filesystem", {"rootdirectory": str(tmp_path), "maxthreads": 100})
        assert isinstance(driver, CheckedDriver)
        assert driver.name == "filesystem"
        driver.put("/a", b"x")
        assert (tmp_path / "a").read_bytes() == b"x"

    @pytest.mark.parametrize("name", ["azure", "swift", "oss", "inmemory", "", "nonsense"])
    def test_unsupported(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match=repr(name)):
            open_driver(name, {})

    @pytest.mark.parametrize("root", ["", 7, None])
    def test_bad_root(self, root: object) -> None:
        with pytest.raises(ConfigurationError, match="rootdirectory"):
            open_driver("filesystem", {"rootdirectory": root})

    def test_missing_root_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=f"{tmp_path}/none"):
            open_driver("filesystem", {"rootdirectory": f"{tmp_path}/none"})

    def test_import_is_light(self) -> None:
        """Start-up must not pay for an SDK, or for any driver that is not used."""
        script = (
            "import sys, regctl.drivers, regctl.drivers.base\n"
            "print([name for name in ('boto3', 'google.cloud', 'ctypes', 'pytest', 'fcntl',"
            " 'regctl.drivers.filesystem') if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert done.stdout == "[]\n"


class TestCheckPath:
    @pytest.mark.parametrize("path", ["/", "/a", "/...", "/..a", "/a..", "/a b/C", "/ä" * 100])
    def test_safe(self, path: str) -> None:
        check_path(path, new=True)
        check_path(path)

    @pytest.mark.parametrize("path", ["/..", "/a/..", "/../a", "/.", "/a/", "//", "a", "/a\0", ""])
    def test_unsafe(self, path: str) -> None:
        with pytest.raises(NotPermittedPathError):
            check_path(path)

    def test_final_newline(self) -> None:
        """A newline at the end is a part of the name and hides no dots before it."""
        check_path("/a\n")
        check_path("/..\n")
        with pytest.raises(NotPermittedPathError):
            check_path("/\n/..")

    def test_length_in_bytes(self) -> None:
        check_path("/" + "ä" * 127 + "x")
        with pytest.raises(NotPermittedPathError, match="255 bytes"):
            check_path("/" + "ä" * 128)

    def test_surrogates(self) -> None:
        """What stands for undecodable bytes can be read and not be made; others are nothing."""
        check_path("/\udcff")
        with pytest.raises(NotPermittedPathError):
            check_path("/\udcff", new=True)
        with pytest.raises(NotPermittedPathError):
            check_path("/\ud800")

    def test_inner(self) -> None:
        inner = MemoryDriver()
        assert CheckedDriver(inner).inner is inner


def test_counting() -> None:
    driver = CountingDriver(MemoryDriver())
    driver.put("/a", b"12345")
    assert driver.get("/a", 9) == b"12345"
    with driver.read("/a", 3) as reader:
        while reader.readinto(bytearray(1)):
            pass
    with driver.writer("/b") as writer:
        writer.write(b"123")
        writer.write(b"4567")
        writer.truncate(1)
        writer.sync()
        writer.commit()
    driver.writer("/c").cancel()
    with pytest.raises(PathNotFoundError):
        driver.stat("/none")
    driver.list("/")
    list(driver.walk("/"))
    driver.move("/a", "/d")
    driver.delete("/d")
    list(driver.delete_many(["/b", "/none"]))
    driver.mkdir("/e")
    driver.rmdir("/e")
    driver.now()
    assert driver.counts.requests == {
        "put": 1,
        "get": 1,
        "read": 1,
        "writer": 2,
        "write": 2,
        "truncate": 1,
        "sync": 1,
        "commit": 1,
        "cancel": 1,
        "stat": 1,
        "list": 1,
        "walk": 1,
        "move": 1,
        "delete": 1,
        "delete_many": 2,
        "mkdir": 1,
        "rmdir": 1,
        "now": 1,
    }
    assert driver.counts.bytes_read == 5 + 2
    assert driver.counts.bytes_written == 5 + 7


def test_memory_clock() -> None:
    time = 100.0
    driver = MemoryDriver(clock=lambda: time)
    driver.put("/a", b"x")
    with driver.writer("/b") as writer:
        time = 150.5
        writer.write(b"x")
    time = 200.0
    assert driver.stat("/a").modified == 100.0
    assert driver.stat("/b").modified == 150.5
    driver.move("/a", "/c")
    assert driver.stat("/c").modified == 100.0
    assert driver.now() == 200.0


class TestFailing:
    """The wrapper that the proofs of kill-safety rest on."""

    @staticmethod
    def job(driver: StorageDriver) -> None:
        driver.mkdir("/a")
        with driver.writer("/a/data") as writer:
            writer.write(b"12345678")
            writer.truncate(6)
            writer.sync()
            writer.commit()
        driver.move("/a/data", "/b/data")
        driver.put("/b/link", b"x")
        with driver.writer("/a/other") as writer:
            writer.cancel()
        for _ in driver.delete_many(["/b/link", "/b/data"]):
            pass
        driver.put("/c", b"x")
        driver.delete("/c")
        driver.rmdir("/a")

    STEPS = 15

    def state(self, at: int, *, torn: bool = False) -> dict[str, bytes]:
        """What the storage holds after the job died at a step."""
        storage = MemoryDriver()
        failing = FailingDriver(storage, at, torn=torn)
        with pytest.raises(Killed):
            self.job(failing)
        assert failing.steps == at
        assert failing.is_dead
        return {e.path: b"" if e.size == 0 else storage.get(e.path, 99) for e in storage.walk("/")}

    def test_every_step(self) -> None:
        data = "/a/data"
        assert self.state(1) == {}
        assert self.state(2) == {"/a": b""}
        assert self.state(3) == {"/a": b"", data: b""}
        assert self.state(3, torn=True) == {"/a": b"", data: b"1234"}
        assert self.state(4) == {"/a": b"", data: b"12345678"}
        assert self.state(5) == self.state(6) == self.state(7) == {"/a": b"", data: b"123456"}
        assert self.state(8) == {"/a": b"", "/b": b"", "/b/data": b"123456"}
        assert "/a/other" in self.state(10)
        assert self.state(11).keys() == {"/a", "/b", "/b/data", "/b/link"}
        assert self.state(12).keys() == {"/a", "/b", "/b/data"}
        assert self.state(13).keys() == {"/a", "/b"}
        assert self.state(14).keys() == {"/a", "/b", "/c"}
        assert self.state(15).keys() == {"/a", "/b"}

    def test_completes(self) -> None:
        storage = MemoryDriver()
        failing = FailingDriver(storage, self.STEPS + 1)
        self.job(failing)
        assert failing.steps == self.STEPS
        assert not failing.is_dead
        assert [entry.path for entry in storage.walk("/")] == ["/b"]

    def test_dead_is_dead(self) -> None:
        """After the fault nothing changes any more, whatever clean-up the job attempts."""
        storage = MemoryDriver()
        storage.put("/kept", b"x")
        failing = FailingDriver(storage, 2, lambda: OSError("pulled the plug"))
        writer = failing.writer("/data")
        attempts: list[Callable[[], object]] = [
            lambda: writer.write(b"x"),
            lambda: writer.truncate(0),
            writer.sync,
            writer.cancel,
            writer.commit,
            lambda: failing.put("/new", b"x"),
            lambda: failing.writer("/new"),
            lambda: failing.move("/kept", "/new"),
            lambda: failing.delete("/kept"),
            lambda: list(failing.delete_many(["/kept"])),
            lambda: failing.mkdir("/new"),
            lambda: failing.rmdir("/new"),
        ]
        for attempt in attempts:
            with pytest.raises(OSError, match="plug"):
                attempt()
        writer.close()
        assert failing.get("/kept", 9) == b"x"
        assert [entry.path for entry in storage.walk("/")] == ["/data", "/kept"]
        storage.writer("/data").close()
