"""pull-layer: write a layer to a file or to standard output, verified."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from regctl.commands.base import (
    App,
    define,
    force_option,
    output_option,
    pass_app,
    require_repository,
    write_bytes,
)
from regctl.errors import ContentError, InputFileError, UsageError

if TYPE_CHECKING:
    from regctl.registry import Repository
    from regctl.registry.layers import Layer

_HELP = """Write the layer DIGEST of REPO to a file, or to standard output.

With -o the bytes go to FILE.<12 hex digits>.part, which gets its name when they are verified; a
part that an interrupted run left is taken up where it ends. Another FILE is never overwritten
without --force. Without -o the exit code says whether what went out was right.
"""


@define("pull-layer", "Write a layer to a file or to standard output, verified.", help=_HELP)
@click.argument("repository", metavar="REPO")
@click.argument("digest", metavar="DIGEST")
@output_option
@force_option
@click.option(
    "--no-verify",
    is_flag=True,
    help="Give the bytes as they are stored, right or wrong.",
)
@pass_app
def command(
    app: App, repository: str, digest: str, file: str | None, force: bool, no_verify: bool
) -> None:
    """Write a layer."""
    from regctl.digest import Digest  # noqa: PLC0415
    from regctl.layout import RepositoryName  # noqa: PLC0415

    require_repository(repository, "pull-layer")
    name = RepositoryName.parse(repository)
    wanted = Digest.parse(digest)
    to_stdout = file is None or file == "-"
    if to_stdout:
        _check_stdout(app)
    elif os.path.isdir(file or ""):
        raise InputFileError(f"cannot write {file}: it is a directory")
    source = app.opened(app.registry().repository(name))
    layer = source.layers.get(wanted)
    if not layer.is_verifiable and not no_verify:
        raise ContentError(
            f"the layer {wanted} is stored as {layer.canonical}, and nothing can verify that",
            hint="give --no-verify to get the bytes all the same",
        )
    if to_stdout:
        _to_stdout(app, source, layer, verify=not no_verify)
    else:
        assert file is not None
        _to_file(app, source, layer, file, force=force, verify=not no_verify)
        app.output.message(f"{layer.size} bytes in {file}")
        if app.output.json:
            data = {"digest": str(wanted), "canonical": str(layer.canonical)}
            app.output.result("", {**data, "size": layer.size, "file": file})


def _check_stdout(app: App) -> None:
    if app.output.json:
        raise UsageError("the layer itself goes to standard output", hint="give -o FILE")
    if app.output.stdout_is_terminal:
        raise UsageError("a layer is not written to a terminal", hint="give -o FILE, or a pipe")


def _to_stdout(app: App, source: Repository, layer: Layer, *, verify: bool) -> None:
    from regctl.registry.transfer import pull  # noqa: PLC0415
    from regctl.terminal.progress import progress  # noqa: PLC0415

    def write(data: memoryview) -> None:
        write_bytes(app, data)

    verifier = layer.verifier()
    with progress(app.output, "pulling", layer.size) as advance:
        pull(source.layers, layer, write, verify=verifier.update, progress=advance)
    if verify:
        verifier.check_stored(f"the layer {layer.digest}")


def _to_file(
    app: App, source: Repository, layer: Layer, file: str, *, force: bool, verify: bool
) -> None:
    from regctl.registry.localfile import already_there, holds  # noqa: PLC0415
    from regctl.registry.partial import pull_to_file  # noqa: PLC0415
    from regctl.terminal.progress import progress  # noqa: PLC0415

    if os.path.lexists(file) and not force:
        if not (layer.is_verifiable and holds(file, layer.size, layer.verifier())):
            raise already_there(file)
        app.output.message(f"{file} holds this layer already")
        return
    try:
        with progress(app.output, "pulling", layer.size) as advance:
            pull_to_file(source.layers, layer, file, force=force, verify=verify, progress=advance)
    except Exception:
        raise
    except BaseException:
        # Ctrl-C or SIGTERM: what is there is kept.
        app.output.warning(
            f"the part of {file} that is there is kept", hint="run the same command to go on"
        )
        raise
