"""Bulk deletes: lazily, in groups, and no entry of an answer is overlooked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from regctl.drivers.s3 import client, deleting
from regctl.drivers.s3.driver import S3Driver, open_s3
from regctl.errors import (
    DeniedError,
    PathNotFoundError,
    RegctlError,
    StorageError,
    UnavailableError,
)
from tests.servers.faults import Answer, FaultProxy, s3_error
from tests.servers.s3 import S3Endpoint


@pytest.fixture
def behind(
    s3_server: S3Endpoint,
    s3_proxy: FaultProxy,
    s3_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> S3Driver:
    monkeypatch.setattr(client, "ATTEMPTS", 2)
    return open_s3(s3_server.behind(s3_proxy.url).parameters(s3_prefix), 4)


def result(*entries: str) -> Answer:
    """The answer to a bulk delete with these entries."""
    body = f"<DeleteResult>{''.join(entries)}</DeleteResult>"
    return Answer(200, body, "application/xml")


def deleted(key: str) -> str:
    return f"<Deleted><Key>{key}</Key></Deleted>"


def failed(key: str, code: str) -> str:
    return f"<Error><Key>{key}</Key><Code>{code}</Code><Message>no</Message></Error>"


def test_groups(driver: S3Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every path once, whatever the groups; in as few requests as there are groups."""
    monkeypatch.setattr(deleting, "GROUP", 7)
    paths = [f"/a/{number}" for number in range(50)]
    for path in paths:
        driver.put(path, b"")
    wanted = [*paths, *(f"/none/{number}" for number in range(20))]
    results = list(driver.delete_many(wanted))
    assert sorted(results) == sorted((path, None) for path in wanted)
    assert list(driver.walk("/")) == []
    assert driver.requests()["DeleteObjects"] == 10


def test_twice_the_same(driver: S3Driver) -> None:
    driver.put("/a", b"")
    assert list(driver.delete_many(["/a", "/a"])) == [("/a", None), ("/a", None)]


def test_lazy(driver: S3Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are taken as the results are: not all of them before the first is deleted."""
    monkeypatch.setattr(deleting, "GROUP", 2)
    taken: list[int] = []

    def paths() -> Iterator[str]:
        for number in range(1000):
            taken.append(number)
            yield f"/a/{number}"

    results = driver.delete_many(paths())
    assert taken == []
    next(results)
    assert len(taken) < 20
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 20


def test_error_of_the_caller(driver: S3Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the source of the paths raises comes out."""
    monkeypatch.setattr(deleting, "GROUP", 2)

    def paths() -> Iterator[str]:
        yield from ("/a", "/b", "/c")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(driver.delete_many(paths()))


class TestAnswers:
    def results(
        self, behind: S3Driver, s3_proxy: FaultProxy, answer: Answer, times: int | None = 1
    ) -> dict[str, RegctlError | None]:
        s3_proxy.inject(answer, method="POST", times=times)
        return dict(behind.delete_many(["/a", "/b", "/c"]))

    def test_entries(self, behind: S3Driver, s3_proxy: FaultProxy, s3_prefix: str) -> None:
        """Each of them counts, inside the 200 of the whole."""
        answer = result(
            deleted(f"{s3_prefix}/a"),
            failed(f"{s3_prefix}/b", "AccessDenied"),
            failed(f"{s3_prefix}/c", "SlowDown"),
        )
        results = self.results(behind, s3_proxy, answer)
        assert results["/a"] is None
        assert type(results["/b"]) is DeniedError
        assert type(results["/c"]) is UnavailableError
        assert "/b" in str(results["/b"])

    def test_absent(self, behind: S3Driver, s3_proxy: FaultProxy, s3_prefix: str) -> None:
        """Some servers say of what is absent that it is; that is no error."""
        answer = result(*(failed(f"{s3_prefix}/{name}", "NoSuchKey") for name in "abc"))
        assert set(self.results(behind, s3_proxy, answer).values()) == {None}

    def test_left_out(self, behind: S3Driver, s3_proxy: FaultProxy, s3_prefix: str) -> None:
        """What the answer does not tell of is not taken for deleted."""
        answer = result(deleted(f"{s3_prefix}/a"), deleted(f"{s3_prefix}/c"))
        results = self.results(behind, s3_proxy, answer)
        assert (results["/a"], results["/c"]) == (None, None)
        assert type(results["/b"]) is UnavailableError

    def test_unknown_key(self, behind: S3Driver, s3_proxy: FaultProxy, s3_prefix: str) -> None:
        """An error about a key that nobody asked for may be about any that is not confirmed."""
        answer = result(
            deleted(f"{s3_prefix}/a"), deleted("x"), failed("something else", "AccessDenied")
        )
        results = self.results(behind, s3_proxy, answer)
        assert results["/a"] is None
        assert type(results["/b"]) is type(results["/c"]) is DeniedError

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (s3_error(403, "AccessDenied"), DeniedError),
            (s3_error(503, "SlowDown"), UnavailableError),
            (result(), StorageError),
            (Answer(200, ""), StorageError),
            (Answer(200, "<html></html>"), StorageError),
        ],
    )
    def test_whole_request(
        self, behind: S3Driver, s3_proxy: FaultProxy, answer: Answer, kind: type[RegctlError]
    ) -> None:
        """What the request fails for, each of its paths fails for."""
        results = self.results(behind, s3_proxy, answer, times=None)
        assert len(results) == 3
        assert all(isinstance(error, kind) for error in results.values())

    def test_not_implemented(self, behind: S3Driver, s3_proxy: FaultProxy) -> None:
        """Where there are no bulk deletes it takes longer, and goes."""
        for path in ("/a", "/b", "/d"):
            behind.put(path, b"")
        results = self.results(behind, s3_proxy, s3_error(501, "NotImplemented"), times=None)
        assert results == {"/a": None, "/b": None, "/c": None}
        assert [entry.path for entry in behind.walk("/")] == ["/d"]


def test_content_md5(driver: S3Driver) -> None:
    """Some servers want it; none minds."""
    seen: list[str | None] = []

    def watch(request: object, **_: object) -> None:
        headers = getattr(request, "headers", {})
        seen.append(headers.get("Content-MD5"))

    driver.store.client.meta.events.register("before-send.s3.DeleteObjects", watch)
    assert list(driver.delete_many(["/a"])) == [("/a", None)]
    assert len(seen) == 1
    assert seen[0]


def test_one(driver: S3Driver) -> None:
    """A single delete tells what was there and what was not."""
    driver.put("/a/b", b"x")
    with pytest.raises(PathNotFoundError):
        driver.delete("/a")
    driver.delete("/a/b")
    with pytest.raises(PathNotFoundError):
        driver.delete("/a/b")
