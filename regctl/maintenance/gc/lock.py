"""The lock of whoever collects garbage: a lease on one file of the storage, whatever its kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from regctl.drivers.base import StorageDriver
from regctl.drivers.cells import LostRaceError
from regctl.drivers.objects.holders import Holder, decode
from regctl.drivers.objects.leases import Lease, LeaseLostError, Leases
from regctl.drivers.objects.renewal import Renewal
from regctl.errors import DamagedError, UnsafeError, UploadInUseError
from regctl.layout.own import GC_LOCK
from regctl.maintenance.gc.runs import RunId
from regctl.registry.gotime import format_rfc3339
from regctl.registry.locking import LockHeldError

#: The lock is renewed this often, in seconds; not renewed for so long, it is anybody's.
RENEW_SECONDS = 60.0
STALE_SECONDS = 600.0
_PAUSE = 1.0

_RENEWAL = Renewal(RENEW_SECONDS)


class LockLostError(UnsafeError):
    """The lock was taken over or removed while its holder believed to have it."""

    code = "lock-lost"


class UnlockableError(UnsafeError):
    """The storage cannot keep two runs apart."""

    code = "no-lock"


class Lock:
    """The lock in hand; `check` it before each batch of what cannot be undone."""

    def __init__(self, lease: Lease | None) -> None:
        self._lease = lease

    @property
    def is_real(self) -> bool:
        """Whether other processes are kept off."""
        return self._lease is not None and self._lease.spans_processes

    def check(self) -> None:
        """Return if the lock is ours, read from the storage, and stays so for the next minutes.

        Raises `LockLostError`; other `StorageError` where that cannot be told.
        """
        if self._lease is None:
            return
        try:
            self._lease.check()
        except LeaseLostError as error:
            raise LockLostError(
                "another run of regctl took over the lock, or it was removed",
                hint="nothing more was done; run the command again when the other is done",
            ) from error


@contextmanager
def gc_lock(
    driver: StorageDriver,
    purpose: str,
    run: RunId | None = None,
    *,
    retry_seconds: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
    elapsed: Callable[[], float] = time.monotonic,
    required: bool = True,
) -> Iterator[Lock]:
    """Within it no other run of regctl that takes this lock is at work on the storage.

    ``purpose`` is told to the one who comes second, who tries for ``retry_seconds``. A lock whose
    process is gone, or that was not renewed for `STALE_SECONDS`, is taken over. Raises
    `LockHeldError`, which names the holder; `UnlockableError` where the server ignores conditional
    writes, unless not ``required``; `DamagedError` if something else stands in its place.
    """
    lease = _acquire(driver, purpose, run, retry_seconds, sleep, elapsed)
    try:
        if required and not lease.spans_processes:
            raise UnlockableError(
                "this server ignores the conditions of conditional writes, so that no lock keeps "
                "other runs of regctl off",
                hint="see to it that none runs, and give --no-lock",
            )
        yield Lock(lease)
    finally:
        lease.release()


def no_lock() -> Lock:
    """What stands for the lock where the operator says that nobody else is at work."""
    return Lock(None)


def _acquire(
    driver: StorageDriver,
    purpose: str,
    run: RunId | None,
    retry_seconds: float,
    sleep: Callable[[float], None],
    elapsed: Callable[[], float],
) -> Lease:
    leases, end = _leases(driver), elapsed() + retry_seconds
    while True:
        try:
            return leases.acquire(GC_LOCK, purpose, "" if run is None else str(run))
        except UploadInUseError as error:
            if elapsed() >= end:
                raise _held(driver) from error
        sleep(min(_PAUSE, max(0.0, end - elapsed())))


def _held(driver: StorageDriver) -> LockHeldError:
    found = read_lock(driver)
    if found is None:
        return LockHeldError(
            "another run of regctl had the lock until just now", hint="run the command again"
        )
    return LockHeldError(
        f"the storage is locked by {found.describe()}",
        hint="wait until it is done, or give --retry-lock; if it has died, 'regctl unlock' "
        "removes what it left",
    )


def _leases(driver: StorageDriver) -> Leases:
    return Leases(
        driver.cell,
        now=driver.now,
        renewal=_RENEWAL,
        where=lambda path: path,
        renew_seconds=RENEW_SECONDS,
        stale_seconds=STALE_SECONDS,
    )


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock as it is found: who holds it, and whether he is known to be gone. ``version`` tells
    it from every other state of it. Without ``holder`` it is no lock, but stands in its place."""

    holder: Holder | None
    is_stale: bool
    version: str

    def describe(self) -> str:
        """Host, process, purpose and time, for people."""
        if self.holder is None:
            return "something that is no lock"
        identity, run = self.holder.identity, self.holder.run
        named = f" (run {run})" if run else ""
        return (
            f"{self.holder.purpose or 'a run'}{named}, process {identity.pid} on {identity.host}, "
            f"since {format_rfc3339(self.holder.since)}, renewed "
            f"{format_rfc3339(self.holder.renewed)}"
        )


def read_lock(driver: StorageDriver) -> HeldLock | None:
    """Who has the lock; None if nobody."""
    found = driver.cell(GC_LOCK).read()
    if found is None:
        return None
    content, version = found
    try:
        holder = decode(content, GC_LOCK)
    except DamagedError:
        return HeldLock(None, False, version)
    return HeldLock(holder, _leases(driver).is_stale(holder, driver.now()), version)


def remove_lock(driver: StorageDriver, found: HeldLock, *, force: bool = False) -> None:
    """Remove the lock as it was ``found``; one that is not stale only with ``force``.

    Raises `LockHeldError` if it is alive, or was renewed or taken since.
    """
    if not found.is_stale and not force:
        raise LockHeldError(
            f"the storage is locked by {found.describe()}",
            hint="it is alive as far as can be told; --force removes it all the same, and the run "
            "that holds it stops before its next step",
        )
    try:
        driver.cell(GC_LOCK).remove(found.version)
    except LostRaceError as error:
        raise LockHeldError(
            "the lock was renewed, or taken by another run, meanwhile",
            hint="look again before removing it",
        ) from error
