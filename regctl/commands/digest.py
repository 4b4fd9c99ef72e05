"""digest: print the digest of a file; no storage is needed."""

from __future__ import annotations

import click

from regctl.commands.base import App, complete_file, define, pass_app

_HELP = """Print the digest of FILE (- for standard input)."""


@define("digest", "Print the digest of a file; no storage is needed.", help=_HELP)
@click.argument("file", metavar="FILE|-", shell_complete=complete_file)
@click.option(
    "--algorithm",
    type=click.Choice(["sha256", "sha384", "sha512"]),
    default="sha256",
    show_default=True,
    help="The hash function.",
)
@pass_app
def command(app: App, file: str, algorithm: str) -> None:
    """Print a file's digest."""
    from regctl.registry.localfile import FileSource  # noqa: PLC0415
    from regctl.registry.transfer import hash_source  # noqa: PLC0415
    from regctl.terminal.progress import progress  # noqa: PLC0415

    with (
        FileSource.open(file) as source,
        progress(app.output, "hashing", source.size) as advance,
    ):
        digest, size = hash_source(source, algorithm, advance)
    app.output.result(str(digest), {"digest": str(digest), "size": size})
