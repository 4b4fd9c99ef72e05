"""What is the same in all storages with directories, and what in all object stores."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping

from regctl.drivers.base import Entry, Probed, StorageDriver
from regctl.drivers.bulk import probe_one_by_one
from regctl.drivers.cells import Cell, GuardedCell


class DirectoryShape:
    """The part of a driver that follows from having directories, and the files of writers in them
    as files like others."""

    @property
    def has_directories(self) -> bool:
        return True

    @property
    def hides_unfinished(self) -> bool:
        return False

    @property
    def seals(self) -> bool:
        return False

    def requests(self) -> Mapping[str, int]:
        return {}

    def unfinished(self, path: str) -> Iterator[Entry]:  # noqa: ARG002 - a writer's file is a file
        return iter(())

    def discard_unfinished(self, path: str, before: float) -> builtins.list[Entry]:  # noqa: ARG002
        return []

    def cell(self: StorageDriver, path: str) -> Cell:
        return GuardedCell(self, path)


class ObjectShape:
    """The part of a driver that follows from having none."""

    @property
    def has_directories(self) -> bool:
        return False

    @property
    def hides_unfinished(self) -> bool:
        return True

    def probe(
        self: StorageDriver, path: str, name: str = "", *, others: bool = False
    ) -> Iterator[Probed]:
        return probe_one_by_one(self, path, name, others=others)

    def mkdir(self, path: str) -> None:
        """Nothing: there are no directories."""

    def rmdir(self, path: str) -> None:
        """Nothing: there are no directories."""
