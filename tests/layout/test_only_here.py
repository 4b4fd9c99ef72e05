"""No module but those of `regctl.layout` spells a path of the tree."""

from __future__ import annotations

import ast
from pathlib import Path

import regctl

PACKAGE = Path(regctl.__file__).parent
#: What only a path of the tree is made of.
MARKERS = ("_layers", "_manifests", "_uploads", "hashstates", "startedat", "/blobs", "/link", "/v2")
#: Strings that say such a word and make no path, each with its reason.
HONEST = {
    ("registry/tokens.py", "startedat"): "a member of a token's JSON, in lower case",
    ("drivers/s3/listing.py", "list_multipart_uploads"): "an operation of S3's",
    ("drivers/s3/multipart.py", "list_multipart_uploads"): "an operation of S3's",
    ("commands/gc.py", "no_uploads"): "the name of an option",
}
#: Modules that tell millions of names apart as they are listed, without a spec for each.
IN_BULK = {f"maintenance/inventory/{name}.py" for name in ("flat", "gathering", "tree")}


def _strings(source: str) -> list[str]:
    """The string constants of a module, but for docstrings and what is said to people."""
    tree = ast.parse(source)
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    constants = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in prose)
    return [n.value for n in constants if isinstance(n.value, str) and " " not in n.value]


def test_no_other_module_spells_a_path() -> None:
    # The drivers' suite has trees of its own, which are no registry's.
    modules = [
        path
        for path in PACKAGE.rglob("*.py")
        if not {"layout", "suite"} & set(path.relative_to(PACKAGE).parts)
    ]
    assert len(modules) > 40
    found = {
        (str(module.relative_to(PACKAGE)), text)
        for module in modules
        for text in _strings(module.read_text())
        if any(marker in text for marker in MARKERS)
    }
    assert {each for each in found if each[0] not in IN_BULK} == set(HONEST)
    assert {module for module, _ in found} >= IN_BULK, "what needs no exception has none"


def test_the_search_finds_what_it_looks_for() -> None:
    found = _strings('"""The _layers."""\nX = f"{root}/_layers/{y}"\nsay("no _layers here")\n')
    assert found == ["/_layers/"]
