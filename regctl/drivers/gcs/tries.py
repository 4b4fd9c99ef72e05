"""How often a request is sent again: bounded by number and by time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from regctl.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class Patience:
    """At most ``times`` further tries without progress, none begun after ``seconds`` of them.

    Before each there is a pause of ``first`` seconds, doubled each time up to ``longest``, less up
    to a half of it by chance, so that many clients do not come back at once.
    """

    times: int = 5
    seconds: float = 90.0
    first: float = 0.5
    longest: float = 16.0
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def tries(self) -> Tries:
        """What counts the tries of one request."""
        return Tries(self)


class Tries:
    """The tries of one request."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.progress()

    def progress(self) -> None:
        """Something came of the last try: count from the start again."""
        self._count = 0
        self._deadline = self._patience.clock() + self._patience.seconds

    def again(self, error: UnavailableError) -> None:
        """Wait until the request may be sent again; raise ``error`` if that has been enough."""
        patience = self._patience
        if self._count >= patience.times:
            raise error
        pause = min(patience.first * 2**self._count, patience.longest)
        pause *= 1 - random.random() / 2  # noqa: S311 - nothing secret
        if patience.clock() + pause > self._deadline:
            raise error
        self._count += 1
        patience.sleep(pause)
