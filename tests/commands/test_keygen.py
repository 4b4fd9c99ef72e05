"""keygen: the files that it makes, and what it does not write over."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from regctl.signature.keyfile import (
    WrongPassphraseError,
    load_private_key,
    load_public_key,
    needs_passphrase,
)
from tests.commands.running import check_refusal, regctl
from tests.commands.test_terminal import on_terminal, plain

FIRST, SECOND = "Passphrase: ", "The same again: "


def make(prefix: Path, *options: str, passphrase: str = "open sesame") -> None:
    result = regctl(
        "keygen",
        "--output-prefix",
        str(prefix),
        *options,
        environ={"COSIGN_PASSWORD": passphrase},
    )
    assert result.code == 0, result.err
    assert result.lines == [f"{prefix}.key", f"{prefix}.pub"]


def test_the_pair_fits_and_opens_with_the_passphrase(tmp_path: Path) -> None:
    make(tmp_path / "release")
    private = (tmp_path / "release.key").read_bytes()
    public = load_public_key((tmp_path / "release.pub").read_bytes())
    assert private.startswith(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----")
    assert needs_passphrase(private)
    assert load_private_key(private, b"open sesame").public == public
    assert public.kind == "EC P-256"
    with pytest.raises(WrongPassphraseError):
        load_private_key(private, b"open sesame ")


def test_the_private_key_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make(tmp_path / "open")
        make(tmp_path / "open", "--force")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "open.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["open.key", "open.pub"]


def test_the_result_in_json(tmp_path: Path) -> None:
    options = ["--output-prefix", str(tmp_path / "k"), "--format=json"]
    result = regctl("keygen", *options, environ={"COSIGN_PASSWORD": "x"})
    public = load_public_key((tmp_path / "k.pub").read_bytes())
    assert result.json == {
        "private_key": str(tmp_path / "k.key"),
        "public_key": str(tmp_path / "k.pub"),
        "fingerprint": public.fingerprint,
    }


def test_the_names_are_cosigns_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = regctl("keygen", environ={"COSIGN_PASSWORD": "x"})
    assert result.lines == ["cosign.key", "cosign.pub"]
    assert (tmp_path / "cosign.key").exists()


@pytest.mark.parametrize("ending", ["key", "pub"])
def test_nothing_is_written_over_without_force(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"k.{ending}"
    file.write_text("precious")
    prefix = str(tmp_path / "k")
    result = regctl("keygen", "--output-prefix", prefix, environ={"COSIGN_PASSWORD": "x"})
    check_refusal(result, 6, f"k.{ending}", hint="--force")
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert file.read_text() == "precious"
    make(tmp_path / "k", "--force")
    assert file.read_text() != "precious"


def test_a_public_key_that_cannot_be_written_takes_the_private_one_with_it(
    tmp_path: Path,
) -> None:
    """A directory stands in the way, which not even --force replaces."""
    (tmp_path / "k.pub").mkdir()
    options = ["--output-prefix", str(tmp_path / "k"), "--force"]
    check_refusal(regctl("keygen", *options, environ={"COSIGN_PASSWORD": "x"}), 2, "k.pub")
    assert [path.name for path in tmp_path.iterdir()] == ["k.pub"]


@pytest.mark.parametrize("prefix", ["", "keys/", "absent/k"])
def test_a_prefix_that_cannot_be(
    tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys").mkdir()
    options = ["--output-prefix", prefix]
    check_refusal(regctl("keygen", *options, environ={"COSIGN_PASSWORD": "x"}), 2)
    assert [path.name for path in tmp_path.rglob("*")] == ["keys"]


def test_an_empty_variable_is_the_empty_passphrase_and_is_warned_of(tmp_path: Path) -> None:
    prefix = str(tmp_path / "k")
    result = regctl("keygen", "--output-prefix", prefix, environ={"COSIGN_PASSWORD": ""})
    assert result.code == 0
    assert "warning: the passphrase is empty" in result.err
    assert load_private_key((tmp_path / "k.key").read_bytes(), b"")


@pytest.mark.parametrize("options", [[], ["--format=json"]])
def test_without_a_terminal_there_is_nobody_to_ask(tmp_path: Path, options: list[str]) -> None:
    arguments = ["--output-prefix", str(tmp_path / "k"), *options]
    result = regctl("keygen", *arguments, stdin=b"secret\nsecret\n")
    assert (result.code, result.stdout) == (2, b"")
    assert "COSIGN_PASSWORD" in result.err
    assert list(tmp_path.iterdir()) == []


def test_the_passphrase_is_asked_for_twice_and_not_shown(tmp_path: Path) -> None:
    prefix = str(tmp_path / "k")
    session = on_terminal(
        "keygen", "--output-prefix", prefix, keys="pass wörd\npass wörd\n", after=FIRST
    )
    assert session.code == 0, session.screen
    assert FIRST in session.screen
    assert SECOND in session.screen
    assert "pass w" not in session.screen
    assert load_private_key((tmp_path / "k.key").read_bytes(), "pass wörd".encode())


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("one\ntwo\n", "the two passphrases differ"),
        ("\n\n", "the passphrase is empty"),
        ("\x04", "no passphrase was typed"),
        ("one\n\x04", "no passphrase was typed"),
    ],
)
def test_what_is_typed_is_refused(tmp_path: Path, keys: str, words: str) -> None:
    session = on_terminal("keygen", "--output-prefix", str(tmp_path / "k"), keys=keys, after=FIRST)
    assert session.code == 2
    assert f"error: {words}" in plain(session.screen)
    assert list(tmp_path.iterdir()) == []


def test_json_mode_asks_nothing_even_on_a_terminal(tmp_path: Path) -> None:
    prefix = str(tmp_path / "k")
    session = on_terminal("keygen", "--output-prefix", prefix, "--format=json")
    assert session.code == 2
    assert "JSON mode asks nothing" in session.screen
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_at_the_question_gives_the_terminal_back(tmp_path: Path) -> None:
    """After it, what is typed is shown again."""
    arguments = ["keygen", "--output-prefix", str(tmp_path / "k")]
    code = (
        "import sys, termios\n"
        "from regctl.cli import run\n"
        f"code = run({arguments!r})\n"
        "shown = bool(termios.tcgetattr(0)[3] & termios.ECHO)\n"
        "sys.stderr.write(f'shown: {shown}\\n')\n"
        "sys.exit(code)"
    )
    from tests.terminal import terminals

    session = terminals.run(code, interrupt=True, after=FIRST)
    assert session.code == 130
    assert "shown: True" in session.screen
    assert "Traceback" not in session.screen
    assert list(tmp_path.iterdir()) == []
