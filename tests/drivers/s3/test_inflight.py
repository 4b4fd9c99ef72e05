"""Work in flight: what follows from it is done, an error ends it, and who leaves stops it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from regctl.drivers.base import Entry, Kind
from regctl.drivers.s3.inflight import InFlight, Step
from regctl.errors import UnavailableError


def _step(path: str, *more: Callable[[], Step]) -> Step:
    return Step([Entry(path, Kind.FILE)], list(more))


def test_what_follows_is_done() -> None:
    """Work may add work, and so may whoever takes the results."""
    with ThreadPoolExecutor(3) as pool, InFlight(pool, 2) as work:
        work.add(partial(_step, "/a", partial(_step, "/b"), partial(_step, "/c")))
        seen = []
        for entries in work.found():
            seen += [entry.path for entry in entries]
            if "/b" in [entry.path for entry in entries]:
                work.add(partial(_step, "/d"))
    assert sorted(seen) == ["/a", "/b", "/c", "/d"]


def test_nothing_to_do() -> None:
    with ThreadPoolExecutor(1) as pool, InFlight(pool, 2) as work:
        assert list(work.found()) == []


def test_an_error_does_not_wait_for_others() -> None:
    """It is raised while another request hangs, and what waits is never begun."""
    hangs = threading.Event()
    begun: list[str] = []

    def fail() -> Step:
        raise UnavailableError("no")

    def hang() -> Step:
        hangs.wait(20)
        return Step()

    def begin() -> Step:
        begun.append("")
        return Step()

    with ThreadPoolExecutor(2) as pool:
        try:
            with pytest.raises(UnavailableError), InFlight(pool, 2) as work:  # noqa: PT012
                for each in (hang, fail, begin, begin):
                    work.add(each)
                list(work.found())
            assert not hangs.is_set()
        finally:
            hangs.set()
    assert begun == []


def test_a_bound_on_what_is_held() -> None:
    """No more is begun than may be held, until the results are taken."""
    lock = threading.Lock()
    begun: list[int] = []

    def begin(number: int) -> Step:
        with lock:
            begun.append(number)
        return Step([Entry(f"/{number}", Kind.FILE)])

    with ThreadPoolExecutor(8) as pool:
        with InFlight(pool, 3) as work:
            for number in range(50):
                work.add(partial(begin, number))
            next(work.found())
        pool.shutdown()
        assert len(begun) <= 3 + 3
