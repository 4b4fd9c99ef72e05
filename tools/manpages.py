"""Writes a man page for every command into a directory: ``python -m tools.manpages man``.

The text is the commands' own help, so the two cannot differ. The pages carry the version of the
package and no date: the same sources give the same bytes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from regctl import __version__
from regctl.cli import cli
from regctl.commands.base import GlobalOption
from tools import mantexts

_ESCAPES = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
)


def pages() -> dict[str, str]:
    """The text of every page by its file name, the program's own first."""
    root = click.Context(cli, info_name="regctl", **cli.context_settings)
    return {f"{_page_name(context)}.1": _page(context) for context in contexts(root)}


def contexts(context: click.Context) -> Iterator[click.Context]:
    """Yield ``context`` and that of every command below it."""
    yield context
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from contexts(click.Context(child, info_name=name, parent=context))


def escape(text: str) -> str:
    """``text`` as roff shows it literally, also where a line begins with a dot."""
    lines = (" ".join(line.split()).translate(_ESCAPES) for line in text.splitlines())
    return "\n".join(rf"\&{line}" if line.startswith(".") else line for line in lines)


def _page_name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _page(context: click.Context) -> str:
    name = _page_name(context)
    parts = [
        f'.TH "{escape(name.upper())}" "1" "" "regctl {__version__}" "regctl manual"',
        ".SH NAME",
        f"{escape(name)} \\- {escape(_summary(context))}",
        *_synopsis(context),
        ".SH DESCRIPTION",
        *_paragraphs(context.command.help or ""),
        *_options(context),
        *_commands(context),
        *_definitions("EXIT STATUS", mantexts.EXIT_STATUS),
        *_definitions("ENVIRONMENT", mantexts.ENVIRONMENT),
        *_examples(context),
        *_see_also(context),
    ]
    return "\n".join(parts) + "\n"


def _summary(context: click.Context) -> str:
    text = mantexts.SUMMARY if context.parent is None else context.command.short_help or ""
    text = text.rstrip(".")
    return text[:1].lower() + text[1:]


def _synopsis(context: click.Context) -> Iterator[str]:
    yield ".SH SYNOPSIS"
    pieces = " ".join(context.command.collect_usage_pieces(context))
    yield f"\\fB{escape(context.command_path)}\\fR {escape(pieces)}"


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
        if number:
            yield ".PP"
        if paragraph.startswith("\b"):
            yield from _verbatim(paragraph.removeprefix("\b").strip())
        else:
            yield escape(paragraph)


def _verbatim(text: str) -> Iterator[str]:
    yield from (".RS 4", ".nf", escape(text), ".fi", ".RE")


def _options(context: click.Context) -> Iterator[str]:
    own: list[tuple[str, str]] = []
    shared: list[tuple[str, str]] = []
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            (shared if isinstance(parameter, GlobalOption) else own).append(record)
    yield from _definitions("OPTIONS", own)
    yield from _definitions("GLOBAL OPTIONS", shared, "Accepted before and after the command.")


def _commands(context: click.Context) -> Iterator[str]:
    below = [each for each in contexts(context) if each.parent is context]
    rows = [(each.info_name or "", each.command.short_help or "") for each in below]
    yield from _definitions("COMMANDS", rows)


def _definitions(title: str, rows: list[tuple[str, str]], before: str = "") -> Iterator[str]:
    if not rows:
        return
    yield f".SH {title}"
    if before:
        yield escape(before)
    for term, text in rows:
        yield ".TP"
        yield f"\\fB{escape(term)}\\fR"
        yield escape(text)


def _examples(context: click.Context) -> Iterator[str]:
    examples = mantexts.EXAMPLES.get(context.command_path, [])
    if not examples:
        return
    yield ".SH EXAMPLES"
    for number, (what, line) in enumerate(examples):
        if number:
            yield ".PP"
        yield escape(what)
        yield ".PP"
        yield from _verbatim(line)


def _see_also(context: click.Context) -> Iterator[str]:
    """The page above, and those beside and below."""
    near = [each for each in contexts(context) if each.parent is context]
    if context.parent is not None:
        beside = contexts(context.parent)
        near = [each for each in beside if each.parent in (None, context.parent, context)]
    pages_near = dict.fromkeys(_page_name(each) for each in near)
    if context.parent is not None:
        pages_near = {_page_name(context.parent): None} | pages_near
    pages_near.pop(_page_name(context), None)
    yield ".SH SEE ALSO"
    yield ",\n".join(f"\\fB{escape(name)}\\fR(1)" for name in pages_near)


def main(directory: str) -> None:
    """Write all pages below ``directory``, and remove those of commands that are no more."""
    target = Path(directory)
    target.mkdir(exist_ok=True)
    wanted = pages()
    for old in target.glob("*.1"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (target / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
