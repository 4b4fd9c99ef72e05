from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA224, SHA256

from regctl.signature.cosign import Trust, judge, sign
from regctl.signature.cosign_certificate import distrust, load_certificates
from regctl.signature.cosign_manifest import CERTIFICATE, CHAIN, CosignSignature, new_signature
from regctl.signature.cosign_payload import Payload
from regctl.signature.cosign_verdict import Judgement, Verdict
from regctl.signature.keyfile import KeyFileError
from regctl.signature.keyfile_pem import encode as pem
from tests.signature.cosign.authorities import CODE_SIGNING, DAY, NOW, SERVER, Holder, issue
from tests.signature.cosign.samples import REFERENCE, SUBJECT, signed

ROOT = issue("root", ca=True, cert_sign=True)
MIDDLE = issue("middle", ROOT, ca=True, path_length=0)
LEAF = issue("leaf", MIDDLE, usage=CODE_SIGNING, cert_sign=False)
STRANGER = issue("root", ca=True)


def reason(leaf: Holder, *chain: Holder, root: Holder = ROOT, later: int = 0) -> str:
    return distrust(
        leaf.certificate,
        [each.certificate for each in chain],
        [root.certificate],
        NOW + later * DAY,
    )


def test_a_chain_up_to_a_named_root_is_trusted() -> None:
    assert reason(LEAF, MIDDLE) == ""
    assert reason(LEAF, STRANGER, ROOT, MIDDLE) == ""
    assert reason(LEAF, root=MIDDLE) == ""
    assert reason(LEAF, root=LEAF) == ""
    assert reason(issue("leaf", ROOT)) == ""


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (reason(LEAF), "no certificate of an authority that was named issued it"),
        (reason(LEAF, MIDDLE, root=STRANGER), "no certificate of an authority"),
        (reason(LEAF, MIDDLE, later=2), "expired"),
        (reason(LEAF, MIDDLE, later=-2), "not valid before"),
        (reason(issue("l", ROOT, usage=SERVER)), "not for code signing"),
        (
            reason(issue("l", m := issue("m", ROOT, ca=True, usage=SERVER)), m),
            "not for code signing",
        ),
        (reason(issue("l", m := issue("m", ROOT)), m), "not an authority's"),
        (reason(issue("l", m := issue("m", ROOT, constraints=False)), m), "not an authority's"),
        (
            reason(issue("l", m := issue("m", ROOT, ca=True, cert_sign=False)), m),
            "may not issue",
        ),
        (
            reason(issue("l", n := issue("n", MIDDLE, ca=True)), n, MIDDLE),
            "stands too high",
        ),
        (
            reason(issue("l", m := issue("m", ROOT, ca=True, end=NOW - DAY / 2)), m),
            "expired",
        ),
        (
            reason(
                issue(
                    "l",
                    m := issue(
                        "m",
                        ROOT,
                        ca=True,
                        extra=x509.NameConstraints([x509.DNSName("x")], None),
                        critical=False,
                    ),
                ),
                m,
            ),
            "limits that are not understood",
        ),
        (
            reason(
                issue("l", ROOT, extra=x509.PolicyConstraints(None, 0)),
            ),
            "limits that are not understood",
        ),
        (reason(issue("l", ROOT, algorithm=SHA224())), "no certificate of an authority"),
        (reason(LEAF, *[MIDDLE] * 17), "its chain has 17 certificates"),
    ],
)
def test_chains_that_prove_nothing(said: str, words: str) -> None:
    assert words in said


def test_a_long_or_circular_chain_ends() -> None:
    chain = [ROOT]
    for n in range(12):
        chain.append(issue(f"n{n}", chain[-1], ca=True))
    assert "no certificate" in reason(issue("leaf", chain[-1]), *chain[1:])
    # Two certificates of one name and key, each the other's issuer.
    assert "no certificate" in reason(issue("leaf", STRANGER), STRANGER)


def certified(holder: Holder, *chain: Holder, key: Holder | None = None) -> CosignSignature:
    annotations = {CERTIFICATE: holder.pem}
    if chain:
        annotations[CHAIN] = "".join(each.pem for each in chain)
    return sign(Payload(SUBJECT.digest, REFERENCE), (key or holder).key, annotations)


def judged(signature: CosignSignature, *roots: Holder) -> Judgement:
    trust = Trust((), tuple(each.certificate for each in roots), NOW)
    return judge([signature], SUBJECT, trust)


def test_a_certificate_that_nobody_named_makes_it_signed() -> None:
    judgement = judged(certified(LEAF, MIDDLE))
    assert judgement.verdict is Verdict.SIGNED
    assert "nobody named" in judgement.reasons[0]
    assert judgement.signer == "the certificate 'CN=leaf'"


def test_a_certificate_below_a_named_authority_makes_it_trusted() -> None:
    assert judged(certified(LEAF, MIDDLE), ROOT) == Judgement(
        Verdict.TRUSTED, (), "the certificate 'CN=leaf'", REFERENCE
    )
    other = judged(certified(LEAF, MIDDLE), STRANGER)
    assert other.verdict is Verdict.SIGNED
    assert other.reasons[0].startswith("its certificate is not trusted: no certificate")
    assert judged(certified(LEAF), ROOT).verdict is Verdict.SIGNED


def test_authorities_are_trusted_at_a_time() -> None:
    for at in (None, NOW.replace(tzinfo=None)):
        with pytest.raises(ValueError, match="at a time"):
            Trust((), (ROOT.certificate,), at)


def test_a_certificate_of_another_key_is_invalid() -> None:
    """Whoever puts a good certificate beside a signature of his own proves nothing."""
    good = certified(LEAF, MIDDLE)
    theirs = dict(signed("a").descriptor.annotations)
    forged = new_signature(good.payload, {**dict(good.descriptor.annotations), **theirs})
    judgement = judged(forged, ROOT)
    assert judgement.verdict is Verdict.INVALID
    assert "its own certificate does not verify" in judgement.reasons[0]
    with pytest.raises(KeyFileError, match="of another key"):
        certified(LEAF, MIDDLE, key=ROOT)


def test_a_named_key_counts_whatever_the_certificate() -> None:
    signature = certified(LEAF)
    annotations = {**dict(signature.descriptor.annotations), CERTIFICATE: "junk"}
    broken = new_signature(signature.payload, annotations)
    assert judged(broken).verdict is Verdict.INVALID
    assert "cannot be read" in judged(broken).reasons[0]
    assert judge([broken], SUBJECT, Trust((LEAF.key.public,))).verdict is Verdict.TRUSTED


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no certificate in PEM form"),
        (pem("CERTIFICATE", b"x"), "malformed"),
        (LEAF.pem.encode() + pem("PUBLIC KEY", b"x"), "holds a PUBLIC KEY"),
        (b"x" * 2_000_000, "too many"),
    ],
)
def test_refused_certificates(content: bytes, words: str) -> None:
    with pytest.raises(KeyFileError, match=words):
        load_certificates(content)


def test_a_holder_without_a_subject_is_called_by_its_other_name() -> None:
    """Fulcio's certificates have no subject; who signed stands in the alternative name."""
    secret = LEAF.secret
    names = x509.SubjectAlternativeName([x509.RFC822Name("me@example.com")])
    nameless = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ROOT.x509.subject)
        .public_key(secret.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(names, critical=True)
        .sign(ROOT.secret, SHA256())
    )
    holder = Holder("me", secret, nameless)
    assert holder.certificate.subject == "'me@example.com'"
    assert reason(holder) == ""
