"""Storages of each kind for what is done again and again, and jobs killed at every step on them."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable
from pathlib import Path

from regctl.drivers.base import StorageDriver
from regctl.maintenance.gc.runs import RunId
from tests.failing import FailingDriver, Killed
from tests.registry.storages import NOW, filesystem, memory, objects

KINDS = ("memory", "filesystem", "objects")
#: Thousands of fsyncs are not the matter here.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

RUN = RunId.new(NOW)
LATER = RunId.new(NOW + 1)


class Storages:
    """Empty storages of one ``kind``."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self._directory = directory
        self._numbers = itertools.count()

    def new(self) -> StorageDriver:
        """Another one."""
        if self.kind == "filesystem":
            path = self._directory / str(next(self._numbers))
            path.mkdir()
            return filesystem(path)
        return memory() if self.kind == "memory" else objects()


def no_check() -> None:
    """The lock is always ours."""


def kill_at_every_step(
    storages: Storages,
    prepare: Callable[[StorageDriver], None],
    job: Callable[[StorageDriver], object],
    look: Callable[[StorageDriver], None],
    final: Callable[[StorageDriver], object],
    *,
    torn: bool = False,
) -> int:
    """Do ``job`` on a storage each, killed at its first step, its second, and so on; then again.

    ``look`` is asked after each death and each end; ``final`` gives what is to be the same at the
    end as without a death. Returns the steps.
    """
    undisturbed = storages.new()
    prepare(undisturbed)
    job(undisturbed)
    look(undisturbed)
    wanted = final(undisturbed)
    for at in itertools.count(1):
        storage = storages.new()
        prepare(storage)
        with contextlib.suppress(Killed):
            job(FailingDriver(storage, at, torn=torn))
            assert at > 1, "the job was to change something"
            return at - 1
        look(storage)
        job(storage)
        look(storage)
        assert final(storage) == wanted, f"killed at step {at}"
    raise AssertionError
