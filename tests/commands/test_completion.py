"""Shell completion: the scripts, and what they are told."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.commands.running import command_line, process_environment, regctl

SHELLS = ("bash", "zsh", "fish")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_calls_regctl(shell: str) -> None:
    result = regctl("completion", shell)
    assert (result.code, result.err) == (0, "")
    assert f"_REGCTL_COMPLETE={shell}_complete" in result.out
    assert regctl("completion", shell, "--format=json").json["shell"] == shell
    assert f"regctl completion {shell}" in regctl("completion", "--help").out


@pytest.mark.parametrize(("shell", "option"), [("bash", "-n"), ("zsh", "-n"), ("fish", "-n")])
def test_the_shell_accepts_the_script(shell: str, option: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = regctl("completion", shell).stdout
    checked = subprocess.run([shell, option, "/dev/stdin"], input=script, capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, b"")


def complete(line: str) -> list[str]:
    """What bash is offered for the last word of ``line``: its type and text."""
    words = line.split()
    position = len(words) if line.endswith(" ") else len(words) - 1
    environment = process_environment(
        COMP_WORDS=line, COMP_CWORD=str(position), _REGCTL_COMPLETE="bash_complete"
    )
    done = subprocess.run(command_line(), capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("regctl pu", ["pull-layer", "pull-manifest", "push-layer", "push-manifest"]),
        ("regctl --format json pus", ["push-layer", "push-manifest"]),
        ("regctl uploads ca", ["cancel"]),
        ("regctl completion ", list(SHELLS)),
        ("regctl ls --format ", ["text", "json"]),
        ("regctl push-layer app x --trust", ["--trust-digest"]),
        ("regctl rm app --stor", ["--storage"]),
    ],
)
def test_commands_options_and_choices_are_completed(line: str, offered: list[str]) -> None:
    assert complete(line) == [f"plain,{word}" for word in offered]


@pytest.mark.parametrize(
    "line",
    [
        "regctl push-layer app lay",
        "regctl push-manifest app:v1 ",
        "regctl digest ./x",
        "regctl pull-layer app sha256:0 -o ",
        "regctl --config /etc/",
        "regctl ls --storage /var/lib/",
    ],
)
def test_files_are_left_to_the_shell(line: str) -> None:
    word = "" if line.endswith(" ") else line.rsplit(maxsplit=1)[-1]
    assert complete(line) == [f"file,{word}"]
