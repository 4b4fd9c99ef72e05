"""The S3 servers: what they promise to the tests that use them, and what is wrong with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.servers import processes
from tests.servers.canned import CONTENT, CannedServer, blob_keys
from tests.servers.child import Child
from tests.servers.moto import Moto
from tests.servers.s3 import Credentials, S3Endpoint
from tests.servers.seaweedfs import SeaweedFS

#: What SeaweedFS refuses or rewrites, below a prefix.
ODD = ["a//b", "/a", ".", "./a", "..", "../a", "a\\b", "a/../b"]


def code_of(error: ClientError) -> str:
    code: str = error.response["Error"]["Code"]
    return code


def test_every_test_has_a_prefix_of_its_own(s3_server: S3Endpoint, s3_prefix: str) -> None:
    other = s3_server.fresh_prefix()
    assert other != s3_prefix
    assert s3_server.keys(s3_prefix) == []
    s3_server.put(f"{s3_prefix}/a/b", b"content")
    assert s3_server.get(f"{s3_prefix}/a/b") == b"content"
    assert s3_server.keys(s3_prefix) == [f"{s3_prefix}/a/b"]
    assert s3_server.keys(other) == []


def test_the_parameters_are_those_of_the_configuration(
    s3_server: S3Endpoint, s3_prefix: str, s3_parameters: dict[str, object]
) -> None:
    assert s3_parameters == {
        "accesskey": s3_server.ci.access_key,
        "secretkey": s3_server.ci.secret_key,
        "region": "us-east-1",
        "regionendpoint": s3_server.url,
        "forcepathstyle": True,
        "secure": False,
        "bucket": s3_server.bucket,
        "rootdirectory": s3_prefix,
    }
    read_only = s3_server.parameters("x", s3_server.ro)
    assert read_only["accesskey"] == s3_server.ro.access_key
    assert s3_server.behind("http://127.0.0.1:1").parameters()["regionendpoint"] != s3_server.url


def test_a_prefix_is_cleaned_of_objects_and_multipart_uploads(
    s3_server: S3Endpoint, s3_prefix: str
) -> None:
    client = s3_server.client(max_pool_connections=16)
    with ThreadPoolExecutor(16) as pool:
        keys = [f"{s3_prefix}/one/{number:04}" for number in range(1001)]
        list(pool.map(lambda key: client.put_object(Bucket=s3_server.bucket, Key=key), keys))
    key = f"{s3_prefix}/one/upload"
    client.create_multipart_upload(Bucket=s3_server.bucket, Key=key)
    s3_server.put(f"{s3_prefix}/other")
    assert len(s3_server.keys(f"{s3_prefix}/one/")) == 1001
    assert [found for found, _ in s3_server.multipart_uploads(f"{s3_prefix}/one/")] == [key]
    s3_server.clean(f"{s3_prefix}/one/")
    assert s3_server.keys(s3_prefix) == [f"{s3_prefix}/other"]
    assert s3_server.multipart_uploads(s3_prefix) == []


def test_seaweedfs_tells_the_identities_apart(s3_server: S3Endpoint, s3_prefix: str) -> None:
    key = f"{s3_prefix}/a"
    s3_server.put(key, b"content")
    reader = s3_server.client(s3_server.ro)
    assert reader.get_object(Bucket=s3_server.bucket, Key=key)["Body"].read() == b"content"
    assert reader.list_objects_v2(Bucket=s3_server.bucket, Prefix=s3_prefix)["KeyCount"] == 1
    unknown = s3_server.client(Credentials("nobody", "x"))
    forger = s3_server.client(Credentials(s3_server.ci.access_key, "x"))
    for call in (reader.put_object, unknown.get_object, forger.get_object):
        with pytest.raises(ClientError) as caught:
            call(Bucket=s3_server.bucket, Key=key)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert s3_server.get(key) == b"content"


def test_seaweedfs_makes_no_bucket_by_itself(s3_server: S3Endpoint) -> None:
    with pytest.raises(ClientError) as caught:
        s3_server.client().put_object(Bucket="another", Key="a", Body=b"")
    assert code_of(caught.value) == "NoSuchBucket"


def test_seaweedfs_lets_one_conditional_write_win(s3_server: S3Endpoint, s3_prefix: str) -> None:
    client = s3_server.client(max_pool_connections=16)

    def write(number: int) -> str:
        try:
            client.put_object(
                Bucket=s3_server.bucket,
                Key=f"{s3_prefix}/lock",
                Body=str(number).encode(),
                IfNoneMatch="*",
            )
        except ClientError as error:
            return code_of(error)
        return "won"

    with ThreadPoolExecutor(16) as pool:
        outcomes = sorted(pool.map(write, range(16)))
    assert outcomes == ["PreconditionFailed"] * 15 + ["won"]


@pytest.mark.parametrize("server", [SeaweedFS, Moto])
def test_a_stopped_server_leaves_no_process(server: type[SeaweedFS | Moto], tmp_path: Path) -> None:
    with server(tmp_path / "server") as running:
        running.endpoint.put("a", b"content")
        assert running.endpoint.get("a") == b"content"
        os.kill(running.pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(running.pid, 0)
    with pytest.raises(EndpointConnectionError):
        running.endpoint.keys()
    running.stop()


@pytest.mark.parametrize("ci", [True, False])
@pytest.mark.parametrize("server", [SeaweedFS, Moto])
def test_a_missing_server_is_a_skip_and_in_ci_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: type[SeaweedFS | Moto], ci: bool
) -> None:
    monkeypatch.setenv("CI", "true" if ci else "")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = pytest.fail.Exception if ci else pytest.skip.Exception
    with pytest.raises(outcome, match="is not installed: run `make servers`"):
        server(tmp_path / "server")
    assert not (tmp_path / "server").exists()


def test_a_server_that_cannot_start_shows_its_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.servers.seaweedfs.FLAGS", ("-no.such.flag",))
    with pytest.raises(AssertionError, match="a complete SeaweedFS setup"):
        SeaweedFS(tmp_path)


def test_moto_takes_every_key_and_lists_in_byte_order(
    moto_server: S3Endpoint, moto_prefix: str, moto_parameters: dict[str, object]
) -> None:
    assert moto_parameters["rootdirectory"] == moto_prefix
    names = [*ODD, "foo/x", "foo-bar/x", "foo", "Z", "\u00e4", "a b+c%2F"]
    for name in names:
        moto_server.put(f"{moto_prefix}/{name}", name.encode())
    page = moto_server.client().list_objects_v2(Bucket=moto_server.bucket, Prefix=f"{moto_prefix}/")
    listed = [entry["Key"].removeprefix(f"{moto_prefix}/") for entry in page["Contents"]]
    assert listed == sorted(names, key=str.encode)
    for name in names:
        assert moto_server.get(f"{moto_prefix}/{name}") == name.encode()


def test_a_session_has_nothing_of_this_machines_cloud() -> None:
    import botocore.session

    assert os.environ["AWS_EC2_METADATA_DISABLED"] == "true"
    assert set(processes.NO_CLOUD) >= {
        name for name in os.environ if name.startswith(("AWS_", "CLOUDSDK_"))
    }
    assert botocore.session.Session().get_credentials() is None


KEYS = [
    *blob_keys(250, "team/a"),
    "team/a-b",
    "team/b/x y",
    "team/b/\u00e4/1",
    "team/b/\u00e4/2",
    "team/c",
]


@pytest.fixture(scope="module")
def canned():  # type: ignore[no-untyped-def]
    with CannedServer(KEYS) as server:
        yield server


@pytest.fixture(scope="module")
def canned_keys_on_moto(moto_server: S3Endpoint) -> S3Endpoint:
    """The same keys on moto, to compare with."""
    client = moto_server.client(max_pool_connections=8)
    with ThreadPoolExecutor(8) as pool:
        write = lambda key: client.put_object(Bucket=moto_server.bucket, Key=key)  # noqa: E731
        list(pool.map(write, KEYS))
    return moto_server


def listed(
    endpoint: S3Endpoint, query: dict[str, str], size: int = 100
) -> list[tuple[list[str], list[str]]]:
    """Keys and common prefixes by page."""
    pages = endpoint.client().get_paginator("list_objects_v2")
    return [
        (
            [entry["Key"] for entry in page.get("Contents", ())],
            [entry["Prefix"] for entry in page.get("CommonPrefixes", ())],
        )
        for page in pages.paginate(
            Bucket=endpoint.bucket, PaginationConfig={"PageSize": size}, **query
        )
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"Prefix": "team/"},
        {"Prefix": "team/", "Delimiter": "/"},
        {"Prefix": "team", "Delimiter": "/"},
        {"Prefix": "team/a"},
        {"Prefix": "team/b/"},
        {"Prefix": "team/b/", "Delimiter": "/"},
        {"Prefix": "team/b/\u00e4"},
        {"Prefix": "team/b/", "Delimiter": " "},
        {"Prefix": "team/a/docker/registry/v2/blobs/sha256/", "Delimiter": "/"},
        {"Prefix": "team/a/docker/registry/v2/blobs/sha256/ab/"},
        {"Prefix": "team/", "StartAfter": KEYS[123]},
        {"Prefix": "team/", "StartAfter": "team/b"},
        {"Prefix": "team/b/", "StartAfter": "a"},
        {"Prefix": "team/b/", "StartAfter": "z"},
        {"Prefix": "team/c"},
        {"Prefix": "nothing"},
    ],
)
def test_canned_listings_are_those_of_a_server(
    canned: CannedServer, canned_keys_on_moto: S3Endpoint, query: dict[str, str]
) -> None:
    assert listed(canned.endpoint, query) == listed(canned_keys_on_moto, query)


@pytest.mark.parametrize("delimiter", ["", "/"])
def test_canned_pages_are_as_long_as_they_should_be_and_leave_nothing_out(
    canned: CannedServer, delimiter: str
) -> None:
    query = {"Prefix": "team/b/", "Delimiter": delimiter}
    whole = listed(canned.endpoint, query)
    by_one = listed(canned.endpoint, query, 1)
    assert len(whole) == 1
    assert all(len(keys) + len(common) == 1 for keys, common in by_one)
    for part in (0, 1):
        assert [name for page in by_one for name in page[part]] == whole[0][part]
    assert [len(keys) for keys, _ in listed(canned.endpoint, {})] == [100, 100, 55]


def test_no_canned_page_has_more_than_a_thousand_entries() -> None:
    keys = blob_keys(2500)
    with CannedServer(keys) as server:
        pages = listed(server.endpoint, {}, 5000)
    assert [len(page) for page, _ in pages] == [1000, 1000, 500]
    assert [key for page, _ in pages for key in page] == keys


def test_canned_objects_are_read_and_what_it_cannot_do_is_refused(canned: CannedServer) -> None:
    endpoint = canned.endpoint
    before = canned.count()
    assert endpoint.get("team/b/\u00e4/1") == CONTENT
    client = endpoint.client()
    assert client.head_object(Bucket=endpoint.bucket, Key="team/c")["ContentLength"] == 71
    assert client.head_bucket(Bucket=endpoint.bucket)
    assert endpoint.multipart_uploads() == []
    for expected, call in (
        ("NoSuchKey", lambda: endpoint.get("team/none")),
        ("NotImplemented", lambda: endpoint.put("team/new", b"content")),
        ("NoSuchBucket", lambda: client.list_objects_v2(Bucket="another")),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert code_of(caught.value) == expected
    assert canned.count() - before == 7


def test_a_canned_server_is_gone_after_its_stop() -> None:
    with CannedServer(["a"]) as server:
        assert server.endpoint.keys() == ["a"]
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)
    server.stop()


def test_a_server_of_the_tests_ends_with_who_started_it() -> None:
    """A killed test run leaves no process: nobody is there to stop it."""
    code = (
        "from tests.servers.child import Child\n"
        "child = Child('tests.servers.forwarder', '127.0.0.1', '1')\n"
        "print(child.pid, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        watch = os.pidfd_open(pid)
        starter.send_signal(signal.SIGKILL)
    try:
        import select

        assert select.select([watch], [], [], processes.PATIENCE)[0]
    finally:
        os.close(watch)


def test_a_server_of_the_tests_that_fails_says_so() -> None:
    with pytest.raises(AssertionError, match="has ended"):
        Child("tests.servers.forwarder", "127.0.0.1")
    with (
        Child("tests.servers.forwarder", "127.0.0.1", "1") as child,
        pytest.raises(AssertionError, match="has ended"),
    ):
        child.ask("no such verb")
