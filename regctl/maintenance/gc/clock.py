"""What time it is to the storage: every age that a collection goes by is told by this clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from regctl.drivers.base import StorageDriver
from regctl.errors import DeniedError, UnsafeError

#: Seconds by which two clocks may differ before it is said, and before nothing is done.
REPORTED_SKEW = 300.0
REFUSED_SKEW = 3600.0


class ClockSkewError(UnsafeError):
    """The clocks of the storage and of this machine are too far apart to go by either."""

    code = "clock-skew"


@dataclass(frozen=True, slots=True)
class StorageClock:
    """The storage's time ``read_at``, in seconds since the epoch, and how it goes on from there.

    ``skew`` is how many seconds the storage is ahead of this machine (negative: behind). Where
    ``is_local``, the storage could not be asked, and this machine's clock stands for its own.
    """

    read_at: float
    skew: float
    is_local: bool
    _elapsed: Callable[[], float]
    _began: float

    @property
    def is_skewed(self) -> bool:
        """Whether a person should be told of the skew."""
        return abs(self.skew) > REPORTED_SKEW

    def now(self) -> float:
        """The storage's time, without asking it again."""
        return self.read_at + self._elapsed() - self._began


def read_clock(
    driver: StorageDriver,
    *,
    dry_run: bool = False,
    local: Callable[[], float] = time.time,
    elapsed: Callable[[], float] = time.monotonic,
) -> StorageClock:
    """The storage's clock, compared with ``local``, this machine's.

    Asking may take a small file. With ``dry_run`` a storage on which none can be written is no
    error: this machine's clock is used (`StorageClock.is_local`). Raises `ClockSkewError`, and
    whatever keeps the storage from answering.
    """
    before = local()
    try:
        now = driver.now()
    except DeniedError:
        if not dry_run:
            raise
        return StorageClock(before, 0.0, True, elapsed, elapsed())
    began, after = elapsed(), local()
    # Anything between the two may have been the time here when the storage looked.
    skew = now - after if now > after else min(0.0, now - before)
    if abs(skew) > REFUSED_SKEW:
        ahead = "ahead of" if skew > 0 else "behind"
        raise ClockSkewError(
            f"the storage's clock is {abs(skew) / 60:.0f} minutes {ahead} this machine's",
            hint="set the clock that is wrong; ages cannot be told before",
        )
    return StorageClock(now, skew, False, elapsed, began)
