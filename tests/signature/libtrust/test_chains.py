from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from regctl.signature.libtrust import (
    InvalidKeyError,
    InvalidSignatureError,
    assemble,
    chain_texts,
    parse,
    read_bundle,
    sign,
    verify_chains,
)
from regctl.signature.libtrust.certificates import MAX_CHAIN, find_path
from tests.signature.libtrust.vectors import (
    DOCUMENTS,
    NOW,
    document,
    payload,
    private_key,
    read,
)

PAYLOAD = payload("sign-ec256")
WITH_CHAIN = [name for name, vector in DOCUMENTS.items() if "verify_chains" in vector]
BY_OTHERS = "no path of valid authorities was found"


def certificates(*names: str) -> tuple[x509.Certificate, ...]:
    return tuple(each for name in names for each in read_bundle(read(f"keys/{name}.crt")))


@pytest.mark.parametrize("name", WITH_CHAIN)
def test_a_chain_is_trusted_if_libtrust_trusts_it(name: str) -> None:
    expected = DOCUMENTS[name]["verify_chains"]
    (found,) = verify_chains(document(name), certificates("root"), NOW)
    assert found.trusted == (expected["result"] == "ok")
    subjects = [subject.rpartition("CN=")[2] for subject in found.path]
    assert subjects == (expected["chains"][0] if found.trusted else [])
    assert bool(found.reason) != found.trusted


@pytest.mark.parametrize("key", ["ec256", "rsa"])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("", ""),
        ("-noeku", ""),
        ("-clientonly", "is not fit for server authentication"),
        ("-expired", "not valid at validation time"),
    ],
)
def test_a_leaf_that_is_not_fit_signs_but_is_not_trusted(key: str, kind: str, reason: str) -> None:
    """Who holds an expired certificate still holds its key: the signature is right."""
    chain = chain_texts(certificates(f"leaf-{key}{kind}", "int"))
    made = assemble(PAYLOAD, [sign(PAYLOAD, private_key(key), NOW, chain)])
    (found,) = verify_chains(parse(made), certificates("root"), NOW)
    assert found.verdict.verified
    assert reason in found.reason
    assert found.trusted == (reason == "")


def test_the_time_and_the_roots_decide() -> None:
    chained = document("chain-ec")

    def trusted(at: datetime, *roots: str) -> bool:
        return verify_chains(chained, certificates(*roots), at)[0].trusted

    assert trusted(NOW, "otherroot", "root")
    assert trusted(NOW, "int")
    assert not trusted(NOW, "otherroot")
    assert not trusted(datetime(1999, 1, 1, tzinfo=UTC), "root")
    assert not trusted(datetime(2121, 1, 1, tzinfo=UTC), "root")
    (found,) = verify_chains(chained, (), NOW)
    assert found.reason == "no root certificate was given"


def test_signatures_without_a_chain_are_passed_over() -> None:
    assert verify_chains(document("merge-two"), certificates("root"), NOW) == ()


@dataclass
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def issue(self, name: str, *extensions: x509.ExtensionType) -> Authority:
        return issued(name, self, *extensions)


def issued(name: str, by: Authority | None, *extensions: x509.ExtensionType) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return Authority(builder.sign(by.key if by else key, hashes.SHA256()), key)


def usage(*, may_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(True, False, False, False, False, may_sign, may_sign, False, False)


CA = x509.BasicConstraints(ca=True, path_length=None)
ROOT = issued("root", None, CA, usage(may_sign=True))
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
ANY = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")


def path(*chain: Authority) -> tuple[x509.Certificate, ...]:
    return find_path(chain_texts([each.certificate for each in chain]), [ROOT.certificate], NOW)


@pytest.mark.parametrize(
    "extensions",
    [[CA], [CA, SERVER], [CA, usage(may_sign=True)], [x509.BasicConstraints(True, 0)]],
)
@pytest.mark.parametrize("purpose", [SERVER, ANY])
def test_an_authority_between_is_followed(
    extensions: list[x509.ExtensionType], purpose: x509.ExtensionType
) -> None:
    between = ROOT.issue("between", *extensions)
    leaf = between.issue("leaf", purpose)
    expected = (leaf.certificate, between.certificate, ROOT.certificate)
    assert path(leaf, between) == expected


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        ([], BY_OTHERS),
        ([x509.BasicConstraints(False, None)], BY_OTHERS),
        ([CA, usage(may_sign=False)], "CN=between may not sign others"),
        ([CA, CLIENT], "CN=between is not fit for server authentication"),
        ([CA, UNKNOWN], BY_OTHERS),
        ([CA, x509.NameConstraints([x509.DNSName("good.example")], None)], BY_OTHERS),
    ],
)
def test_what_may_not_sign_others_is_not_followed(
    extensions: list[x509.ExtensionType], reason: str
) -> None:
    """Who has a certificate of his own must not be able to make others with it."""
    between = ROOT.issue("between", *extensions)
    named = x509.SubjectAlternativeName([x509.DNSName("bad.example")])
    with pytest.raises(InvalidSignatureError, match=reason):
        path(between.issue("leaf", named), between)


def test_a_path_is_not_longer_than_its_authorities_allow() -> None:
    first = ROOT.issue("first", x509.BasicConstraints(True, 0))
    second = first.issue("second", CA)
    assert path(first.issue("leaf"), first)
    with pytest.raises(InvalidSignatureError, match=BY_OTHERS):
        path(second.issue("leaf"), second, first)


def test_a_name_does_not_make_an_issuer() -> None:
    between = ROOT.issue("between", CA)
    forger = Authority(between.certificate, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(InvalidSignatureError, match=BY_OTHERS):
        path(forger.issue("leaf"), between)


def test_what_a_leaf_says_and_nobody_knows_is_not_passed_over() -> None:
    with pytest.raises(InvalidSignatureError, match="unaccounted-for critical"):
        path(ROOT.issue("leaf", UNKNOWN))


def test_a_chain_is_bounded_and_must_be_readable() -> None:
    leaf = ROOT.issue("leaf")
    with pytest.raises(InvalidSignatureError, match="certificates: 16 are read"):
        path(*[leaf] * (MAX_CHAIN + 1))
    with pytest.raises(InvalidSignatureError, match="cannot be read"):
        find_path([*chain_texts([leaf.certificate]), "AAAA"], [ROOT.certificate], NOW)


@pytest.mark.parametrize("content", [b"", b"text", read("keys/ec256.pem")])
def test_a_file_without_certificates_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidKeyError, match="no certificates"):
        read_bundle(content)
