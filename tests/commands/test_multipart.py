"""Multipart uploads: sent to their place at once, interrupted, gone on with, and cancelled."""

from __future__ import annotations

import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.commands.handles import S3, Storage, blob_at, in_repository, sha256_of
from tests.commands.running import command_line, process_environment, regctl
from tests.servers.faults import FaultProxy, Hold
from tests.servers.s3 import S3Endpoint

PATIENCE = 30.0
MB = 1 << 20
#: Three parts of the least size that is configured here, and a bit.
CONTENT = bytes(range(256)) * (16 * MB // 256) + b"the end"
DIGEST = sha256_of(CONTENT)
UPLOAD = "5d2b1c9e-0000-4000-8000-00000000abcd"


@pytest.fixture
def bucket(storage: Storage) -> S3:
    """The storage, with parts of 5 MiB."""
    assert isinstance(storage, S3)
    return S3(storage.server, storage.prefix, chunksize=5 * MB)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "layer"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def behind(bucket: S3, s3_proxy: FaultProxy) -> S3:
    """The storage by way of the proxy."""
    return S3(bucket.server.behind(s3_proxy.url), bucket.prefix, chunksize=5 * MB)


def in_progress(bucket: S3) -> list[tuple[str, str]]:
    server: S3Endpoint = bucket.server
    return server.multipart_uploads(f"{bucket.prefix}/")


def test_a_file_is_sent_to_its_place(behind: S3, file: Path, s3_proxy: FaultProxy) -> None:
    """With no upload beside it, no copy, and in as many requests as there are parts."""
    result = regctl("push-layer", "app", file, "-v", storage=behind)
    assert result.lines == [DIGEST]
    # It counts what was really sent.
    assert f"\nserver: {s3_proxy.count()} requests: " in result.err
    assert behind.read(blob_at(DIGEST)) == CONTENT
    assert s3_proxy.count(path="_uploads/") == 0
    # What would be too short for a part of its own goes with the one before.
    assert s3_proxy.count(method="PUT", query="partNumber=") == 3
    assert in_progress(behind) == []


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_push_of_a_file_is_gone_on_with_by_the_command_that_it_prints(
    behind: S3, file: Path, s3_proxy: FaultProxy, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    s3_proxy.inject(Hold(), method="PUT", query="partNumber=3(&|$)", times=None)
    process = subprocess.Popen(
        command_line("--storage", behind, "--jobs", "2", "push-layer", "app", file),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(**behind.environ),
    )
    try:
        s3_proxy.wait_for(1, method="PUT", query="partNumber=3(&|$)")
        process.send_signal(sent)
        s3_proxy.release()
        out, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, out) == (code, b""), said
    assert not behind.exists(blob_at(DIGEST)), "what is not whole must not be seen"
    assert not behind.exists(in_repository("app", "_layers"))
    ((key, _),) = in_progress(behind)
    assert key == behind.key(blob_at(DIGEST))
    (line,) = [each for each in said.decode().splitlines() if each.startswith("hint: to go on: ")]
    s3_proxy.clear()
    s3_proxy.forget()
    program = tmp_path / "bin" / "regctl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec " + shlex.join(command_line()) + ' "$@"\n')
    program.chmod(0o755)
    environment = process_environment(**behind.environ)
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"
    pasted = line.removeprefix("hint: to go on: ")
    done = subprocess.run(["sh", "-c", pasted], capture_output=True, env=environment)
    assert (done.returncode, done.stdout.decode()) == (0, f"{DIGEST}\n"), done.stderr
    assert behind.read(blob_at(DIGEST)) == CONTENT
    parts = [each for each in s3_proxy.log() if "partNumber=" in each.query]
    assert sum(each.received for each in parts) < len(CONTENT) - 4 * MB
    assert in_progress(behind) == []


def test_no_keep_aborts_what_it_sent(behind: S3, file: Path, s3_proxy: FaultProxy) -> None:
    s3_proxy.inject(Hold(), method="PUT", query="partNumber=3(&|$)", times=None)
    process = subprocess.Popen(
        command_line("--storage", behind, "push-layer", "app", file, "--no-keep"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(**behind.environ),
    )
    try:
        s3_proxy.wait_for(1, method="PUT", query="partNumber=3(&|$)")
        process.send_signal(signal.SIGTERM)
        s3_proxy.release()
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 143
    assert b"to go on" not in said
    assert behind.files() == {}


def test_a_registrys_upload_is_gone_on_with(
    behind: S3, bucket: S3, file: Path, s3_proxy: FaultProxy
) -> None:
    """Its last part is short, as every PATCH leaves it: the rest is sent, and nothing twice."""
    stored = 6 * MB
    bucket.write(in_repository("app", f"_uploads/{UPLOAD}/startedat"), "2026-11-23T16:10:25Z")
    bucket.leave(in_repository("app", f"_uploads/{UPLOAD}/data"), CONTENT[:stored])
    (row,) = regctl("uploads", "--format=json", storage=behind).rows
    assert (row["size"], row["problem"]) == (stored, None)
    line = ("push-layer", "app", file, "--resume", UPLOAD, "--format=json")
    result = regctl(*line, storage=behind)
    assert result.code == 0, result.err
    assert (result.json["resumed"], result.json["written"]) == (stored, len(CONTENT) - stored)
    assert behind.read(blob_at(DIGEST)) == CONTENT
    assert in_progress(behind) == []
    assert not behind.exists(in_repository("app", "_uploads"))


def test_a_registrys_upload_is_finished_and_another_cancelled(bucket: S3) -> None:
    other = UPLOAD.replace("5", "6")
    for upload in (UPLOAD, other):
        start = in_repository("app", f"_uploads/{upload}/startedat")
        bucket.write(start, "2026-11-23T16:10:25Z")
        bucket.leave(in_repository("app", f"_uploads/{upload}/data"), CONTENT[: 6 * MB])
    assert len(regctl("uploads", storage=bucket).lines) == 2
    digest = sha256_of(CONTENT[: 6 * MB])
    done = regctl("uploads", "finish", "app", UPLOAD, "--digest", digest, storage=bucket)
    assert done.lines == [digest], done.err
    assert bucket.read(blob_at(digest)) == CONTENT[: 6 * MB]
    assert len(in_progress(bucket)) == 1
    dry = regctl("uploads", "cancel", "app", other, "--dry-run", storage=bucket)
    assert dry.lines == [f"remove the upload {other} of app with its {6 * MB} bytes"]
    assert len(in_progress(bucket)) == 1
    assert regctl("uploads", "cancel", "app", other, "--yes", storage=bucket).code == 0
    assert in_progress(bucket) == []
    assert not bucket.exists(in_repository("app", "_uploads"))
