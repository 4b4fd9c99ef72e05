"""Content as it comes: checked, resumed where it is cut, of one generation."""

from __future__ import annotations

import random
from collections import deque

import pytest

from regctl.drivers.gcs.driver import GCSDriver
from regctl.drivers.objects.ranged import ContentChangedError
from regctl.errors import DamagedError, PathNotFoundError, UnavailableError
from tests.drivers.gcs.conftest import put, read_all
from tests.servers.faults import Answer, CutAnswer, FaultProxy, Flip, LoseAnswer, Truncate
from tests.servers.gcs_json import GCSServer

PATH = "/docker/file"
#: Read by three ranged requests.
BIG = random.Random(8).randbytes((20 << 20) + 5)
SMALL = BIG[:1000]


def test_requests(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """A small file costs one request, a large one as many as it has pieces."""
    put(gcs_server.bucket, gcs_driver, PATH, SMALL)
    put(gcs_server.bucket, gcs_driver, "/docker/big", BIG)
    assert gcs_driver.get(PATH, 1000) == SMALL
    assert gcs_driver.requests() == {"objects.get_media": 1}
    assert read_all(gcs_driver, PATH) == SMALL
    assert gcs_driver.requests() == {"objects.get_media": 2}
    assert read_all(gcs_driver, "/docker/big") == BIG
    assert gcs_driver.requests() == {"objects.get_media": 5}


@pytest.mark.parametrize("content", [SMALL, BIG], ids=["small", "big"])
def test_flipped_bit(
    gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver, content: bytes
) -> None:
    """One bit that is another on its way is found out."""
    put(gcs_server.bucket, faulty, PATH, content)
    proxy.inject(Flip(500), method="GET")
    with pytest.raises(DamagedError, match="crc32c"):
        read_all(faulty, PATH)
    if content is SMALL:
        proxy.inject(Flip(500), method="GET")
        with pytest.raises(DamagedError, match="crc32c"):
            faulty.get(PATH, 2000)


@pytest.mark.parametrize(
    "fault", [CutAnswer(500), CutAnswer(), Truncate(500), LoseAnswer(), Answer(503), Answer(429)]
)
def test_cut(gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver, fault: CutAnswer) -> None:
    """What is cut off goes on where it stopped."""
    put(gcs_server.bucket, faulty, PATH, SMALL)
    proxy.inject(fault, method="GET")
    assert faulty.get(PATH, 1000) == SMALL
    proxy.inject(fault, method="GET")
    assert read_all(faulty, PATH) == SMALL
    put(gcs_server.bucket, faulty, PATH, BIG)
    proxy.inject(fault, method="GET", nth=2)
    assert read_all(faulty, PATH) == BIG


def test_cut_for_ever(gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver) -> None:
    """A short stream is never passed off as a whole one."""
    put(gcs_server.bucket, faulty, PATH, SMALL)
    proxy.inject(Truncate(0), method="GET", times=None)
    with pytest.raises(UnavailableError):
        faulty.get(PATH, 1000)
    assert proxy.count() == 4
    with pytest.raises(UnavailableError):
        read_all(faulty, PATH)


def test_short_with_a_matching_length(
    gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver
) -> None:
    put(gcs_server.bucket, faulty, PATH, SMALL)
    proxy.inject(Truncate(500, matching=True), method="GET")
    with pytest.raises(DamagedError, match="crc32c"):
        faulty.get(PATH, 1000)


@pytest.mark.parametrize("replace", [True, False])
def test_changed_while_read(gcs_server: GCSServer, gcs_driver: GCSDriver, replace: bool) -> None:
    """A stream gives one generation, or fails."""
    put(gcs_server.bucket, gcs_driver, PATH, BIG)
    with gcs_driver.read(PATH) as reader:
        buffer = bytearray(1 << 20)
        assert reader.readinto(buffer)
        if replace:
            put(gcs_server.bucket, gcs_driver, PATH, bytes(reversed(BIG)))
        else:
            gcs_driver.delete(PATH)
        with pytest.raises(ContentChangedError):
            deque(iter(lambda: reader.readinto(buffer), 0), 0)


def test_too_large_is_not_read(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    put(gcs_server.bucket, gcs_driver, PATH, BIG)
    with pytest.raises(DamagedError, match="more than 9 bytes"):
        gcs_driver.get(PATH, 9)


def test_listed_and_gone(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """A listing may show what is gone when it is read."""
    put(gcs_server.bucket, gcs_driver, PATH, SMALL)
    (entry,) = gcs_driver.walk("/")
    gcs_server.bucket.objects.clear()
    for look in (gcs_driver.read, gcs_driver.stat, lambda path: gcs_driver.get(path, 9)):
        with pytest.raises(PathNotFoundError):
            look(entry.path)
