"""A real kill -9 of the program in the middle of a push, and the command that goes on with it.

FILE is a pipe that the test fills and then keeps open, so that the program waits for more: it is
killed there, without a race and without sleeping.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from regctl.registry.upload import CHECKPOINT_BYTES
from tests.registry.storages import NAME, digest_of, filesystem, fill, states

PROGRAM = [sys.executable, "-c", "from regctl.cli import main; main()"]
PIECE = bytes(range(256)) * 4096
#: One checkpoint and a little, so that there is a state that is not that of nothing.
PIECES = (CHECKPOINT_BYTES >> 20) + 2
#: A limit only for a test that fails: none waits this long.
PATIENCE = 60.0


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}


def _open_when_read(fifo: Path, process: subprocess.Popen[bytes]) -> int:
    """The writing end of ``fifo``, once ``process`` has the other end open."""
    limit = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < limit:
        with contextlib.suppress(OSError):
            descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            os.set_blocking(descriptor, True)
            return descriptor
        time.sleep(0.01)
    raise AssertionError("the program did not open FILE")


@contextlib.contextmanager
def _pushing(root: Path, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that has read `PIECES` pieces and waits for more."""
    fifo = home / "fifo"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [*PROGRAM, "--storage", str(root), "push-layer", str(NAME), str(fifo)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(home),
    )
    descriptor = -1
    try:
        descriptor = _open_when_read(fifo, process)
        for _ in range(PIECES):
            done = 0
            while done < len(PIECE):
                done += os.write(descriptor, PIECE[done:])
        yield process
    finally:
        process.kill()
        process.wait()
        if descriptor >= 0:
            os.close(descriptor)


@pytest.mark.timeout(120)
def test_a_push_that_was_killed_is_resumed(tmp_path: Path) -> None:
    root, home = tmp_path / "root", tmp_path / "home"
    root.mkdir()
    home.mkdir()
    with _pushing(root, home) as process:
        process.send_signal(signal.SIGKILL)
        assert process.wait(PATIENCE) == -signal.SIGKILL
    driver = filesystem(root)
    assert fill(driver).blobs.size(digest_of(PIECE * PIECES)) is None
    (info,) = fill(driver).uploads.list()
    assert info.problem is None
    # All but what was still in the pipe, or read and not yet written.
    assert (PIECES - 1) << 20 <= info.size <= PIECES << 20
    saved = states(driver, info.id)
    assert 0 in saved
    assert CHECKPOINT_BYTES <= max(saved) <= info.size

    whole = home / "whole"
    with whole.open("wb") as file:
        for _ in range(PIECES):
            file.write(PIECE)
        file.write(b"the end")
    options = ["--storage", str(root), "--format", "json", "--resume", str(info.id)]
    resumed = subprocess.run(
        [*PROGRAM, "push-layer", str(NAME), str(whole), *options],
        capture_output=True,
        env=_environment(home),
        timeout=PATIENCE,
    )
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads(resumed.stdout)
    digest = digest_of(PIECE * PIECES + b"the end")
    assert result["digest"] == str(digest)
    assert result["resumed"] == max(saved)
    assert fill(driver).layers.get(digest).size == (PIECES << 20) + 7
    assert list(fill(driver).uploads.list()) == []
