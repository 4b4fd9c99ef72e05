"""Certificates for tests: a root, what it issues, and what may be wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA224, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from regctl.signature.cosign_certificate import Certificate, load_certificates
from regctl.signature.keyfile import PrivateKey, load_private_key

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CODE_SIGNING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])


@dataclass(frozen=True)
class Holder:
    """A key and its certificate."""

    name: str
    secret: ec.EllipticCurvePrivateKey
    x509: x509.Certificate

    @property
    def pem(self) -> str:
        return self.x509.public_bytes(Encoding.PEM).decode()

    @property
    def certificate(self) -> Certificate:
        return load_certificates(self.pem.encode())[0]

    @property
    def key(self) -> PrivateKey:
        return load_private_key(
            self.secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )


def issue(
    name: str,
    issuer: Holder | None = None,
    *,
    ca: bool = False,
    path_length: int | None = None,
    usage: x509.ExtendedKeyUsage | None = None,
    cert_sign: bool | None = None,
    extra: x509.ExtensionType | None = None,
    critical: bool = True,
    start: datetime = NOW - DAY,
    end: datetime = NOW + DAY,
    algorithm: SHA224 | SHA256 | None = None,
    constraints: bool = True,
) -> Holder:
    """A new key with a certificate by ``issuer``, or by itself."""
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_name(issuer.name) if issuer else subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if usage is not None:
        builder = builder.add_extension(usage, critical=False)
    if cert_sign is not None:
        builder = builder.add_extension(_key_usage(cert_sign), critical=True)
    if extra is not None:
        builder = builder.add_extension(extra, critical=critical)
    signer = issuer.secret if issuer else secret
    return Holder(name, secret, builder.sign(signer, algorithm or SHA256()))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(True, False, False, False, False, cert_sign, False, False, False)
