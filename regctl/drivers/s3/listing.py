"""What stands in a bucket: directories, trees, and multipart uploads in progress.

A listing is complete or an error: each page must say whether another follows, each request that
fails raises. Nothing is read out of the order in which a server lists, since servers differ in it.

Source: ListObjectsV2, ListMultipartUploads and ListParts in the Amazon S3 API reference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import chain

from regctl.drivers.base import Entry, Kind
from regctl.drivers.objects.keys import is_odd
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.errors import NoSuchUploadError, not_s3
from regctl.drivers.s3.flat import walk_flat
from regctl.drivers.s3.inflight import InFlight, Step
from regctl.drivers.s3.pages import (
    PAGE_KEYS,
    ObjectPage,
    Upload,
    fetch,
    parse_parts,
    parse_uploads,
)
from regctl.drivers.s3.paging import SLASH, Listing, directory_of, entries_of
from regctl.errors import PathNotFoundError

Descend = Callable[[Entry], bool]


def list_directory(store: Store, path: str, *, page_keys: int = PAGE_KEYS) -> list[Entry]:
    """The entries directly below ``path``, by name, without size and time.

    Where a bucket holds both a file and things below it, the file is listed alone: nothing that
    writes below a file is ours, and a reader of the path gets the file. A key that is no path of a
    driver is shown as `Kind.OTHER`. Raises `PathNotFoundError` if nothing is below, except for the
    root, which is there as long as the bucket is.
    """
    prefix = store.keys.directory(path)
    listing = Listing(store, path, prefix, names=True, stat=False, page_keys=page_keys)
    found: dict[str, Entry] = {}
    while not listing.is_complete:
        page = listing.next_page()
        for entry in _directories(store, page):
            found.setdefault(entry.path, entry)
        for entry in entries_of(store, page.items, stat=False):
            found[entry.path] = entry
    if not found and path != SLASH:
        raise PathNotFoundError(path)
    return sorted(found.values(), key=lambda entry: entry.name)


def walk(
    store: Store,
    path: str,
    *,
    stat: bool = True,
    descend: Descend | None = None,
    page_keys: int = PAGE_KEYS,
) -> Iterator[Entry]:
    """Everything below ``path``: see `regctl.drivers.base.StorageDriver.walk`.

    Without ``descend`` files come alone, from listings in bulk. With it each directory is listed
    by itself, after it was yielded and asked about; one that is a file as well comes as both. Keys
    that are no path of a driver come as `Kind.OTHER`, and so do directories of them, which are
    never asked about.

    As many requests are in flight as the store has jobs, and twice as many pages are held at most.
    """
    if descend is None:
        return walk_flat(store, path, stat=stat, page_keys=page_keys)
    return _walk_directories(store, path, stat=stat, descend=descend, page_keys=page_keys)


def unfinished(store: Store, path: str, *, page_keys: int = PAGE_KEYS) -> Iterator[Entry]:
    """The multipart uploads in progress below the directory ``path``, in the server's order: with
    the bytes of their parts and the time of the newest, or of their beginning if they have none.

    Of several with one key a writer goes on with the one that has most. One that ends meanwhile is
    left out. A key that is no path of a driver comes as `Kind.OTHER`.
    """
    # No more are asked about than can be in flight: who needs only the first gets it soon.
    asked: deque[Future[Entry | None]] = deque()
    try:
        for upload in _uploads(store, path, page_keys):
            asked.append(store.pool().submit(_measure, store, upload, page_keys))
            if len(asked) >= 2 * store.jobs and (entry := asked.popleft().result()):
                yield entry
        while asked:
            if entry := asked.popleft().result():
                yield entry
    finally:
        for each in asked:
            each.cancel()


def unfinished_of(
    store: Store, path: str, *, page_keys: int = PAGE_KEYS
) -> Iterator[tuple[str, Entry]]:
    """The multipart uploads of the one file at ``path``: their ids, and what `unfinished` says."""
    key = store.keys.key(path)
    for upload in _uploads(store, path.rpartition("/")[0] or SLASH, page_keys):
        if upload.key == key and (entry := _measure(store, upload, page_keys)):
            yield upload.upload_id, entry


def _walk_directories(
    store: Store, path: str, *, stat: bool, descend: Descend, page_keys: int
) -> Iterator[Entry]:
    """A walk that lists each directory by itself, several at once."""

    def listing(prefix: str) -> Listing:
        return Listing(store, path, prefix, names=True, stat=stat, page_keys=page_keys)

    top = listing(store.keys.directory(path))
    step = _next_names(store, top, stat, set())
    if top.is_complete and not step.entries and path != SLASH:
        raise PathNotFoundError(path)
    with InFlight(store.pool(), 2 * store.jobs) as work:
        for each in step.more:
            work.add(each)
        for found in chain([step.entries], work.found()):
            for entry in found:
                yield entry
                if entry.kind is Kind.DIRECTORY and descend(entry):
                    below = listing(store.keys.directory(entry.path))
                    work.add(partial(_next_names, store, below, stat, set()))


def _next_names(store: Store, listing: Listing, stat: bool, seen: set[str]) -> Step:
    """The next page of a directory, without the directories ``seen`` on those before it."""
    page = listing.next_page()
    directories = [each for each in _directories(store, page) if each.path not in seen]
    seen.update(each.path for each in directories)
    step = Step([*directories, *entries_of(store, page.items, stat=stat)])
    if not listing.is_complete:
        step.more.append(partial(_next_names, store, listing, stat, seen))
    return step


def _directories(store: Store, page: ObjectPage) -> list[Entry]:
    """The directories on a page of names, each once."""
    return [directory_of(store, each) for each in dict.fromkeys(page.prefixes)]


def _uploads(store: Store, path: str, page_keys: int) -> Iterator[Upload]:
    """The multipart uploads below ``path``, as the server lists them, and each once."""
    prefix = store.keys.directory(path)
    fixed: dict[str, object] = {"Prefix": prefix, "MaxUploads": page_keys, "EncodingType": "url"}
    marker: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    while True:
        page = parse_uploads(fetch(store.call, "list_multipart_uploads", path, **fixed, **marker))
        fresh = [each for each in page.uploads if (each.key, each.upload_id) not in seen]
        seen.update((each.key, each.upload_id) for each in fresh)
        if not all(each.key.startswith(prefix) for each in fresh):
            raise not_s3("its listing holds keys of another prefix than was asked for")
        yield from fresh
        if page.marker is None:
            return
        if not fresh:
            raise not_s3("its listing begins anew instead of going on")
        marker = page.marker


def _measure(store: Store, upload: Upload, page_keys: int) -> Entry | None:
    """The entry of a multipart upload, or None if it is no longer there."""
    path = store.keys.path(upload.key)
    arguments: dict[str, object] = {
        "Key": upload.key,
        "UploadId": upload.upload_id,
        "MaxParts": page_keys,
    }
    sizes: dict[int, int] = {}
    newest, last = upload.initiated, 0
    while True:
        try:
            page = parse_parts(fetch(store.call, "list_parts", path, **arguments))
        except (NoSuchUploadError, PathNotFoundError):
            return None
        for number, size in page.sizes.items():
            sizes[number] = max(size, sizes.get(number, 0))
        newest = max(newest, page.modified)
        if page.marker is None:
            kind = Kind.OTHER if is_odd(path) else Kind.FILE
            return Entry(path, kind, sum(sizes.values()), newest)
        if page.marker <= last:
            raise not_s3("its listing begins anew instead of going on")
        last = arguments["PartNumberMarker"] = page.marker
