"""The command line as a whole: options, where the storage is, errors, exit codes, start-up."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import pytest

from regctl import __version__, cli, config
from regctl.registry.registry import Registry
from tests.commands.running import check_refusal, command_line, process_environment, regctl

FOREIGN = {"rich", "boto3", "botocore", "google", "yaml", "cryptography", "importlib.metadata"}


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A storage with the repository ``app``."""
    root = tmp_path / "storage"
    (root / "docker/registry/v2/repositories/app/_layers").mkdir(parents=True)
    return root


def config_for(storage: Path, directory: Path) -> Path:
    path = directory / "config.yml"
    path.write_text(f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {storage}\n")
    return path


# --- global options ------------------------------------------------------------------------------


def test_global_options_are_accepted_before_and_after_the_command(storage: Path) -> None:
    expected = regctl("--storage", storage, "--format", "json", "--jobs", "2", "-q", "ls")
    assert (expected.code, expected.rows) == (0, [{"repository": "app", "layout": "current"}])
    for arguments in (
        ("ls", "--storage", storage, "--format", "json", "--jobs", "2", "-q"),
        ("--storage", storage, "ls", "--format=json", "--no-progress"),
        ("--format", "json", "ls", "--storage", storage, "-v", "--no-progress"),
    ):
        assert regctl(*arguments).rows == expected.rows
    nested = regctl("--storage", storage, "uploads", "--format=json", "list", "app", "-q")
    assert (nested.code, nested.out) == (0, "")


def test_the_last_of_a_repeated_option_counts(storage: Path, tmp_path: Path) -> None:
    assert regctl("--storage", tmp_path / "none", "ls", "--storage", storage).lines == ["app"]


def test_verbose_says_what_the_storage_was_asked_for(storage: Path) -> None:
    assert "storage: " in regctl("ls", "-v", storage=storage).err
    assert regctl("ls", storage=storage).err == ""
    assert regctl("ls", "-v", "--format=json", storage=storage).err == ""


@pytest.mark.parametrize("jobs", ["0", "-1", "many", "1000"])
def test_jobs_is_a_sensible_number(storage: Path, jobs: str) -> None:
    check_refusal(regctl("ls", "--jobs", jobs, storage=storage), 2, "--jobs")


# --- where the storage is ------------------------------------------------------------------------


def test_every_way_to_name_the_storage(storage: Path, tmp_path: Path) -> None:
    config = str(config_for(storage, tmp_path))
    for arguments, environ in (
        (["--storage", str(storage)], {}),
        (["--storage", f"file://{storage}"], {}),
        (["--config", config], {}),
        ([], {"REGCTL_STORAGE": str(storage)}),
        ([], {"REGCTL_CONFIG": config}),
        (["--storage", str(storage)], {"REGCTL_STORAGE": "/none", "REGCTL_CONFIG": "/none"}),
        (["--config", config], {"REGCTL_STORAGE": "/none", "REGCTL_CONFIG": "/none"}),
        ([], {"REGCTL_STORAGE": str(storage), "REGCTL_CONFIG": "/none"}),
    ):
        result = regctl(*arguments, "ls", environ=environ)
        assert (result.code, result.lines) == (0, ["app"]), (arguments, environ, result.err)


def test_the_registrys_overrides_apply_to_its_configuration(storage: Path, tmp_path: Path) -> None:
    config = config_for(tmp_path / "elsewhere", tmp_path)
    environ = {"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(storage)}
    assert regctl("ls", "--config", config, environ=environ).lines == ["app"]


def test_both_ways_at_once_are_a_usage_error(storage: Path, tmp_path: Path) -> None:
    config = config_for(storage, tmp_path)
    result = regctl("ls", "--config", config, storage=storage)
    check_refusal(result, 2, "--storage and --config cannot be given together")


def test_no_storage_is_an_error_that_lists_the_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a machine that has a registry's configuration in the usual place."""
    usual = (str(tmp_path / "3.x.yml"), str(tmp_path / "2.x.yml"))
    monkeypatch.setattr(config, "load", partial(config.load, default_files=usual))
    result = regctl("ls")
    check_refusal(result, 2, "no storage is configured", hint="--storage, --config")
    for way in ("REGCTL_STORAGE", "REGCTL_CONFIG", *usual):
        assert way in result.err


def test_a_root_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    foreign = tmp_path / "foreign"
    (foreign / "etc").mkdir(parents=True)
    for root, words in (
        (tmp_path / "none", "none"),
        (tmp_path / "file", "file"),
        (foreign, "no docker/registry/v2"),
        (Path("/"), "no docker/registry/v2"),
    ):
        for arguments in (("ls",), ("push-layer", "app", "-")):
            result = regctl(*arguments, storage=root, stdin=b"x")
            assert result.code in (2, 5)
            check_refusal(result, result.code, words)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["etc", "file", "foreign"]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://x/y", "http:// URLs are not supported"),
        ("s3://", "does not name a bucket"),
        ("s3://b?secretkey=TOPSECRET", "secretkey is refused in a URL"),
        ("s3://user:TOPSECRET@b", "user and password are refused"),
        ("", "--storage"),
        ("file://host/path", "names no host"),
    ],
)
def test_a_storage_that_is_not_understood(location: str, words: str) -> None:
    result = regctl("ls", "--storage", location)
    check_refusal(result, 2, words)
    assert "TOPSECRET" not in result.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("storage: {azure: {}}", "azure"),
        ("storage: [", "YAML"),
        ("http: {secret: x}", "storage"),
        ("storage: {filesystem: {}, s3: {}}", "s3"),
    ],
)
def test_a_configuration_that_is_not_understood(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "config.yml"
    path.write_text(f"version: 0.1\n{content}\n")
    check_refusal(regctl("ls", "--config", path), 2, words)
    check_refusal(regctl("ls", "--config", tmp_path / "none.yml"), 2, "none.yml")
    check_refusal(regctl("ls", "--config", tmp_path), 2, str(tmp_path))


# --- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "no such command 'nonsense'"),
        (["ls", "--nonsense"], "no such option '--nonsense'"),
        (["ls", "a", "b"], "unexpected extra argument"),
        (["push-layer", "app"], "missing argument"),
        (["--format", "xml", "ls"], "'xml' is not one of"),
        (["digest", "--algorithm", "md5", "x"], "'md5' is not one of"),
        (["ls", "--storage"], "--storage"),
        (["uploads", "finish", "app", "x"], "missing option '--digest'"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
)
def test_usage_errors_in_text_and_json(arguments: list[str], words: str) -> None:
    result = regctl(*arguments)
    check_refusal(result, 2, hint="--help")
    assert words in result.err.lower()
    if "--format" in arguments:
        return
    for data in (regctl(*arguments, "--format=json"), regctl("--format", "json", *arguments)):
        if arguments == ["ls", "--storage"] and data.code == 0:
            continue
        assert (data.code, data.stdout) == (2, b"")
        assert data.error["code"] in ("usage", "configuration")
        assert data.error["exit_code"] == 2


def test_no_command_shows_the_help_and_is_a_usage_error() -> None:
    result = regctl()
    check_refusal(result, 2, "no command is given", hint="regctl --help")


def test_errors_in_json_are_one_object_on_stderr(storage: Path) -> None:
    result = regctl("ls", "none", "--format", "json", storage=storage)
    assert result.stdout == b""
    assert len(result.stderr.splitlines()) == 1
    assert result.error == {
        "code": "repository-not-found",
        "message": "there is no repository none in the storage",
        "hint": "'regctl ls' lists the repositories",
        "exit_code": 3,
    }
    assert result.code == 3


def test_a_bug_is_70_with_a_traceback_only_when_asked(
    storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_registry: Registry) -> None:
        raise ZeroDivisionError("a bug of a test")

    monkeypatch.setattr(Registry, "catalog", broken)
    result = regctl("ls", storage=storage)
    check_refusal(
        result, 70, "this is a bug in regctl: ZeroDivisionError: a bug of a test", hint="-v"
    )
    assert "Traceback" in regctl("ls", "-v", storage=storage).err
    data = regctl("ls", "--format=json", storage=storage)
    assert (data.error["code"], data.error["exit_code"]) == ("bug", 70)


@pytest.mark.parametrize(
    ("raised", "code"), [(KeyboardInterrupt, 130), (cli.Terminated, 143), (BrokenPipeError, 141)]
)
def test_what_stops_a_run_has_its_own_code(
    storage: Path, monkeypatch: pytest.MonkeyPatch, raised: type[BaseException], code: int
) -> None:
    def stopped(_registry: Registry) -> None:
        raise raised

    monkeypatch.setattr(Registry, "catalog", stopped)
    result = regctl("ls", storage=storage)
    assert result.code == code
    assert "Traceback" not in result.err
    assert bool(result.err) == (code != 141)


# --- help, version, start-up ---------------------------------------------------------------------


def commands() -> Iterator[tuple[list[str], click.Command]]:
    context = click.Context(cli.cli, info_name="regctl")
    for name in cli.cli.list_commands(context):
        command = cli.cli.get_command(context, name)
        assert command is not None
        yield [name], command
        if isinstance(command, click.Group):
            yield from (([name, below], each) for below, each in command.commands.items())


def test_the_help_of_the_group_has_each_commands_own_line() -> None:
    """`COMMANDS` repeats the lines so that the help imports no command."""
    for path, command in commands():
        if len(path) == 1:
            assert cli.COMMANDS[path[0]][1] == command.short_help
            assert command.name == path[0]
            assert path[0] in regctl("--help").out
    assert len(cli.COMMANDS) == len([path for path, _ in commands() if len(path) == 1])


def test_every_command_has_help_with_its_own_and_the_global_options() -> None:
    for path, command in commands():
        for option in ("-h", "--help"):
            result = regctl(*path, option)
            assert (result.code, result.err) == (0, "")
            assert result.out.startswith(f"Usage: regctl {' '.join(path)} ")
            assert "Global options:" in result.out
        assert command.short_help
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help
                assert parameter.help.endswith((".", "]")), (path, parameter.name)


def test_version() -> None:
    for option in ("-V", "--version"):
        assert regctl(option).out == f"regctl {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["push-layer", "--help"], ["ls", "--bogus"]]
)
def test_start_up_imports_nothing_large(arguments: list[str]) -> None:
    """Neither rich nor an SDK nor YAML: start-up stays near Click's own."""
    program = (
        "import json, sys\n"
        "from regctl import cli\n"
        f"code = cli.run({arguments!r})\n"
        "print(json.dumps([code, sorted(sys.modules)]))"
    )
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=process_environment()
    )
    code, modules = json.loads(process.stdout.splitlines()[-1])
    assert code == (2 if "--bogus" in arguments else 0)
    assert FOREIGN & {name.partition(".")[0] for name in modules} == set()


def test_help_of_the_group_imports_no_command() -> None:
    program = (
        "import sys\nfrom regctl import cli\ncli.run(['--help'])\n"
        "names = [n for n in sys.modules if n.startswith('regctl.commands.')]\n"
        "sys.exit(names != ['regctl.commands.base'])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0


def test_ls_of_a_directory_imports_no_sdk_and_no_rich(storage: Path) -> None:
    program = (
        "import sys\nfrom regctl import cli\n"
        f"cli.run(['ls', '--storage', {str(storage)!r}])\n"
        f"sys.exit(bool({FOREIGN!r} & {{name.partition('.')[0] for name in sys.modules}}))"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert (process.returncode, process.stdout) == (0, b"app\n")


def test_the_installed_command(storage: Path) -> None:
    """`main` by the entry point that the package declares."""
    process = subprocess.run(
        command_line("ls", "none", "--storage", storage),
        capture_output=True,
        env=process_environment(),
        text=True,
    )
    assert process.returncode == 3
    assert process.stderr.startswith("error: there is no repository none")
