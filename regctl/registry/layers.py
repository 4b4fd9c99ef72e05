"""Layers of a repository: content that the repository links to. Configs are layers too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from regctl.digest import Digest, Verifier
from regctl.drivers.base import Kind, Reader, StorageDriver
from regctl.errors import DamagedError, NotFoundError, PathNotFoundError
from regctl.layout import PathMapper, RepositoryName, specs
from regctl.registry.blobs import BlobStore
from regctl.registry.links import read_link, write_link


class LayerNotFoundError(NotFoundError):
    """A repository does not link to a layer, whatever the blob store holds."""

    code = "layer-not-found"


@dataclass(frozen=True, slots=True)
class Layer:
    """A linked layer: the digest it was asked for by, that of its blob, and its size in bytes."""

    digest: Digest
    canonical: Digest
    size: int

    def verifier(self) -> Verifier:
        """A verifier of the layer's bytes: by the digest asked for and by that of the blob.

        A TarSum names no bytes and is left out; where nothing else is known it verifies nothing,
        see `is_verifiable`.
        """
        return Verifier(*(d for d in {self.digest, self.canonical} if not d.is_tarsum))

    @property
    def is_verifiable(self) -> bool:
        """Whether `verifier` checks anything."""
        return not (self.digest.is_tarsum and self.canonical.is_tarsum)


class LayerService:
    """The layers of one repository."""

    def __init__(
        self, driver: StorageDriver, mapper: PathMapper, name: RepositoryName, blobs: BlobStore
    ) -> None:
        self.driver = driver
        self.mapper = mapper
        self.name = name
        self.blobs = blobs

    def exists(self, digest: Digest) -> bool:
        """Whether the repository links to ``digest`` and its blob is there."""
        try:
            return self.blobs.size(self.resolve(digest)) is not None
        except LayerNotFoundError:
            return False

    def resolve(self, digest: Digest) -> Digest:
        """The digest of the blob that the repository's link for ``digest`` leads to.

        Raises `LayerNotFoundError` without a link, `DamagedLinkError` if the link is none.
        """
        try:
            return read_link(self.driver, self._path(digest), named=digest)
        except PathNotFoundError as error:
            raise LayerNotFoundError(
                f"the layer {digest} is not linked in the repository {self.name}",
                hint=f"'regctl ls {self.name}' lists tags, 'regctl inspect' their layers",
            ) from error

    def get(self, digest: Digest) -> Layer:
        """The layer ``digest``. Raises as `resolve`, and `DamagedError` if its blob is missing."""
        canonical = self.resolve(digest)
        size = self.blobs.size(canonical)
        if size is None:
            raise DamagedError(
                f"the layer {digest} is linked in {self.name}, but its blob {canonical} is missing"
            )
        return Layer(digest, canonical, size)

    def open(self, layer: Layer, offset: int = 0) -> Reader:
        """A stream of the layer's bytes from ``offset``; verify it with `Layer.verifier`."""
        return self.blobs.open(layer.canonical, offset)

    def link(self, canonical: Digest, alias: Digest | None = None) -> None:
        """Link the blob ``canonical``, under its own digest and under ``alias``, anew.

        The blob must be there already; both links say ``canonical``, as registries write them.
        """
        for digest in dict.fromkeys((canonical, alias or canonical)):
            write_link(self.driver, self._path(digest), canonical)

    def list(self) -> Iterator[Digest]:
        """The digests of all layer links, without reading them."""
        try:
            for entry in self.driver.walk(self._root(), stat=False):
                if entry.kind is Kind.FILE:
                    spec = self.mapper.parse_file(entry.path)
                    if isinstance(spec, specs.LayerLink):
                        yield spec.digest
        except PathNotFoundError:
            return

    def ensure_directory(self) -> None:
        """Make the directory of layer links: registry 2.x knows a repository by it."""
        self.driver.mkdir(self._root())

    def _root(self) -> str:
        return self.mapper.path(specs.Layers(self.name))

    def _path(self, digest: Digest) -> str:
        return self.mapper.path(specs.LayerLink(self.name, digest))
