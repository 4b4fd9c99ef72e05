"""What the tests of the GCS driver have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from regctl.drivers.base import StorageDriver
from regctl.drivers.gcs.driver import GCSDriver
from tests.servers.faults import FaultProxy
from tests.servers.gcs_bucket import Bucket, Stored
from tests.servers.gcs_fixtures import GCSOpener
from tests.servers.gcs_json import GCSServer


@pytest.fixture
def proxy(gcs_server: GCSServer) -> Iterator[FaultProxy]:
    """A proxy in front of the tests' own server; every fault that is injected must come."""
    with FaultProxy(gcs_server.url) as proxy, proxy.faults():
        yield proxy


@pytest.fixture
def faulty(proxy: FaultProxy, open_driver_at: GCSOpener) -> GCSDriver:
    """The driver behind the proxy."""
    return open_driver_at(proxy.url)


def stored(server: GCSServer, driver: GCSDriver, path: str) -> Stored:
    """What the server has at ``path``."""
    return server.bucket.objects[driver.store.keys.key(path)]


def put(bucket: Bucket, driver: GCSDriver, path: str, content: bytes, **more: object) -> Stored:
    """Put an object there behind the driver's back."""
    return bucket.put(driver.store.keys.key(path), content, **more)  # type: ignore[arg-type]


def read_all(driver: StorageDriver, path: str) -> bytes:
    """The content of a file, by a stream."""
    content = bytearray()
    buffer = bytearray(1 << 16)
    with driver.read(path) as reader:
        while count := reader.readinto(buffer):
            content += buffer[:count]
    return bytes(content)
