"""Starting: --version and --help against Python importing click."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.measuring import Line, note, run, take_turns
from benchmarks.program import Program

LIMIT = 1.6
#: Runs of each for one round of the others: they are short, and the medians must be steady.
FACTOR = 10
CLICK = "import click"


def benchmark(program: Program, rounds: int) -> Iterator[Line]:
    """The lines for starting the installed program."""
    note(f"starting: {rounds * FACTOR} rounds")
    commands = {
        CLICK: [str(program.python), "-c", CLICK],
        "--version": [str(program.regctl), "--version"],
        "--help": [str(program.regctl), "--help"],
    }

    def timed(name: str) -> float:
        return run(commands[name], program.environment).seconds

    samples = take_turns(
        {name: partial(timed, name) for name in commands},
        rounds * FACTOR,
        warm_up=3,
    )
    for name in ("--version", "--help"):
        yield samples.compare(f"regctl {name}", name, CLICK, LIMIT)
