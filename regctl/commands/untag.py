"""untag: remove a tag; its revisions stay."""

from __future__ import annotations

import click

from regctl.commands.base import App, approve, define, dry_run_option, pass_app, yes_option

_HELP = """Remove the tag REPO:TAG, and its history with it.

The manifests that it named stay as revisions of the repository; a garbage collection that
removes untagged ones can take them.
"""


@define("untag", "Remove a tag; its revisions stay.", help=_HELP)
@click.argument("reference", metavar="REPO:TAG")
@yes_option
@dry_run_option
@pass_app
def command(app: App, reference: str, yes: bool, dry_run: bool) -> None:
    """Remove a tag."""
    from regctl.commands.names import parse_reference  # noqa: PLC0415

    target = parse_reference(reference, needs="tag")
    assert target.tag is not None
    repository = app.opened(app.registry().repository_to_change(target.repository))
    if target.tag not in repository.tags.list():
        repository.tags.get(target.tag)
    entries = repository.tags.history(target.tag)
    plan = [f"remove the tag {target} and the {len(entries)} revisions of its history from it"]
    plan += [f"{target.repository}@{entry.revision} stays a revision" for entry in entries]
    if not approve(app, plan, yes=yes, dry_run=dry_run):
        return
    repository.tags.remove(target.tag)
    app.output.message(f"removed the tag {target}")
    if app.output.json:
        app.output.result("", {"repository": str(target.repository), "tag": str(target.tag)})
