"""Uploads handed over: begun by a registry and ended by regctl, and the other way round."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from regctl.digest import Digest
from regctl.digest.sha256 import ResumableSHA256
from regctl.registry.tokens import UploadState, check, sign
from regctl.registry.upload import CHECKPOINT_BYTES
from tests.commands.handles import Storage
from tests.images import OCI_LAYER, Blob
from tests.interop.conftest import Serve
from tests.interop.program import PATIENCE, Regctl
from tests.servers.client import Client
from tests.servers.registry import SECRET, RegistryServer

UPLOADS = "docker/registry/v2/repositories/app/_uploads"
LAYER = Blob(random.Random("a layer").randbytes(300_000), OCI_LAYER)


@dataclass(frozen=True, slots=True)
class Begun:
    """An upload in progress in the repository ``app``: where HTTP goes on, and its parts."""

    location: str

    @property
    def uuid(self) -> str:
        return urlsplit(self.location).path.rpartition("/")[2]

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.location).query)["_state"][0]


def begin_over_http(client: Client, content: bytes) -> Begun:
    """POST, PATCH, PATCH: an upload of ``content`` that nobody finished."""
    half = len(content) // 2
    location = client.patch_upload(client.start_upload("app"), content[:half], 0)
    return Begun(client.patch_upload(location, content[half:], half))


def assert_is_layer(server: RegistryServer, storage: Storage, layer: Blob) -> None:
    """The registry serves ``layer``, and no upload is left."""
    head = server.client.blob("app", layer.digest, "HEAD").expect(200)
    assert int(head.headers["content-length"]) == layer.size
    assert server.client.blob("app", layer.digest).expect(200).body == layer.content
    assert_no_upload(storage)


def assert_no_upload(storage: Storage) -> None:
    """Nothing is left of any upload of the repository, multipart uploads included."""
    assert [path for path in storage.snapshot() if path.startswith(f"{UPLOADS}/")] == []


@pytest.fixture
def server(serve: Serve) -> RegistryServer:
    return serve()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The layer as a file."""
    path = tmp_path / "layer"
    path.write_bytes(LAYER.content)
    return path


# --- begun over HTTP ---------------------------------------------------------------------------


def test_an_upload_begun_over_http_is_finished_without_reading_what_is_stored(
    server: RegistryServer, storage: Storage, regctl: Regctl, file: Path
) -> None:
    """The hash state that the registry saved proves that the file begins with what is stored."""
    begun = begin_over_http(server.client, LAYER.content[:200_000])
    done = regctl.ok("-v", "push-layer", "app", str(file), "--resume", begun.uuid)
    assert done.line == str(LAYER.digest)
    counted = re.search(r"storage: (.*); (\d+) bytes read, (\d+) bytes written", done.stderr)
    assert counted is not None, done.stderr
    assert not re.search(r"\d+ read\b", counted[1])
    # Nothing but hash states and the time of its start; of the layer, not a byte.
    assert int(counted[2]) < 2000
    assert 100_000 <= int(counted[3]) < 102_000
    assert_is_layer(server, storage, LAYER)


def test_the_token_of_a_registry_names_its_upload(
    server: RegistryServer, storage: Storage, file: Path
) -> None:
    """The registry's own configuration file says where the storage is, and the secret."""
    begun = begin_over_http(server.client, LAYER.content[:200_000])
    regctl = Regctl(storage, file.parent / "home", "--config", str(server.config_path))
    stale = regctl.run("push-layer", "app", str(file), "--resume", _token_at(regctl, begun, 100))
    assert stale.code == 6, stale.stderr
    done = regctl.ok("push-layer", "app", str(file), "--resume", begun.token)
    assert done.line == str(LAYER.digest)
    assert_is_layer(server, storage, LAYER)


def _token_at(regctl: Regctl, begun: Begun, offset: int) -> str:
    """A token as the registry would have made it when the upload held ``offset`` bytes."""
    state = check(begun.token, SECRET)
    return sign(UploadState(state.name, state.uuid, offset, state.started_at), SECRET)


def test_a_file_that_begins_otherwise_changes_nothing_for_the_registry(
    server: RegistryServer, storage: Storage, regctl: Regctl, tmp_path: Path
) -> None:
    begun = begin_over_http(server.client, LAYER.content[:200_000])
    other = tmp_path / "other"
    other.write_bytes(b"\0" + LAYER.content[1:])
    refused = regctl.run("push-layer", "app", str(other), "--resume", begun.uuid)
    assert refused.code == 4
    assert "nothing was changed" in refused.stderr
    answer = server.client.finish_upload(begun.location, LAYER.digest, LAYER.content[200_000:])
    answer.expect(201)
    assert_is_layer(server, storage, LAYER)


def test_stored_bytes_are_made_a_layer_without_the_file(
    server: RegistryServer, storage: Storage, regctl: Regctl
) -> None:
    begun = begin_over_http(server.client, LAYER.content)
    done = regctl.ok("uploads", "finish", "app", begun.uuid, "--digest", str(LAYER.digest))
    assert done.line == str(LAYER.digest)
    assert_is_layer(server, storage, LAYER)


def test_an_upload_that_regctl_cancelled_is_unknown_to_the_registry(
    server: RegistryServer, storage: Storage, regctl: Regctl
) -> None:
    begun = begin_over_http(server.client, LAYER.content)
    assert [row.split()[:3] for row in regctl.ok("uploads").lines] == [
        ["app", begun.uuid, str(LAYER.size)]
    ]
    regctl.ok("uploads", "cancel", "app", begun.uuid, "--yes")
    assert server.client.get(begun.location).status == 404
    assert server.client.request("PATCH", begun.location, b"more").status == 404
    assert server.client.finish_upload(begun.location, LAYER.digest).status == 404
    assert server.client.blob("app", LAYER.digest).status == 404
    assert_no_upload(storage)


# --- begun by regctl ---------------------------------------------------------------------------


@contextmanager
def pushing(regctl: Regctl, fifo: Path, content: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """A ``push-layer`` that has taken ``content`` from ``fifo``, and waits for more of it."""
    process = subprocess.Popen(
        regctl.command_line("push-layer", "app", str(fifo)),
        env=regctl.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        with process, fifo.open("wb") as pipe:
            pipe.write(content)
            pipe.flush()
            yield process
            process.wait(PATIENCE)
    finally:
        process.kill()


def wait_for(directory: Path, pattern: str, size: int) -> Path:
    """The one file of ``size`` bytes that matches ``pattern`` there, as soon as it is."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = [path for path in directory.glob(pattern) if path.stat().st_size == size]
        if found:
            return found[0]
        time.sleep(0.005)
    raise AssertionError(f"no {pattern} of {size} bytes in {directory}")


def handed_over(regctl: Regctl, server: RegistryServer) -> tuple[str, int]:
    """Where HTTP goes on with the only upload, by regctl's token; and the bytes it holds."""
    done = regctl.ok("--format=json", "uploads", "app", "--tokens", secret=server.secret)
    said = done.json()
    assert isinstance(said, dict)
    assert said["repository"] == "app"
    return f"/v2/app/blobs/uploads/{said['uuid']}?_state={quote(said['token'])}", said["size"]


@pytest.mark.parametrize(
    ("number", "state_at"), [(signal.SIGKILL, 0), (signal.SIGTERM, 200_000)], ids=["kill", "term"]
)
def test_an_upload_that_regctl_lost_is_finished_over_http(
    server: RegistryServer,
    storage: Storage,
    regctl: Regctl,
    tmp_path: Path,
    number: int,
    state_at: int,
) -> None:
    """Killed, the data is beyond the newest state and the registry hashes all of it again;
    terminated, regctl still saves the state of just what is stored, and the registry trusts it."""
    stored, rest = LAYER.content[:200_000], LAYER.content[200_000:]
    fifo = _fifo(tmp_path)
    with pushing(regctl, fifo, stored) as process:
        wait_for(server.root / UPLOADS, "*/data", len(stored))
        process.send_signal(number)
    assert process.returncode == (143 if number == signal.SIGTERM else -number)
    assert _states(server) == sorted({0, state_at})

    location, size = handed_over(regctl, server)
    assert size == len(stored)
    half = len(rest) // 2
    location = server.client.patch_upload(location, rest[:half], size)
    server.client.finish_upload(location, LAYER.digest, rest[half:]).expect(201)
    assert_is_layer(server, storage, LAYER)


def test_an_upload_lost_just_after_a_checkpoint_is_trusted_by_the_registry(
    server: RegistryServer, regctl: Regctl, tmp_path: Path
) -> None:
    """The registry goes on from the state at the data's size: a wrong one breaks the upload."""
    stored = LAYER.content * (CHECKPOINT_BYTES // LAYER.size + 1)
    stored, rest = stored[:CHECKPOINT_BYTES], b"the rest"
    whole = ResumableSHA256()
    whole.update(stored)
    with pushing(regctl, _fifo(tmp_path), stored) as process:
        wait_for(server.root / UPLOADS, f"*/hashstates/sha256/{CHECKPOINT_BYTES}", 108)
        process.kill()
    assert _states(server) == [0, CHECKPOINT_BYTES]
    whole.update(rest)
    digest = Digest.of_hash("sha256", whole.digest())

    location, size = handed_over(regctl, server)
    assert size == CHECKPOINT_BYTES
    server.client.finish_upload(location, digest, rest).expect(201)
    head = server.client.blob("app", digest, "HEAD").expect(200)
    assert int(head.headers["content-length"]) == CHECKPOINT_BYTES + len(rest)
    assert regctl.ok("pull-layer", "app", str(digest), "-o", str(tmp_path / "pulled")).code == 0
    assert (tmp_path / "pulled").stat().st_size == CHECKPOINT_BYTES + len(rest)


def test_an_upload_goes_to_and_fro(
    server: RegistryServer, storage: Storage, regctl: Regctl, tmp_path: Path, file: Path
) -> None:
    """Lost by regctl, continued over HTTP, finished by regctl.

    The registry finds no state at the data's size, hashes just what it adds, and saves that under
    the count of these bytes: a wrong state, which registries never look at. regctl once took it
    for the proof that the file was another one.
    """
    with pushing(regctl, _fifo(tmp_path), LAYER.content[:100_000]) as process:
        wait_for(server.root / UPLOADS, "*/data", 100_000)
        process.kill()
    location, size = handed_over(regctl, server)
    begun = Begun(server.client.patch_upload(location, LAYER.content[size:200_000], size))
    assert _states(server) == [0, 100_000]
    state = next((server.root / UPLOADS).glob("*/hashstates/sha256/100000")).read_bytes()
    added = hashlib.sha256(LAYER.content[100_000:200_000])
    assert ResumableSHA256.restore(state).digest() == added.digest()
    done = regctl.ok("push-layer", "app", str(file), "--resume", begun.token, secret=SECRET)
    assert done.line == str(LAYER.digest)
    assert_is_layer(server, storage, LAYER)


def _fifo(directory: Path) -> Path:
    path = directory / "fifo"
    os.mkfifo(path)
    return path


def _states(server: RegistryServer) -> list[int]:
    """The offsets of the saved hash states of the only upload."""
    found = (server.root / UPLOADS).glob("*/hashstates/sha256/*")
    return sorted(int(path.name) for path in found)
