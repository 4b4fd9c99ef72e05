"""A registry's storage as a whole: its repositories."""

from __future__ import annotations

import time
from collections.abc import Callable

from regctl.drivers.base import StorageDriver
from regctl.errors import ConfigurationError, NotFoundError, PathNotFoundError, ReadOnlyLayoutError
from regctl.layout import LAYOUT_ROOT, Layout, RepositoryName
from regctl.registry.catalog import Catalog, is_2015_tree, layout_of, read_catalog
from regctl.registry.repository import Repository

#: What may lie beside an empty registry: regctl's own directory, and that of a new file system.
_NO_CONTENT = {"regctl", "lost+found"}


class RepositoryNotFoundError(NotFoundError):
    """The storage holds no such repository."""

    code = "repository-not-found"


class Registry:
    """The entry to one storage. ``clock`` gives epoch seconds, ``sleep`` waits seconds."""

    def __init__(
        self,
        driver: StorageDriver,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.driver = driver
        self._clock = clock
        self._sleep = sleep

    def check_root(self) -> None:
        """Raise `ConfigurationError` if the storage holds something that is no registry's.

        An empty storage is an empty registry.
        """
        try:
            self.driver.list(LAYOUT_ROOT)
        except PathNotFoundError as error:
            try:
                names = sorted(entry.name for entry in self.driver.list("/"))
            except PathNotFoundError:
                return
            foreign = [name for name in names if name not in _NO_CONTENT]
            if foreign and not self._begins_layout(foreign):
                raise ConfigurationError(
                    f"this storage holds {foreign[0]!r} and no docker/registry/v2: "
                    "it is not a registry's",
                    hint="name the directory (or prefix) that holds 'docker'",
                ) from error

    def _begins_layout(self, names: list[str]) -> bool:
        """Whether there is nothing but the beginning of the tree, as a crash may leave it."""
        if names != ["docker"]:
            return False
        try:
            below = {entry.name for entry in self.driver.list("/docker")}
            if below == {"registry"}:
                below |= {entry.name for entry in self.driver.list("/docker/registry")}
        except PathNotFoundError:
            return False
        return below <= {"registry"}

    def catalog(self, *, hidden: bool = False) -> Catalog:
        """All repositories, by walking their directories; ``hidden`` as for `read_catalog`."""
        return read_catalog(self.driver, hidden=hidden)

    def repository(self, name: RepositoryName) -> Repository:
        """The repository ``name``, for reading. Raises `RepositoryNotFoundError`."""
        layouts = layout_of(self.driver, name)
        if not layouts:
            raise RepositoryNotFoundError(
                f"there is no repository {name} in the storage",
                hint="'regctl ls' lists the repositories",
            )
        return self._make(name, layouts)

    def repository_to_change(self, name: RepositoryName, *, layers: bool = False) -> Repository:
        """The repository ``name``, for changing what is there; ``layers`` as in the other.

        Raises `RepositoryNotFoundError`, and `ReadOnlyLayoutError` for the layout of 2015.
        """
        return self._writable(self.repository(name), layers=layers)

    def repository_to_fill(self, name: RepositoryName, *, layers: bool = False) -> Repository:
        """The repository ``name``, for pushing: it comes into being with its first content.

        Raises `ReadOnlyLayoutError` if it, or the tree it would be new in, has the layout of 2015;
        with ``layers``, where nothing is changed but layers and uploads, only if it has both.
        """
        layouts = layout_of(self.driver, name)
        if not layouts:
            layouts = {Layout.Y2015 if is_2015_tree(self.driver) else Layout.CURRENT}
        return self._writable(self._make(name, layouts), layers=layers)

    def _make(self, name: RepositoryName, layouts: set[Layout]) -> Repository:
        return Repository(
            self.driver, name, frozenset(layouts), clock=self._clock, sleep=self._sleep
        )

    @staticmethod
    def _writable(repository: Repository, *, layers: bool) -> Repository:
        if layers and not repository.is_mixed:
            return repository
        if Layout.Y2015 in repository.layouts:
            said = (
                " and in the current one, so that it is not written"
                if repository.is_mixed
                else ", in which nothing but layers is written"
            )
            raise ReadOnlyLayoutError(
                f"the repository {repository.name} is in the layout of the 2015 registry{said}",
                hint="pull its content and push it into a storage in the current layout",
            )
        return repository
