"""Listing a bucket that is far away: regctl's walk against one sequential listing with boto3."""

from __future__ import annotations

import hashlib
import http.client
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlsplit

from benchmarks.measuring import Line, note, take_turns
from regctl.drivers.s3.client import open_store
from regctl.drivers.s3.listing import walk
from tests.servers.canned import CONTENT, CannedServer, blob_keys
from tests.servers.faults import FaultProxy
from tests.servers.s3 import S3Endpoint
from tests.servers.seaweedfs import SeaweedFS

KEYS = 100_000
#: Seconds added to every request.
DELAY = 0.02
#: regctl's own default.
JOBS = 8
#: Of the time that boto3 needs. SeaweedFS needs most of two processors itself.
MOST_SEAWEEDFS = 1 / 2
MOST_CANNED = 1 / 5
#: Files of one repository.
_FILES = 250


def benchmark(directory: Path, rounds: int, count: int = KEYS) -> Iterator[Line]:
    """The lines for ``count`` keys of a registry, on a server of canned pages and on SeaweedFS."""
    keys = registry_keys(count)
    with CannedServer(keys, delay=DELAY) as canned:
        yield _compare("canned pages", canned.endpoint, count, rounds, MOST_CANNED)
    with SeaweedFS(directory / "seaweedfs") as server:
        note(f"listing: writing {count} small objects")
        fill(server.endpoint, keys)
        with FaultProxy(server.endpoint.url, delay=DELAY) as proxy:
            far = server.endpoint.behind(proxy.url)
            yield _compare("SeaweedFS", far, count, rounds, MOST_SEAWEEDFS)


def registry_keys(count: int) -> list[str]:
    """Three blobs for two links in repositories of seven teams, ``count`` keys in all."""
    keys = blob_keys(count * 3 // 5)
    for number in range(count - len(keys)):
        repository, file = divmod(number, _FILES)
        name = f"team-{repository % 7}/app-{repository:03}"
        kind = "_layers" if file % 5 else "_manifests/revisions"
        digest = hashlib.sha256(b"%d" % number).hexdigest()
        keys.append(f"docker/registry/v2/repositories/{name}/{kind}/sha256/{digest}/link")
    return keys


def fill(endpoint: S3Endpoint, keys: Sequence[str]) -> None:
    """Write an object at each key of SeaweedFS's bucket, by its own API: S3's takes longer."""
    port = urlsplit(endpoint.url).port
    assert port is not None

    def write(some: Sequence[str]) -> None:
        # The filer listens three ports above S3: see tests.servers.seaweedfs.
        connection = http.client.HTTPConnection("127.0.0.1", port + 3, timeout=60)
        for key in some:
            path = f"/buckets/{endpoint.bucket}/{quote(key)}"
            connection.request("PUT", path, CONTENT, {"Content-Type": "text/plain"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.client.CREATED:
                raise RuntimeError(f"SeaweedFS answers {answer.status}")
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, [keys[start::4] for start in range(4)]))


def _compare(place: str, endpoint: S3Endpoint, count: int, rounds: int, limit: float) -> Line:
    note(f"listing: {count} keys on {place}, {DELAY * 1000:g} ms added, {rounds} rounds")
    store = open_store(endpoint.parameters(), JOBS)
    client = endpoint.client()

    def regctl() -> int:
        return sum(1 for _ in walk(store, "/"))

    def boto3() -> int:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=endpoint.bucket)
        return sum(len(page.get("Contents", ())) for page in pages)

    samples = take_turns(
        {"regctl": lambda: _seconds(regctl, count), "boto3": lambda: _seconds(boto3, count)}, rounds
    )
    what = f"list {count:,} keys, {DELAY * 1000:g} ms, {place}"
    return samples.compare(what, "regctl", "boto3", limit)


def _seconds(work: Callable[[], int], count: int) -> float:
    started = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - started
    if found != count:
        raise RuntimeError(f"{found} of {count} keys were listed")
    return seconds
