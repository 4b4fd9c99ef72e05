"""Drivers on the S3 servers of the tests."""

from __future__ import annotations

import pytest

from regctl.drivers.s3.client import Store, open_store
from regctl.drivers.s3.driver import S3Driver, open_s3


@pytest.fixture
def store(s3_parameters: dict[str, object]) -> Store:
    """The bucket's part that is this test's alone, on SeaweedFS."""
    return open_store(s3_parameters, 4)


@pytest.fixture
def driver(s3_parameters: dict[str, object]) -> S3Driver:
    """A driver of what is this test's alone, on SeaweedFS."""
    return open_s3(s3_parameters, 4)


@pytest.fixture
def moto_driver(moto_parameters: dict[str, object]) -> S3Driver:
    """A driver of what is this test's alone, on moto, which takes every key."""
    return open_s3(moto_parameters, 4)
