"""A registry's storage with many small images, made quickly: what collectors are measured on.

    python -m benchmarks.gc_tree DIRECTORY [--repositories 600] [--manifests 40] ...

The same numbers and the same seed give the same tree. A part of the layers is common to all
repositories, a part of the manifests has no tag, and a part of the blobs is linked and needed by
nothing. Content is random, and small. Prints as JSON what was made and what nothing needs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

_OCI = "application/vnd.oci.image"
_ROOT = "docker/registry/v2"
_STALE_DAYS = 30


@dataclass(frozen=True, slots=True)
class Shape:
    """What a tree has; the numbers of layers and garbage are for each manifest.

    The default is 185,000 blobs, 24,000 revisions and 199,000 layer links.
    """

    repositories: int = 600
    manifests: int = 40
    layers: int = 6
    garbage: float = 1.5
    shared: float = 0.3
    untagged: float = 0.2
    uploads: int = 20
    size: int = 512
    seed: int = 1


@dataclass(slots=True)
class Made:
    """What was made: ``unneeded`` are the blobs that no manifest names."""

    blobs: int = 0
    revisions: int = 0
    tags: int = 0
    untagged: int = 0
    layer_links: int = 0
    unneeded: int = 0
    uploads: int = 0


class TreeMaker:
    """Makes one tree below ``root``, a directory that is to be new."""

    def __init__(self, root: Path, shape: Shape) -> None:
        self._shape = shape
        self._random = random.Random(shape.seed)
        self._top = root / _ROOT
        self._blobs = self._top / "blobs" / "sha256"
        self._made = Made()
        for number in range(256):
            (self._blobs / f"{number:02x}").mkdir(parents=True)

    def make(self) -> Made:
        """Make everything."""
        shape = self._shape
        common = [
            self._blob(self._content())
            for _ in range(max(1, int(shape.repositories * shape.layers * shape.shared)))
        ]
        named: set[str] = set()
        for number in range(shape.repositories):
            self._repository(number, common, named)
        for number in range(shape.uploads):
            self._upload(number)
        self._made.unneeded += len({each for each, _ in common} - named)
        return self._made

    def _repository(self, number: int, common: list[tuple[str, int]], named: set[str]) -> None:
        shape = self._shape
        base = self._top / "repositories" / _name(number)
        manifests = base / "_manifests"
        links: set[str] = set()
        for place in ("revisions/sha256", "tags"):
            (manifests / place).mkdir(parents=True)
        for at in range(shape.manifests):
            config = self._blob(b'{"architecture":"amd64","at":"%d/%d"}' % (number, at))
            layers = [
                self._random.choice(common)
                if self._random.random() < shape.shared
                else self._blob(self._content())
                for _ in range(shape.layers)
            ]
            manifest, _ = self._blob(_manifest(config, layers))
            links.update(each for each, _ in (config, *layers))
            _link(f"{manifests}/revisions/sha256/{manifest}", manifest)
            self._made.revisions += 1
            if self._random.random() < shape.untagged:
                self._made.untagged += 1
            else:
                self._tag(f"{manifests}/tags/v{at}", manifest)
        named.update(links)
        garbage = [self._blob(self._content())[0] for _ in range(self._garbage())]
        self._made.unneeded += len(garbage)
        layers_directory = base / "_layers" / "sha256"
        layers_directory.mkdir(parents=True)
        for each in (*links, *garbage):
            _link(f"{layers_directory}/{each}", each)
        self._made.layer_links += len(links) + len(garbage)

    def _tag(self, directory: str, manifest: str) -> None:
        os.mkdir(directory)
        _link(f"{directory}/current", manifest)
        os.mkdir(f"{directory}/index")
        os.mkdir(f"{directory}/index/sha256")
        _link(f"{directory}/index/sha256/{manifest}", manifest)
        self._made.tags += 1

    def _upload(self, number: int) -> None:
        name = _name(number % self._shape.repositories)
        upload = uuid.UUID(int=self._random.getrandbits(128), version=4)
        directory = self._top / "repositories" / name / "_uploads" / str(upload)
        directory.mkdir(parents=True)
        began = datetime.now(UTC) - timedelta(days=_STALE_DAYS * (number % 2))
        _write(f"{directory}/startedat", began.strftime("%Y-%m-%dT%H:%M:%SZ").encode())
        _write(f"{directory}/data", self._content())
        for file in ("startedat", "data", "."):
            os.utime(directory / file, (began.timestamp(), began.timestamp()))
        self._made.uploads += 1

    def _garbage(self) -> int:
        return int(self._shape.manifests * self._shape.garbage)

    def _content(self) -> bytes:
        size = int(self._shape.size * self._random.uniform(0.5, 1.5))
        return self._random.randbytes(max(16, size))

    def _blob(self, content: bytes) -> tuple[str, int]:
        """The hex digits and the size of a blob that is stored with ``content``."""
        digits = hashlib.sha256(content).hexdigest()
        directory = f"{self._blobs}/{digits[:2]}/{digits}"
        os.mkdir(directory)
        _write(f"{directory}/data", content)
        self._made.blobs += 1
        return digits, len(content)


def _name(number: int) -> str:
    return f"team{number % 17}/app{number:05d}"


def _manifest(config: tuple[str, int], layers: Iterable[tuple[str, int]]) -> bytes:
    def described(kind: str, blob: tuple[str, int]) -> dict[str, object]:
        return {"mediaType": f"{_OCI}.{kind}", "digest": f"sha256:{blob[0]}", "size": blob[1]}

    members = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": described("config.v1+json", config),
        "layers": [described("layer.v1.tar+gzip", each) for each in layers],
    }
    return json.dumps(members).encode()


def _link(directory: str, digits: str) -> None:
    os.mkdir(directory)
    _write(f"{directory}/link", b"sha256:" + digits.encode())


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def make_tree(root: Path, shape: Shape) -> Made:
    """Make a tree of ``shape`` below ``root``, which must not have one yet."""
    return TreeMaker(root, shape).make()


def main(arguments: list[str]) -> None:
    """Make a tree as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    for each in fields(Shape):
        kind = type(each.default)
        parser.add_argument(f"--{each.name}", type=kind, default=each.default)
    given = vars(parser.parse_args(arguments))
    made = make_tree(given.pop("directory"), Shape(**given))
    print(json.dumps(asdict(made)))


if __name__ == "__main__":
    main(sys.argv[1:])
