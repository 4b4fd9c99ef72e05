"""Giving a tag to a revision: only to a complete one, and moving the tag last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from regctl.digest import Digest, MultiHasher
from regctl.errors import (
    DamagedError,
    DigestMismatchError,
    InvalidManifestError,
    UnavailableError,
    UsageError,
)
from regctl.layout import Reference, Tag
from regctl.manifest import Manifest, ManifestKind, Waiver, examine
from regctl.manifest.media_types import DOCKER_SCHEMA1_SIGNED
from regctl.registry.completeness import Inventory, take_inventory
from regctl.registry.manifests import RevisionNotFoundError
from regctl.registry.repository import Repository
from regctl.registry.signing import Schema1, Signer, is_schema1, read_schema1, refusal
from regctl.registry.tags import TagNotFoundError


@dataclass(frozen=True, slots=True)
class PushedManifest:
    """A manifest that was pushed: its digest, what it is, and how many blobs were mounted.

    ``size`` is that of the bytes that are the revision; of schema 1 that is the payload, beside
    which ``signatures`` lie, as many.
    """

    digest: Digest
    manifest: Manifest
    size: int
    mounted: int
    #: What was wrong with it and was accepted all the same.
    waived: tuple[str, ...]
    signatures: int = 0

    @property
    def media_type(self) -> str:
        """What a registry serves it as; schema 1 is always served signed."""
        schema1 = self.manifest.kind is ManifestKind.SCHEMA1
        return DOCKER_SCHEMA1_SIGNED if schema1 else self.manifest.media_type


def push_manifest(
    repository: Repository,
    content: bytes,
    *,
    tag: Tag | None = None,
    expected: Digest | None = None,
    media_type: str | None = None,
    allow_sparse: bool = False,
    mount_from: Sequence[Repository] = (),
    waivers: Collection[Waiver] = (),
    signer: Signer | None = None,
) -> PushedManifest:
    """Verify ``content``, store it as a revision, and move ``tag`` to it.

    ``expected`` is the digest it must have, ``media_type`` the type it was sent as. With
    ``mount_from``, blobs that only those repositories link to are linked here. Of schema 1 the
    payload is the revision, and has the digest; its signatures, that of ``signer`` among them, are
    stored beside it, and join those that lie there. Raises `InvalidManifestError` with every
    reason at once, before anything is written.
    """
    repository.require_writable_manifests()
    manifest, found = examine(content, media_type)
    schema1 = manifest.kind is ManifestKind.SCHEMA1 if manifest else is_schema1(content)
    if signer is not None and not schema1:
        raise UsageError(
            "only a schema 1 manifest holds its signatures, and this is none",
            hint="'regctl sign' signs others once they are pushed",
        )
    signed = read_schema1(repository, content, tag, signer) if schema1 else None
    payload = signed.payload if signed else content
    # Of a document that is refused there is no payload to compare with.
    digest = _digest_of(payload, None if signed and signed.causes else expected)
    reasons = [fault.message for fault in found if fault.waiver not in waivers]
    inventory = Inventory()
    if manifest is not None:
        inventory = take_inventory(
            repository, manifest, allow_sparse=allow_sparse, mount_from=mount_from
        )
    _require_none(repository, digest, signed, [*reasons, *inventory.reasons], inventory)
    assert manifest is not None
    inventory.renew(repository)
    stored = repository.signatures.put(digest, signed.signatures if signed else ())
    repository.manifests.put(digest, payload)
    # Registry 2.x knows a repository by its layers, 3.x by its manifests.
    repository.layers.ensure_directory()
    inventory.look_again(repository)
    repository.signatures.look_again(digest, stored)
    _look_again(repository, digest)
    if tag is not None:
        repository.tags.set(tag, digest)
    waived = tuple(fault.message for fault in found)
    mounted = len(inventory.mounts)
    return PushedManifest(digest, manifest, len(payload), mounted, waived, len(stored))


def _require_none(
    repository: Repository,
    digest: Digest,
    signed: Schema1 | None,
    reasons: Sequence[str],
    inventory: Inventory,
) -> None:
    """Raise `InvalidManifestError` if there are reasons, or causes in the signatures."""
    cannot = f"{digest} cannot be pushed to {repository.name}"
    if signed is not None and (signed.causes or reasons):
        raise refusal(f"the schema 1 manifest {cannot}", signed, reasons, inventory.unknown)
    if reasons:
        raise InvalidManifestError(f"the manifest {cannot}", tuple(reasons))


def _digest_of(content: bytes, expected: Digest | None) -> Digest:
    if expected is not None:
        expected.require_writable()
    hashes = MultiHasher({"sha256", expected.algorithm if expected else "sha256"})
    hashes.update(content)
    if expected is not None and (found := hashes.digest(expected.algorithm)) != expected:
        raise DigestMismatchError(f"the manifest has the digest {found}, not {expected}")
    return hashes.digest("sha256")


class DanglingTagError(DamagedError):
    """A tag names a manifest that is no revision of its repository."""

    code = "dangling-tag"


def revision_of(repository: Repository, reference: Reference) -> Digest:
    """The revision that ``reference`` names: its digest, or what its tag names now.

    Raises `TagNotFoundError`, `RevisionNotFoundError`; `DanglingTagError` if the tag is there and
    its revision is not.
    """
    if reference.tag is None:
        if reference.digest is None:
            raise UsageError(f"{reference} names no manifest", hint="REPO:TAG or REPO@DIGEST does")
        repository.manifests.resolve(reference.digest)
        return reference.digest
    revision = repository.tags.get(reference.tag)
    try:
        repository.manifests.resolve(revision)
    except RevisionNotFoundError as error:
        raise DanglingTagError(
            f"the tag {reference} is dangling: it names {revision}, "
            f"which is no revision of {repository.name}",
            hint=f"push that manifest again, or see 'regctl history {reference}'",
        ) from error
    return revision


def named_by(repository: Repository, tag: Tag) -> Digest | None:
    """The revision that ``tag`` names now; None if it is not there or names nothing.

    Raises `DamagedLinkError` if its link cannot be understood.
    """
    try:
        return repository.tags.get(tag)
    except TagNotFoundError:
        return None


def require_complete(
    repository: Repository, revision: Digest, *, allow_sparse: bool = False
) -> Inventory:
    """What ``revision`` relies on, all of it there.

    Raises `RevisionNotFoundError`, and `DamagedError` with every reason if anything it names is
    missing.
    """
    try:
        manifest = repository.manifests.parse(revision)
    except InvalidManifestError as error:
        raise DamagedError(
            f"{repository.name}@{revision} is no manifest, and gets no tag: {error}"
        ) from error
    inventory = take_inventory(repository, manifest, allow_sparse=allow_sparse)
    if reasons := inventory.reasons:
        raise DamagedError(
            "\n  - ".join(
                (f"{repository.name}@{revision} is not complete, and gets no tag", *reasons)
            ),
            hint="push what is missing; children of an index may be left out with --allow-sparse",
        )
    return inventory


def set_tag(
    repository: Repository, tag: Tag, revision: Digest, *, allow_sparse: bool = False
) -> None:
    """Move ``tag`` to ``revision``, which must be complete. Raises as `require_complete`.

    Links are written anew and looked at again before the tag moves: nothing tells a collector
    that what lay there unused is relied on now, but their time.
    """
    inventory = require_complete(repository, revision, allow_sparse=allow_sparse)
    canonical = repository.manifests.resolve(revision)
    inventory.renew(repository)
    repository.manifests.link(revision, canonical)
    inventory.look_again(repository)
    _look_again(repository, revision)
    repository.tags.set(tag, revision)


def _look_again(repository: Repository, revision: Digest) -> None:
    """Raise `UnavailableError` if the manifest itself has gone since it was stored or found."""
    if not repository.manifests.exists(revision):
        raise UnavailableError(
            f"the manifest {revision} was removed from {repository.name} while it was being tagged",
            hint="a collector is running; push the manifest again",
        )
