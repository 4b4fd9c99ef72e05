"""unlock: show who holds the lock of collections, and remove one that was left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from regctl.commands.base import App, approve, define, dry_run_option, pass_app, yes_option

if TYPE_CHECKING:
    from regctl.maintenance.gc.lock import HeldLock

_HELP = """Show who holds the lock that collections of garbage take, and remove it if it was left.

A lock is left when its process is gone, seen from the machine where it ran, or when it was not
renewed for ten minutes by the storage's clock. The next run takes over such a lock by itself.

With --force one that is alive is removed too: the run that holds it stops before its next step.
"""


@define("unlock", "Remove the lock that a collection left.", help=_HELP)
@click.option("--force", is_flag=True, help="Remove it even if its holder is alive.")
@yes_option
@dry_run_option
@pass_app
def command(app: App, force: bool, yes: bool, dry_run: bool) -> None:
    """Remove a lock."""
    from regctl.maintenance.gc.lock import read_lock, remove_lock  # noqa: PLC0415

    driver = app.registry().driver
    found = read_lock(driver)
    if found is None:
        app.output.message("nobody holds the lock")
        _show(app, None, removed=False)
        return
    app.output.message(f"locked by {found.describe()}{' (left)' if found.is_stale else ''}")
    if not found.is_stale and force:
        plan = [f"remove the lock of {found.describe()}, which may be at work"]
        if not approve(app, plan, yes=yes, dry_run=dry_run):
            return
    elif dry_run:
        removed = "remove" if found.is_stale else "leave"
        approve(app, [f"{removed} the lock of {found.describe()}"], yes=yes, dry_run=True)
        return
    remove_lock(driver, found, force=force)
    app.output.message("removed the lock")
    _show(app, found, removed=True)


def _show(app: App, found: HeldLock | None, *, removed: bool) -> None:
    from regctl.terminal.formatting import timestamp  # noqa: PLC0415

    if not app.output.json:
        return
    holder = None if found is None else found.holder
    app.output.result(
        "",
        {
            "removed": removed,
            "stale": None if found is None else found.is_stale,
            "host": None if holder is None else holder.identity.host,
            "pid": None if holder is None else holder.identity.pid,
            "purpose": None if holder is None else holder.purpose,
            "run": None if holder is None or not holder.run else holder.run,
            "since": None if holder is None else timestamp(holder.since),
            "renewed": None if holder is None else timestamp(holder.renewed),
        },
    )
