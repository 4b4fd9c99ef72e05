"""Layers of a repository: content that the repository links to. Configs are layers too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from regctl.digest import Digest, Verifier
from regctl.drivers.base import Kind, Reader, StorageDriver
from regctl.errors import DamagedError, NotFoundError, PathNotFoundError, ReadOnlyLayoutError
from regctl.layout import Layout, PathMapper, RepositoryName, specs
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

        Digests that cannot be computed are left out, see `is_verifiable`.
        """
        return Verifier(*(each for each in self._digests if each.is_computable))

    @property
    def is_verifiable(self) -> bool:
        """Whether `verifier` checks all that there is to check."""
        return all(each.is_computable for each in self._digests)

    @property
    def _digests(self) -> tuple[Digest, ...]:
        return tuple(dict.fromkeys((self.canonical, self.digest)))


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

    @property
    def by_tarsum(self) -> bool:
        """Whether layers are stored and linked by their TarSum and nothing else, as in 2015."""
        return self.mapper.layout is Layout.Y2015

    def require_storable(self, expected: Digest | None, *, tarsum: bool = False) -> None:
        """Raise unless a new layer may be stored as ``expected``, and, if ``tarsum``, by that.

        Raises `UnsupportedDigestError`, and `ReadOnlyLayoutError` where the layout knows layers
        by their TarSum alone and none is asked for.
        """
        if expected is not None:
            expected.require_layer_writable()
        if self.by_tarsum and not tarsum and not (expected is not None and expected.is_tarsum):
            raise ReadOnlyLayoutError(
                f"the repository {self.name} is in the layout of the 2015 registry, "
                "which knows layers by their TarSum alone",
                hint="give --tarsum, or --digest with a tarsum.v1+sha256 digest",
            )

    def link(self, canonical: Digest, *aliases: Digest | None) -> None:
        """Link the blob ``canonical``, under its own digest and under ``aliases``, anew.

        The blob must be there already; all links say ``canonical``, as registries write them. In
        the layout of 2015 there is no link but that of the TarSum.
        """
        names = (canonical,) if self.by_tarsum else (canonical, *aliases)
        for digest in dict.fromkeys(each for each in names if each is not None):
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
