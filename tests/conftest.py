"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers.fixtures import registry_server, skopeo
from tests.servers.gcs_fixtures import (
    fake_gcs,
    gcs_driver,
    gcs_server,
    open_driver_at,
    storage_emulator,
)
from tests.servers.processes import NO_CLOUD
from tests.servers.s3_fixtures import (
    moto_parameters,
    moto_prefix,
    moto_server,
    s3_parameters,
    s3_prefix,
    s3_proxy,
    s3_proxy_process,
    s3_server,
)

__all__ = [
    "fake_gcs",
    "gcs_driver",
    "gcs_server",
    "moto_parameters",
    "moto_prefix",
    "moto_server",
    "open_driver_at",
    "registry_server",
    "s3_parameters",
    "s3_prefix",
    "s3_proxy",
    "s3_proxy_process",
    "s3_server",
    "skopeo",
    "storage_emulator",
]


_OF_CLOUDS = ("AWS_", "GOOGLE_", "CLOUDSDK_", "GCE_METADATA_", "STORAGE_EMULATOR_")


@pytest.fixture(autouse=True, scope="session")
def _no_cloud_of_this_machine() -> Iterator[None]:
    """No configuration, credentials or metadata service of this machine reaches a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(_OF_CLOUDS):
                patch.delenv(name)
        for name, value in NO_CLOUD.items():
            patch.setenv(name, value)
        yield
