"""Standard streams that are full, closed or blocked: nothing is lost without a word."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.commands.conftest import snapshot
from tests.commands.handles import Storage
from tests.commands.running import command_line, process_environment, regctl

PATIENCE = 30.0


def shell(redirection: str, *arguments: str | os.PathLike[str]) -> subprocess.CompletedProcess[str]:
    """Run regctl from a shell with ``redirection``."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *command_line(*arguments)],
        capture_output=True,
        text=True,
        env=process_environment(),
    )


@pytest.mark.parametrize(
    ("redirection", "code", "words"),
    [
        (">/dev/full", 1, "No space left on device"),
        (">&-", 2, "standard output is closed"),
    ],
)
def test_a_result_that_cannot_be_written_is_an_error(
    filled: Storage, redirection: str, code: int, words: str
) -> None:
    layer = regctl("push-layer", "app", "-", storage=filled, stdin=b"content").lines[0]
    for line in (
        ["ls"],
        ["inspect", "app:v1"],
        ["pull-layer", "app", layer],
        ["pull-manifest", "app:v1"],
    ):
        done = shell(redirection, "--storage", filled, *line)
        assert done.returncode == code, (line, done.stderr)
        assert done.stderr.startswith("error: ")
        assert words in done.stderr


def test_a_closed_standard_input_is_an_error(storage: Storage) -> None:
    for line in (["push-layer", "app"], ["push-manifest", "app"], ["digest"]):
        done = shell("<&-", "--storage", storage, *line, "-")
        assert done.returncode == 2
        assert done.stderr == "error: cannot read standard input: Bad file descriptor\n"
    assert snapshot(storage) == {}


def test_with_all_streams_closed_nothing_is_written_into_the_storage_by_mistake(
    storage: Storage, tmp_path: Path
) -> None:
    """A file that is opened then gets descriptor 0, 1 or 2, to which messages would go."""
    file = tmp_path / "layer"
    file.write_bytes(b"content" * 100_000)
    done = shell("<&- >&- 2>&-", "--storage", storage, "-v", "push-layer", "app", file)
    assert done.returncode == 2
    digest = regctl("digest", file).lines[0]
    assert regctl("pull-layer", "app", digest, storage=storage).stdout == file.read_bytes()
    assert regctl("uploads", storage=storage).lines == []


def test_a_pull_into_a_pipe_that_nobody_reads_can_be_terminated(storage: Storage) -> None:
    content = bytes(1 << 20)
    digest = regctl("push-layer", "app", "-", storage=storage, stdin=content).lines[0]
    process = subprocess.Popen(
        command_line("--storage", storage, "pull-layer", "app", digest),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(**storage.environ),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        assert process.stdout.read(1) == b"\0"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143
        assert process.stderr.read() == b"warning: terminated\n"
