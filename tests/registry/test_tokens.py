"""Upload tokens against those that the registry's own code signed and read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import TypedDict, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.errors import InvalidNameError
from regctl.registry.gotime import ZERO_TIME, Timestamp, parse_rfc3339
from regctl.registry.tokens import InvalidTokenError, UploadState, check, looks_like_token, sign

VECTORS = Path(__file__).parent.parent / "vectors"
SECRET = "supersecret"


class StateFields(TypedDict):
    Name: str
    UUID: str
    Offset: int
    StartedAt: str


class SignedVector(TypedDict):
    secret: str
    state: StateFields
    token: str
    message: str
    unpacked: StateFields


class OtherVector(TypedDict):
    name: str
    secret: str
    token: str
    unpacked: StateFields | None


class TokenVectors(TypedDict):
    positive: list[SignedVector]
    other: list[OtherVector]


class UploadVector(TypedDict):
    repository: str
    uuid: str
    data_size: int
    startedat: str
    http_secret: str
    token: str


class UploadVectors(TypedDict):
    uploads: list[UploadVector]


TOKENS = cast(TokenVectors, json.loads((VECTORS / "hmac" / "tokens.json").read_text()))
UPLOADS = cast(UploadVectors, json.loads((VECTORS / "hashstates" / "uploads.json").read_text()))


def state(fields: StateFields) -> UploadState:
    started_at = parse_rfc3339(fields["StartedAt"])
    return UploadState(fields["Name"], fields["UUID"], fields["Offset"], started_at)


def signed(message: bytes, secret: bytes = SECRET.encode()) -> str:
    mac = hmac.new(secret, message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac + message).decode()


@pytest.mark.parametrize("vector", TOKENS["positive"])
def test_tokens_are_those_of_the_registry(vector: SignedVector) -> None:
    wanted = state(vector["state"])
    token = sign(wanted, vector["secret"])
    assert base64.urlsafe_b64decode(token)[32:].decode() == vector["message"]
    assert token == vector["token"]
    assert sign(wanted, vector["secret"].encode()) == token
    assert check(token, vector["secret"]) == state(vector["unpacked"])
    assert looks_like_token(token)


@pytest.mark.parametrize("vector", TOKENS["other"], ids=lambda v: str(v["name"]))
def test_tokens_are_taken_and_refused_as_by_the_registry(vector: OtherVector) -> None:
    if vector["unpacked"] is not None:
        assert check(vector["token"], vector["secret"]) == state(vector["unpacked"])
        return
    with pytest.raises(InvalidTokenError) as caught:
        check(vector["token"], vector["secret"])
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, InvalidNameError)


@pytest.mark.parametrize("upload", UPLOADS["uploads"], ids=lambda u: str(u["uuid"]))
def test_tokens_of_uploads_in_progress(upload: UploadVector) -> None:
    """Registry 2.8.2 and 3.x took these tokens up after a restart."""
    wanted = UploadState(
        upload["repository"],
        upload["uuid"],
        upload["data_size"],
        parse_rfc3339(upload["startedat"]),
    )
    assert sign(wanted, upload["http_secret"]) == upload["token"]
    assert check(upload["token"], upload["http_secret"]) == wanted


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    TEXT,
    TEXT,
    st.integers(0, 2**63 - 1),
    st.builds(
        Timestamp,
        st.integers(-62_135_000_000, 253_402_000_000),
        st.integers(0, 999_999_999),
        st.integers(-1439, 1439),
    ),
    st.binary(),
)
def test_what_is_signed_is_read_again(
    name: str, uuid: str, offset: int, started_at: Timestamp, secret: bytes
) -> None:
    wanted = UploadState(name, uuid, offset, started_at)
    assert check(sign(wanted, secret), secret) == wanted


@given(st.text() | st.text("ABCDEFabcdef0123456789-_=\n"))
def test_what_nobody_signed_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(InvalidTokenError) as caught:
        check(token, SECRET)
    shown = f"{caught.value} {caught.value.hint} {caught.value!r}"
    assert SECRET not in shown
    assert len(token) < 20 or token not in shown


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_every_altered_byte_is_noticed(position: int, change: int) -> None:
    content = bytearray(base64.urlsafe_b64decode(TOKENS["positive"][2]["token"]))
    content[position % len(content)] ^= change
    with pytest.raises(InvalidTokenError, match="does not verify"):
        check(base64.urlsafe_b64encode(content).decode(), SECRET)


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ('{"Name":"a","Name":null}', UploadState("a", "", 0)),
        ('{"Offset":-0}', UploadState("", "", 0)),
        ('{"Offset":1,"Extra":{"Offset":"x","deep":[1.5]}}', UploadState("", "", 1)),
        (
            '{"\u017ftartedAt":"2015-01-14T20:02:43Z"}',
            UploadState("", "", 0, Timestamp(1421265763)),
        ),
        ('{"O\ufb00set":7}', UploadState("", "", 0)),
        ('{"Name":"\\ud800"}', UploadState("\ufffd", "", 0)),
        (' {"UUID" : "u"} \n', UploadState("", "u", 0)),
    ],
)
def test_json_is_read_as_go_reads_it(message: str, wanted: UploadState) -> None:
    assert check(signed(message.encode()), SECRET) == wanted


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b'"text"',
        b"5",
        b"true",
        b"\xef\xbb\xbf{}",
        b'{"Name":5}',
        b'{"Name":5,"Name":"a"}',
        b'{"UUID":["u"]}',
        b'{"Offset":true}',
        b'{"Offset":1e3}',
        b'{"Offset":5.0}',
        b'{"Offset":9223372036854775808}',
        b'{"Offset":NaN}',
        b'{"Extra":Infinity}',
        b'{"StartedAt":5}',
        b'{"StartedAt":""}',
        b"{'Name':'a'}",
        b'{"Name":"a\nb"}',
        b'{"Name":"a",}',
        b'{"Offset":' + b"1" * 5000 + b"}",
        b'{"Extra":' + b"[" * 100_000,
    ],
    ids=lambda m: m[:24].decode(errors="replace"),
)
def test_signed_messages_of_another_form_are_refused(message: bytes) -> None:
    with pytest.raises(InvalidTokenError, match="verifies, but"):
        check(signed(message), SECRET)


def test_a_negative_offset_is_refused() -> None:
    """Stricter than the registry: no upload holds less than nothing."""
    with pytest.raises(InvalidTokenError, match="negative"):
        check(signed(b'{"Offset":-1}'), SECRET)


def test_a_secret_of_any_bytes_can_come_by_way_of_the_environment() -> None:
    assert check(signed(b"{}", b"\xff\xfe"), "\udcff\udcfe") == UploadState("", "", 0, ZERO_TIME)


def test_names_that_are_no_text_are_signed_as_go_would() -> None:
    token = sign(UploadState("a\udcffb", "\ud83d", 0), SECRET)
    assert b'"Name":"a\\ufffdb","UUID":"\\ufffd"' in base64.urlsafe_b64decode(token)
    assert check(token, SECRET).name == "a\ufffdb"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fb93cbfd-64d6-4187-9a00-24c83677262f",
        "a" * 64,
        "a" * 80 + "/",
        "a" * 80 + "===",
        "é" * 80,
    ],
)
def test_upload_ids_and_other_texts_are_no_tokens(text: str) -> None:
    assert not looks_like_token(text)


def test_a_folded_token_still_looks_like_one() -> None:
    token = TOKENS["positive"][0]["token"]
    assert looks_like_token(token[:70] + "\n" + token[70:] + "\n")
