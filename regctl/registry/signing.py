"""Signing schema 1: what a push of one stores, and one more signature for a revision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from regctl.digest import Digest, MultiHasher
from regctl.errors import InvalidManifestError, UnavailableError
from regctl.layout import Tag
from regctl.manifest import ManifestKind, parse_manifest
from regctl.manifest.document import parse_document
from regctl.manifest.manifest import judge
from regctl.registry.repository import Repository

if TYPE_CHECKING:
    from regctl.signature.libtrust import Document, PrivateKey, Reason, Signature

_RM_HINT = "the signatures stored beside the revision count too; 'regctl rm' removes them with it"


class Schema1RefusedError(InvalidManifestError):
    """A schema 1 manifest is refused.

    ``reasons`` has every reason as a text; ``causes`` those that are a class of their own, see
    `regctl.signature.libtrust.Reason`.
    """

    code = "schema1-refused"

    def __init__(
        self,
        message: str,
        reasons: tuple[str, ...],
        causes: tuple[Reason, ...],
        *,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, reasons, hint=hint)
        self.causes = causes


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: a key, the time that the signature says, and certificates in ``x5c`` form."""

    key: PrivateKey
    time: datetime
    chain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema1:
    """A schema 1 manifest as a push stores it, or why it is refused.

    ``payload`` are the revision's bytes, ``signatures`` the blobs beside it: those that came,
    that were made, and that lay there already. With ``causes`` neither is to be stored, and
    ``payload`` is what came, as far as it can be told.
    """

    payload: bytes
    signatures: tuple[bytes, ...] = ()
    causes: tuple[Reason, ...] = ()
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class SignedRevision:
    """What came of signing: the signature that was ``added``, None if the key had signed before.

    ``count`` are the signatures that lie beside the revision now.
    """

    revision: Digest
    key_id: str
    added: Digest | None
    count: int


def read_schema1(
    repository: Repository, content: bytes, tag: Tag | None, signer: Signer | None = None
) -> Schema1:
    """What a push of the JSON object ``content`` as schema 1 stores, or why it is refused.

    It is a signed document, or with a ``signer`` a payload that is to be signed; a document then
    gets one more signature. The signer is passed over where its signature is there already. What
    would be served, the signatures that lie beside the revision included, must verify. Nothing is
    written. Raises `InvalidSignatureError` if the signer cannot sign, `DamagedSignatureError`.
    """
    from regctl.signature import libtrust  # noqa: PLC0415 - loads cryptography

    name, wanted = str(repository.name), str(tag) if tag is not None else None
    document = libtrust.Document(content, ())
    if signer is None or _has_signatures(content):
        causes = libtrust.verify_push(content, name, wanted)
        if causes:
            unsigned = not _has_signatures(content)
            hint = "--key FILE signs it" if unsigned and signer is None else None
            return Schema1(content, (), causes, hint)
        document = libtrust.parse(content)
    came = {each.blob: each for each in document.signatures}
    # What came may be damaged where it is stored: it is stored again.
    stored = repository.signatures.parse(
        digest_of(document.payload), without={digest_of(blob) for blob in came}
    )
    every = [*came.values(), *stored]
    if signer is not None:
        every += _new_signature(libtrust.Document(document.payload, tuple(every)), signer)
    causes = _why_refused(document.payload, every, name, wanted)
    hint = _RM_HINT if causes and stored else None
    return Schema1(document.payload, tuple(each.blob for each in every), causes, hint)


def sign_revision(
    repository: Repository,
    revision: Digest,
    key: PrivateKey,
    time: datetime,
    chain: Sequence[str] = (),
) -> SignedRevision:
    """Add a signature by ``key`` to a schema 1 revision, whose own bytes stay as they are.

    Where that key has signed already and its signature verifies, nothing changes. With a
    ``chain`` (`regctl.signature.libtrust.chain_texts`) the signature names certificates in place
    of the key. Several signers at once do not disturb each other.

    Raises `RevisionNotFoundError`; `DamagedError` if the payload or a signature is; `ContentError`
    if it is no schema 1 manifest, is another repository's, or would not verify.
    """
    repository.require_writable_manifests()
    payload = repository.manifests.get(revision)
    if parse_manifest(payload).kind is not ManifestKind.SCHEMA1 or _has_signatures(payload):
        raise InvalidManifestError(
            f"{repository.name}@{revision} is no payload of a schema 1 manifest"
        )
    signer = Signer(key, time, tuple(chain))
    before = set(repository.signatures.list(revision))
    signed = read_schema1(repository, payload, None, signer)
    if signed.causes:
        raise refusal(f"{repository.name}@{revision} cannot be signed", signed)
    new = [blob for blob in signed.signatures if digest_of(blob) not in before]
    stored = repository.signatures.put(revision, new)
    repository.signatures.look_again(revision, stored)
    if not repository.manifests.exists(revision):
        raise UnavailableError(
            f"the manifest {revision} was removed from {repository.name} while it was being signed"
        )
    added = stored[0] if stored else None
    return SignedRevision(revision, key.public.key_id, added, len(before | set(stored)))


def refusal(
    message: str, signed: Schema1, others: Sequence[str] = (), unknown: Iterable[Digest] = ()
) -> Schema1RefusedError:
    """The error for a manifest with ``signed.causes``, with the texts of ``others``.

    ``unknown`` are the layers, named in ``others`` already, that the repository does not link.
    """
    from regctl.signature import libtrust  # noqa: PLC0415

    return Schema1RefusedError(
        message,
        (*map(str, signed.causes), *others),
        (*signed.causes, *map(libtrust.UnknownLayer, unknown)),
        hint=signed.hint,
    )


def is_schema1(content: bytes) -> bool:
    """Whether ``content`` is judged to be schema 1, also if it is malformed besides."""
    try:
        return judge(parse_document(content))[1] is ManifestKind.SCHEMA1
    except InvalidManifestError:
        return False


def digest_of(content: bytes) -> Digest:
    """The sha256 digest of ``content``."""
    hashes = MultiHasher({"sha256"})
    hashes.update(content)
    return hashes.digest("sha256")


def _has_signatures(content: bytes) -> bool:
    return any(name == "signatures" for name, _ in parse_document(content).members)


def _new_signature(document: Document, signer: Signer) -> list[Signature]:
    """A signature by ``signer``, or none if it has signed the document and that verifies."""
    from regctl.signature import libtrust  # noqa: PLC0415

    for verdict in libtrust.verify(document):
        same = verdict.key_id == signer.key.public.key_id
        if verdict.verified and same and verdict.signature.chain == signer.chain:
            return []
    return [libtrust.sign(document.payload, signer.key, signer.time, signer.chain)]


def _why_refused(
    payload: bytes, signatures: list[Signature], name: str, tag: str | None
) -> tuple[Reason, ...]:
    """Why the document that would be served of these is no good; nothing if it is."""
    from regctl.signature import libtrust  # noqa: PLC0415

    try:
        served = libtrust.assemble(payload, signatures)
    except libtrust.InvalidSignatureError as error:
        return (libtrust.Unservable(error.message),)
    return libtrust.verify_push(served, name, tag)
