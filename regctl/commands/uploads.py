"""uploads: list, cancel or finish uploads in progress."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from regctl.commands.base import (
    App,
    Command,
    Group,
    approve,
    dry_run_option,
    pass_app,
    require_repository,
    yes_option,
)

if TYPE_CHECKING:
    from regctl.registry import Registry
    from regctl.registry.uploads import UploadInfo

_HELP = """List uploads in progress, cancel or finish them.

'regctl uploads [REPO]' lists them, of one repository or of all: repository, id, bytes, when it
began, its age, and with --tokens the token with which a running registry takes it up.
"""


@click.group(
    "uploads",
    cls=Group,
    default="list",
    short_help="List, cancel or finish uploads in progress.",
    help=_HELP,
    invoke_without_command=True,
    subcommand_metavar="[REPO] | COMMAND [ARGS]...",
    # What the group does not know is for the command that is meant where none is named.
    context_settings={"ignore_unknown_options": True},
)
@click.pass_context
def command(context: click.Context) -> None:
    """List, cancel or finish uploads."""
    if context.invoked_subcommand is None:
        context.invoke(list_uploads)


@command.command("list", cls=Command, short_help="List uploads in progress.")
@click.argument("repository", metavar="[REPO]", required=False)
@click.option("--tokens", is_flag=True, help="Show the token that a registry needs to go on.")
@pass_app
def list_uploads(app: App, repository: str | None = None, tokens: bool = False) -> None:
    """List uploads in progress, of REPO or of all repositories, one a line."""
    from regctl.commands.names import secret  # noqa: PLC0415
    from regctl.layout import RepositoryName  # noqa: PLC0415

    name = None
    if repository is not None:
        require_repository(repository, "uploads")
        name = RepositoryName.parse(repository)
    key = secret(app, "to make upload tokens") if tokens else None
    registry = app.registry()
    app.output.listing(_row(app, info, key) for info in _uploads(app, registry, name))


def _uploads(app: App, registry: Registry, name: object) -> Iterator[UploadInfo]:
    from regctl.layout import RepositoryName  # noqa: PLC0415

    if isinstance(name, RepositoryName):
        yield from app.opened(registry.repository(name)).uploads.list()
        return
    found = registry.catalog(hidden=True).entries
    for entry in sorted(found.values(), key=lambda each: each.name):
        yield from app.opened(registry.repository(entry.name)).uploads.list()


def _row(app: App, info: UploadInfo, key: str | None) -> tuple[str, Mapping[str, object]]:
    from regctl.registry.tokens import UploadState, sign  # noqa: PLC0415
    from regctl.terminal.formatting import age, timestamp  # noqa: PLC0415

    started, since = None, None
    if info.started_at is not None:
        started = str(info.started_at)
        since = max(0, int(time.time() - info.started_at.epoch))
    data: dict[str, object] = {
        "repository": str(info.repository),
        "uuid": str(info.id),
        "size": info.size,
        "started_at": started,
        "age": since,
        "active_at": timestamp(info.active_at) if info.active_at else None,
        "problem": info.problem,
    }
    fields = [str(info.repository), str(info.id), str(info.size), started or "-"]
    fields.append("-" if since is None else age(since).replace(" ", ""))
    if key is not None:
        token = None
        if info.started_at is not None:
            state = UploadState(str(info.repository), str(info.id), info.size, info.started_at)
            token = sign(state, key)
        data["token"] = token
        fields.append(token or "-")
    if info.problem is not None:
        app.output.warning(f"upload {info.id} of {info.repository}: {info.problem}")
    return " ".join(fields), data


@command.command("cancel", cls=Command, short_help="Remove an upload and its bytes.")
@click.argument("repository", metavar="REPO")
@click.argument("upload", metavar="UPLOAD")
@yes_option
@dry_run_option
@pass_app
def cancel(app: App, repository: str, upload: str, yes: bool, dry_run: bool) -> None:
    """Remove UPLOAD (its id, or a token for it) of REPO with all that it holds."""
    from regctl.commands.names import parse_upload  # noqa: PLC0415
    from regctl.layout import RepositoryName  # noqa: PLC0415

    require_repository(repository, "uploads cancel")
    name = RepositoryName.parse(repository)
    named = parse_upload(app, name, upload)
    uploads = app.opened(app.registry().repository_to_change(name, layers=True)).uploads
    info = uploads.get(named.id, offset=named.offset)
    plan = [f"remove the upload {named.id} of {name} with its {info.size} bytes"]
    if approve(app, plan, yes=yes, dry_run=dry_run):
        uploads.cancel(named.id)
        app.output.message(f"removed the upload {named.id}")
        if app.output.json:
            app.output.result("", {"repository": str(name), "uuid": str(named.id)})


@command.command("finish", cls=Command, short_help="Make the stored bytes a layer.")
@click.argument("repository", metavar="REPO")
@click.argument("upload", metavar="UPLOAD")
@click.option("--digest", metavar="DIGEST", required=True, help="What the bytes must be.")
@pass_app
def finish(app: App, repository: str, upload: str, digest: str) -> None:
    """Verify the bytes of UPLOAD by reading them, and make them a layer of REPO."""
    from regctl.commands.archives import say_other_bytes  # noqa: PLC0415
    from regctl.commands.names import parse_upload  # noqa: PLC0415
    from regctl.digest import Digest  # noqa: PLC0415
    from regctl.layout import RepositoryName  # noqa: PLC0415

    require_repository(repository, "uploads finish")
    name = RepositoryName.parse(repository)
    expected = Digest.parse(digest)
    named = parse_upload(app, name, upload)
    uploads = app.opened(app.registry().repository_to_change(name, layers=True)).uploads
    finished = uploads.finish(named.id, expected, offset=named.offset)
    if finished.other_bytes:
        say_other_bytes(app, expected)
    app.output.result(
        str(expected),
        {
            "repository": str(name),
            "digest": str(expected),
            "canonical": str(finished.layer.canonical),
            "other_bytes": finished.other_bytes,
        },
    )
