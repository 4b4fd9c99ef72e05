"""Listings: complete, page by page, whatever lies in the bucket."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regctl.drivers.base import Entry, Kind
from regctl.drivers.gcs import listing
from regctl.drivers.gcs.driver import GCSDriver
from regctl.drivers.gcs.errors import NotGcsError
from regctl.errors import PathNotFoundError, UnavailableError
from tests.drivers.gcs.conftest import put
from tests.servers.faults import Answer, FaultProxy
from tests.servers.gcs_json import GCSServer

SESSION_TYPE = "application/x-docker-upload-session"


def test_marks_and_odd_keys(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """Marks of directories are skipped; keys that are no path of ours are shown, not touched."""
    prefix = gcs_driver.store.keys.prefix
    for key in ("a/", "a/b/", "a/b/file", "a//double", "a/./dot", "a/full/"):
        gcs_server.bucket.put(prefix + key, b"x" if key in {"a/full/", "a/b/file"} else b"")
    found = {entry.path: entry.kind for entry in gcs_driver.walk("/a")}
    assert found == {
        "/a/b/file": Kind.FILE,
        "/a//double": Kind.OTHER,
        "/a/./dot": Kind.OTHER,
        "/a/full/": Kind.OTHER,
    }
    names = {entry.path: entry.kind for entry in gcs_driver.list("/a")}
    assert names == {
        "/a/b": Kind.DIRECTORY,
        "/a/": Kind.OTHER,
        "/a/.": Kind.OTHER,
        "/a/full": Kind.DIRECTORY,
    }
    asked = []

    def descend(entry: Entry) -> bool:
        asked.append(entry.path)
        return True

    walked = {entry.path for entry in gcs_driver.walk("/a", descend=descend)}
    assert "/a/b/file" in walked
    assert sorted(asked) == ["/a/b", "/a/full"]


def test_only_marks(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """A directory of nothing but its mark is none."""
    prefix = gcs_driver.store.keys.prefix
    gcs_server.bucket.put(f"{prefix}a/", b"")
    for look in (gcs_driver.list, gcs_driver.stat, lambda path: list(gcs_driver.walk(path))):
        with pytest.raises(PathNotFoundError):
            look("/a")


def test_only_an_upload(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    """A directory of nothing but an upload in progress is none, as on S3."""
    put(gcs_server.bucket, gcs_driver, "/a/b/data", b"x", content_type=SESSION_TYPE)
    for look in (gcs_driver.list, gcs_driver.stat, lambda path: list(gcs_driver.walk(path))):
        with pytest.raises(PathNotFoundError):
            look("/a/b")
    assert [entry.path for entry in gcs_driver.unfinished("/a")] == ["/a/b/data"]


def test_file_and_directory_of_one_name(gcs_driver: GCSDriver) -> None:
    gcs_driver.put("/a/b", b"x")
    gcs_driver.put("/a/b/c", b"x")
    assert gcs_driver.list("/a") == [Entry("/a/b", Kind.FILE)]
    assert [entry.path for entry in gcs_driver.walk("/a")] == ["/a/b", "/a/b/c"]


def test_the_root_of_an_empty_bucket(gcs_driver: GCSDriver) -> None:
    assert gcs_driver.list("/") == []
    assert list(gcs_driver.walk("/")) == []
    assert gcs_driver.stat("/") == Entry("/", Kind.DIRECTORY)


_NAMES = st.lists(
    st.lists(st.sampled_from(["a", "b", "a-", "ab", "é", "z~", "0"]), min_size=1, max_size=4),
    max_size=30,
)


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(names=_NAMES, page_keys=st.integers(1, 7))
def test_every_page_size(
    gcs_server: GCSServer, gcs_driver: GCSDriver, names: list[list[str]], page_keys: int
) -> None:
    """However it is cut into pages, a listing is whole."""
    gcs_server.bucket.objects.clear()
    paths = sorted({"/t/" + "/".join(parts) for parts in names})
    for path in paths:
        put(gcs_server.bucket, gcs_driver, path, b"x")
    put(gcs_server.bucket, gcs_driver, "/t/data", b"x", content_type=SESSION_TYPE)
    put(gcs_server.bucket, gcs_driver, "/t-/other", b"x")
    store = gcs_driver.store
    for descend in (None, lambda _: True):
        try:
            entries = list(listing.walk(store, "/t", descend=descend, page_keys=page_keys))
        except PathNotFoundError:
            assert not paths
            continue
        assert sorted(e.path for e in entries if e.kind is Kind.FILE) == paths
    if paths:
        children = {"/t/" + path.split("/")[2] for path in paths}
        listed = listing.list_directory(store, "/t", page_keys=page_keys)
        assert {entry.path for entry in listed} == children
    hidden = listing.unfinished(store, "/t", page_keys=page_keys)
    assert [entry.path for entry in hidden] == ["/t/data"]


def test_requests_of_a_walk(gcs_server: GCSServer, gcs_driver: GCSDriver) -> None:
    for number in range(2500):
        put(gcs_server.bucket, gcs_driver, f"/a/{number}", b"")
    assert sum(1 for _ in gcs_driver.walk("/a")) == 2500
    assert gcs_driver.requests() == {"objects.list": 3}


@pytest.mark.parametrize("with_descend", [True, False])
def test_a_page_that_fails(
    gcs_server: GCSServer, proxy: FaultProxy, faulty: GCSDriver, with_descend: bool
) -> None:
    """A listing is complete or an error."""
    for number in range(5):
        put(gcs_server.bucket, faulty, f"/a/{number}", b"")
    proxy.inject(Answer(503), query="pageToken", times=None)
    walk = listing.walk(
        faulty.store, "/a", descend=(lambda _: True) if with_descend else None, page_keys=2
    )
    with pytest.raises(UnavailableError):
        list(walk)


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        "[]",
        '{"items": {"a": 1}}',
        '{"items": [{}]}',
        '{"items": [{"name": "elsewhere/x", "size": "1"}]}',
        '{"items": [{"name": "test/x", "size": "many"}]}',
    ],
)
def test_an_answer_that_is_none(proxy: FaultProxy, faulty: GCSDriver, body: str) -> None:
    proxy.inject(Answer(200, body))
    with pytest.raises(NotGcsError):
        list(faulty.walk("/"))


def test_a_page_that_comes_again(proxy: FaultProxy, faulty: GCSDriver) -> None:
    """A listing that goes in circles ends."""
    proxy.inject(Answer(200, '{"nextPageToken": "same"}'), times=2)
    with pytest.raises(NotGcsError, match="begins anew"):
        list(faulty.walk("/"))
