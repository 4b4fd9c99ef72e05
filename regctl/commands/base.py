"""What all commands share: the global options, the application object, lazily loaded groups."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from regctl.errors import RegctlError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from regctl.config import Settings
    from regctl.drivers.counting import CountingDriver
    from regctl.registry import Registry, Repository
    from regctl.terminal.output import Output

_Function = TypeVar("_Function", bound=Callable[..., object])

DEFAULT_JOBS = 8


class App:
    """One run of the program: its global options, and what is made of them when needed."""

    def __init__(self, environ: Mapping[str, str], *, json_wanted: bool = False) -> None:
        self.environ = environ
        self.options: dict[str, Any] = {}
        self._json_wanted = json_wanted
        self._output: Output | None = None
        self._settings: Settings | None = None
        self._counting: CountingDriver | None = None

    @property
    def verbose(self) -> bool:
        """Whether -v was given."""
        return bool(self.options.get("verbose"))

    @property
    def jobs(self) -> int:
        """How many requests may be in flight."""
        jobs: int = self.options.get("jobs") or DEFAULT_JOBS
        return jobs

    @property
    def output(self) -> Output:
        """Where everything said goes."""
        if self._output is None:
            from regctl.terminal.output import Output  # noqa: PLC0415 - help and version need none

            quiet = bool(self.options.get("quiet"))
            self._output = Output(
                "json" if self._json_wanted or self.options.get("format") == "json" else "text",
                -1 if quiet else int(self.verbose),
                not self.options.get("no_progress"),
                colour="NO_COLOR" not in self.environ or not self.environ["NO_COLOR"],
            )
        return self._output

    @property
    def settings(self) -> Settings:
        """Where the storage is, and what the registry's configuration says besides."""
        if self._settings is None:
            from regctl.config import load  # noqa: PLC0415 - no command line needs YAML to fail

            self._settings = load(
                self.options.get("storage"), self.options.get("config"), self.environ
            )
        return self._settings

    def registry(self) -> Registry:
        """The registry's storage, opened; raises `ConfigurationError` if it cannot be one."""
        from regctl.drivers import open_driver  # noqa: PLC0415
        from regctl.drivers.counting import CountingDriver  # noqa: PLC0415
        from regctl.registry import Registry  # noqa: PLC0415

        storage = self.settings.storage
        driver = open_driver(storage.driver, storage.parameters, jobs=self.jobs)
        self._counting = CountingDriver(driver)
        registry = Registry(self._counting)
        registry.check_root()
        return registry

    def opened(self, repository: Repository) -> Repository:
        """``repository``, after a warning if it is in two layouts at once."""
        if repository.is_mixed:
            self.output.warning(
                f"the repository {repository.name} holds directories of the current layout and "
                "of that of 2015; only the current ones are read"
            )
        return repository

    def command_line(self, *arguments: str) -> str:
        """A command to run on the same storage, as it can be pasted into a shell."""
        import shlex  # noqa: PLC0415

        named: list[str] = []
        for option in ("storage", "config"):
            if value := self.options.get(option):
                named += [f"--{option}", value if "://" in value else absolute(value)]
        return shlex.join(["regctl", *named, *arguments])

    def close(self) -> None:
        """Say, with -v, what the storage was asked for."""
        if self._counting is not None and self.verbose:
            counts = self._counting.counts
            asked = _counted(counts.requests)
            self.output.detail(
                f"storage: {asked or 'no requests'}; {counts.bytes_read} bytes read, "
                f"{counts.bytes_written} bytes written"
            )
            if sent := self._counting.requests():
                self.output.detail(f"server: {sum(sent.values())} requests: {_counted(sent)}")


def _counted(requests: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(requests.items()))


def _store(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep a global option that is given; the one nearest to the end of the line counts."""
    source = context.get_parameter_source(parameter.name or "")
    if source is click.core.ParameterSource.COMMANDLINE:
        app = context.find_object(App)
        if app is not None and parameter.name:
            app.options[parameter.name] = value


class GlobalOption(click.Option):
    """An option that is accepted before and after the command, and shown apart in its help."""

    def __init__(self, *names: str, **attributes: Any) -> None:
        super().__init__(names, expose_value=False, callback=_store, **attributes)


def _global_parameters() -> list[GlobalOption]:
    return [
        GlobalOption(
            "--storage",
            metavar="URL",
            shell_complete=complete_file,
            help="Where the storage is: a directory, file:///PATH, s3://BUCKET/PREFIX or "
            "gs://BUCKET/PREFIX.",
        ),
        GlobalOption(
            "--config",
            metavar="FILE",
            shell_complete=complete_file,
            help="Take the storage from a registry's own config.yml.",
        ),
        GlobalOption(
            "--format", type=click.Choice(["text", "json"]), help="How results are written."
        ),
        GlobalOption(
            "--jobs",
            metavar="N",
            type=click.IntRange(1, 256),
            help=f"How many requests may be in flight.  [default: {DEFAULT_JOBS}]",
        ),
        GlobalOption("-q", "--quiet", is_flag=True, help="Say nothing but warnings and errors."),
        GlobalOption("-v", "--verbose", is_flag=True, help="Say more; show where a bug is."),
        GlobalOption("--no-progress", is_flag=True, help="Show no progress."),
    ]


class Command(click.Command):
    """A command with the global options, which its help shows below its own."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params += _global_parameters()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            is_option = isinstance(parameter, click.Option)
            record = parameter.get_help_record(ctx) if is_option else None
            if record is not None:
                (shared if isinstance(parameter, GlobalOption) else own).append(record)
        for title, records in (("Options", own), ("Global options", shared)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Group(Command, click.Group):
    """A group whose commands are imported when they are used.

    ``commands_by_name`` gives for each the module in `regctl.commands`, whose ``command`` it is,
    and its line in the group's help. With ``default``, that command is meant where the first
    argument names none.
    """

    def __init__(
        self,
        *arguments: Any,
        commands_by_name: Mapping[str, tuple[str, str]] | None = None,
        default: str | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*arguments, **attributes)
        self._lazy = commands_by_name or {}
        self._default = default

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self._lazy, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"regctl.commands.{self._lazy[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [
            (name, self._lazy[name][1] if name in self._lazy else self.commands[name].short_help)
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl([(name, line or "") for name, line in rows])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if self._default is not None and (not args or args[0] not in self.commands):
            args = [self._default, *args]
        return super().resolve_command(ctx, args)


def define(name: str, short_help: str, **attributes: Any) -> Callable[[_Function], Command]:
    """A decorator like `click.command` that makes a `Command`."""
    decorator: Callable[[_Function], Command] = click.command(
        name, cls=Command, short_help=short_help, **attributes
    )
    return decorator


pass_app = click.make_pass_decorator(App)


def complete_file(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """What a shell completes a FILE with: names of files."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415

    return [CompletionItem(incomplete, type="file")]


def approve(app: App, plan: Sequence[str], *, yes: bool, dry_run: bool) -> bool:
    """Show ``plan``, with the storage it is for, and ask; whether to carry it out.

    A dry run shows the plan as the result, and the answer is no. Raises `click.exceptions.Exit`
    with 1 if a person says no.
    """
    from regctl.terminal.confirm import confirm  # noqa: PLC0415

    if dry_run:
        app.output.result(plan, {"dry_run": True, "plan": list(plan)})
        return False
    lines = [f"storage: {app.settings.storage.describe()}", *plan]
    if not confirm(app.output, lines, yes=yes):
        raise click.exceptions.Exit(1)
    return True


output_option = click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Write to FILE, - for standard output.",
)
force_option = click.option("--force", is_flag=True, help="Overwrite FILE.")
yes_option = click.option("--yes", is_flag=True, help="Do it without asking.")
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would be done; do nothing."
)


def write_bytes(app: App, content: bytes | memoryview) -> None:
    """Write ``content`` to standard output as it is, with no stream in between.

    Raises `BrokenPipeError` if its reader left, `RegctlError` if it cannot be written otherwise.
    """
    if app.output.stdout is None:
        # Its descriptor may be that of another file by now.
        raise UsageError("standard output is closed, and the result has nowhere to go")
    left = memoryview(content)
    try:
        while left:
            left = left[os.write(1, left) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RegctlError(f"cannot write to standard output: {error.strerror}") from error


def absolute(path: str) -> str:
    """``path`` as an absolute one, for a command that may be run from elsewhere."""
    return path if path == "-" else os.path.abspath(path)


def require_repository(text: str, what: str = "this command") -> None:
    """Raise `UsageError` if ``text`` names more than a repository."""
    if ":" in text or "@" in text:
        raise UsageError(f"{what} takes a repository, and {text!r} names more than one")
