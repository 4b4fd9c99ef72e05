from __future__ import annotations

import io
import signal
from typing import Literal

import pytest

from regctl.errors import UsageError
from regctl.terminal.confirm import confirm
from regctl.terminal.output import Output

from . import terminals

PROGRAM = """
from regctl.errors import UsageError
from regctl.terminal.confirm import confirm
from regctl.terminal.output import Output
output = Output({options})
try:
    print("answer", confirm(output, ["delete 1 tag", "of \\x1b[1mapp"], "Proceed?"))
except UsageError as error:
    print("refused", error, error.hint)
"""
ASKED = "delete 1 tag\nof \\x1b[1mapp\nProceed? [y/N] "


@pytest.mark.parametrize(
    ("keys", "answer"),
    [("y\n", True), ("YES\n", True), ("\n", False), ("n\n", False), ("yup\n", False)],
)
def test_only_yes_is_yes(keys: str, answer: bool) -> None:
    session = terminals.run(PROGRAM.format(options=""), keys=keys, after="[y/N] ")
    assert session.screen.startswith(ASKED)
    assert session.screen.endswith(f"answer {answer}\n")


def test_the_end_of_the_input_is_no_and_finishes_the_line() -> None:
    session = terminals.run(PROGRAM.format(options=""), keys="\x04", after="[y/N] ")
    assert session.screen.replace("^D\b\b", "") == f"{ASKED}\nanswer False\n"


def test_bytes_that_are_no_text_are_no() -> None:
    program = "import sys; sys.stdin.reconfigure(encoding='ascii', errors='strict')\n" + PROGRAM
    session = terminals.run(program.format(options=""), keys="é\n", after="[y/N] ")
    assert session.code == 0
    assert session.screen.endswith("answer False\n")


def test_an_interrupt_at_the_question_is_no_answer() -> None:
    session = terminals.run(PROGRAM.format(options=""), after="[y/N] ", interrupt=True)
    assert session.code == -signal.SIGINT
    assert session.screen.startswith(ASKED + "\nTraceback")
    assert session.screen.endswith("\nKeyboardInterrupt\n")


def test_a_question_shows_its_plan_even_when_quiet() -> None:
    session = terminals.run(PROGRAM.format(options="verbosity=-1"), keys="y\n", after="[y/N] ")
    assert session.screen.startswith(ASKED)


def test_the_question_leaves_stdout_to_the_result() -> None:
    session = terminals.run(
        PROGRAM.format(options=""), keys="y\n", after="[y/N] ", stdout_on_terminal=False
    )
    assert session.screen == ASKED + "y\n"
    assert session.stdout == "answer True\n"


def test_json_mode_asks_nothing_even_on_a_terminal() -> None:
    session = terminals.run(PROGRAM.format(options="'json'"))
    assert session.screen == (
        "refused 'Proceed?' needs an answer, and JSON mode asks nothing "
        "give --yes to do it without asking\n"
    )


def test_without_a_terminal_there_is_no_answer() -> None:
    err = io.StringIO()
    with pytest.raises(UsageError, match=r"'Proceed\?' needs an answer.* no terminal") as caught:
        confirm(Output(stderr=err), ["delete"], stdin=io.StringIO("y\n"))
    assert caught.value.hint == "give --yes to do it without asking"
    assert err.getvalue() == ""


@pytest.mark.parametrize(
    ("form", "verbosity", "shown"), [("text", 0, "delete\n"), ("text", -1, ""), ("json", 0, "")]
)
def test_yes_needs_no_terminal(form: Literal["text", "json"], verbosity: int, shown: str) -> None:
    err = io.StringIO()
    output = Output(form, verbosity, stderr=err)
    assert confirm(output, ["delete"], yes=True, stdin=io.StringIO())
    assert err.getvalue() == shown
