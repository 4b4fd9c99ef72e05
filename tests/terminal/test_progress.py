from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import threading

import pytest

from regctl.terminal.output import Output
from regctl.terminal.progress import progress

from . import terminals

MIB = 1 << 20
SHOW_CURSOR = "\x1b[?25h"
HIDE_CURSOR = "\x1b[?25l"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_plain_lines_come_after_ten_seconds_and_then_every_thirty() -> None:
    clock, err = Clock(), io.StringIO()
    with progress(Output(stderr=err), "app", 100 * MIB, clock=clock) as advance:
        for _ in range(60):
            clock.time += 1
            advance(MIB)
    assert err.getvalue() == (
        "app: 10.0 MiB of 100.0 MiB (10%), 1.0 MiB/s, 1m 30s left\n"
        "app: 40.0 MiB of 100.0 MiB (40%), 1.0 MiB/s, 1m left\n"
        "app: 60.0 MiB in 1m\n"
    )


def test_work_that_is_over_soon_says_nothing() -> None:
    clock, err = Clock(), io.StringIO()
    with progress(Output(stderr=err), "app", MIB, clock=clock) as advance:
        clock.time += 9
        advance(MIB)
    assert err.getvalue() == ""


def test_what_was_done_before_counts_but_not_for_the_rate() -> None:
    clock, err = Clock(), io.StringIO()
    with progress(Output(stderr=err), "app", 100 * MIB, done=50 * MIB, clock=clock) as advance:
        clock.time += 10
        advance(10 * MIB)
    assert err.getvalue().startswith("app: 60.0 MiB of 100.0 MiB (60%), 1.0 MiB/s, 40s left\n")


@pytest.mark.parametrize("total", [None, 0])
def test_without_a_total_there_is_no_share_and_no_time_left(total: int | None) -> None:
    clock, err = Clock(), io.StringIO()
    with progress(Output(stderr=err), "gc", total, unit="manifests", clock=clock) as advance:
        clock.time += 10
        advance(20)
    assert err.getvalue() == "gc: 20 manifests, 2 manifests/s\ngc: 20 manifests in 10s\n"


def test_work_that_fails_has_no_closing_line() -> None:
    clock, err = Clock(), io.StringIO()
    shown = progress(Output(stderr=err), "app", None, clock=clock)
    advance = shown.__enter__()
    clock.time += 10
    advance(0)
    assert not shown.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert err.getvalue() == "app: 0 B\n"


@pytest.mark.parametrize(
    "output",
    [
        Output(verbosity=-1, stderr=io.StringIO()),
        Output("json", stderr=io.StringIO()),
        Output(progress=False, stderr=io.StringIO()),
    ],
    ids=["quiet", "json", "no-progress"],
)
def test_nothing_is_shown_where_progress_is_off(output: Output) -> None:
    clock = Clock()
    with progress(output, "app", 10, clock=clock) as advance:
        clock.time += 100
        advance(10)
    assert isinstance(output.stderr, io.StringIO)
    assert output.stderr.getvalue() == ""


def test_threads_may_advance_together() -> None:
    clock, err = Clock(), io.StringIO()
    with progress(Output(stderr=err), "app", None, unit="calls", clock=clock) as advance:
        advance_one = [threading.Thread(target=_repeat, args=(advance, 5000)) for _ in range(4)]
        for thread in advance_one:
            thread.start()
        for thread in advance_one:
            thread.join()
        clock.time += 10
        advance(0)
    assert "app: 20000 calls in 10s\n" in err.getvalue()


def _repeat(advance: object, count: int) -> None:
    assert callable(advance)
    for _ in range(count):
        advance(1)


PROGRAM = """
import signal, sys
from regctl.terminal.output import Output
from regctl.terminal.progress import progress
output = Output({options})
with progress(output, "lib/app [bold]:smile:", {total}) as advance:
    advance(1 << 20)
    {body}
    advance(1 << 20)
output.message("after, rich " + str("rich" in sys.modules))
"""


def program(body: str = "pass", total: int | None = 2 * MIB, options: str = "") -> str:
    return PROGRAM.format(body=body, total=total, options=options)


def rows(screen: str) -> list[str]:
    """The lines that a terminal would show at the end, as far as a bar moves the cursor."""
    lines = [""]
    for token in re.findall(r"\x1b\[[0-9;?]*[a-zA-Z]|\n|\r|[^\x1b\r\n]+", screen):
        if token == "\n":
            lines.append("")
        elif token == "\x1b[1A":
            lines.pop()
        elif token in {"\r", "\x1b[2K"}:
            lines[-1] = ""
        elif not token.startswith("\x1b"):
            lines[-1] += token
    return lines


def test_a_bar_on_a_terminal_shows_the_end_and_gives_the_cursor_back() -> None:
    session = terminals.run(program())
    assert session.code == 0
    assert HIDE_CURSOR in session.screen
    assert session.screen.rindex(SHOW_CURSOR) > session.screen.rindex(HIDE_CURSOR)
    bar, after, end = rows(session.screen)
    assert bar.startswith("lib/app [bold]:smile:")
    assert "2.0 MiB of 2.0 MiB" in bar
    assert (after, end) == ("after, rich True", "")


@pytest.mark.parametrize("columns", [30, 60])
def test_a_bar_is_one_line_however_narrow_the_terminal(columns: int) -> None:
    """A bar of two lines would leave one of them on the screen with each redraw."""
    bar, after, end = rows(terminals.run(program(), columns=columns).screen)
    assert len(bar) <= columns
    assert (after, end) == ("after, rich True", "")


def test_messages_and_results_go_above_the_bar() -> None:
    body = 'output.message("said"); output.result("found", {}); output.warning("beware")'
    lines = rows(terminals.run(program(body)).screen)
    assert lines[:3] == ["said", "found", "warning: beware"]
    assert "2.0 MiB of 2.0 MiB" in lines[3]
    assert lines[4:] == ["after, rich True", ""]


def test_a_bar_inside_a_bar_does_not_fight_for_the_line() -> None:
    body = "exec(\"with progress(output, 'inner', 1) as inner: inner(1)\")"
    lines = rows(terminals.run(program(body)).screen)
    assert "2.0 MiB of 2.0 MiB" in lines[0]
    assert lines[1:] == ["after, rich True", ""]


def test_the_end_is_shown_without_a_total() -> None:
    bar = rows(terminals.run(program(total=None)).screen)[0]
    assert "2.0 MiB" in bar
    assert " of " not in bar


def test_an_interrupt_finishes_the_line_and_gives_the_cursor_back() -> None:
    session = terminals.run(program("signal.pause()"), after="1.0 MiB of", interrupt=True)
    assert session.code == -signal.SIGINT
    finished, _, traceback = session.screen.partition("Traceback")
    assert finished.rindex(SHOW_CURSOR) > finished.rindex(HIDE_CURSOR)
    assert rows(finished)[-1] == ""
    assert "KeyboardInterrupt" in traceback


@pytest.mark.parametrize(
    ("options", "environment"),
    [("progress=False", {}), ("verbosity=-1", {}), ("'json'", {}), ("", {"TERM": "dumb"})],
)
def test_no_bar_where_it_is_not_wanted_or_cannot_be(
    options: str, environment: dict[str, str]
) -> None:
    screen = terminals.run(program(options=options), environment=environment).screen
    assert "\x1b" not in screen
    assert "MiB" not in screen


def test_rich_is_imported_only_for_a_bar() -> None:
    piped = subprocess.run(
        [sys.executable, "-c", program()], capture_output=True, check=True, text=True
    )
    assert piped.stderr == "after, rich False\n"
    assert terminals.run(program(options="progress=False")).screen == "after, rich False\n"
