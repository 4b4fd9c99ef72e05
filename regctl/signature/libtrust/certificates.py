"""Certificates in signatures: the key that one holds, and chains from it to given roots.

Source: libtrust, ``jsonsign.go``, ``VerifyChains``, which asks Go's ``x509`` for server
authentication and for no name. Paths are built and checked by ``cryptography``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification as checks
from cryptography.x509.oid import ExtendedKeyUsageOID

from regctl.signature.libtrust.errors import InvalidKeyError, InvalidSignatureError
from regctl.signature.libtrust.keys import PublicKey, of_numbers

#: How many certificates of one signature are looked at.
MAX_CHAIN = 16
#: What parsing and checking certificates raises.
_FAULTS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    checks.VerificationError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_SERVER = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


def certificate_key(text: str) -> PublicKey:
    """The public key of the certificate ``text``, in standard base64 of its DER.

    Raises `InvalidKeyError`.
    """
    certificate = read_certificate(text)
    try:
        numbers = certificate.public_key()
    except _FAULTS as error:
        raise InvalidKeyError("the certificate's key cannot be read") from error
    return of_numbers(numbers)


def read_certificate(text: str) -> x509.Certificate:
    """The certificate ``text``, in standard base64 of its DER. Raises `InvalidKeyError`."""
    try:
        plain = text.replace("\r", "").replace("\n", "")
        return x509.load_der_x509_certificate(base64.b64decode(plain, validate=True))
    except _FAULTS as error:
        raise InvalidKeyError("the certificate in x5c cannot be read") from error


def read_bundle(content: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in a PEM file, in its order; as a chain, the signer's own comes first.

    Raises `InvalidKeyError` if there are none, or one cannot be read.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(content))
    except _FAULTS as error:
        raise InvalidKeyError("there are no certificates in PEM in it") from error


def subject_of(certificate: x509.Certificate) -> str:
    """The certificate's subject as text, ``CN=...,O=...``; a word where it cannot be read."""
    try:
        return certificate.subject.rfc4514_string()
    except _FAULTS:
        return "a certificate"


def chain_texts(certificates: Sequence[x509.Certificate]) -> tuple[str, ...]:
    """``certificates`` as they stand in a signature's ``x5c``."""
    return tuple(
        base64.b64encode(each.public_bytes(Encoding.DER)).decode("ascii") for each in certificates
    )


def find_path(
    chain: Sequence[str], roots: Sequence[x509.Certificate], time: datetime
) -> tuple[x509.Certificate, ...]:
    """The way from a signature's first certificate through its others to one of ``roots``.

    Every certificate must be valid at ``time``, and fit for server authentication where it says
    what it is fit for; that is what libtrust asks. Names are not looked at. Signatures by SHA-1
    and RSA keys below 2048 bits in the chain are refused. Raises `InvalidSignatureError`.
    """
    if len(chain) > MAX_CHAIN:
        raise InvalidSignatureError(f"x5c has {len(chain)} certificates: {MAX_CHAIN} are read")
    if not roots:
        raise InvalidSignatureError("no root certificate was given")
    faults: list[str] = []
    try:
        leaf, *others = (read_certificate(text) for text in chain)
        verifier = (
            checks.PolicyBuilder()
            .store(checks.Store(list(roots)))
            .time(time)
            .extension_policies(ca_policy=_authorities(faults), ee_policy=_signers(faults))
            .build_client_verifier()
        )
        return tuple(verifier.verify(leaf, others).chain)
    except InvalidKeyError as error:
        raise InvalidSignatureError(error.message) from error
    except _FAULTS as error:
        why = faults[0] if faults else _why(error)
        raise InvalidSignatureError(f"the certificate leads to no root: {why}") from error


def _signers(faults: list[str]) -> checks.ExtensionPolicy:
    return checks.ExtensionPolicy.permit_all().may_be_present(
        x509.ExtendedKeyUsage, checks.Criticality.AGNOSTIC, _usage(faults)
    )


def _authorities(faults: list[str]) -> checks.ExtensionPolicy:
    def authority(_: checks.Policy, each: x509.Certificate, found: x509.BasicConstraints) -> None:
        if not found.ca:
            raise _fault(faults, each, "is no authority")

    def may_sign(_: checks.Policy, each: x509.Certificate, found: x509.KeyUsage | None) -> None:
        if found is not None and not found.key_cert_sign:
            raise _fault(faults, each, "may not sign others")

    return (
        checks.ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, checks.Criticality.AGNOSTIC, authority)
        .may_be_present(x509.KeyUsage, checks.Criticality.AGNOSTIC, may_sign)
        .may_be_present(x509.ExtendedKeyUsage, checks.Criticality.AGNOSTIC, _usage(faults))
    )


def _usage(
    faults: list[str],
) -> Callable[[checks.Policy, x509.Certificate, x509.ExtendedKeyUsage | None], None]:
    def check(
        _: checks.Policy, each: x509.Certificate, found: x509.ExtendedKeyUsage | None
    ) -> None:
        if found is not None and _SERVER.isdisjoint(found):
            raise _fault(faults, each, "is not fit for server authentication")

    return check


def _fault(faults: list[str], certificate: x509.Certificate, what: str) -> ValueError:
    """The error that ends a path. The library buries its text, so that it is noted too."""
    faults.append(f"{subject_of(certificate)} {what}")
    return ValueError(what)


def _why(error: Exception) -> str:
    text = (str(error).splitlines() or [type(error).__name__])[0][:200]
    if "candidates exhausted" in text:
        return "no path of valid authorities was found"
    return text.removeprefix("validation failed: ")
