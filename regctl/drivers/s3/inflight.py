"""Many requests at once, whose results make further requests, with a bound on what is held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Self

from regctl.drivers.base import Entry


@dataclass(slots=True)
class Step:
    """What one piece of work found, and the work that follows from it."""

    entries: list[Entry] = field(default_factory=list)
    more: list[Callable[[], Step]] = field(default_factory=list)


class InFlight:
    """Work that runs in the threads of ``pool``, at most ``most`` pieces at once, begun or done
    and not yet taken: so much is held in memory. What was added last begins first, which goes deep
    before it goes wide. Use it from one thread, in a ``with`` block.
    """

    def __init__(self, pool: Executor, most: int) -> None:
        self._pool = pool
        self._most = most
        self._waiting: list[Callable[[], Step]] = []
        self._running: set[Future[Step]] = set()

    def add(self, work: Callable[[], Step]) -> None:
        """Have ``work`` done, at once if there is room."""
        self._waiting.append(work)
        self._begin()

    def found(self) -> Iterator[list[Entry]]:
        """The entries of each piece of work as it is done, until nothing is left to do.

        What follows has begun before the entries come: the server works while the caller does.
        The first error is raised at once, and no more comes.
        """
        while self._running:
            done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
            steps = [each.result() for each in done]
            for step in steps:
                self._waiting.extend(reversed(step.more))
            self._begin()
            for step in steps:
                yield step.entries

    def _begin(self) -> None:
        while self._waiting and len(self._running) < self._most:
            self._running.add(self._pool.submit(self._waiting.pop()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Drop what has not begun; what is with the server ends by itself, and is not awaited."""
        self._waiting.clear()
        for each in self._running:
            each.cancel()
