"""Layers on a local disk: push and pull against cp, sync and openssl, and against skopeo."""

from __future__ import annotations

import json
import os
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measuring import Line, note, run, settle, take_turns
from benchmarks.program import Program
from regctl.digest import Digest, MultiHasher
from tests.images import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Blob, Image, write_oci_layout
from tests.servers.registry import RegistryServer
from tests.servers.skopeo import Skopeo

BASELINE, SKOPEO = "cp, sync, openssl", "skopeo copy"
MEMORY_LIMIT = 100
_BLOCK = 1 << 20


class Layer:
    """A layer of about ``size`` random bytes in the file ``path``, which is made.

    It has gzip's form, stored and not compressed: skopeo would compress what has not.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        hashes = MultiHasher(("sha256",))
        pack = zlib.compressobj(0, zlib.DEFLATED, 31)
        with path.open("wb") as out:
            for offset in range(0, size, _BLOCK):
                piece = pack.compress(os.urandom(min(_BLOCK, size - offset)))
                hashes.update(piece)
                out.write(piece)
            piece = pack.flush()
            hashes.update(piece)
            out.write(piece)
        self.size = hashes.size
        self.digest: Digest = hashes.digest("sha256")


@contextmanager
def storage(directory: Path) -> Iterator[Path]:
    """An empty storage below ``directory``, removed at the end."""
    root = directory / f"storage-{time.monotonic_ns()}"
    root.mkdir()
    try:
        yield root
    finally:
        shutil.rmtree(root)


class Contest:
    """The contestants; each returns its seconds and leaves nothing in ``directory``."""

    def __init__(self, directory: Path, program: Program, layer: Layer, filled: Path) -> None:
        self._directory = directory
        self._program = program
        self._layer = layer
        self._filled = filled
        self._copy = directory / "copy"
        #: The most memory that a push and a pull took, in bytes.
        self.peaks = {"push-layer": 0, "pull-layer": 0}

    def baseline(self) -> float:
        """What anybody can do with a shell, durable and with a digest."""
        file, copy = self._layer.path, self._copy
        script = f"cp {file} {copy} && sync {copy} && openssl dgst -sha256 {file}"
        settle(self._directory, self._layer.size)
        seconds = run(["sh", "-c", script], self._program.environment).seconds
        copy.unlink()
        return seconds

    def push(self) -> float:
        with storage(self._directory) as root:
            return self._regctl(root, "push-layer", "app", str(self._layer.path))

    def pull(self) -> float:
        digest = str(self._layer.digest)
        seconds = self._regctl(self._filled, "pull-layer", "app", digest, "-o", str(self._copy))
        self._copy.unlink()
        return seconds

    def skopeo(self) -> float:
        """The layer out of an image layout into a running registry, which makes nothing durable."""
        directory = self._directory / "skopeo"
        server_directory = self._directory / "server"
        layout = _write_layout(self._directory / "layout", self._layer)
        with storage(self._directory) as root, RegistryServer(root, server_directory) as server:
            client = Skopeo(directory)
            settle(self._directory, self._layer.size)
            started = time.perf_counter()
            client.copy(f"oci:{layout}:v1", f"docker://{server.host}/app:v1")
            seconds = time.perf_counter() - started
        for each in (directory, server_directory, layout):
            shutil.rmtree(each)
        return seconds

    def _regctl(self, root: Path, name: str, *arguments: str) -> float:
        settle(self._directory, self._layer.size)
        done = run(self._program.command(root, name, *arguments), self._program.environment)
        self.peaks[name] = max(self.peaks[name], done.peak)
        return done.seconds


def _write_layout(directory: Path, layer: Layer) -> Path:
    """An image layout of an image with ``layer``, whose file it shares."""
    config = Blob(json.dumps({"architecture": "amd64", "os": "linux"}).encode(), OCI_CONFIG)
    named = {"mediaType": OCI_LAYER, "digest": str(layer.digest), "size": layer.size}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [named],
    }
    image = Image(Blob(json.dumps(manifest).encode(), OCI_MANIFEST), config, (), "amd64")
    write_oci_layout(directory, {"v1": image})
    os.link(layer.path, directory / "blobs" / "sha256" / layer.digest.hex)
    return directory


def benchmark(directory: Path, program: Program, layer: Layer, rounds: int) -> Iterator[Line]:
    """The lines for push and pull of ``layer``."""
    note(f"layers: {layer.size} bytes, {rounds} rounds")
    with storage(directory) as filled:
        run(program.command(filled, "push-layer", "app", str(layer.path)), program.environment)
        contest = Contest(directory, program, layer, filled)
        samples = take_turns(
            {
                BASELINE: contest.baseline,
                "push-layer": contest.push,
                SKOPEO: contest.skopeo,
                "pull-layer": contest.pull,
            },
            rounds,
        )
    yield samples.compare("push-layer", "push-layer", BASELINE, 0.8)
    yield samples.compare("push-layer", "push-layer", SKOPEO, 1.0, strict=True)
    yield samples.compare("pull-layer -o", "pull-layer", BASELINE, 1.0)
    for name, peak in contest.peaks.items():
        megabytes = peak / 1e6
        yield Line(f"{name}, memory", f"{megabytes:.0f} MB", "", megabytes, MEMORY_LIMIT, " MB")
