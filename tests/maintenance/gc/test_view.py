"""Looking at a storage that refuses to be written, and the times of files."""

from __future__ import annotations

import time

import pytest

from regctl.drivers.forwarding import ForwardingDriver
from regctl.errors import DeniedError
from regctl.maintenance.gc.guards import IncompleteScanError
from regctl.maintenance.gc.times import GONE, Times
from regctl.maintenance.gc.view import Means, look, only_read
from regctl.maintenance.inventory.refcache import ReferenceCache
from tests.images import build_image
from tests.maintenance.gc.making import START, Place, memory, objects


class ReadOnly(ForwardingDriver):
    def now(self) -> float:
        raise DeniedError("read-only")


def test_a_storage_that_cannot_be_written_can_be_looked_at() -> None:
    place = Place()
    place.push("a", build_image(1))
    with ReferenceCache(None) as cache:
        means = Means(cache)
        with pytest.raises(IncompleteScanError), look(ReadOnly(place.driver), means):
            pass
        with look(only_read(ReadOnly(place.driver)), means) as view:
            assert abs(view.inventory.began - time.time()) < 60
            assert len(view.inventory.blobs) == 4


@pytest.mark.parametrize("known", [3, 10_000])
@pytest.mark.parametrize("make", [memory, objects])
def test_times_are_the_same_listed_or_asked_for(make: object, known: int) -> None:
    place = Place(memory if make is memory else objects)
    place.driver.put("/a/x", b"1")
    place.age(5)
    place.driver.put("/a/y", b"22")
    paths = ["/a/y", "/a/none", "/a/x"]
    with Times(place.driver, jobs=2) as times:
        modified, sizes = times.all(paths, len(paths), "/a", known)
        assert list(modified) == [START + 5, GONE, START]
        assert list(sizes) == [2, 0, 1]
        assert list(times.all(["/b/x"], 1, "/b", 0)[0]) == [GONE]
