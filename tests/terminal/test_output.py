from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from regctl.digest import Digest
from regctl.errors import InvalidManifestError, NotFoundError, RegctlError, UsageError
from regctl.terminal.output import BATCH_BYTES, Output

from . import terminals


class Streams:
    """A pair of streams over bytes, and an `Output` that writes to them."""

    def __init__(
        self, form: Literal["text", "json"] = "text", verbosity: int = 0, encoding: str = "utf-8"
    ) -> None:
        self._out = io.BytesIO()
        self._err = io.BytesIO()
        self.output = Output(
            form,
            verbosity,
            stdout=io.TextIOWrapper(self._out, encoding=encoding, write_through=True),
            stderr=io.TextIOWrapper(self._err, encoding=encoding, write_through=True),
        )

    @property
    def out(self) -> bytes:
        return self._out.getvalue()

    @property
    def err(self) -> bytes:
        return self._err.getvalue()


def test_result_in_text_is_the_lines_alone() -> None:
    streams = Streams()
    streams.output.result("one\ntwo\n", {"ignored": 1})
    streams.output.result(["three", "four"], {})
    streams.output.result([], {})
    assert streams.out == b"one\ntwo\nthree\nfour\n"
    assert streams.err == b""


def test_result_in_json_is_one_object_on_one_line() -> None:
    streams = Streams("json")
    digest = Digest.parse("sha256:" + "a" * 64)
    streams.output.result(
        "ignored",
        {
            "size": 2**60,
            "digest": digest,
            "time": datetime(2015, 1, 14, 2, 2, 43, tzinfo=UTC),
            "tags": frozenset({"b", "a"}),
            "name": "é\n\u2028",
        },
    )
    assert streams.out == (
        b'{"size": 1152921504606846976, "digest": "sha256:' + b"a" * 64 + b'", '
        b'"time": "2015-01-14T02:02:43Z", "tags": ["a", "b"], "name": "\xc3\xa9\\n\\u2028"}\n'
    )


def test_json_refuses_what_has_no_form_instead_of_guessing() -> None:
    with pytest.raises(TypeError, match="object has no form in JSON"):
        Streams("json").output.result("", {"x": object()})


def test_listing_is_a_line_a_row_in_either_format() -> None:
    rows: list[tuple[str, Mapping[str, object]]] = [("a", {"n": 1}), ("b", {"n": 2})]
    text, data = Streams(), Streams("json")
    text.output.listing(rows)
    data.output.listing(rows)
    assert text.out == b"a\nb\n"
    assert [json.loads(line) for line in data.out.splitlines()] == [{"n": 1}, {"n": 2}]


def test_a_newline_in_a_row_makes_no_second_row() -> None:
    streams = Streams()
    streams.output.listing([("a\nforged", {})])
    assert streams.out == b"a\\x0aforged\n"


def test_listing_streams_and_keeps_the_rows_before_a_failure() -> None:
    streams = Streams()
    seen: list[bytes] = []

    def rows() -> Iterator[tuple[str, Mapping[str, object]]]:
        yield "first", {}
        seen.append(streams.out)
        yield "x" * BATCH_BYTES, {}
        seen.append(streams.out)
        yield "last", {}
        raise NotFoundError("gone")

    with pytest.raises(NotFoundError):
        streams.output.listing(rows())
    assert seen[0] == b"first\n"
    assert seen[1] == b"first\n" + b"x" * BATCH_BYTES + b"\n"
    assert streams.out.endswith(b"x\nlast\n")


def test_names_that_are_no_utf8_go_through_a_pipe_as_their_bytes() -> None:
    name = os.fsdecode(b"caf\xff \xc3\xa9 \x1b[2J")
    streams = Streams()
    streams.output.result([name], {})
    assert streams.out == b"caf\xff \xc3\xa9 \x1b[2J\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_name_crashes_the_output_in_any_encoding(encoding: str) -> None:
    name = "é€\udcff\ud800\x1b\x7f\x85"
    text, data = Streams(encoding=encoding), Streams("json", encoding=encoding)
    text.output.result([name], {})
    text.output.message(name)
    data.output.result("", {"name": name})
    data.output.warning(name)
    assert text.out.count(b"\n") == text.err.count(b"\n") == 1
    assert json.loads(data.out)["name"] == name
    assert json.loads(data.err) == {"warning": {"message": name, "hint": None}}
    assert not set(data.out) & {0x1B, 0x7F, 0x85}


def test_json_is_utf8_or_ascii_never_another_encoding() -> None:
    streams = Streams("json", encoding="latin-1")
    streams.output.result("", {"name": "é"})
    assert streams.out == b'{"name": "\\u00e9"}\n'


@pytest.mark.parametrize(
    ("form", "verbosity", "said"),
    [
        ("text", -1, b"warning: w\n"),
        ("text", 0, b"m\nwarning: w\n"),
        ("text", 1, b"m\nd\nwarning: w\n"),
        ("json", 1, b'{"warning": {"message": "w", "hint": null}}\n'),
    ],
)
def test_what_is_said_depends_on_the_verbosity(
    form: Literal["text", "json"], verbosity: int, said: bytes
) -> None:
    streams = Streams(form, verbosity)
    streams.output.message("m")
    streams.output.detail("d")
    streams.output.warning("w")
    assert streams.err == said
    assert streams.out == b""


def test_error_with_its_hint() -> None:
    text, data = Streams(verbosity=-1), Streams("json")
    error = NotFoundError("no tag v1 in app", hint="regctl ls app")
    text.output.error(error)
    data.output.error(error)
    assert text.err == b"error: no tag v1 in app\nhint: regctl ls app\n"
    assert json.loads(data.err) == {
        "error": {
            "code": "not-found",
            "message": "no tag v1 in app",
            "hint": "regctl ls app",
            "exit_code": 3,
        }
    }


def test_every_reason_against_a_manifest_is_shown() -> None:
    text, data = Streams(), Streams("json")
    error = InvalidManifestError("refused", ("no config", "no layers"))
    text.output.error(error)
    data.output.error(error)
    assert text.err == b"error: refused\n  - no config\n  - no layers\n"
    assert json.loads(data.err)["error"]["reasons"] == ["no config", "no layers"]


def test_a_name_in_a_message_cannot_forge_a_line_or_drive_the_terminal() -> None:
    streams = Streams()
    streams.output.error(RegctlError("cannot read x\nerror: all is lost\x1b[1A\r"))
    assert streams.err == b"error: cannot read x\n  error: all is lost\\x1b[1A\\x0d\n"


def test_streams_of_text_alone_are_taken_too() -> None:
    out, err = io.StringIO(), io.StringIO()
    output = Output(stdout=out, stderr=err)
    output.result("é\x1b[1m", {})
    output.message("m")
    assert out.getvalue() == "é\x1b[1m\n"
    assert err.getvalue() == "m\n"


def test_a_full_device_is_an_error_not_a_lost_result() -> None:
    with Path("/dev/full").open("w", buffering=1) as full:
        output = Output(stdout=full, stderr=io.StringIO())
        with pytest.raises(RegctlError, match="standard output: No space left on device"):
            output.result("lost", {})
        # What could not be written stays in the stream's buffer and would fail once more.
        with pytest.raises(OSError, match="No space left"):
            full.close()


def test_a_closed_stdout_is_an_error_not_a_lost_result() -> None:
    program = (
        "from regctl.errors import UsageError\n"
        "from regctl.terminal.output import Output\n"
        "try: Output().result('lost', {})\n"
        "except UsageError: raise SystemExit(9)"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, program]
    assert subprocess.run(command, check=False).returncode == 9
    assert UsageError.exit_code == 2


def test_a_reader_that_left_is_a_broken_pipe_on_stdout_and_nothing_on_stderr() -> None:
    def pipe() -> io.TextIOWrapper:
        read, write = os.pipe()
        os.close(read)
        # Unbuffered: no content is left that closing would try to write.
        return io.TextIOWrapper(os.fdopen(write, "wb", buffering=0), write_through=True)

    with pipe() as gone:
        output = Output(stdout=gone, stderr=gone)
        output.message("nobody hears this")
        output.error(RegctlError("nor this"))
        with pytest.raises(BrokenPipeError):
            output.result("x", {})


def test_colour_is_for_terminals_that_want_it() -> None:
    program = (
        "from regctl.errors import RegctlError\n"
        "from regctl.terminal.output import Output\n"
        "Output(colour={}).error(RegctlError('e', hint='h'))"
    )
    coloured = terminals.run(program.format(True))
    assert coloured.screen == ("\x1b[31m\x1b[1merror:\x1b[0m e\n\x1b[36m\x1b[1mhint:\x1b[0m h\n")
    assert terminals.run(program.format(False)).screen == "error: e\nhint: h\n"
    piped = subprocess.run(
        [sys.executable, "-c", program.format(True)], capture_output=True, check=True, text=True
    )
    assert piped.stderr == "error: e\nhint: h\n"


def test_results_on_a_terminal_have_no_escape_sequences() -> None:
    program = (
        "from regctl.terminal.output import Output\n"
        "Output().listing([('\\x1b]0;title\\x07 \\udcff', {})])"
    )
    assert terminals.run(program).screen == "\\x1b]0;title\\x07 \\xff\n"


def test_the_package_is_cheap_to_import() -> None:
    program = (
        "import sys, regctl.terminal, regctl.terminal.output, regctl.terminal.progress\n"
        "import regctl.terminal.confirm\n"
        "raise SystemExit(any(name.split('.')[0] == 'rich' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
