"""keygen: make a key pair."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import click

from regctl.commands.base import App, complete_file, define, pass_app
from regctl.errors import UsageError

if TYPE_CHECKING:
    from regctl.signature.keyfile import KeyPair

_HELP = """Make a key pair in cosign's format: PREFIX.key, encrypted, and PREFIX.pub.

The key is EC P-256. Its passphrase is COSIGN_PASSWORD, or is asked for on the terminal; set to
nothing, COSIGN_PASSWORD means none. PREFIX.key can be read by its owner alone. Files that are
there are not overwritten without --force: signatures by a key that is gone can be verified, and
never be made again.
"""


@define("keygen", "Make a key pair that signs.", help=_HELP)
@click.option(
    "--output-prefix",
    "prefix",
    metavar="PREFIX",
    default="cosign",
    show_default=True,
    shell_complete=complete_file,
    help="The files' names without their endings.",
)
@click.option("--force", is_flag=True, help="Overwrite PREFIX.key and PREFIX.pub.")
@pass_app
def command(app: App, prefix: str, force: bool) -> None:
    """Make a key pair."""
    from regctl.registry.localfile import already_there  # noqa: PLC0415
    from regctl.signature.keyfile import generate_key_pair, load_public_key  # noqa: PLC0415

    if not os.path.basename(prefix):
        raise UsageError(f"{prefix!r} is no prefix of a file's name")
    private, public = f"{prefix}.key", f"{prefix}.pub"
    for file in (private, public):
        if os.path.lexists(file) and not force:
            raise already_there(file)
    pair = generate_key_pair(_passphrase(app))
    _write(private, public, pair, force=force)
    app.output.result(
        [private, public],
        {
            "private_key": private,
            "public_key": public,
            "fingerprint": load_public_key(pair.public_pem).fingerprint,
        },
    )


def _passphrase(app: App) -> bytes:
    from regctl.commands.keys import VARIABLE, given_passphrase  # noqa: PLC0415
    from regctl.terminal.passphrase import ask_passphrase  # noqa: PLC0415

    given = given_passphrase(app)
    if given is None:
        given = ask_passphrase(app.output, "Passphrase", again="The same again")
        if not given:
            raise UsageError(
                "the passphrase is empty",
                hint=f"for a key that anybody can use who has the file, set {VARIABLE} to nothing",
            )
    elif not given:
        app.output.warning("the passphrase is empty: whoever has the file can use the key")
    return given


def _write(private: str, public: str, pair: KeyPair, *, force: bool) -> None:
    """Write both files; where the second cannot be written, the first goes again."""
    from regctl.digest import Digest  # noqa: PLC0415
    from regctl.registry.localfile import write_file  # noqa: PLC0415

    def write(file: str, content: bytes, *, secret: bool) -> None:
        digest = Digest.of_hash("sha256", hashlib.sha256(content).digest())
        write_file(file, content, digest, force=force, private=secret)

    write(private, pair.private_pem, secret=True)
    try:
        write(public, pair.public_pem, secret=False)
    except BaseException:
        os.unlink(private)
        raise
