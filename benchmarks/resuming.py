"""A resumed push of a layer of which nine tenths are stored, against a fresh one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.layers import Layer, storage
from benchmarks.measuring import Line, note, run, settle, take_turns
from benchmarks.paced import PacedDriver
from benchmarks.program import Program
from regctl.drivers import open_driver
from regctl.drivers.base import StorageDriver
from regctl.drivers.counting import CountingDriver
from regctl.layout import RepositoryName, UploadId
from regctl.registry import Registry, Repository
from regctl.registry.localfile import FileSource
from regctl.registry.transfer import push_new, push_resumed

LOCAL_LIMIT, SLOW_LIMIT = 1.2, 0.6
#: Bytes a second of the slow writer.
SLOW_RATE = 100e6
FRESH = "a fresh push"
#: What a resumed push may read: the upload's start, its hash states, links. Nothing of the data.
STATE_BYTES = 4096
_BLOCK = 1 << 20


def _driver(root: Path) -> StorageDriver:
    return open_driver("filesystem", {"rootdirectory": str(root)})


def _repository(driver: StorageDriver) -> Repository:
    return Registry(driver).repository_to_fill(RepositoryName.parse("app"))


def store_most_of(layer: Layer, root: Path) -> UploadId:
    """Store the first nine tenths of ``layer`` in an upload that is then interrupted."""
    left = layer.size * 9 // 10
    with _repository(_driver(root)).uploads.create() as upload, layer.path.open("rb") as file:
        while piece := file.read(min(_BLOCK, left)):
            upload.write(piece)
            left -= len(piece)
    return upload.id


class Contest:
    """The contestants; each returns its seconds and leaves nothing in ``directory``."""

    def __init__(self, directory: Path, program: Program, layer: Layer) -> None:
        self._directory = directory
        self._program = program
        self._layer = layer
        #: Of resumed pushes: the most bytes read from the storage, and requests for a stream.
        self.most_read = self.streams = 0

    def fresh(self) -> float:
        with storage(self._directory) as root:
            return self._push(root)

    def resumed(self) -> float:
        with storage(self._directory) as root:
            return self._push(root, "--resume", str(store_most_of(self._layer, root)))

    def _push(self, root: Path, *options: str) -> float:
        command = self._program.command(
            root, "-v", "push-layer", "app", str(self._layer.path), *options
        )
        settle(self._directory, self._layer.size)
        done = run(command, self._program.environment)
        counted = re.search(r"storage: (.*); (\d+) bytes read", done.stderr)
        if counted is None:
            raise RuntimeError(f"no counts in {done.stderr!r}")
        if options:
            self._count(len(re.findall(r"\d+ read\b", counted[1])), int(counted[2]))
        return done.seconds

    def slow_fresh(self) -> float:
        with storage(self._directory) as root, FileSource.open(str(self._layer.path)) as source:
            target = _repository(PacedDriver(_driver(root), SLOW_RATE))
            settle(self._directory, self._layer.size)
            started = time.perf_counter()
            with target.uploads.create() as upload:
                pushed = push_new(upload, source, expected=None, progress=_no_progress)
            assert pushed.digest == self._layer.digest
            return time.perf_counter() - started

    def slow_resumed(self) -> float:
        with storage(self._directory) as root, FileSource.open(str(self._layer.path)) as source:
            stored = store_most_of(self._layer, root)
            counting = CountingDriver(PacedDriver(_driver(root), SLOW_RATE))
            target = _repository(counting)
            settle(self._directory, self._layer.size)
            started = time.perf_counter()
            with target.uploads.resume(stored) as upload:
                pushed = push_resumed(upload, source, expected=None, progress=_no_progress)
            seconds = time.perf_counter() - started
            assert pushed.digest == self._layer.digest
            counts = counting.counts
            self._count(counts.requests.get("read", 0), counts.bytes_read)
            return seconds

    def _count(self, streams: int, count: int) -> None:
        self.streams = max(self.streams, streams)
        self.most_read = max(self.most_read, count)


def benchmark(directory: Path, program: Program, layer: Layer, rounds: int) -> Iterator[Line]:
    """The lines for resumed pushes of ``layer``."""
    note(f"resuming: {layer.size} bytes, 90 % stored, {rounds} rounds")
    contest = Contest(directory, program, layer)
    local = take_turns({FRESH: contest.fresh, "resumed": contest.resumed}, rounds)
    yield local.compare("resumed push, local disk", "resumed", FRESH, LOCAL_LIMIT)
    slow = take_turns({FRESH: contest.slow_fresh, "resumed": contest.slow_resumed}, rounds)
    yield slow.compare("resumed push, 100 MB/s", "resumed", FRESH, SLOW_LIMIT)
    yield Line("resumed push, stored data read", "", "", contest.streams, 0, " streams")
    said = f"{contest.most_read} bytes"
    yield Line("resumed push, states read", said, "", contest.most_read, STATE_BYTES, " bytes")


def _no_progress(_count: int) -> None:
    """Show nothing."""
