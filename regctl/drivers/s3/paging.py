"""One listing of objects, page after page, and the entries that its keys are."""

from __future__ import annotations

from collections.abc import Iterable

from regctl.drivers.base import Entry, Kind
from regctl.drivers.checked import MAX_COMPONENT
from regctl.drivers.objects.keys import is_odd
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.errors import not_s3
from regctl.drivers.s3.pages import PAGE_KEYS, Item, ObjectPage, fetch, parse_objects

SLASH = "/"


class Listing:
    """The listing of the keys that begin with ``prefix``, for the directory ``path``.

    With ``names`` everything below a name comes as that name, once or more often; without ``stat``
    no times are read. One thread at a
    time uses it. A page that comes again is an error, since such a listing never ends; so is a key
    that does not begin with the prefix.
    """

    def __init__(
        self,
        store: Store,
        path: str,
        prefix: str,
        *,
        names: bool = False,
        stat: bool = True,
        page_keys: int = PAGE_KEYS,
    ) -> None:
        self._store = store
        self._stat = stat
        self._path = path
        self.prefix = prefix
        self._fixed: dict[str, object] = {
            "Prefix": prefix,
            "MaxKeys": page_keys,
            "EncodingType": "url",
        }
        if names:
            self._fixed["Delimiter"] = SLASH
        self._token: str | None = None
        self._seen: set[tuple[str, ...]] = set()
        self.is_complete = False

    def next_page(self) -> ObjectPage:
        """The next page, by one request. Raises `StorageError`; never after `is_complete`."""
        arguments = dict(self._fixed)
        if self._token is not None:
            arguments["ContinuationToken"] = self._token
        body = fetch(self._store.call, "list_objects_v2", self._path, **arguments)
        page = parse_objects(body, stat=self._stat)
        self._check(page)
        self._token = page.token
        self.is_complete = page.token is None
        return page

    def _check(self, page: ObjectPage) -> None:
        keys = [item.key for item in page.items]
        for key in (*keys, *page.prefixes):
            if not key.startswith(self.prefix):
                raise not_s3("its listing holds keys of another prefix than was asked for")
        if page.token is None:
            return
        # A page of nothing is told from others by where it leads. A name may come again at the
        # beginning of the next page.
        mark = (*keys[:1], *keys[-1:], *page.prefixes[:1], *page.prefixes[-1:]) or (
            f"\0{page.token}",
        )
        if mark in self._seen:
            raise not_s3("its listing begins anew instead of going on")
        self._seen.add(mark)


def entries_of(store: Store, items: Iterable[Item], *, stat: bool) -> list[Entry]:
    """The entries of objects.

    The marks of directories that other tools leave are left out; a key that is no path of a driver
    is shown as it is, as `Kind.OTHER`.
    """
    entries = []
    for key, size, modified in items:
        path = store.keys.path_or_none(key, size)
        if path is None:
            continue
        if not _is_plain(path) and is_odd(path):
            entries.append(Entry(path, Kind.OTHER))
        elif stat:
            entries.append(Entry(path, Kind.FILE, size, modified))
        else:
            entries.append(Entry(path, Kind.FILE))
    return entries


def _is_plain(path: str) -> bool:
    """Whether ``path`` is certainly not odd: most are, and the full check takes longer."""
    return (
        path.isascii()
        and len(path) <= MAX_COMPONENT
        and path[-1] != SLASH
        and "//" not in path
        and "/." not in path
        and "\0" not in path
    )


def directory_of(store: Store, prefix: str) -> Entry:
    """The entry of what a listing of names shows as ``prefix``, which ends with ``/``."""
    path = store.keys.path(prefix.removesuffix(SLASH))
    return Entry(path, Kind.OTHER if is_odd(path) else Kind.DIRECTORY)
