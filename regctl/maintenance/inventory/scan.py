"""The scan of a whole storage: first its blobs, then the repositories."""

from __future__ import annotations

from collections.abc import Callable

from regctl.drivers.base import Kind, StorageDriver
from regctl.errors import PathNotFoundError
from regctl.layout import LAYOUT_ROOT
from regctl.maintenance.inventory.content import Inventory
from regctl.maintenance.inventory.flat import FlatScan
from regctl.maintenance.inventory.gathering import Gathering, Progress
from regctl.maintenance.inventory.links import LinkReader
from regctl.maintenance.inventory.table import DigestTable, NumberSet
from regctl.maintenance.inventory.tree import TreeScan

_KNOWN = ("blobs", "repositories")


def scan(
    driver: StorageDriver,
    *,
    sleep: Callable[[float], None],
    progress: Progress = lambda _: None,
    tag_indexes: bool = True,
    table: DigestTable | None = None,
) -> Inventory:
    """What the storage holds. All blobs are listed before anything of a repository is.

    ``sleep`` waits for seconds, before links that were caught half written are read again.
    Without ``tag_indexes``, on storages with directories, the directories of tags and revisions
    are looked into for what is needed alone, which is several times as fast: `TagContent.index` is
    then filled only for tags that do not say what they name, and no foreign or temporary file
    beside their links is seen. ``table`` is one to go on with; numbers are never taken back.

    On storages with directories nothing is seen of what stands beside the data of a blob, and
    beside a link that is a layer's, a signature's or in an index. What vanishes meanwhile is no
    error; whatever else cannot be seen raises.
    """
    began = driver.now()
    table = DigestTable() if table is None else table
    inventory = Inventory(table, NumberSet(), {}, [], began)
    reader = LinkReader(driver, table, sleep)
    gathering = Gathering(driver, inventory, reader)
    _look_at_the_top(driver, gathering)
    work: TreeScan | FlatScan
    if driver.has_directories:
        work = TreeScan(driver, gathering, reader, progress, thorough=tag_indexes)
    else:
        work = FlatScan(driver, gathering, reader, progress)
    work.blobs(inventory.blobs)
    work.repositories()
    return inventory


def _look_at_the_top(driver: StorageDriver, gathering: Gathering) -> None:
    """Report what stands beside the blobs and the repositories."""
    try:
        entries = driver.list(LAYOUT_ROOT)
    except PathNotFoundError:
        return
    for entry in entries:
        if entry.name not in _KNOWN or entry.kind is not Kind.DIRECTORY:
            gathering.odd(entry.path, entry.kind)
