"""Reading manifests for marking: each once, many in flight, verified, or known from before."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Protocol, Self

from regctl.digest import Digest, Verifier
from regctl.drivers.base import StorageDriver
from regctl.errors import ContentError, DamagedError, InvalidManifestError, PathNotFoundError
from regctl.layout import PathMapper, specs
from regctl.maintenance.inventory.content import Inventory
from regctl.maintenance.inventory.refcache import ReferenceCache
from regctl.maintenance.inventory.references import (
    NumberedReferences,
    ReferencePool,
    pack,
    read_manifest_references,
)
from regctl.maintenance.inventory.table import NumberSet
from regctl.manifest import MAX_MANIFEST_BYTES

#: How many manifests are asked of the cache, and then of the storage, at a time.
_BATCH = 1024


@dataclass(frozen=True, slots=True)
class Missing:
    """The storage was asked for a manifest and has no such blob."""

    reason: str = "its blob is missing"


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is stored is not the manifest: ``reason`` is a clause that says how."""

    reason: str


Unreadable = Missing | Wrong


class Reads(Protocol):
    """What marking asks for manifests; `ManifestReader` is what answers."""

    def __call__(self, number: int, /) -> NumberedReferences | Unreadable:
        """What the manifest with the number ``number`` names, or why that cannot be told."""

    def read_with_children(self, numbers: Iterable[int]) -> None:
        """Read these manifests, and to any depth what they name as manifests: so that those of
        one depth are in flight together. Not needed, but a call for each takes longer."""


class ManifestReader:
    """The manifests of one storage by number. Use it in a ``with`` block, from one thread.

    A blob that is not in the inventory may have come since: it counts as missing only once the
    storage has said so. What the cache says counts only of blobs that are in the inventory. At
    most ``jobs`` requests are in flight. A read that fails for any reason but absence raises its
    `StorageError`, from whatever method it is done in: nothing that was found so far may be relied
    on then, as it is not all.
    """

    def __init__(
        self,
        driver: StorageDriver,
        mapper: PathMapper,
        inventory: Inventory,
        cache: ReferenceCache | None = None,
        jobs: int = 8,
    ) -> None:
        self._driver = driver
        self._mapper = mapper
        self._table = inventory.table
        self._blobs = inventory.blobs
        self._cache = cache
        self._jobs = jobs
        self._pool: ThreadPoolExecutor | None = None
        self._references = ReferencePool(inventory.table)
        #: By number: where the references are, plus one; 0 where they were not read.
        self._places = array("I")
        self._unreadable: dict[int, Unreadable] = {}
        #: How many manifests were asked of the storage, and how many the cache knew.
        self.fetched = 0
        self.known = 0

    def __call__(self, number: int) -> NumberedReferences | Unreadable:
        """What the manifest with the number ``number`` names, or why that cannot be told."""
        place = self._place(number)
        if not place:
            if number not in self._unreadable:
                self.read((number,))
                return self(number)
            return self._unreadable[number]
        return self._references.get(place - 1)

    def _place(self, number: int) -> int:
        return self._places[number] if number < len(self._places) else 0

    def _is_read(self, number: int) -> bool:
        return bool(self._place(number)) or number in self._unreadable

    def read(self, numbers: Iterable[int]) -> None:
        """Read all of these that were not read yet."""
        for _ in self._read_new(numbers):
            pass

    def read_with_children(self, numbers: Iterable[int]) -> None:
        """As `Reads.read_with_children`."""
        while True:
            children = NumberSet()
            for number in self._read_new(numbers):
                if place := self._place(number):
                    children.update(self._references.get(place - 1).children)
            if not len(children):
                return
            numbers = children

    def _read_new(self, numbers: Iterable[int]) -> Iterator[int]:
        """Read those that were not read yet, and yield them; each once."""
        asked = NumberSet()
        new = (each for each in numbers if not self._is_read(each) and asked.add(each))
        while batch := list(islice(new, _BATCH)):
            self._read_batch(batch)
            yield from batch

    def _read_batch(self, numbers: Sequence[int]) -> None:
        digests = [self._table.digest(number) for number in numbers]
        left = self._take_cached(numbers, digests)
        fetched: list[tuple[Digest, bytes]] = []
        for (number, digest), found in zip(left, self._fetch_all(left), strict=True):
            if isinstance(found, bytes):
                self._take(number, digest, found)
                fetched.append((digest, found))
            else:
                self._unreadable[number] = found
        self.fetched += len(left)
        if self._cache is not None:
            self._cache.put_many(fetched)

    def _take_cached(
        self, numbers: Sequence[int], digests: Sequence[Digest]
    ) -> list[tuple[int, Digest]]:
        """Take what the cache knows; what is left to be read."""
        asked = list(zip(numbers, digests, strict=True))
        if self._cache is None:
            return asked
        stored = [digest for number, digest in asked if number in self._blobs]
        records = self._cache.get_many(stored)
        left = [
            (number, digest)
            for number, digest in asked
            if digest not in records or not self._take(number, digest, records[digest])
        ]
        self.known += len(asked) - len(left)
        return left

    def _take(self, number: int, digest: Digest, record: bytes) -> bool:
        """Take a record in; whether it was the record of this manifest."""
        place = self._references.add(digest, record)
        if place is None:
            return False
        if number >= len(self._places):
            self._places.extend(bytes(max(number + 1, len(self._table)) - len(self._places)))
        self._places[number] = place + 1
        return True

    def _fetch_all(self, asked: Sequence[tuple[int, Digest]]) -> Iterable[bytes | Unreadable]:
        digests = [digest for _, digest in asked]
        if len(digests) <= 1 or self._jobs <= 1:
            return map(self._fetch, digests)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="manifests")
        return self._pool.map(self._fetch, digests)

    def _fetch(self, digest: Digest) -> bytes | Unreadable:
        """The record of a manifest from its stored bytes; in any thread."""
        path = self._mapper.path(specs.BlobData(digest))
        try:
            content = self._driver.get(path, MAX_MANIFEST_BYTES)
        except PathNotFoundError:
            return Missing()
        except DamagedError as error:
            return Wrong(f"its blob is not one that can be read: {error.message}")
        if difference := _difference(digest, content):
            return Wrong(f"its blob {difference}")
        try:
            return pack(digest, read_manifest_references(content))
        except InvalidManifestError as error:
            what = error.message.partition("\n")[0]
            reason = f": {error.reasons[0]}" if error.reasons else ""
            return Wrong(f"its blob is no manifest that can be read: {what}{reason}")

    def close(self) -> None:
        """End the threads; what was not begun is left. Idempotent."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def _difference(digest: Digest, content: bytes) -> str | None:
    """How ``content`` differs from what has ``digest``; None if it does not."""
    try:
        verifier = Verifier(digest)
        verifier.update(content)
        return verifier.mismatch()
    except ContentError as error:
        return f"cannot be verified: {error.message}"
