from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from regctl.signature.keyfile import (
    KeyFileError,
    PassphraseNeededError,
    WrongPassphraseError,
    generate_key_pair,
    load_private_key,
    load_public_key,
    needs_passphrase,
)
from regctl.signature.keyfile_pem import blocks
from regctl.signature.keyfile_pem import encode as pem
from tests.signature.cosign.samples import KEYS, PASSPHRASE, VECTORS, private_key, public_key

EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
SECRET = b"a secret phrase"


def private_pem(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey,
    form: PrivateFormat = PrivateFormat.PKCS8,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


@pytest.mark.parametrize("name", KEYS)
def test_a_pair_of_files_is_one_key(name: str) -> None:
    private, public = private_key(name), public_key(name)
    assert private.public == public
    assert public.verifies(b"message", private.sign(b"message"))
    assert not public.verifies(b"massage", private.sign(b"message"))
    assert load_public_key(public.pem()) == public


def test_kinds_and_fingerprints_tell_keys_apart() -> None:
    kinds = [public_key(name).kind for name in KEYS]
    assert kinds == ["EC P-256"] * 3 + ["RSA 3072", "Ed25519", "EC P-384"]
    assert len({public_key(name).fingerprint for name in KEYS}) == len(KEYS)


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [
        (private_pem(EC_KEY, PrivateFormat.TraditionalOpenSSL), None),
        (private_pem(EC_KEY), b"not needed"),
        (private_pem(EC_KEY, encryption=BestAvailableEncryption(SECRET)), SECRET),
        (
            private_pem(EC_KEY, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(SECRET)),
            SECRET,
        ),
        (pem("EC PARAMETERS", b"\x06\x08") + private_pem(EC_KEY), None),
        (b"a text before\n" + private_pem(EC_KEY) + b"and behind\n", None),
        (private_pem(EC_KEY).replace(b"\n", b"\r\n"), None),
    ],
)
def test_forms_of_a_private_key(content: bytes, passphrase: bytes | None) -> None:
    public = load_public_key(
        EC_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    assert needs_passphrase(content) == (passphrase == SECRET)
    assert load_private_key(content, passphrase).public == public
    if passphrase == SECRET:
        with pytest.raises(WrongPassphraseError):
            load_private_key(content, b"another")
        with pytest.raises(PassphraseNeededError):
            load_private_key(content)


def test_rsa_keys_in_pkcs1() -> None:
    content = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    private = load_private_key(private_pem(RSA_KEY, PrivateFormat.TraditionalOpenSSL))
    assert load_public_key(content) == private.public
    spki = blocks(private.public.pem())[0].decoded()
    assert spki is not None
    with pytest.raises(KeyFileError, match="not in the form of PKCS#1"):
        load_public_key(pem("RSA PUBLIC KEY", spki))


def test_a_generated_pair_opens_with_its_passphrase_only() -> None:
    pair = generate_key_pair(SECRET)
    assert pair.private_pem.startswith(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    assert needs_passphrase(pair.private_pem)
    assert load_private_key(pair.private_pem, SECRET).public == load_public_key(pair.public_pem)
    for wrong in (b"", SECRET + b"x"):
        with pytest.raises(WrongPassphraseError) as caught:
            load_private_key(pair.private_pem, wrong)
        assert SECRET.decode() not in caught.value.message
    with pytest.raises(PassphraseNeededError):
        load_private_key(pair.private_pem)
    assert pair.private_pem.decode() not in repr(pair)


def test_the_empty_passphrase_is_one() -> None:
    """Cosign takes an empty answer to its prompt, as many a CI job gives."""
    pair = generate_key_pair(b"")
    assert load_private_key(pair.private_pem, b"").public == load_public_key(pair.public_pem)


def sealed(**changes: object) -> bytes:
    """The key ``a`` with other members in its envelope: ``kdf_params_N=3``."""
    raw = blocks((VECTORS / "keys" / "a.key").read_bytes())[0].decoded()
    document = json.loads(raw or b"")
    for path, value in changes.items():
        *outer, last = path.split("_")
        inner = document
        for name in outer:
            inner = inner[name]
        inner[last] = value
    return pem("ENCRYPTED COSIGN PRIVATE KEY", json.dumps(document).encode())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no private key in PEM form"),
        (b"{}", "no private key in PEM form"),
        (b"-----BEGIN PRIVATE KEY-----\nabc", "no private key in PEM form"),
        (b"x" * 2_000_000, "too many"),
        (pem("PRIVATE KEY", b"junk"), "malformed"),
        (pem("CERTIFICATE", b"junk"), "holds a CERTIFICATE"),
        (pem("PUBLIC KEY", b"junk"), "holds a PUBLIC KEY"),
        (pem("ENCRYPTED COSIGN PRIVATE KEY", b"junk"), "not valid JSON"),
        (pem("ENCRYPTED COSIGN PRIVATE KEY", b"{}"), "kdf is null, not an object"),
        (sealed(kdf_name="argon2"), "kdf.name is not 'scrypt'"),
        (sealed(cipher_name="aes"), "cipher.name is not"),
        (sealed(kdf_params_N=3), "power of two"),
        (sealed(kdf_params_N=-2), "not a positive number"),
        (sealed(kdf_params_N=2**30), "more memory or time"),
        (sealed(kdf_params_r=2**20), "more memory or time"),
        (sealed(kdf_params_p=2**20), "more memory or time"),
        (sealed(cipher_nonce="AAAA"), "3 bytes, not 24"),
        (sealed(kdf_salt="*"), "kdf.salt is not base64"),
        (sealed(ciphertext=7), "ciphertext is 7, not a string"),
    ],
)
def test_refused_private_keys(content: bytes, words: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        load_private_key(content, PASSPHRASE)
    assert words in caught.value.message
    assert not isinstance(caught.value, WrongPassphraseError)
    assert PASSPHRASE.decode() not in caught.value.message


def test_a_damaged_ciphertext_does_not_open() -> None:
    with pytest.raises(WrongPassphraseError):
        load_private_key(sealed(ciphertext="AAAA"), PASSPHRASE)


def spki(key: ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def compressed() -> bytes:
    """A P-256 key whose point is in the short form, which Go does not read."""
    point = EC_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    header = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    return header + point


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no public key in PEM form"),
        (private_pem(EC_KEY), "a private key, where a public one is wanted"),
        (pem("CERTIFICATE", b"x"), "a certificate, not a public key"),
        (pem("PGP PUBLIC KEY BLOCK", b"x"), "holds a PGP PUBLIC KEY BLOCK"),
        (pem("PUBLIC KEY", b"x"), "malformed"),
        (pem("RSA PUBLIC KEY", b"x"), "malformed"),
        (b"-----BEGIN PUBLIC KEY-----\n*\n-----END PUBLIC KEY-----\n", "not base64"),
        (pem("PUBLIC KEY", spki(ec.generate_private_key(ec.SECP256K1()))), "secp256k1"),
        (pem("PUBLIC KEY", spki(x25519.X25519PrivateKey.generate())), "kind"),
        (pem("PUBLIC KEY", spki(EC_KEY) + b"\0"), "malformed"),
        (pem("PUBLIC KEY", compressed()), "one DER form"),
    ],
)
def test_refused_public_keys(content: bytes, words: str) -> None:
    with pytest.raises(KeyFileError, match=words):
        load_public_key(content)


def test_a_weak_rsa_key_signs_nothing() -> None:
    weak = load_private_key(private_pem(rsa.generate_private_key(65537, 1024)))
    with pytest.raises(KeyFileError, match="1024 bits is too weak"):
        weak.sign(b"x")


def test_ecdsa_signatures_side_by_side_are_taken() -> None:
    """containers/image takes the form of IEEE P1363 where a signature is no DER."""
    der = private_key("a").sign(b"message")
    r_length = der[3]
    r = int.from_bytes(der[4 : 4 + r_length], "big")
    s = int.from_bytes(der[6 + r_length :], "big")
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    key = public_key("a")
    assert key.verifies(b"message", raw)
    assert not key.verifies(b"other", raw)
    for wrong in (b"", raw[:-1], raw[:-2], raw + b"\0\0", raw * 3, der + b"\0", b"\0" * 64):
        assert not key.verifies(b"message", wrong)


def test_pem_bodies_are_lines_of_64() -> None:
    text = pem("X", bytes(range(100)))
    assert max(len(line) for line in text.splitlines()[1:-1]) == 64
    assert base64.b64decode(b"".join(text.splitlines()[1:-1])) == bytes(range(100))
