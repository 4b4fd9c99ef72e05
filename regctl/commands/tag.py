"""tag: give a tag to a revision, or move it there."""

from __future__ import annotations

import click

from regctl.commands.base import App, approve, define, dry_run_option, pass_app, yes_option

_HELP = """Make TAG, a tag of the same repository, name the manifest that REF names.

Only a complete manifest gets a tag: everything it names must be there. A tag that names another
manifest is moved after asking; its history keeps the other.
"""


@define("tag", "Give a tag to a revision, or move it there.", help=_HELP)
@click.argument("reference", metavar="REF")
@click.argument("tag", metavar="TAG")
@click.option("--allow-sparse", is_flag=True, help="Take an index whose children are not here.")
@yes_option
@dry_run_option
@pass_app
def command(
    app: App, reference: str, tag: str, allow_sparse: bool, yes: bool, dry_run: bool
) -> None:
    """Give a tag."""
    from regctl.commands.names import parse_reference  # noqa: PLC0415
    from regctl.layout import Tag  # noqa: PLC0415
    from regctl.registry.tagging import named_by, require_complete, revision_of, set_tag  # noqa: PLC0415

    source = parse_reference(reference, needs="manifest")
    target = Tag.parse(tag)
    repository = app.opened(app.registry().repository_to_change(source.repository))
    revision = revision_of(repository, source)
    before = named_by(repository, target)
    if before == revision:
        app.output.message(f"{repository.name}:{target} names {revision} already")
    else:
        plan = [f"make {repository.name}:{target} name {revision}"]
        if before is not None:
            plan.append(f"it names {before} now, which stays in its history")
        require_complete(repository, revision, allow_sparse=allow_sparse)
        if not approve(app, plan, yes=yes or before is None, dry_run=dry_run):
            return
        set_tag(repository, target, revision, allow_sparse=allow_sparse)
    app.output.result(
        str(revision),
        {
            "repository": str(repository.name),
            "tag": str(target),
            "digest": str(revision),
            "before": str(before) if before else None,
        },
    )
