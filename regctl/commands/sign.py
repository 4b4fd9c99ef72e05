"""sign: add a signature to a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from regctl.commands.base import App, approve, complete_file, define, dry_run_option, pass_app
from regctl.errors import UsageError

if TYPE_CHECKING:
    from regctl.digest import Digest
    from regctl.registry import Repository
    from regctl.registry.cosigning import Signing
    from regctl.signature.policy_reference import DockerReference

_HELP = """Sign the manifest that REF (REPO:TAG or REPO@DIGEST) names, and print its digest.

An image or an index gets a cosign signature, in the manifest that the tag sha256-HEX.sig of REPO
names; those that are there stay. What is signed is the digest together with a name:
HOST/REPO:TAG if REF has a tag, else HOST/REPO@DIGEST, where HOST is --registry-host, the name
under which clients know this registry. Clients that ask for an image by a tag want the name with
just this tag signed (matchRepoDigestOrExact in policy.json), those that ask by digest take both.

With --recursive the manifests of an index are signed too, under the name of the index, by which
clients judge them.

A schema 1 manifest gets a libtrust signature beside it; --registry-host is of no account then.

Signing again with the same key under the same name changes nothing while that signature verifies.
Several runs of regctl can sign the same manifest at once. Another program, such as cosign or
skopeo, takes no lock: what it writes between regctl's last look at the tag and its move, or what
regctl writes between that program's look and its own, is then no longer among the signatures. It
is still in the storage, and 'regctl history REPO:sha256-HEX.sig' shows it.

The passphrase of an encrypted key is COSIGN_PASSWORD, or is asked for on the terminal.
"""


@define("sign", "Add a signature to a manifest.", help=_HELP)
@click.argument("reference", metavar="REF")
@click.option(
    "--key",
    "key_file",
    metavar="FILE",
    required=True,
    shell_complete=complete_file,
    help="The private key: PEM, also encrypted as cosign does; for schema 1 also JWK.",
)
@click.option(
    "--chain",
    "chain_file",
    metavar="FILE",
    shell_complete=complete_file,
    help="Certificates in PEM, the key's own first, to be put beside the signature.",
)
@click.option("--recursive", is_flag=True, help="Sign the manifests of an index, too.")
@click.option(
    "--allow-sparse", is_flag=True, help="Pass over manifests of an index that are not here."
)
@click.option(
    "--registry-host",
    metavar="HOST[:PORT]",
    help="Under which name clients know this registry; needed unless REF is schema 1.",
)
@dry_run_option
@pass_app
def command(
    app: App,
    reference: str,
    key_file: str,
    chain_file: str | None,
    recursive: bool,
    allow_sparse: bool,
    registry_host: str | None,
    dry_run: bool,
) -> None:
    """Sign a manifest."""
    from regctl.commands.keys import read_small_file  # noqa: PLC0415
    from regctl.commands.names import parse_reference  # noqa: PLC0415
    from regctl.registry.cosigning import manifests_to_sign  # noqa: PLC0415
    from regctl.registry.signing import is_schema1  # noqa: PLC0415
    from regctl.registry.tagging import revision_of  # noqa: PLC0415
    from regctl.signature.policy_reference import DockerReference  # noqa: PLC0415

    target = parse_reference(reference, needs="manifest")
    name = None
    if registry_host is not None:
        name = DockerReference.of(registry_host, target.repository, target.tag, target.digest)
    content = read_small_file(key_file)
    chain = read_small_file(chain_file) if chain_file is not None else None
    repository = app.opened(app.registry().repository_to_change(target.repository))
    revision = revision_of(repository, target)
    if is_schema1(repository.manifests.get(revision)):
        _add_libtrust(app, repository, revision, (key_file, content), chain, dry_run=dry_run)
        return
    digests = manifests_to_sign(
        repository, revision, recursive=recursive, allow_sparse=allow_sparse
    )
    signing = _signing(app, _required(name), (key_file, content), chain)
    _add_cosign(app, repository, digests, signing, dry_run=dry_run)


def _required(name: DockerReference | None) -> DockerReference:
    if name is None:
        raise UsageError(
            "a cosign signature names the image as clients do, and --registry-host is missing",
            hint="give the registry's name: --registry-host registry.example.com:5000",
        )
    return name


def _signing(
    app: App, name: DockerReference, key: tuple[str, bytes], chain: bytes | None
) -> Signing:
    import time  # noqa: PLC0415

    from regctl import __version__  # noqa: PLC0415
    from regctl.commands.keys import load_cosign_key  # noqa: PLC0415
    from regctl.registry.cosigning import Signing  # noqa: PLC0415
    from regctl.signature.cosign_chain import certificate_annotations  # noqa: PLC0415

    return Signing(
        load_cosign_key(app, *key),
        str(name),
        certificate_annotations(chain) if chain is not None else (),
        creator=f"regctl {__version__}",
        timestamp=int(time.time()),
    )


def _add_cosign(
    app: App,
    repository: Repository,
    digests: tuple[Digest, ...],
    signing: Signing,
    *,
    dry_run: bool,
) -> None:
    from regctl.registry.cosigning import cosign_manifest, is_cosigned  # noqa: PLC0415

    if dry_run:
        there = [each for each in digests if is_cosigned(repository, each, signing)]
        said = {each: "is signed already" if each in there else "sign it" for each in digests}
        as_name = f"as {signing.docker_reference} by the key {signing.key.public}"
        plan = [f"{repository.name}@{each}: {what} {as_name}" for each, what in said.items()]
        approve(app, plan, yes=False, dry_run=True)
        return
    signed = []
    for digest in digests:
        signed.append(done := cosign_manifest(repository, digest, signing))
        what = "is signed already" if done.existed else "signed"
        app.output.message(f"{repository.name}@{digest}: {what} as {signing.docker_reference}")
    app.output.result(
        [str(each.digest) for each in signed],
        {
            "repository": str(repository.name),
            "digest": str(signed[-1].digest),
            "kind": "cosign",
            "key": signing.key.public.fingerprint,
            "docker_reference": signing.docker_reference,
            "signed": [
                {
                    "digest": str(each.digest),
                    "tag": str(each.tag),
                    "signature": str(each.holder),
                    "existed": each.existed,
                }
                for each in signed
            ],
        },
    )


def _add_libtrust(
    app: App,
    repository: Repository,
    revision: Digest,
    key: tuple[str, bytes],
    chain: bytes | None,
    *,
    dry_run: bool,
) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415

    from regctl.commands.keys import load_libtrust_key  # noqa: PLC0415
    from regctl.registry.signing import sign_revision  # noqa: PLC0415
    from regctl.signature import libtrust  # noqa: PLC0415

    private = load_libtrust_key(app, *key)
    certificates = libtrust.chain_texts(libtrust.read_bundle(chain)) if chain is not None else ()
    if dry_run:
        key_id = private.public.key_id
        plan = [f"{repository.name}@{revision}: sign it by the key {key_id}, unless it has signed"]
        approve(app, plan, yes=False, dry_run=True)
        return
    done = sign_revision(repository, revision, private, datetime.now(UTC), certificates)
    what = "is signed already" if done.added is None else "signed"
    app.output.message(f"{repository.name}@{revision}: {what} by the key {done.key_id}")
    app.output.result(
        str(revision),
        {
            "repository": str(repository.name),
            "digest": str(revision),
            "kind": "libtrust",
            "key": done.key_id,
            "docker_reference": None,
            "signed": [
                {
                    "digest": str(revision),
                    "tag": None,
                    "signature": str(done.added) if done.added else None,
                    "existed": done.added is None,
                }
            ],
        },
    )
