"""push-layer: store a file as a layer of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from regctl.commands.base import App, absolute, complete_file, define, pass_app, require_repository
from regctl.errors import ContentError, RegctlError, UsageError

if TYPE_CHECKING:
    from regctl.digest import Digest
    from regctl.registry import Repository
    from regctl.registry.localfile import FileSource
    from regctl.registry.transfer import PushedLayer
    from regctl.registry.upload import LayerUpload

_HELP = """Store FILE (- for standard input) as a layer of REPO and print its digest.

The content is spooled, hashed, verified, and only then moved to its place and linked. If the
command is interrupted, what is stored is kept, and the command that goes on with it is printed;
that one needs the whole FILE again, and writes only what is missing.

With --digest, content that the storage already holds is hashed and linked, not stored again.

With --tarsum the layer is known by its TarSum (version 1) as well, which is printed, as registry
2.0 had it; FILE is an uncompressed tar archive. In the layout of January 2015 layers have no other
address, and of several archives with the same TarSum the first one stays. A TarSum that is given
with --digest is demanded and used in the same way.
"""


class _Wanted(NamedTuple):
    """What FILE must be, and what the layer is to be known by."""

    digest: Digest | None
    tarsum: bool


@define("push-layer", "Store a file as a layer of a repository.", help=_HELP)
@click.argument("repository", metavar="REPO")
@click.argument("file", metavar="FILE|-", shell_complete=complete_file)
@click.option("--digest", metavar="DIGEST", help="The digest that the content must have.")
@click.option("--resume", metavar="UPLOAD", help="Go on with an upload: its id, or a token for it.")
@click.option("--keep/--no-keep", default=True, help="Keep what is stored when interrupted.")
@click.option(
    "--trust-digest",
    is_flag=True,
    help="With --digest: link a stored blob of the same size without reading FILE.",
)
@click.option("--tarsum", is_flag=True, help="Use the TarSum of FILE as the layer's address.")
@pass_app
def command(
    app: App,
    repository: str,
    file: str,
    digest: str | None,
    resume: str | None,
    keep: bool,
    trust_digest: bool,
    tarsum: bool,
) -> None:
    """Store a file as a layer."""
    from regctl.commands.names import parse_upload  # noqa: PLC0415
    from regctl.digest import Digest  # noqa: PLC0415
    from regctl.layout import RepositoryName  # noqa: PLC0415
    from regctl.registry.localfile import FileSource  # noqa: PLC0415

    require_repository(repository, "push-layer")
    name = RepositoryName.parse(repository)
    expected = Digest.parse(digest) if digest is not None else None
    if expected is not None:
        expected.require_layer_writable()
        # Where a TarSum is demanded, it is the one that is used.
        tarsum = tarsum and not expected.is_tarsum
    if trust_digest and (expected is None or resume is not None or tarsum):
        raise UsageError("--trust-digest needs --digest, and goes without --resume and --tarsum")
    upload = parse_upload(app, name, resume) if resume is not None else None
    with FileSource.open(file) as source:
        target = app.opened(app.registry().repository_to_fill(name, layers=True))
        target.layers.require_storable(expected, tarsum=tarsum)
        pushed = None
        if upload is None and not tarsum:
            pushed = _without_spooling(
                app, target, source, expected, file, trust_digest=trust_digest, keep=keep
            )
        if pushed is None:
            opened = (
                target.uploads.create()
                if upload is None
                else target.uploads.resume(upload.id, offset=upload.offset)
            )
            wanted = _Wanted(expected, tarsum)
            pushed = _spool(
                app, opened, source, wanted, file, resumed=upload is not None, keep=keep
            )
    _report(app, pushed)


def _without_spooling(
    app: App,
    target: Repository,
    source: FileSource,
    expected: Digest | None,
    file: str,
    *,
    trust_digest: bool,
    keep: bool,
) -> PushedLayer | None:
    """Link what is stored already, or send FILE to its place at once; None where neither is."""
    is_direct = target.driver.seals and source.size is not None and not target.layers.by_tarsum
    if expected is not None and (trust_digest or expected.is_tarsum or not is_direct):
        linked = _link(app, target, source, expected, trust_digest=trust_digest)
        if linked is not None or expected.is_tarsum:
            return linked
    return _send(app, target, source, expected, file, keep=keep) if is_direct else None


def _send(
    app: App,
    target: Repository,
    source: FileSource,
    expected: Digest | None,
    file: str,
    *,
    keep: bool,
) -> PushedLayer | None:
    from regctl.registry.direct import digests_of, push_direct  # noqa: PLC0415
    from regctl.terminal.progress import progress  # noqa: PLC0415

    with progress(app.output, "hashing", source.size) as advance:
        canonical, digest = digests_of(source, expected, advance)
    sent = 0

    def count(size: int) -> None:
        nonlocal sent
        sent += size
        advance(size)

    try:
        with progress(app.output, "pushing", source.size) as advance:
            return push_direct(target, source, canonical, digest, keep=keep, progress=count)
    except ContentError:
        raise
    except BaseException:
        if keep and sent:
            command = app.command_line(
                "push-layer", str(target.name), absolute(file), "--digest", str(digest)
            )
            app.output.warning(
                f"of {sent} bytes what the storage has is kept, unseen, until it is gone on with",
                hint=f"to go on: {command}",
            )
        raise


def _link(
    app: App, target: Repository, source: FileSource, digest: Digest, *, trust_digest: bool
) -> PushedLayer | None:
    from regctl.registry.existing import link_existing  # noqa: PLC0415
    from regctl.terminal.progress import progress  # noqa: PLC0415

    with progress(app.output, "hashing", source.size) as advance:
        return link_existing(target, source, digest, trust_digest=trust_digest, progress=advance)


def _spool(
    app: App,
    upload: LayerUpload,
    source: FileSource,
    wanted: _Wanted,
    file: str,
    *,
    resumed: bool,
    keep: bool,
) -> PushedLayer:
    from regctl.registry.transfer import push_new, push_resumed  # noqa: PLC0415
    from regctl.terminal.progress import progress  # noqa: PLC0415

    push = push_resumed if resumed else push_new
    with upload:
        try:
            with progress(app.output, "pushing", source.size) as advance:
                return push(
                    upload,
                    source,
                    expected=wanted.digest,
                    tarsum=wanted.tarsum,
                    progress=advance,
                )
        except ContentError:
            # What this command began and is not wanted leaves nothing behind.
            if not resumed:
                upload.cancel()
            raise
        except BaseException as error:
            if not keep and not resumed:
                upload.cancel()
            elif not isinstance(error, RegctlError) or upload.size:
                _say_how_to_resume(app, upload, file, wanted)
            raise


def _say_how_to_resume(app: App, upload: LayerUpload, file: str, wanted: _Wanted) -> None:
    arguments = ["push-layer", str(upload.repository), absolute(file), "--resume", str(upload.id)]
    if wanted.digest is not None:
        arguments += ["--digest", str(wanted.digest)]
    if wanted.tarsum:
        arguments.append("--tarsum")
    app.output.warning(
        f"{upload.size} bytes are kept in the upload {upload.id}",
        hint=f"to go on: {app.command_line(*arguments)}",
    )


def _report(app: App, pushed: PushedLayer) -> None:
    from regctl.commands.archives import say_other_bytes, warn_of_ambiguity  # noqa: PLC0415
    from regctl.terminal.formatting import size  # noqa: PLC0415

    warn_of_ambiguity(app, pushed.digest, pushed.alternative)
    if pushed.other_bytes:
        say_other_bytes(app, pushed.digest)
    if pushed.existed:
        app.output.message(f"{size(pushed.size)} were in the storage already, now linked")
    elif pushed.resumed:
        app.output.message(f"{size(pushed.resumed)} were stored before, {size(pushed.written)} now")
    app.output.result(
        str(pushed.digest),
        {
            "digest": str(pushed.digest),
            "canonical": str(pushed.canonical),
            "size": pushed.size,
            "written": pushed.written,
            "resumed": pushed.resumed,
            "existed": pushed.existed,
            "other_bytes": pushed.other_bytes,
        },
    )
