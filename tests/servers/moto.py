r"""moto's S3 server, for the keys that SeaweedFS refuses, and for S3's exact order: PyPI `moto`.

It takes every key (``a//b``, ``/a``, ``.``, ``..``, ``\``) and lists in byte order. It checks
nothing else: anybody may do everything with any signature, and what is sent is not validated.
"""

from __future__ import annotations

import http.client
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.servers.processes import PATIENCE, environment, free_port, require, stop, tail
from tests.servers.s3 import Credentials, S3Endpoint

PROGRAM = "moto_server"
BUCKET = "regctl-tests"
#: How often another port is tried when some process took ours first.
ATTEMPTS = 5


class Moto:
    """A moto that runs, with one empty bucket; its log is in ``directory``.

    Use it in a ``with`` block, or end it by `stop`.
    """

    def __init__(self, directory: Path) -> None:
        self._program = require(PROGRAM)
        directory.mkdir(parents=True, exist_ok=True)
        self.log_path = directory / "moto.log"
        self._environment = environment(directory / "home")
        self._start()

    @property
    def endpoint(self) -> S3Endpoint:
        """Where it is; its two identities are the same to it."""
        anybody = Credentials("AKIAREGCTLMOTO00TEST", "secret")
        return S3Endpoint(f"http://127.0.0.1:{self._port}", BUCKET, anybody, anybody)

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

    def _start(self) -> None:
        for _ in range(ATTEMPTS):
            self._port = free_port()
            with self.log_path.open("ab") as log:
                self._process = subprocess.Popen(
                    [self._program, "-H", "127.0.0.1", "-p", str(self._port)],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            try:
                if self._becomes_ready():
                    self.endpoint.client().create_bucket(Bucket=BUCKET)
                    return
            except BaseException:
                self.stop()
                raise
        raise AssertionError(f"{PROGRAM} does not start:\n{tail(self.log_path)}")

    def _becomes_ready(self) -> bool:
        """Wait until it answers; False if it ended before."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
            try:
                connection.request("GET", "/moto-api/data.json")
                if connection.getresponse().status == 200:
                    return True
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            if time.monotonic() > deadline:
                raise AssertionError(f"{PROGRAM} does not answer:\n{tail(self.log_path)}")
            time.sleep(0.02)
        return False
