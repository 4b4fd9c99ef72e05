"""Storage trees as registries wrote them, and what is known of each: ``tests/vectors/trees``.

``listing.json`` beside each archive says what the registry that wrote the tree answered over HTTP
(``api``), and what the files say (``filesystem``; for trees of 2015, the files themselves).
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parent / "vectors" / "trees"
REPOSITORIES = "docker/registry/v2/repositories/"
_INDEX = json.loads((VECTORS / "index.json").read_text())["trees"]
#: The names of all trees.
NAMES: tuple[str, ...] = tuple(tree["name"] for tree in _INDEX)
SEEDS = tuple(name for name in NAMES if name.startswith("seed-"))
MODERN = tuple(name for name in NAMES if name not in SEEDS)
DAMAGED = tuple(name for name in NAMES if name.startswith("damaged-"))

_MARKER = re.compile(rf"{REPOSITORIES}(.+?)/(_layers|_manifests)(?:/|$)")
_OLD_MARKER = re.compile(rf"{REPOSITORIES}(.+?)/(?:manifests/(?:revisions|tags)|layers/tarsum)/")
_OLD_TAG = re.compile(rf"{REPOSITORIES}(.+?)/manifests/tags/([^/]+)/(current|index/(.+))/link")
_OLD_LAYER = re.compile(rf"{REPOSITORIES}(.+?)/layers/tarsum/(.+)/link")
_OLD_REVISION = re.compile(rf"{REPOSITORIES}(.+?)/manifests/revisions/sha256/([0-9a-f]{{64}})/link")
_OLD_UPLOAD = re.compile(rf"{REPOSITORIES}(.+?)/uploads/([^/]+)/startedat")


@dataclass(frozen=True)
class Tree:
    """A tree that was unpacked to ``root``, which nobody changes."""

    name: str
    root: Path
    listing: dict[str, Any]

    @property
    def is_seed(self) -> bool:
        """Whether it is in the layout of January 2015."""
        return self.name in SEEDS

    @property
    def api(self) -> dict[str, Any]:
        """What the registry answered: ``tags`` by repository."""
        answers: dict[str, Any] = self.listing.get("api", {}).get("repositories", {})
        return answers

    @property
    def catalog(self) -> set[str]:
        """What the registry that wrote it listed, if it could."""
        return set(self.listing.get("api", {}).get("catalog") or ())

    @property
    def notes(self) -> dict[str, Any]:
        """What is special in this tree."""
        notes: dict[str, Any] = self.listing.get("notes", {})
        return notes

    @cached_property
    def repositories(self) -> dict[str, Any]:
        """By name: ``tags`` (current, index), ``revisions``, ``layers``, ``uploads``."""
        if not self.is_seed:
            found: dict[str, Any] = self.listing["filesystem"]["repositories"]
            for repository, facts in found.items():
                for tag, links in facts["tags"].items():
                    # The listing took a stray temporary file for the link beside it.
                    if links.get("current") == "x":
                        path = f"{REPOSITORIES}{repository}/_manifests/tags/{tag}/current/link"
                        links["current"] = (self.root / path).read_text()
            return found
        return self._seed_repositories()

    @cached_property
    def listed(self) -> set[str]:
        """What 2.x (by layers) or 3.x (by manifests) calls a repository, by the listing alone."""
        if self.is_seed:
            paths = self.listing["filesystem"]["files"]
            return {match[1] for path in paths if (match := _OLD_MARKER.match(path))}
        filled = {
            name
            for name, found in self.repositories.items()
            if found["tags"] or found["revisions"] or found["layers"]
        }
        empty = self.listing["filesystem"]["empty_directories"]
        return filled | {match[1] for path in empty if (match := _MARKER.match(path))}

    def content(self, digest: str) -> bytes:
        """The bytes stored under ``digest``."""
        algorithm, _, value = digest.partition(":")
        path = f"docker/registry/v2/blobs/{_address(algorithm)}/{value[:2]}/{value}/data"
        return (self.root / path).read_bytes()

    def _seed_repositories(self) -> dict[str, Any]:
        """The same of a tree of 2015, from the list of its files and their content."""
        found: dict[str, Any] = {}

        def of(name: str) -> Any:
            return found.setdefault(
                name, {"tags": {}, "revisions": {}, "layers": {}, "uploads": {}}
            )

        for path in self.listing["filesystem"]["files"]:
            content = (self.root / path).read_bytes()
            if match := _OLD_TAG.match(path):
                tag = of(match[1])["tags"].setdefault(match[2], {"index": [], "current": None})
                if match[3] == "current":
                    tag["current"] = content.decode()
                else:
                    tag["index"].append(content.decode())
            elif match := _OLD_REVISION.match(path):
                of(match[1])["revisions"][f"sha256:{match[2]}"] = content.decode()
            elif match := _OLD_LAYER.match(path):
                of(match[1])["layers"][content.decode()] = content.decode()
            elif match := _OLD_UPLOAD.match(path):
                upload = {"startedat": content.decode(), "size": 0}
                data = self.root / path.replace("/startedat", "/data")
                if data.exists():
                    upload["size"] = data.stat().st_size
                of(match[1])["uploads"][match[2]] = upload
        return found


def _address(algorithm: str) -> str:
    label, plus, inner = algorithm.partition("+")
    return algorithm if not plus else f"tarsum/{label.partition('.')[2] or 'v0'}/{inner}"


def unpack(name: str, directory: Path) -> Tree:
    """Unpack the tree ``name`` below ``directory``, with the times that its files had."""
    entry = next(each for each in _INDEX if each["name"] == name)
    archive = VECTORS / name / "root.tar.gz"
    if hashlib.sha256(archive.read_bytes()).hexdigest() != entry["archive_sha256"]:
        raise AssertionError(f"{archive} is not what the index says")
    root = directory / name
    with tarfile.open(archive) as tar:
        tar.extractall(root, filter="data")
    if not (root / "docker").is_dir():
        (root,) = root.iterdir()
    return Tree(name, root, json.loads((VECTORS / name / "listing.json").read_text()))
