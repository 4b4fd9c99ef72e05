"""The vectors: a tree with signed and hostile images, keys, and what skopeo said of each."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from regctl.digest import Digest
from regctl.drivers.filesystem import FilesystemDriver
from regctl.errors import NotFoundError
from regctl.layout import RepositoryName, Tag
from regctl.registry import Registry, Repository
from regctl.signature.cosign import Subject, sign
from regctl.signature.cosign_manifest import (
    CosignSignature,
    parse_signature_manifest,
)
from regctl.signature.cosign_payload import Payload
from regctl.signature.cosign_tags import signature_tag
from regctl.signature.keyfile import PrivateKey, PublicKey, load_private_key, load_public_key
from regctl.signature.policy_reference import DockerReference

VECTORS = Path(__file__).parents[2] / "vectors" / "cosign"
INDEX: dict[str, Any] = json.loads((VECTORS / "index.json").read_text())
HOST: str = INDEX["registry_host"]
PASSPHRASE: bytes = INDEX["passphrase"].encode()
KEYS = ("a", "b", "c", "rsa", "ed", "p384")

SUBJECT = Subject(Digest.parse("sha256:" + "12" * 32))
REFERENCE = f"{HOST}/team/app:v1"


@dataclass(frozen=True)
class Image:
    """An image of the vectors with its signatures, and what skopeo said of it by key and rule."""

    reference: DockerReference
    subject: Subject
    signatures: tuple[CosignSignature, ...]
    accepted_by: dict[str, dict[str, bool]]
    reasons: dict[str, dict[str, str]]
    children: tuple[Image, ...] = field(default=())

    @property
    def manifests(self) -> tuple[Image, ...]:
        """Every manifest that a client checks: of an index, its children too."""
        return (self, *self.children)


@cache
def public_key(name: str) -> PublicKey:
    return load_public_key((VECTORS / "keys" / f"{name}.pub").read_bytes())


@cache
def private_key(name: str) -> PrivateKey:
    return load_private_key((VECTORS / "keys" / f"{name}.key").read_bytes(), PASSPHRASE)


def signed(
    key: str = "a",
    *,
    reference: str = REFERENCE,
    subject: Subject = SUBJECT,
    annotations: dict[str, str] | None = None,
) -> CosignSignature:
    """A new signature by one of the keys."""
    return sign(Payload(subject.digest, reference), private_key(key), annotations)


def read_images(directory: Path) -> dict[str, Image]:
    """Every image of the tree, which is unpacked to ``directory``, by ``REPO:TAG``."""
    with tarfile.open(VECTORS / "root.tar.gz") as tar:
        tar.extractall(directory, filter="data")
    registry = Registry(FilesystemDriver(str(directory)))
    return {
        f"{each['repository']}:{each['tag']}": _image(registry, each) for each in INDEX["images"]
    }


def _image(registry: Registry, entry: dict[str, Any]) -> Image:
    name = RepositoryName.parse(entry["repository"])
    repository = registry.repository(name)
    tag = Tag.parse(entry["tag"])
    digest = repository.tags.get(tag)
    assert str(digest) == entry["digest"]
    reference = DockerReference.of(HOST, name, tag)

    def read(digest: Digest, children: tuple[Image, ...] = ()) -> Image:
        return Image(
            reference,
            Subject(digest, repository.manifests.get(digest)),
            _signatures(repository, digest),
            entry["accepted_by"],
            entry["reasons"],
            children,
        )

    children = repository.manifests.parse(digest).children
    return read(digest, tuple(read(child.digest) for child in children))


def _signatures(repository: Repository, digest: Digest) -> tuple[CosignSignature, ...]:
    try:
        holder = repository.tags.get(signature_tag(digest))
    except NotFoundError:
        return ()
    found = parse_signature_manifest(repository.manifests.get(holder))
    return tuple(
        CosignSignature(each, repository.blobs.get(repository.layers.resolve(each.digest), 10_000))
        for each in found
    )
