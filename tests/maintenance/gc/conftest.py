"""Fixtures of the tests of what a collection does on the storage."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from regctl.drivers import open_driver
from regctl.drivers.base import StorageDriver
from regctl.drivers.checked import CheckedDriver
from tests.maintenance.gc.storing import IN_MEMORY, KINDS, Storages

#: Tests that SeaweedFS fails, since it goes on listing prefixes that were emptied.
EMPTIED = frozenset(
    {
        "test_old_lists_are_removed",
        "test_a_list_without_a_whole_header_is_none",
        "test_a_run_is_restored",
        "test_damaged_bytes_do_not_come_back_nor_what_leads_to_them",
        "test_many_are_healed_by_listing",
        "test_a_purge_puts_back_what_is_referenced_and_removes_the_rest",
        "test_links_to_what_is_left_are_not_left_by_a_tag",
    }
)


@pytest.fixture(params=KINDS)
def storages(request: pytest.FixtureRequest) -> Iterator[Storages]:
    """Empty storages of one kind, as many as are asked for."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as directory:
        yield Storages(request.param, Path(directory))


@pytest.fixture(params=[*KINDS, "s3", "gcs"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    """An empty storage of each kind, servers among them."""
    if request.param == "s3":
        server = "moto" if request.node.originalname in EMPTIED else "s3"
        return open_driver("s3", request.getfixturevalue(f"{server}_parameters"))
    if request.param == "gcs":
        return CheckedDriver(request.getfixturevalue("gcs_driver"))
    return Storages(request.param, tmp_path).new()


@pytest.fixture(params=["objects", "s3"])
def sealing(request: pytest.FixtureRequest, tmp_path: Path) -> StorageDriver:
    """An empty storage of each kind that can seal what is begun."""
    if request.param == "s3":
        return open_driver("s3", request.getfixturevalue("s3_parameters"))
    return Storages(request.param, tmp_path).new()
