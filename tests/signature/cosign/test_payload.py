from __future__ import annotations

import json
from typing import Any

import pytest

from regctl.digest import Digest
from regctl.signature.cosign_payload import InvalidSignatureError, Payload, parse_payload
from tests.signature.cosign.samples import REFERENCE, SUBJECT, Image

TYPE = "cosign container image signature"
PAYLOAD = Payload(SUBJECT.digest, REFERENCE)


def document() -> dict[str, Any]:
    return {
        "critical": {
            "identity": {"docker-reference": REFERENCE},
            "image": {"docker-manifest-digest": str(SUBJECT.digest)},
            "type": TYPE,
        },
        "optional": None,
    }


def test_bytes_are_those_of_cosign() -> None:
    """Members in alphabetical order, no white space, and ``null`` where nothing is optional."""
    assert (
        PAYLOAD.encode()
        == (
            f'{{"critical":{{"identity":{{"docker-reference":"{REFERENCE}"}},'
            f'"image":{{"docker-manifest-digest":"{SUBJECT.digest}"}},'
            f'"type":"{TYPE}"}},"optional":null}}'
        ).encode()
    )


def test_bytes_are_those_of_skopeo(cosign_images: dict[str, Image]) -> None:
    for name in ("app/one:v1", "app/two:v1", "app/index:multi", "app/retag:old"):
        written = cosign_images[name].signatures[0].payload
        payload = parse_payload(written)
        assert payload.creator == "containers/image 5.40.0-dev"
        assert payload.encode() == written


@pytest.mark.parametrize(
    "payload",
    [
        PAYLOAD,
        Payload(SUBJECT.digest, REFERENCE, creator="x"),
        Payload(Digest.parse("sha512:" + "a" * 128), "", creator='é "<&>', timestamp=1795451919),
    ],
)
def test_what_is_made_is_read(payload: Payload) -> None:
    assert parse_payload(payload.encode()) == payload


@pytest.mark.parametrize(
    ("optional", "creator", "timestamp"),
    [
        (None, None, None),
        ({}, None, None),
        ({"creator": None, "timestamp": None}, "", 0),
        ({"timestamp": 2.0}, None, 2),
        ({"timestamp": -5, "other": {"a": [1, {}]}}, None, -5),
    ],
)
def test_optional_members(optional: object, creator: str | None, timestamp: int | None) -> None:
    payload = parse_payload(json.dumps({**document(), "optional": optional}).encode())
    assert (payload.creator, payload.timestamp) == (creator, timestamp)


def changed(path: str, value: object) -> bytes:
    top = document()
    *outer, last = path.split("/")
    inner = top
    for name in outer:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return json.dumps(top).encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not valid JSON"),
        (b"[]", "a list, not an object"),
        (b"{}", "lacks the member 'critical'"),
        (json.dumps(document()).encode() + b"x", "extra data"),
        (b"[" * 100_000, "nested too deep"),
        (b"\xef\xbb\xbf" + json.dumps(document()).encode(), "not valid JSON"),
        (changed("new", 1), "the unknown member 'new'"),
        (changed("Optional", 1), "the unknown member 'Optional'"),
        (changed("critical", None), "critical is null, not an object"),
        (changed("critical/new", 1), "the unknown member 'new'"),
        (changed("critical/image/new", 1), "the unknown member 'new'"),
        (changed("critical/identity/new", 1), "the unknown member 'new'"),
        (changed("optional", ...), "lacks the member 'optional'"),
        (changed("critical/type", ...), "lacks the member 'type'"),
        (changed("critical/type", "atomic container signature"), "'atomic container signature'"),
        (changed("critical/type", 7), "critical.type is 7, not a string"),
        (changed("critical/image", ...), "lacks the member 'image'"),
        (changed("critical/image/docker-manifest-digest", "x"), "'x' is no digest"),
        (changed("critical/image/docker-manifest-digest", None), "is no digest"),
        (changed("critical/image/docker-manifest-digest", "md5:" + "0" * 32), "md5 names no"),
        (changed("critical/identity/docker-reference", {}), "an object, not a string"),
        (changed("optional", []), "optional is a list"),
        (changed("optional", {"creator": 1}), "optional.creator is 1"),
        (changed("optional", {"timestamp": 1.5}), "1.5 is not an integer"),
        (changed("optional", {"timestamp": 2**63}), "is not an integer"),
        (changed("optional", {"timestamp": True}), "true is not an integer"),
        (changed("optional", {"timestamp": float("nan")}), "NaN is no number"),
        (changed("optional", {"other": 1}).replace(b"1}", b"1e999}"), "too large"),
        (changed("optional", {"other": 1}).replace(b"1}", b"1" + b"0" * 400 + b"}"), "too large"),
        (changed("optional", {"a": 1}).replace(b'"a": 1', b'"a": 1, "\\u0061": 2'), "'a' twice"),
        (changed("critical/type", TYPE).replace(b'"type"', b'"type": "x", "type"'), "twice"),
        (b" " * (4 * 1024 * 1024 + 1), "is not read"),
    ],
)
def test_refused_payloads(content: bytes, words: str) -> None:
    with pytest.raises(InvalidSignatureError) as caught:
        parse_payload(content)
    assert words in caught.value.message
    assert len(caught.value.message) < 300
