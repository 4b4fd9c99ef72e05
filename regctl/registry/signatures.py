"""Signatures of schema 1 revisions: blobs of their own, linked beside the revision.

The revision is the payload alone; what is served is the payload with every signature beside it,
so that a signer adds and nothing is dropped. Each signature is a link of its own: two signers at
once need no lock. Source: Distribution 2.0 to 2.4, ``signaturestore.go``; of January 2015,
``revisionstore.go``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from regctl.digest import Digest, MultiHasher
from regctl.drivers.base import Kind, StorageDriver
from regctl.errors import DamagedError, PathNotFoundError, UnavailableError
from regctl.layout import PathMapper, RepositoryName, specs
from regctl.manifest import MAX_MANIFEST_BYTES
from regctl.registry.blobs import BlobStore
from regctl.registry.links import read_link, write_link

if TYPE_CHECKING:
    from regctl.signature.libtrust import Signature, Verdict

#: A signature came in a manifest, which registries take up to this size.
_MAX_BYTES = MAX_MANIFEST_BYTES
_PAYLOAD_HINT = "'pull-manifest --payload' gives the manifest without its signatures"


class DamagedSignatureError(DamagedError):
    """A signature is linked beside a revision, and is missing, changed, or no signature."""

    code = "damaged-signature"


@dataclass(frozen=True, slots=True)
class StoredSignature:
    """A signature that is linked beside a revision: a ``verdict``, or the ``damage`` it has."""

    digest: Digest
    verdict: Verdict | None = None
    damage: str = ""


class SignatureService:
    """The signatures beside the schema 1 revisions of one repository."""

    def __init__(
        self, driver: StorageDriver, mapper: PathMapper, name: RepositoryName, blobs: BlobStore
    ) -> None:
        self._driver = driver
        self._mapper = mapper
        self._blobs = blobs
        self.name = name

    def list(self, revision: Digest) -> Sequence[Digest]:
        """The digests of the signatures that are linked beside ``revision``, sorted."""
        root = self._mapper.path(specs.Signatures(self.name, revision))
        found = []
        try:
            for entry in self._driver.walk(root, stat=False):
                spec = self._mapper.parse_file(entry.path)
                if entry.kind is Kind.FILE and isinstance(spec, specs.SignatureLink):
                    found.append(spec.signature)
        except PathNotFoundError:
            return []
        return sorted(found)

    def get(self, revision: Digest, signature: Digest) -> bytes:
        """The bytes of one signature, verified. Raises `DamagedSignatureError`, which names it."""
        try:
            canonical = read_link(self._driver, self._path(revision, signature), named=signature)
            return self._blobs.get(canonical, _MAX_BYTES)
        except DamagedError as error:
            raise self._damaged(revision, signature, error.message) from error

    def parse(self, revision: Digest, *, without: Collection[Digest] = ()) -> Sequence[Signature]:
        """Every signature beside ``revision`` but those that are not asked for.

        Raises as `get`, also for a blob that is no signature.
        """
        from regctl.signature import libtrust  # noqa: PLC0415 - loads cryptography

        found = []
        for digest in self.list(revision):
            if digest not in without:
                try:
                    found.append(libtrust.parse_blob(self.get(revision, digest)))
                except libtrust.InvalidSignatureError as error:
                    raise self._damaged(revision, digest, error.message) from error
        return found

    def document(self, revision: Digest, payload: bytes) -> bytes | None:
        """The document that registries serve: ``payload``, the revision's, with its signatures.

        None if there are none. Raises as `parse`, and `DamagedError` if the signatures cannot
        stand in one document.
        """
        from regctl.signature import libtrust  # noqa: PLC0415 - loads cryptography

        found = self.parse(revision)
        if not found:
            return None
        try:
            return libtrust.assemble(payload, found)
        except libtrust.InvalidSignatureError as error:
            raise DamagedError(
                f"the manifest {revision} in {self.name} cannot be merged with the signatures "
                f"beside it: {error.message}",
                hint=_PAYLOAD_HINT,
            ) from error

    def judge(self, revision: Digest, payload: bytes) -> Sequence[StoredSignature]:
        """Each signature beside ``revision``, whose bytes are ``payload``, with its verdict."""
        digests = self.list(revision)
        if not digests:
            return []
        from regctl.signature import libtrust  # noqa: PLC0415 - loads cryptography

        found = []
        for digest in digests:
            try:
                signature = libtrust.parse_blob(self.get(revision, digest))
            except DamagedSignatureError as error:
                found.append(StoredSignature(digest, damage=error.message))
                continue
            except libtrust.InvalidSignatureError as error:
                damage = self._damaged(revision, digest, error.message).message
                found.append(StoredSignature(digest, damage=damage))
                continue
            (verdict,) = libtrust.verify(libtrust.Document(payload, (signature,)))
            found.append(StoredSignature(digest, verdict))
        return found

    def put(self, revision: Digest, signatures: Iterable[bytes]) -> Sequence[Digest]:
        """Store signatures beside ``revision``: each blob, then its link, which is written anew.

        The caller has made sure that they can stand in one document with those that are there.
        """
        stored = []
        for content in signatures:
            hashes = MultiHasher({"sha256"})
            hashes.update(content)
            digest = hashes.digest("sha256")
            self._blobs.put(digest, content)
            write_link(self._driver, self._path(revision, digest), digest)
            stored.append(digest)
        return stored

    def look_again(self, revision: Digest, signatures: Iterable[Digest]) -> None:
        """Raise `UnavailableError` if a signature that was stored has gone since."""
        linked = set(self.list(revision))
        for each in signatures:
            if each not in linked or self._blobs.size(each) is None:
                raise UnavailableError(
                    f"the signature {each} was removed from the storage while it was relied on",
                    hint="a collector is running; push the manifest again",
                )

    def _damaged(self, revision: Digest, signature: Digest, why: str) -> DamagedSignatureError:
        return DamagedSignatureError(
            f"the signature {signature} of {self.name}@{revision} is damaged: {why}",
            hint=f"pushing a document that has it mends it if it is missing; {_PAYLOAD_HINT}",
        )

    def _path(self, revision: Digest, signature: Digest) -> str:
        return self._mapper.path(specs.SignatureLink(self.name, revision, signature))
