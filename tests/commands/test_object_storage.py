"""What is different on object stores: requests, credentials, what is hidden until it is whole."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.commands.handles import GCS, S3, Storage, blob_at, in_repository, sha256_of
from tests.commands.running import (
    check_no_secret,
    check_refusal,
    command_line,
    process_environment,
    regctl,
)
from tests.images import Image

#: Two parts and a bit, and several ranges.
LARGE = bytes(range(256)) * (13 << 12) + b"the end"
DIGEST = sha256_of(LARGE)
UPLOAD = "5d2b1c9e-0000-4000-8000-00000000abcd"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "layer"
    path.write_bytes(LARGE)
    return path


def requests_in(said: str) -> dict[str, int]:
    """By the server's name for it, how often something was asked, as ``-v`` has it."""
    found = re.search(r"^server: (\d+) requests: (.*)$", said, re.MULTILINE)
    assert found is not None, said
    counts = {name: int(count) for count, name in (each.split() for each in found[2].split(", "))}
    assert sum(counts.values()) == int(found[1])
    return counts


def test_a_configuration_is_used(storage: Storage, tmp_path: Path, image: Image) -> None:
    """That of a registry, with its credentials: none are in the environment."""
    config = storage.configure(tmp_path / "config.yml")
    environ = {name: value for name, value in storage.environ.items() if "_KEY" not in name}
    layer = image.layers[0]

    def run(*line: str, stdin: bytes = b"") -> bytes:
        result = regctl(*line, "-v", "--config", config, stdin=stdin, environ=environ)
        assert result.code == 0, result.err
        check_no_secret(result, storage)
        return result.stdout

    assert run("push-layer", "app", "-", stdin=layer.content) == f"{layer.digest}\n".encode()
    assert storage.read(blob_at(layer.digest)) == layer.content
    assert run("ls") == b"app\n"
    assert run("pull-layer", "app", str(layer.digest)) == layer.content
    named = {**environ, "REGCTL_CONFIG": str(config)}
    assert regctl("ls", environ=named).lines == ["app"]


def test_the_environment_names_the_storage(storage: Storage) -> None:
    environ = {**storage.environ, "REGCTL_STORAGE": str(storage)}
    pushed = regctl("push-layer", "app", "-", stdin=b"x", environ=environ)
    assert pushed.lines == [sha256_of(b"x")]
    assert regctl("ls", environ=environ).lines == ["app"]
    assert storage.read(blob_at(sha256_of(b"x"))) == b"x"


def test_verbose_says_requests_and_bytes(filled: Storage, image: Image) -> None:
    layer = image.layers[0]
    pulled = regctl("pull-layer", "app", str(layer.digest), "-v", storage=filled)
    assert pulled.code == 0
    read = re.search(r"(\d+) bytes read, 0 bytes written", pulled.err)
    assert read is not None
    assert layer.size <= int(read[1]) < layer.size + 1000
    counts = requests_in(pulled.err)
    assert sum(counts.values()) < 12
    names = {"GetObject", "ListObjectsV2"} if filled.kind == "s3" else {"objects.list"}
    assert names <= set(counts)
    assert "server:" not in regctl("ls", storage=filled).err


def test_a_blob_that_is_there_is_not_sent_again(storage: Storage, file: Path) -> None:
    first = regctl("push-layer", "app", file, "--digest", DIGEST, "-v", storage=storage)
    assert first.code == 0, first.err
    again = regctl("push-layer", "b", file, "--digest", DIGEST, "-v", storage=storage)
    assert again.lines == [DIGEST]
    assert "in the storage already" in again.err
    written = re.search(r"(\d+) bytes written", again.err)
    assert written is not None
    assert int(written[1]) < 1000
    sending = {"CreateMultipartUpload", "UploadPart", "sessions.start", "objects.rewrite"}
    assert not sending & set(requests_in(again.err))


def test_a_large_layer_goes_and_comes(storage: Storage, file: Path, tmp_path: Path) -> None:
    assert regctl("push-layer", "app", file, storage=storage).lines == [DIGEST]
    assert storage.read(blob_at(DIGEST)) == LARGE
    assert not storage.exists(in_repository("app", "_uploads"))
    target = tmp_path / "out"
    assert regctl("pull-layer", "app", DIGEST, "-o", target, storage=storage).code == 0
    assert target.read_bytes() == LARGE
    assert regctl("pull-layer", "app", DIGEST, storage=storage).stdout == LARGE
    assert regctl("uploads", storage=storage).lines == []
    assert leftovers(storage) == []


def leftovers(storage: Storage) -> list[str]:
    """What nobody can see who does not look for it: locks, what is not completed."""
    return [path for path in storage.files() if not path.startswith("docker/") or "?" in path]


def test_a_part_is_taken_up_where_it_ends(storage: Storage, tmp_path: Path) -> None:
    storage.write(blob_at(DIGEST), LARGE)
    storage.write(in_repository("app", f"_layers/sha256/{DIGEST[7:]}/link"), DIGEST)
    have = len(LARGE) - 1_000_000
    part, target = tmp_path / f"out.{DIGEST[7:19]}.part", tmp_path / "out"
    part.write_bytes(LARGE[:have])
    result = regctl("pull-layer", "app", DIGEST, "-o", target, "-v", storage=storage)
    assert result.code == 0, result.err
    assert target.read_bytes() == LARGE
    read = re.search(r"(\d+) bytes read", result.err)
    assert read is not None
    assert int(read[1]) < 1_001_000


def test_a_pipe_is_spooled(storage: Storage) -> None:
    """Its digest is known at its end only: it is sent to an upload, and moved."""
    done = subprocess.run(
        command_line("--storage", storage, "-v", "push-layer", "app", "-"),
        input=LARGE,
        capture_output=True,
        env=process_environment(**storage.environ),
    )
    assert (done.returncode, done.stdout.decode()) == (0, f"{DIGEST}\n"), done.stderr
    assert storage.read(blob_at(DIGEST)) == LARGE
    assert not storage.exists(in_repository("app", "_uploads"))
    assert leftovers(storage) == []
    counts = requests_in(done.stderr.decode())
    assert {"CreateMultipartUpload", "objects.rewrite"} & set(counts)


def test_an_empty_layer_from_a_pipe(storage: Storage) -> None:
    """S3 completes no multipart upload without a part."""
    done = subprocess.run(
        command_line("--storage", storage, "push-layer", "app", "-"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=process_environment(**storage.environ),
    )
    assert (done.returncode, done.stdout.decode()) == (0, f"{sha256_of(b'')}\n"), done.stderr
    assert storage.read(blob_at(sha256_of(b""))) == b""
    assert leftovers(storage) == []


def test_an_upload_of_which_nothing_can_be_seen(storage: Storage, file: Path) -> None:
    """A registry's own purge takes the objects below `_uploads/<id>` and not what is hidden: that
    stays, and is paid for, until somebody finds it."""
    regctl("push-layer", "app", "-", storage=storage, stdin=b"x")
    content = LARGE[:200_000]
    storage.leave(in_repository("app", f"_uploads/{UPLOAD}/data"), content)
    result = regctl("uploads", "--format=json", storage=storage)
    (row,) = result.rows
    assert (row["repository"], row["uuid"], row["size"]) == ("app", UPLOAD, len(content))
    assert row["problem"] is not None
    for line in (
        ["uploads", "finish", "app", UPLOAD, "--digest", sha256_of(content)],
        ["push-layer", "app", os.fspath(file), "--resume", UPLOAD],
    ):
        refused = regctl(*line, storage=storage)
        check_refusal(refused, 3, "has no startedat", hint=f"uploads cancel app {UPLOAD}")
    assert len(regctl("uploads", storage=storage).lines) == 1
    done = regctl("uploads", "cancel", "app", UPLOAD, "--yes", storage=storage)
    assert done.code == 0, done.err
    assert regctl("uploads", storage=storage).lines == []
    assert not storage.exists(in_repository("app", "_uploads"))
    assert leftovers(storage) == []


def test_jobs_change_nothing_but_the_time(filled: Storage) -> None:
    wanted = regctl("inspect", "team/multi:latest", "--format=json", storage=filled).json
    for jobs in ("1", "32"):
        result = regctl(
            "inspect", "team/multi:latest", "--format=json", "--jobs", jobs, storage=filled
        )
        assert result.json == wanted


def test_a_prefix_is_not_the_beginning_of_a_name(storage: Storage) -> None:
    """What lies beside the storage in the bucket is not in it."""
    regctl("push-layer", "app", "-", storage=storage, stdin=b"x")
    assert isinstance(storage, S3 | GCS)
    beside = f"{storage.prefix}-other"
    other = S3(storage.server, beside) if isinstance(storage, S3) else GCS(storage.server, beside)
    regctl("push-layer", "b", "-", storage=other, stdin=b"x")
    other.leave(in_repository("b", f"_uploads/{UPLOAD}/data"), b"x")
    assert regctl("ls", storage=storage).lines == ["app"]
    assert regctl("uploads", storage=storage).lines == []
    assert regctl("ls", storage=other).lines == ["b"]
    if isinstance(other, S3):
        other.server.clean(f"{beside}/")
    else:
        other.clean()
