"""When files were last written, and how large they are: asked for candidates only."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Self

from regctl.drivers.base import Entry, Kind, StorageDriver
from regctl.errors import PathNotFoundError
from regctl.layout import PathMapper, Tag, specs
from regctl.maintenance.inventory.content import RepositoryContent
from regctl.maintenance.inventory.table import DigestTable

#: The time of a file that is not there.
GONE = float("-inf")
#: How many questions wait for their answers at most.
_BATCH = 1024
#: Objects that one request of a listing answers for.
_PAGE = 1000


class Times:
    """The sizes and times of files. Use it in a ``with`` block, from one thread.

    At most ``jobs`` requests are in flight; one on a local storage. Whatever fails for any reason
    but absence raises its `StorageError`.
    """

    def __init__(self, driver: StorageDriver, jobs: int = 8) -> None:
        self._driver = driver
        # A disk answers in microseconds: threads would only wait for each other.
        self._is_local = driver.has_directories
        self.jobs = 1 if self._is_local else jobs
        self._pool: ThreadPoolExecutor | None = None

    def each(self, paths: Iterable[str]) -> Iterator[Entry | None]:
        """For each path the file there, None if there is none; in order."""
        if self.jobs <= 1:
            yield from map(self._stat, paths)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="times")
        left = iter(paths)
        while batch := list(islice(left, _BATCH)):
            yield from self._pool.map(self._stat, batch)

    def all(
        self, paths: Iterable[str], count: int, root: str, known: int
    ) -> tuple[array[float], array[int]]:
        """The times (epoch seconds; `GONE` if it is not there) and sizes of files below ``root``.

        There are ``count`` of ``paths``, and about ``known`` files in all: where a listing of all
        takes fewer requests than asking for each, it is listed.
        """
        if not self._is_local and count > known // _PAGE + 1:
            return self._listed(paths, root)
        modified, sizes = array("d"), array("Q")
        for found in self.each(paths):
            modified.append(GONE if found is None else found.modified)
            sizes.append(0 if found is None else found.size)
        return modified, sizes

    def _listed(self, paths: Iterable[str], root: str) -> tuple[array[float], array[int]]:
        places = {path: at for at, path in enumerate(paths)}
        modified = array("d", [GONE]) * len(places)
        sizes = array("Q", bytes(8 * len(places)))
        try:
            for entry in self._driver.walk(root):
                at = places.get(entry.path)
                if at is not None and entry.kind is Kind.FILE:
                    modified[at], sizes[at] = entry.modified, entry.size
        except PathNotFoundError:
            pass  # the last of them went meanwhile
        return modified, sizes

    def _stat(self, path: str) -> Entry | None:
        try:
            found = self._driver.stat(path, files_only=True)
        except PathNotFoundError:
            return None
        return found if found.kind is Kind.FILE else None

    def close(self) -> None:
        """End the threads. Idempotent."""
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


class IndexTimes:
    """When the links in a tag's index were written: `regctl.maintenance.inventory.rules.Times`."""

    def __init__(self, times: Times, table: DigestTable) -> None:
        self._times = times
        self._table = table

    def __call__(
        self, content: RepositoryContent, tag: Tag, numbers: Sequence[int]
    ) -> Mapping[int, float]:
        mapper = PathMapper(content.layout)
        paths = (
            mapper.path(specs.TagIndexEntryLink(content.name, tag, self._table.digest(number)))
            for number in numbers
        )
        found = zip(numbers, self._times.each(paths), strict=True)
        return {number: entry.modified for number, entry in found if entry is not None}
