"""Judging schema 1 manifests by the libtrust signatures beside them.

Importing this loads ``cryptography``, with all that certificates need: only where there is one.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import load_der_public_key

from regctl.errors import ContentError, DamagedError, NotFoundError
from regctl.maintenance.audit_content import Content
from regctl.maintenance.audit_signatures import MAX_SIGNATURES, libtrust_blobs
from regctl.maintenance.audit_trust import Trusted
from regctl.registry.repository import Repository
from regctl.signature import libtrust
from regctl.signature.cosign_verdict import Judgement, Verdict
from regctl.signature.keyfile_keys import PublicKey
from regctl.signature.libtrust.keys import of_numbers
from regctl.signature.libtrust.signatures import read_format


class Schema1Judge:
    """Judges by the ids of keys and by certificates; the name that was signed is not looked at."""

    def __init__(self, trusted: Trusted) -> None:
        self._trusted = trusted
        named = {found for key in trusted.cosign.keys if (found := _libtrust_id(key))}
        self._key_ids = trusted.key_ids | named

    def judge(self, repository: Repository, content: Content) -> Judgement | None:
        """What the signatures beside a revision say; None where there are none.

        What cannot be read raises.
        """
        try:
            blobs = libtrust_blobs(repository, content.digest)
        except (DamagedError, NotFoundError) as error:
            return Judgement(Verdict.BROKEN, (f"its signatures: {error.message}",))
        if not blobs:
            return None
        if len(blobs) > MAX_SIGNATURES:
            reason = f"there are more than the {MAX_SIGNATURES} signatures that are read"
            return Judgement(Verdict.INVALID, (reason,))
        try:
            signatures = tuple(libtrust.parse_blob(blob) for blob in blobs)
        except libtrust.InvalidSignatureError as error:
            return Judgement(Verdict.INVALID, (error.message,))
        return self._judge_document(libtrust.Document(content.raw, signatures))

    def _judge_document(self, document: libtrust.Document) -> Judgement:
        verdicts = libtrust.verify(document)
        faults = [
            f"signature {number} of {len(verdicts)}: {reason}"
            for number, each in enumerate(verdicts, 1)
            if (reason := each.reason or _format_fault(each, document.payload))
        ]
        if faults:
            return Judgement(Verdict.INVALID, tuple(faults))
        proved, doubts = self._proved(document)
        signers = ", ".join(dict.fromkeys(f"the key {each.key_id}" for each in verdicts))
        for each in verdicts:
            if each.key_id in self._key_ids:
                return Judgement(Verdict.TRUSTED, signer=f"the key {each.key_id}")
        if proved:
            return Judgement(Verdict.TRUSTED, signer=proved)
        reason = f"it is valid by {signers}, which nobody named"
        return Judgement(Verdict.SIGNED, (reason, *doubts), signers)

    def _proved(self, document: libtrust.Document) -> tuple[str, tuple[str, ...]]:
        """The certificate that leads to an authority, and why others do not."""
        if not self._trusted.roots or self._trusted.at is None:
            return "", ()
        chains = libtrust.verify_chains(document, self._trusted.roots, self._trusted.at)
        for each in chains:
            if each.trusted:
                return f"the certificate {each.path[0]!r}", ()
        return "", tuple(each.reason for each in chains)


def _format_fault(verdict: libtrust.Verdict, payload: bytes) -> str:
    """Why a document with this signature would be read as one with another payload."""
    form = read_format(verdict.signature.protected)
    if form.length > len(payload) or payload[form.length :] != form.tail:
        return "it is for a document of another form than its payload has"
    return ""


def _libtrust_id(key: PublicKey) -> str:
    """The id by which libtrust knows a key; empty for kinds that it does not."""
    try:
        return of_numbers(load_der_public_key(key.spki)).key_id
    except ContentError:
        return ""
