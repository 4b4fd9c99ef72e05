"""Multipart uploads, request by request, on SeaweedFS and behind a proxy that spoils them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from regctl.drivers.s3.client import Store, open_store
from regctl.drivers.s3.errors import PreconditionFailedError
from regctl.drivers.s3.multipart import (
    MultipartUpload,
    StoredObject,
    find_object,
    find_uploads,
    put_object,
    remove_object,
)
from regctl.drivers.s3.parts import LEAST_PART, completed_etag, counted, size_of
from regctl.errors import PathNotFoundError, UnavailableError, UploadInUseError
from tests.drivers.s3.writers import MB, PATH, content
from tests.servers.faults import Drop, FaultProxy, LoseAnswer, s3_error
from tests.servers.s3 import S3Endpoint


@pytest.fixture
def spoiled(s3_server: S3Endpoint, s3_prefix: str, s3_proxy: FaultProxy) -> Store:
    """The bucket's part that is this test's alone, by way of `s3_proxy`."""
    return open_store(s3_server.behind(s3_proxy.url).parameters(s3_prefix), 4)


def test_found_by_the_whole_key(store: Store) -> None:
    """Keys that only begin like ours are not ours; of ours all are found."""
    mine = {MultipartUpload.start(store, PATH).id for _ in range(3)}
    other = MultipartUpload.start(store, PATH + "2")
    assert {upload.id for upload in find_uploads(store, PATH)} == mine
    for upload in find_uploads(store, PATH):
        upload.abort()
        upload.abort()
    assert not find_uploads(store, PATH)
    other.abort()


def test_parts_of_many_pages(store: Store) -> None:
    """More than 1,000 parts are listed in several answers; so are more than two, if one asks."""

    def ask(params: dict[str, Any], **_: object) -> None:
        params["MaxParts"] = 2

    store.client.meta.events.register("before-parameter-build.s3.ListParts", ask)
    upload = MultipartUpload.start(store, PATH)
    for number in range(1, 6):
        upload.put(number, b"x")
    assert sorted(part.number for part in upload.parts()) == [1, 2, 3, 4, 5]
    assert store.requests()["ListParts"] == 3
    upload.abort()


def test_part_sent_again(store: Store) -> None:
    """A part that took another's place is the one that counts, and the one that is completed."""
    upload = MultipartUpload.start(store, PATH)
    first = upload.put(1, content(LEAST_PART))
    upload.put(2, b"short")
    second = upload.put(2, b"short and more")
    assert counted(upload.parts()) == [first, second]
    done = upload.complete([first, second])
    assert done == find_object(store, PATH)
    assert done.etag == completed_etag([first, second])
    assert done.size == size_of([first, second])


def test_copies_only_what_was_seen(store: Store) -> None:
    """An object that is another by now is not copied."""
    put_object(store, PATH, content(6 * MB))
    seen = find_object(store, PATH)
    assert seen is not None
    upload = MultipartUpload.start(store, PATH)
    assert upload.copy(1, PATH, seen, 0, 6 * MB).size == 6 * MB
    put_object(store, PATH, b"another")
    with pytest.raises(PreconditionFailedError, match=PATH):
        upload.copy(1, PATH, seen, 0, 6 * MB)
    remove_object(store, PATH)
    remove_object(store, PATH)
    with pytest.raises(PathNotFoundError, match=PATH):
        upload.copy(1, PATH, StoredObject(6 * MB, "00"), 0, 6 * MB)
    upload.abort()


def test_gone(store: Store) -> None:
    """An upload that somebody aborted is named, in every request that needs it."""
    upload = MultipartUpload.start(store, PATH)
    part = upload.put(1, b"x")
    upload.abort()
    for attempt in (
        upload.parts,
        lambda: upload.put(2, b"y"),
        lambda: upload.complete([part]),
    ):
        with pytest.raises(UploadInUseError, match=PATH):
            attempt()


@pytest.mark.parametrize("later", [Drop(), s3_error(404, "NoSuchUpload")])
def test_answer_to_the_completion_is_lost(
    spoiled: Store, s3_proxy: FaultProxy, later: Drop
) -> None:
    """What was completed is seen to be, when the answer was lost and the repetition fails."""
    upload = MultipartUpload.start(spoiled, PATH)
    parts = [upload.put(1, content(LEAST_PART)), upload.put(2, b"end")]
    s3_proxy.inject(LoseAnswer(), method="POST", query="uploadId=", times=1)
    s3_proxy.inject(later, method="POST", query="uploadId=", times=None)
    assert upload.complete(parts) == find_object(spoiled, PATH)


def test_what_was_there_before_is_not_taken_for_it(store: Store) -> None:
    """Of the same size and as many parts, where checksums tell nothing, as under KMS."""
    before = MultipartUpload.start(store, PATH)
    before.complete([before.put(1, content(LEAST_PART)), before.put(2, b"old")])
    upload = MultipartUpload.start(store, PATH)
    parts = [upload.put(1, content(LEAST_PART)), upload.put(2, b"new")]
    upload.abort()
    with pytest.raises(UploadInUseError, match="completed or aborted"):
        upload.complete([replace(part, etag="not an md5") for part in parts])


def test_not_completed(spoiled: Store, s3_proxy: FaultProxy) -> None:
    """An error in an answer of status 200 is an error, also where another object is there."""
    put_object(spoiled, PATH, b"x" * (LEAST_PART + 3))
    upload = MultipartUpload.start(spoiled, PATH)
    parts = [upload.put(1, content(LEAST_PART)), upload.put(2, b"end")]
    s3_proxy.inject(s3_error(200, "InternalError"), method="POST", query="uploadId=", times=None)
    with pytest.raises(UnavailableError, match=PATH):
        upload.complete(parts)
    assert s3_proxy.count(method="POST", query="uploadId=") <= 5
    s3_proxy.clear()
    assert upload.complete(parts).size == LEAST_PART + 3
