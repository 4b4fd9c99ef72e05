"""Progress of long work: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from regctl.terminal.formatting import age, size
from regctl.terminal.output import Output

Advance = Callable[[int], None]
Clock = Callable[[], float]

#: Seconds before the first plain line, and between those after it.
FIRST_LINE = 10.0
NEXT_LINE = 30.0


def progress(
    output: Output,
    label: str,
    total: int | None,
    *,
    unit: str = "",
    done: int = 0,
    clock: Clock = time.monotonic,
) -> AbstractContextManager[Advance]:
    """A context that shows the progress of ``label`` and yields the function that advances it.

    The function takes the bytes done since its last call, or the count of ``unit`` ("manifests")
    where that is given; it is cheap, and may be called from several threads. ``done`` of
    ``total`` (None: unknown) was done before. Nothing is shown when quiet, in JSON mode or with
    progress off; inside another bar, plain lines are.
    """
    if not output.shows_progress:
        return nullcontext(_ignore)
    if output.stderr_is_terminal and not output.is_hosting:
        # rich takes as long to import as all the rest: only where a bar is really shown.
        from regctl.terminal.bar import bar  # noqa: PLC0415

        shown = bar(output, label, total, unit=unit, done=done)
        if shown is not None:
            return shown
    return _lines(output, Meter(label, total, unit, done, clock))


def amount(count: int, unit: str) -> str:
    """``count`` with its unit: bytes as a size if ``unit`` is empty."""
    return f"{count} {unit}" if unit else size(count)


class Meter:
    """Counts what is done, and says when a plain line is due and what it reads."""

    def __init__(self, label: str, total: int | None, unit: str, done: int, clock: Clock) -> None:
        self._label = label
        self._total = total
        self._unit = unit
        self._done = self._before = done
        self._clock = clock
        self._started = clock()
        self._due = self._started + FIRST_LINE
        self._lock = threading.Lock()
        self.has_spoken = False

    def add(self, count: int) -> str | None:
        """Count ``count`` more; the line to show, if one is due."""
        with self._lock:
            self._done += count
            now = self._clock()
            if now < self._due:
                return None
            self._due = now + NEXT_LINE
            self.has_spoken = True
            return self._status(now - self._started)

    def last(self) -> str:
        """The line that closes the work."""
        elapsed = self._clock() - self._started
        return f"{self._label}: {amount(self._done, self._unit)} in {age(elapsed)}"

    def _status(self, elapsed: float) -> str:
        text = f"{self._label}: {amount(self._done, self._unit)}"
        if self._total:
            text += f" of {amount(self._total, self._unit)} ({100 * self._done // self._total}%)"
        rate = (self._done - self._before) / elapsed
        if rate > 0:
            text += f", {amount(round(rate), self._unit)}/s"
            if self._total and self._total > self._done:
                text += f", {age((self._total - self._done) / rate)} left"
        return text


@contextmanager
def _lines(output: Output, meter: Meter) -> Iterator[Advance]:
    """Progress as plain lines, none for work that is over soon."""

    def advance(count: int) -> None:
        line = meter.add(count)
        if line is not None:
            output.message(line)

    yield advance
    if meter.has_spoken:
        output.message(meter.last())


def _ignore(_count: int) -> None:
    """Advance nothing."""
