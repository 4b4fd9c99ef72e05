"""Whether signatures by certificate lead to roots that somebody trusts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from regctl.signature.libtrust.certificates import find_path, subject_of
from regctl.signature.libtrust.document import Document, Verdict, verify
from regctl.signature.libtrust.errors import InvalidSignatureError


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """What is known of a signature by certificate: ``reason`` says why it is not trusted.

    ``path`` leads from the signer's certificate to a root, by subjects; it is empty with a reason.
    """

    verdict: Verdict
    reason: str
    path: tuple[str, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether the signature verifies and its certificate leads to a root."""
        return not self.reason


def verify_chains(
    document: Document, roots: Sequence[x509.Certificate], time: datetime
) -> tuple[ChainVerdict, ...]:
    """A verdict for each signature that has a chain; the others are passed over, as libtrust does.

    So an empty result proves nothing. ``time`` is when the certificates must be valid, and must
    know its zone.
    """
    return tuple(
        _chain_verdict(verdict, roots, time)
        for verdict in verify(document)
        if verdict.by_certificate
    )


def _chain_verdict(
    verdict: Verdict, roots: Sequence[x509.Certificate], time: datetime
) -> ChainVerdict:
    if not verdict.verified:
        return ChainVerdict(verdict, verdict.reason)
    try:
        path = find_path(verdict.signature.chain, roots, time)
    except InvalidSignatureError as error:
        return ChainVerdict(verdict, error.message)
    return ChainVerdict(verdict, "", tuple(subject_of(each) for each in path))
