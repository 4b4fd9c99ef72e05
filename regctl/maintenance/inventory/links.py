"""Reading links in a scan: many at once, torn ones again, and what is gone looked for again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import Enum
from itertools import islice

from regctl.digest import Digest
from regctl.drivers.base import Kind, StorageDriver
from regctl.errors import DamagedError, PathNotFoundError, RegctlError, UnavailableError
from regctl.layout.bulk import packed_link
from regctl.maintenance.inventory.table import DigestTable

#: No digest is longer.
_MAX_LINK_BYTES = 160
#: How many links are read before those of them that are torn are read again.
_BATCH = 4096
#: How often, and after how many seconds each time, a link that is no digest is read again: a
#: registry of 2.x truncates it before it writes.
ATTEMPTS = 5
PAUSE = 0.05
#: How often a link is read again that is not there and yet listed.
_LOOKS = 3


class Fault(Enum):
    """Why a link does not say what it names, also after it was read again."""

    ABSENT = "absent"
    EMPTY = "empty"
    MALFORMED = "malformed"


#: The number of the digest that a link says.
Said = int | Fault


class LinkReader:
    """Reads links of a storage as numbers of ``table``. ``sleep`` waits for seconds."""

    def __init__(
        self, driver: StorageDriver, table: DigestTable, sleep: Callable[[float], None]
    ) -> None:
        self._driver = driver
        self._table = table
        self._sleep = sleep

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, Said]]:
        """What the links at ``paths`` say, in their order; `Fault.ABSENT` where neither the link
        is there nor its directory has it.

        Raises `StorageError` for what cannot be read, and for what is listed but not to be had.
        """
        source = iter(paths)
        while batch := list(islice(source, _BATCH)):
            found: dict[str, Said] = dict(self._read_once(batch))
            for _ in range(ATTEMPTS):
                torn = [path for path, said in found.items() if said in _TORN]
                if not torn:
                    break
                self._sleep(PAUSE)
                found.update(self._read_once(torn))
            yield from found.items()

    def _read_once(self, paths: Iterable[str]) -> Iterator[tuple[str, Said]]:
        for path, got in self._driver.get_many(paths, _MAX_LINK_BYTES):
            if isinstance(got, bytes):
                yield path, self._said(got)
            elif isinstance(got, PathNotFoundError):
                yield path, self._look_again(path)
            elif isinstance(got, DamagedError) and self._is_too_large(path):
                yield path, Fault.MALFORMED
            else:
                raise got

    def _said(self, content: bytes) -> Said:
        packed = packed_link(content)
        if packed is not None:
            return self._table.number_of_packed(packed)
        with suppress(UnicodeDecodeError, RegctlError):
            return self._table.number(Digest.parse(content.decode("ascii")))
        return Fault.MALFORMED if content else Fault.EMPTY

    def _look_again(self, path: str) -> Said:
        """What a link says that was not found; `Fault.ABSENT` once its directory has none."""
        for _ in range(_LOOKS):
            if not self._is_listed(path):
                return Fault.ABSENT
            try:
                return self._said(self._driver.get(path, _MAX_LINK_BYTES))
            except PathNotFoundError:
                continue
        raise UnavailableError(f"{path} is listed, and yet nothing is found when it is read")

    def _is_listed(self, path: str) -> bool:
        above = path.rpartition("/")[0]
        try:
            entries = self._driver.list(above)
        except PathNotFoundError:
            return False
        return any(each.path == path and each.kind is Kind.FILE for each in entries)

    def _is_too_large(self, path: str) -> bool:
        return self._driver.stat(path, files_only=True).size > _MAX_LINK_BYTES


_TORN = (Fault.EMPTY, Fault.MALFORMED)
