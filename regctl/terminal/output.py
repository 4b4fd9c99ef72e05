"""Where everything that a command says goes out: results to stdout, all talk to stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal, TextIO

import click

from regctl.errors import InvalidManifestError, RegctlError, UsageError
from regctl.terminal.encoding import encode_json, encode_text, encoding_of, is_terminal, write
from regctl.terminal.formatting import printable

#: A listing into a pipe goes out when it holds this many bytes, or is this old (seconds).
BATCH_BYTES = 64 * 1024
BATCH_SECONDS = 0.1

_COLOURS = {"error": "red", "warning": "yellow", "hint": "cyan"}


class Output:
    """The voice of one command. Safe to use from several threads.

    ``verbosity`` is -1 for quiet, 0, or 1 for verbose; ``progress`` says whether progress may be
    shown, ``colour`` whether words may be coloured where stderr is a terminal. The streams are
    those of `sys` at this moment unless given.

    A reader of stdout that left raises `BrokenPipeError`; any other failure to write there raises
    `RegctlError`. What cannot be written to stderr is dropped: talk never stops work.
    """

    def __init__(
        self,
        format: Literal["text", "json"] = "text",  # noqa: A002 - the name of the option
        verbosity: int = 0,
        progress: bool = True,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        *,
        colour: bool = True,
    ) -> None:
        self.json = format == "json"
        self.verbosity = verbosity
        self.stdout: TextIO | None = sys.stdout if stdout is None else stdout
        self.stderr: TextIO | None = sys.stderr if stderr is None else stderr
        self.stdout_is_terminal = is_terminal(self.stdout)
        self.stderr_is_terminal = is_terminal(self.stderr)
        self.colour = colour and self.stderr_is_terminal
        self.shows_progress = progress and verbosity >= 0 and not self.json
        self._lock = threading.RLock()
        self._suspend: Callable[[], AbstractContextManager[None]] | None = None

    def result(
        self, text: str | Iterable[str], data: Mapping[str, object] | Sequence[object]
    ) -> None:
        """Write the command's result: ``data`` as one line of JSON, or the lines of ``text``.

        A string may hold several lines; of an iterable, each item is one line (`listing`).
        """
        if self.json:
            self._rows(encode_json(data, self._encoding()) for _ in (None,))
        else:
            self._rows(map(self._line, _split(text)))

    def listing(self, rows: Iterable[tuple[str, Mapping[str, object]]]) -> None:
        """Write each row as it comes: its text, or its mapping as one line of JSON.

        A row is one line, so a newline in its text is spelled out. Rows go out at once on a
        terminal or when they come slowly, in batches when they come fast; if ``rows`` raises,
        those before it have gone out.
        """
        if self.json:
            self._rows(encode_json(data, self._encoding()) for _, data in rows)
        else:
            self._rows(self._line(text) for text, _ in rows)

    def message(self, text: str) -> None:
        """Say ``text`` on stderr, unless quiet or in JSON mode."""
        if self.verbosity >= 0 and not self.json:
            self.say(text)

    def detail(self, text: str) -> None:
        """Say ``text`` on stderr if asked to be verbose, and not in JSON mode."""
        if self.verbosity > 0 and not self.json:
            self.say(text)

    def warning(self, text: str, hint: str | None = None) -> None:
        """Warn on stderr, even when quiet; in JSON mode with one object on a line."""
        if self.json:
            self._say_json({"warning": {"message": text, "hint": hint}})
        else:
            self._say_labelled("warning", text, hint)

    def error(self, error: RegctlError) -> None:
        """Report ``error`` on stderr; in JSON mode as one object on a line."""
        if self.json:
            body: dict[str, object] = {
                "code": error.code,
                "message": error.message,
                "hint": error.hint,
                "exit_code": error.exit_code,
            }
            if isinstance(error, InvalidManifestError):
                body["reasons"] = error.reasons
            self._say_json({"error": body})
        else:
            self._say_labelled("error", error.message, error.hint)

    def say(self, text: str, *, newline: bool = True) -> None:
        """Write ``text`` to stderr in every mode; lines after the first are indented.

        The indent keeps a newline in some name from making a line that looks like ours.
        """
        self._talk(_safe(text) + ("\n" if newline else ""))

    @contextmanager
    def hosting(self, suspend: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
        """Within this block a live display owns the terminal's last line.

        ``suspend()`` is entered around everything that is written to a terminal meanwhile.
        """
        self._suspend = suspend
        try:
            yield
        finally:
            self._suspend = None

    @property
    def is_hosting(self) -> bool:
        """Whether a live display is shown."""
        return self._suspend is not None

    def _say_labelled(self, label: str, text: str, hint: str | None) -> None:
        said = f"{self._label(label)} {_safe(text)}\n"
        if hint is not None:
            said += f"{self._label('hint')} {_safe(hint)}\n"
        self._talk(said)

    def _label(self, word: str) -> str:
        return click.style(f"{word}:", fg=_COLOURS[word], bold=True) if self.colour else f"{word}:"

    def _say_json(self, data: Mapping[str, object]) -> None:
        if self.stderr is not None:
            self._write_talk(self.stderr, encode_json(data, encoding_of(self.stderr)) + b"\n")

    def _talk(self, text: str) -> None:
        if self.stderr is not None:
            self._write_talk(self.stderr, encode_text(text, encoding_of(self.stderr)))

    def _write_talk(self, stream: TextIO, content: bytes) -> None:
        with self._lock, self._apart(self.stderr_is_terminal):
            try:
                write(stream, content)
            except (OSError, ValueError):  # ValueError: the stream was closed
                self.stderr = None

    def _encoding(self) -> str:
        return "utf-8" if self.stdout is None else encoding_of(self.stdout)

    def _line(self, text: str) -> bytes:
        text = printable(text) if self.stdout_is_terminal else text.replace("\n", r"\x0a")
        return encode_text(text, self._encoding())

    def _rows(self, rows: Iterable[bytes]) -> None:
        """Write ``rows``, each with a newline, in batches of bounded size and age."""
        batch = bytearray()
        flushed = float("-inf")
        try:
            for row in rows:
                batch += row + b"\n"
                now = time.monotonic()
                due = self.stdout_is_terminal or now - flushed >= BATCH_SECONDS
                if due or len(batch) >= BATCH_BYTES:
                    content, batch = bytes(batch), bytearray()
                    self._write_result(content)
                    flushed = now
        finally:
            if batch:
                self._write_result(bytes(batch))

    def _write_result(self, content: bytes) -> None:
        if self.stdout is None:
            raise UsageError("standard output is closed, and the result has nowhere to go")
        with self._lock, self._apart(self.stdout_is_terminal):
            try:
                write(self.stdout, content)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise RegctlError(
                    f"cannot write the result to standard output: {error.strerror or error}"
                ) from error

    def _apart(self, is_terminal: bool) -> AbstractContextManager[None]:
        """The context in which to write: with the live display out of the way if there is one."""
        return self._suspend() if self._suspend is not None and is_terminal else nullcontext()


def _split(text: str | Iterable[str]) -> Iterable[str]:
    return text.removesuffix("\n").split("\n") if isinstance(text, str) else text


def _safe(text: str) -> str:
    """``text`` fit for stderr: see `Output.say`."""
    first, *others = printable(text, newlines=True).split("\n")
    return "\n".join([first, *(f"  {line.lstrip(' ')}" for line in others)])
