"""The command group, and main(): the one place where errors become exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from itertools import pairwise
from types import FrameType
from typing import NoReturn

import click

from regctl import __version__
from regctl.commands.base import App, Group
from regctl.errors import RegctlError, UsageError

#: Every command: the module in `regctl.commands` that has it, and its line in the help. So the
#: help of the group imports none of them; a test compares the lines.
COMMANDS = {
    "completion": ("completion", "Print a shell's completion script."),
    "digest": ("digest", "Print the digest of a file; no storage is needed."),
    "gc": ("gc", "Remove stale uploads, and what nothing needs."),
    "history": ("history", "List every revision that a tag named."),
    "inspect": ("inspect", "Show what a reference is, down to its blobs."),
    "keygen": ("keygen", "Make a key pair that signs."),
    "ls": ("ls", "List repositories, or the tags of one."),
    "pull-layer": ("pull_layer", "Write a layer to a file or to standard output, verified."),
    "pull-manifest": ("pull_manifest", "Write a manifest, byte for byte as stored."),
    "push-layer": ("push_layer", "Store a file as a layer of a repository."),
    "push-manifest": ("push_manifest", "Store a manifest, and give it a tag."),
    "quarantine": ("quarantine", "List, restore or purge what collections put aside."),
    "rm": ("rm", "Remove a manifest revision from a repository."),
    "rollback": ("rollback", "Move a tag back to a revision that it named before."),
    "sign": ("sign", "Add a signature to a manifest."),
    "tag": ("tag", "Give a tag to a revision, or move it there."),
    "unlock": ("unlock", "Remove the lock that a collection left."),
    "untag": ("untag", "Remove a tag; its revisions stay."),
    "uploads": ("uploads", "List, cancel or finish uploads in progress."),
    "verify": ("verify", "Check content and signatures, for CI."),
    "why": ("why", "Explain what keeps a digest, or what would let it go."),
}

_HELP = """Work on a container registry's storage directly, with no registry in between.

regctl reads and writes the docker/registry/v2 tree of CNCF Distribution (registry 2.x and 3.x).
A reference is REPO, REPO:TAG or REPO@DIGEST. Results go to standard output, everything else to
standard error.
"""


@click.group(
    cls=Group,
    commands_by_name=COMMANDS,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(__version__, "-V", "--version", message="regctl %(version)s")
def cli() -> None:
    """Work on a container registry's storage directly."""


class Terminated(BaseException):
    """SIGTERM arrived."""


def main() -> NoReturn:
    """Run the command line of this process and exit with its code."""
    code = run(sys.argv[1:])
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _drop_stdout()
        code = code or 1
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command line; the exit code."""
    if "_REGCTL_COMPLETE" in os.environ:
        cli.main(list(arguments), prog_name="regctl")
    signal.signal(signal.SIGTERM, _terminated)
    app = App(os.environ, json_wanted=_wants_json(arguments))
    try:
        return _invoke(arguments, app)
    except (KeyboardInterrupt, click.Abort):
        _say(app, "interrupted")
        return 130
    except Terminated:
        _say(app, "terminated")
        return 143
    except BrokenPipeError:
        _drop_stdout()
        return 141
    finally:
        app.close()


def _invoke(arguments: Sequence[str], app: App) -> int:
    try:
        with cli.make_context("regctl", list(arguments), obj=app) as context:
            cli.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        app.output.error(_usage(error))
        return UsageError.exit_code
    except RegctlError as error:
        app.output.error(error)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort: a bug is named as one
        return _bug(app, error)
    return 0


def _drop_stdout() -> None:
    """Let what Python still holds for stdout go nowhere: it must not fail at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _usage(error: click.ClickException) -> UsageError:
    context = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and context is not None:
        return UsageError("no command is given", hint=f"see '{context.command_path} --help'")
    path = context.command_path if context is not None else "regctl"
    message = error.format_message().rstrip(".")
    return UsageError(message[:1].lower() + message[1:], hint=f"see '{path} --help'")


def _bug(app: App, error: Exception) -> int:
    if isinstance(error, BrokenPipeError):
        raise error
    problem = RegctlError(
        f"this is a bug in regctl: {type(error).__name__}: {error}",
        hint=None if app.verbose else "run it again with -v to see where, and report it",
    )
    problem.exit_code, problem.code = 70, "bug"
    app.output.error(problem)
    if app.verbose:
        import traceback  # noqa: PLC0415 - only for a bug

        traceback.print_exception(error)
    return 70


def _say(app: App, text: str) -> None:
    """Say ``text`` on its own line: the terminal has just echoed ^C."""
    app.output.warning(text)


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    # Once is enough: what is being cleaned up must not be cut short by a second signal.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for JSON, also where it cannot be parsed."""
    pairs = pairwise([*arguments, ""])
    return any(a == "--format=json" or (a, b) == ("--format", "json") for a, b in pairs)
