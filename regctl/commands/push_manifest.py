"""push-manifest: store a manifest, and give it a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from regctl.commands.base import App, complete_file, define, pass_app
from regctl.errors import ContentError, UsageError

if TYPE_CHECKING:
    from regctl.registry.signing import Signer

_HELP = """Store the manifest FILE (- for standard input) in REPO, tag it, and print its digest.

The bytes are stored as they are. Everything that the manifest names must be in REPO: its config
and layers linked, the children of an index there as revisions. All reasons to refuse it are
reported at once, and nothing is written then.

A schema 1 manifest must be signed, or is signed with --key; its name, and its tag if one is given,
must be those of the reference. Its digest is that of the payload, which becomes the revision. The
signatures are stored beside it, and join those that lie there: none is dropped. Registry 2.8
serves it if its configuration says so, signed anew, and its garbage collector deletes the
signatures; registry 3.x cannot serve it, and its garbage collector stops at it.
"""


@define("push-manifest", "Store a manifest, and give it a tag.", help=_HELP)
@click.argument("reference", metavar="REPO[:TAG]")
@click.argument("file", metavar="FILE|-", shell_complete=complete_file)
@click.option("--media-type", metavar="TYPE", help="What the manifest must be.")
@click.option("--allow-sparse", is_flag=True, help="Take an index whose children are not here.")
@click.option(
    "--mount-from",
    metavar="REPO",
    multiple=True,
    help="Link blobs that only this other repository links to; may be repeated.",
)
@click.option(
    "--accept-unservable-size",
    is_flag=True,
    help="Take a manifest above 4 MiB, which registries refuse to serve.",
)
@click.option(
    "--accept-blocked-collector",
    is_flag=True,
    help="Take a media type that no registry serves; one such revision stops the registry's own "
    "garbage collector for the whole storage.",
)
@click.option(
    "--accept-collectable-layers",
    is_flag=True,
    help="Take layers that are not named by sha256; the garbage collector of registry 2.8 "
    "deletes them.",
)
@click.option(
    "--key",
    "key_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Sign a schema 1 manifest: PEM or JWK.",
)
@click.option(
    "--chain",
    "chain_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Certificates in PEM, the key's own first, that the signature names in place of the key.",
)
@pass_app
def command(
    app: App,
    reference: str,
    file: str,
    media_type: str | None,
    allow_sparse: bool,
    mount_from: tuple[str, ...],
    accept_unservable_size: bool,
    accept_blocked_collector: bool,
    accept_collectable_layers: bool,
    key_file: str | None,
    chain_file: str | None,
) -> None:
    """Store a manifest."""
    from regctl.layout import Reference, RepositoryName  # noqa: PLC0415
    from regctl.manifest import ManifestKind, Waiver  # noqa: PLC0415
    from regctl.registry.tagging import push_manifest  # noqa: PLC0415

    target = Reference.parse(reference)
    others = [RepositoryName.parse(each) for each in mount_from]
    signer = _signer(app, key_file, chain_file)
    content = _read(file)
    accepted = {
        Waiver.OVERSIZE: accept_unservable_size,
        Waiver.UNSERVED_TYPE: accept_blocked_collector,
        Waiver.DIGEST_ALGORITHM: accept_collectable_layers,
    }
    registry = app.registry()
    repository = app.opened(registry.repository_to_fill(target.repository))
    pushed = push_manifest(
        repository,
        content,
        tag=target.tag,
        expected=target.digest,
        media_type=media_type,
        allow_sparse=allow_sparse,
        mount_from=[registry.repository(each) for each in others],
        waivers={waiver for waiver, given in accepted.items() if given},
        signer=signer,
    )
    if pushed.manifest.kind is ManifestKind.SCHEMA1:
        app.output.warning(
            "this is a schema 1 manifest: registry 3.x can neither serve it nor collect garbage "
            "in a storage that has it, and the collector of registry 2.8 deletes its signatures"
        )
    for waived in pushed.waived:
        app.output.warning(f"accepted as asked: {waived}")
    app.output.result(
        str(pushed.digest),
        {
            "repository": str(target.repository),
            "tag": str(target.tag) if target.tag else None,
            "digest": str(pushed.digest),
            "media_type": pushed.media_type,
            "size": pushed.size,
            "mounted": pushed.mounted,
            "signatures": pushed.signatures,
        },
    )


def _signer(app: App, key_file: str | None, chain_file: str | None) -> Signer | None:
    """Who is to sign: the key, and the certificates if there are any, of these files."""
    if key_file is None:
        if chain_file is not None:
            raise UsageError("--chain is for a signature, and there is no key", hint="give --key")
        return None
    from datetime import UTC, datetime  # noqa: PLC0415

    from regctl.commands.keys import load_libtrust_key, read_small_file  # noqa: PLC0415
    from regctl.registry.signing import Signer  # noqa: PLC0415
    from regctl.signature import libtrust  # noqa: PLC0415

    key = load_libtrust_key(app, key_file, read_small_file(key_file))
    chain: tuple[str, ...] = ()
    if chain_file is not None:
        chain = libtrust.chain_texts(libtrust.read_bundle(read_small_file(chain_file)))
    return Signer(key, datetime.now(UTC), chain)


def _read(file: str) -> bytes:
    """The whole content of a manifest file, refused before it is read if it is far too large."""
    from regctl.manifest import MAX_PARSED_BYTES  # noqa: PLC0415
    from regctl.registry.localfile import FileSource  # noqa: PLC0415

    with FileSource.open(file) as source:
        content = source.read(MAX_PARSED_BYTES + 1)
    if len(content) > MAX_PARSED_BYTES:
        raise ContentError(
            f"{file} has more than {MAX_PARSED_BYTES} bytes: it is no manifest",
            hint="registries take manifests of up to 4 MiB",
        )
    return content
