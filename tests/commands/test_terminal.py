"""What a person at a terminal meets: questions, colours, progress; all on a real terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import snapshot
from tests.commands.handles import Storage
from tests.commands.running import regctl
from tests.images import Image
from tests.terminal import terminals

QUESTION = "Proceed? [y/N] "


def on_terminal(
    *arguments: str,
    keys: str = "",
    after: str = "",
    interrupt: bool = False,
    stdout_on_terminal: bool = True,
    environment: dict[str, str] | None = None,
) -> terminals.Session:
    code = f"import sys\nfrom regctl.cli import run\nsys.exit(run({list(arguments)!r}))"
    return terminals.run(
        code,
        keys=keys,
        after=after,
        interrupt=interrupt,
        stdout_on_terminal=stdout_on_terminal,
        environment=environment,
    )


@pytest.mark.parametrize("keys", ["y\n", "YES\n"])
def test_yes_does_it(filled: Storage, keys: str) -> None:
    session = on_terminal("untag", "app:v1", "--storage", str(filled), keys=keys, after=QUESTION)
    assert session.code == 0, session.screen
    # The plan names the storage before the question.
    assert session.screen.index(str(filled)) < session.screen.index(QUESTION)
    assert regctl("ls", "app", storage=filled).lines == []


@pytest.mark.parametrize("keys", ["n\n", "\n", "x\n", "\x04"], ids=["n", "return", "x", "ctrl-d"])
def test_all_else_is_no_and_exits_with_1(filled: Storage, keys: str) -> None:
    before = snapshot(filled)
    session = on_terminal("untag", "app:v1", "--storage", str(filled), keys=keys, after=QUESTION)
    assert session.code == 1
    assert snapshot(filled) == before


def test_ctrl_c_at_the_question_exits_with_130(filled: Storage) -> None:
    before = snapshot(filled)
    session = on_terminal(
        "untag", "app:v1", "--storage", str(filled), interrupt=True, after=QUESTION
    )
    assert session.code == 130
    assert "Traceback" not in session.screen
    assert snapshot(filled) == before


def test_yes_and_dry_run_ask_nothing(filled: Storage) -> None:
    dry = on_terminal("untag", "app:v1", "--dry-run", "--storage", str(filled))
    assert dry.code == 0
    assert QUESTION not in dry.screen
    assert regctl("ls", "app", storage=filled).lines == ["v1"]
    done = on_terminal("untag", "app:v1", "--yes", "--storage", str(filled))
    assert done.code == 0
    assert QUESTION not in done.screen


def test_a_new_tag_is_given_without_asking(filled: Storage) -> None:
    session = on_terminal("tag", "app:v1", "new", "--storage", str(filled))
    assert session.code == 0
    assert QUESTION not in session.screen


def test_a_layer_is_not_written_to_a_terminal(filled: Storage, image: Image) -> None:
    digest = str(image.layers[0].digest)
    session = on_terminal("pull-layer", "app", digest, "--storage", str(filled))
    assert session.code == 2
    assert "error: a layer is not written to a terminal" in plain(session.screen)
    piped = on_terminal(
        "pull-layer",
        "app",
        str(image.config.digest),
        "--storage",
        str(filled),
        stdout_on_terminal=False,
    )
    assert (piped.code, piped.stdout.encode()) == (0, image.config.content)


def plain(screen: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen)


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)],
)
def test_colour_obeys_no_color(
    filled: Storage, environment: dict[str, str], coloured: bool
) -> None:
    """An empty NO_COLOR counts as not set (https://no-color.org)."""
    session = on_terminal("ls", "none", "--storage", str(filled), environment=environment)
    assert session.code == 3
    assert ("\x1b[" in session.screen) == coloured
    assert "error: there is no repository none" in plain(session.screen)


@pytest.mark.parametrize("option", ["--no-progress", "-q", "--format=json"])
def test_progress_can_be_switched_off(filled: Storage, tmp_path: Path, option: str) -> None:
    file = tmp_path / "layer"
    file.write_bytes(bytes(1 << 20))
    arguments = ("push-layer", "app", str(file), "--storage", str(filled))
    assert "pushing" in on_terminal(*arguments).screen
    quiet = on_terminal(*arguments, option)
    assert quiet.code == 0
    assert "pushing" not in quiet.screen
    assert "\x1b[" not in quiet.screen
