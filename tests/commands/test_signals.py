"""Ctrl-C, SIGTERM and a reader that leaves: the exit codes, and what is kept."""

from __future__ import annotations

import hashlib
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands.handles import Storage, blob_at
from tests.commands.running import command_line, process_environment, regctl

PATIENCE = 30.0
#: Two whole chunks of what a push reads at a time, and a bit.
FIRST = bytes(range(256)) * 8192 + b"0123"
REST = b"the rest"
DIGEST = f"sha256:{hashlib.sha256(FIRST + REST).hexdigest()}"


@contextmanager
def pushing(
    storage: Storage, *options: str, named: str | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A push-layer from a pipe that has got `FIRST` and waits for more."""
    process = subprocess.Popen(
        command_line("--storage", named or storage, "push-layer", "team/app", "-", *options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(**storage.environ),
    )
    assert process.stdin is not None
    try:
        # The pipe holds 64 KiB: when all is written, most of it has been read.
        process.stdin.write(FIRST)
        process.stdin.flush()
        yield process
    finally:
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen[bytes], sent: signal.Signals) -> str:
    """What the program says to a signal; it ends although its input does not."""
    process.send_signal(sent)
    assert process.stderr is not None
    process.wait(PATIENCE)
    return process.stderr.read().decode()


@pytest.mark.parametrize(
    ("sent", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_stopped_push_keeps_what_it_has_and_says_how_to_go_on(
    storage: Storage, tmp_path: Path, sent: signal.Signals, code: int, word: str
) -> None:
    """The command that it prints works when it is pasted into a shell."""
    with pushing(storage) as process:
        said = stop(process, sent)
        assert process.returncode == code
    assert "Traceback" not in said
    assert said.endswith(f"warning: {word}\n")
    (row,) = regctl("uploads", "--format=json", storage=storage).rows
    assert 0 < row["size"] <= len(FIRST)
    assert f"{row['size']} bytes are kept in the upload {row['uuid']}" in said
    assert regctl("ls", storage=storage).lines == []
    (line,) = [each for each in said.splitlines() if each.startswith("hint: to go on: ")]
    pasted = line.removeprefix("hint: to go on: ")
    assert row["uuid"] in pasted
    assert " - " in pasted
    program = tmp_path / "bin" / "regctl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec " + shlex.join(command_line()) + ' "$@"\n')
    program.chmod(0o755)
    environment = process_environment(**storage.environ)
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-c", pasted], input=FIRST + REST, capture_output=True, env=environment
    )
    assert (done.returncode, done.stdout.decode()) == (0, f"{DIGEST}\n"), done.stderr
    assert regctl("uploads", storage=storage).lines == []
    content = regctl("pull-layer", "team/app", DIGEST, storage=storage).stdout
    assert content == FIRST + REST


def test_what_is_kept_has_a_state_for_a_registry_to_go_on_with(storage: Storage) -> None:
    with pushing(storage) as process:
        stop(process, signal.SIGTERM)
    (row,) = regctl("uploads", "--format=json", storage=storage).rows
    uploads = storage.directory / "docker/registry/v2/repositories/team/app/_uploads"
    states = {path.name for path in (uploads / row["uuid"]).glob("hashstates/sha256/*")}
    assert str(row["size"]) in states
    assert max(int(state) for state in states) == row["size"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_no_keep_leaves_nothing(storage: Storage, sent: signal.Signals) -> None:
    with pushing(storage, "--no-keep") as process:
        said = stop(process, sent)
    assert "to go on" not in said
    assert regctl("uploads", storage=storage).lines == []
    assert storage.files() == {}


def test_the_demanded_digest_and_the_options_are_part_of_the_printed_command(
    storage: Storage,
) -> None:
    with pushing(storage, "--digest", DIGEST) as process:
        said = stop(process, signal.SIGINT)
    assert f"--digest {DIGEST}" in said
    assert f"--storage {shlex.quote(str(storage))} " in said


def test_an_upload_that_is_being_written_is_not_touched(storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "layer"
    file.write_bytes(FIRST + REST)
    with pushing(storage):
        (row,) = regctl("uploads", "--format=json", storage=storage).rows
        for line in (
            ("push-layer", "team/app", file, "--resume", row["uuid"]),
            ("uploads", "cancel", "team/app", row["uuid"], "--yes"),
            ("uploads", "finish", "team/app", row["uuid"], "--digest", DIGEST),
        ):
            refused = regctl(*line, "--format=json", storage=storage)
            assert (refused.code, refused.error["code"]) == (6, "upload-in-use")
    done = regctl("push-layer", "team/app", file, "--resume", row["uuid"], storage=storage)
    assert done.lines == [DIGEST], done.err


def test_a_relative_storage_is_absolute_in_the_printed_command(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(storage.directory.parent)
    with pushing(storage, named=storage.directory.name) as process:
        said = stop(process, signal.SIGINT)
    assert f"--storage {storage} " in said


def test_a_reader_that_leaves_is_141_and_no_word(storage: Storage) -> None:
    repositories = storage.directory / "docker/registry/v2/repositories"
    for number in range(3000):
        (repositories / f"repository-with-a-long-name-{number:05}/_layers").mkdir(parents=True)
    process = subprocess.Popen(
        command_line("--storage", storage, "ls"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        assert process.stdout.readline() == b"repository-with-a-long-name-00000\n"
        process.stdout.close()
        said = process.stderr.read()
        process.wait(PATIENCE)
    assert (process.returncode, said) == (141, b"")


def test_a_reader_of_a_layer_that_leaves_is_141_and_no_word(storage: Storage) -> None:
    pushed = regctl("push-layer", "app", "-", storage=storage, stdin=FIRST)
    process = subprocess.Popen(
        command_line("--storage", storage, "pull-layer", "app", pushed.lines[0]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(**storage.environ),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        assert process.stdout.read(1000) == FIRST[:1000]
        process.stdout.close()
        said = process.stderr.read()
        process.wait(PATIENCE)
    assert (process.returncode, said) == (141, b"")


def test_a_stopped_pull_keeps_its_part(storage: Storage, tmp_path: Path) -> None:
    """The part is there from the first byte on; the next run takes it up."""
    pushed = regctl("push-layer", "app", "-", storage=storage, stdin=FIRST).lines[0]
    target = tmp_path / "out"
    part = tmp_path / f"out.{pushed[7:19]}.part"
    part.write_bytes(FIRST[:1000])
    storage.remove(blob_at(pushed))
    failed = regctl("pull-layer", "app", pushed, "-o", target, storage=storage)
    assert failed.code == 5
    assert part.read_bytes() == FIRST[:1000]
    assert not target.exists()
