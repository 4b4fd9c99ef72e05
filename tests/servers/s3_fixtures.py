"""The fixtures for S3: each server starts when the first test asks, once a session."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.faults import FaultProxy
from tests.servers.moto import Moto
from tests.servers.processes import show_log
from tests.servers.s3 import S3Endpoint
from tests.servers.seaweedfs import SeaweedFS


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Endpoint]:
    """SeaweedFS, with one bucket for the whole session: keep to a prefix of your own."""
    with tempfile.TemporaryDirectory(prefix="regctl-seaweedfs-") as directory:
        with SeaweedFS(Path(directory)) as server:
            yield server.endpoint
        show_log(server.log_path)


@pytest.fixture
def s3_prefix(s3_server: S3Endpoint) -> Iterator[str]:
    """A prefix in the bucket (``a/b``, no slash at its ends) of this test alone, cleaned after."""
    prefix = s3_server.fresh_prefix()
    yield prefix
    s3_server.clean(f"{prefix}/")


@pytest.fixture
def s3_parameters(s3_server: S3Endpoint, s3_prefix: str) -> dict[str, object]:
    """The members of ``storage.s3`` for this test, as `regctl.config` would give them."""
    return s3_server.parameters(s3_prefix)


@pytest.fixture(scope="session")
def s3_proxy_process(s3_server: S3Endpoint) -> Iterator[FaultProxy]:
    """What `s3_proxy` cleans up after each test; ask for that."""
    with FaultProxy(s3_server.url) as proxy:
        yield proxy


@pytest.fixture
def s3_proxy(s3_proxy_process: FaultProxy) -> Iterator[FaultProxy]:
    """A proxy in front of SeaweedFS, as new; the test fails if a fault it injected never came.

    A storage behind it has the parameters ``s3_server.behind(s3_proxy.url).parameters(s3_prefix)``.
    """
    with s3_proxy_process.faults() as proxy:
        yield proxy


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Endpoint]:
    """moto, with one bucket for the whole session: keep to a prefix of your own."""
    with tempfile.TemporaryDirectory(prefix="regctl-moto-") as directory:
        with Moto(Path(directory)) as server:
            yield server.endpoint
        show_log(server.log_path)


@pytest.fixture
def moto_prefix(moto_server: S3Endpoint) -> Iterator[str]:
    """A prefix in moto's bucket (``a/b``, no slash at its ends) of this test alone."""
    prefix = moto_server.fresh_prefix()
    yield prefix
    moto_server.clean(f"{prefix}/")


@pytest.fixture
def moto_parameters(moto_server: S3Endpoint, moto_prefix: str) -> dict[str, object]:
    """The members of ``storage.s3`` for this test on moto."""
    return moto_server.parameters(moto_prefix)
