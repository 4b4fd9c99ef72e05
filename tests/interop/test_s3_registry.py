"""A registry whose storage is a bucket: what it keeps where, and regctl and skopeo beside it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import images
from tests.commands.handles import S3, blob_at, in_repository
from tests.images import Blob, Image, build_image, write_oci_layout
from tests.interop.conftest import Serve
from tests.interop.program import Regctl
from tests.interop.storages import PART, section_of, tags_in
from tests.servers.fixtures import RegistryFactory
from tests.servers.registry import RegistryServer
from tests.servers.s3 import S3Endpoint
from tests.servers.skopeo import Skopeo


@pytest.fixture
def s3_registry(serve: Serve) -> RegistryServer:
    """A registry on the test's storage."""
    return serve()


@dataclass(frozen=True, slots=True)
class _Sized:
    """Layers with their sizes, and how regctl is to get each of them."""

    direct: Blob
    parts: Blob
    piped: Blob

    @property
    def image(self) -> Image:
        """An image of these layers."""
        layers = (self.direct, self.parts, self.piped)
        config = Blob(b'{"architecture": "amd64", "os": "linux"}', images.OCI_CONFIG)
        manifest = {
            "schemaVersion": 2,
            "mediaType": images.OCI_MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.descriptor() for layer in layers],
        }
        content = Blob(json.dumps(manifest).encode(), images.OCI_MANIFEST)
        return Image(content, config, layers, "amd64")


def _layer(seed: str, size: int) -> Blob:
    """Random bytes in gzip's form, which skopeo copies as they are."""
    return Blob(images.gzipped(random.Random(seed).randbytes(size)), images.OCI_LAYER)


def test_skopeo_pushes_and_pulls_an_image(
    s3_registry: RegistryServer, storage: S3, skopeo: Skopeo, tmp_path: Path
) -> None:
    image = build_image(layers=3)
    layout = write_oci_layout(tmp_path / "oci", {"v1": image})
    skopeo.copy(f"oci:{layout}:v1", f"docker://{s3_registry.host}/lib/app:v1")

    for blob in (*image.blobs, image.manifest):
        assert storage.read(blob_at(blob.digest)) == blob.content
    current = in_repository("lib/app", "_manifests/tags/v1/current/link")
    assert storage.read(current) == str(image.digest).encode()
    assert not [path for path in storage.files() if "/_uploads/" in path or "uploadId" in path]

    s3_registry.restart()
    skopeo.copy(f"docker://{s3_registry.host}/lib/app:v1", f"dir:{tmp_path / 'pulled'}")
    assert (tmp_path / "pulled" / "manifest.json").read_bytes() == image.manifest.content
    for blob in image.blobs:
        assert (tmp_path / "pulled" / blob.digest.hex).read_bytes() == blob.content
    assert s3_registry.client.tags("lib/app") == ["v1"]
    assert s3_registry.client.catalog() == ["lib/app"]


def test_regctl_verifies_all_that_skopeo_pushed(
    s3_registry: RegistryServer, regctl: Regctl, skopeo: Skopeo, tmp_path: Path
) -> None:
    image = _Sized(_layer("a", 1000), _layer("b", 2 * PART), _layer("c", 3 * PART + 7)).image
    layout = write_oci_layout(tmp_path / "oci", {"v1": image})
    skopeo.copy(f"oci:{layout}:v1", f"docker://{s3_registry.host}/lib/app:v1")
    s3_registry.stop()

    # Nobody signed it: verify says so, and that every byte is what it should be.
    verified = regctl.run("--format=json", "verify", "lib/app:v1", "--read-layers")
    (row, last) = (json.loads(line) for line in verified.lines)
    assert (row["verdict"], row["digest"]) == ("unsigned", str(image.digest)), row
    assert last["summary"]["verdicts"] == {"unsigned": 1}
    assert regctl.inspect("lib/app:v1")["problems"] == []
    assert regctl.pull_manifest("lib/app:v1") == image.manifest.content
    for blob in image.blobs:
        file = tmp_path / blob.digest.hex
        regctl.ok("pull-layer", "lib/app", str(blob.digest), "-o", str(file))
        assert file.read_bytes() == blob.content
        assert regctl.pull_blob("lib/app", blob.digest) == blob.content


def test_skopeo_pulls_what_regctl_sent_at_once_in_parts_and_through_a_pipe(
    serve: Serve, storage: S3, regctl: Regctl, skopeo: Skopeo, tmp_path: Path
) -> None:
    """A small file is one request, a larger one parts at its address; a pipe is spooled."""
    sized = _Sized(_layer("d", 1000), _layer("e", 2 * PART), _layer("f", 3 * PART + 7))
    image = sized.image
    regctl.push_blob("lib/app", image.config)
    regctl.push_blob("lib/app", sized.direct)
    regctl.push_blob("lib/app", sized.parts)
    done = regctl.ok("-v", "push-layer", "lib/app", "-", stdin=sized.piped.content)
    assert done.line == str(sized.piped.digest)
    regctl.push_manifest("lib/app:v1", image.manifest)
    assert not [path for path in storage.files() if "/_uploads/" in path or "uploadId" in path]

    server = serve()
    skopeo.copy(f"docker://{server.host}/lib/app:v1", f"dir:{tmp_path / 'pulled'}")
    assert (tmp_path / "pulled" / "manifest.json").read_bytes() == image.manifest.content
    for blob in image.blobs:
        assert (tmp_path / "pulled" / blob.digest.hex).read_bytes() == blob.content
    # The registry takes what is there for its own: nothing is sent again, and it can delete it.
    layout = write_oci_layout(tmp_path / "oci", {"v2": image})
    skopeo.copy(f"oci:{layout}:v2", f"docker://{server.host}/lib/app:v2")
    assert regctl.ok("ls", "lib/app").lines == ["v1", "v2"]
    assert server.client.delete(f"/v2/lib/app/manifests/{image.digest}").status == 202
    assert tags_in(storage, "lib/app") == []


@pytest.fixture
def emptied(s3_server: S3Endpoint) -> Iterator[S3Endpoint]:
    """The bucket, whose root nobody else uses and of which nothing is left there afterwards."""
    yield s3_server
    for prefix in ("docker/", "regctl/"):
        s3_server.clean(prefix)


@pytest.mark.parametrize("form", ["", "/", "{}", "/{}", "{}/", "/{}/y/"])
def test_a_root_directory_means_the_same_to_both(
    registry_server: RegistryFactory,
    storage: S3,
    emptied: S3Endpoint,
    tmp_path: Path,
    form: str,
) -> None:
    """However it is written: regctl reads the registry's own configuration."""
    rootdirectory = form.format(storage.prefix)
    section = section_of(S3(emptied, storage.prefix, rootdirectory=rootdirectory))
    server = registry_server(tmp_path / "unused", storage=section)
    pushed, other = build_image(seed=51), build_image(seed=52)
    # A name of its own: for a while SeaweedFS goes on listing prefixes of which nothing is left.
    name = f"app-{storage.prefix.rpartition('/')[2]}"
    server.client.push(name, pushed, "v1")
    prefix = f"{rootdirectory.strip('/')}/".lstrip("/")
    assert f"{prefix}{blob_at(pushed.digest)}" in emptied.keys(f"{prefix}docker/")

    regctl = Regctl(storage, tmp_path / "regctl", "--config", str(server.config_path))
    assert regctl.ok("ls", name).lines == ["v1"]
    assert regctl.pull_manifest(f"{name}:v1") == pushed.manifest.content
    regctl.push(name, other, "v2")
    server.restart()
    assert server.client.tags(name) == ["v1", "v2"]
    for blob in other.blobs:
        assert server.client.blob(name, blob.digest).expect(200).body == blob.content


def test_the_registry_starts_where_the_machine_names_certificates_for_aws(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, tmp_path: Path
) -> None:
    """The registry panics at ``AWS_CA_BUNDLE``: it must not inherit it."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "none.pem"))
    assert serve().client.get("/v2/").status == 200
