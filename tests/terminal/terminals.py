"""Runs a piece of Python on a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from dataclasses import dataclass

#: A limit only for a test that fails: none waits this long.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Session:
    """What came of a run: the exit code (negative: the signal), the screen's bytes as text, and
    what went to stdout where that was a pipe."""

    code: int
    screen: str
    stdout: str


def run(
    code: str,
    *,
    keys: str = "",
    after: str = "",
    interrupt: bool = False,
    stdout_on_terminal: bool = True,
    columns: int = 80,
    environment: dict[str, str] | None = None,
) -> Session:
    """Run ``code`` with stdin, stderr and, unless told, stdout on a terminal of ``columns``.

    ``keys`` are typed when the screen shows ``after`` (at once if that is empty), and with
    ``interrupt`` the process gets SIGINT then. A carriage return before a newline is dropped.
    """
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=slave,
        stdout=slave if stdout_on_terminal else subprocess.PIPE,
        stderr=slave,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", **(environment or {})},
        start_new_session=True,
    )
    os.close(slave)
    screen = bytearray()
    try:
        _drive(process, master, screen, keys.encode(), after.encode(), interrupt)
        piped = process.stdout.read() if process.stdout is not None else b""
        status = process.wait(PATIENCE)
    finally:
        os.close(master)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
    return Session(status, screen.decode().replace("\r\n", "\n"), piped.decode())


def _drive(
    process: subprocess.Popen[bytes],
    master: int,
    screen: bytearray,
    keys: bytes,
    after: bytes,
    interrupt: bool,
) -> None:
    """Read the screen to its end, and act once ``after`` is on it."""
    deadline = time.monotonic() + PATIENCE
    acted = False
    while True:
        if not acted and after in screen:
            acted = True
            os.write(master, keys)
            if interrupt:
                process.send_signal(signal.SIGINT)
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([master], [], [], left)[0]:
            raise AssertionError(
                f"the program does not end; the screen ends in {bytes(screen[-400:])!r}"
            )
        try:
            content = os.read(master, 65536)
        except OSError:  # EIO: the last holder of the terminal is gone
            return
        if not content:
            return
        screen += content
