"""The question for a passphrase, which the terminal does not show."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from regctl.errors import UsageError
from regctl.terminal.encoding import is_terminal
from regctl.terminal.output import Output

_HINT = "set COSIGN_PASSWORD, or run on a terminal"
_LINE_BYTES = 4096
_LOCAL_MODES = 3


def ask_passphrase(
    output: Output, question: str, *, again: str | None = None, stdin: TextIO | None = None
) -> bytes:
    """What a person types, without the newline: asked for on stderr, and not shown.

    With ``again``, that is asked too, and both answers must be the same. ``stdin`` is that of
    `sys` unless given. Raises `UsageError` if they are not, if nothing comes, and where nobody
    can be asked: in JSON mode, and elsewhere than on a terminal.
    """
    source: TextIO | None = sys.stdin if stdin is None else stdin
    if output.json:
        raise UsageError("a passphrase is needed, and JSON mode asks nothing", hint=_HINT)
    if source is None or not is_terminal(source) or not output.stderr_is_terminal:
        raise UsageError("a passphrase is needed, and this is no terminal", hint=_HINT)
    descriptor = source.fileno()
    with _hidden(descriptor):
        answer = _answer(output, question, descriptor)
        if again is not None and _answer(output, again, descriptor) != answer:
            raise UsageError("the two passphrases differ", hint="run the command again")
    return answer


@contextmanager
def _hidden(descriptor: int) -> Iterator[None]:
    """Within it the terminal does not show what is typed, and still edits lines."""
    before = termios.tcgetattr(descriptor)
    hidden = list(before)
    hidden[_LOCAL_MODES] &= ~termios.ECHO
    try:
        # What was typed before the question is not the answer.
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, hidden)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _answer(output: Output, question: str, descriptor: int) -> bytes:
    """One line; raises `UsageError` at the end of the input."""
    line = b""
    try:
        output.say(f"{question}: ", newline=False)
        while not line.endswith(b"\n"):
            piece = os.read(descriptor, _LINE_BYTES)
            if not piece:
                raise UsageError("no passphrase was typed", hint=_HINT)
            line += piece
    except OSError as error:
        raise UsageError(
            f"the passphrase cannot be read from the terminal: {error.strerror or error}",
            hint=_HINT,
        ) from error
    finally:
        output.say("")  # the newline that was typed is not shown either
    return line[:-1]
