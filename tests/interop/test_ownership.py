"""A storage that belongs to another user: what regctl writes as root, that registry can use."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from regctl.digest import Digest
from tests.images import build_image
from tests.interop.program import Regctl
from tests.servers.processes import require
from tests.servers.registry import PROGRAM, RegistryServer

OWNER = 1234
IMAGE, OTHER = build_image(seed=41), build_image(seed=42)


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that every user reaches, with a registry in PATH that runs as `OWNER`."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a registry as somebody else")
    directory = Path(tempfile.mkdtemp(prefix="regctl-tests-"))
    try:
        directory.chmod(0o755)
        program = directory / "bin" / PROGRAM
        program.parent.mkdir()
        program.write_text(
            f"#!/bin/sh\nexec {require('setpriv')} --reuid {OWNER} --regid {OWNER} --clear-groups "
            f'{require(PROGRAM)} "$@"\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        yield directory
    finally:
        shutil.rmtree(directory)


def test_a_registry_of_another_user_goes_on_with_what_root_wrote(outside: Path) -> None:
    root = outside / "root"
    root.mkdir()
    os.chown(root, OWNER, OWNER)
    root.chmod(0o750)
    regctl = Regctl(root, outside / "regctl")
    with RegistryServer(root, outside / "server") as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == OWNER
        client = server.client
        location = client.patch_upload(client.start_upload("app"), b"begun by the registry, ")
        uuid = location.partition("?")[0].rpartition("/")[2]

        # Into a repository that the registry made, and into a new one.
        for repository in ("app", "new/app"):
            regctl.push(repository, IMAGE, "v1")
            client.push(repository, OTHER, "v1", "v2")
            client.push(repository, IMAGE, "v3")
            assert client.delete(f"/v2/{repository}/manifests/{OTHER.digest}").status == 202
            assert client.delete(f"/v2/{repository}/blobs/{IMAGE.layers[0].digest}").status == 202
            assert client.tags(repository) == ["v3"]

        # Uploads that the registry began and root touched, in vain or to their end.
        wrong = regctl.run("uploads", "finish", "app", uuid, "--digest", f"sha256:{'0' * 64}")
        assert wrong.code == 4
        blob = OTHER.layers[0]
        upload = client.patch_upload(client.start_upload("app"), blob.content[:50])
        part = outside / "part"
        part.write_bytes(blob.content)
        number = upload.partition("?")[0].rpartition("/")[2]
        regctl.ok("push-layer", "app", str(part), "--resume", number)
        content = b"begun by the registry, ended by it"
        digest = Digest.of_hash("sha256", hashlib.sha256(content).digest())
        client.finish_upload(location, digest, content[23:]).expect(201)
        assert client.blob("app", digest).expect(200).body == content

    owners = {(path.stat().st_uid, path.stat().st_gid) for path in (root / "docker").rglob("*")}
    assert owners == {(OWNER, OWNER)}
