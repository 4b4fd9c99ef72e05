"""rollback: move a tag back to a revision that it named before."""

from __future__ import annotations

import click

from regctl.commands.base import App, approve, define, dry_run_option, pass_app, yes_option
from regctl.errors import DamagedError, NotFoundError

_HELP = """Make REPO:TAG name DIGEST again, a revision from its history.

Only a complete manifest gets a tag: everything it names must still be there.
"""


@define("rollback", "Move a tag back to a revision that it named before.", help=_HELP)
@click.argument("reference", metavar="REPO:TAG")
@click.argument("digest", metavar="DIGEST")
@click.option("--allow-sparse", is_flag=True, help="Take an index whose children are not here.")
@yes_option
@dry_run_option
@pass_app
def command(
    app: App, reference: str, digest: str, allow_sparse: bool, yes: bool, dry_run: bool
) -> None:
    """Move a tag back."""
    from regctl.commands.names import parse_reference  # noqa: PLC0415
    from regctl.digest import Digest  # noqa: PLC0415
    from regctl.registry.tagging import named_by, require_complete, set_tag  # noqa: PLC0415

    target = parse_reference(reference, needs="tag")
    assert target.tag is not None
    revision = Digest.parse(digest)
    repository = app.opened(app.registry().repository_to_change(target.repository))
    if all(entry.revision != revision for entry in repository.tags.history(target.tag)):
        named_by(repository, target.tag)
        raise NotFoundError(
            f"the tag {target} never named {revision}",
            hint=f"'regctl history {target}' lists what it named; 'regctl tag' takes any revision",
        )
    try:
        before = named_by(repository, target.tag)
    except DamagedError as error:
        # The way back is what this command is for.
        app.output.warning(error.message)
        before = None
    plan = [f"make {target} name {revision}", f"it names {before or 'nothing readable'} now"]
    require_complete(repository, revision, allow_sparse=allow_sparse)
    if not approve(app, plan, yes=yes, dry_run=dry_run):
        return
    set_tag(repository, target.tag, revision, allow_sparse=allow_sparse)
    app.output.result(
        str(revision),
        {
            "repository": str(target.repository),
            "tag": str(target.tag),
            "digest": str(revision),
            "before": str(before) if before else None,
        },
    )
