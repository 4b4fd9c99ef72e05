"""What the parts of the suite have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from regctl.drivers.base import Entry, StorageDriver

#: Bytes of what is big here.
BIG = 5 << 20


def read_all(driver: StorageDriver, path: str, offset: int = 0, size: int = 1 << 16) -> bytes:
    """What a reader of ``path`` yields, read in pieces of ``size`` bytes."""
    content = bytearray()
    buffer = bytearray(size)
    with driver.read(path, offset) as reader:
        while count := reader.readinto(buffer):
            content += memoryview(buffer)[:count]
        assert reader.readinto(buffer) == 0
    return bytes(content)


def paths_of(entries: Iterable[Entry]) -> list[str]:
    """The paths of ``entries``, in order of name."""
    return sorted(entry.path for entry in entries)


def together(count: int, work: Callable[[int], bool]) -> int:
    """For how many of 0 to ``count`` - 1 ``work``, begun by all threads at once, says yes."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> bool:
        barrier.wait(timeout=30)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(begin, range(count)))


class Traits:
    """What a driver may differ in; a subclass says so."""

    #: Whether the driver has directories as such, and knows files from them; an object store has
    #: none.
    has_directories = True
    #: Whether a file that a writer has open can be moved.
    moves_while_writing = True
    #: Foreign names that the server behind this driver is known to refuse, to change or to lose;
    #: another server has to show that the driver is not to blame.
    refused_names: frozenset[str] = frozenset()
