"""A real registry, Debian's ``docker-registry`` 2.8, over a directory of the test's."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.servers.client import Client
from tests.servers.processes import PATIENCE, environment, free_port, require, stop, tail

PROGRAM = "docker-registry"
SECRET = "a secret that the tests know"
#: How often another port is tried when some process took ours first.
ATTEMPTS = 5
_MARK = "X-Registry-Mark"


class RegistryServer:
    """A registry that runs, over the storage ``root`` (which holds ``docker/registry/v2``).

    Deleting is enabled, redirects and the purging of uploads are off, and there is no cache of
    descriptors unless ``cache``. ``schema1`` lets it take schema 1 manifests; ``storage`` replaces
    the filesystem driver, for instance ``{"s3": {...}}``. Its files and log are in ``directory``.
    Use it in a ``with`` block.
    """

    def __init__(
        self,
        root: Path,
        directory: Path,
        *,
        cache: bool = False,
        schema1: bool = False,
        secret: str = SECRET,
        storage: Mapping[str, object] | None = None,
    ) -> None:
        self._program = require(PROGRAM)
        directory.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.secret = secret
        self.config_path = directory / "config.yml"
        self.log_path = directory / "registry.log"
        self._environment = environment(directory / "home")
        self._cache = cache
        self._schema1 = schema1
        self._storage = storage or {"filesystem": {"rootdirectory": str(root)}}
        self._start()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{self.host}"

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, as it stands in an image reference."""
        return f"127.0.0.1:{self.port}"

    @property
    def client(self) -> Client:
        """A client of this registry's API."""
        return Client(self.host)

    @property
    def pid(self) -> int:
        """The process id, also after it ended."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def garbage_collect(self, dry_run: bool = True, *, delete_untagged: bool = False) -> str:
        """What the registry's own collector says about this storage; stdout and stderr.

        Raises `AssertionError` with that text if it fails, for which 2.8 has many reasons.
        """
        flags = ["--dry-run"] * dry_run + ["--delete-untagged"] * delete_untagged
        done = subprocess.run(
            [self._program, "garbage-collect", *flags, str(self.config_path)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"garbage-collect exits {done.returncode}:\n{done.stdout}")
        return done.stdout

    def stop(self) -> None:
        """End the server; its storage, configuration and log stay. Idempotent."""
        stop(self._process)

    def restart(self) -> None:
        """Stop and start again, on another port: what was cached is forgotten."""
        self.stop()
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        for _ in range(ATTEMPTS):
            self.port = free_port()
            mark = uuid.uuid4().hex
            self.config_path.write_text(json.dumps(self._configuration(mark), indent=2))
            with self.log_path.open("ab") as log:
                self._process = subprocess.Popen(
                    [self._program, "serve", str(self.config_path)],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            try:
                if self._becomes_ready(mark):
                    return
            except BaseException:
                self.stop()
                raise
            if "address already in use" not in tail(self.log_path, 2048):
                break
        raise AssertionError(f"{PROGRAM} does not start:\n{tail(self.log_path)}")

    def _becomes_ready(self, mark: str) -> bool:
        """Wait for an answer of this very process; False if it ended before."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            try:
                answer = self.client.get("/v2/")
            except (OSError, http.client.HTTPException):
                answer = None
            if answer and answer.status == 200 and answer.headers.get(_MARK.lower()) == mark:
                return True
            if time.monotonic() > deadline:
                raise AssertionError(f"{PROGRAM} does not answer:\n{tail(self.log_path)}")
            time.sleep(0.02)
        return False

    def _configuration(self, mark: str) -> dict[str, object]:
        """The registry's configuration; JSON is YAML."""
        storage: dict[str, object] = {
            **self._storage,
            "delete": {"enabled": True},
            "redirect": {"disable": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        }
        if self._cache:
            storage["cache"] = {"blobdescriptor": "inmemory"}
        return {
            "version": "0.1",
            "log": {"level": "info", "fields": {"service": "registry"}},
            "storage": storage,
            "http": {
                "addr": self.host,
                "secret": self.secret,
                "headers": {_MARK: [mark]},
            },
            "compatibility": {"schema1": {"enabled": self._schema1}},
        }
