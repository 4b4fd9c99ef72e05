"""Trees that registries wrote to a directory, copied to GCS, where the keys are the same.

No registry at hand has the driver. So what one wrote is copied there, regctl reads and changes it,
and the outcome is copied back to a directory, which a registry serves.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from tests import trees
from tests.commands.handles import GCS, Directory, Storage, blob_at, in_repository
from tests.images import OCI_LAYER, Blob, build_image, build_index, write_oci_layout
from tests.interop.program import Regctl
from tests.servers.fixtures import RegistryFactory
from tests.servers.gcs import BUCKET, FakeGCS
from tests.servers.gcs_json import GCSServer
from tests.servers.processes import NO_CLOUD
from tests.servers.skopeo import Skopeo

ONE, MULTI, NEW = build_image(seed=61), build_index(seed=62), build_image(seed=63)
LAYER = Blob(bytes(range(256)) * 600, OCI_LAYER)


class Emulated(Storage):
    """A prefix in the bucket of fake-gcs-server, of which only `write` is needed here."""

    kind = "gcs"

    def __init__(self, server: FakeGCS, prefix: str) -> None:
        section = {"bucket": BUCKET, "rootdirectory": prefix}
        environ = {**NO_CLOUD, "STORAGE_EMULATOR_HOST": server.url}
        super().__init__(f"gs://{BUCKET}/{prefix}", environ, section)
        self._host = urlsplit(server.url).netloc
        self._prefix = prefix

    def write(self, path: str, content: bytes | str) -> None:
        data = content.encode() if isinstance(content, str) else content
        connection = http.client.HTTPConnection(self._host, timeout=30)
        key = quote(f"{self._prefix}/{path}", safe="")
        target = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={key}"
        connection.request("POST", target, data, {"Content-Type": "application/octet-stream"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == 200


@pytest.fixture
def bucket(gcs_server: GCSServer) -> GCS:
    """A storage in the tests' own server."""
    return GCS(gcs_server, "team/registry")


@pytest.fixture(params=["own", "fake-gcs-server"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A storage in the tests' own server, and in the emulator where that is right."""
    if request.param == "own":
        own: GCS = request.getfixturevalue("bucket")
        return own
    emulator: FakeGCS = request.getfixturevalue("fake_gcs")
    return Emulated(emulator, tmp_path.name)


def files_of(root: Path) -> dict[str, bytes]:
    return {
        path: content
        for path, content in Directory(root).files().items()
        if isinstance(content, bytes)
    }


def copy(root: Path, storage: Storage) -> None:
    """Copy a tree; the data of uploads becomes what the gcs driver of a registry makes of it."""
    files = files_of(root)
    data = [path for path in files if "/_uploads/" in path and path.endswith("/data")]
    for path in data:
        content = files.pop(path)
        if isinstance(storage, GCS):
            storage.leave(path, content)
    storage.fill(files)


@pytest.fixture
def written(registry_server: RegistryFactory, skopeo: Skopeo, tmp_path: Path) -> Path:
    """What a registry wrote just now: an image and an index by skopeo, an upload by HTTP."""
    root = tmp_path / "written"
    server = registry_server(root)
    layout = write_oci_layout(tmp_path / "layout", {"v1": ONE, "multi": MULTI})
    for tag in ("v1", "multi"):
        skopeo.copy(f"oci:{layout}:{tag}", f"docker://{server.host}/lib/app:{tag}", "--all")
    server.client.patch_upload(server.client.start_upload("lib/app"), LAYER.content[:100_000])
    server.stop()
    return root


def test_what_a_registry_wrote_is_listed_verified_and_pulled(
    written: Path, either: Storage, tmp_path: Path
) -> None:
    copy(written, either)
    regctl = Regctl(either, tmp_path / "regctl")
    assert regctl.ok("ls").lines == ["lib/app"]
    assert regctl.ok("ls", "lib/app").lines == ["multi", "v1"]
    verified = regctl.run("--format=json", "verify", "--read-layers")
    *rows, _ = (json.loads(line) for line in verified.lines)
    assert {row["tag"]: row["verdict"] for row in rows if row["tag"]} == {
        "multi": "unsigned",
        "v1": "unsigned",
    }
    for tagged, tag in ((ONE, "v1"), (MULTI, "multi")):
        assert regctl.inspect(f"lib/app:{tag}")["problems"] == []
        assert regctl.pull_manifest(f"lib/app:{tag}") == tagged.manifest.content
        for blob in tagged.blobs:
            file = tmp_path / blob.digest.hex
            regctl.ok("pull-layer", "lib/app", str(blob.digest), "-o", str(file))
            assert file.read_bytes() == blob.content


def test_what_regctl_changed_is_served_by_a_registry(
    written: Path,
    bucket: GCS,
    registry_server: RegistryFactory,
    skopeo: Skopeo,
    tmp_path: Path,
) -> None:
    copy(written, bucket)
    regctl = Regctl(bucket, tmp_path / "regctl")
    (upload,) = (line.split() for line in regctl.ok("uploads").lines)
    assert (upload[0], upload[2]) == ("lib/app", "100000")
    file = tmp_path / "layer"
    file.write_bytes(LAYER.content)
    done = regctl.ok("push-layer", "lib/app", str(file), "--resume", upload[1])
    assert done.line == str(LAYER.digest)
    regctl.push("lib/app", NEW, "v2")
    regctl.ok("push-layer", "other/app", "-", stdin=LAYER.content)
    regctl.ok("tag", "lib/app:v2", "latest")
    regctl.ok("untag", "lib/app:multi", "--yes")
    regctl.ok("rm", f"lib/app@{MULTI.digest}", "--yes", "--force")
    assert regctl.ok("uploads").lines == []

    back = tmp_path / "back"
    for path, content in bucket.files().items():
        assert isinstance(content, bytes)
        file = back / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    server = registry_server(back)
    assert server.client.tags("lib/app") == ["latest", "v1", "v2"]
    for tag, image in (("v1", ONE), ("v2", NEW)):
        skopeo.copy(f"docker://{server.host}/lib/app:{tag}", f"dir:{tmp_path / tag}")
        for blob in image.blobs:
            assert (tmp_path / tag / blob.digest.hex).read_bytes() == blob.content
    for repository in ("lib/app", "other/app"):
        answer = server.client.blob(repository, LAYER.digest).expect(200)
        assert answer.body == LAYER.content
    assert server.client.manifest("lib/app", MULTI.digest).status == 404


def current_of(repository: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The tags of a repository in a listing with the digests that they name."""
    tags = repository["tags"]
    assert isinstance(tags, dict)
    for tag, links in tags.items():
        yield tag, links["current"]


def has_files(storage: Storage, repository: str) -> bool:
    """Whether there is more of a repository than directories."""
    return any(
        storage.exists(in_repository(repository, below)) for below in ("_manifests", "_layers")
    )


@pytest.mark.parametrize("name", ["main-2.8.2", "old-2.4.1"])
def test_every_tag_of_a_tree_is_the_same_in_a_bucket(
    bucket: GCS, tmp_path: Path, name: str
) -> None:
    tree = trees.unpack(name, tmp_path)
    copy(tree.root, bucket)
    there = Regctl(bucket, tmp_path / "regctl")
    here = Regctl(tree.root, tmp_path / "regctl")
    names = there.ok("ls").lines
    # Directories without any file do not exist in a bucket.
    assert names == [each for each in here.ok("ls").lines if has_files(bucket, each)]
    checked = there.run("--format=json", "verify", "--read-layers")
    again = here.run("--format=json", "verify", "--read-layers")
    assert (checked.code, sorted(checked.lines)) == (again.code, sorted(again.lines))
    for repository, facts in tree.repositories.items():
        for tag, current in current_of(facts):
            link = in_repository(repository, f"_manifests/tags/{tag}/current/link")
            assert bucket.read(link).decode() == current
            said = there.ok("pull-manifest", f"{repository}:{tag}", "--payload").stdout
            assert said == bucket.read(blob_at(current))
