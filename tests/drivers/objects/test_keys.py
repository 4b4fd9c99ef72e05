"""Paths as keys, and keys as paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.drivers.objects.keys import Keys, is_odd
from regctl.errors import PathNotFoundError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("prefix", "key"), [("", "docker/registry"), ("team/a/", "team/a/docker/registry")]
)
def test_key(prefix: str, key: str) -> None:
    keys = Keys(prefix)
    assert keys.key("/docker/registry") == key
    assert keys.path(key) == "/docker/registry"
    assert keys.directory("/docker/registry") == key + "/"


@pytest.mark.parametrize("prefix", ["", "team/"])
def test_root(prefix: str) -> None:
    """What lies below the root begins with the prefix, and needs no more."""
    assert Keys(prefix).directory("/") == prefix


def test_prefix_without_its_end() -> None:
    """Else the storage ``reg`` would hold what lies in ``registry``."""
    with pytest.raises(ValueError, match="reg"):
        Keys("reg")


@pytest.mark.parametrize("key", ["other/a", "team", "Team/a", ""])
def test_key_of_another_storage(key: str) -> None:
    with pytest.raises(ValueError, match="not below"):
        Keys("team/").path(key)


def test_undecodable_path() -> None:
    """A name of bytes that are no UTF-8 can be on a disk and in no bucket: nothing is there."""
    with pytest.raises(PathNotFoundError):
        Keys("").key("/a\udcff")
    with pytest.raises(PathNotFoundError):
        Keys("").directory("/a\udcff")


@pytest.mark.parametrize("key", ["p/a/", "p/", "p//", "p/a//"])
def test_marker(key: str) -> None:
    """What tools leave for directories is no file; what has content is one, however odd."""
    keys = Keys("p/")
    assert keys.path_or_none(key) is None
    path = keys.path_or_none(key, 1)
    assert path is not None
    assert is_odd(path)


@pytest.mark.parametrize(
    "key", ["/a", "a//b", "a/./b", "..", "a/..", "a\0b", "x" * 256, "a/b/../../../c"]
)
def test_odd_key(key: str) -> None:
    path = Keys("").path_or_none(key)
    assert path is not None
    assert is_odd(path)


@pytest.mark.parametrize("key", ["a", "a b/ü", "a\\b", "...", "a%2Fb", "new\nline", "x" * 255])
def test_key_that_is_a_path(key: str) -> None:
    path = Keys("p/").path_or_none(f"p/{key}")
    assert path == f"/{key}"
    assert not is_odd(path)


@given(prefix=TEXT, path=TEXT)
def test_round_trip(prefix: str, path: str) -> None:
    keys = Keys(f"{prefix}/")
    assert keys.path(keys.key(f"/{path}")) == f"/{path}"
