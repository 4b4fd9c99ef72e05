"""What one manifest names, as marking needs it; and the same as few bytes, for the cache.

The record of a manifest is, all integers little-endian: a byte for the kind and a count (32 bits)
for each of `GROUPS`, then the digests of each group in turn, the 32 bytes of the sha256 ones. Where
there is any other digest, the byte for the kind has its highest bit set, and every digest is a byte
for its length and its text. Before all that are the version, the length of what follows, and a
checksum of it and of the digest of the manifest: a record that was cut short, was made by another
version or belongs to another manifest is recognised.
"""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from regctl.digest import Digest
from regctl.maintenance.inventory.table import PACKED_BYTES, DigestTable
from regctl.manifest import (
    MAX_MANIFEST_BYTES,
    ManifestKind,
    Reference,
    Role,
    descriptors_within,
    parse_manifest,
)
from regctl.manifest.document import parse_document
from regctl.manifest.media_types import MANIFEST_TYPES
from regctl.manifest.reader import SUBJECT, read_references

#: To be raised whenever the references of any document would be other than before.
PARSER_VERSION = 1

#: The members of `References` that hold digests, in the order of a record.
GROUPS: tuple[str, ...] = (
    "children",
    "possible",
    "subjects",
    "configs",
    "blobs",
    "layers",
    "foreign",
)
_KINDS = tuple(ManifestKind)
_HEAD = struct.Struct("<BI8s")
_BODY = struct.Struct(f"<B{len(GROUPS)}I")
_TEXTS = 0x80


@dataclass(frozen=True, slots=True)
class References:
    """The digests that a manifest names, each once in its group, in the manifest's order.

    ``children`` are manifests by their media type. ``possible`` are entries of an index, or
    descriptors in a document of unknown type, that are manifests only where the repository has
    them as revisions, and else leaves: build caches list layers so. ``foreign`` are layers with
    URLs of their own: they may be absent, as ``subjects`` may, which a manifest is about and does
    not need. Everything else is a leaf.
    """

    kind: ManifestKind
    children: tuple[Digest, ...] = ()
    possible: tuple[Digest, ...] = ()
    subjects: tuple[Digest, ...] = ()
    configs: tuple[Digest, ...] = ()
    blobs: tuple[Digest, ...] = ()
    layers: tuple[Digest, ...] = ()
    foreign: tuple[Digest, ...] = ()

    @property
    def tells_nothing(self) -> bool:
        """Whether this is of an unknown type, and what it needs cannot be seen in it."""
        return self.kind is ManifestKind.UNKNOWN and not any(map(len, self.groups()))

    def groups(self) -> tuple[tuple[Digest, ...], ...]:
        """The digests of each of `GROUPS`."""
        return tuple(getattr(self, name) for name in GROUPS)


def read_manifest_references(content: bytes) -> References:
    """What the manifest ``content`` names, in every spelling and sense of its members.

    Raises `InvalidManifestError` if it is no JSON object, has more than `MAX_MANIFEST_BYTES`, or
    leaves open what it names. So does a digest that does not parse: none of an algorithm that is
    not known can lead to content of this storage, but no registry takes such a manifest either,
    and what stands there instead of what was meant cannot be told.
    """
    manifest = parse_manifest(content, limit=MAX_MANIFEST_BYTES)
    if manifest.kind is ManifestKind.UNKNOWN:
        return _of_unknown(content)
    found: dict[str, list[Digest]] = {name: [] for name in GROUPS}
    for reference in manifest.references:
        found[_group(reference)].append(reference.digest)
    return _made(manifest.kind, found)


def _group(reference: Reference) -> str:
    if reference.role is Role.CHILD:
        return "possible" if reference.may_be_blob else "children"
    if reference.role is Role.LAYER:
        return "foreign" if reference.descriptor.is_foreign else "layers"
    return {Role.SUBJECT: "subjects", Role.CONFIG: "configs", Role.BLOB: "blobs"}[reference.role]


def _of_unknown(content: bytes) -> References:
    """All descriptors at any depth; a subject counts as one that is needed as well."""
    found: dict[str, list[Digest]] = {name: [] for name in GROUPS}
    for descriptor in descriptors_within(content, limit=MAX_MANIFEST_BYTES):
        is_manifest = descriptor.media_type in MANIFEST_TYPES
        found["children" if is_manifest else "possible"].append(descriptor.digest)
    document = parse_document(content, MAX_MANIFEST_BYTES)
    found["subjects"] = [each.digest for each in read_references(document, SUBJECT, [])]
    return _made(ManifestKind.UNKNOWN, found)


def _made(kind: ManifestKind, found: dict[str, list[Digest]]) -> References:
    return References(kind, **{name: tuple(dict.fromkeys(found[name])) for name in GROUPS})


def pack(manifest: Digest, references: References) -> bytes:
    """The record of ``references``, which are those of ``manifest``."""
    groups = references.groups()
    texts = any(each.algorithm != "sha256" for group in groups for each in group)
    kind = _KINDS.index(references.kind) | (_TEXTS if texts else 0)
    body = _BODY.pack(kind, *map(len, groups)) + b"".join(
        _packed_text(each) if texts else bytes.fromhex(each.hex)
        for group in groups
        for each in group
    )
    return _HEAD.pack(PARSER_VERSION, len(body), _checksum(manifest, body)) + body


def unpack(manifest: Digest, record: bytes) -> References | None:
    """The references of ``manifest``; None if ``record`` is not their record of this version."""
    body = _body(manifest, record)
    if body is None:
        return None
    kind, counts, at = _counts(body)
    digests = _texts(body, at) if body[0] & _TEXTS else _hashes(body, at)
    return References(kind, *(tuple(islice(digests, count)) for count in counts))


def _body(manifest: Digest, record: bytes) -> bytes | None:
    if len(record) < _HEAD.size + _BODY.size:
        return None
    version, length, checksum = _HEAD.unpack_from(record)
    body = record[_HEAD.size :]
    whole = version == PARSER_VERSION and length == len(body)
    return body if whole and checksum == _checksum(manifest, body) else None


def _counts(body: bytes) -> tuple[ManifestKind, Sequence[int], int]:
    kind, *counts = _BODY.unpack_from(body)
    return _KINDS[kind & ~_TEXTS], counts, _BODY.size


def _checksum(manifest: Digest, body: bytes) -> bytes:
    named = str(manifest).encode("ascii")
    return hashlib.blake2b(body, digest_size=8, key=hashlib.sha256(named).digest()).digest()


def _packed_text(digest: Digest) -> bytes:
    text = str(digest).encode("ascii")
    return bytes((len(text),)) + text


def _texts(body: bytes, at: int) -> Iterator[Digest]:
    while at < len(body):
        end = at + 1 + body[at]
        yield Digest.parse(body[at + 1 : end].decode("ascii"))
        at = end


def _hashes(body: bytes, at: int) -> Iterator[Digest]:
    for start in range(at, len(body), PACKED_BYTES):
        yield Digest.of_hash("sha256", body[start : start + PACKED_BYTES])


@dataclass(slots=True)
class NumberedReferences:
    """`References` by the numbers of a table."""

    kind: ManifestKind
    children: array[int]
    possible: array[int]
    subjects: array[int]
    configs: array[int]
    blobs: array[int]
    layers: array[int]
    foreign: array[int]

    @property
    def tells_nothing(self) -> bool:
        """As `References.tells_nothing`."""
        return self.kind is ManifestKind.UNKNOWN and not any(map(len, self.groups()))

    def groups(self) -> tuple[array[int], ...]:
        """The numbers of each of `GROUPS`."""
        return tuple(getattr(self, name) for name in GROUPS)

    def leaves(self) -> Iterator[array[int]]:
        """The groups whose members are blobs and never manifests."""
        yield self.configs
        yield self.blobs
        yield self.layers
        yield self.foreign


class ReferencePool:
    """The references of many manifests in one array: four bytes each, and a few for the manifest.

    ``pool[at]`` is the kind, then come the counts of the groups, then the groups.
    """

    def __init__(self, table: DigestTable) -> None:
        self._table = table
        self._pool = array("I")

    def add(self, manifest: Digest, record: bytes) -> int | None:
        """Where the references of ``record`` now are; None where `unpack` gives None."""
        body = _body(manifest, record)
        if body is None:
            return None
        if body[0] & _TEXTS:
            references = unpack(manifest, record)
            return None if references is None else self._add_all(references)
        kind, *counts = _BODY.unpack_from(body)
        number = self._table.number_of_packed
        numbers = [
            number(body[start : start + PACKED_BYTES])
            for start in range(_BODY.size, len(body), PACKED_BYTES)
        ]
        return self._append(kind, counts, numbers)

    def _add_all(self, references: References) -> int:
        groups = references.groups()
        numbers = (self._table.number(each) for group in groups for each in group)
        return self._append(_KINDS.index(references.kind), [*map(len, groups)], numbers)

    def _append(self, kind: int, counts: Iterable[int], numbers: Iterable[int]) -> int:
        at = len(self._pool)
        self._pool.append(kind)
        self._pool.extend(counts)
        self._pool.extend(numbers)
        return at

    def get(self, at: int) -> NumberedReferences:
        """The references that `add` said to be at ``at``."""
        pool = self._pool
        start = at + 1 + len(GROUPS)
        groups = []
        for count in pool[at + 1 : start]:
            groups.append(pool[start : start + count])
            start += count
        return NumberedReferences(_KINDS[pool[at]], *groups)
