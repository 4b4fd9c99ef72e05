"""ls: list repositories, or the tags of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from regctl.commands.base import App, define, pass_app, require_repository
from regctl.errors import DamagedError, NotFoundError

if TYPE_CHECKING:
    from regctl.registry import Repository

_HELP = """List all repositories, or the tags of REPO, one a line.

A repository is what registry 2.x or 3.x calls one: it has layers, or manifests. One that holds
nothing but uploads is shown by 'regctl uploads'.
"""


@define("ls", "List repositories, or the tags of one.", help=_HELP)
@click.argument("repository", metavar="[REPO]", required=False)
@pass_app
def command(app: App, repository: str | None) -> None:
    """List repositories or tags."""
    from regctl.layout import RepositoryName  # noqa: PLC0415

    if repository is None:
        _repositories(app)
        return
    require_repository(repository, "ls")
    name = RepositoryName.parse(repository)
    app.output.listing(_tags(app, app.opened(app.registry().repository(name))))


def _repositories(app: App) -> None:
    catalog = app.registry().catalog()
    for path in catalog.misnamed:
        app.output.warning(f"{path} has a name that the grammar forbids; it cannot be addressed")
    for path in catalog.symlinks:
        app.output.warning(f"{path} is a symlink, which is not followed")
    if len(catalog.layouts) > 1:
        app.output.warning("this storage mixes the current layout and that of the 2015 registry")
    app.output.listing(
        (str(entry.name), {"repository": str(entry.name), "layout": entry.layout.value})
        for entry in catalog.listed
    )


def _tags(app: App, repository: Repository) -> Iterator[tuple[str, Mapping[str, object]]]:
    for tag in repository.tags.list():
        data: dict[str, object] = {"repository": str(repository.name), "tag": str(tag)}
        if app.output.json:
            # Only here, because it reads a link a tag.
            data |= {"digest": None, "problem": None}
            try:
                data["digest"] = str(repository.tags.get(tag))
            except (NotFoundError, DamagedError) as error:
                data["problem"] = error.message
        yield str(tag), data
