"""Leases on a real S3 server, by processes that are killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from regctl.drivers.objects.identity import Identity, this_process
from regctl.drivers.objects.leases import Lease, LeaseLostError, Leases, lease_path
from regctl.drivers.objects.renewal import Renewal
from regctl.drivers.s3.client import Store, open_store
from regctl.drivers.s3.conditional import ConditionalWrites, S3Cell
from regctl.drivers.s3.driver import open_s3
from regctl.drivers.suite.shared import together
from regctl.errors import UploadInUseError
from tests.drivers.objects.shared import NEVER

PATH = "/docker/registry/v2/repositories/a/_uploads/u/data"
#: A process that opens a writer, says so, and keeps it until it is killed.
CHILD = """
import json, sys
from regctl.drivers.s3.driver import open_s3
driver = open_s3(json.loads(sys.argv[1]), 2)
with driver.writer(sys.argv[2]) as writer:
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def child(parameters: dict[str, object]) -> Iterator[subprocess.Popen[str]]:
    """Another process that has a writer of `PATH` open."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(parameters), PATH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def store(s3_parameters: dict[str, object]) -> Store:
    return open_store(s3_parameters, 8)


def leases_of(store: Store, identity: Identity, *, hours_later: float = 0) -> Leases:
    """The leases of ``identity``, at a time when others may have been silent for hours."""

    def now() -> float:
        store.call("head_bucket", "/")
        return (store.last_date() or 0) + 3600 * hours_later

    writes = ConditionalWrites(store)
    return Leases(
        lambda path: S3Cell(store, writes, path),
        now=now,
        identity=lambda: identity,
        gone=lambda _: False,
        renewal=Renewal(NEVER),
    )


def elsewhere(number: int) -> Identity:
    """A process of another machine."""
    return replace(this_process(), host=f"host-{number}")


def test_killed_process(s3_parameters: dict[str, object]) -> None:
    """While it lives it keeps others off; killed, its lease is taken over at once."""
    driver = open_s3(s3_parameters, 2)
    with child(s3_parameters) as process:
        with pytest.raises(UploadInUseError, match=f"process {process.pid} on "):
            driver.writer(PATH)
        process.kill()
        process.wait()
        driver.writer(PATH).cancel()
    assert not list(driver.unfinished("/docker"))


@pytest.mark.parametrize("stale", [False, True])
def test_race_has_one_winner(store: Store, stale: bool) -> None:
    """Of many processes exactly one makes the lease, or takes over one that nobody renewed."""
    hours = 0
    if stale:
        lost = leases_of(store, elsewhere(99)).acquire(PATH)
        hours = 1
    processes = [leases_of(store, elsewhere(n), hours_later=hours) for n in range(8)]
    won: list[Lease] = []

    def attempt(number: int) -> bool:
        try:
            won.append(processes[number].acquire(PATH))
        except UploadInUseError:
            return False
        return True

    assert together(len(processes), attempt) == 1
    won[0].check()
    if stale:
        with pytest.raises(LeaseLostError):
            lost.check()
        lost.release()
        won[0].renew()
    won[0].release()
    assert S3Cell(store, ConditionalWrites(store), lease_path(PATH)).read() is None


def test_requests(store: Store) -> None:
    """What a lease costs, once the store's clock and its conditions are known."""
    leases = leases_of(store, elsewhere(1))
    leases.acquire(PATH).release()
    before = dict(store.requests())
    lease = leases.acquire(PATH)
    lease.check()
    lease.release()
    counts = {name: count - before.get(name, 0) for name, count in store.requests().items()}
    assert sum(counts.values()) == 5, counts
