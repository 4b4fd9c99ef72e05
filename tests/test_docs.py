"""The documents say what the program does: JSON fields, man pages, help in the README."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from regctl import __version__, cli
from regctl.drivers.objects.holders import Holder
from regctl.drivers.objects.identity import Identity
from regctl.layout.own import GC_LOCK
from tests import images, schema1
from tests.commands.conftest import push
from tests.commands.running import ROOT, Result, regctl

UPLOAD = "5d2b1c9e-0000-4000-8000-00000000abcd"
EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "object": dict,
    "list of strings": list,
    "list of objects": list,
    "null": type(None),
}


# --- docs/json.md --------------------------------------------------------------------------------


def documented() -> dict[str, dict[str, str]]:
    """By title of a section its fields, and the type of each."""
    found: dict[str, dict[str, str]] = {}
    for section in re.split(r"^### ", (ROOT / "docs/json.md").read_text(), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        found[title] = dict(re.findall(r"^\| `(\w+)` \| ([a-z ]+) \|", section, re.MULTILINE))
    return found


class Printed:
    """What the commands print, by the title of the section that documents it."""

    def __init__(self, directory: Path) -> None:
        self.objects: dict[str, list[dict[str, Any]]] = {}
        self.directory = directory
        self.storage = directory / "storage"
        self.storage.mkdir()

    def add(self, title: str, *arguments: str, stdin: bytes = b"") -> Result:
        """Run a command line in JSON mode, and keep what it prints under ``title``."""
        result = regctl(
            *arguments,
            "--format=json",
            storage=self.storage,
            stdin=stdin,
            environ={"REGCTL_HTTP_SECRET": "x", "COSIGN_PASSWORD": "x"},
        )
        objects = result.rows if result.stdout else []
        self.objects.setdefault(title, []).extend(objects)
        for said in result.said:
            for kind, body in said.items():
                self.objects.setdefault(f"`{kind}`", []).append(body)
        return result

    def add_nodes(self, node: dict[str, Any]) -> None:
        self.objects.setdefault("`manifest`, `children`, `referrers`", []).append(node)
        self.objects.setdefault("`signatures`", []).extend(node["signatures"])
        for below in (*node["children"], *node["referrers"]):
            self.add_nodes(below)


def _lock_of_a_process_that_is_gone() -> bytes:
    identity = Identity("elsewhere", "", "", 12, 0)
    holder = Holder("token", identity, GC_LOCK, "gc --blobs", 1.7e9, 1.7e9, "a run")
    return holder.encode()


def _collect(printed: Printed) -> None:
    """Have a live collection put an image aside."""
    lost = images.build_image(3)
    push(printed.storage, "lost:x", lost)
    digest = str(lost.layers[0].digest)
    why = [printed.add("`regctl why`", "why", digest).json]
    assert printed.add("none", "untag", "lost:x", "--yes").code == 0
    printed.objects["`regctl untag`"] += printed.objects.pop("none")
    why.append(printed.add("`regctl why`", "why", digest).json)
    printed.objects["`chains` of `regctl why`"] = [each for one in why for each in one["chains"]]
    now = ("--grace=0", "--settle=0", "--upload-age=0", "--max-delete=100%", "--tags-are-complete")
    dry = printed.add("`regctl gc`", "gc", "--untagged", "--dry-run", "-v", *now)
    runs = [dry.json]
    for _ in range(2):
        runs.append(printed.add("`regctl gc`", "gc", "--untagged", "--yes", *now).json)
    for title in ("uploads", "content"):
        printed.objects[f"`{title}` of `regctl gc`"] = [each[title] for each in runs]
    (row,) = printed.add("`regctl quarantine list`", "quarantine").rows
    restore = ("quarantine", "restore", row["run"], "--yes")
    printed.add("`regctl quarantine restore`", *restore)
    printed.add("`regctl quarantine restore`", "quarantine", "purge", "--older-than=0", "--yes")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Printed:
    directory = tmp_path_factory.mktemp("docs")
    printed = Printed(directory)
    add, target = printed.add, str(directory / "out")
    first, second = images.build_image(1), images.build_image(2)
    for image in (first, second):
        push(printed.storage, "app:v1", image)
    one, two = str(first.digest), str(second.digest)
    layer = str(first.layers[0].digest)
    add("`regctl push-layer`", "push-layer", "app", "-")
    add("`regctl pull-layer -o FILE`", "pull-layer", "app", layer, "-o", target)
    content = second.manifest.content
    for name in ("app", "app:v2"):
        add("`regctl push-manifest`", "push-manifest", name, "-", stdin=content)
    add("`regctl pull-manifest -o FILE`", "pull-manifest", "app:v1", "-o", target, "--force")
    add("`regctl digest`", "digest", "-")
    add("`regctl ls`", "ls")
    add("`regctl ls REPO`", "ls", "app")
    add("`regctl inspect REPO`", "inspect", "app")
    inspected = add("`regctl inspect REPO:TAG`", "inspect", "app:v1")
    printed.add_nodes(inspected.json["manifest"])
    old = schema1.payload_of("app", "old", [each.digest for each in first.layers])
    document = schema1.signed_by(old, schema1.RSA)
    add("`regctl push-manifest`", "push-manifest", "app:old", "-", stdin=document)
    printed.add_nodes(add("`regctl inspect REPO:TAG`", "inspect", "app:old").json["manifest"])
    add("`regctl tag`", "tag", "app:v1", "v3")
    add("`regctl history`", "history", "app:v1")
    add("`--dry-run`", "rollback", "app:v1", one, "--dry-run")
    add("`--dry-run`", "untag", "app:v1", "--dry-run")
    add("`regctl rollback`", "rollback", "app:v1", one, "--yes")
    for tag in ("v2", "v3"):
        add("`regctl untag`", "untag", f"app:{tag}", "--yes")
    add("`regctl rm`", "rm", f"app@{two}", "--yes")
    uploads = printed.storage / "docker/registry/v2/repositories/app/_uploads"
    for upload, started in ((UPLOAD, "2026-11-23T16:10:25Z"), (UPLOAD.replace("5", "6"), "?")):
        (uploads / upload).mkdir(parents=True)
        (uploads / upload / "startedat").write_text(started)
    add("`regctl uploads`", "uploads", "--tokens")
    add("`regctl uploads finish`", "uploads", "finish", "app", UPLOAD, "--digest", EMPTY)
    add("`regctl uploads cancel`", "uploads", "cancel", "app", UPLOAD.replace("5", "6"), "--yes")
    add("`regctl unlock`", "unlock")
    lock = printed.storage / "regctl/locks/gc"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_bytes(_lock_of_a_process_that_is_gone())
    add("`regctl unlock`", "unlock")
    _collect(printed)
    add("`regctl keygen`", "keygen", "--output-prefix", target)
    key = ("--key", f"{target}.key", "--registry-host", "registry.example.com")
    signed = add("`regctl sign`", "sign", "app:v1", *key)
    printed.objects["`signed`"] = signed.json["signed"]
    for line in (("app",), ("app:v1", "app:none", "--key", f"{target}.pub")):
        verified = add("`regctl verify`", "verify", *line)
        *_, last = verified.rows
        printed.objects["`regctl verify`"].remove(last)
        printed.objects.setdefault("`summary`", []).append(last["summary"])
    add("`regctl completion`", "completion", "zsh")
    add("none", "push-manifest", "app", "-", stdin=b"{}")
    add("none", "inspect", "app:none")
    assert printed.objects.pop("none") == []
    return printed


def test_every_json_object_is_documented_and_every_field_printed(printed: Printed) -> None:
    sections = documented()
    assert set(sections) == set(printed.objects)
    for title, fields in sections.items():
        seen = {name for each in printed.objects[title] for name in each}
        assert seen == set(fields), title


def test_every_field_has_the_documented_type(printed: Printed) -> None:
    for title, fields in documented().items():
        for each in printed.objects[title]:
            for name, value in each.items():
                kinds = fields[name].split(" or ")
                assert any(type(value) is TYPES[kind] for kind in kinds), (title, name, value)
                if "list of strings" in kinds:
                    assert all(isinstance(item, str) for item in value)


def test_only_named_fields_are_ever_absent(printed: Printed) -> None:
    text = (ROOT / "docs/json.md").read_text()
    optional = set(re.findall(r"^\| `(\w+)` \| [a-z ]+ \| only ", text, re.MULTILINE))
    assert optional == {"token", "reasons"}
    for title, fields in documented().items():
        for each in printed.objects[title]:
            assert set(fields) - set(each) <= optional, title


# --- man -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The man pages as they are made now, by the line that `make man` runs."""
    directory = tmp_path_factory.mktemp("man")
    (directory / "regctl-gone.1").write_text("of a command that is no more")
    subprocess.run([sys.executable, "-m", "tools.manpages", str(directory)], cwd=ROOT, check=True)
    return {path.name: path.read_text() for path in sorted(directory.iterdir())}


def all_commands() -> dict[str, click.Command]:
    """Every command by its path, the program's own included."""
    context = click.Context(cli.cli, info_name="regctl")
    found: dict[str, click.Command] = {"regctl": cli.cli}
    for name in cli.cli.list_commands(context):
        command = cli.cli.get_command(context, name)
        assert command is not None
        found[f"regctl {name}"] = command
        if isinstance(command, click.Group):
            found |= {f"regctl {name} {below}": each for below, each in command.commands.items()}
    return found


def test_the_committed_man_pages_are_current(generated: dict[str, str]) -> None:
    """If this fails: make man."""
    committed = {path.name: path.read_text() for path in sorted((ROOT / "man").glob("*.1"))}
    assert sorted(committed) == sorted(generated)
    for name, text in generated.items():
        assert committed[name] == text, f"man/{name} is not current: run 'make man'"


def test_every_command_has_a_page_with_all_its_options(generated: dict[str, str]) -> None:
    commands = all_commands()
    assert {f"{path.replace(' ', '-')}.1" for path in commands} == set(generated)
    for path, command in commands.items():
        text = generated[f"{path.replace(' ', '-')}.1"]
        assert f'"regctl {__version__}"' in text
        sections = re.findall(r"^\.SH (.*)$", text, re.MULTILINE)
        for title in (
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "GLOBAL OPTIONS",
            "EXIT STATUS",
            "ENVIRONMENT",
            "SEE ALSO",
        ):
            assert title in sections
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                for option in parameter.opts:
                    assert option.replace("-", r"\-") in text, (path, option)


def test_see_also_names_pages_that_exist(generated: dict[str, str]) -> None:
    for name, text in generated.items():
        named = re.findall(r"^\\fB(\S+)\\fR\(1\)", text, re.MULTILINE)
        assert named
        for each in named:
            page = each.replace(r"\-", "-") + ".1"
            assert page in generated
            assert page != name


def test_the_examples_of_the_man_pages_are_command_lines(generated: dict[str, str]) -> None:
    """Each is parsed as the program would, and not run."""
    lines = [
        line.replace(r"\-", "-").replace(r"\(aq", "'").replace(r"\e", "\\")
        for text in generated.values()
        for block in re.findall(r"^\.nf\n(.*?)^\.fi", text, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(lines) > 15
    for line in lines:
        inner = re.search(r"\$\((.*)\)", line)
        words = shlex.split(inner[1] if inner else re.split(r" [|>] ", line)[0])
        assert words.pop(0) == "regctl"
        parse(cli.cli, None, "regctl", words)


def parse(
    command: click.Command, parent: click.Context | None, name: str, words: list[str]
) -> None:
    """Parse ``words`` as the arguments of ``command``, down to its subcommands."""
    with command.make_context(name, words, parent=parent) as context:
        if isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            if rest:
                below_name, below, below_words = command.resolve_command(context, rest)
                assert below is not None
                parse(below, context, below_name or "", below_words)


def test_groff_has_no_complaint() -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    pages = sorted(map(str, (ROOT / "man").glob("*.1")))
    command = ["groff", "-man", "-Tutf8", "-ww", "-rLL=100n", "-P-c", "-P-b", "-P-u", *pages]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    assert "--trust-digest" in shown.stdout
    assert "\\" not in shown.stdout


# --- README --------------------------------------------------------------------------------------


def test_the_readme_shows_the_real_help() -> None:
    match = re.search(
        r"<!-- help:begin -->\n```\w*\n(.*?)```\n<!-- help:end -->",
        (ROOT / "README.md").read_text(),
        re.DOTALL,
    )
    if match is None:
        assert "help:begin" not in (ROOT / "README.md").read_text()
        pytest.skip("README.md does not show the help")
    shown = match[1].removeprefix("$ regctl --help\n")
    assert shown == regctl("--help", environ={"COLUMNS": "80"}).out
