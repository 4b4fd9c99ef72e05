"""Whether what a manifest names is there, linked, and what it should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from regctl.digest import Digest
from regctl.errors import ContentError, DamagedError, InvalidManifestError, NotFoundError
from regctl.maintenance.once import Once
from regctl.manifest import (
    MAX_PARSED_BYTES,
    Descriptor,
    ManifestKind,
    Reference,
    Role,
    parse_manifest,
)
from regctl.registry.layers import Layer, LayerNotFoundError
from regctl.registry.repository import Repository

_MAX_DEPTH = 8
#: Bytes of manifests, and the count of blobs, that are remembered.
_KEPT_BYTES = 64 << 20
_KEPT_BLOBS = 200_000
#: Of one manifest, that are told.
_MAX_FAULTS = 100


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
    own; ``blobs`` has the digests by which what it names is stored.
    """

    digest: Digest
    faults: tuple[str, ...]
    kind: ManifestKind = ManifestKind.UNKNOWN
    children: tuple[Child, ...] = ()
    name: str = ""
    tag: str = ""
    raw: bytes = field(default=b"", repr=False)
    blobs: Mapping[Digest, Digest] = field(default_factory=dict, repr=False)

    @property
    def weight(self) -> int:
        """Bytes that it keeps in memory, roughly."""
        return 1024 + len(self.raw) + 500 * (len(self.children) + len(self.blobs))


class ContentCheck:
    """Checks the content of manifests, each once. With ``read_blobs``, every blob's bytes too."""

    def __init__(self, *, read_blobs: bool = False) -> None:
        self._read_blobs = read_blobs
        self._contents: Once[tuple[str, Digest], Content] = Once(
            _KEPT_BYTES, lambda content: content.weight
        )
        self._blobs: Once[tuple[Digest, Digest], str] = Once(_KEPT_BLOBS)

    def examine(self, repository: Repository, digest: Digest) -> Content:
        """What is there of the manifest ``digest``. What cannot be read raises `StorageError`."""
        key = (repository.name.value, digest)
        return self._contents.get(key, lambda: self._examine(repository, digest))

    def faults(self, repository: Repository, digest: Digest) -> tuple[str, ...]:
        """Everything that is wrong with the manifest and those below it. Raises as `examine`."""
        found: dict[str, None] = {}
        self._gather(repository, digest, "", 0, set(), found)
        return _shortened(tuple(found))

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
            manifest = parse_manifest(raw)
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


def _child(descriptor: Descriptor) -> Child:
    platform = f" ({descriptor.platform})" if descriptor.platform else ""
    return Child(descriptor.digest, descriptor.size, f"manifest {descriptor.digest}{platform}")


def _shortened(faults: Sequence[str]) -> tuple[str, ...]:
    more = len(faults) - _MAX_FAULTS
    return (*faults[:_MAX_FAULTS], f"and {more} more") if more > 0 else tuple(faults)
