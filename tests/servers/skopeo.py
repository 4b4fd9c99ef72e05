"""skopeo, the usual client of registries, kept away from this machine's own configuration."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.servers.processes import environment, require

PROGRAM = "skopeo"


class Skopeo:
    """Runs skopeo without TLS, policies, credentials or files outside of ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._program = require(PROGRAM)
        # To root, skopeo keeps what it knows of blobs in /var/lib/containers, across runs; with
        # the id of another user, below XDG_DATA_HOME (containers/image, internal/rootless).
        self._environment = {**environment(directory / "home"), "_CONTAINERS_ROOTLESS_UID": "1"}
        self._temporary = directory / "tmp"
        self._lookaside = directory / "registries.d"
        self._temporary.mkdir(parents=True, exist_ok=True)
        self._lookaside.mkdir(exist_ok=True)

    def run(self, *arguments: str) -> str:
        """What skopeo prints; `AssertionError` with its stderr if it fails."""
        done = subprocess.run(
            [
                self._program,
                "--insecure-policy",
                f"--tmpdir={self._temporary}",
                f"--registries.d={self._lookaside}",
                *arguments,
            ],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(
                f"skopeo {' '.join(arguments)} exits {done.returncode}:\n{done.stderr}"
            )
        return done.stdout

    def copy(self, source: str, target: str, *options: str) -> str:
        """Copy an image; ``--all`` takes a whole index, ``--format v2s2`` makes it Docker's."""
        tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
        return self.run("copy", *tls, *options, source, target)

    def inspect(self, reference: str, *options: str) -> dict[str, object]:
        """What skopeo says of an image; with ``--raw``, its manifest, with ``--config``, that."""
        value = json.loads(self.run("inspect", "--tls-verify=false", *options, reference))
        assert isinstance(value, dict)
        return value
