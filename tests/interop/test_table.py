"""The table of kinds is whole: every module is in it, and every line is about something."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.interop.storages import KINDS, TABLE

MODULES = {path.stem: path for path in Path(__file__).parent.glob("test_*.py")}


def test_every_module_has_a_line_and_every_line_is_about_a_test() -> None:
    assert set(MODULES) == {name for name in TABLE if "::" not in name}
    for name in TABLE:
        module, _, test = name.partition("::")
        tree = ast.parse(MODULES[module].read_text())
        found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not test or test in found, name


def test_who_runs_on_fewer_kinds_says_why() -> None:
    for name, line in TABLE.items():
        assert set(line.kinds) <= set(KINDS)
        assert (line.kinds == KINDS) == (line.why == ""), name
