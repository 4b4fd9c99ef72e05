"""The one call that opens a long path: what it opens, and that nothing depends on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from regctl.drivers import _openat2
from regctl.drivers._openat2 import Opener
from regctl.drivers.filesystem import FilesystemDriver
from regctl.errors import NotPermittedPathError, PathNotFoundError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(b"content")
    (tmp_path / "a/link").symlink_to("b")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "opens"),
    [
        ("a/b/file", True),
        ("a/b/none", False),
        ("a/link/file", False),
        ("a/../../etc/passwd", False),
        ("/etc/passwd", False),
    ],
)
def test_it_stays_below_and_follows_nothing(root: Path, path: str, opens: bool) -> None:
    opener = Opener(os.O_RDONLY)
    directory = os.open(root, os.O_PATH)
    try:
        descriptor = opener.open(directory, path)
        assert (descriptor is not None) is opens
        if descriptor is not None:
            assert os.read(descriptor, 100) == b"content"
            assert not os.get_inheritable(descriptor)
            os.close(descriptor)
    finally:
        os.close(directory)


def test_without_it_everything_is_the_same(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that no system has: as on an old kernel, and in sandboxes that know no new calls."""
    monkeypatch.setattr(_openat2, "_NUMBER", 4_000_000)
    opener = Opener(os.O_RDONLY)
    directory = os.open(root, os.O_PATH)
    try:
        assert opener.open(directory, "a/b/file") is None
    finally:
        os.close(directory)
    assert opener.is_there is False
    driver = FilesystemDriver(str(root))
    assert driver.get("/a/b/file", 100) == b"content"
    assert driver.stat("/a/b/file").size == 7
    with pytest.raises(PathNotFoundError):
        driver.get("/a/b/none", 100)
    with pytest.raises(NotPermittedPathError):
        driver.get("/a/link/file", 100)
