"""Whether everything that a manifest names is there, so that a tag may lead to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from regctl.digest import Digest
from regctl.errors import DamagedError, InvalidManifestError, UnavailableError
from regctl.manifest import Descriptor, Manifest, Role, parse_manifest
from regctl.registry.layers import LayerNotFoundError
from regctl.registry.manifests import RevisionNotFoundError
from regctl.registry.repository import Repository

#: Nesting of indexes beyond this is refused: nobody makes it, and it could be endless.
_MAX_DEPTH = 8


@dataclass(slots=True)
class Inventory:
    """What a manifest relies on in the storage, and what stands in its way.

    ``blobs``, ``mounts`` and ``children`` (revisions) are links to write, as (digest in the link's
    path, digest of the blob); ``mounts`` are not linked in this repository yet. ``reasons`` are
    complete sentences; ``unknown`` are the blobs among them that the repository does not link.
    """

    blobs: dict[Digest, Digest] = field(default_factory=dict)
    mounts: dict[Digest, Digest] = field(default_factory=dict)
    children: dict[Digest, Digest] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    unknown: dict[Digest, None] = field(default_factory=dict)

    def renew(self, repository: Repository) -> None:
        """Write every link anew: what was unused and old is now in use and young."""
        for alias, canonical in (self.blobs | self.mounts).items():
            repository.layers.link(canonical, alias)
        for child, canonical in self.children.items():
            repository.manifests.link(child, canonical)

    def look_again(self, repository: Repository) -> None:
        """Raise `UnavailableError` if anything relied on has gone since it was looked at."""
        for canonical in (self.blobs | self.mounts).values():
            if repository.blobs.size(canonical) is None:
                raise self._gone(f"the blob {canonical}")
        for child in self.children:
            if not repository.manifests.exists(child):
                raise self._gone(f"the manifest {child}")

    @staticmethod
    def _gone(what: str) -> UnavailableError:
        return UnavailableError(
            f"{what} was removed from the storage while it was being relied on",
            hint="a collector is running; push what is missing and try again",
        )


def take_inventory(
    repository: Repository,
    manifest: Manifest,
    *,
    allow_sparse: bool = False,
    mount_from: Sequence[Repository] = (),
) -> Inventory:
    """Look for everything that ``manifest`` names, to any depth; every reason at once.

    A missing ``subject`` and a missing layer with URLs of its own are legal; with
    ``allow_sparse`` a missing child of an index is. What cannot be read raises.
    """
    inventory = Inventory()
    _Look(repository, inventory, allow_sparse, mount_from).at(manifest, "", 0)
    return inventory


@dataclass(slots=True)
class _Look:
    repository: Repository
    inventory: Inventory
    allow_sparse: bool
    mount_from: Sequence[Repository]

    def at(self, manifest: Manifest, prefix: str, depth: int) -> None:
        for reference in manifest.references:
            where = f"{prefix}{reference.path}"
            if reference.role is Role.CHILD:
                if not (reference.may_be_blob and self._is_linked(reference.digest)):
                    self._child(reference.descriptor, where, depth)
                    continue
                self._blob(reference.descriptor, where)
            elif reference.role is not Role.SUBJECT:
                self._blob(reference.descriptor, where)

    def _blob(self, descriptor: Descriptor, where: str) -> None:
        digest = descriptor.digest
        canonical = self._find(self.repository, digest)
        found = self.inventory.blobs
        if canonical is None:
            found = self.inventory.mounts
            candidates = (self._find(other, digest) for other in self.mount_from)
            canonical = next((each for each in candidates if each is not None), None)
        if canonical is None:
            if not descriptor.is_foreign:
                self.inventory.unknown[digest] = None
                self._refuse(where, f"the blob {digest} is not linked in {self.repository.name}")
            return
        size = self.repository.blobs.size(canonical)
        if size is None:
            self._refuse(where, f"the blob {digest} is linked, but missing from the storage")
        elif descriptor.size is not None and size != descriptor.size:
            self._refuse(
                where, f"the blob {digest} has {size} bytes, the descriptor says {descriptor.size}"
            )
        else:
            found[digest] = canonical

    def _is_linked(self, digest: Digest) -> bool:
        """Whether an index's entry is a blob: build caches list their layers so."""
        return self._find(self.repository, digest) is not None

    @staticmethod
    def _find(repository: Repository, digest: Digest) -> Digest | None:
        try:
            return repository.layers.resolve(digest)
        except LayerNotFoundError:
            return None

    def _child(self, descriptor: Descriptor, where: str, depth: int) -> None:
        digest = descriptor.digest
        if digest in self.inventory.children:
            return
        try:
            canonical = self.repository.manifests.resolve(digest)
            content = self.repository.manifests.get(digest)
        except RevisionNotFoundError:
            if not self.allow_sparse:
                self._refuse(
                    where, f"the manifest {digest} is not a revision of {self.repository.name}"
                )
            return
        except DamagedError as error:
            self._refuse(where, str(error))
            return
        if descriptor.size is not None and len(content) != descriptor.size:
            self._refuse(
                where,
                f"the manifest {digest} has {len(content)} bytes, "
                f"the descriptor says {descriptor.size}",
            )
        self.inventory.children[digest] = canonical
        if depth >= _MAX_DEPTH:
            self._refuse(where, f"indexes are nested more than {_MAX_DEPTH} deep")
            return
        try:
            child = parse_manifest(content)
        except InvalidManifestError as error:
            self._refuse(where, str(error))
            return
        self.at(child, f"{where} > ", depth + 1)

    def _refuse(self, where: str, reason: str) -> None:
        self.inventory.reasons.append(f"{where}: {reason}")
