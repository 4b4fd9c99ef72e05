"""The driver of a storage in S3."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from regctl.drivers.base import Entry, Kind, Reader, Writer
from regctl.drivers.bulk import get_in_flight
from regctl.drivers.objects.leases import Leases
from regctl.drivers.objects.ranged import RangedReader, Window
from regctl.drivers.s3 import copying, deleting, discarding, listing, reading
from regctl.drivers.s3.client import Store, open_store
from regctl.drivers.s3.conditional import ConditionalWrites, S3Cell
from regctl.drivers.s3.errors import not_s3
from regctl.drivers.s3.paging import Listing, entries_of
from regctl.drivers.s3.writer import open_writer
from regctl.drivers.shapes import ObjectShape
from regctl.errors import PathNotFoundError, RegctlError

if TYPE_CHECKING:
    from datetime import datetime


class S3Driver(ObjectShape):
    """The files of a storage as objects of a bucket, as Distribution's ``s3`` driver keeps them.

    There are no directories but those that keys have in common. A write is atomic and durable by
    itself. A writer's file is a multipart upload until it is committed: `regctl.drivers.s3.writer`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._window = Window()
        self._writes = ConditionalWrites(store)
        self._leases = Leases(self.cell, now=self.now)
        deleting.install(store)

    @property
    def name(self) -> str:
        return "s3"

    @property
    def seals(self) -> bool:
        return True

    @property
    def store(self) -> Store:
        """The bucket."""
        return self._store

    def requests(self) -> Mapping[str, int]:
        return self._store.requests()

    def read(self, path: str, offset: int = 0) -> Reader:
        fetch = reading.ObjectFetch(self._store, path)
        return RangedReader(
            fetch, path=path, offset=offset, pool=self._store.pool, window=self._window
        )

    def get(self, path: str, limit: int) -> bytes:
        return reading.get(self._store, path, limit)[0]

    def get_many(
        self, paths: Iterable[str], limit: int
    ) -> Iterator[tuple[str, bytes | RegctlError]]:
        store = self._store
        return get_in_flight(store.pool(), 4 * store.jobs, self.get, paths, limit)

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        if if_absent:
            self._writes.create(path, content)
            return
        self._store.call(
            "put_object",
            path,
            Key=self._store.keys.key(path),
            Body=content,
            **self._store.new_object,
        )

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> Writer:
        return open_writer(self._store, self._leases, path, append=append, sealed=sealed)

    def unfinished(self, path: str) -> Iterator[Entry]:
        return listing.unfinished(self._store, path)

    def discard_unfinished(self, path: str, before: float) -> builtins.list[Entry]:
        return discarding.discard(self._store, self._leases, path, before)

    def cell(self, path: str) -> S3Cell:
        return S3Cell(self._store, self._writes, path)

    def stat(self, path: str, *, files_only: bool = False) -> Entry:
        if path != "/":
            try:
                answer = self._store.call("head_object", path, Key=self._store.keys.key(path))
            except PathNotFoundError:
                if files_only:
                    raise
            else:
                return _entry(path, answer)
        if files_only or not self._is_directory(path):
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
        deleting.delete(self._store, path)

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        return deleting.delete_many(self._store, paths)

    def now(self) -> float:
        """The clock of the server, in whole seconds, as it dates its answers."""
        self._store.call("head_bucket", "/")
        date = self._store.last_date()
        if date is None:
            raise not_s3("it does not say what time it is")
        return date

    def _is_directory(self, path: str) -> bool:
        """Whether any file lies below ``path``; the root is there as long as the bucket is."""
        prefix = self._store.keys.directory(path)
        # The first key may be no more than the mark of the directory itself.
        below = Listing(self._store, path, prefix, page_keys=2)
        while not below.is_complete:
            if entries_of(self._store, below.next_page().items, stat=False):
                return True
        return path == "/"


def open_s3(parameters: Mapping[str, object], jobs: int) -> S3Driver:
    """The driver with the members of ``storage.s3`` of a registry's configuration, as
    `regctl.config` types them; ``jobs`` is how many requests are in flight at once.

    Nothing is asked of a server yet. Raises `ConfigurationError`, and `DeniedError` where the
    machine's credentials cannot be read.
    """
    return S3Driver(open_store(parameters, jobs))


def _entry(path: str, answer: Mapping[str, Any]) -> Entry:
    modified: datetime = answer["LastModified"]
    return Entry(path, Kind.FILE, int(answer["ContentLength"]), float(int(modified.timestamp())))
