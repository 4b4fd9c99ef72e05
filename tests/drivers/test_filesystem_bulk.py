"""Bulk operations on a disk, where things are that no other storage has."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from regctl.drivers.base import NOT_A_FILE, NOTHING, Kind
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.filesystem import FilesystemDriver
from regctl.errors import DeniedError, NotPermittedPathError


@pytest.fixture
def driver(tmp_path: Path) -> CheckedDriver:
    return CheckedDriver(FilesystemDriver(str(tmp_path)))


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root as the working directory: the path of a socket must be short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_probe_kinds(driver: CheckedDriver, short: Path) -> None:
    """Symlinks and sockets are told as such, and never followed."""
    (short / "a" / "real").mkdir(parents=True)
    (short / "a" / "real" / "link").write_bytes(b"12345")
    (short / "a" / "to-directory").symlink_to("real")
    (short / "a" / "to-nothing").symlink_to("nowhere")
    (short / "a" / "linked").mkdir()
    (short / "a" / "linked" / "link").symlink_to("../real/link")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("a/socket")
    assert set(driver.probe("/a", "link", others=True)) == {
        ("real", Kind.DIRECTORY, 5),
        ("to-directory", Kind.SYMLINK, NOTHING),
        ("to-nothing", Kind.SYMLINK, NOTHING),
        ("linked", Kind.DIRECTORY, NOT_A_FILE),
        ("linked/link", Kind.SYMLINK, NOTHING),
        ("socket", Kind.OTHER, NOTHING),
    }
    with pytest.raises(NotPermittedPathError):
        list(driver.probe("/a/to-directory", "link"))


def test_get_many_follows_nothing(driver: CheckedDriver, tmp_path: Path) -> None:
    """A symlink, a pipe and a directory are errors of their own path."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "symlink").symlink_to("file")
    (tmp_path / "directory").mkdir()
    (tmp_path / "through").symlink_to("directory")
    os.mkfifo(tmp_path / "pipe")
    found = dict(driver.get_many(["/file", "/symlink", "/pipe", "/through/x", "/file"], 9))
    assert found.pop("/file") == b"x"
    assert {path: type(error) for path, error in found.items()} == dict.fromkeys(
        ("/symlink", "/pipe", "/through/x"), NotPermittedPathError
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_probe_denied(driver: CheckedDriver, tmp_path: Path) -> None:
    """A directory that may not be looked into is no directory without a link."""
    closed = tmp_path / "a" / "closed"
    closed.mkdir(parents=True)
    closed.chmod(0)
    try:
        for others in (True, False):
            with pytest.raises(DeniedError):
                list(driver.probe("/a", "link", others=others))
    finally:
        closed.chmod(0o700)


def test_descriptors(driver: CheckedDriver) -> None:
    """A probe or a reading that is left halfway keeps nothing open."""
    for number in range(20):
        driver.put(f"/a/{number}/link", b"x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        next(driver.probe("/a", "link", others=True))
        next(driver.get_many([f"/a/{number}/link" for number in range(20)], 9))
    assert len(os.listdir("/proc/self/fd")) == before
