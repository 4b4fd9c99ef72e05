"""The one thread of a process that keeps its leases from going stale."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Protocol

from regctl.errors import RegctlError


class Renewable(Protocol):
    """What is renewed now and then."""

    def renew(self) -> None:
        """Do it. May raise a `RegctlError`: it is tried again after the usual time."""


class Renewal:
    """Renews what was added every ``seconds``, in a thread that lives while there is anything."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._changed = threading.Condition()
        #: When each is due, by the monotonic clock.
        self._due: dict[Renewable, float] = {}
        self._thread: threading.Thread | None = None

    def add(self, item: Renewable) -> None:
        """Renew ``item``, for the first time after the usual time."""
        with self._changed:
            self._due[item] = time.monotonic() + self._seconds
            if self._thread is None:
                # A daemon: a lease must not keep a process alive that has come to its end.
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()

    def remove(self, item: Renewable) -> None:
        """Renew ``item`` no more, except that it may be just now. Idempotent."""
        with self._changed:
            self._due.pop(item, None)
            self._changed.notify()

    def _run(self) -> None:
        while (item := self._next()) is not None:
            with suppress(RegctlError):
                item.renew()

    def _next(self) -> Renewable | None:
        """The next that is due, waited for; None, and the thread is to end, when none is left."""
        with self._changed:
            while self._due:
                item = min(self._due, key=self._due.__getitem__)
                now = time.monotonic()
                if self._due[item] <= now:
                    self._due[item] = now + self._seconds
                    return item
                self._changed.wait(self._due[item] - now)
            self._thread = None
            return None
