"""One look at a storage: what it holds, and the means to ask for manifests and times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from regctl.drivers.base import StorageDriver
from regctl.drivers.forwarding import ForwardingDriver
from regctl.errors import DeniedError
from regctl.layout import PathMapper
from regctl.maintenance.gc.guards import complete_scan
from regctl.maintenance.gc.survey import Policy, Survey, take_survey
from regctl.maintenance.gc.times import Times
from regctl.maintenance.inventory.content import Inventory
from regctl.maintenance.inventory.reader import ManifestReader
from regctl.maintenance.inventory.refcache import ReferenceCache
from regctl.maintenance.inventory.scan import scan
from regctl.maintenance.inventory.table import DigestTable

#: Told how many entries more were seen.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Means:
    """How to look: ``cache`` keeps what manifests name from run to run, ``jobs`` is how many
    requests may be in flight, ``sleep`` waits seconds."""

    cache: ReferenceCache
    jobs: int = 8
    sleep: Callable[[float], None] = time.sleep
    progress: Progress = lambda _: None


@dataclass(frozen=True, slots=True)
class View:
    """A storage as it was scanned, and the means to ask more of it."""

    inventory: Inventory
    reads: ManifestReader
    times: Times

    def survey(self, policy: Policy, now: float) -> Survey:
        """What of it goes under ``policy``, at the storage's time ``now``.

        Raises `IncompleteScanError`.
        """
        with complete_scan():
            return take_survey(self.inventory, self.reads, self.times, policy, now)


class _OnlyRead(ForwardingDriver):
    """A storage that may refuse to be written: then this machine's clock stands for its own."""

    def now(self) -> float:
        try:
            return self._inner.now()
        except DeniedError:
            return time.time()


def only_read(driver: StorageDriver) -> StorageDriver:
    """``driver`` for those who change nothing, also where nothing may be written."""
    return _OnlyRead(driver)


@contextmanager
def look(
    driver: StorageDriver,
    means: Means,
    *,
    tag_indexes: bool = False,
    table: DigestTable | None = None,
) -> Iterator[View]:
    """The storage as it is now; ``tag_indexes`` and ``table`` as for `scan`.

    Raises `IncompleteScanError` if it cannot be listed as a whole.
    """
    with complete_scan():
        inventory = scan(
            driver,
            sleep=means.sleep,
            progress=means.progress,
            tag_indexes=tag_indexes,
            table=table,
        )
    with (
        ManifestReader(driver, PathMapper(), inventory, means.cache, means.jobs) as reads,
        Times(driver, means.jobs) as times,
    ):
        yield View(inventory, reads, times)
