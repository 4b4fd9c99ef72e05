"""What stands in a bucket: directories, trees, and uploads in progress.

A listing is complete or an error: a page that fails raises.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain

from regctl.drivers.base import Entry, Kind
from regctl.drivers.gcs.client import Store
from regctl.drivers.gcs.paging import PAGE_KEYS, Listing, Page
from regctl.drivers.gcs.resource import Resource
from regctl.drivers.gcs.uploads import recorded_offset
from regctl.drivers.objects.keys import is_odd
from regctl.drivers.s3.inflight import InFlight, Step
from regctl.errors import PathNotFoundError

_ROOT = "/"

Descend = Callable[[Entry], bool]


def list_directory(store: Store, path: str, *, page_keys: int = PAGE_KEYS) -> list[Entry]:
    """The entries directly below ``path``, by name, without size and time.

    Where a bucket holds both a file and things below it, the file is listed alone. A key that is no
    path of a driver is shown as `Kind.OTHER`. Raises `PathNotFoundError` if nothing is below,
    except for the root, which is there as long as the bucket is.
    """
    listing = Listing(store, path, names=True, stat=False, page_keys=page_keys)
    found: dict[str, Entry] = {}
    while not listing.is_complete:
        page = listing.next_page()
        for entry in _directories(store, page):
            found.setdefault(entry.path, entry)
        for entry in _files(store, page.items, stat=False):
            found[entry.path] = entry
    if not found and path != _ROOT:
        raise PathNotFoundError(path)
    return sorted(found.values(), key=lambda entry: entry.name)


def has_directory(store: Store, path: str) -> bool:
    """Whether any file is below ``path``; always for the root of a bucket that is there."""
    listing = Listing(store, path, stat=False, page_keys=2)
    while not listing.is_complete:
        if path == _ROOT:
            store.require_bucket()
            return True
        if _files(store, listing.next_page().items, stat=False):
            return True
    return False


def walk(
    store: Store,
    path: str,
    *,
    stat: bool = True,
    descend: Descend | None = None,
    page_keys: int = PAGE_KEYS,
) -> Iterator[Entry]:
    """Everything below ``path``: see `regctl.drivers.base.StorageDriver.walk`.

    Without ``descend`` files come alone, page by page, the next asked for while one is given. With
    it each directory is listed by itself, after it was yielded and asked about, several at once.
    Keys that are no path of a driver come as `Kind.OTHER`, and so do directories of them, which are
    never asked about.
    """
    step = _names if descend is not None else _flat
    top = Listing(store, path, names=descend is not None, stat=stat, page_keys=page_keys)
    first = step(store, top, stat)
    if not first.entries and top.is_complete and path != _ROOT:
        raise PathNotFoundError(path)
    with InFlight(store.pool(), 2 * store.jobs) as work:
        for each in first.more:
            work.add(each)
        any_found = path == _ROOT
        for found in chain([first.entries], work.found()):
            for entry in found:
                any_found = True
                yield entry
                if descend is not None and entry.kind is Kind.DIRECTORY and descend(entry):
                    below = Listing(store, entry.path, names=True, stat=stat, page_keys=page_keys)
                    work.add(partial(_names, store, below, stat))
    if not any_found:
        raise PathNotFoundError(path)


def unfinished(store: Store, path: str, *, page_keys: int = PAGE_KEYS) -> Iterator[Entry]:
    """The uploads in progress below the directory ``path``, with the bytes that are recorded and
    the time of the record."""
    listing = Listing(store, path, records=True, page_keys=page_keys)
    while not listing.is_complete:
        for item in listing.next_page().items:
            if item.is_session:
                where = store.keys.path(item.name)
                size = recorded_offset(where, item) + item.size
                yield Entry(where, Kind.OTHER if is_odd(where) else Kind.FILE, size, item.updated)


def _flat(store: Store, listing: Listing, stat: bool) -> Step:
    """The next page of a listing in bulk, and the rest one by one."""
    page = listing.next_page()
    more = [] if listing.is_complete else [partial(_flat, store, listing, stat)]
    return Step(_files(store, page.items, stat=stat), list(more))


def _names(store: Store, listing: Listing, stat: bool) -> Step:
    """The next page of a directory, and the rest of it one by one."""
    page = listing.next_page()
    more = [] if listing.is_complete else [partial(_names, store, listing, stat)]
    entries = [*_directories(store, page), *_files(store, page.items, stat=stat)]
    return Step(entries, list(more))


def _directories(store: Store, page: Page) -> list[Entry]:
    """The directories on a page of names, each once."""
    found = []
    for prefix in page.prefixes:
        path = store.keys.path(prefix.removesuffix("/"))
        found.append(Entry(path, Kind.OTHER if is_odd(path) else Kind.DIRECTORY))
    return found


def _files(store: Store, items: Iterable[Resource], *, stat: bool) -> list[Entry]:
    """The files among ``items``: no uploads in progress, no marks of directories."""
    found = []
    for item in items:
        path = None if item.is_session else store.keys.path_or_none(item.name, item.size)
        if path is None:
            continue
        if is_odd(path):
            found.append(Entry(path, Kind.OTHER))
        elif stat:
            found.append(Entry(path, Kind.FILE, item.size, item.updated))
        else:
            found.append(Entry(path, Kind.FILE))
    return found
