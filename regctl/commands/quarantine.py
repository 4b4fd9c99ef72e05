"""quarantine: list, restore or purge what collections put aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from regctl.commands.base import App, Command, Group, approve, dry_run_option, pass_app, yes_option
from regctl.commands.collecting import DURATION, means

if TYPE_CHECKING:
    from regctl.drivers.base import StorageDriver
    from regctl.maintenance.gc.quarantine import PutBack
    from regctl.maintenance.gc.runs import RunId
    from regctl.maintenance.gc.things import Outcome

_HELP = """List, restore or purge what 'regctl gc' put into quarantine.

'regctl quarantine' lists it: for each run its name, when it began, how many files it put aside, and
their bytes. They lie below regctl/quarantine in the storage, and take the space that they took.
"""


@click.group(
    "quarantine",
    cls=Group,
    default="list",
    short_help="List, restore or purge what collections put aside.",
    help=_HELP,
    invoke_without_command=True,
)
@click.pass_context
def command(context: click.Context) -> None:
    """List, restore or purge what is in quarantine."""
    if context.invoked_subcommand is None:
        context.invoke(list_runs)


@command.command("list", cls=Command, short_help="List runs that have something in quarantine.")
@pass_app
def list_runs(app: App) -> None:
    """List the runs that have something in quarantine, the oldest first, one a line."""
    from regctl.maintenance.gc import quarantine  # noqa: PLC0415

    driver = app.registry().driver
    app.output.listing(_row(driver, run) for run in quarantine.list_runs(driver))


def _row(driver: StorageDriver, run: RunId) -> tuple[str, Mapping[str, object]]:
    from regctl.maintenance.gc.quarantine import count  # noqa: PLC0415
    from regctl.terminal.formatting import timestamp  # noqa: PLC0415

    found = count(driver, run)
    began = timestamp(run.began)
    data = {"run": str(run), "began": began, "things": found.done, "bytes": found.bytes}
    return f"{run} {began} {found.done} {found.bytes}", data


@command.command("restore", cls=Command, short_help="Put back all that a run took away.")
@click.argument("run", metavar="RUN")
@yes_option
@dry_run_option
@pass_app
def restore(app: App, run: str, yes: bool, dry_run: bool) -> None:
    """Put back all that RUN took away: blobs, revisions, layer links, histories of tags.

    Nothing that is newer is replaced. What is put back counts as written now.
    """
    from regctl.errors import NotFoundError  # noqa: PLC0415
    from regctl.maintenance.gc import quarantine  # noqa: PLC0415
    from regctl.maintenance.gc.lock import gc_lock  # noqa: PLC0415
    from regctl.maintenance.gc.runs import RunId  # noqa: PLC0415

    wanted = RunId.parse(run)
    driver = app.registry().driver
    found = quarantine.count(driver, wanted)
    if not found.done:
        raise NotFoundError(
            f"nothing of the run {wanted} is in quarantine",
            hint="'regctl quarantine' lists the runs",
        )
    plan = [f"put back {found.done} files of {found.bytes} bytes"]
    if not approve(app, plan, yes=yes, dry_run=dry_run):
        return
    with gc_lock(driver, "quarantine restore") as lock:
        back = quarantine.restore(driver, wanted, lock.check)
    for path in back.newer:
        app.output.warning(f"{path} was not put back: something else is there now")
    _end(app, back, None)


@command.command("purge", cls=Command, short_help="Remove for good what is old enough.")
@click.option(
    "--older-than",
    metavar="AGE",
    type=DURATION,
    required=True,
    help="Of runs that began longer ago; how old the files are does not matter.",
)
@yes_option
@dry_run_option
@pass_app
def purge(app: App, older_than: float, yes: bool, dry_run: bool) -> None:
    """Remove for good what runs put aside, after all that anything needs was put back."""
    from regctl.maintenance.gc import quarantine  # noqa: PLC0415
    from regctl.maintenance.gc.clock import read_clock  # noqa: PLC0415
    from regctl.maintenance.gc.healing import purge_storage  # noqa: PLC0415
    from regctl.maintenance.gc.lock import gc_lock  # noqa: PLC0415
    from regctl.maintenance.gc.things import Outcome  # noqa: PLC0415

    driver = app.registry().driver
    limit = read_clock(driver, dry_run=dry_run).read_at - older_than
    runs = [run for run in quarantine.list_runs(driver) if run.began <= limit]
    plan = [f"remove for good what the run {run} put aside" for run in runs]
    if not approve(app, plan, yes=yes or not runs, dry_run=dry_run):
        return
    removed = Outcome()
    back = quarantine.PutBack()
    if runs:
        with gc_lock(driver, "quarantine purge") as lock, means(app) as how:
            back, purged = purge_storage(driver, how, runs, lock.check)
        for each in purged:
            for found in (each.back.outcome, each.removed):
                removed.failures += found.failures
            _count(back.outcome, each.back.outcome)
            _count(removed, each.removed)
            removed.bytes += each.removed.bytes
    _end(app, back, removed)


def _count(total: Outcome, each: Outcome) -> None:
    for kind, count in each.counts.items():
        total.counts[kind] = total.counts.get(kind, 0) + count


def _end(app: App, back: PutBack, removed: Outcome | None) -> None:
    """Say what was done; exit with 1 if not all could be."""
    failed = [*back.outcome.failures, *(removed.failures if removed else ())]
    failures = [f"{each.path}: {each.error.message}" for each in failed]
    app.output.result(
        _lines(back, removed, failures),
        {
            "restored": back.outcome.done,
            "present": back.there,
            "newer": back.newer,
            "removed": 0 if removed is None else removed.done,
            "freed_bytes": 0 if removed is None else removed.bytes,
            "failures": failures,
        },
    )
    if failures or back.newer:
        raise click.exceptions.Exit(1)


def _lines(back: PutBack, removed: Outcome | None, failures: list[str]) -> Iterator[str]:
    from regctl.terminal.formatting import size  # noqa: PLC0415

    yield f"put back: {back.outcome.done}"
    if removed is not None:
        yield f"removed for good: {removed.done} ({size(removed.bytes)})"
    for failure in failures:
        yield f"failed: {failure}"
