"""Certificates beside a signature: whose key it is, and whether a known authority says so.

The rules are those of containers/image for its ``pki`` requirement, which are Go's: every
certificate up to a root is valid at the time asked for, an issuer is an authority, what limits the
use of a key allows code signing. A limit that is not understood here (name constraints, critical
extensions of other kinds) is never passed over: such a chain is not trusted.
Source: containers/image, ``signature/pki_cert.go``; RFC 5280, section 6.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

from regctl.signature import keyfile_pem
from regctl.signature.keyfile import PublicKey, public_key_of_spki
from regctl.signature.keyfile_errors import KeyFileError

_MAX_DEPTH = 8
#: Of a chain annotation; a chain of authorities has two or three.
_MAX_CERTIFICATES = 16
_HASHES = frozenset({"sha256", "sha384", "sha512"})


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """A certificate with its ``subject`` for people, its public ``key``, and when it is valid."""

    subject: str
    key: PublicKey
    start: datetime
    end: datetime
    _x509: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate's bytes: what makes two of them the same."""
        return self._x509.public_bytes(Encoding.DER)


def load_certificates(content: bytes) -> tuple[Certificate, ...]:
    """The certificates of a PEM file, in order, at least one. Raises `KeyFileError`."""
    if len(content) > keyfile_pem.MAX_BYTES:
        raise KeyFileError(f"{len(content)} bytes are too many for certificates")
    found = []
    for block in keyfile_pem.blocks(content):
        raw = block.decoded()
        if block.label != "CERTIFICATE" or raw is None:
            raise KeyFileError(f"it holds a {block.label} that is not a certificate")
        found.append(_load(raw))
    if not found:
        raise KeyFileError("there is no certificate in PEM form in it")
    return tuple(found)


def distrust(
    leaf: Certificate,
    intermediates: Sequence[Certificate],
    authorities: Sequence[Certificate],
    at: datetime,
) -> str:
    """Why ``leaf`` is not proved by ``authorities`` at the time ``at``; empty if it is.

    ``intermediates`` come from whoever signed and prove nothing by themselves.
    """
    if len(intermediates) > _MAX_CERTIFICATES:
        return f"its chain has {len(intermediates)} certificates; {_MAX_CERTIFICATES} are read"
    roots = {each.der for each in authorities}
    pool = {each.der: each for each in (*intermediates, *authorities)}
    failures: list[str] = []
    if _climb(leaf, (), pool, roots, at, failures):
        return ""
    return failures[0] if failures else "no certificate of an authority that was named issued it"


def _climb(
    certificate: Certificate,
    below: tuple[Certificate, ...],
    pool: dict[bytes, Certificate],
    roots: set[bytes],
    at: datetime,
    failures: list[str],
) -> bool:
    """Whether a path leads from ``certificate``, with what it issued ``below``, to a root."""
    if reason := _fault(certificate, len(below), at):
        failures.append(reason)
        return False
    if certificate.der in roots:
        return True
    if len(below) >= _MAX_DEPTH:
        return False
    path = (*below, certificate)
    seen = {each.der for each in path}
    return any(
        _climb(issuer, path, pool, roots, at, failures)
        for der, issuer in pool.items()
        if der not in seen and _issued(certificate, issuer)
    )


def _issued(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        algorithm = certificate._x509.signature_hash_algorithm
        if algorithm is not None and algorithm.name not in _HASHES:
            return False
        certificate._x509.verify_directly_issued_by(issuer._x509)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False
    return True


def _fault(certificate: Certificate, depth: int, at: datetime) -> str:
    """Why this certificate cannot stand at ``depth`` above the signer's (0 is the signer's)."""
    inner, subject = certificate._x509, certificate.subject
    if at < certificate.start:
        return f"the certificate {subject} is not valid before {certificate.start.isoformat()}"
    if at > certificate.end:
        return f"the certificate {subject} expired at {certificate.end.isoformat()}"
    understood = (
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
        x509.SubjectAlternativeName,
    )
    for extension in inner.extensions:
        value = extension.value
        if isinstance(value, x509.NameConstraints) or (
            extension.critical and not isinstance(value, understood)
        ):
            return f"the certificate {subject} has limits that are not understood"
        if isinstance(value, x509.ExtendedKeyUsage) and not _for_code(value):
            return f"the certificate {subject} is not for code signing"
        if isinstance(value, x509.KeyUsage) and depth and not value.key_cert_sign:
            return f"the certificate {subject} may not issue others"
    return _authority_fault(certificate, depth) if depth else ""


def _for_code(usage: x509.ExtendedKeyUsage) -> bool:
    return Usage.CODE_SIGNING in usage or Usage.ANY_EXTENDED_KEY_USAGE in usage


def _authority_fault(certificate: Certificate, depth: int) -> str:
    try:
        limits = certificate._x509.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return f"the certificate {certificate.subject} is not an authority's"
    if not limits.ca:
        return f"the certificate {certificate.subject} is not an authority's"
    # Between this authority and the signer stand depth - 1 others.
    if limits.path_length is not None and depth - 1 > limits.path_length:
        return f"the certificate {certificate.subject} stands too high above the signer's"
    return ""


def _load(der: bytes) -> Certificate:
    try:
        with warnings.catch_warnings():
            # Of what no authority may write, such as a negative serial number, the library warns.
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            certificate = x509.load_der_x509_certificate(der)
        spki = certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        subject = certificate.subject.rfc4514_string() or _alternative_name(certificate)
        # They are parsed late by the library; here is the place for their faults.
        list(certificate.extensions)
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except Exception as error:
        raise KeyFileError("a certificate is malformed, or of a kind that is not known") from error
    if not der.endswith(b"\0" + certificate.signature):
        # The library passes over the count of unused bits, which no signature has.
        raise KeyFileError("the signature of a certificate is not made of whole bytes")
    return Certificate(repr(subject), public_key_of_spki(spki), start, end, certificate)


def _alternative_name(certificate: x509.Certificate) -> str:
    """What names the holder of a certificate without a subject, such as Fulcio's."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "without a name"
    texts = [str(name.value) for name in names if not isinstance(name, x509.OtherName)]
    return ", ".join(texts) or "without a name"
