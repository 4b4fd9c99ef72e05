"""Stores, real servers, and all that can be wrong about them: one clear line each."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from regctl.drivers import open_driver
from regctl.drivers.s3 import client
from regctl.drivers.s3.client import Store, open_store
from regctl.drivers.s3.driver import open_s3
from regctl.drivers.s3.errors import NoSuchBucketError, NotS3Error, WrongRegionError
from regctl.errors import (
    ConfigurationError,
    DeniedError,
    PathNotFoundError,
    RegctlError,
    StorageError,
    UnavailableError,
)
from tests.drivers.s3.tls import make_certificate, tls_server
from tests.servers.faults import INTERNAL_ERROR, SLOW_DOWN, Answer, Drop, FaultProxy, s3_error
from tests.servers.processes import free_port
from tests.servers.s3 import S3Endpoint

HTML = "<!DOCTYPE html><html><head><title>Welcome</title></head><body>nginx<br></body></html>"
XHTML = "<html><head><title>Welcome</title></head><body>nginx</body></html>"

#: Everything that asks a server about one path.
Operation = Callable[[dict[str, object]], object]
OPERATIONS: dict[str, Operation] = {
    "stat": lambda members: open_s3(members, 4).stat("/a/b"),
    "stat of files": lambda members: open_s3(members, 4).stat("/a/b", files_only=True),
    "get": lambda members: open_s3(members, 4).get("/a/b", 9),
    "read": lambda members: open_s3(members, 4).read("/a/b"),
    "list": lambda members: open_s3(members, 4).list("/a"),
    "walk": lambda members: list(open_s3(members, 4).walk("/a")),
    "unfinished": lambda members: list(open_s3(members, 4).unfinished("/a")),
    "put": lambda members: open_s3(members, 4).put("/a/b", b"x"),
    "writer": lambda members: open_s3(members, 4).writer("/a/b"),
    "move": lambda members: open_s3(members, 4).move("/a/b", "/a/c"),
    "delete": lambda members: open_s3(members, 4).delete("/a/b"),
    "delete_many": lambda members: raise_any(open_s3(members, 4).delete_many(["/a/b"])),
    "now": lambda members: open_s3(members, 4).now(),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())


def raise_any(results: object) -> None:
    for _, error in results:  # type: ignore[attr-defined]
        if error is not None:
            raise error


def told(members: dict[str, object], operation: Operation) -> str:
    """What is said when ``operation`` fails, with its hint, after looking for secrets in it."""
    with pytest.raises(RegctlError) as caught:
        operation(members)
    text = f"{caught.value} ({caught.value.hint})"
    for name in ("accesskey", "secretkey", "sessiontoken"):
        if members.get(name):
            assert str(members[name]) not in text
    assert "\n" not in text
    return f"{type(caught.value).__name__}: {text}"


@every_operation
def test_no_such_bucket(s3_parameters: dict[str, object], operation: Operation) -> None:
    """Nothing in a bucket that is not there is "absent"."""
    s3_parameters["bucket"] = "no-such-bucket"
    text = told(s3_parameters, operation)
    assert text.startswith("NoSuchBucketError: there is no bucket 'no-such-bucket' at http://127.")


@every_operation
def test_wrong_secret(s3_parameters: dict[str, object], operation: Operation) -> None:
    s3_parameters["secretkey"] = "nothing-anybody-would-know"
    assert "DeniedError" in told(s3_parameters, operation)
    assert "the secret key does not fit the access key" in told(s3_parameters, operation)


@every_operation
def test_unknown_access_key(s3_parameters: dict[str, object], operation: Operation) -> None:
    s3_parameters["accesskey"] = "AKIANOBODY0000000000"
    assert "the server does not know the access key" in told(s3_parameters, operation)


@every_operation
def test_no_credentials(s3_parameters: dict[str, object], operation: Operation) -> None:
    """The bucket is asked as nobody, and the ways to be somebody are named."""
    del s3_parameters["accesskey"], s3_parameters["secretkey"]
    text = told(s3_parameters, operation)
    assert text.startswith("DeniedError: no credentials were found, and the bucket")
    assert "AWS_ACCESS_KEY_ID" in text
    assert "AWS_PROFILE" in text


@every_operation
def test_expired_credentials(
    s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str, operation: Operation
) -> None:
    s3_proxy.inject(s3_error(400, "ExpiredToken"), times=None)
    members = s3_server.behind(s3_proxy.url).parameters(s3_prefix)
    assert "the credentials have expired (renew" in told(members, operation)


@every_operation
def test_wrong_region(
    s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str, operation: Operation
) -> None:
    """Said, with the region that is right, and not asked there as well."""
    body = (
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong</Message>"
        "<Region>eu-central-1</Region></Error>"
    )
    s3_proxy.inject(Answer(400, body, "application/xml"), times=None)
    members = s3_server.behind(s3_proxy.url).parameters(s3_prefix)
    text = told(members, operation)
    assert text.startswith(
        "WrongRegionError: the region is wrong: the bucket is in eu-central-1, not in us-east-1"
    )
    assert s3_proxy.count() <= 2


def test_permanent_redirect(s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str) -> None:
    """Amazon's old way to say so; a HEAD has it in a header."""
    headers = {"x-amz-bucket-region": "eu-central-1", "Location": "http://127.0.0.1:9/"}
    s3_proxy.inject(Answer(301, "", headers=headers), times=None)
    driver = open_s3(s3_server.behind(s3_proxy.url).parameters(s3_prefix), 4)
    for attempt in (lambda: driver.stat("/a"), lambda: driver.list("/a")):
        with pytest.raises(WrongRegionError, match="eu-central-1"):
            attempt()


@every_operation
@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, HTML, "text/html"),
        Answer(404, XHTML, "text/html"),
        Answer(404, ""),
        Answer(400, "bad request"),
        Answer(405, ""),
    ],
    ids=["404", "404-xml", "404-empty", "400", "405"],
)
def test_no_s3(
    s3_server: S3Endpoint,
    s3_proxy: FaultProxy,
    s3_prefix: str,
    operation: Operation,
    answer: Answer,
) -> None:
    """A web server is no empty storage."""
    s3_proxy.inject(answer, times=None)
    members = s3_server.behind(s3_proxy.url).parameters(s3_prefix)
    assert "NotS3Error: what answers at the endpoint is not S3" in told(members, operation)


@pytest.mark.parametrize(
    "operation", [name for name in OPERATIONS if name != "now"], ids=lambda name: name
)
@pytest.mark.parametrize("body", [HTML, XHTML, ""], ids=["html", "xhtml", "empty"])
def test_yes_to_everything(
    s3_server: S3Endpoint,
    s3_proxy: FaultProxy,
    s3_prefix: str,
    operation: str,
    body: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor is one that answers 200 to whatever it is asked."""
    monkeypatch.setattr(client, "ATTEMPTS", 1)
    s3_proxy.inject(Answer(200, body, "text/html"), times=None)
    members = s3_server.behind(s3_proxy.url).parameters(s3_prefix)
    text = told(members, OPERATIONS[operation])
    assert text.startswith(("NotS3Error", "UnavailableError"))
    assert "is regionendpoint right?" in text


def test_nobody_there(s3_parameters: dict[str, object]) -> None:
    """Where nothing ever answered the endpoint is wrong, and nobody waits long to hear it."""
    s3_parameters["regionendpoint"] = f"http://127.0.0.1:{free_port()}"
    driver = open_s3(s3_parameters, 4)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:\d+ cannot be reached: Connection"):
        driver.get("/a", 9)
    assert driver.requests() == {"GetObject": client.FIRST_ATTEMPTS}


class TestTLS:
    def members(self, url: str) -> dict[str, object]:
        return {
            "bucket": "reg",
            "regionendpoint": url,
            "accesskey": "AKIANOBODY0000000000",
            "secretkey": "nothing-anybody-would-know",
        }

    def test_unknown_authority(self, tmp_path: Path) -> None:
        """Said after one try, with what helps."""
        with tls_server(make_certificate(tmp_path)) as url:
            store = open_store(self.members(url), 4)
            with pytest.raises(StorageError, match=r"the certificate of 127\.0\.0\.1") as caught:
                store.call("head_bucket", "/")
        assert "AWS_CA_BUNDLE" in str(caught.value.hint)
        assert "self-signed" in str(caught.value)
        assert sum(store.requests().values()) == 1

    def test_bundle(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the hint says is true."""
        pem = make_certificate(tmp_path)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(pem))
        with tls_server(pem) as url:
            open_store(self.members(url), 4).call("head_bucket", "/")

    def test_skipverify(self, tmp_path: Path) -> None:
        """Configured so, nothing is checked, and nothing said about it."""
        script = (
            "import sys, json\n"
            "from regctl.drivers.s3.client import open_store\n"
            "open_store(json.loads(sys.argv[1]), 4).call('head_bucket', '/')\n"
        )
        with tls_server(make_certificate(tmp_path)) as url:
            members = json.dumps({**self.members(url), "skipverify": True})
            done = subprocess.run(
                [sys.executable, "-c", script, members], capture_output=True, text=True
            )
        assert (done.returncode, done.stderr) == (0, "")

    def test_no_tls_at_all(self, s3_parameters: dict[str, object]) -> None:
        """Where http is spoken, https is not."""
        url = str(s3_parameters["regionendpoint"])
        s3_parameters["regionendpoint"] = url.replace("http:", "https:")
        with pytest.raises(StorageError, match=r"TLS with 127\.0\.0\.1:\d+ fails") as caught:
            open_s3(s3_parameters, 4).stat("/a")
        assert "secure" in str(caught.value.hint)


class TestDenied:
    def test_read_only(self, s3_server: S3Endpoint, s3_prefix: str) -> None:
        """An identity that may only read: reading goes, each change is denied, and not done."""
        s3_server.put(f"{s3_prefix}/a/b", b"content")
        driver = open_s3(s3_server.parameters(s3_prefix, s3_server.ro), 4)
        assert driver.get("/a/b", 99) == b"content"
        assert driver.stat("/a/b").size == 7
        assert [entry.path for entry in driver.walk("/")] == ["/a/b"]
        driver.now()
        changes: list[Callable[[], object]] = [
            lambda: driver.put("/a/b", b"x"),
            lambda: driver.put("/a/c", b"x", if_absent=True),
            lambda: driver.writer("/a/c"),
            lambda: driver.move("/a/b", "/a/c"),
            lambda: driver.delete("/a/b"),
        ]
        for change in changes:
            with pytest.raises(DeniedError, match="denies"):
                change()
        results = list(driver.delete_many(["/a/b", "/a/none"]))
        assert [type(error) for _, error in results] == [DeniedError, DeniedError]
        assert s3_server.keys(s3_prefix) == [f"{s3_prefix}/a/b"]

    @pytest.mark.parametrize(
        ("method", "query", "attempt"),
        [
            ("HEAD|GET", "", lambda driver: driver.stat("/a/b")),
            ("HEAD|GET", "", lambda driver: driver.stat("/a/b", files_only=True)),
            ("GET", "", lambda driver: driver.get("/a/b", 9)),
            ("GET", "", lambda driver: driver.read("/a/b")),
            ("GET", "prefix", lambda driver: driver.stat("/a")),
            ("GET", "prefix", lambda driver: driver.list("/a")),
            ("GET", "uploads", lambda driver: list(driver.unfinished("/a"))),
            ("DELETE", "", lambda driver: driver.delete("/a/b")),
            ("DELETE", "", lambda driver: driver.move("/a/b", "/a/c")),
        ],
    )
    def test_one_verb(
        self,
        s3_server: S3Endpoint,
        s3_proxy: FaultProxy,
        s3_prefix: str,
        method: str,
        query: str,
        attempt: Callable[[object], object],
    ) -> None:
        """A refusal is never an absence, also where S3 hides by it whether something is there."""
        driver = open_s3(s3_server.behind(s3_proxy.url).parameters(s3_prefix), 4)
        driver.put("/a/b", b"x")
        s3_proxy.inject(s3_error(403, "AccessDenied"), method=method, query=query, times=None)
        with pytest.raises(DeniedError, match="the server denies access"):
            attempt(driver)


class TestFaults:
    @pytest.fixture
    def members(
        self, s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str
    ) -> dict[str, object]:
        return s3_server.behind(s3_proxy.url).parameters(s3_prefix)

    @pytest.mark.parametrize("fault", [SLOW_DOWN, INTERNAL_ERROR, Answer(429, ""), Drop()])
    def test_passes(self, members: dict[str, object], s3_proxy: FaultProxy, fault: Answer) -> None:
        """A fault that passes is not seen, but in the count of requests."""
        driver = open_s3(members, 4)
        s3_proxy.inject(fault, method="PUT")
        driver.put("/a/b", b"x")
        assert driver.requests() == {"PutObject": 2}
        assert driver.get("/a/b", 9) == b"x"

    def test_stays(
        self,
        members: dict[str, object],
        s3_proxy: FaultProxy,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A fault that stays is told after so many tries, with what may help."""
        monkeypatch.setattr(client, "ATTEMPTS", 3)
        driver = open_s3(members, 4)
        s3_proxy.inject(SLOW_DOWN, times=None)
        with pytest.raises(UnavailableError, match="/a/b: the server answers SlowDown") as caught:
            driver.get("/a/b", 9)
        assert "--jobs" in str(caught.value.hint)
        assert driver.requests() == {"GetObject": 3}
        assert s3_proxy.count() == 3

    def test_a_head_that_fails(
        self, members: dict[str, object], s3_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "ATTEMPTS", 1)
        s3_proxy.inject(INTERNAL_ERROR, method="HEAD", times=None)
        with pytest.raises(UnavailableError):
            open_s3(members, 4).stat("/a/b")


class TestStore:
    def test_requests(self, store: Store) -> None:
        assert store.requests() == {}
        store.call("head_bucket", "/")
        store.call("head_bucket", "/")
        assert store.requests() == {"HeadBucket": 2}

    def test_an_absence_costs_one_request(self, store: Store) -> None:
        """The first takes a second look, at the bucket; no other does."""
        for requests in ({"HeadObject": 1, "GetObject": 1}, {"HeadObject": 2, "GetObject": 1}):
            with pytest.raises(PathNotFoundError):
                store.call("head_object", "/a", Key=store.keys.key("/a"))
            assert store.requests() == requests

    def test_date(self, store: Store) -> None:
        assert store.last_date() is None
        store.call("head_bucket", "/")
        date = store.last_date()
        assert date is not None
        assert abs(date - time.time()) < 60

    def test_pool(self, store: Store) -> None:
        assert store.pool() is store.pool()
        assert isinstance(store.pool(), ThreadPoolExecutor)
        assert store.jobs == 4

    def test_many_threads(self, store: Store) -> None:
        """As many connections as threads, and every request is counted."""

        def work(number: int) -> None:
            store.call("put_object", "/a", Key=store.keys.key(f"/a/{number}"), Body=b"x")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(40)))
        assert store.requests() == {"PutObject": 40}

    def test_new_objects(self, s3_parameters: dict[str, object]) -> None:
        """Class, encryption and type arrive at the server."""
        store = open_store({**s3_parameters, "storageclass": "STANDARD_IA", "encrypt": True}, 4)
        key = store.keys.key("/a")
        store.call("put_object", "/a", Key=key, Body=b"x", **store.new_object)
        head = store.call("head_object", "/a", Key=key)
        assert head["ContentType"] == "application/octet-stream"
        assert head["StorageClass"] == "STANDARD_IA"

    def test_user_agent(self, store: Store) -> None:
        """Who reads the server's log sees who it was."""
        seen: list[str] = []

        def watch(request: object, **_: object) -> None:
            seen.append(str(getattr(request, "headers", {}).get("User-Agent")))

        store.client.meta.events.register("before-send.s3", watch)
        store.call("head_bucket", "/")
        assert ["regctl/" in text for text in seen] == [True]

    @pytest.mark.parametrize(
        "text",
        ["Wed, 21 Oct 2026 07:28:00 GMT", "2026-10-21T07:28:00.000Z", "2026-10-21T07:28:00Z"],
    )
    def test_times(self, text: str) -> None:
        """In headers and in XML."""
        assert client._time(text).timestamp() == 1792567680

    def test_jobs(self, s3_parameters: dict[str, object]) -> None:
        """The pool of connections is never smaller than the jobs."""
        store = open_store(s3_parameters, 77)
        assert store.client.meta.config.max_pool_connections >= 77


class TestCredentials:
    """Where they come from: the configuration first, then the SDK's own places."""

    def test_environment(
        self,
        s3_server: S3Endpoint,
        s3_parameters: dict[str, object],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        del s3_parameters["accesskey"], s3_parameters["secretkey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.ci.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.ci.secret_key)
        store = open_store(s3_parameters, 4)
        assert not store.is_anonymous
        store.call("head_bucket", "/")

    def test_profile(
        self,
        s3_server: S3Endpoint,
        s3_parameters: dict[str, object],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        del s3_parameters["accesskey"], s3_parameters["secretkey"]
        path = tmp_path / "credentials"
        path.write_text(
            f"[tests]\naws_access_key_id = {s3_server.ci.access_key}\n"
            f"aws_secret_access_key = {s3_server.ci.secret_key}\n"
        )
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
        monkeypatch.setenv("AWS_PROFILE", "tests")
        open_store(s3_parameters, 4).call("head_bucket", "/")

    def test_no_such_profile(
        self, s3_parameters: dict[str, object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(ConfigurationError, match="nobody"):
            open_store(s3_parameters, 4)

    def test_half_of_them(
        self, s3_parameters: dict[str, object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        del s3_parameters["accesskey"], s3_parameters["secretkey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY0000000000")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
        with pytest.raises(DeniedError, match="credentials of this machine cannot be used"):
            open_store(s3_parameters, 4)

    def test_the_configuration_comes_first(
        self, s3_parameters: dict[str, object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY0000000000")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        open_store(s3_parameters, 4).call("head_bucket", "/")

    def test_token(self, s3_parameters: dict[str, object], s3_proxy: FaultProxy) -> None:
        """A session token is sent, so this server, which gives none, refuses it."""
        s3_parameters["sessiontoken"] = "SESSIONTOKEN"
        store = open_store(s3_parameters, 4)
        with pytest.raises(DeniedError) as caught:
            store.call("head_bucket", "/")
        assert "SESSIONTOKEN" not in str(caught.value)

    def test_endpoint_of_the_environment(
        self, s3_parameters: dict[str, object], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The storage that is used is the one that is named: no variable leads elsewhere."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        open_store(s3_parameters, 4).call("head_bucket", "/")
        amazon = open_store({"bucket": "reg", "region": "eu-west-1"}, 4)
        assert amazon.client.meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"

    def test_region_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ConfigurationError, match="no region"):
            open_store({"bucket": "reg"}, 4)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
        assert open_store({"bucket": "reg"}, 4).client.meta.region_name == "eu-west-3"

    def test_bad_region(self, s3_parameters: dict[str, object]) -> None:
        with pytest.raises(ConfigurationError, match="eu west"):
            open_store({**s3_parameters, "region": "eu west"}, 4)


@pytest.mark.parametrize(
    ("members", "url"),
    [
        ({}, "https://reg.s3.eu-west-1.amazonaws.com/k"),
        ({"forcepathstyle": True}, "https://s3.eu-west-1.amazonaws.com/reg/k"),
        ({"usedualstack": True}, "https://reg.s3.dualstack.eu-west-1.amazonaws.com/k"),
        ({"accelerate": True}, "https://reg.s3-accelerate.amazonaws.com/k"),
        ({"usefipsendpoint": True}, "https://reg.s3-fips.eu-west-1.amazonaws.com/k"),
        ({"secure": False}, "http://reg.s3.eu-west-1.amazonaws.com/k"),
        ({"regionendpoint": "minio:9000", "secure": False}, "http://minio:9000/reg/k"),
        (
            {"regionendpoint": "minio.example.org", "forcepathstyle": False},
            "https://reg.minio.example.org/k",
        ),
    ],
)
def test_addresses(members: dict[str, object], url: str) -> None:
    """Every member that says where requests go."""
    store = open_store({"bucket": "reg", "region": "eu-west-1", **members}, 4)
    seen: list[str] = []

    def watch(request: object, **_: object) -> object:
        seen.append(str(getattr(request, "url", "")))
        raise ZeroDivisionError

    store.client.meta.events.register("before-send.s3", watch)
    with pytest.raises(ZeroDivisionError):
        store.call("head_object", "/k", Key="k")
    assert seen == [url]


def test_open_driver(s3_parameters: dict[str, object]) -> None:
    driver = open_driver("s3", s3_parameters, jobs=3)
    assert driver.name == "s3"
    with pytest.raises(ConfigurationError, match="bucket"):
        open_driver("s3", {})


def test_boto3_is_not_imported() -> None:
    """Half of its start-up is for things that are not used here."""
    script = "import sys, regctl.drivers.s3.driver; print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_kinds_of_errors() -> None:
    """Those that are only S3's have the exit code of what they are to the user."""
    for kind in (NoSuchBucketError, NotS3Error, WrongRegionError):
        assert kind("x").exit_code == 5
