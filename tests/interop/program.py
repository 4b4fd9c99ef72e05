"""regctl as a process of its own, on one storage, with nothing of this process's environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from regctl.digest import Digest
from tests.commands.handles import Storage
from tests.images import Blob, Image, Index
from tests.servers.processes import environment

#: The command without the console script, which need not be installed.
COMMAND = (sys.executable, "-c", "from regctl.cli import main; main()")
#: A limit only for a test that fails: none waits this long.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a run: the exit code, the bytes of stdout, the text of stderr."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.stdout.decode().splitlines()

    @property
    def line(self) -> str:
        """The one line of stdout."""
        (line,) = self.lines
        return line

    def json(self) -> object:
        """The object on stdout."""
        value: object = json.loads(self.stdout)
        return value


class Regctl:
    """Runs regctl on ``storage``, or where ``options`` say, with ``home`` for a home.

    The credentials of a bucket are in its environment, unless ``options`` are to bring them.
    """

    def __init__(self, storage: Storage | Path, home: Path, *options: str) -> None:
        self._home = home
        self._options = options or ("--storage", os.fspath(storage))
        self._environ: Mapping[str, str] = {}
        if isinstance(storage, Storage) and not options:
            self._environ = storage.environ

    def run(self, *arguments: str, secret: str | None = None, stdin: bytes = b"") -> Done:
        """The outcome of one command line, whatever it is."""
        done = subprocess.run(
            self.command_line(*arguments),
            env=self.environment(secret),
            input=stdin,
            capture_output=True,
            timeout=PATIENCE,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())

    def ok(self, *arguments: str, secret: str | None = None, stdin: bytes = b"") -> Done:
        """The outcome of one command line that must succeed; `AssertionError` with its stderr."""
        done = self.run(*arguments, secret=secret, stdin=stdin)
        if done.code != 0:
            raise AssertionError(f"regctl {' '.join(arguments)} exits {done.code}:\n{done.stderr}")
        return done

    def command_line(self, *arguments: str) -> list[str]:
        """The process's arguments for a command."""
        return [*COMMAND, *self._options, *arguments]

    def environment(self, secret: str | None = None) -> dict[str, str]:
        """The process's environment, perhaps with the secret that signs upload tokens."""
        return {
            **environment(self._home),
            **self._environ,
            **({"REGCTL_HTTP_SECRET": secret} if secret is not None else {}),
        }

    def push_blob(self, repository: str, blob: Blob, *options: str) -> None:
        """Push a blob from a file, and have its digest printed."""
        file = self._file(blob)
        assert self.ok("push-layer", repository, str(file), *options).line == str(blob.digest)

    def push_manifest(self, reference: str, manifest: Blob) -> None:
        """Push a manifest from a file, and have its digest printed."""
        file = self._file(manifest)
        assert self.ok("push-manifest", reference, str(file)).line == str(manifest.digest)

    def push(self, repository: str, pushed: Image | Index, tag: str) -> None:
        """Push everything of an image or index, from files, and tag it."""
        for blob in pushed.blobs:
            self.push_blob(repository, blob)
        if isinstance(pushed, Index):
            for image in pushed.images:
                self.push_manifest(repository, image.manifest)
        self.push_manifest(f"{repository}:{tag}", pushed.manifest)

    def pull_blob(self, repository: str, digest: Digest) -> bytes:
        """The bytes of a blob, by way of stdout."""
        return self.ok("pull-layer", repository, str(digest)).stdout

    def pull_manifest(self, reference: str) -> bytes:
        """The bytes of a manifest, by way of stdout."""
        return self.ok("pull-manifest", reference).stdout

    def inspect(self, reference: str) -> Mapping[str, object]:
        """What ``inspect`` says, as JSON."""
        value = self.ok("--format", "json", "inspect", reference).json()
        assert isinstance(value, dict)
        return value

    def _file(self, blob: Blob) -> Path:
        self._home.mkdir(parents=True, exist_ok=True)
        path = self._home / blob.digest.hex
        path.write_bytes(blob.content)
        return path
