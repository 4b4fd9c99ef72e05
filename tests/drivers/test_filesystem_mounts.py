"""The filesystem driver on full disks, read-only ones, and across several of them."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regctl.drivers._temporary import is_temporary
from regctl.drivers.base import StorageDriver
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.filesystem import FilesystemDriver
from regctl.errors import DeniedError, NoSpaceError

Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mounts that last as long as the test."""
    mounted: list[Path] = []

    def run(path: Path, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments, str(path)], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        mounted.append(path)

    yield run
    for path in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def driver(root: Path) -> StorageDriver:
    return CheckedDriver(FilesystemDriver(str(root)))


def temporary_things(root: Path) -> list[str]:
    return [name for _, _, files in os.walk(root) for name in files if name.endswith(".tmp")]


def refuse_link_and_rename_between(
    monkeypatch: pytest.MonkeyPatch, names: Callable[[str], bool]
) -> None:
    """Let link and rename of what ``names`` picks fail as between two mounts."""
    rename = os.rename

    def refuse(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        if names(source):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", refuse)


class TestFull:
    def test_disk_full(self, root: Path, mount: Mount) -> None:
        """A full disk is told as such; the old content stays, and nothing temporary does."""
        mount(root, "-t", "tmpfs", "-o", "size=1m", "regctl-test")
        driver = CheckedDriver(FilesystemDriver(str(root)))
        driver.put("/a/b", b"old")
        for path, if_absent in (("/a/b", False), ("/a/c", True)):
            with pytest.raises(NoSpaceError, match=path) as caught:
                driver.put(path, b"x" * (2 << 20), if_absent=if_absent)
            assert caught.value.exit_code == 5
        assert driver.get("/a/b", 9) == b"old"
        assert temporary_things(root) == []
        with driver.writer("/a/data") as writer:
            writer.write(b"x" * 50_000)
            with pytest.raises(NoSpaceError, match="/a/data"):
                writer.write(b"x" * 2_000_000)
            assert writer.size > 50_000
            assert writer.size == (root / "a" / "data").stat().st_size
            written = writer.size
        with driver.writer("/a/data", append=True) as writer:
            assert writer.size == written > 0
            writer.cancel()
        driver.put("/a/b", b"x" * 500_000)

    def test_file_size_limit(self, driver: StorageDriver, root: Path) -> None:
        """A limit of the process counts as no space, too."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            with pytest.raises(NoSpaceError, match="/a"):
                driver.put("/a", b"x" * 200_000)
            with driver.writer("/data") as writer:
                with pytest.raises(NoSpaceError, match="/data"):
                    writer.write(b"x" * 200_000)
                assert writer.size == 100_000
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert temporary_things(root) == []
        assert not (root / "a").exists()


def test_read_only(root: Path, mount: Mount) -> None:
    """A storage that is mounted read-only can be read; each change says what the matter is."""
    CheckedDriver(FilesystemDriver(str(root))).put("/a/b", b"x")
    mount(root, "--bind", str(root))
    subprocess.run(["mount", "-o", "remount,ro,bind", str(root)], check=True)
    driver = CheckedDriver(FilesystemDriver(str(root)))
    for operation in (
        lambda: driver.put("/a/b", b"y"),
        lambda: driver.put("/a/c", b"y", if_absent=True),
        lambda: driver.put("/c/d", b"y"),
        lambda: driver.writer("/a/b", append=True),
        lambda: driver.delete("/a/b"),
        lambda: driver.move("/a/b", "/a/c"),
        lambda: driver.mkdir("/c"),
        driver.now,
    ):
        with pytest.raises(DeniedError) as caught:
            operation()
        assert caught.value.hint == "the storage is mounted read-only"
    assert driver.get("/a/b", 9) == b"x"


class TestSeveralFilesystems:
    """A part of the tree on another disk: blobs on a big one, for instance."""

    @pytest.fixture
    def blobs(self, root: Path, mount: Mount) -> Path:
        path = root / "tree" / "blobs"
        path.mkdir(parents=True)
        mount(path, "-t", "tmpfs", "-o", "size=8m", "regctl-test")
        return path

    def test_put(
        self, driver: StorageDriver, root: Path, blobs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The temporary file lies at the top of the target's filesystem, well named."""
        places: set[tuple[int, str]] = set()
        rename = os.rename

        def spy_rename(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
            places.add((os.fstat(src_dir_fd).st_ino, source))
            rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        monkeypatch.setattr(os, "rename", spy_rename)
        driver.mkdir("/tree/blobs/a/b")
        places.clear()
        driver.put("/tree/blobs/a/b/file", b"x")
        driver.put("/tree/blobs/a/b/file", b"y")
        assert len(places) == 2
        assert {inode for inode, _ in places} == {blobs.stat().st_ino}
        assert all(is_temporary(name) for _, name in places)
        driver.put("/tree/blobs/a/b/once", b"z", if_absent=True)
        assert driver.get("/tree/blobs/a/b/file", 9) == b"y"
        assert driver.get("/tree/blobs/a/b/once", 9) == b"z"
        assert temporary_things(root) == []

    def test_move(self, driver: StorageDriver, root: Path, blobs: Path) -> None:
        """A move to another filesystem is whole; it replaces what is there and leaves no source."""
        content = os.urandom(3 << 20)
        driver.put("/up/data", content)
        driver.put("/tree/blobs/x/data", b"old")
        with driver.writer("/up/data", append=True) as writer:
            driver.move("/up/data", "/tree/blobs/x/data")
            writer.close()
        assert (blobs / "x" / "data").read_bytes() == content
        assert os.listdir(root / "up") == []
        driver.move("/tree/blobs/x/data", "/up/back")
        assert (root / "up" / "back").read_bytes() == content
        assert os.listdir(blobs / "x") == []
        assert temporary_things(root) == []

    def test_move_without_space(self, driver: StorageDriver, root: Path, blobs: Path) -> None:
        """A move that finds no space changes nothing at either end."""
        content = os.urandom(9 << 20)
        driver.put("/up/data", content)
        driver.put("/tree/blobs/x/data", b"old")
        with pytest.raises(NoSpaceError, match="/tree/blobs/x/data"):
            driver.move("/up/data", "/tree/blobs/x/data")
        assert driver.get("/tree/blobs/x/data", 9) == b"old"
        assert (root / "up" / "data").read_bytes() == content
        assert temporary_things(root) == []

    def test_rmdir_of_a_mount_point(self, driver: StorageDriver, blobs: Path) -> None:
        driver.rmdir("/tree/blobs")
        assert blobs.is_dir()


def test_one_filesystem_mounted_twice(
    driver: StorageDriver, root: Path, tmp_path: Path, mount: Mount
) -> None:
    """Between two mounts of one filesystem nothing can be renamed, and device numbers are equal."""
    (tmp_path / "other" / "deep").mkdir(parents=True)
    (root / "tree").mkdir()
    mount(root / "tree", "--bind", str(tmp_path / "other"))
    assert (root / "tree").stat().st_dev == root.stat().st_dev
    driver.put("/tree/deep/new/file", b"x")
    driver.put("/tree/deep/new/once", b"y", if_absent=True)
    driver.put("/up/data", b"blob")
    driver.move("/up/data", "/tree/deep/data")
    assert (tmp_path / "other" / "deep" / "new" / "file").read_bytes() == b"x"
    assert (tmp_path / "other" / "deep" / "new" / "once").read_bytes() == b"y"
    assert (tmp_path / "other" / "deep" / "data").read_bytes() == b"blob"
    assert os.listdir(root / "up") == []
    assert temporary_things(root) == []
    assert temporary_things(tmp_path / "other") == []


def test_one_file_reached_twice(driver: StorageDriver, root: Path, mount: Mount) -> None:
    """A move between two paths of the same file must not copy it over itself and remove it."""
    driver.put("/one/file", b"precious")
    (root / "two").mkdir()
    mount(root / "two", "--bind", str(root / "one"))
    driver.move("/one/file", "/two/file")
    assert (root / "one" / "file").read_bytes() == b"precious"


def test_move_by_copy(driver: StorageDriver, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy itself, where the test may not mount: the system says EXDEV."""
    driver.put("/up/data", b"x" * 3_000_000)
    refuse_link_and_rename_between(monkeypatch, lambda source: source == "data")
    driver.move("/up/data", "/blobs/data")
    assert (root / "blobs" / "data").read_bytes() == b"x" * 3_000_000
    assert os.listdir(root / "up") == []
    assert temporary_things(root) == []
