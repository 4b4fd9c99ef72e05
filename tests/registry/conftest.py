"""Fixtures of the services' tests: each storage in turn, and a repository in it.

A module whose tests do not depend on the kind of storage has a ``driver`` of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from regctl.drivers.base import StorageDriver
from regctl.registry import Repository
from tests.registry.storages import filesystem, fill, memory, objects


@pytest.fixture(params=["memory", "filesystem", "objects"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    if request.param == "filesystem":
        return filesystem(tmp_path)
    return memory() if request.param == "memory" else objects()


@pytest.fixture(params=["memory", "filesystem"])
def directories(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    """Each storage that has directories as such."""
    return memory() if request.param == "memory" else filesystem(tmp_path)


@pytest.fixture
def repository(driver: StorageDriver) -> Repository:
    return fill(driver)
