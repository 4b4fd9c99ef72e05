"""Small objects of a bucket that is far away: many reads in flight against one by one."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.listing import fill
from benchmarks.measuring import Line, note, take_turns
from regctl.digest import Digest
from regctl.drivers import open_driver
from regctl.layout import PathMapper, RepositoryName, specs
from tests.servers.canned import CONTENT
from tests.servers.faults import FaultProxy
from tests.servers.seaweedfs import SeaweedFS

READS = 2000
#: Seconds added to every request.
DELAY = 0.02
JOBS = 32
#: Of the time that they take one by one.
LIMIT = 1 / 10
MOST_ROUNDS = 3
_MOST_BYTES = 1024


def benchmark(directory: Path, rounds: int, count: int = READS) -> Iterator[Line]:
    """The line for ``count`` links of a repository."""
    place = directory / "smallreads"
    with SeaweedFS(place) as server:
        paths = links(count)
        fill(server.endpoint, [path.lstrip("/") for path in paths])
        with FaultProxy(server.endpoint.url, delay=DELAY) as proxy:
            members = server.endpoint.behind(proxy.url).parameters()
            many, single = (open_driver("s3", members, jobs=jobs) for jobs in (JOBS, 1))

            def together() -> float:
                started = time.perf_counter()
                read = [content for _, content in many.get_many(paths, _MOST_BYTES)]
                return _checked(read, count, started)

            def one_by_one() -> float:
                started = time.perf_counter()
                return _checked([single.get(path, _MOST_BYTES) for path in paths], count, started)

            # One by one they take three quarters of a minute.
            turns = min(rounds, MOST_ROUNDS)
            note(f"small reads: {count} on SeaweedFS, {DELAY * 1000:g} ms added, {turns} rounds")
            samples = take_turns({"many": together, "one by one": one_by_one}, turns)
        what = f"read {count:,} links, {DELAY * 1000:g} ms, --jobs {JOBS}"
        yield samples.compare(what, "many", "one by one", LIMIT)
    shutil.rmtree(place)


def links(count: int) -> list[str]:
    """The paths of the layer links of one repository."""
    mapper, name = PathMapper(), RepositoryName.parse("team/app")
    hashes = (hashlib.sha256(b"%d" % number).digest() for number in range(count))
    return [mapper.path(specs.LayerLink(name, Digest.of_hash("sha256", each))) for each in hashes]


def _checked(read: Sequence[object], count: int, started: float) -> float:
    seconds = time.perf_counter() - started
    if read != [CONTENT] * count:
        raise RuntimeError("not every link was read")
    return seconds
