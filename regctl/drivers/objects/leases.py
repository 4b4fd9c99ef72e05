"""Writers of one path kept apart where the store has no locks: leases, by compare-and-swap."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from regctl.drivers.cells import Cell, ConditionalWritesIgnoredError, LostRaceError
from regctl.drivers.objects.holders import Holder, decode
from regctl.drivers.objects.identity import Identity, is_gone, this_process
from regctl.drivers.objects.renewal import Renewal
from regctl.errors import StorageError, UnavailableError, UnsafeError, UploadInUseError

__all__ = [
    "RENEW_SECONDS",
    "STALE_SECONDS",
    "Cell",
    "ConditionalWritesIgnoredError",
    "Lease",
    "LeaseLostError",
    "Leases",
    "LostRaceError",
    "lease_path",
]

#: A lease is renewed this often, in seconds.
RENEW_SECONDS = 20.0
#: A lease that was not renewed for this long, by the store's clock, is anybody's.
STALE_SECONDS = 120.0
#: After a renewal no older than so many times the usual one a lease is safe for some requests.
_FRESH = 1.5
#: How long the store's clock is followed by counting on, before the store is asked again.
_CLOCK_SECONDS = 300.0
#: How often one that comes and goes under our hands is tried for.
_ATTEMPTS = 8

#: Tokens of the leases that this process has, or is about to have, in whatever storage.
_here: set[str] = set()


class LeaseLostError(UploadInUseError):
    """A lease was taken over, or removed, while its holder believed to have it."""

    code = "lease-lost"


def lease_path(path: str) -> str:
    """Where the lease for ``path`` is: beside the registry's tree, where no registry looks."""
    return f"/regctl/locks/{hashlib.sha256(path.encode('utf-8', 'surrogatepass')).hexdigest()}"


class Leases:
    """The leases of one storage. Safe to use from several threads.

    ``cells`` gives the cell at a `lease_path`. ``now`` is the store's clock in seconds since the
    epoch, to a second or so; ``elapsed`` counts seconds on, also while the machine sleeps.
    ``identity`` and ``gone`` tell whose leases these are and whether another holder runs no more.

    ``where`` says in which cell the lease for a path is. With another ``renew_seconds``,
    ``renewal`` has to be one that renews as often. A lease not renewed for ``stale_seconds`` is
    anybody's.
    """

    def __init__(
        self,
        cells: Callable[[str], Cell],
        *,
        now: Callable[[], float],
        identity: Callable[[], Identity] = this_process,
        gone: Callable[[Identity], bool] = is_gone,
        elapsed: Callable[[], float] | None = None,
        renewal: Renewal | None = None,
        where: Callable[[str], str] = lease_path,
        renew_seconds: float = RENEW_SECONDS,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        self._cells = cells
        self.where = where
        self.fresh_seconds = _FRESH * renew_seconds
        self._stale_seconds = stale_seconds
        self._now = now
        self.elapsed = elapsed or _since_boot
        #: The store's clock when it was last asked, and `elapsed` then.
        self._asked: tuple[float, float] | None = None
        self._identity = identity
        self._gone = gone
        self._renewal = renewal or _RENEWAL
        self._lock = threading.Lock()
        self._paths: set[str] = set()

    def acquire(self, path: str, purpose: str = "", run: str = "") -> Lease:
        """The lease for ``path``, renewed by itself until it is released.

        Raises `UploadInUseError`, which names the holder, if another has it, and changes nothing
        then. A lease whose holder is gone is taken over: at once if he ran on this machine, else
        when it was not renewed for long enough. Raises other `StorageError`; `DamagedError` if
        what is there is no lease. Where the store ignores conditional writes, others in this
        process are kept off and nobody else: `Lease.spans_processes` is False.
        """
        with self._lock:
            if path in self._paths:
                identity = self._identity()
                raise UploadInUseError(
                    f"another writer has {path} open: in this very process,"
                    f" {identity.pid} on {identity.host}",
                    hint="wait until it is done, then try again",
                )
            self._paths.add(path)
        token = secrets.token_hex(16)
        _here.add(token)
        try:
            lease = self._take(path, token, purpose, run)
        except BaseException:
            self._forget(path, token)
            raise
        if lease.spans_processes:
            self._renewal.add(lease)
        return lease

    def now(self) -> float:
        """The store's clock, to a second or so; the store is asked for it now and then."""
        asked = self._asked
        if asked is None or not 0 <= self.elapsed() - asked[1] < _CLOCK_SECONDS:
            now = self._now()
            self._asked = asked = now, self.elapsed()
        return asked[0] + self.elapsed() - asked[1]

    def _take(self, path: str, token: str, purpose: str, run: str) -> Lease:
        where = self.where(path)
        cell = self._cells(where)
        version: str | None = None
        for _ in range(_ATTEMPTS):
            begun, now = self.elapsed(), self.now()
            mine = Holder(token, self._identity(), path, purpose, now, now, run)
            failure: UnavailableError | None = None
            try:
                cell.write(mine.encode(), version)
            except ConditionalWritesIgnoredError:
                _withdraw(cell, mine, where)
                return Lease(self, mine, None, "", begun)
            except LostRaceError:
                pass
            except UnavailableError as error:
                # The answer is lost; the write, perhaps, is not.
                failure = error
            # Also after a success: a store that is wrong about its conditions is not believed.
            found = cell.read()
            holder = None if found is None else decode(found[0], where)
            if found is not None and holder is not None and holder.token == token:
                return Lease(self, mine, cell, found[1], begun)
            if failure is not None:
                raise failure
            if holder is not None and not self.is_stale(holder, now):
                raise holder.in_use(self._stale_seconds - (now - holder.renewed))
            version = None if found is None else found[1]
        raise UploadInUseError(
            f"others come and go as writers of {path}", hint="try again in a moment"
        )

    def is_stale(self, holder: Holder, now: float) -> bool:
        """Whether ``holder``, whose lease is there, is known not to have it any more, ``now`` by
        the store's clock."""
        me = self._identity()
        if holder.identity == me and me.sees(me):
            # What was not released, since the store did not answer, is nobody's.
            return holder.token not in _here
        return self._gone(holder.identity) or now - holder.renewed > self._stale_seconds

    def forget(self, lease: Lease) -> None:
        """Let others of this process in again: for `Lease.release`."""
        self._renewal.remove(lease)
        self._forget(lease.path, lease.token)

    def _forget(self, path: str, token: str) -> None:
        _here.discard(token)
        with self._lock:
            self._paths.discard(path)


class Lease:
    """One path that is its holder's alone. Made by `Leases.acquire`."""

    def __init__(
        self, leases: Leases, mine: Holder, cell: Cell | None, version: str, renewed: float
    ) -> None:
        self._leases = leases
        self._mine = mine
        self._cell = cell
        self._version = version
        #: When it was last renewed, or a moment before, in `Leases.elapsed`.
        self._renewed = renewed
        self._lost = False
        self._released = False
        self._lock = threading.Lock()

    @property
    def path(self) -> str:
        """What is leased."""
        return self._mine.path

    @property
    def token(self) -> str:
        """What tells this lease from every other."""
        return self._mine.token

    @property
    def spans_processes(self) -> bool:
        """Whether other processes are kept off too."""
        return self._cell is not None

    @property
    def lost(self) -> bool:
        """Whether it is known, without asking, that another has taken it over."""
        return self._lost

    def check(self) -> None:
        """Return if the lease is ours, and will be for the next minute and a half at least.

        For use right before something that others see. Costs one request. Raises `LeaseLostError`
        if it is another's, `ValueError` after `release`, and other `StorageError`: whether it is
        ours is not known then.
        """
        with self._lock:
            self._require()
            for _ in range(_ATTEMPTS):
                if self._cell is None:
                    return
                if self._is_fresh():
                    self._version = self._look(self._cell)[1]
                else:
                    self._renew(self._cell)
                # Looked at once more: the machine may have slept, or the request waited.
                if self._is_fresh():
                    return
            raise self._too_slow()

    def renew(self) -> None:
        """Say that the holder lives. Raises as `check` does; does nothing after `release`."""
        with self._lock:
            if self._cell is not None and not self._released:
                self._require()
                self._renew(self._cell)

    def release(self) -> None:
        """Let others in. Idempotent; removes nothing that is another's.

        A store that does not answer is no error here: the lease goes stale by itself. That it was
        lost is told by `lost`, and by `check`.
        """
        with self._lock:
            if self._released:
                return
            self._released = True
            try:
                if self._cell is not None and not self._lost:
                    with suppress(StorageError, UnsafeError):
                        self._remove(self._cell)
            finally:
                self._leases.forget(self)

    def _require(self) -> None:
        if self._lost:
            raise self._lost_error()
        if self._released:
            raise ValueError(f"the lease for {self.path} was released")

    def _lost_error(self) -> LeaseLostError:
        return LeaseLostError(
            f"another writer took over {self.path}, or its lease was removed",
            hint="try again when the other is done",
        )

    def _too_slow(self) -> UnavailableError:
        return UnavailableError(f"the storage does not keep the lease for {self.path} in time")

    def _is_fresh(self) -> bool:
        return self._leases.elapsed() - self._renewed < self._leases.fresh_seconds

    def _look(self, cell: Cell) -> tuple[bytes, str]:
        """What is in the cell; `LeaseLostError` if it is not ours."""
        found = cell.read()
        if (
            found is None
            or decode(found[0], self._leases.where(self.path)).token != self._mine.token
        ):
            self._lost = True
            raise self._lost_error()
        return found

    def _renew(self, cell: Cell) -> None:
        """Write it anew if it is still ours; `LeaseLostError` if it is not."""
        for _ in range(_ATTEMPTS):
            begun = self._leases.elapsed()
            content = replace(self._mine, renewed=self._leases.now()).encode()
            failure: UnavailableError | None = None
            try:
                self._version = cell.write(content, self._version)
            except LostRaceError:
                pass
            except UnavailableError as error:
                failure = error
            except ConditionalWritesIgnoredError:
                # Some stores make what is absent on condition, and replace on none.
                _withdraw(cell, self._mine, self._leases.where(self.path))
                self._cell = None
                return
            else:
                self._renewed = begun
                return
            # It may be this write, or one before, whose answer was lost.
            found, self._version = self._look(cell)
            if found == content:
                self._renewed = begun
                return
            if failure is not None:
                raise failure
        raise self._too_slow()

    def _remove(self, cell: Cell) -> None:
        """Remove it. It is renewed before if it could go stale under our hands: so nobody else
        writes to the cell meanwhile, and a store that removes on no condition does no harm."""
        if not self._is_fresh():
            self._renew(cell)
            if self._cell is None:
                return
        try:
            cell.remove(self._version)
        except LostRaceError:
            # It may be removed already, and the answer lost.
            if cell.read() is not None:
                cell.remove(self._look(cell)[1])


def _withdraw(cell: Cell, mine: Holder, where: str) -> None:
    """Remove what is ours from a cell that keeps nobody off; it goes stale if that fails."""
    with suppress(StorageError, LostRaceError):
        found = cell.read()
        if found is not None and decode(found[0], where).token == mine.token:
            cell.remove(found[1])


def _since_boot() -> float:
    """Seconds that count on while the machine sleeps, where the system has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


#: What renews all leases of this process.
_RENEWAL = Renewal(RENEW_SECONDS)
