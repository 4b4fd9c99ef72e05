"""Fixtures of the interoperation tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.program import Regctl


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The storage that regctl and the registry share: an empty directory."""
    path = tmp_path / "root"
    path.mkdir()
    return path


@pytest.fixture
def regctl(root: Path, tmp_path: Path) -> Regctl:
    """A regctl that works on that storage."""
    return Regctl(root, tmp_path / "regctl")
