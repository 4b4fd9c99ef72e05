"""One listing of a bucket, page after page."""

from __future__ import annotations

from dataclasses import dataclass

from regctl.drivers.gcs.client import Store
from regctl.drivers.gcs.errors import not_gcs
from regctl.drivers.gcs.resource import Resource, parse

#: The most that a page may have.
PAGE_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """The objects of one page, and what the names that are shown alone begin with."""

    items: list[Resource]
    prefixes: list[str]


class Listing:
    """The listing of everything below the directory ``path``.

    With ``names`` everything below a name comes as that name; without ``stat`` no times are asked
    for; with ``records`` metadata are. One thread at a time uses it. A page that comes again is an
    error, since such a listing never ends.
    """

    def __init__(
        self,
        store: Store,
        path: str,
        *,
        names: bool = False,
        stat: bool = True,
        records: bool = False,
        page_keys: int = PAGE_KEYS,
    ) -> None:
        self._store = store
        self._path = path
        self.prefix = store.keys.directory(path)
        fields = "name,size,contentType"
        if stat:
            fields += ",updated"
        if records:
            fields += ",metadata"
        self._query: dict[str, str | int] = {
            "maxResults": page_keys,
            "fields": f"nextPageToken,prefixes,items({fields})",
        }
        if self.prefix:
            self._query["prefix"] = self.prefix
        if names:
            self._query["delimiter"] = "/"
        self.is_complete = False

    def next_page(self) -> Page:
        """The next page, by one request. Raises `StorageError`; never after `is_complete`."""
        answer = self._store.list_page(self._path, self._store.bucket_url(self._query))
        items, prefixes = answer.get("items") or [], answer.get("prefixes") or []
        if not isinstance(items, list) or not isinstance(prefixes, list):
            raise not_gcs("its listing has another form")
        page = Page([parse(item) for item in items], [str(prefix) for prefix in prefixes])
        names = (*(item.name for item in page.items), *page.prefixes)
        if not all(name.startswith(self.prefix) for name in names):
            raise not_gcs("its listing holds objects that were not asked for")
        token = answer.get("nextPageToken")
        if not token:
            self.is_complete = True
        elif token == self._query.get("pageToken"):
            raise not_gcs("its listing begins anew instead of going on")
        else:
            self._query["pageToken"] = str(token)
        return page
