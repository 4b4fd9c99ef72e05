"""Runs regctl's command line in this process, with streams and an environment of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from unittest import mock

from regctl import cli
from tests.commands.handles import Storage

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run: the exit code, and the bytes of both streams."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        """The result as text."""
        return self.stdout.decode()

    @property
    def err(self) -> str:
        """What was said besides."""
        return self.stderr.decode()

    @property
    def lines(self) -> list[str]:
        """The lines of the result."""
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        """The result, which is one JSON object."""
        return json.loads(self.stdout)

    @property
    def rows(self) -> list[Any]:
        """The result, which is one JSON object a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def error(self) -> Any:
        """The one error of a run in JSON mode."""
        errors = [each["error"] for each in self.said if "error" in each]
        assert len(errors) == 1, self.err
        return errors[0]

    @property
    def warnings(self) -> list[Any]:
        """The warnings of a run in JSON mode."""
        return [each["warning"] for each in self.said if "warning" in each]

    @property
    def said(self) -> list[Any]:
        """Every object on stderr of a run in JSON mode."""
        return [json.loads(line) for line in self.stderr.splitlines()]


def regctl(
    *arguments: str | os.PathLike[str],
    storage: str | os.PathLike[str] | None = None,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
) -> Result:
    """Run ``regctl ARGUMENTS`` with nothing in its environment but ``environ``.

    ``storage`` becomes ``--storage``, and brings what it needs in the environment. Standard input
    is a file of the bytes ``stdin``.
    """
    if isinstance(storage, Storage):
        environ = {**storage.environ, **(environ or {})}
    line = [os.fspath(each) for each in arguments]
    if storage is not None:
        line = ["--storage", os.fspath(storage), *line]
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(stdin)
        given.seek(0)
        with _streams(given, out, err), _signals(), mock.patch.dict(os.environ, {}, clear=True):
            os.environ.update(environ or {})
            code = cli.run(line)
        out.seek(0)
        err.seek(0)
        return Result(code, out.read(), err.read())


@contextmanager
def _streams(given: BinaryIO, out: BinaryIO, err: BinaryIO) -> Iterator[None]:
    """Within it the files are descriptors 0, 1 and 2, and the streams of `sys`."""
    names = ("stdin", "stdout", "stderr")
    before = [getattr(sys, name) for name in names]
    for stream in before[1:]:
        stream.flush()
    saved = [os.dup(number) for number in range(3)]
    mine: list[TextIO] = []
    try:
        for number, (name, file) in enumerate(zip(names, (given, out, err), strict=True)):
            os.dup2(file.fileno(), number)
            stream = open(  # noqa: SIM115 - closed below
                number, "w" if number else "r", encoding="utf-8", closefd=False
            )
            setattr(sys, name, stream)
            mine.append(stream)
        yield
    finally:
        for name, stream in zip(names, before, strict=True):
            setattr(sys, name, stream)
        for stream in mine:
            with suppress(OSError):
                stream.close()
        for number, descriptor in enumerate(saved):
            os.dup2(descriptor, number)
            os.close(descriptor)


@contextmanager
def _signals() -> Iterator[None]:
    """Within it the program may set SIGTERM's handler; afterwards it is the old one."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def process_environment(**more: str) -> dict[str, str]:
    """The environment of a regctl in a process of its own: nothing of ours but the path."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **more}


def command_line(*arguments: str | os.PathLike[str]) -> list[str]:
    """The command that runs regctl in a process of its own."""
    program = "import sys; from regctl.cli import main; sys.argv[0] = 'regctl'; main()"
    return [sys.executable, "-c", program, *(os.fspath(each) for each in arguments)]


def check_no_secret(result: Result, storage: Storage) -> None:
    """Nothing that is a secret of ``storage``, by its environment or configuration, was said."""
    members = ("accesskey", "secretkey", "sessiontoken")
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    secrets = {storage.section.get(member) for member in members}
    secrets |= {storage.environ.get(name) for name in names}
    said = result.stdout + result.stderr
    for secret in secrets - {None}:
        assert str(secret).encode() not in said, "a secret was said"


def check_refusal(result: Result, code: int, *words: str, hint: str | None = None) -> None:
    """One clear message: ``error: `` with ``words``, perhaps a hint, no result, no traceback."""
    assert result.code == code, (result.code, result.err)
    lines = result.err.splitlines()
    errors = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    assert len(errors) == 1, result.err
    assert "Traceback" not in result.err
    for line in lines[errors[0] + 1 :]:
        assert line.startswith(("  ", "hint: ")), result.err
    said = "\n".join(lines[errors[0] :])
    for word in words:
        assert word in said, said
    if hint is not None:
        hints = [line for line in lines if line.startswith("hint: ")]
        assert any(hint in line for line in hints), result.err
    assert result.stdout == b"", result.out
