"""A registry's storage in a bucket of Google Cloud Storage."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping

from regctl.drivers.base import Entry, Kind, Reader
from regctl.drivers.bulk import get_in_flight
from regctl.drivers.gcs import copying, discarding, listing, objects, reading
from regctl.drivers.gcs.cells import GenerationCell
from regctl.drivers.gcs.client import Store
from regctl.drivers.gcs.credentials import make_client
from regctl.drivers.gcs.deleting import Deleting
from regctl.drivers.gcs.errors import PreconditionFailedError, not_gcs
from regctl.drivers.gcs.parameters import parse
from regctl.drivers.gcs.tries import Patience
from regctl.drivers.gcs.writer import SessionWriter, open_writer
from regctl.drivers.objects.keys import Keys
from regctl.drivers.objects.leases import Leases
from regctl.drivers.shapes import ObjectShape
from regctl.errors import PathExistsError, PathNotFoundError, RegctlError


def open_gcs(
    members: Mapping[str, object], *, jobs: int = 8, patience: Patience | None = None
) -> GCSDriver:
    """The driver with the ``members`` of ``storage.gcs`` in a registry's configuration.

    As many requests are in flight as there are ``jobs``, or as ``maxconcurrency`` allows. Sends
    nothing yet. Raises `ConfigurationError`.
    """
    parameters = parse(members)
    store = Store(
        make_client(parameters),
        parameters.bucket,
        Keys(parameters.prefix),
        pool_size=max(1, min(jobs, parameters.max_concurrency or jobs)),
        chunk_bytes=parameters.chunk_bytes,
        patience=patience,
    )
    return GCSDriver(store)


class GCSDriver(ObjectShape):
    """The storage in one bucket. Objects that stand for uploads in progress are `unfinished`, and
    absent for all else but `delete` and `delete_many`, which remove what they are told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._deleting = Deleting(store)
        self._leases = Leases(self.cell, now=self.now)

    @property
    def name(self) -> str:
        return "gcs"

    @property
    def seals(self) -> bool:
        """It could, but a rewrite within a bucket moves no content: there is nothing to gain."""
        return False

    @property
    def store(self) -> Store:
        """The bucket."""
        return self._store

    def requests(self) -> Mapping[str, int]:
        return self._store.requests()

    def read(self, path: str, offset: int = 0) -> Reader:
        return reading.open_reader(self._store, path, offset)

    def get(self, path: str, limit: int) -> bytes:
        return reading.get(self._store, path, limit)

    def get_many(
        self, paths: Iterable[str], limit: int
    ) -> Iterator[tuple[str, bytes | RegctlError]]:
        store = self._store
        return get_in_flight(store.pool(), 4 * store.jobs, self.get, paths, limit)

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        try:
            objects.insert(self._store, path, content, generation="0" if if_absent else None)
        except PreconditionFailedError as error:
            raise PathExistsError(path) from error

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> SessionWriter:
        if sealed:
            raise ValueError("this storage does not seal")
        return open_writer(self._store, self._leases, path, append=append)

    def unfinished(self, path: str) -> Iterator[Entry]:
        return listing.unfinished(self._store, path)

    def discard_unfinished(self, path: str, before: float) -> builtins.list[Entry]:
        return discarding.discard(self._store, self._leases, path, before)

    def cell(self, path: str) -> GenerationCell:
        """The cell at ``path``; leases are kept in such, too."""
        return GenerationCell(self._store, path)

    def stat(self, path: str, *, files_only: bool = False) -> Entry:
        if path != "/":
            try:
                resource = objects.describe_file(self._store, path)
            except PathNotFoundError:
                if files_only:
                    raise
            else:
                return Entry(path, Kind.FILE, resource.size, resource.updated)
        if files_only or not listing.has_directory(self._store, path):
            raise PathNotFoundError(path)
        return Entry(path, Kind.DIRECTORY)

    def list(self, path: str) -> list[Entry]:
        return listing.list_directory(self._store, path)

    def walk(
        self, path: str, *, stat: bool = True, descend: Callable[[Entry], bool] | None = None
    ) -> Iterator[Entry]:
        return listing.walk(self._store, path, stat=stat, descend=descend)

    def move(self, source: str, target: str) -> None:
        copying.move(self._store, source, target)

    def delete(self, path: str) -> None:
        if not objects.remove(self._store, path):
            raise PathNotFoundError(path)

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        return self._deleting.remove(paths)

    def now(self) -> float:
        self._store.ask_the_time()
        date = self._store.last_date()
        if date is None:
            raise not_gcs("its answers have no date")
        return date
