"""Operations on many paths, made of those on one: for drivers that have nothing better."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future

from regctl.drivers.base import NOT_A_FILE, NOTHING, Kind, Probed, StorageDriver
from regctl.errors import PathNotFoundError, RegctlError

Got = bytes | RegctlError
Get = Callable[[str, int], bytes]


def get_or_error(get: Get, path: str, limit: int) -> Got:
    """What ``get`` gives for ``path``, or the error that it raises."""
    try:
        return get(path, limit)
    except RegctlError as error:
        return error


def get_one_by_one(get: Get, paths: Iterable[str], limit: int) -> Iterator[tuple[str, Got]]:
    """`StorageDriver.get_many`, one after the other."""
    for path in paths:
        yield path, get_or_error(get, path, limit)


def get_in_flight(
    pool: Executor, ahead: int, get: Get, paths: Iterable[str], limit: int
) -> Iterator[tuple[str, Got]]:
    """`StorageDriver.get_many` by the threads of ``pool``; at most ``ahead`` files are asked for,
    or held, that nobody has taken yet."""
    in_flight: deque[tuple[str, Future[Got]]] = deque()
    try:
        for path in paths:
            in_flight.append((path, pool.submit(get_or_error, get, path, limit)))
            if len(in_flight) >= ahead:
                first, future = in_flight.popleft()
                yield first, future.result()
        while in_flight:
            first, future = in_flight.popleft()
            yield first, future.result()
    finally:
        for _, future in in_flight:
            future.cancel()


def probe_one_by_one(
    driver: StorageDriver, path: str, name: str, *, others: bool
) -> Iterator[Probed]:
    """`StorageDriver.probe` by listing, and a look at each file."""
    for entry in driver.list(path):
        if entry.kind is not Kind.DIRECTORY:
            yield entry.name, entry.kind, NOTHING
            continue
        yield entry.name, entry.kind, _size_of(driver, f"{entry.path}/{name}") if name else NOTHING
        if others:
            yield from _others(driver, entry.path, entry.name, name)


def _size_of(driver: StorageDriver, path: str) -> int:
    try:
        found = driver.stat(path)
    except PathNotFoundError:
        return NOTHING
    return found.size if found.kind is Kind.FILE else NOT_A_FILE


def _others(driver: StorageDriver, path: str, directory: str, name: str) -> Iterator[Probed]:
    try:
        entries = driver.list(path)
    except PathNotFoundError:
        return
    for entry in entries:
        if entry.name != name or entry.kind is not Kind.FILE:
            yield f"{directory}/{entry.name}", entry.kind, NOTHING
