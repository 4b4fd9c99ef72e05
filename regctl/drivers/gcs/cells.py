"""Leases over generations: a small object that is written by compare-and-swap."""

from __future__ import annotations

from regctl.drivers.gcs import objects
from regctl.drivers.gcs.client import Store
from regctl.drivers.gcs.errors import PreconditionFailedError
from regctl.drivers.gcs.reading import get_with_generation
from regctl.drivers.objects.leases import LostRaceError
from regctl.errors import PathNotFoundError

_LIMIT = 4096


class GenerationCell:
    """The `regctl.drivers.objects.leases.Cell` at ``path``: its versions are generations."""

    def __init__(self, store: Store, path: str) -> None:
        self._store = store
        self._path = path

    def read(self) -> tuple[bytes, str] | None:
        try:
            content, generation = get_with_generation(self._store, self._path, _LIMIT)
            if not generation:
                generation = objects.describe(self._store, self._path).generation or ""
        except PathNotFoundError:
            return None
        return content, generation

    def write(self, content: bytes, version: str | None, /) -> str:
        try:
            resource = objects.insert(self._store, self._path, content, generation=version or "0")
        except PreconditionFailedError as error:
            raise LostRaceError(f"{self._path} was written by somebody else") from error
        return resource.generation or ""

    def remove(self, version: str, /) -> None:
        try:
            objects.remove(self._store, self._path, generation=version)
        except PreconditionFailedError as error:
            raise LostRaceError(f"{self._path} was written by somebody else") from error
