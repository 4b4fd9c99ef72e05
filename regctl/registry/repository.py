"""One repository: the way to its layers, manifests, tags and uploads."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from regctl.drivers.base import StorageDriver
from regctl.errors import ReadOnlyLayoutError
from regctl.layout import Layout, PathMapper, RepositoryName
from regctl.registry.blobs import BlobStore
from regctl.registry.layers import LayerService
from regctl.registry.manifests import ManifestService
from regctl.registry.signatures import SignatureService
from regctl.registry.tags import TagService
from regctl.registry.uploads import UploadService


class Repository:
    """The services of one repository. Make it with `Registry.repository`."""

    def __init__(
        self,
        driver: StorageDriver,
        name: RepositoryName,
        layouts: frozenset[Layout],
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.driver = driver
        self.name = name
        self.layouts = layouts
        self._clock = clock
        self._sleep = sleep
        layout = Layout.Y2015 if layouts == {Layout.Y2015} else Layout.CURRENT
        self.mapper = PathMapper(layout)

    @property
    def sleep(self) -> Callable[[float], None]:
        """Waits seconds, as whoever opened the storage had it."""
        return self._sleep

    @property
    def is_mixed(self) -> bool:
        """Whether both layouts are there; the current one is read then."""
        return len(self.layouts) > 1

    @cached_property
    def blobs(self) -> BlobStore:
        """The blob store below; it does not ask whether the repository links to a blob."""
        return BlobStore(self.driver, self.mapper)

    @cached_property
    def layers(self) -> LayerService:
        """Its layers."""
        return LayerService(self.driver, self.mapper, self.name, self.blobs)

    @cached_property
    def uploads(self) -> UploadService:
        """Its uploads in progress."""
        return UploadService(self.layers, self._clock)

    @cached_property
    def tags(self) -> TagService:
        """Its tags."""
        return TagService(self.driver, self.mapper, self.name, self._sleep)

    @cached_property
    def manifests(self) -> ManifestService:
        """Its manifest revisions."""
        return ManifestService(self.driver, self.mapper, self.name, self.blobs)

    @cached_property
    def signatures(self) -> SignatureService:
        """The signatures beside its schema 1 revisions."""
        return SignatureService(self.driver, self.mapper, self.name, self.blobs)

    def require_writable_manifests(self) -> None:
        """Raise `ReadOnlyLayoutError` in the layout of 2015, whose manifests are only read."""
        if Layout.Y2015 in self.layouts:
            raise ReadOnlyLayoutError(
                f"the repository {self.name} is in the layout of the 2015 registry, in which "
                "manifests, their signatures and tags are read and not written",
                hint="pull its content and push it into a storage in the current layout",
            )
