"""Whatever is flipped or made up: never a trusted signature, never another exception."""

from __future__ import annotations

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regctl.errors import InvalidManifestError, RegctlError
from regctl.signature.cosign import Trust, judge
from regctl.signature.cosign_certificate import load_certificates
from regctl.signature.cosign_manifest import (
    CERTIFICATE,
    CHAIN,
    SIGNATURE,
    CosignSignature,
    build_signature_manifest,
    merge_signature,
    new_signature,
    parse_signature_manifest,
)
from regctl.signature.cosign_payload import parse_payload
from regctl.signature.cosign_verdict import Verdict
from regctl.signature.keyfile import (
    KeyFileError,
    WrongPassphraseError,
    load_private_key,
    load_public_key,
    public_key_of_spki,
)
from regctl.signature.keyfile_pem import encode as pem
from regctl.signature.policy import PolicyError, parse_policy
from regctl.signature.policy_reference import DockerReference
from tests.signature.cosign.authorities import NOW, issue
from tests.signature.cosign.samples import SUBJECT, VECTORS, public_key, signed

NAMES = ("a", "ed", "rsa", "p384")
SIGNED = {name: signed(name) for name in NAMES}
FLIPS = st.integers(min_value=1, max_value=255)


def flipped(content: bytes, position: int, bits: int) -> bytes:
    changed = bytearray(content)
    changed[position % len(content)] ^= bits
    return bytes(changed)


def verdict(payload: bytes, signature: bytes, name: str) -> Verdict:
    text = base64.b64encode(signature).decode()
    made = new_signature(payload, {SIGNATURE: text})
    return judge([made], SUBJECT, Trust((public_key(name),))).verdict


def parts(name: str) -> tuple[bytes, bytes]:
    signature = SIGNED[name]
    return signature.payload, base64.b64decode(signature.annotation(SIGNATURE) or "")


@pytest.mark.parametrize("name", NAMES)
def test_no_byte_may_change(name: str) -> None:
    """Every byte of payload, signature and key, each with one bit flipped."""
    payload, signature = parts(name)
    key = public_key(name)
    assert verdict(payload, signature, name) is Verdict.TRUSTED
    for position in range(len(payload)):
        changed = flipped(payload, position, 1 << position % 8)
        assert verdict(changed, signature, name) is not Verdict.TRUSTED
    for position in range(len(signature)):
        changed = flipped(signature, position, 1 << position % 8)
        assert verdict(payload, changed, name) is not Verdict.TRUSTED
    for position in range(len(key.spki)):
        with suppress(KeyFileError):
            changed_key = public_key_of_spki(flipped(key.spki, position, 1 << position % 8))
            judgement = judge([SIGNED[name]], SUBJECT, Trust((changed_key,)))
            assert judgement.verdict is not Verdict.TRUSTED


@given(st.sampled_from(NAMES), st.integers(min_value=0), FLIPS)
@settings(max_examples=200, deadline=None)
def test_no_flip_in_the_annotation_passes(name: str, position: int, bits: int) -> None:
    """As it is stored: the text of the signature, whatever the flip makes of it."""
    text = (SIGNED[name].annotation(SIGNATURE) or "").encode()
    changed = flipped(text, position, bits).decode("latin-1")
    made = new_signature(SIGNED[name].payload, {SIGNATURE: changed})
    judgement = judge([made], SUBJECT, Trust((public_key(name),)))
    assert judgement.verdict in {Verdict.INVALID, Verdict.UNKNOWN_KEY}
    assert judgement.reasons


ROOT = issue("root", ca=True)
LEAF = issue("leaf", ROOT)
CERTIFIED = signed("a")


def test_no_byte_of_a_certificate_may_change() -> None:
    """Each byte with one bit flipped, the count of unused bits before the signature included."""
    der = LEAF.certificate.der
    signature = base64.b64encode(LEAF.key.sign(CERTIFIED.payload)).decode()

    def judged(leaf: bytes) -> Verdict:
        annotations = {
            SIGNATURE: signature,
            CERTIFICATE: pem("CERTIFICATE", leaf).decode(),
            CHAIN: ROOT.pem,
        }
        trust = Trust((), (ROOT.certificate,), NOW)
        return judge([new_signature(CERTIFIED.payload, annotations)], SUBJECT, trust).verdict

    assert judged(der) is Verdict.TRUSTED
    for position in range(len(der)):
        for bits in (1, 2 << position % 7):
            assert judged(flipped(der, position, bits)) is not Verdict.TRUSTED, (position, bits)


@given(st.integers(min_value=0), FLIPS)
@settings(max_examples=60, deadline=None)
def test_a_damaged_private_key_is_refused_or_the_same(position: int, bits: int) -> None:
    """Outside of the block, and between its lines, a flip may say nothing."""
    content = (VECTORS / "keys" / "ed.key").read_bytes()
    with suppress(KeyFileError):
        key = load_private_key(flipped(content, position, bits), b"")
        assert key.public.verifies(b"x", key.sign(b"x"))


def test_a_damaged_encrypted_key_does_not_open() -> None:
    content = (VECTORS / "keys" / "a.key").read_bytes()
    for position in (60, 120, 300, 500, len(content) - 60):
        with pytest.raises(KeyFileError) as caught:
            load_private_key(flipped(content, position, 3), b"pass-shared")
        assert isinstance(caught.value, WrongPassphraseError) or "malformed" in caught.value.message


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(
        ["sigstoreSigned", "signedBy", "matchExact", "remapIdentity", str(SUBJECT.digest), "QQ=="]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    *("default", "transports", "docker", "type", "keyPath", "keyPaths", "keyData"),
                    *("keyDatas", "fulcio", "pki", "signedIdentity", "prefix", "signedPrefix"),
                    *("critical", "optional", "image", "identity", "docker-reference", "kdf"),
                    *("layers", "config", "annotations", "mediaType", "digest", "rootfs"),
                )
            )
            | st.text(),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)
BYTES = st.binary(max_size=300) | VALUES.map(lambda value: json.dumps(value).encode())


@given(BYTES, st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_parsers_refuse_with_errors_of_their_own(content: bytes, text: str) -> None:
    built = build_signature_manifest(SIGNED["a"])
    for parse in (parse_payload, parse_policy, load_public_key, load_certificates):
        with suppress(RegctlError):
            parse(content)
    with suppress(RegctlError):
        load_private_key(pem("ENCRYPTED COSIGN PRIVATE KEY", content), b"x")
    for label in ("PRIVATE KEY", "PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"):
        for load in (load_public_key, load_private_key, load_certificates):
            with suppress(RegctlError):
                load(pem(label, content))
    for existing, config in ((content, b"{}"), (built.content, content)):
        with suppress(InvalidManifestError):
            merge_signature(existing, config, signed("b"))
    with suppress(InvalidManifestError):
        parse_signature_manifest(content)
    with suppress(RegctlError):
        DockerReference.parse(text)
    made = CosignSignature(SIGNED["a"].descriptor, content)
    assert judge([made], SUBJECT, Trust((public_key("a"),))).verdict is Verdict.INVALID


@given(st.lists(st.sampled_from([b"[", b"{", b'"a":', b'"', b"\\", b"1", b"}", b"]"])))
def test_json_that_is_cut_or_mixed_up(pieces: list[bytes]) -> None:
    with pytest.raises(PolicyError):
        parse_policy(b"".join(pieces) * 50)
