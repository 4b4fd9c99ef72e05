"""The table of storages says nothing of tests that are not there, and why of those that are."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.registry.kinds import FEWER, KINDS


def test_every_line_is_about_a_test_and_says_why() -> None:
    for name, (kinds, why) in FEWER.items():
        module, _, test = name.partition("::")
        names = {
            node.name
            for node in ast.walk(ast.parse((Path(__file__).parent / f"{module}.py").read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        assert not test or test in names, name
        assert why, name
        assert set(kinds) <= {*KINDS, "moto"}
        assert kinds != KINDS, name
