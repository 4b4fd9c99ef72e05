"""pull-manifest: write the exact stored bytes of a manifest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from regctl.commands.base import App, define, force_option, output_option, pass_app, write_bytes
from regctl.errors import InputFileError, InvalidManifestError, UsageError

if TYPE_CHECKING:
    from regctl.digest import Digest
    from regctl.registry import Repository

_HELP = """Write the manifest that REF (REPO:TAG or REPO@DIGEST) names, byte for byte as stored.

The bytes are verified. A schema 1 manifest comes as registries served it: its payload, which is
what has the digest, with all signatures that lie beside it merged in.
"""


@define("pull-manifest", "Write a manifest, byte for byte as stored.", help=_HELP)
@click.argument("reference", metavar="REF")
@output_option
@force_option
@click.option(
    "--payload", is_flag=True, help="Of a schema 1 manifest, the payload without its signatures."
)
@pass_app
def command(app: App, reference: str, file: str | None, force: bool, payload: bool) -> None:
    """Write a manifest."""
    from regctl.commands.names import parse_reference  # noqa: PLC0415
    from regctl.manifest.media_types import SCHEMA1_TYPES  # noqa: PLC0415
    from regctl.registry.localfile import already_there, write_file  # noqa: PLC0415
    from regctl.registry.tagging import revision_of  # noqa: PLC0415

    target = parse_reference(reference, needs="manifest")
    to_stdout = file is None or file == "-"
    if to_stdout and app.output.json:
        raise UsageError("the manifest itself goes to standard output", hint="give -o FILE")
    if not to_stdout and os.path.isdir(file or ""):
        raise InputFileError(f"cannot write {file}: it is a directory")
    repository = app.opened(app.registry().repository(target.repository))
    revision = revision_of(repository, target)
    content = repository.manifests.get(revision)
    media_type = _media_type(app, repository, content)
    signatures = 0
    if media_type in SCHEMA1_TYPES and not payload:
        signatures = len(repository.signatures.list(revision))
        content, media_type = _merged(app, repository, revision, content)
    if to_stdout:
        _to_stdout(app, content)
        return
    assert file is not None
    if os.path.lexists(file) and not force:
        raise already_there(file)
    write_file(file, content, revision, force=force)
    app.output.message(f"{len(content)} bytes in {file}")
    if app.output.json:
        data = {"digest": str(revision), "media_type": media_type}
        more = {"size": len(content), "file": file, "signatures": signatures}
        app.output.result("", {**data, **more})


def _media_type(app: App, repository: Repository, content: bytes) -> str | None:
    from regctl.manifest import parse_manifest  # noqa: PLC0415

    try:
        manifest = parse_manifest(content)
    except InvalidManifestError as error:
        app.output.warning(f"a revision of {repository.name} is no manifest: {error.message}")
        return None
    return manifest.media_type


def _merged(
    app: App, repository: Repository, revision: Digest, payload: bytes
) -> tuple[bytes, str]:
    """The schema 1 manifest with its signatures, or a warning and the payload alone."""
    from regctl.manifest.media_types import (  # noqa: PLC0415
        DOCKER_SCHEMA1,
        DOCKER_SCHEMA1_SIGNED,
    )

    document = repository.signatures.document(revision, payload)
    if document is None:
        app.output.warning(
            "this is the bare payload of a schema 1 manifest: no signatures lie beside it"
        )
        return payload, DOCKER_SCHEMA1
    return document, DOCKER_SCHEMA1_SIGNED


def _to_stdout(app: App, content: bytes) -> None:
    from regctl.terminal.formatting import printable  # noqa: PLC0415

    text = content.decode("utf-8", "surrogateescape")
    if app.output.stdout_is_terminal and printable(text, newlines=True) != text:
        raise UsageError("the manifest has control characters", hint="give -o FILE, or a pipe")
    write_bytes(app, content)
