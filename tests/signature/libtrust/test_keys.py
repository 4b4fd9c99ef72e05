from __future__ import annotations

import json

import pytest

from regctl.signature import base64url
from regctl.signature.libtrust import (
    InvalidKeyError,
    PublicKey,
    jwk,
    pem,
    read_private,
    read_public,
)
from tests.signature.libtrust import deviations
from tests.signature.libtrust.vectors import KEY_CASES, KEYS, private_key, read

ACCEPTED = [
    name
    for name, case in KEY_CASES.items()
    if case["result"] == "ok" and name not in deviations.KEYS
]
REFUSED = [name for name in KEY_CASES if name not in ACCEPTED]
JWK = json.loads(KEY_CASES["ec-no-kid"]["public_jwk"])
RSA = json.loads(KEY_CASES["rsa-no-kid"]["public_jwk"])
PRIVATE_RSA = json.loads(read("keycases/priv-rsa.json"))


def case_key(name: str) -> PublicKey:
    case = KEY_CASES[name]
    if case["kind"].startswith("private"):
        return read_private(case["file"], read(case["file"])).public
    return read_public(case["file"], read(case["file"]))


def test_every_case_is_judged() -> None:
    assert len(KEY_CASES) == 42
    assert set(deviations.KEYS) < set(REFUSED)


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_key_that_libtrust_reads_has_its_id_and_its_jwk(name: str) -> None:
    key = case_key(name)
    assert key.key_id == KEY_CASES[name]["key_id"]
    assert key.jwk == KEY_CASES[name]["public_jwk"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_key_that_is_refused_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(InvalidKeyError) as caught:
        case_key(name)
    assert caught.value.message


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("form", ["pem", "jwk"])
def test_both_halves_in_both_forms_are_one_key(name: str, form: str) -> None:
    file = KEYS[name][f"public_{form}"]
    assert read_public(file, read(file)).key_id == KEYS[name]["key_id"]
    private = private_key(name, form)
    assert private.public.key_id == KEYS[name]["key_id"]
    signature = private.sign(b"content")
    assert private.public.why_not(private.algorithm, signature, b"content") == ""
    assert private.public.why_not(private.algorithm, signature, b"Content") != ""


@pytest.mark.parametrize("name", ["ec-with-d", "rsa-with-d"])
def test_a_private_jwk_is_not_taken_for_a_public_one(name: str) -> None:
    """Libtrust takes the EC one and publishes its d with every signature."""
    secret = json.loads(read(KEY_CASES[name]["file"]))["d"]
    with pytest.raises(InvalidKeyError, match="private member") as caught:
        case_key(name)
    assert secret not in str(caught.value)


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth"])
def test_no_private_member_of_rsa_passes_as_another(member: str) -> None:
    with pytest.raises(InvalidKeyError, match=f"private member '{member}'"):
        jwk.read_public(json.dumps({**RSA, member: "AQ"}).encode())


def test_private_numbers_are_never_shown_nor_published() -> None:
    for name in ("priv-ec", "priv-rsa"):
        members = json.loads(read(KEY_CASES[name]["file"]))
        key = read_private("key.json", json.dumps({**members, "note": "x"}).encode())
        shown = repr(key) + str(key) + key.public.jwk
        assert '"note":"x"' in key.public.jwk
        assert not [each for each in jwk.PRIVATE_MEMBERS[members["kty"]] if f'"{each}"' in shown]
        assert members["d"] not in shown


@pytest.mark.parametrize(
    ("written", "read_back"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ("-0.0", "-0"),
        ("1e21", "1e+21"),
        ("1e20", "100000000000000000000"),
        ("12345678901234567890", "12345678901234567000"),
        ("0.000001", "0.000001"),
        ("1e-7", "1e-7"),
        ("1.5e-10", "1.5e-10"),
        ("1e100", "1e+100"),
        ('"<&>\\u2028\\b\\u007f\\ud800é"', '"\\u003c\\u0026\\u003e\\u2028\\b\x7f\ufffdé"'),
        ('{"b":[],"a":{},"b":null}', '{"a":{},"b":null}'),
        ("[true, false , null]", "[true,false,null]"),
    ],
)
def test_other_members_come_back_as_go_writes_them(written: str, read_back: str) -> None:
    content = json.dumps(JWK)[:-1] + f', "zz": {written}}}'
    assert jwk.read_public(content.encode()).jwk.endswith(f',"zz":{read_back}}}')


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kid": None}, "kid is not a string"),
        ({"kid": 5}, "kid is not a string"),
        ({"kid": ""}, "kid is not its own"),
        ({"x": 5}, "x is not a string"),
        ({"x": "A"}, "x is not base64url"),
        ({"x": JWK["y"]}, "no EC key"),
        ({"crv": "P-384"}, "on P-384 it has 48"),
        ({"kty": None}, "kty is not a string"),
        ({"kty": "OKP"}, "only EC and RSA"),
    ],
)
def test_a_jwk_with_a_wrong_member_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidKeyError, match=reason):
        jwk.read_public(json.dumps({**JWK, **change}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"e": "AA"},
        {"e": "Ag"},
        {"e": "AQ"},
        {"e": ""},
        {"n": ""},
        {"n": "AQ"},
        {"n": base64url.encode(b"\xff" * 2049)},
        {"n": base64url.encode(b"\xff" * 2050)},
        {"n": base64url.encode(b"\xff" * 100_000)},
        {"zz": float("inf")},
    ],
)
def test_numbers_that_are_no_rsa_key_are_refused(change: dict[str, object]) -> None:
    members = {**RSA, **change}
    del members["kid"]
    with pytest.raises(InvalidKeyError):
        jwk.read_public(json.dumps(members).replace("Infinity", "1e999").encode())


@pytest.mark.parametrize(
    "change",
    [{"d": "AQ"}, {"p": "Aw"}, {"dp": "AQ"}, {"qi": "AQ"}, {"oth": []}, {"q": PRIVATE_RSA["p"]}],
)
def test_private_rsa_numbers_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(InvalidKeyError):
        jwk.read_private(json.dumps({**PRIVATE_RSA, **change}).encode())


def test_a_private_rsa_jwk_may_leave_out_what_follows_from_the_rest() -> None:
    rest = {name: PRIVATE_RSA[name] for name in ("kty", "n", "e", "d", "p", "q")}
    key = jwk.read_private(json.dumps(rest).encode())
    assert key.public.why_not("RS256", key.sign(b"content"), b"content") == ""


@pytest.mark.parametrize(("name", "wrong"), [("rsa", "ES256"), ("rsa", "none"), ("ec256", "RS256")])
def test_a_key_verifies_by_no_algorithm_but_its_own(name: str, wrong: str) -> None:
    key = private_key(name)
    reason = key.public.why_not(wrong, key.sign(b"content"), b"content")
    assert f"not by '{wrong}'" in reason


def test_a_pem_of_another_label_says_how_to_make_one_that_is_read() -> None:
    with pytest.raises(InvalidKeyError) as caught:
        case_key("pem-priv-pkcs8")
    assert "PRIVATE KEY" in caught.value.message
    assert "openssl" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        b"-----BEGIN PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\n" * 300_000,
    ],
)
def test_a_pem_that_holds_no_key_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        pem.read_public(content)


@pytest.mark.parametrize("header", [b"Proc-Type: 4,ENCRYPTED\n\n", b"d: AAAA\n\n"])
def test_pem_headers_that_cannot_be_taken_are_refused(header: bytes) -> None:
    begin, rest = read("keycases/pem-priv-sec1.pem").split(b"\n", 1)
    with pytest.raises(InvalidKeyError):
        pem.read_private(begin + b"\n" + header + rest)


def test_a_pem_whose_label_lies_is_refused() -> None:
    content = read("keycases/pem-priv-sec1.pem").replace(b"EC PRIVATE", b"RSA PRIVATE")
    with pytest.raises(InvalidKeyError, match="of another kind"):
        pem.read_private(content)
