"""The question before something is lost."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from regctl.errors import UsageError
from regctl.terminal.encoding import is_terminal
from regctl.terminal.output import Output

_HINT = "give --yes to do it without asking"


def confirm(
    output: Output,
    plan: Sequence[str],
    question: str = "Proceed?",
    yes: bool = False,
    stdin: TextIO | None = None,
) -> bool:
    """Whether to go on: show ``plan`` on stderr, and ask ``question`` there unless ``yes``.

    Only ``y`` and ``yes`` mean yes; the end of the input means no. With ``yes`` the plan is a
    message like others (not shown when quiet); before a question it is always shown. In JSON mode
    nothing is shown or asked. ``stdin`` is that of `sys` unless given.

    Raises `UsageError` if a question is needed and cannot be asked here.
    """
    if yes:
        for line in plan:
            output.message(line)
        return True
    source: TextIO | None = sys.stdin if stdin is None else stdin
    if output.json:
        raise UsageError(f"{question!r} needs an answer, and JSON mode asks nothing", hint=_HINT)
    if source is None or not is_terminal(source) or not output.stderr_is_terminal:
        raise UsageError(f"{question!r} needs an answer, and this is no terminal", hint=_HINT)
    for line in plan:
        output.say(line)
    return _answer(output, question, source).strip().lower() in {"y", "yes"}


def _answer(output: Output, question: str, source: TextIO) -> str:
    """One line from ``source``, empty at its end; the question's line is always finished."""
    answer = ""
    try:
        output.say(f"{question} [y/N] ", newline=False)
        answer = source.readline()
    except UnicodeDecodeError:
        pass  # something was typed, and it is no yes
    except OSError as error:
        raise UsageError(
            f"the answer cannot be read from the terminal: {error.strerror or error}", hint=_HINT
        ) from error
    finally:
        if not answer.endswith("\n"):  # its end, or an interrupt
            output.say("")
    return answer
