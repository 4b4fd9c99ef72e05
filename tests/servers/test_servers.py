"""The test servers themselves: what they promise to the tests that use them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from regctl.digest import Digest
from tests import images
from tests.images import build_image, build_index, write_oci_layout
from tests.servers import processes
from tests.servers.fixtures import RegistryFactory
from tests.servers.registry import RegistryServer
from tests.servers.skopeo import Skopeo


def assert_served(server: RegistryServer, repository: str, blobs: tuple[images.Blob, ...]) -> None:
    """Every blob comes back from the registry, byte for byte."""
    for blob in blobs:
        answer = server.client.blob(repository, blob.digest).expect(200)
        assert answer.body == blob.content


def test_skopeo_pushes_an_oci_image(
    registry_server: RegistryFactory, skopeo: Skopeo, tmp_path: Path
) -> None:
    image = build_image(layers=3)
    layout = write_oci_layout(tmp_path / "oci", {"v1": image})
    server = registry_server(tmp_path / "root")
    skopeo.copy(f"oci:{layout}:v1", f"docker://{server.host}/lib/app:v1")

    answer = server.client.manifest("lib/app", "v1").expect(200)
    assert answer.body == image.manifest.content
    assert answer.digest == image.digest
    assert answer.media_type == images.OCI_MANIFEST
    assert_served(server, "lib/app", image.blobs)
    assert server.client.tags("lib/app") == ["v1"]
    assert server.client.catalog() == ["lib/app"]
    inspected = skopeo.inspect(f"docker://{server.host}/lib/app:v1")
    assert inspected["Digest"] == str(image.digest)
    link = tmp_path / "root/docker/registry/v2/repositories/lib/app/_manifests/tags/v1/current/link"
    assert link.read_text() == str(image.digest)


def test_skopeo_pushes_a_docker_schema_2_image(
    registry_server: RegistryFactory, skopeo: Skopeo, tmp_path: Path
) -> None:
    image = build_image()
    layout = write_oci_layout(tmp_path / "oci", {"v1": image})
    server = registry_server(tmp_path / "root")
    skopeo.copy(f"oci:{layout}:v1", f"docker://{server.host}/app:v1", "--format", "v2s2")

    answer = server.client.manifest("app", "v1").expect(200)
    assert answer.media_type == images.DOCKER_MANIFEST
    expected = json.loads(image.as_docker().manifest.content)
    assert answer.json() == expected
    assert_served(server, "app", image.blobs)


def test_skopeo_pushes_an_index_with_all_its_images(
    registry_server: RegistryFactory, skopeo: Skopeo, tmp_path: Path
) -> None:
    index = build_index()
    layout = write_oci_layout(tmp_path / "oci", {"multi": index})
    server = registry_server(tmp_path / "root")
    skopeo.copy(f"oci:{layout}:multi", f"docker://{server.host}/app:multi", "--all")

    assert server.client.manifest("app", "multi").expect(200).body == index.manifest.content
    for image in index.images:
        answer = server.client.manifest("app", image.digest).expect(200)
        assert answer.body == image.manifest.content
    assert_served(server, "app", index.blobs)


@pytest.mark.parametrize("docker", [False, True])
def test_the_client_pushes_what_skopeo_pulls(
    registry_server: RegistryFactory, skopeo: Skopeo, tmp_path: Path, docker: bool
) -> None:
    index = build_index(seed=1).as_docker() if docker else build_index(seed=1)
    server = registry_server(tmp_path / "root")
    server.client.push("app", index, "a", "b")

    assert server.client.tags("app") == ["a", "b"]
    skopeo.copy(f"docker://{server.host}/app:b", f"dir:{tmp_path / 'pulled'}", "--all")
    assert (tmp_path / "pulled" / "manifest.json").read_bytes() == index.manifest.content
    for image in index.images:
        pulled = tmp_path / "pulled" / f"{image.digest.hex}.manifest.json"
        assert pulled.read_bytes() == image.manifest.content
        for blob in image.blobs:
            assert (tmp_path / "pulled" / blob.digest.hex).read_bytes() == blob.content


def test_an_upload_goes_on_from_where_it_was(
    registry_server: RegistryFactory, tmp_path: Path
) -> None:
    layer = build_image().layers[0]
    server = registry_server(tmp_path / "root")
    location = server.client.patch_upload(server.client.start_upload("app"), layer.content[:100])
    server.restart()
    moved = f"/v2/{location.partition('/v2/')[2]}"
    location = server.client.patch_upload(moved, layer.content[100:], offset=100)
    server.client.finish_upload(location, layer.digest).expect(201)
    assert_served(server, "app", (layer,))


def test_only_a_server_with_a_cache_remembers_what_was_removed(
    registry_server: RegistryFactory, tmp_path: Path
) -> None:
    layer = build_image().layers[0]
    statuses = []
    for cache in (False, True):
        server = registry_server(tmp_path / f"root-{cache}", cache=cache)
        server.client.push_blob("app", layer.content, layer.digest)
        for path in server.root.rglob(f"{layer.digest.hex}/*"):
            path.unlink()
        statuses.append(server.client.blob("app", layer.digest, "HEAD").status)
    assert statuses == [404, 200]


def test_a_manifest_is_deleted_and_collected(
    registry_server: RegistryFactory, tmp_path: Path
) -> None:
    image, kept = build_image(seed=1), build_image(seed=2)
    server = registry_server(tmp_path / "root")
    server.client.push("app", image, "v1")
    server.client.push("app", kept, "v2")
    server.client.delete(f"/v2/app/manifests/{image.digest}").expect(202)

    assert str(image.config.digest) in server.garbage_collect()
    assert server.client.blob("app", image.config.digest).status == 200
    server.garbage_collect(dry_run=False)
    assert server.client.blob("app", image.config.digest).status == 404
    assert_served(server, "app", kept.blobs)


def test_a_failure_of_the_collector_or_of_skopeo_shows_what_they_said(
    registry_server: RegistryFactory, skopeo: Skopeo, tmp_path: Path
) -> None:
    server = registry_server(tmp_path / "root")
    with pytest.raises(AssertionError, match="repositories"):
        server.garbage_collect()  # of a registry that never held anything
    with pytest.raises(AssertionError, match="manifest unknown"):
        skopeo.inspect(f"docker://{server.host}/app:none")


def test_a_registry_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="StorageDriver not registered: nonsense"):
        RegistryServer(tmp_path / "root", tmp_path / "server", storage={"nonsense": {}})


def test_a_stopped_registry_leaves_no_process(tmp_path: Path) -> None:
    with RegistryServer(tmp_path, tmp_path / "server") as server:
        assert server.client.get("/v2/").status == 200
        os.kill(server.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
    with pytest.raises(ConnectionRefusedError):
        server.client.get("/v2/")
    server.stop()


@pytest.mark.parametrize("ci", [True, False])
def test_a_missing_server_is_a_skip_and_in_ci_a_failure(
    monkeypatch: pytest.MonkeyPatch, ci: bool
) -> None:
    monkeypatch.setenv("CI", "true" if ci else "")
    outcome = pytest.fail.Exception if ci else pytest.skip.Exception
    with pytest.raises(outcome, match="no-such-server is not installed: run `make servers`"):
        processes.require("no-such-server")


def test_images_are_the_same_in_every_run_and_differ_by_seed() -> None:
    one, same, other = build_image(1), build_image(1), build_image(2)
    assert one == same
    assert one.digest == same.digest
    assert not {blob.digest for blob in one.content} & {blob.digest for blob in other.content}
    assert [blob.content for blob in one.blobs] == [blob.content for blob in one.as_docker().blobs]


def test_every_descriptor_of_an_index_leads_to_its_bytes() -> None:
    for index in (build_index(), build_index().as_docker()):
        by_digest = {str(blob.digest): blob for blob in index.content}
        named = [*json.loads(index.manifest.content)["manifests"]]
        for image in index.images:
            manifest = json.loads(image.manifest.content)
            named += [manifest["config"], *manifest["layers"]]
        assert len(named) == len(index.content) - 1
        for descriptor in named:
            blob = by_digest[descriptor["digest"]]
            assert Digest.parse(descriptor["digest"]) == blob.digest
            assert (descriptor["size"], descriptor["mediaType"]) == (blob.size, blob.media_type)
