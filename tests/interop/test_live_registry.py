"""A registry that runs while regctl changes what it serves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.handles import Storage
from tests.images import build_image
from tests.interop.conftest import Serve
from tests.interop.program import Regctl
from tests.interop.storages import tags_in
from tests.servers.registry import SECRET

OLD, NEW = build_image(seed=31), build_image(seed=32)


@pytest.mark.parametrize("cache", [False, True], ids=["no-cache", "cache"])
def test_tags_that_regctl_moves_and_removes_are_seen_at_once(
    serve: Serve, storage: Storage, regctl: Regctl, cache: bool
) -> None:
    server = serve(cache=cache)
    client = server.client
    client.push("app", OLD, "v1", "keep")
    client.push("app", NEW, "v2")
    assert client.manifest("app", "v1").expect(200).digest == OLD.digest

    regctl.ok("tag", f"app@{NEW.digest}", "v1", "--yes")
    assert client.manifest("app", "v1").expect(200).body == NEW.manifest.content
    regctl.ok("rollback", "app:v1", str(OLD.digest), "--yes")
    assert client.manifest("app", "v1").expect(200).body == OLD.manifest.content
    regctl.ok("untag", "app:v1", "--yes")
    assert client.manifest("app", "v1").status == 404
    assert tags_in(storage, "app") == ["keep", "v2"]
    if storage.kind == "filesystem":
        assert client.tags("app") == ["keep", "v2"]
    assert client.manifest("app", OLD.digest).expect(200).body == OLD.manifest.content


def test_a_revision_that_regctl_removes_is_gone_at_once(
    serve: Serve, storage: Storage, regctl: Regctl
) -> None:
    client = serve().client
    client.push("app", OLD, "v1")
    client.push("app", NEW, "v2")
    needed = regctl.run("rm", f"app@{OLD.digest}", "--yes")
    assert needed.code == 6, needed.stderr
    assert client.manifest("app", OLD.digest).status == 200
    regctl.ok("rm", f"app@{OLD.digest}", "--yes", "--force")
    assert client.manifest("app", OLD.digest).status == 404
    assert client.manifest("app", "v1").status == 404
    assert tags_in(storage, "app") == ["v2"]
    if storage.kind == "filesystem":
        assert client.tags("app") == ["v2"]
    assert client.manifest("app", NEW.digest).expect(200).body == NEW.manifest.content


def test_a_registry_with_a_cache_survives_the_removal_of_what_it_remembers(
    serve: Serve, storage: Storage, regctl: Regctl
) -> None:
    """What it remembers is its own affair; it must not fail, and a restart ends it."""
    server = serve(cache=True)
    server.client.push("app", OLD, "v1")
    server.client.manifest("app", OLD.digest).expect(200)
    regctl.ok("rm", f"app@{OLD.digest}", "--yes", "--force")
    assert server.client.manifest("app", OLD.digest).status in (200, 404)
    assert server.client.manifest("app", "v1").status == 404
    server.client.push("app", NEW, "v1")
    assert server.client.manifest("app", "v1").expect(200).body == NEW.manifest.content
    assert server.is_running
    server.restart()
    assert server.client.manifest("app", OLD.digest).status == 404


def test_content_that_regctl_pushes_is_served_at_once(serve: Serve, regctl: Regctl) -> None:
    """Also where a registry with a cache was asked before, and said no."""
    server = serve(cache=True)
    assert server.client.manifest("app", "v1").status == 404
    assert server.client.blob("app", OLD.config.digest, "HEAD").status == 404
    regctl.push("app", OLD, "v1")
    assert server.client.manifest("app", "v1").expect(200).body == OLD.manifest.content
    for blob in OLD.blobs:
        assert server.client.blob("app", blob.digest).expect(200).body == blob.content


def test_the_registrys_own_configuration_says_all_that_regctl_needs(
    serve: Serve, storage: Storage, tmp_path: Path
) -> None:
    """The storage and the secret, whose tokens the registry takes; no other option is needed."""
    server = serve()
    server.client.push("app", OLD, "v1")
    location = server.client.patch_upload(server.client.start_upload("app"), b"begun")
    regctl = Regctl(storage, tmp_path / "regctl", "--config", str(server.config_path))
    assert regctl.ok("ls").lines == ["app"]
    said = json.loads(regctl.ok("--format=json", "uploads", "app", "--tokens").line)
    uuid, token = said["uuid"], said["token"]
    assert f"/{uuid}?" in location
    status = server.client.get(f"/v2/app/blobs/uploads/{uuid}?_state={token.replace('=', '%3D')}")
    assert status.expect(204).headers["range"] == "0-4"
    plan = regctl.run("untag", "app:v1", "--yes")
    assert plan.code == 0
    assert storage.described in plan.stderr
    assert str(server.config_path) in plan.stderr
    assert SECRET not in plan.stderr
