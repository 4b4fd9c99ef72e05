"""Moves: whole, from one content, and never only half done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.drivers.objects.ranges import ContentChangedError
from regctl.drivers.s3 import client
from regctl.drivers.s3.copying import part_bytes
from regctl.drivers.s3.driver import S3Driver, open_s3
from regctl.drivers.s3.parts import MOST_PARTS
from regctl.drivers.s3.settings import MAX_PART_BYTES
from regctl.errors import DamagedError, DeniedError, PathNotFoundError, UnavailableError
from tests.servers.faults import Answer, FaultProxy, LoseAnswer, Truncate, s3_error
from tests.servers.s3 import S3Endpoint

MIB = 1 << 20
BIG = bytes(range(256)) * (48 << 10)  # 12 MiB: three parts
ERROR_200 = Answer(
    200, "<Error><Code>InternalError</Code><Message>late</Message></Error>", "application/xml"
)


@pytest.fixture
def behind(s3_server: S3Endpoint, s3_proxy: FaultProxy, s3_prefix: str) -> S3Driver:
    """A driver that copies what exceeds 5 MiB in parts of 5 MiB, behind a proxy."""
    members = s3_server.behind(s3_proxy.url).parameters(s3_prefix)
    copying = {"multipartcopythresholdsize": 5 * MIB, "multipartcopychunksize": 5 * MIB}
    return open_s3({**members, **copying}, 4)


@pytest.fixture
def no_leftovers(s3_server: S3Endpoint, s3_prefix: str) -> object:
    """No multipart upload of a move stays, however it ended."""
    yield
    assert s3_server.multipart_uploads(s3_prefix) == []


pytestmark = pytest.mark.usefixtures("no_leftovers")


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, len(BIG)])
def test_sizes(behind: S3Driver, size: int) -> None:
    """At the threshold, above it, with and without a rest: all of it, and in few requests."""
    behind.put("/a", BIG[:size])
    before = dict(behind.requests())
    behind.move("/a", "/b/c")
    assert behind.get("/b/c", len(BIG)) == BIG[:size]
    with pytest.raises(PathNotFoundError):
        behind.stat("/a")
    parts = -(-size // (5 * MIB)) if size > 5 * MIB else 0
    assert behind.requests().get("UploadPartCopy", 0) == parts
    assert behind.requests().get("CopyObject", 0) == (0 if parts else 1)
    assert behind.requests()["PutObject"] == before["PutObject"]


@pytest.mark.parametrize("size", [9, len(BIG)])
class TestBothWays:
    """Of small objects and of large ones."""

    def test_replaces(self, behind: S3Driver, size: int) -> None:
        behind.put("/a", BIG[:size])
        behind.put("/b", b"old")
        behind.move("/a", "/b")
        assert behind.get("/b", len(BIG)) == BIG[:size]

    def test_to_itself(self, behind: S3Driver, size: int) -> None:
        behind.put("/a", BIG[:size])
        behind.move("/a", "/a")
        assert behind.get("/a", len(BIG)) == BIG[:size]

    def test_keeps_what_new_objects_have(
        self, behind: S3Driver, s3_parameters: dict[str, object], size: int
    ) -> None:
        """A copy is a new object: class and type are as configured."""
        behind.put("/a", BIG[:size])
        members = {
            **s3_parameters,
            "storageclass": "STANDARD_IA",
            "multipartcopythresholdsize": 5 * MIB,
        }
        driver = open_s3(members, 4)
        driver.move("/a", "/b")
        head = driver.store.call("head_object", "/b", Key=driver.store.keys.key("/b"))
        assert head["StorageClass"] == "STANDARD_IA"
        assert head["ContentType"] == "application/octet-stream"

    def test_changed_meanwhile(self, behind: S3Driver, s3_proxy: FaultProxy, size: int) -> None:
        """The server is asked to copy what was looked at; if that is gone nothing is moved."""
        behind.put("/a", BIG[:size])
        s3_proxy.inject(s3_error(412, "PreconditionFailed"), method="PUT", times=None)
        with pytest.raises(ContentChangedError, match="/a"):
            behind.move("/a", "/b")
        assert [entry.path for entry in behind.walk("/")] == ["/a"]

    def test_error_inside_200(
        self,
        behind: S3Driver,
        s3_proxy: FaultProxy,
        s3_server: S3Endpoint,
        s3_prefix: str,
        monkeypatch: pytest.MonkeyPatch,
        size: int,
    ) -> None:
        """A copy that fails after its 200 is tried again, and is an error in the end."""
        behind.put("/a", BIG[:size])
        s3_proxy.inject(ERROR_200, method="PUT")
        behind.move("/a", "/b")
        assert behind.get("/b", len(BIG)) == BIG[:size]
        monkeypatch.setattr(client, "ATTEMPTS", 2)
        driver = open_s3({**s3_server.behind(s3_proxy.url).parameters(s3_prefix)}, 4)
        s3_proxy.inject(ERROR_200, method="PUT", times=None)
        with pytest.raises(UnavailableError):
            driver.move("/b", "/c")
        assert [entry.path for entry in driver.walk("/")] == ["/b"]

    def test_copy_is_denied(self, behind: S3Driver, s3_proxy: FaultProxy, size: int) -> None:
        behind.put("/a", BIG[:size])
        s3_proxy.inject(s3_error(403, "AccessDenied"), method="PUT", nth=1, times=None)
        with pytest.raises(DeniedError):
            behind.move("/a", "/b")
        assert [entry.path for entry in behind.walk("/")] == ["/a"]

    def test_delete_is_denied(self, behind: S3Driver, s3_proxy: FaultProxy, size: int) -> None:
        """Both are there then, whole."""
        behind.put("/a", BIG[:size])
        s3_proxy.inject(s3_error(403, "AccessDenied"), method="DELETE")
        with pytest.raises(DeniedError):
            behind.move("/a", "/b")
        assert behind.get("/a", len(BIG)) == behind.get("/b", len(BIG)) == BIG[:size]

    def test_copy_of_another_size(
        self, behind: S3Driver, s3_proxy: FaultProxy, s3_prefix: str, size: int
    ) -> None:
        """Whatever the server says, the source stays until the copy has been looked at."""
        behind.put("/a", BIG[:size])
        headers = {"ETag": '"x"', "Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"}
        s3_proxy.inject(Answer(200, "x", headers=headers), method="HEAD", path="/b$")
        with pytest.raises(DamagedError, match="/b has 1 bytes"):
            behind.move("/a", "/b")
        assert behind.get("/a", len(BIG)) == BIG[:size]

    def test_copy_that_is_not_there(
        self, behind: S3Driver, s3_proxy: FaultProxy, size: int
    ) -> None:
        """That is no absence of the source."""
        behind.put("/a", BIG[:size])
        s3_proxy.inject(s3_error(404, "NoSuchKey"), method="HEAD", path="/b$")
        with pytest.raises(DamagedError, match="/b is not there"):
            behind.move("/a", "/b")
        assert behind.get("/a", len(BIG)) == BIG[:size]


class TestParts:
    def test_lost_answer(self, behind: S3Driver, s3_proxy: FaultProxy) -> None:
        """Completed, and repeated by the SDK because nobody heard: there is no upload any more."""
        behind.put("/a", BIG)
        s3_proxy.inject(LoseAnswer(), method="POST", query="uploadId")
        behind.move("/a", "/b")
        assert behind.get("/b", len(BIG)) == BIG
        assert [entry.path for entry in behind.walk("/")] == ["/b"]

    def test_upload_is_aborted_by_others(self, behind: S3Driver, s3_proxy: FaultProxy) -> None:
        """The same answer, and nothing was completed: the old target is not taken for the copy."""
        behind.put("/a", BIG)
        behind.put("/b", BIG)
        s3_proxy.inject(s3_error(404, "NoSuchUpload"), method="POST", query="uploadId", times=None)
        with pytest.raises(Exception, match="completed or aborted"):
            behind.move("/a", "/b")
        assert behind.get("/a", len(BIG)) == BIG

    def test_one_part_fails(self, behind: S3Driver, s3_proxy: FaultProxy) -> None:
        """Nothing comes of the others."""
        behind.put("/a", BIG)
        s3_proxy.inject(s3_error(400, "InvalidArgument"), method="PUT", query="partNumber=2")
        with pytest.raises(Exception, match="InvalidArgument"):
            behind.move("/a", "/b")
        assert [entry.path for entry in behind.walk("/")] == ["/a"]

    def test_truncated_answer(self, behind: S3Driver, s3_proxy: FaultProxy) -> None:
        """Half an answer to a copied part is none."""
        behind.put("/a", BIG)
        s3_proxy.inject(Truncate(60), method="PUT", query="partNumber=1")
        behind.move("/a", "/b")
        assert behind.get("/b", len(BIG)) == BIG


@given(
    size=st.integers(1, 5 << 40),
    least=st.integers(5 * MIB, MAX_PART_BYTES),
)
def test_part_bytes(size: int, least: int) -> None:
    """Up to the largest object there is: never too many parts, none too small or too large."""
    step = part_bytes(size, least)
    assert least <= step <= MAX_PART_BYTES
    assert -(-size // step) <= MOST_PARTS
