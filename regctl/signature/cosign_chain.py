"""A certificate and its chain as annotations of a cosign signature.

Source: cosign's signature specification, "Properties".
"""

from __future__ import annotations

from regctl.signature import keyfile_pem
from regctl.signature.cosign_certificate import load_certificates
from regctl.signature.cosign_manifest import CERTIFICATE, CHAIN


def certificate_annotations(content: bytes) -> tuple[tuple[str, str], ...]:
    """The annotations for the PEM file ``content``: the signer's certificate, then its issuers.

    Raises `KeyFileError`.
    """
    leaf, *issuers = (
        keyfile_pem.encode("CERTIFICATE", each.der).decode("ascii")
        for each in load_certificates(content)
    )
    return ((CERTIFICATE, leaf), *([(CHAIN, "".join(issuers))] if issuers else []))
