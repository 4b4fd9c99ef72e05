"""Every fault of the proxy really happens, as it says, and nothing else does."""

from __future__ import annotations

import http.client
import os
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Self
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from tests.servers import faults
from tests.servers.client import Answer, Client
from tests.servers.faults import FaultProxy, Request
from tests.servers.s3 import S3Endpoint

CONTENT = bytes(range(256)) * 4096  # 1 MiB
PATIENCE = 10.0


@pytest.fixture
def behind(s3_server: S3Endpoint, s3_proxy: FaultProxy) -> S3Endpoint:
    """The bucket by way of the proxy."""
    return s3_server.behind(s3_proxy.url)


@pytest.fixture
def key(s3_server: S3Endpoint, s3_prefix: str) -> str:
    """The key of an object that holds `CONTENT`."""
    key = f"{s3_prefix}/object"
    s3_server.put(key, CONTENT)
    return key


def status_of(error: ClientError) -> tuple[int, str]:
    response = error.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def signed(endpoint: S3Endpoint, operation: str, **parameters: str) -> str:
    """A URL that may be asked without an SDK."""
    client = endpoint.client(signature_version="s3v4")
    parameters["Bucket"] = endpoint.bucket
    url: str = client.generate_presigned_url(operation, Params=parameters)
    return url


def exchange(proxy: FaultProxy, request: bytes) -> bytes:
    """Everything that comes back for ``request``, until the end or a reset."""
    split = urlsplit(proxy.url)
    assert split.port is not None
    got = b""
    with socket.create_connection(("127.0.0.1", split.port), PATIENCE) as connection:
        connection.sendall(request)
        try:
            while more := connection.recv(65536):
                got += more
        except ConnectionResetError:
            got += b"<reset>"
    return got


def raw_get(proxy: FaultProxy, url: str) -> bytes:
    split = urlsplit(url)
    return exchange(
        proxy,
        f"GET {split.path}?{split.query} HTTP/1.1\r\nHost: {split.netloc}\r\n"
        "Connection: close\r\n\r\n".encode(),
    )


def test_signed_requests_pass_in_both_directions(
    behind: S3Endpoint, s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str
) -> None:
    key = f"{s3_prefix}/a b+c%2F\u00e4"
    behind.put(key, CONTENT)
    assert behind.get(key) == CONTENT
    assert s3_server.get(key) == CONTENT
    assert behind.keys(f"{s3_prefix}/") == [key]
    path = f"/{behind.bucket}/{s3_prefix}/a%20b%2Bc%252F%C3%A4"
    put, get, listing = s3_proxy.log()
    assert put == Request("PUT", path, "", 200, received=len(CONTENT))
    assert get == Request("GET", path, "", 200, sent=len(CONTENT))
    assert (listing.method, listing.path, listing.status) == ("GET", f"/{behind.bucket}", 200)
    assert "list-type=2" in listing.query
    assert s3_proxy.count(method="GET|PUT", path="c%252F") == 2
    assert s3_proxy.count(query="list-type") == 1
    s3_proxy.forget()
    assert s3_proxy.log() == []


def test_a_signature_that_is_wrong_stays_so(behind: S3Endpoint, key: str) -> None:
    stranger = type(behind.ci)(behind.ci.access_key, "not the secret")
    with pytest.raises(ClientError) as caught:
        behind.client(stranger).get_object(Bucket=behind.bucket, Key=key)
    assert status_of(caught.value) == (403, "SignatureDoesNotMatch")


def test_a_connection_lives_on_from_request_to_request(
    s3_proxy: FaultProxy, behind: S3Endpoint, key: str
) -> None:
    split = urlsplit(signed(behind, "get_object", Key=key))
    connection = http.client.HTTPConnection(split.netloc, timeout=PATIENCE)
    connection.connect()
    port = connection.sock.getsockname()[1]
    for _ in range(3):
        connection.request("GET", f"{split.path}?{split.query}")
        assert connection.getresponse().read() == CONTENT
        assert connection.sock.getsockname()[1] == port
    connection.close()
    assert [request.status for request in s3_proxy.log()] == [200, 200, 200]


def test_a_body_in_chunks_passes_in_both_directions(s3_proxy: FaultProxy) -> None:
    with Mirror() as mirror, FaultProxy(mirror.url) as proxy:
        chunks = [b"a" * 10, b"b" * 300_000, b"c"]
        split = urlsplit(proxy.url)
        connection = http.client.HTTPConnection(split.netloc, timeout=PATIENCE)
        connection.request("POST", "/", iter(chunks), encode_chunked=True)
        assert connection.getresponse().read() == b"".join(chunks)
        connection.close()
        assert proxy.log() == [Request("POST", "/", "", 200, received=300_011, sent=300_011)]


def test_sixty_four_clients_at_once(behind: S3Endpoint, s3_proxy: FaultProxy, key: str) -> None:
    s3_proxy.set_delay(0.02)
    client = behind.client(max_pool_connections=64)

    def read(number: int) -> bytes:
        span = f"bytes={number}-{number}"
        body: bytes = client.get_object(Bucket=behind.bucket, Key=key, Range=span)["Body"].read()
        return body

    with ThreadPoolExecutor(64) as pool:
        assert b"".join(pool.map(read, range(256))) == CONTENT[:256]
    assert s3_proxy.count(method="GET") == 256


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.SLOW_DOWN, (503, "SlowDown")),
        (faults.INTERNAL_ERROR, (500, "InternalError")),
        (faults.TOO_MANY_REQUESTS, (429, "429")),
        (faults.s3_error(403, "ExpiredToken"), (403, "ExpiredToken")),
    ],
)
def test_an_answer_in_the_servers_stead(
    behind: S3Endpoint,
    s3_server: S3Endpoint,
    s3_proxy: FaultProxy,
    s3_prefix: str,
    fault: faults.Answer,
    expected: tuple[int, str],
) -> None:
    key = f"{s3_prefix}/new"
    s3_proxy.inject(fault, method="PUT")
    with pytest.raises(ClientError) as caught:
        behind.put(key, CONTENT)
    assert status_of(caught.value) == expected
    assert s3_server.keys(s3_prefix) == []
    behind.put(key, CONTENT)
    assert s3_server.keys(s3_prefix) == [key]
    assert [request.status for request in s3_proxy.log()] == [expected[0], 200]


def test_an_answer_in_place_of_the_servers_after_it_has_acted(
    behind: S3Endpoint, s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str
) -> None:
    s3_proxy.inject(faults.s3_error(500, "InternalError", forward=True), method="PUT")
    with pytest.raises(ClientError, match="InternalError"):
        behind.put(f"{s3_prefix}/new", CONTENT)
    assert s3_server.get(f"{s3_prefix}/new") == CONTENT


def test_an_answer_may_have_headers_and_none_of_a_body_to_head(
    behind: S3Endpoint, s3_proxy: FaultProxy, key: str
) -> None:
    s3_proxy.inject(faults.Answer(429, "later", headers={"Retry-After": "7"}), times=2)
    client = Client(urlsplit(s3_proxy.url).netloc)
    assert client.head("/").body == b""
    answer = client.get("/")
    assert (answer.status, answer.body) == (429, b"later")
    assert answer.headers["retry-after"] == "7"


def test_faults_come_at_the_nth_request_and_as_often_as_they_should(
    s3_proxy: FaultProxy,
) -> None:
    client = Client(urlsplit(s3_proxy.url).netloc)
    s3_proxy.inject(faults.Answer(418), path="^/some", nth=2, times=2)
    s3_proxy.inject(faults.Answer(419), query="all=1", times=None)

    def statuses(target: str, count: int) -> list[int]:
        return [client.get(target).status for _ in range(count)]

    assert 418 not in statuses("/other", 2)
    assert [status == 418 for status in statuses("/some", 5)] == [False, True, True, False, False]
    assert statuses("/some?all=1", 4) == [419] * 4
    assert s3_proxy.pending() == []
    s3_proxy.clear()
    assert 419 not in statuses("/some?all=1", 1)


def test_a_fault_that_never_comes_fails_the_test(s3_proxy_process: FaultProxy) -> None:
    with (
        pytest.raises(AssertionError, match=r"never happened: .*Drop"),
        s3_proxy_process.faults() as proxy,
    ):
        proxy.inject(faults.Drop(), path="/nobody/asks")
    assert s3_proxy_process.pending() == []


def test_a_malformed_pattern_is_refused_at_once(s3_proxy: FaultProxy) -> None:
    with pytest.raises(re.error, match="unterminated"):
        s3_proxy.inject(faults.Drop(), path="[")


def test_a_dropped_request_never_reaches_the_server(
    behind: S3Endpoint, s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str
) -> None:
    s3_proxy.inject(faults.Drop(), method="PUT")
    with pytest.raises(ConnectionClosedError):
        behind.put(f"{s3_prefix}/new", b"x")
    assert s3_server.keys(s3_prefix) == []
    assert s3_proxy.log()[0].status == 0


@pytest.mark.parametrize("after", [0, 100_000, len(CONTENT)])
def test_a_request_is_cut_in_the_middle_of_its_body(after: int) -> None:
    with Mirror() as mirror, FaultProxy(mirror.url) as proxy:
        proxy.inject(faults.CutRequest(after))
        with pytest.raises(OSError, match=r"reset|Broken pipe|without response"):
            Client(urlsplit(proxy.url).netloc).request("PUT", "/", CONTENT)
        assert mirror.bytes_of_a_cut_request() == after
        assert proxy.log()[0].status == 0
        assert Client(urlsplit(proxy.url).netloc).get("/").status == 200


def test_a_cut_upload_leaves_no_object(
    behind: S3Endpoint, s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str
) -> None:
    s3_proxy.inject(faults.CutRequest(1000), method="PUT")
    with pytest.raises(ConnectionClosedError):
        behind.put(f"{s3_prefix}/new", CONTENT)
    assert s3_server.keys(s3_prefix) == []


def test_an_answer_is_lost_after_the_server_has_acted(
    behind: S3Endpoint, s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str
) -> None:
    s3_proxy.inject(faults.LoseAnswer(), method="PUT")
    with pytest.raises(ConnectionClosedError):
        behind.put(f"{s3_prefix}/new", CONTENT)
    assert s3_server.get(f"{s3_prefix}/new") == CONTENT


@pytest.mark.parametrize("after", [0, 1, 500_000])
def test_an_answer_is_cut_in_the_middle_of_its_body(
    behind: S3Endpoint, s3_proxy: FaultProxy, key: str, after: int
) -> None:
    s3_proxy.inject(faults.CutAnswer(after))
    head, _, body = raw_get(s3_proxy, signed(behind, "get_object", Key=key)).partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert body == CONTENT[:after] + b"<reset>"
    assert s3_proxy.log()[0].sent == after
    assert s3_proxy.log()[0].fault == "CutAnswer"


def test_an_answer_without_a_body_is_cut_in_its_head(
    behind: S3Endpoint, s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str
) -> None:
    s3_proxy.inject(faults.CutAnswer())
    with pytest.raises(ConnectionClosedError):
        behind.put(f"{s3_prefix}/new", b"x")
    assert s3_server.get(f"{s3_prefix}/new") == b"x"


def test_a_body_that_is_shorter_than_its_length(
    behind: S3Endpoint, s3_proxy: FaultProxy, key: str
) -> None:
    s3_proxy.inject(faults.Truncate(1000), times=2)
    head, _, body = raw_get(s3_proxy, signed(behind, "get_object", Key=key)).partition(b"\r\n\r\n")
    assert f"content-length: {len(CONTENT)}\r\n".encode() in head.lower() + b"\r\n"
    assert body == CONTENT[:1000]
    with pytest.raises(ResponseStreamingError, match="1000 bytes read"):
        behind.get(key)


def test_a_body_that_is_shorter_and_so_is_its_length(
    behind: S3Endpoint, s3_proxy: FaultProxy, key: str
) -> None:
    s3_proxy.inject(faults.Truncate(1000, matching=True), nth=2)
    client = behind.client()
    got = [client.get_object(Bucket=behind.bucket, Key=key)["Body"].read() for _ in range(3)]
    assert got == [CONTENT, CONTENT[:1000], CONTENT]


def test_an_answer_in_chunks_is_spoilt_as_any_other() -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (b"abc", b"defgh"))
    request = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    with Mirror() as mirror, FaultProxy(mirror.url) as proxy:
        answers = []
        for fault in (
            faults.Truncate(5),
            faults.Truncate(5, matching=True),
            faults.CutAnswer(5),
            faults.Flip(4),
        ):
            proxy.inject(fault)
            answers.append(exchange(proxy, request).partition(b"\r\n\r\n"))
        assert proxy.pending() == []
    assert [body for _, _, body in answers] == [
        b"3\r\nabc\r\n2\r\nde\r\n",
        b"abcde",
        b"3\r\nabc\r\n2\r\nde\r\n<reset>",
        b"3\r\nabc\r\n5\r\nddfgh\r\n0\r\n\r\n",
    ]
    assert b"Content-Length: 5" in answers[1][0]
    assert b"chunked" not in answers[1][0]


def test_a_bit_is_flipped(behind: S3Endpoint, s3_proxy: FaultProxy, key: str) -> None:
    at = 700_000
    s3_proxy.inject(faults.Flip(at))
    got = behind.get(key)
    assert [place for place in range(len(CONTENT)) if got[place] != CONTENT[place]] == [at]
    assert behind.get(key) == CONTENT


def test_a_fault_beyond_the_end_of_the_body_is_not_claimed(
    behind: S3Endpoint, s3_proxy: FaultProxy, key: str
) -> None:
    for fault in (faults.Flip(len(CONTENT)), faults.CutAnswer(len(CONTENT) + 1)):
        s3_proxy.inject(fault)
        assert behind.get(key) == CONTENT
    assert [request.fault for request in s3_proxy.log()] == ["", ""]


def test_an_answer_stalls_until_it_is_released(
    behind: S3Endpoint, s3_proxy: FaultProxy, key: str
) -> None:
    s3_proxy.inject(faults.Stall(1000))
    body = behind.client().get_object(Bucket=behind.bucket, Key=key)["Body"]
    assert body.read(1000) == CONTENT[:1000]
    assert s3_proxy.log()[0].sent == 1000
    s3_proxy.release()
    assert body.read() == CONTENT[1000:]


def test_a_stalled_answer_times_out(behind: S3Endpoint, s3_proxy: FaultProxy, key: str) -> None:
    s3_proxy.inject(faults.Stall(1000))
    body = behind.client(read_timeout=0.2).get_object(Bucket=behind.bucket, Key=key)["Body"]
    with pytest.raises(ReadTimeoutError):
        body.read()


def test_a_held_request_waits_until_it_is_released(
    behind: S3Endpoint, s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str
) -> None:
    key = f"{s3_prefix}/new"
    s3_proxy.inject(faults.Hold(), method="PUT")
    writing = threading.Thread(target=behind.put, args=(key, b"x"))
    writing.start()
    s3_proxy.wait_for(1, method="PUT")
    assert s3_server.keys(s3_prefix) == []
    s3_proxy.release()
    writing.join(PATIENCE)
    assert s3_server.keys(s3_prefix) == [key]


def test_waiting_for_a_request_that_never_comes_ends(s3_proxy: FaultProxy) -> None:
    with pytest.raises(AssertionError, match="0 of 1 requests"):
        s3_proxy.wait_for(1, path="/nobody/asks", seconds=0.05)


def test_a_server_that_is_not_there_ends_the_connection(s3_proxy: FaultProxy) -> None:
    with Mirror() as mirror:
        url = mirror.url
    with FaultProxy(url) as proxy, pytest.raises((OSError, http.client.HTTPException)):
        Client(urlsplit(proxy.url).netloc).get("/")


def test_a_stopped_proxy_leaves_no_process(s3_server: S3Endpoint) -> None:
    with FaultProxy(s3_server.url) as proxy:
        os.kill(proxy.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(proxy.pid, 0)
    with pytest.raises(ConnectionRefusedError):
        Client(urlsplit(proxy.url).netloc).get("/")
    proxy.stop()


class Mirror:
    """A server that sends every body back, in the framing in which it came."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._cut: list[int] = []
        self._seen = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def bytes_of_a_cut_request(self) -> int:
        """How many bytes of a body came before a reset; waits for one."""
        assert self._seen.wait(PATIENCE)
        return self._cut[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that waits in accept() does not hear of a close.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        got = b""
        try:
            while not self._is_whole(got):
                more = connection.recv(65536)
                if not more:
                    return
                got += more
        except ConnectionResetError:
            self._cut.append(len(got.partition(b"\r\n\r\n")[2]))
            self._seen.set()
            return
        head, _, body = got.partition(b"\r\n\r\n")
        framing = f"Content-Length: {len(body)}"
        if b"chunked" in head:
            framing = "Transfer-Encoding: chunked"
        answer = f"HTTP/1.1 200 OK\r\n{framing}\r\nConnection: close\r\n\r\n"
        connection.sendall(answer.encode() + body)

    @staticmethod
    def _is_whole(got: bytes) -> bool:
        head, found, body = got.partition(b"\r\n\r\n")
        if not found:
            return False
        if b"chunked" in head:
            return body.endswith(b"0\r\n\r\n")
        length = next(
            (
                int(line.partition(b":")[2])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ),
            0,
        )
        # A request that is to be cut after its last byte is answered never.
        return len(body) >= length and not (length and length == len(body) and b"PUT" in head)


def test_the_mirror_is_a_mirror() -> None:
    with Mirror() as mirror:
        answer: Answer = Client(urlsplit(mirror.url).netloc).request("POST", "/", b"abc")
        assert answer.body == b"abc"
