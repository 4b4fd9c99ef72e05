"""A store of cells in memory, with a clock and processes of its own, for tests of leases."""

from __future__ import annotations

import itertools
import json
import threading

from regctl.drivers.objects.identity import Identity
from regctl.drivers.objects.leases import Leases, LostRaceError, lease_path
from regctl.drivers.objects.renewal import Renewal

#: For tests in which no time passes by itself.
NEVER = 1e9
_pids = itertools.count(1_000_000)


def process_on(host: str) -> Identity:
    """A new process on ``host``."""
    return Identity(host, "boot", "namespace", next(_pids), 1)


class MemoryStore:
    """Cells by path. ``time`` is the store's clock, ``dead`` are the processes that are gone,
    ``log`` has the operations so far."""

    def __init__(self) -> None:
        self.cells: dict[str, tuple[bytes, str]] = {}
        self.log: list[str] = []
        self.time = 1_000_000.0
        self.dead: set[Identity] = set()
        #: By token the last time of the store that was written into a lease.
        self.stamps: dict[str, float] = {}
        self._lock = threading.Lock()
        self._versions = itertools.count(1)

    def cell(self, path: str) -> MemoryCell:
        """The cell at ``path``."""
        return MemoryCell(self, path)

    def leases(self, process: Identity, renewal: Renewal | None = None) -> Leases:
        """The leases of ``process``."""
        return Leases(
            self.cell,
            now=lambda: self.time,
            elapsed=lambda: self.time,
            identity=lambda: process,
            gone=lambda other: process.sees(other) and other in self.dead,
            renewal=renewal or Renewal(NEVER),
        )

    def holder(self, path: str) -> str | None:
        """The token of whoever has the lease for ``path``."""
        found = self.cells.get(lease_path(path))
        return None if found is None else str(json.loads(found[0])["token"])

    def renewed(self, path: str) -> float:
        """When the lease for ``path`` was renewed."""
        return self.stamps[self.holder(path) or ""]

    def read(self, path: str) -> tuple[bytes, str] | None:
        """As a cell does."""
        with self._lock:
            self.log.append("read")
            return self.cells.get(path)

    def write(self, path: str, content: bytes, version: str | None) -> str:
        """As a cell does."""
        with self._lock:
            self.log.append("write")
            found = self.cells.get(path)
            if (found[1] if found else None) != version:
                raise LostRaceError(f"something else is at {path}")
            new = f"v{next(self._versions)}"
            self.cells[path] = (content, new)
            members = json.loads(content)
            self.stamps[members["token"]] = members["renewed"]
            return new

    def remove(self, path: str, version: str | None) -> None:
        """As a cell does; on no condition if there is no ``version``."""
        with self._lock:
            self.log.append("remove")
            found = self.cells.get(path)
            if found is not None and version is not None and found[1] != version:
                raise LostRaceError(f"something else is at {path}")
            self.cells.pop(path, None)


class MemoryCell:
    """A cell that behaves as a store's should."""

    def __init__(self, store: MemoryStore, path: str) -> None:
        self._store = store
        self._path = path

    def read(self) -> tuple[bytes, str] | None:
        return self._store.read(self._path)

    def write(self, content: bytes, version: str | None, /) -> str:
        return self._store.write(self._path, content, version)

    def remove(self, version: str, /) -> None:
        self._store.remove(self._path, version)
