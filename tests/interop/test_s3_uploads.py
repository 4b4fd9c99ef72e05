"""Uploads in a bucket, which are multipart uploads there, handed over between the two sides."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands.handles import S3, blob_at, in_repository
from tests.images import OCI_LAYER, Blob
from tests.interop.conftest import Serve
from tests.interop.program import PATIENCE, Regctl
from tests.interop.storages import PART
from tests.interop.test_uploads import Begun, handed_over
from tests.servers.client import Client
from tests.servers.registry import SECRET, RegistryServer

MB = 1 << 20
LAYER = Blob(random.Random("a large layer").randbytes(14 * MB + 12_345), OCI_LAYER)
UPLOADS = in_repository("app", "_uploads")
#: The PATCHes of an upload that is then interrupted: each ends with a part of what is left over.
PATCHES = {
    "short": (1000,),
    "short and short": (3 * MB, MB),
    "one part": (PART,),
    "a part and more": (6 * MB,),
    "short, then parts": (2 * MB, 11 * MB),
    "parts, short, parts": (5 * MB, 1, 7 * MB),
}
#: A few of them that differ in what the next writer finds.
SOME = ("short", "a part and more", "parts, short, parts")


@pytest.fixture
def server(serve: Serve) -> RegistryServer:
    return serve()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The layer as a file."""
    path = tmp_path / "layer"
    path.write_bytes(LAYER.content)
    return path


def begin_over_http(client: Client, sizes: Sequence[int], content: bytes = LAYER.content) -> Begun:
    """POST and PATCHes of these sizes: an upload of the beginning of ``content``."""
    location, done = client.start_upload("app"), 0
    for size in sizes:
        location = client.patch_upload(location, content[done : done + size], done)
        done += size
    return Begun(location)


def at(server: RegistryServer, location: str) -> str:
    """Where an upload goes on, on a registry that was started again at another port."""
    return f"{server.url}/v2/{location.partition('/v2/')[2]}"


def assert_is_layer(server: RegistryServer, storage: S3, layer: Blob = LAYER) -> None:
    """The bucket holds ``layer``, the registry serves it, and no upload is left."""
    assert storage.read(blob_at(layer.digest)) == layer.content
    assert server.client.blob("app", layer.digest).expect(200).body == layer.content
    assert_no_upload(storage)


def assert_no_upload(storage: S3) -> None:
    assert storage.server.multipart_uploads(f"{storage.prefix}/") == []
    assert [path for path in storage.files() if path.startswith(f"{UPLOADS}/")] == []


# --- begun over HTTP ---------------------------------------------------------------------------


@pytest.mark.parametrize("patches", PATCHES)
def test_an_interrupted_upload_is_finished_with_the_file(
    server: RegistryServer, storage: S3, regctl: Regctl, file: Path, patches: str
) -> None:
    begun = begin_over_http(server.client, PATCHES[patches])
    server.stop()
    stored = sum(PATCHES[patches])
    (line,) = regctl.ok("uploads").lines
    assert line.split()[:3] == ["app", begun.uuid, str(stored)]
    done = regctl.ok("--format=json", "push-layer", "app", str(file), "--resume", begun.uuid)
    said = done.json()
    assert isinstance(said, dict)
    assert said["digest"] == str(LAYER.digest)
    assert (said["resumed"], said["written"]) == (stored, LAYER.size - stored)
    server.restart()
    assert_is_layer(server, storage)


@pytest.mark.parametrize("patches", SOME)
def test_the_token_of_a_registry_names_its_upload(
    server: RegistryServer, storage: S3, tmp_path: Path, file: Path, patches: str
) -> None:
    """The registry's own configuration says where the storage is, its keys and the secret."""
    begun = begin_over_http(server.client, PATCHES[patches])
    regctl = Regctl(storage, tmp_path / "home", "--config", str(server.config_path))
    done = regctl.ok("push-layer", "app", str(file), "--resume", begun.token)
    assert done.line == str(LAYER.digest)
    assert_is_layer(server, storage)


@pytest.mark.parametrize("patches", SOME)
def test_stored_bytes_are_made_a_layer_without_the_file(
    server: RegistryServer, storage: S3, regctl: Regctl, patches: str
) -> None:
    stored = Blob(LAYER.content[: sum(PATCHES[patches])], OCI_LAYER)
    begun = begin_over_http(server.client, PATCHES[patches])
    wrong = regctl.run("uploads", "finish", "app", begun.uuid, "--digest", str(LAYER.digest))
    assert wrong.code == 4, wrong.stderr
    done = regctl.ok("uploads", "finish", "app", begun.uuid, "--digest", str(stored.digest))
    assert done.line == str(stored.digest)
    assert_is_layer(server, storage, stored)


@pytest.mark.parametrize("patches", SOME)
def test_a_file_that_begins_otherwise_changes_nothing_for_the_registry(
    server: RegistryServer, storage: S3, regctl: Regctl, tmp_path: Path, patches: str
) -> None:
    begun, stored = begin_over_http(server.client, PATCHES[patches]), sum(PATCHES[patches])
    other = tmp_path / "other"
    other.write_bytes(b"\0" + LAYER.content[1:])
    refused = regctl.run("push-layer", "app", str(other), "--resume", begun.uuid)
    assert refused.code == 4, refused.stderr
    assert "nothing was changed" in refused.stderr
    server.restart()
    answer = server.client.finish_upload(
        at(server, begun.location), LAYER.digest, LAYER.content[stored:]
    )
    answer.expect(201)
    assert_is_layer(server, storage)


@pytest.mark.parametrize("patches", SOME)
def test_a_cancelled_upload_leaves_no_multipart_upload(
    server: RegistryServer, storage: S3, regctl: Regctl, patches: str
) -> None:
    begun = begin_over_http(server.client, PATCHES[patches])
    kept = begin_over_http(server.client, (10,))
    regctl.ok("uploads", "cancel", "app", begun.uuid, "--yes")
    ((key, _),) = storage.server.multipart_uploads(f"{storage.prefix}/")
    assert kept.uuid in key
    assert server.client.get(begun.location).status == 404
    assert server.client.finish_upload(begun.location, LAYER.digest).status == 404
    regctl.ok("uploads", "cancel", "app", kept.uuid, "--yes")
    assert_no_upload(storage)


@pytest.mark.parametrize("patches", SOME)
def test_what_a_purge_left_is_listed_with_its_bytes_and_cancelled(
    server: RegistryServer, storage: S3, regctl: Regctl, patches: str
) -> None:
    """The registry's own purge deletes the objects of an upload and never the multipart upload,
    which is billed for ever and shows in no listing."""
    begun = begin_over_http(server.client, PATCHES[patches])
    directory = f"{UPLOADS}/{begun.uuid}/"
    for path in storage.files():
        if path.startswith(directory) and "?uploadId=" not in path:
            storage.remove(path)
    listed = regctl.ok("--format=json", "uploads").json()
    assert isinstance(listed, dict)
    assert (listed["uuid"], listed["size"]) == (begun.uuid, sum(PATCHES[patches]))
    assert listed["started_at"] is None
    lost = regctl.run("uploads", "finish", "app", begun.uuid, "--digest", str(LAYER.digest))
    assert lost.code == 3, lost.stderr
    regctl.ok("uploads", "cancel", "app", begun.uuid, "--yes")
    assert regctl.ok("uploads").lines == []
    assert_no_upload(storage)


# --- begun by regctl ---------------------------------------------------------------------------


@contextmanager
def interrupted(
    regctl: Regctl, fifo: Path, content: bytes, number: int, ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """A ``push-layer`` that took ``content`` from a pipe and got the signal ``number`` when it was
    ``ready``, waiting for more."""
    os.mkfifo(fifo)
    process = subprocess.Popen(
        regctl.command_line("push-layer", "app", str(fifo)),
        env=regctl.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        with process, fifo.open("wb", buffering=0) as pipe:
            # When it has read the last byte, it has written all that came before.
            for piece in (content[:-1], content[-1:]):
                written = 0
                while written < len(piece):
                    written += pipe.write(piece[written:])
                wait_until(lambda: not unread(pipe.fileno()))
            wait_until(ready)
            process.send_signal(number)
            process.wait(PATIENCE)
            yield process
    finally:
        process.kill()


def unread(descriptor: int) -> int:
    """The bytes in a pipe that its reader has not taken."""
    (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4))
    return int(count)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("it does not come")
        time.sleep(0.01)


def parts_of(storage: S3) -> list[int]:
    """The sizes of the parts of the only multipart upload; empty if there is none."""
    found = storage.server.multipart_uploads(f"{storage.prefix}/")
    if not found:
        return []
    ((key, upload),) = found
    client = storage.server.client()
    answer = client.list_parts(Bucket=storage.server.bucket, Key=key, UploadId=upload)
    return [part["Size"] for part in answer.get("Parts", ())]


@pytest.mark.parametrize("size", [1000, 3 * MB, 6 * MB, 13 * MB])
def test_an_upload_that_regctl_was_told_to_end_is_finished_over_http(
    server: RegistryServer, storage: S3, regctl: Regctl, tmp_path: Path, size: int
) -> None:
    with interrupted(
        regctl, tmp_path / "fifo", LAYER.content[:size], signal.SIGTERM, lambda: True
    ) as process:
        assert process.returncode == 143
    location, stored = handed_over(regctl, server)
    assert size - 1 <= stored <= size
    assert storage.server.multipart_uploads(f"{storage.prefix}/")
    server.restart()
    rest = LAYER.content[stored:]
    half = len(rest) // 2
    location = server.client.patch_upload(location, rest[:half], stored)
    server.client.finish_upload(location, LAYER.digest, rest[half:]).expect(201)
    assert_is_layer(server, storage)


def test_an_upload_whose_process_was_killed_is_finished_over_http(
    server: RegistryServer, storage: S3, regctl: Regctl, tmp_path: Path
) -> None:
    """Of it there are the parts that were sent, and no state beside the first one."""
    content = LAYER.content * 2
    with interrupted(
        regctl, tmp_path / "fifo", content, signal.SIGKILL, lambda: bool(parts_of(storage))
    ) as process:
        assert process.returncode == -signal.SIGKILL
    location, stored = handed_over(regctl, server)
    assert stored == sum(parts_of(storage)) >= PART
    layer = Blob(content + b"the end", OCI_LAYER)
    server.client.finish_upload(location, layer.digest, layer.content[stored:]).expect(201)
    assert_is_layer(server, storage, layer)


def test_an_upload_goes_to_and_fro(
    server: RegistryServer, storage: S3, regctl: Regctl, tmp_path: Path, file: Path
) -> None:
    """Begun by regctl, continued over HTTP with a part that is too short, finished by regctl."""
    with interrupted(
        regctl, tmp_path / "fifo", LAYER.content[: 7 * MB], signal.SIGTERM, lambda: True
    ):
        pass
    location, size = handed_over(regctl, server)
    for count in (100, 2 * MB):
        location = server.client.patch_upload(location, LAYER.content[size : size + count], size)
        size += count
    server.restart()
    token = Begun(location).token
    done = regctl.ok("push-layer", "app", str(file), "--resume", token, secret=SECRET)
    assert done.line == str(LAYER.digest)
    assert_is_layer(server, storage)


def test_a_registry_is_not_disturbed_by_what_is_on_its_way_to_a_blobs_address(
    server: RegistryServer, storage: S3, regctl: Regctl, tmp_path: Path
) -> None:
    """A direct push that was killed shows nothing; the same layer comes by way of the registry."""
    layer = Blob(random.Random("direct").randbytes(64 * MB), OCI_LAYER)
    file = tmp_path / "direct"
    file.write_bytes(layer.content)
    process = subprocess.Popen(
        regctl.command_line("push-layer", "app", str(file)),
        env=regctl.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            wait_until(lambda: process.poll() is not None or bool(parts_of(storage)))
        finally:
            process.kill()
    ((key, _),) = storage.server.multipart_uploads(f"{storage.prefix}/")
    assert key == storage.key(blob_at(layer.digest))
    assert server.client.blob("app", layer.digest, "HEAD").status == 404
    assert regctl.ok("uploads").lines == []
    server.client.push_blob("app", layer.content, layer.digest)
    assert server.client.blob("app", layer.digest).expect(200).body == layer.content
    again = json.loads(regctl.ok("--format=json", "push-layer", "app", str(file)).stdout)
    assert (again["existed"], again["written"]) == (True, 0)
