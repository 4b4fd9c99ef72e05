"""Measuring: what takes turns in rounds, its medians, and their ratios against limits."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command: seconds by the wall clock, bytes of memory at its peak, stderr."""

    seconds: float
    peak: int
    stderr: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: ``value`` must be at most ``limit``, or below it if ``strict``.

    Infinity is no limit: the line only tells.
    """

    what: str
    measured: str
    against: str
    value: float
    limit: float
    unit: str = "x"
    strict: bool = False

    @property
    def passes(self) -> bool:
        return self.value < self.limit if self.strict else self.value <= self.limit

    def cells(self) -> tuple[str, ...]:
        """The line's columns as text."""
        sign = "<" if self.strict else "<="
        return (
            self.what,
            self.measured,
            self.against,
            f"{self.value:.2f}x" if self.unit == "x" else f"{self.value:.0f}{self.unit}",
            f"{sign} {self.limit:g}{self.unit}" if self.limit < math.inf else "",
            "PASS" if self.passes else "FAIL",
        )


@dataclass(slots=True)
class Samples:
    """The seconds of every contestant, round by round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def compare(
        self, what: str, name: str, base: str, limit: float, *, strict: bool = False
    ) -> Line:
        """The line that holds the median of ``name`` against that of ``base``."""
        mine, other = self.median(name), self.median(base)
        return Line(
            what, duration(mine), f"{base}: {duration(other)}", mine / other, limit, strict=strict
        )


def take_turns(
    contestants: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: int = 1
) -> Samples:
    """Run each contestant ``rounds`` times, all of them in every round, each time in another order.

    A contestant returns its own seconds, so that what it prepares is not counted. The first
    ``warm_up`` rounds are run and not counted. Nothing is left out; all seconds go to stderr.
    """
    samples = Samples({name: [] for name in contestants})
    names = list(contestants)
    for number in range(warm_up + rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            seconds = contestants[name]()
            if number >= warm_up:
                samples.seconds[name].append(seconds)
    for name, every in samples.seconds.items():
        note(f"  {name}: {spread(every)}: {' '.join(f'{each:.3f}' for each in every)}")
    return samples


def run(command: Sequence[str], environment: Mapping[str, str], stdout: Path | None = None) -> Run:
    """Run ``command`` to its end; `RuntimeError` with its stderr if it fails.

    The peak is that of the command, or of this process where that is larger: the system counts
    what a process was before it became another program.
    """
    with open(stdout or os.devnull, "wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        with process.stderr:
            said = process.stderr.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} exits {process.returncode}:\n{said}")
    return Run(seconds, usage.ru_maxrss * 1024, said)


def settle(directory: Path, size: int) -> None:
    """Give whoever comes next the same start: nothing left to be written back, memory at hand.

    A virtual machine gives free memory back to its host, and getting it again takes longer than
    all that is measured here. So twice ``size`` bytes are written to a file in ``directory``, and
    forgotten before any of them reaches the disk.
    """
    os.sync()
    block = bytes(1 << 20)
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file:
        ballast.unlink()
        for _ in range(2 * size // len(block)):
            file.write(block)


def note(text: str) -> None:
    """Say how it goes, on stderr."""
    print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def spread(seconds: Sequence[float]) -> str:
    """Least, median and most of many."""
    return (
        f"{len(seconds)} runs, {duration(min(seconds))} to {duration(max(seconds))}, "
        f"median {duration(statistics.median(seconds))}"
    )


def table(lines: Sequence[Line]) -> str:
    """The lines as a Markdown table."""
    head = ("benchmark", "regctl", "against", "value", "limit", "")
    rows = [head, *(line.cells() for line in lines)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    rows.insert(1, tuple("-" * max(width, 3) for width in widths))
    texts = (
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(f"| {text} |" for text in texts)
