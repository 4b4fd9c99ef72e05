"""The table of kinds is whole: every module is in it, and every line is about something."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.commands.storages import KINDS, ON_MOTO, TABLE

MODULES = {path.stem: path for path in Path(__file__).parent.glob("test_*.py")}


def names_in(path: Path) -> set[str]:
    """The names of the tests of a module."""
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_module_has_a_line() -> None:
    assert set(MODULES) == {name.partition("::")[0] for name in TABLE}
    assert set(MODULES) <= set(TABLE)


def test_every_line_is_about_a_test() -> None:
    for name in TABLE:
        module, _, test = name.partition("::")
        assert not test or test in names_in(MODULES[module]), name


def test_who_runs_on_fewer_kinds_says_why() -> None:
    for name, line in TABLE.items():
        assert line.kinds == ON_MOTO or set(line.kinds) <= set(KINDS)
        assert (line.kinds == KINDS) == (line.why == ""), name


def test_no_line_repeats_that_of_its_module() -> None:
    for name, line in TABLE.items():
        module, _, test = name.partition("::")
        assert not test or line.kinds != TABLE[module].kinds, name
