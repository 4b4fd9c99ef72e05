"""Whether what a manifest names is there, linked, and what it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from regctl.digest import Digest
from regctl.errors import ContentError, DamagedError, InvalidManifestError, NotFoundError
from regctl.layout import Tag
from regctl.maintenance.once import Once
from regctl.manifest import (
    MAX_PARSED_BYTES,
    Descriptor,
    Manifest,
    ManifestKind,
    Reference,
    Role,
)
from regctl.manifest.document import Object, parse_document
from regctl.manifest.manifest import manifest_of
from regctl.registry.layers import Layer, LayerNotFoundError
from regctl.registry.repository import Repository
from regctl.signature.cosign_manifest import signatures_in
from regctl.signature.cosign_payload import PAYLOAD_TYPE

_MAX_DEPTH = 8
#: Bytes of manifests, and the counts of blobs and tags, that are remembered.
_KEPT_BYTES = 64 << 20
_KEPT_BLOBS = 200_000
_KEPT_TAGS = 50_000
#: Of one manifest, that are told.
_MAX_FAULTS = 100


#: A manifest of a repository as plain texts: they are hashed once, a `Digest` time and again.
ManifestKey: TypeAlias = tuple[str, str, str]


def manifest_key(repository: Repository, digest: Digest) -> ManifestKey:
    """What the manifest ``digest`` of ``repository`` is remembered by."""
    return repository.name.value, digest.algorithm, digest.hex


@dataclass(frozen=True, slots=True)
class Child:
    """A manifest that an index names; ``name`` is for people."""

    digest: Digest
    size: int | None
    name: str


@dataclass(frozen=True, slots=True)
class Content:
    """What was found of one manifest, those below it left out.

    ``faults`` are clauses, none if its content is whole. ``raw`` are its bytes, if they are its
    own; ``blobs`` has the digests by which what it names is stored. ``signatures`` is what
    `signatures_in` makes of a manifest of cosign signatures; None of another, and where that
    refuses it.
    """

    digest: Digest
    faults: tuple[str, ...]
    kind: ManifestKind = ManifestKind.UNKNOWN
    children: tuple[Child, ...] = ()
    name: str = ""
    tag: str = ""
    raw: bytes = field(default=b"", repr=False)
    blobs: Mapping[Digest, Digest] = field(default_factory=dict, repr=False)
    signatures: tuple[Descriptor, ...] | None = field(default=None, repr=False)

    @property
    def weight(self) -> int:
        """Bytes that it keeps in memory, roughly."""
        parts = 500 * (len(self.children) + len(self.blobs))
        # The annotations of signatures are texts of their own, which stand in the bytes as well.
        signatures = len(self.raw) + 1024 * len(self.signatures) if self.signatures else 0
        return 1024 + len(self.raw) + parts + signatures


class ContentCheck:
    """Checks the content of manifests, each once. With ``read_blobs``, every blob's bytes too."""

    def __init__(self, *, read_blobs: bool = False) -> None:
        self._read_blobs = read_blobs
        self._contents: Once[ManifestKey, Content] = Once(
            _KEPT_BYTES, lambda content: content.weight
        )
        self._blobs: Once[tuple[Digest, Digest], str] = Once(_KEPT_BLOBS)
        self._whole: dict[tuple[str, str], Digest] = {}

    def examine(self, repository: Repository, digest: Digest) -> Content:
        """What is there of the manifest ``digest``. What cannot be read raises `StorageError`."""
        key = manifest_key(repository, digest)
        return self._contents.get(key, lambda: self._examine(repository, digest))

    def faults(self, repository: Repository, digest: Digest) -> tuple[str, ...]:
        """Everything that is wrong with the manifest and those below it. Raises as `examine`."""
        found: dict[str, None] = {}
        self._gather(repository, digest, "", 0, set(), found)
        return _shortened(tuple(found))

    def note_whole(self, repository: Repository, tag: Tag, digest: Digest) -> None:
        """Remember that ``tag`` names ``digest``, whose content is whole."""
        if len(self._whole) < _KEPT_TAGS:
            self._whole[repository.name.value, tag.value] = digest

    def whole(self, repository: Repository, tag: Tag) -> Digest | None:
        """What was noted of ``tag``: it was so in this audit, and may have changed since."""
        return self._whole.get((repository.name.value, tag.value))

    def _gather(
        self,
        repository: Repository,
        digest: Digest,
        prefix: str,
        depth: int,
        seen: set[Digest],
        found: dict[str, None],
    ) -> None:
        seen.add(digest)
        content = self.examine(repository, digest)
        found |= dict.fromkeys(f"{prefix}{fault}" for fault in content.faults)
        if content.children and depth >= _MAX_DEPTH:
            found[f"{prefix}indexes are nested more than {_MAX_DEPTH} deep"] = None
            return
        for child in content.children:
            if child.digest not in seen:
                self._gather(repository, child.digest, f"{child.name}: ", depth + 1, seen, found)
            size = len(self.examine(repository, child.digest).raw)
            if size and child.size not in (None, size):
                fault = f"{child.name} has {size} bytes, the descriptor says {child.size}"
                found[prefix + fault] = None

    def _examine(self, repository: Repository, digest: Digest) -> Content:
        try:
            raw = repository.blobs.get(repository.manifests.resolve(digest), MAX_PARSED_BYTES)
        except (NotFoundError, DamagedError) as error:
            return Content(digest, (error.message,))
        try:
            document = parse_document(raw)
            manifest = manifest_of(document)
        except InvalidManifestError as error:
            return Content(digest, (error.message,), raw=raw)
        children: dict[Digest, Child] = {}
        named: dict[tuple[Digest, int | None], Reference] = {}
        for reference in manifest.references:
            if reference.role is Role.CHILD and not self._is_blob(repository, reference):
                children.setdefault(reference.digest, _child(reference.descriptor))
            elif reference.role is not Role.SUBJECT:
                named.setdefault((reference.digest, reference.descriptor.size), reference)
        blobs: dict[Digest, Digest] = {}
        faults = [
            f"{reference.path} {reference.digest}: {fault}"
            for reference in named.values()
            if (fault := self._blob_fault(repository, reference, blobs))
        ]
        return Content(
            digest,
            _shortened(faults),
            manifest.kind,
            tuple(children.values()),
            manifest.name,
            manifest.tag,
            raw,
            blobs,
            _signatures(document, manifest),
        )

    @staticmethod
    def _is_blob(repository: Repository, reference: Reference) -> bool:
        """Whether an index's entry is a blob: build caches list their layers so."""
        if not reference.may_be_blob:
            return False
        try:
            repository.layers.resolve(reference.digest)
        except LayerNotFoundError:
            return False
        except DamagedError:
            return True
        return True

    def _blob_fault(
        self, repository: Repository, reference: Reference, found: dict[Digest, Digest]
    ) -> str:
        descriptor = reference.descriptor
        try:
            layer = repository.layers.get(reference.digest)
        except LayerNotFoundError:
            return "" if descriptor.is_foreign else f"it is not linked in {repository.name}"
        except DamagedError as error:
            return error.message
        found[layer.digest] = layer.canonical
        if descriptor.size is not None and descriptor.size != layer.size:
            return f"it has {layer.size} bytes, the descriptor says {descriptor.size}"
        if not self._read_blobs:
            return ""
        return self._blobs.get(
            (layer.digest, layer.canonical), lambda: _reading_fault(repository, layer)
        )


def _reading_fault(repository: Repository, layer: Layer) -> str:
    """What is wrong with a blob's bytes, all of which are read; empty if nothing is."""
    try:
        verifier = layer.verifier()
        repository.blobs.feed(layer.canonical, verifier)
        verifier.check_stored("the blob")
    except (DamagedError, ContentError) as error:
        return error.message
    return ""


def _signatures(document: Object, manifest: Manifest) -> tuple[Descriptor, ...] | None:
    """The signatures that a manifest holds, while its document is at hand; see `Content`."""
    if all(each.descriptor.media_type != PAYLOAD_TYPE for each in manifest.references):
        return None
    try:
        return signatures_in(document, manifest)
    except InvalidManifestError:
        return None  # whoever asks for them is told why


def _child(descriptor: Descriptor) -> Child:
    platform = f" ({descriptor.platform})" if descriptor.platform else ""
    return Child(descriptor.digest, descriptor.size, f"manifest {descriptor.digest}{platform}")


def _shortened(faults: Sequence[str]) -> tuple[str, ...]:
    more = len(faults) - _MAX_FAULTS
    return (*faults[:_MAX_FAULTS], f"and {more} more") if more > 0 else tuple(faults)
