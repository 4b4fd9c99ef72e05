"""Storage that is full, read-only or another user's: said in one line, and nothing half-written.

Mounting and becoming another user need root: without it these tests are skipped, and fail in CI.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.commands.conftest import push, snapshot
from tests.commands.handles import Storage
from tests.commands.running import check_refusal, command_line, process_environment, regctl
from tests.images import Image

NOBODY = 65534
Remount = Callable[..., None]


def require_root() -> None:
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("this test needs root", pytrace=False)
        pytest.skip("this test needs root")


@pytest.fixture
def remount(storage: Storage) -> Iterator[Remount]:
    """The storage on a file system of its own of 2 MiB; a function that changes its options."""
    require_root()

    def mount(*options: str) -> None:
        done = subprocess.run(["mount", *options, str(storage)], capture_output=True, text=True)
        if done.returncode != 0:
            if os.environ.get("CI") == "true":
                pytest.fail(f"cannot mount: {done.stderr}", pytrace=False)
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")

    mount("-t", "tmpfs", "-o", "size=2m,mode=755", "regctl-test")
    try:
        yield lambda *options: mount("-o", ",".join(("remount", *options)))
    finally:
        subprocess.run(["umount", "--lazy", str(storage)], check=True)


def test_no_space_left(storage: Storage, remount: Remount, tmp_path: Path, image: Image) -> None:
    push(storage, "app:v1", image)
    before = storage.files()
    file = tmp_path / "layer"
    file.write_bytes(os.urandom(3 << 20))
    gone = regctl("push-layer", "app", file, "--no-keep", storage=storage)
    check_refusal(gone, 5, "No space left on device")
    assert storage.files() == before
    kept = regctl("push-layer", "app", file, storage=storage)
    assert kept.code == 5
    assert "to go on: regctl" in kept.err
    assert regctl("inspect", "app:v1", storage=storage).code == 0
    (upload,) = regctl("uploads", "--format=json", storage=storage).rows
    assert 0 < upload["size"] < 3 << 20
    remount("size=8m")
    resumed = regctl("push-layer", "app", file, "--resume", upload["uuid"], storage=storage)
    assert resumed.code == 0, resumed.err
    pulled = regctl("pull-layer", "app", resumed.lines[0], storage=storage)
    assert pulled.stdout == file.read_bytes()


def fill(path: Path) -> None:
    """Write to a new file until no page is left."""
    with path.open("wb") as file, suppress(OSError):
        while True:
            os.write(file.fileno(), b"x" * 4096)


def test_no_space_for_a_manifest_moves_no_tag(
    storage: Storage, remount: Remount, image: Image
) -> None:
    push(storage, "app:v1", image)
    filler = storage.directory / "docker/registry/v2/repositories/app/_uploads/filler"
    filler.parent.mkdir(exist_ok=True)
    fill(filler)
    content = image.manifest.content + b"\n"
    for reference in ("app:v1", "app:v2"):
        result = regctl("push-manifest", reference, "-", storage=storage, stdin=content)
        check_refusal(result, 5, "No space left on device")
    assert regctl("ls", "app", storage=storage).lines == ["v1"]
    pulled = regctl("pull-manifest", "app:v1", storage=storage)
    assert pulled.stdout == image.manifest.content
    filler.unlink()
    assert regctl("push-manifest", "app:v1", "-", storage=storage, stdin=content).code == 0
    assert regctl("inspect", "app:v1", storage=storage).code == 0


def changes(image: Image) -> list[list[str]]:
    """Every command that changes something, on a storage that has ``app:v1``."""
    return [
        ["push-layer", "app", "-"],
        ["push-layer", "new", "-"],
        ["push-manifest", "app:v2", "-"],
        ["tag", "app:v1", "v2"],
        ["untag", "app:v1", "--yes"],
        ["rm", f"app@{image.digest}", "--force", "--yes"],
    ]


def test_a_read_only_storage_is_read_and_not_changed(
    storage: Storage, remount: Remount, image: Image
) -> None:
    push(storage, "app:v1", image)
    before = snapshot(storage)
    remount("ro")
    for line in changes(image):
        result = regctl(*line, storage=storage, stdin=image.manifest.content)
        check_refusal(result, 5, "Read-only file system", hint="mounted read-only")
    for line in (["ls"], ["inspect", "app:v1"], ["pull-manifest", "app:v1"], ["uploads"]):
        assert regctl(*line, storage=storage).code == 0
    assert snapshot(storage) == before


def test_a_storage_of_another_user_is_read_and_not_changed(filled: Storage, image: Image) -> None:
    """Permission bits do not bind root, but one without its capabilities."""
    require_root()
    for path in (filled.directory, *filled.directory.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    before = snapshot(filled)

    def as_stranger(*line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["setpriv", "--bounding-set", "-all", *command_line("--storage", filled, *line)],
            input=image.manifest.content.decode(),
            capture_output=True,
            text=True,
            env=process_environment(),
        )

    for line in changes(image):
        done = as_stranger(*line)
        assert done.returncode == 5, done.stderr
        assert "Permission denied" in done.stderr
        assert "hint: run as the user who owns the storage's files" in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
    assert as_stranger("ls").stdout == "app\nteam/multi\n"
    assert as_stranger("inspect", "app:v1").returncode == 0
    assert snapshot(filled) == before
    secret = filled.directory / "docker/registry/v2/repositories/team"
    secret.chmod(0o700)
    unseen = as_stranger("ls")
    assert unseen.returncode == 5, "what could not be read must not look like what is not there"
    assert "Permission denied" in unseen.stderr
