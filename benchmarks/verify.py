"""`regctl verify` of many signed tags on a local disk: references a second, files in memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Line, duration, note, run, take_turns
from benchmarks.program import Program
from regctl.digest import Digest
from regctl.layout import PathMapper, RepositoryName, Tag, specs
from regctl.manifest.media_types import OCI_CONFIG, OCI_MANIFEST
from regctl.signature.cosign import sign
from regctl.signature.cosign_manifest import build_signature_manifest
from regctl.signature.cosign_payload import Payload
from regctl.signature.cosign_tags import signature_tag
from regctl.signature.keyfile import PrivateKey, generate_key_pair, load_private_key

TAGS = 2_000
#: References a second; start-up counts.
LEAST = 1_000
_HOST = "registry.example.com"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def benchmark(directory: Path, program: Program, rounds: int, tags: int = TAGS) -> Iterator[Line]:
    """The line for ``tags`` images of one repository, each with a signature of its own."""
    note(f"verify: signing {tags} tags, {rounds} rounds")
    root = directory / "signed"
    public = directory / "signed.pub"
    pair = generate_key_pair(b"")
    public.write_bytes(pair.public_pem)
    fill(root, load_private_key(pair.private_pem, b""), tags)
    command = program.command(root, "verify", "--key", str(public))
    samples = take_turns({"verify": lambda: run(command, program.environment).seconds}, rounds)
    seconds = samples.median("verify")
    # The signatures' own tags are looked at as well, and not counted.
    rate = tags / seconds
    yield Line(
        f"verify, {tags} cosign-signed tags",
        f"{rate:.0f}/s, {duration(seconds)}",
        f"{LEAST}/s",
        LEAST / rate,
        1,
    )


def fill(root: Path, key: PrivateKey, tags: int) -> None:
    """Write a repository of ``tags`` images, each with a config and layer of its own, signed."""
    tree = _Tree(root, RepositoryName("team/app"))
    for number in range(tags):
        tag = Tag(f"v{number}")
        config = tree.blob(f'{{"number":{number}}}'.encode())
        layer = tree.blob(os.urandom(1000))
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, **config},
            "layers": [{"mediaType": _LAYER, **layer}],
        }
        digest = tree.manifest(json.dumps(manifest).encode(), tag)
        signature = sign(Payload(digest, f"{_HOST}/team/app:{tag}"), key)
        made = build_signature_manifest(signature)
        tree.blob(signature.payload)
        tree.blob(made.config)
        tree.manifest(made.content, signature_tag(digest))


class _Tree:
    """Writes a registry's files without waiting for the disk."""

    def __init__(self, root: Path, name: RepositoryName) -> None:
        self._root = root
        self._name = name
        self._paths = PathMapper()

    def blob(self, content: bytes) -> dict[str, object]:
        """Store a linked blob; the members that describe it."""
        digest = self._store(content)
        self._link(specs.LayerLink(self._name, digest), digest)
        return {"digest": str(digest), "size": len(content)}

    def manifest(self, content: bytes, tag: Tag) -> Digest:
        digest = self._store(content)
        self._link(specs.RevisionLink(self._name, digest), digest)
        self._link(specs.TagIndexEntryLink(self._name, tag, digest), digest)
        self._link(specs.TagCurrentLink(self._name, tag), digest)
        return digest

    def _store(self, content: bytes) -> Digest:
        digest = Digest.of_hash("sha256", hashlib.sha256(content).digest())
        self._write(specs.BlobData(digest), content)
        return digest

    def _link(self, spec: specs.Spec, digest: Digest) -> None:
        self._write(spec, str(digest).encode())

    def _write(self, spec: specs.Spec, content: bytes) -> None:
        path = self._root / self._paths.path(spec).lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
