"""Storages for tests of marking: real bytes in memory, and what a scan finds of them."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from regctl.digest import Digest
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.memory import MemoryDriver
from regctl.layout import PathMapper, RepositoryName, Tag, specs
from regctl.maintenance.inventory.content import Inventory, RepositoryContent, TagContent
from regctl.maintenance.inventory.explaining import Chain, explain
from regctl.maintenance.inventory.marking import mark
from regctl.maintenance.inventory.marks import Marks
from regctl.maintenance.inventory.reader import ManifestReader
from regctl.maintenance.inventory.rules import Rules
from regctl.maintenance.inventory.table import DigestTable, NumberSet
from tests.images import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST

#: Nothing is kept but what tags name.
UNTAGGED = Rules(keep_untagged=False)


def sha256(content: bytes) -> Digest:
    return Digest.of_hash("sha256", hashlib.sha256(content).digest())


def descriptor(digest: Digest, media_type: str, **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(digest), "size": 1, **more}


class Storage:
    """A storage that is filled by hand, and its inventory."""

    def __init__(self) -> None:
        self.driver = CheckedDriver(MemoryDriver())
        self.mapper = PathMapper()
        self.inventory = Inventory(DigestTable(), NumberSet(), {}, [], 0.0)
        self._made = 0

    def path(self, digest: Digest) -> str:
        return self.mapper.path(specs.BlobData(digest))

    def number(self, digest: Digest) -> int:
        return self.inventory.table.number(digest)

    def put(self, digest: Digest, content: bytes, *, seen: bool = True) -> Digest:
        """Store ``content`` as ``digest``; not ``seen``: after the blobs were listed."""
        self.driver.put(self.path(digest), content)
        if seen:
            self.inventory.blobs.add(self.number(digest))
        return digest

    def blob(self, content: bytes = b"", *, seen: bool = True) -> Digest:
        """A blob, unlike all others if no content is given."""
        self._made += 1
        content = content or b"blob %d" % self._made
        return self.put(sha256(content), content, seen=seen)

    def manifest(self, document: dict[str, object], *, seen: bool = True) -> Digest:
        self._made += 1
        if document.get("schemaVersion") == 2:
            document = {**document, "annotations": {"number": str(self._made)}}
        return self.blob(json.dumps(document).encode(), seen=seen)

    def image(self, *layers: Digest, subject: Digest | None = None, seen: bool = True) -> Digest:
        """An image of ``layers`` and a configuration of its own: see `config_of`."""
        about = {} if subject is None else {"subject": descriptor(subject, OCI_MANIFEST)}
        document: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(self.blob(), OCI_CONFIG),
            "layers": [descriptor(layer, OCI_LAYER) for layer in layers],
            **about,
        }
        return self.manifest(document, seen=seen)

    def index(self, *children: Digest, media_type: str = OCI_MANIFEST) -> Digest:
        entries = [descriptor(child, media_type) for child in children]
        return self.manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})

    def config_of(self, image: Digest) -> Digest:
        document = json.loads(self.driver.get(self.path(image), 1 << 20))
        return Digest.parse(document["config"]["digest"])

    def repository(self, name: str) -> Repository:
        parsed = RepositoryName.parse(name)
        found = self.inventory.repositories.setdefault(parsed, RepositoryContent(parsed))
        return Repository(self, found)

    def reader(self) -> ManifestReader:
        return ManifestReader(self.driver, self.mapper, self.inventory)

    def mark(self, rules: Rules = UNTAGGED) -> Kept:
        with self.reader() as reader:
            return Kept(self, mark(self.inventory, reader, rules))

    def explain(self, digest: Digest, rules: Rules = UNTAGGED) -> list[Chain]:
        with self.reader() as reader:
            return list(explain(self.inventory, reader, rules, digest))


@dataclass
class Repository:
    """One repository of a `Storage`, which links are added to."""

    storage: Storage
    content: RepositoryContent

    def revision(self, *digests: Digest, says: Digest | None = None) -> Repository:
        for digest in digests:
            number = self.storage.number(digest)
            self.content.revisions.append(number)
            if says is not None:
                self.content.revision_aliases[number] = self.storage.number(says)
        return self

    def empty_revision_link(self, digest: Digest) -> Repository:
        number = self.storage.number(digest)
        self.content.revisions.append(number)
        self.content.revision_aliases[number] = None
        return self

    def layer(self, *digests: Digest, says: Digest | None = None) -> Repository:
        for digest in digests:
            number = self.storage.number(digest)
            self.content.layers.append(number)
            if says is not None:
                self.content.layer_aliases[number] = self.storage.number(says)
        return self

    def signature(self, revision: Digest, *digests: Digest) -> Repository:
        numbers = array("I", map(self.storage.number, digests))
        self.content.signatures[self.storage.number(revision)] = numbers
        return self

    def tag(self, name: str, current: Digest | None, history: Iterable[Digest] = ()) -> Repository:
        """A tag; with None for ``current``, one whose link is empty."""
        number = None if current is None else self.storage.number(current)
        index = dict.fromkeys((*history, *(() if current is None else (current,))))
        self.content.tags[Tag.parse(name)] = TagContent(
            number,
            array("I", map(self.storage.number, index)),
            "empty" if current is None else "",
        )
        return self


@dataclass
class Kept:
    """What marking found, by digest."""

    storage: Storage
    marks: Marks
    blobs: set[Digest] = field(init=False)

    def __post_init__(self) -> None:
        self.blobs = {self.storage.inventory.table.digest(each) for each in self.marks.blobs}

    def revisions(self, name: str) -> set[Digest]:
        found = self.marks.repositories[RepositoryName.parse(name)].revisions
        return {self.storage.inventory.table.digest(each) for each in found}

    def layers(self, name: str) -> set[Digest]:
        found = self.marks.repositories[RepositoryName.parse(name)].layers
        return {self.storage.inventory.table.digest(each) for each in found}

    def contained(self, name: str) -> list[str]:
        return self.marks.repositories[RepositoryName.parse(name)].contained

    def seen(self) -> list[tuple[str, str]]:
        """Code, and tag if it is about one, of each report."""
        return [(each.seen.value, str(each.tag or "")) for each in self.marks.reports]
