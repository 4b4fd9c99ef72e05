"""Layers named by sha512: stored under sha256, linked under both, readable by either."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from regctl.digest import Digest
from tests.commands.handles import Storage
from tests.images import OCI_MANIFEST, Blob, build_image
from tests.interop.conftest import Serve
from tests.interop.program import Regctl

LAYER = build_image(seed=21).layers[0]
BY_SHA512 = Digest.of_hash("sha512", hashlib.sha512(LAYER.content).digest())
LINK = f"docker/registry/v2/repositories/app/_layers/sha512/{BY_SHA512.hex}/link"


def test_a_layer_that_the_registry_took_by_sha512(
    serve: Serve, storage: Storage, regctl: Regctl, tmp_path: Path
) -> None:
    """Its link under ``sha512/`` says sha256, and a manifest names it by sha512."""
    client = serve().client
    image = build_image(seed=21, layers=1)
    client.push_blob("app", LAYER.content, BY_SHA512)
    client.push_blob("app", image.config.content, image.config.digest)
    assert storage.read(LINK) == str(LAYER.digest).encode()
    named = {**json.loads(image.manifest.content)}
    named["layers"] = [{**named["layers"][0], "digest": str(BY_SHA512)}]
    manifest = Blob(json.dumps(named).encode(), OCI_MANIFEST)
    client.put_manifest("app", "v1", manifest).expect(201)

    assert regctl.ok("ls", "app").lines == ["v1"]
    said = regctl.inspect("app:v1")
    assert said["problems"] == []
    root_node = said["manifest"]
    assert isinstance(root_node, dict)
    layer = root_node["children"][-1]
    assert (layer["digest"], layer["size"]) == (str(BY_SHA512), LAYER.size)
    for digest in (LAYER.digest, BY_SHA512):
        assert regctl.pull_blob("app", digest) == LAYER.content
        file = tmp_path / digest.algorithm
        regctl.ok("pull-layer", "app", str(digest), "-o", str(file))
        assert file.read_bytes() == LAYER.content


def test_a_layer_that_regctl_took_by_sha512(
    serve: Serve, storage: Storage, regctl: Regctl, tmp_path: Path
) -> None:
    file = tmp_path / "layer"
    file.write_bytes(LAYER.content)
    done = regctl.ok("push-layer", "app", str(file), "--digest", str(BY_SHA512))
    assert done.line == str(BY_SHA512)
    assert storage.read(LINK) == str(LAYER.digest).encode()
    client = serve().client
    for digest in (LAYER.digest, BY_SHA512):
        assert client.blob("app", digest).expect(200).body == LAYER.content
    again = regctl.ok("--format=json", "push-layer", "app", str(file), "--digest", str(BY_SHA512))
    said = again.json()
    assert isinstance(said, dict)
    assert (said["existed"], said["written"]) == (True, 0)
