"""The servers for GCS: the tests' own is as the emulators are where these are right."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import google_crc32c
import pytest
import requests

from tests.servers.gcs import BUCKET, FakeGCS, StorageEmulator
from tests.servers.gcs_bucket import QUANTUM
from tests.servers.gcs_json import GCSServer, chosen

#: What each emulator does wrong, by the tests below that it is left out of. The tests' own server
#: is in all of them. Anything not named here is asked of all three.
LEFT_OUT = {
    "fake_gcs": {
        "session": "finalises a session that is asked what it has",
        "generations": "ignores generations but on one-shot uploads",
        "checksum": "stores what has another crc32c than was said",
        "fields": "gives all fields",
        "rewrite": "copies everything in one call",
    },
    "storage_emulator": {
        "pages": "gives no pages",
        "absent": "ignores ifGenerationMatch",
        "generations": "ignores all preconditions",
        "ranges": "answers a range beyond the end, and names no generation",
        "fields": "gives all fields",
        "rewrite": "copies everything in one call",
    },
    "gcs_server": {},
}


@dataclass(frozen=True, slots=True)
class Client:
    """Requests in the JSON API's own form, for objects whose names begin with ``prefix``."""

    url: str
    prefix: str

    def name(self, name: str) -> str:
        return quote(self.prefix + name, safe="")

    def on(self, name: str, method: str = "GET", **query: str | int) -> requests.Response:
        where = f"{self.url}/storage/v1/b/{BUCKET}/o/{self.name(name)}"
        return requests.request(method, where, params=query, timeout=20)

    def media(self, name: str, extent: str = "") -> requests.Response:
        where = f"{self.url}/download/storage/v1/b/{BUCKET}/o/{self.name(name)}"
        headers = {"Range": extent} if extent else {}
        return requests.get(where, params={"alt": "media"}, headers=headers, timeout=20)

    def insert(
        self,
        name: str,
        content: bytes,
        query: dict[str, str | int] | None = None,
        **members: object,
    ) -> requests.Response:
        member = {"name": self.prefix + name, "contentType": "x/y", **members}
        body = (
            b"--BOUND\r\nContent-Type: application/json\r\n\r\n"
            + json.dumps(member).encode()
            + b"\r\n--BOUND\r\nContent-Type: x/y\r\n\r\n"
            + content
            + b"\r\n--BOUND--\r\n"
        )
        return requests.post(
            f"{self.url}/upload/storage/v1/b/{BUCKET}/o",
            body,
            params={"uploadType": "multipart", **(query or {})},
            headers={"Content-Type": "multipart/related; boundary=BOUND"},
            timeout=20,
        )

    def list(self, **query: str | int) -> dict[str, Any]:
        query["prefix"] = self.prefix + str(query.get("prefix", ""))
        where = f"{self.url}/storage/v1/b/{BUCKET}/o"
        answer = requests.get(where, params=query, timeout=20)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found


def right(topic: str = "") -> pytest.MarkDecorator:
    """The test is for each server that is right in ``topic``."""
    servers = [which for which, wrong in LEFT_OUT.items() if topic not in wrong]
    return pytest.mark.parametrize("client", servers, indirect=True)


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Client:
    server: GCSServer | FakeGCS | StorageEmulator = request.getfixturevalue(request.param)
    return Client(server.url, f"{request.node.name}/")


@right()
def test_object(client: Client) -> None:
    assert client.on("a/b c").status_code == 404
    assert client.media("a/b c").status_code == 404
    assert client.insert("a/b c", b"hello", metadata={"K": "v", "E": ""}).status_code == 200
    found = client.on("a/b c").json()
    assert found["name"] == client.prefix + "a/b c"
    assert (found["size"], found["contentType"]) == ("5", "x/y")
    assert found["crc32c"] == "mnG7TA=="
    assert found["metadata"] == {"K": "v", "E": ""}
    assert found["generation"].isdigit()
    assert found["updated"].endswith("Z")
    assert client.on("a/b c", "DELETE").status_code in {200, 204}
    assert client.on("a/b c", "DELETE").status_code == 404


@right()
def test_media(client: Client) -> None:
    client.insert("x", b"hello")
    whole = client.media("x")
    assert (whole.status_code, whole.content) == (200, b"hello")
    assert whole.headers["Content-Type"] == "x/y"
    assert "crc32c=mnG7TA==" in whole.headers["X-Goog-Hash"]
    for extent, content in (("0-1", b"he"), ("2-3", b"ll"), ("3-99", b"lo")):
        part = client.media("x", f"bytes={extent}")
        assert (part.status_code, part.content) == (206, content)
        first = extent.split("-", maxsplit=1)[0]
        last = int(first) + len(content) - 1
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/5"


@right("ranges")
def test_ranges(client: Client) -> None:
    client.insert("x", b"hello")
    assert client.media("x", "bytes=5-9").status_code == 416
    generation = client.on("x").json()["generation"]
    assert client.media("x").headers["X-Goog-Generation"] == generation


@right()
def test_listing(client: Client) -> None:
    for name in ("b/x", "a-", "a/é", "a/b", "a~", "ab/c/d"):
        client.insert(name, b"x")
    names = [item["name"].removeprefix(client.prefix) for item in client.list()["items"]]
    assert names == ["a-", "a/b", "a/é", "ab/c/d", "a~", "b/x"]
    found = client.list(delimiter="/")
    assert [item["name"].removeprefix(client.prefix) for item in found["items"]] == ["a-", "a~"]
    prefixes = [prefix.removeprefix(client.prefix) for prefix in found["prefixes"]]
    assert sorted(prefixes) == ["a/", "ab/", "b/"]
    assert not client.list(prefix="none").get("items")


@right("pages")
def test_pages(client: Client) -> None:
    for number in range(7):
        client.insert(f"{number}", b"x")
    names: list[str] = []
    query: dict[str, str | int] = {"maxResults": 3}
    while True:
        page = client.list(**query)
        names += [item["name"].removeprefix(client.prefix) for item in page["items"]]
        if "nextPageToken" not in page:
            break
        assert len(page["items"]) == 3
        query["pageToken"] = page["nextPageToken"]
    assert names == [str(number) for number in range(7)]


@right("absent")
def test_absent(client: Client) -> None:
    assert client.insert("x", b"1", {"ifGenerationMatch": 0}).status_code == 200
    assert client.insert("x", b"2", {"ifGenerationMatch": 0}).status_code == 412
    assert client.media("x").content == b"1"


@right("generations")
def test_generations(client: Client) -> None:
    first = client.insert("x", b"1").json()["generation"]
    assert client.insert("x", b"2", {"ifGenerationMatch": first}).status_code == 200
    assert client.insert("x", b"3", {"ifGenerationMatch": first}).status_code == 412
    assert client.on("x", "DELETE", ifGenerationMatch=first).status_code == 412
    assert client.media("x").content == b"2"


@right("checksum")
def test_checksum(client: Client) -> None:
    assert client.insert("x", b"1", crc32c="AAAAAA==").status_code == 400
    assert client.on("x").status_code == 404


@right()
def test_rewrite_in_one_call(client: Client) -> None:
    client.insert("x", b"hello", metadata={"K": "v"})
    way = f"x/rewriteTo/b/{BUCKET}/o/{client.prefix}y"
    for name, status in (("x", 200), ("none", 404)):
        url = f"{client.url}/storage/v1/b/{BUCKET}/o/{client.name(name)}"
        answer = requests.post(f"{url}/rewriteTo/b/{BUCKET}/o/{client.name('y')}", b"", timeout=20)
        assert answer.status_code == status, way
    assert client.media("y").content == b"hello"
    found = client.on("y").json()
    assert (found["contentType"], found["metadata"]) == ("x/y", {"K": "v"})


@right("session")
def test_session(client: Client) -> None:
    """A session is asked what it has, and goes on, whoever asks."""
    content = os.urandom(2 * QUANTUM + 5)
    uri = requests.post(
        f"{client.url}/upload/storage/v1/b/{BUCKET}/o",
        params={"uploadType": "resumable", "name": client.prefix + "x"},
        headers={"X-Upload-Content-Type": "x/z"},
        timeout=20,
    ).headers["Location"]

    def put(data: bytes, extent: str, uri: str = uri) -> tuple[int, str | None]:
        headers = {"Content-Range": f"bytes {extent}"}
        answer = requests.put(uri, data, headers=headers, timeout=20, allow_redirects=False)
        return answer.status_code, answer.headers.get("Range")

    # With nothing in it the emulator says "bytes=0-0".
    assert put(b"", "*/*") in {(308, None), (308, "bytes=0-0")}
    assert put(content[:QUANTUM], f"0-{QUANTUM - 1}/*") == (308, f"bytes=0-{QUANTUM - 1}")
    assert put(b"", "*/*") == (308, f"bytes=0-{QUANTUM - 1}")
    assert client.on("x").status_code == 404
    last = len(content) - 1
    assert put(content[QUANTUM:], f"{QUANTUM}-{last}/{last + 1}")[0] in {200, 201}
    assert client.media("x").content == content
    crc = google_crc32c.extend(0, content).to_bytes(4, "big")
    assert client.on("x").json()["crc32c"] == base64.b64encode(crc).decode()
    assert client.on("x").json()["contentType"] == "x/z"


def test_own_server_ignores_what_comes_twice(gcs_server: GCSServer) -> None:
    bucket = gcs_server.bucket
    number = bucket.begin("x", "x/y", {}, None)
    first, second = b"1" * QUANTUM, b"2" * QUANTUM
    assert bucket.send(number, 0, first, None) == QUANTUM
    assert bucket.send(number, 0, second + second, None) == 2 * QUANTUM
    assert bucket.send(number, 9 * QUANTUM, second, None) == 2 * QUANTUM  # a gap is not taken
    bucket.send(number, None, b"", 2 * QUANTUM)
    assert bucket.get("x").content == first + second


def test_own_server_gives_what_was_asked_for() -> None:
    value = {"a": 1, "b": [{"c": 2, "d": 3}], "e": {"f": 4, "g": 5}}
    assert chosen(value, "a,b(c),e(g),z") == {"a": 1, "b": [{"c": 2}], "e": {"g": 5}}
    assert chosen(value, None) == value


@pytest.mark.parametrize("kind", [FakeGCS, StorageEmulator])
def test_an_emulator_stops(kind: type[FakeGCS | StorageEmulator], tmp_path: Path) -> None:
    with kind(tmp_path) as server:
        pid = server.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    server.stop()


def test_own_server_stops() -> None:
    with GCSServer() as server:
        assert requests.get(f"{server.url}/x", timeout=9).status_code == 404
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server.url}/x", timeout=9)
