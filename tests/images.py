"""Images for tests, the same bytes in every run: OCI and Docker, of one or more architectures."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from regctl.digest import Digest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

#: Every time in an image: 2020-01-02T03:04:05Z.
MTIME = 1577934245
CREATED = "2020-01-02T03:04:05Z"


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes with the media type that a descriptor gives them."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> Digest:
        return Digest.of_hash("sha256", hashlib.sha256(self.content).digest())

    @property
    def size(self) -> int:
        return len(self.content)

    def descriptor(self, **more: object) -> dict[str, object]:
        """The JSON object that names this blob; ``more`` are further members."""
        return {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
            **more,
        }

    def retyped(self, media_type: str) -> Blob:
        """The same bytes under another media type."""
        return Blob(self.content, media_type)


@dataclass(frozen=True, slots=True)
class Image:
    """One architecture's image: its manifest, config and layers, in the manifest's order."""

    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]
    architecture: str

    @property
    def digest(self) -> Digest:
        return self.manifest.digest

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """What the manifest names: the config, then the layers."""
        return (self.config, *self.layers)

    @property
    def content(self) -> tuple[Blob, ...]:
        """Every byte of the image, the manifest last."""
        return (*self.blobs, self.manifest)

    def as_docker(self) -> Image:
        """The same config and layers under a Docker schema 2 manifest."""
        return _image(
            self.config.retyped(DOCKER_CONFIG),
            tuple(layer.retyped(DOCKER_LAYER) for layer in self.layers),
            self.architecture,
            DOCKER_MANIFEST,
        )


@dataclass(frozen=True, slots=True)
class Index:
    """An OCI index, or a Docker manifest list, and the images that it names."""

    manifest: Blob
    images: tuple[Image, ...]

    @property
    def digest(self) -> Digest:
        return self.manifest.digest

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """The configs and layers of all images, without repetition."""
        return tuple(dict.fromkeys(blob for image in self.images for blob in image.blobs))

    @property
    def content(self) -> tuple[Blob, ...]:
        """Every byte: blobs, then the images' manifests, then the index itself."""
        return (*self.blobs, *(image.manifest for image in self.images), self.manifest)

    def as_docker(self) -> Index:
        """A Docker manifest list of the same images under schema 2 manifests."""
        return _index(tuple(image.as_docker() for image in self.images), DOCKER_LIST)


def build_image(
    seed: int = 0, *, layers: int = 2, size: int = 2000, architecture: str = "amd64"
) -> Image:
    """An OCI image of ``layers`` gzipped tars, each with a file of ``size`` random bytes.

    The same arguments give the same bytes; another ``seed``, architecture or position another
    layer.
    """
    archives = [_archive(f"{seed}/{architecture}/{n}", size) for n in range(layers)]
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": CREATED,
        "config": {"Env": ["PATH=/bin"], "Labels": {"seed": str(seed)}},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(archive).hexdigest()}" for archive in archives],
        },
        "history": [{"created": CREATED, "created_by": f"layer {n}"} for n in range(layers)],
    }
    return _image(
        Blob(_json(config), OCI_CONFIG),
        tuple(Blob(gzipped(archive), OCI_LAYER) for archive in archives),
        architecture,
        OCI_MANIFEST,
    )


def build_index(
    seed: int = 0,
    architectures: Sequence[str] = ("amd64", "arm64"),
    *,
    layers: int = 2,
    size: int = 2000,
) -> Index:
    """An OCI index of one image for each of ``architectures``."""
    images = (
        build_image(seed, layers=layers, size=size, architecture=name) for name in architectures
    )
    return _index(tuple(images), OCI_INDEX)


def write_oci_layout(directory: Path, tags: Mapping[str, Image | Index]) -> Path:
    """Write an OCI image layout with these tags; returns ``directory``, made if absent.

    For skopeo an image is then ``oci:DIRECTORY:TAG``, and an index wants ``--all``.
    Source: OCI image specification, "Image Layout".
    """
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for tagged in tags.values():
        for blob in tagged.content:
            (blobs / blob.digest.hex).write_bytes(blob.content)
    index = {
        "schemaVersion": 2,
        "manifests": [
            tagged.manifest.descriptor(annotations={"org.opencontainers.image.ref.name": tag})
            for tag, tagged in tags.items()
        ],
    }
    (directory / "index.json").write_bytes(_json(index))
    (directory / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    for path in (directory, *directory.rglob("*")):
        os.utime(path, (MTIME, MTIME))
    return directory


def gzipped(content: bytes) -> bytes:
    """``content`` in gzip form, with no name and no time in its header."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    return compressor.compress(content) + compressor.flush()


def _archive(seed: str, size: int) -> bytes:
    """A tar of a directory and a file of ``size`` random bytes, in ustar form."""
    content = random.Random(seed).randbytes(size)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        directory = tarfile.TarInfo("data")
        directory.type, directory.mode, directory.mtime = tarfile.DIRTYPE, 0o755, MTIME
        tar.addfile(directory)
        file = tarfile.TarInfo(f"data/{seed.replace('/', '-')}")
        file.size, file.mode, file.mtime = size, 0o644, MTIME
        tar.addfile(file, io.BytesIO(content))
    return out.getvalue()


def _image(config: Blob, layers: tuple[Blob, ...], architecture: str, media_type: str) -> Image:
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": config.descriptor(),
        "layers": [layer.descriptor() for layer in layers],
    }
    return Image(Blob(_json(manifest), media_type), config, layers, architecture)


def _index(images: tuple[Image, ...], media_type: str) -> Index:
    index = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [
            image.manifest.descriptor(platform={"architecture": image.architecture, "os": "linux"})
            for image in images
        ],
    }
    return Index(Blob(_json(index), media_type), images)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=3).encode()
