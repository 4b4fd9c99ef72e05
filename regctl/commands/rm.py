"""rm: remove a manifest revision from a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from regctl.commands.base import App, approve, define, dry_run_option, pass_app, yes_option
from regctl.errors import UsageError

if TYPE_CHECKING:
    from regctl.registry.removal import RemovalPlan

_HELP = """Remove the manifest REPO@DIGEST from its repository. Blobs are left to the collector.

A revision that a tag names, or that an index of the repository holds as a child, is not removed
without --force; with it, these tags are removed first.
"""


@define("rm", "Remove a manifest revision from a repository.", help=_HELP)
@click.argument("reference", metavar="REPO@DIGEST")
@click.option("--force", is_flag=True, help="Remove it although a tag or an index needs it.")
@yes_option
@dry_run_option
@pass_app
def command(app: App, reference: str, force: bool, yes: bool, dry_run: bool) -> None:
    """Remove a revision."""
    from regctl.layout import Reference  # noqa: PLC0415
    from regctl.registry.removal import check_removal, plan_removal, remove_revision  # noqa: PLC0415

    target = Reference.parse(reference)
    if target.digest is None:
        raise UsageError(
            f"{reference!r} names no digest",
            hint="name one: REPO@DIGEST; 'regctl untag' removes a tag",
        )
    repository = app.opened(app.registry().repository_to_change(target.repository))
    plan = plan_removal(repository, target.digest)
    check_removal(repository, plan, force=force)
    if not approve(app, _lines(target.repository.value, plan), yes=yes, dry_run=dry_run):
        return
    remove_revision(repository, plan, force=force)
    app.output.message(f"removed {target}")
    if app.output.json:
        app.output.result(
            "",
            {
                "repository": str(target.repository),
                "digest": str(plan.revision),
                "tags": [str(tag) for tag in plan.tags],
            },
        )


def _lines(repository: str, plan: RemovalPlan) -> list[str]:
    lines = [f"remove the manifest {repository}@{plan.revision}"]
    lines += [f"remove the tag {repository}:{tag}, which names it" for tag in plan.tags]
    lines += [
        f"remove it from the history of {repository}:{tag}"
        for tag in plan.histories
        if tag not in plan.tags
    ]
    lines += [f"remove the empty directory of the tag {repository}:{tag}" for tag in plan.remains]
    lines += [f"leave the index {repository}@{parent} without it" for parent in plan.parents]
    lines += [f"unlink its signature {signature}" for signature in plan.signatures]
    return lines
