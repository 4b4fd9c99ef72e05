"""What skopeo, as it is installed, says of the same policies and of manifests that we make.

Debian's build reads policies with ``sigstoreSigned``, chooses a scope, and reads signatures as far
as the cryptography, which it refuses to do.
"""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from regctl.drivers.filesystem import FilesystemDriver
from regctl.layout import RepositoryName, Tag
from regctl.manifest.media_types import OCI_MANIFEST
from regctl.registry import Registry
from regctl.signature.cosign import Subject
from regctl.signature.cosign_manifest import (
    build_signature_manifest,
    merge_signature,
)
from regctl.signature.cosign_tags import signature_tag
from regctl.signature.policy import parse_policy
from regctl.signature.policy_evaluation import Evaluator
from regctl.signature.policy_reference import DockerReference
from tests.images import Blob, build_image
from tests.servers.fixtures import RegistryFactory
from tests.servers.processes import environment, require
from tests.signature.cosign.policies import ACCEPT, BAD, GOOD, KEY_DATA, REJECT, policy, sigstore
from tests.signature.cosign.samples import signed

NAME = "team/app"
DISABLED = "sigstore disabled"


class Nodes:
    """skopeo as a node with a policy; it copies out and says why it refuses."""

    def __init__(self, directory: Path) -> None:
        self._program = require("skopeo")
        self._directory = directory
        self._environment = {**environment(directory / "home"), "_CONTAINERS_ROOTLESS_UID": "1"}
        (directory / "registries.d").mkdir()
        (directory / "registries.d" / "default.yaml").write_text(
            "default-docker:\n  use-sigstore-attachments: true\n"
        )

    def refusal(self, content: bytes, source: str) -> str:
        """Why ``source`` is not copied out under this policy; empty if it is."""
        path = self._directory / "policy.json"
        path.write_bytes(content)
        done = subprocess.run(
            [
                self._program,
                f"--policy={path}",
                f"--registries.d={self._directory / 'registries.d'}",
                f"--tmpdir={self._directory}",
                "copy",
                "--quiet",
                "--remove-signatures",
                "--src-tls-verify=false",
                source,
                f"dir:{self._directory / 'out'}",
            ],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stderr if done.returncode else ""


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    directory = tmp_path / "nodes"
    directory.mkdir()
    return Nodes(directory)


def test_skopeo_reads_and_refuses_the_same_policies(nodes: Nodes) -> None:
    source = f"dir:{Path(__file__).parent / 'absent'}"
    for content in GOOD:
        assert "invalid policy" not in nodes.refusal(content, source), content
    for content, _ in BAD:
        assert "invalid policy" in nodes.refusal(content, source), content


def test_skopeo_reads_our_signatures_and_goes_by_the_same_scope(
    nodes: Nodes, registry_server: RegistryFactory, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    server = registry_server(root)
    image = build_image(7, layers=1, size=100)
    repository = Registry(FilesystemDriver(str(root))).repository_to_fill(
        RepositoryName.parse(NAME)
    )
    for blob in image.blobs:
        repository.blobs.put(blob.digest, blob.content)
        repository.layers.link(blob.digest)
    repository.manifests.put(image.digest, image.manifest.content)
    repository.tags.set(Tag("v1"), image.digest)
    name = f"{server.host}/{NAME}:v1"
    source = f"docker://{name}"
    signed_only = policy([sigstore(keyData=KEY_DATA)])
    assert "no signature exists" in nodes.refusal(signed_only, source)

    subject = Subject(image.digest)
    first, second = (signed(key, reference=name, subject=subject) for key in ("b", "a"))
    built = build_signature_manifest(first)
    merged = merge_signature(built.content, built.config, second)
    assert merged is not None
    for content in (first.payload, second.payload, merged.config):
        blob = Blob(content, "")
        repository.blobs.put(blob.digest, blob.content)
        repository.layers.link(blob.digest)
    manifest = Blob(merged.content, OCI_MANIFEST)
    repository.manifests.put(manifest.digest, manifest.content)
    repository.tags.set(signature_tag(image.digest), manifest.digest)
    assert nodes.refusal(signed_only, source).count(DISABLED) == 2

    for scopes, accepted in _scopes(server.host):
        content = policy(ACCEPT if not accepted else REJECT, **scopes)
        ours = Evaluator(parse_policy(content), {}).evaluate(
            DockerReference.parse(name), subject, (first, second)
        )
        assert ours.accepted == accepted, scopes
        assert (nodes.refusal(content, source) == "") == accepted, scopes


def _scopes(host: str) -> list[tuple[dict[str, object], bool]]:
    """Scopes that decide on the image, against the default and a less specific one."""
    specific = [f"{host}/{NAME}:v1", f"{host}/{NAME}", f"{host}/team", host, "*.0.0.1", ""]
    return [
        ({decides: ACCEPT if accepted else REJECT, less: REJECT if accepted else ACCEPT}, accepted)
        for decides, less in pairwise(specific)
        for accepted in (True, False)
    ]
