"""Everything below a directory, in bulk: a long listing is cut into shards read at once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from regctl.drivers.base import Entry
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.inflight import InFlight, Step
from regctl.drivers.s3.pages import Item, ObjectPage
from regctl.drivers.s3.paging import SLASH, Listing, entries_of
from regctl.drivers.s3.shards import LEAST_PAGES, LOOK_PAGES, Sample, Shard, cut, deepest
from regctl.errors import PathNotFoundError


def walk_flat(store: Store, path: str, *, stat: bool, page_keys: int) -> Iterator[Entry]:
    """The files below ``path``; see `regctl.drivers.s3.listing.walk`."""
    prefix = store.keys.directory(path)
    walk = _Walk(store, path, stat, page_keys)
    listing = walk.listing(prefix)
    page = listing.next_page()
    if listing.is_complete:
        entries = entries_of(store, page.items, stat=stat)
        # The mark of the directory itself is no content; a mark below it is a directory in it.
        if path != SLASH and not any(item.key != prefix for item in page.items):
            raise PathNotFoundError(path)
        yield from entries
        return
    try:
        with InFlight(store.pool(), 2 * store.jobs) as work:
            work.add(partial(walk.part, _Begun(prefix, listing, [page])))
            for entries in work.found():
                yield from entries
    finally:
        walk.stopped.set()


@dataclass(frozen=True, slots=True)
class _Begun:
    """A listing whose first ``pages`` are held, and are not the last. ``directory`` is its prefix,
    or what the names that it is to show lie in."""

    directory: str
    listing: Listing
    pages: list[ObjectPage]

    @property
    def keys(self) -> list[str]:
        return [item.key for page in self.pages for item in page.items]

    @property
    def page(self) -> int:
        """How many keys the server puts on a page."""
        return max(len(page.items) for page in self.pages)


@dataclass(frozen=True, slots=True)
class _Walk:
    """The steps of one walk. Each runs in a thread of its own, and shares nothing with others."""

    store: Store
    path: str
    stat: bool
    page_keys: int
    #: Nobody waits for the rest.
    stopped: threading.Event = field(default_factory=threading.Event)

    def listing(self, prefix: str, *, names: bool = False) -> Listing:
        return Listing(
            self.store,
            self.path,
            prefix,
            names=names,
            stat=self.stat,
            page_keys=self.page_keys,
        )

    def part(self, begun: _Begun) -> Step:
        """What is below a whole directory: in shards if that is worth it."""
        keys, page = begun.keys, begun.page
        if len(begun.pages) < LOOK_PAGES and _tells_nothing(keys, begun.directory, page):
            seen = _Begun(begun.directory, begun.listing, [*begun.pages, begun.listing.next_page()])
            if begun.listing.is_complete:
                return self._go_on(seen)
            return Step(more=[partial(self.part, seen)])
        step = self._cut(begun.directory, keys, page)
        return self._go_on(begun) if step is None else step

    def _cut(self, directory: str, hint: Sequence[str], page: int) -> Step | None:
        """The shards of ``directory`` and the files directly in it, or None to list it in one.

        ``hint`` are those keys of the first page of a listing, of ``page`` keys, that lie in it:
        they only help to guess, and will be listed again.
        """
        sample = Sample.of(hint, directory, page)
        if not sample.may_be_cut or (listed := self._names(directory)) is None:
            return None
        names, items = listed
        pages = sample.pages(len(names))
        if pages is not None and pages < LEAST_PAGES:
            return None
        shards = cut(directory, names, sample)
        step = Step(entries_of(self.store, items, stat=self.stat))
        if len(shards) == 1:
            if len(names) > 1:
                return None
            # All is in one directory: the same page tells of what is below that.
            below = self._within(shards[0], hint, page)
            step.entries += below.entries
            step.more += below.more
            return step
        for shard in shards:
            is_hinted = len(shard.names) == 1 and hint and hint[-1].startswith(shard.prefix)
            own = [key for key in hint if key.startswith(shard.prefix)] if is_hinted else []
            if 2 * len(own) > page:
                step.more.append(partial(self._within, shard, own, page))
            else:
                step.more.append(partial(self._shard, directory, shard))
        return step

    def _within(self, shard: Shard, hint: Sequence[str], page: int) -> Step:
        """What is below the one name of ``shard``, of which ``hint`` was seen."""
        step = self._cut(shard.prefix, hint, page)
        return self._whole(shard.prefix) if step is None else step

    def _whole(self, directory: str) -> Step:
        """The first page of a directory that is listed in one."""
        return self._next(directory, self.listing(directory))

    def _shard(self, directory: str, shard: Shard) -> Step:
        """The first page of a shard of ``directory``; if it is far from the last, it is cut."""
        listing = self.listing(shard.prefix)
        begun = _Begun(directory, listing, [listing.next_page()])
        if listing.is_complete:
            return self._go_on(begun)
        if len(shard.names) == 1:
            return self.part(_Begun(shard.prefix, listing, begun.pages))
        sample = Sample.of(begun.keys, directory, begun.page)
        pages = sample.pages(len(shard.names))
        shards = (
            cut(directory, shard.names, sample) if pages is None or pages >= LEAST_PAGES else []
        )
        if len(shards) <= 1:
            return self._go_on(begun)
        return Step(more=[partial(self._shard, directory, each) for each in shards])

    def _go_on(self, begun: _Begun) -> Step:
        """The pages that are held, and the rest one by one."""
        return self._pages(begun.directory, begun.listing, begun.pages)

    def _next(self, directory: str, listing: Listing) -> Step:
        """The next page of a listing, and the rest one by one."""
        return self._pages(directory, listing, [listing.next_page()])

    def _pages(self, directory: str, listing: Listing, pages: Sequence[ObjectPage]) -> Step:
        """Pages of a listing of ``directory`` or of a shard of it, and what follows.

        What lies directly in a directory has come with its names, and not with its shards.
        """
        items: Iterable[Item] = chain.from_iterable(page.items for page in pages)
        if listing.prefix != directory:
            start = len(directory)
            items = (item for item in items if SLASH in item.key[start:])
        entries = entries_of(self.store, items, stat=self.stat)
        if listing.is_complete:
            return Step(entries)
        return Step(entries, [partial(self._next, directory, listing)])

    def _names(self, directory: str) -> tuple[set[str], list[Item]] | None:
        """The names in ``directory``, each with its ``/``, and the objects directly in it.

        None if these are most of it: such a listing is as long as what it is to cut. The same if a
        name is no UTF-8, and so cannot be asked for.
        """
        listing = self.listing(directory, names=True)
        names: set[str] = set()
        items: list[Item] = []
        while not listing.is_complete and not self.stopped.is_set():
            page = listing.next_page()
            names.update(prefix[len(directory) :] for prefix in page.prefixes)
            items += page.items
            if not listing.is_complete and len(items) > len(names):
                return None
        try:
            "".join(names).encode()
        except UnicodeEncodeError:
            return None
        return names, items


def _tells_nothing(keys: Sequence[str], directory: str, page: int) -> bool:
    """Whether ``keys`` all lie in one name of ``directory``, and in a part of it that cannot be
    cut: then it may be long, or end soon and be cut for nothing."""
    sample = Sample.of(keys, directory, page)
    if sample.keys_a_name is not None or not sample.goes_on:
        return False
    return not Sample.of(keys, deepest(keys), page).may_be_cut
