"""A large layer to and from a bucket: push and pull against ``rclone copyto`` with its defaults."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.layers import Layer
from benchmarks.measuring import Line, note, run, settle, take_turns
from benchmarks.program import Program
from tests.servers.faults import FaultProxy
from tests.servers.processes import require
from tests.servers.s3 import REGION, S3Endpoint
from tests.servers.seaweedfs import SeaweedFS

#: Seconds added to every request. The limits are for a server that is not next door.
DELAYS = (0.0, 0.02)
#: Of rclone's time: as fast, and nine tenths as fast.
AS_FAST, PUSH_LIMIT = 1.0, 1 / 0.9
#: Megabytes.
MEMORY_LIMIT = 200
RCLONE, RCLONE_DOWN = "rclone copyto", "rclone copyto, down"
UPLOAD, PUSH, PULL = "upload", "push-layer", "pull-layer"

#: What `push-layer` does with a pipe, up to the end of the pipe.
_SPOOL = """
import json, sys
from regctl.drivers import open_driver
from regctl.layout import RepositoryName
from regctl.registry import Registry
from regctl.registry.localfile import FileSource
from regctl.registry.transfer import pump

members, file, digest = sys.argv[1:]
target = Registry(open_driver("s3", json.loads(members)))
repository = target.repository_to_fill(RepositoryName.parse("app"))
with FileSource.open(file) as source, repository.uploads.create() as upload:
    pump(source, upload.write)
    upload.checkpoint()
    sys.exit(str(upload.digest()) != digest)
"""


class Contest:
    """The contestants; each returns its seconds and leaves nothing in the bucket's ``round/``."""

    def __init__(
        self, directory: Path, program: Program, layer: Layer, endpoint: S3Endpoint
    ) -> None:
        self._directory = directory
        self._program = program
        self._layer = layer
        self._endpoint = endpoint
        self._copy = directory / "copy"
        self._rclone = require("rclone")
        #: The most memory that a push and a pull took, in bytes.
        self.peaks = {PUSH: 0, PULL: 0}

    def fill(self) -> None:
        """Put the layer where the contestants pull it from."""
        self._push("filled")

    def upload(self) -> float:
        """Spooling alone, as for a pipe: into the upload, until the server has the last byte."""
        members = json.dumps(self._endpoint.parameters("round"))
        arguments = [members, str(self._layer.path), str(self._layer.digest)]
        settle(self._directory, self._layer.size)
        command = [str(self._program.python), "-c", _SPOOL, *arguments]
        seconds = run(command, self._program.environment).seconds
        self._endpoint.clean("round/")
        return seconds

    def push(self) -> float:
        seconds = self._push("round")
        self._endpoint.clean("round/")
        return seconds

    def pull(self) -> float:
        arguments = ("pull-layer", "app", str(self._layer.digest), "-o", str(self._copy))
        seconds = self._regctl(PULL, "filled", *arguments)
        self._copy.unlink()
        return seconds

    def rclone(self) -> float:
        seconds = self._copyto(str(self._layer.path), self._at("round/layer"))
        self._endpoint.clean("round/")
        return seconds

    def rclone_down(self) -> float:
        value = self._layer.digest.hex
        key = f"filled/docker/registry/v2/blobs/sha256/{value[:2]}/{value}/data"
        seconds = self._copyto(self._at(key), str(self._copy))
        if self._copy.stat().st_size != self._layer.size:
            raise RuntimeError("another size")
        self._copy.unlink()
        return seconds

    def _push(self, prefix: str) -> float:
        return self._regctl(PUSH, prefix, "push-layer", "app", str(self._layer.path))

    def _regctl(self, name: str, prefix: str, *arguments: str) -> float:
        endpoint = self._endpoint
        query = f"endpoint={endpoint.url}&forcepathstyle=true&region={REGION}"
        url = f"s3://{endpoint.bucket}/{prefix}?{query}"
        environ = {
            **self._program.environment,
            "AWS_ACCESS_KEY_ID": endpoint.ci.access_key,
            "AWS_SECRET_ACCESS_KEY": endpoint.ci.secret_key,
        }
        settle(self._directory, self._layer.size)
        done = run([str(self._program.regctl), "--storage", url, *arguments], environ)
        self.peaks[name] = max(self.peaks[name], done.peak)
        return done.seconds

    def _at(self, key: str) -> str:
        return f"s3:{self._endpoint.bucket}/{key}"

    def _copyto(self, source: str, target: str) -> float:
        environ = {
            **self._program.environment,
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_CONFIG_S3_TYPE": "s3",
            "RCLONE_CONFIG_S3_PROVIDER": "SeaweedFS",
            "RCLONE_CONFIG_S3_ENDPOINT": self._endpoint.url,
            "RCLONE_CONFIG_S3_REGION": REGION,
            "RCLONE_CONFIG_S3_ACCESS_KEY_ID": self._endpoint.ci.access_key,
            "RCLONE_CONFIG_S3_SECRET_ACCESS_KEY": self._endpoint.ci.secret_key,
        }
        settle(self._directory, self._layer.size)
        return run([self._rclone, "copyto", source, target], environ).seconds


def benchmark(directory: Path, program: Program, layer: Layer, rounds: int) -> Iterator[Line]:
    """The lines for ``layer``, on a SeaweedFS next door and on one that is far away."""
    place = directory / "transfer"
    with SeaweedFS(place) as server:
        for delay in DELAYS:
            with FaultProxy(server.endpoint.url, delay=delay) as proxy:
                endpoint = server.endpoint.behind(proxy.url)
                yield from _compare(place, program, layer, rounds, endpoint, delay)
            server.endpoint.clean("filled/")
    shutil.rmtree(place)


def _compare(
    directory: Path,
    program: Program,
    layer: Layer,
    rounds: int,
    endpoint: S3Endpoint,
    delay: float,
) -> Iterator[Line]:
    added = f"{delay * 1000:g} ms"
    note(f"transfer: {layer.size} bytes on SeaweedFS, {added} added, {rounds} rounds")
    contest = Contest(directory, program, layer, endpoint)
    contest.fill()
    samples = take_turns(
        {
            RCLONE: contest.rclone,
            UPLOAD: contest.upload,
            PUSH: contest.push,
            RCLONE_DOWN: contest.rclone_down,
            PULL: contest.pull,
        },
        rounds,
    )
    for name, base, limit in (
        (UPLOAD, RCLONE, AS_FAST),
        (PUSH, RCLONE, PUSH_LIMIT),
        (PULL, RCLONE_DOWN, AS_FAST),
    ):
        what = f"{name}, S3, {added}"
        yield samples.compare(what, name, base, limit if delay else math.inf)
    for name, peak in contest.peaks.items():
        value, what = peak / 1e6, f"{name}, S3, {added}, memory"
        yield Line(what, f"{value:.0f} MB", "", value, MEMORY_LIMIT, " MB")
