"""A server written for the tests, in a process of its own, led over its stdin and stdout.

The interpreter of the tests is busy with what is tested, and holds its lock. One line of JSON is
asked, one is answered; the process ends when its stdin does, whatever became of who started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

#: Seconds it may take to end; it never takes one.
PATIENCE = 10.0
_TOP = Path(__file__).resolve().parents[2]

Handler = Callable[..., object]


class Child:
    """A running server, the module ``module``; use it in a ``with`` block, or end it by `stop`.

    It is safe for threads.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=_TOP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            self.port = int(str(self._answer()))
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id, also after it ended."""
        return self._process.pid

    def ask(self, verb: str, **arguments: object) -> object:
        """What the server answers to ``verb``; `AssertionError` if it has failed."""
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps([verb, arguments]).encode() + b"\n")
            self._process.stdin.flush()
            return self._answer()

    def stop(self) -> None:
        """End the server and wait for it. Idempotent."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self) -> object:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError("the server of the tests has ended; stderr says why")
        value: object = json.loads(line)
        return value


async def obey(port: int, verbs: Mapping[str, Handler]) -> None:
    """In the server: say the port, then answer what is asked, until stdin ends."""
    loop = asyncio.get_running_loop()
    questions = asyncio.StreamReader(limit=1 << 26)
    # A descriptor of its own: the transport makes it non-blocking and closes it.
    stdin = os.fdopen(os.dup(0), "rb")
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), stdin)
    _say(port)
    while line := await questions.readline():
        verb, arguments = json.loads(line)
        _say(verbs[verb](**arguments))


def _say(value: object) -> None:
    data = json.dumps(value).encode() + b"\n"
    while data:
        data = data[os.write(1, data) :]
