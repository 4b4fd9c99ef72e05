"""The uploads of a run: those that nobody goes on with, and what crashed registries left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from regctl.drivers.base import Entry, StorageDriver
from regctl.errors import RegctlError
from regctl.layout import Layout, RepositoryName
from regctl.layout.own import is_registry_temporary
from regctl.maintenance.gc.things import Failure
from regctl.maintenance.gc.uploads import (
    Ended,
    Upload,
    find_beginnings,
    remove_hidden,
    remove_temporary,
    remove_upload,
)

#: The lock is checked before so many are removed.
_BATCH = 50


@dataclass(slots=True)
class StaleUploads:
    """What was last written before ``before`` (epoch seconds) and is to go: uploads, hidden
    beginnings of blobs, and files that a registry did not rename (their age is looked at when they
    go). ``young`` counts the uploads that stay."""

    before: float
    uploads: Sequence[Upload] = ()
    hidden: Sequence[Entry] = ()
    temporary: Sequence[str] = ()
    young: int = 0

    @property
    def count(self) -> int:
        """How many would go."""
        return len(self.uploads) + len(self.hidden) + len(self.temporary)

    @property
    def bytes(self) -> int:
        """Their bytes, as far as they are known."""
        found = sum(each.size for each in self.uploads)
        return found + sum(each.size for each in self.hidden)


@dataclass(slots=True)
class RemovedUploads:
    """What became of them: ``counts`` by what happened, ``bytes`` of what was removed."""

    counts: dict[Ended, int] = field(default_factory=dict)
    bytes: int = 0
    failures: list[Failure] = field(default_factory=list)


def find_stale(
    driver: StorageDriver,
    repositories: Iterable[tuple[RepositoryName, Layout]],
    before: float,
    *,
    temporary: Iterable[str] = (),
    in_scope: Callable[[RepositoryName], bool] = lambda _: True,
    whole: bool = True,
) -> StaleUploads:
    """What of ``repositories`` that are ``in_scope`` was last written before ``before``.

    ``temporary`` are files that look as if a registry had left them. What belongs to no repository
    is taken only if the run is for the ``whole`` storage. Raises whatever keeps the storage from
    answering.
    """
    chosen = [(name, layout) for name, layout in repositories if in_scope(name)]
    found = find_beginnings(driver, chosen, before)
    return StaleUploads(
        before,
        [each for each in found.stale if in_scope(each.repository)],
        found.hidden if whole else (),
        [path for path in temporary if whole and is_registry_temporary(path)],
        found.young,
    )


def remove_stale(
    driver: StorageDriver, stale: StaleUploads, check: Callable[[], None]
) -> RemovedUploads:
    """Remove what is still stale; ``check`` is called now and then. Single failures are counted."""
    removed = RemovedUploads()
    for number, (path, remove) in enumerate(_removals(driver, stale)):
        if not number % _BATCH:
            check()
        try:
            ended, size = remove()
        except RegctlError as error:
            removed.failures.append(Failure(path, error))
            continue
        removed.counts[ended] = removed.counts.get(ended, 0) + 1
        removed.bytes += size
    return removed


def _removals(
    driver: StorageDriver, stale: StaleUploads
) -> Iterator[tuple[str, Callable[[], tuple[Ended, int]]]]:
    before = stale.before
    for upload in stale.uploads:
        yield upload.directory, partial(remove_upload, driver, upload, before)
    for entry in stale.hidden:
        yield entry.path, partial(remove_hidden, driver, entry, before)
    for path in stale.temporary:
        yield path, partial(remove_temporary, driver, path, before)
