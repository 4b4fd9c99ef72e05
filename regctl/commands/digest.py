"""digest: print the digest of a file; no storage is needed."""

from __future__ import annotations

import click

from regctl.commands.base import App, complete_file, define, pass_app
from regctl.errors import UsageError

_HELP = """Print the digest of FILE (- for standard input).

With --tarsum it is the TarSum of FILE, an uncompressed tar archive: a digest of its entries, by
which registries knew layers early in 2015.
"""


@define("digest", "Print the digest of a file; no storage is needed.", help=_HELP)
@click.argument("file", metavar="FILE|-", shell_complete=complete_file)
@click.option(
    "--algorithm",
    type=click.Choice(["sha256", "sha384", "sha512"]),
    help="The hash function, sha256 if none is named.",
)
@click.option(
    "--tarsum",
    type=click.Choice(["v0", "v1", "dev"]),
    help="Print the TarSum, in this version.",
)
@pass_app
def command(app: App, file: str, algorithm: str | None, tarsum: str | None) -> None:
    """Print a file's digest."""
    from regctl.commands.archives import warn_of_ambiguity  # noqa: PLC0415
    from regctl.digest.digest import TARSUM_LABELS  # noqa: PLC0415
    from regctl.registry.localfile import FileSource  # noqa: PLC0415
    from regctl.registry.transfer import hash_source  # noqa: PLC0415
    from regctl.terminal.progress import progress  # noqa: PLC0415

    if tarsum is not None:
        if algorithm is not None:
            raise UsageError("--algorithm and --tarsum exclude each other")
        algorithm = f"{TARSUM_LABELS[tarsum]}+sha256"
    algorithm = algorithm or "sha256"
    with (
        FileSource.open(file) as source,
        progress(app.output, "hashing", source.size) as advance,
    ):
        hashes = hash_source(source, (algorithm,), advance)
        digest, *more = hashes.digests(algorithm)
    alternative = more[0] if more else None
    warn_of_ambiguity(app, digest, alternative)
    app.output.result(
        str(digest),
        {
            "digest": str(digest),
            "size": hashes.size,
            "alternative": str(alternative) if alternative else None,
        },
    )
