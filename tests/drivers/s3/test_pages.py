"""Pages of listings: what servers write, and what must not be taken for a listing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from regctl.drivers.s3.client import Store, open_store
from regctl.drivers.s3.errors import NotS3Error
from regctl.drivers.s3.pages import (
    Item,
    Upload,
    fetch,
    parse_objects,
    parse_parts,
    parse_uploads,
)
from regctl.errors import UnavailableError
from tests.drivers.s3 import listing_server
from tests.drivers.s3.listing_server import SECONDS, SPACE, TIME, ListingServer, listing
from tests.servers.s3 import S3Endpoint

OBJECT = (
    f"<Contents><Key>a%2Fb+c%2B</Key><LastModified>{TIME}</LastModified><Size>7</Size></Contents>"
)


@pytest.fixture(scope="module")
def running() -> Iterator[ListingServer]:
    with listing_server.serve() as server:
        yield server


@pytest.fixture
def server(running: ListingServer) -> ListingServer:
    running.holds(["a"])
    return running


@pytest.fixture
def asking(server: ListingServer) -> Store:
    return open_store(server.endpoint.parameters(), 2)


def _fetch(store: Store) -> bytes:
    return fetch(store.call, "list_objects_v2", "/", EncodingType="url")


def test_objects() -> None:
    page = parse_objects(listing(OBJECT, "next"))
    assert page.items == [Item("a/b c+", 7, SECONDS)]
    assert (page.prefixes, page.token) == ([], "next")


def test_without_times() -> None:
    assert parse_objects(listing(OBJECT), stat=False).items == [Item("a/b c+", 7, 0.0)]


def test_prefixes_and_the_end() -> None:
    page = parse_objects(listing("<CommonPrefixes><Prefix>a%20b/</Prefix></CommonPrefixes>"))
    assert (page.items, page.prefixes, page.token) == ([], ["a b/"], None)


def test_a_server_that_does_not_encode() -> None:
    """It does not say that it did, and its keys are what they are."""
    body = listing(OBJECT).replace(b"<EncodingType>url</EncodingType>", b"")
    assert parse_objects(body).items[0].key == "a%2Fb+c%2B"


def test_without_a_namespace() -> None:
    body = listing(OBJECT).replace(f" {SPACE}".encode(), b"")
    assert parse_objects(body).items == [Item("a/b c+", 7, SECONDS)]


def test_bytes_that_are_no_utf8() -> None:
    """They stay what they are, as in names of files."""
    body = listing(OBJECT.replace("a%2Fb", "a%FF"))
    assert parse_objects(body).items[0].key == "a\udcff c+"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-01-02T03:04:05Z", SECONDS),
        ("2024-01-02T03:04:05.999Z", SECONDS),
        ("2024-01-02T03:04:05.999999999Z", SECONDS),
        ("2024-01-02T04:04:05+01:00", SECONDS),
        ("2024-01-02T03:04:05", SECONDS),
        ("1970-01-01T00:00:00Z", 0.0),
    ],
)
def test_times(text: str, seconds: float) -> None:
    """Whole seconds, as a HEAD tells them: one object has one time."""
    assert parse_objects(listing(OBJECT.replace(TIME, text))).items[0].modified == seconds


@pytest.mark.parametrize(
    "body",
    [
        listing("").replace(b"<IsTruncated>false</IsTruncated>", b""),
        listing("").replace(b"false", b"perhaps"),
        listing("").replace(b"false", b"true"),
        listing(OBJECT.replace("<Size>7</Size>", "")),
        listing(OBJECT.replace("7", "many")),
        listing(OBJECT.replace(TIME, "yesterday")),
        listing(OBJECT.replace("<Key>a%2Fb+c%2B</Key>", "")),
        listing("<Contents>"),
        b"",
    ],
)
def test_what_contradicts_itself(body: bytes) -> None:
    """A listing that may not be whole is an error, never a shorter one."""
    with pytest.raises(NotS3Error):
        parse_objects(body)


def _uploads(inside: str) -> bytes:
    return f"<ListMultipartUploadsResult {SPACE}>{inside}</ListMultipartUploadsResult>".encode()


def test_uploads() -> None:
    upload = (
        "<Upload><Key>a%20b</Key><UploadId>1</UploadId>"
        f"<Owner><ID>x</ID></Owner><Initiated>{TIME}</Initiated></Upload>"
    )
    encoded = "<EncodingType>url</EncodingType>"
    page = parse_uploads(_uploads(f"{encoded}<IsTruncated>false</IsTruncated>{upload}"))
    assert (page.uploads, page.marker) == ([Upload("a b", "1", SECONDS)], None)
    more = (
        "<NextKeyMarker>a%20b</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>"
        "<IsTruncated>true</IsTruncated>"
    )
    assert parse_uploads(_uploads(f"{encoded}{more}{upload}")).marker == {
        "KeyMarker": "a b",
        "UploadIdMarker": "1",
    }
    with pytest.raises(NotS3Error):
        parse_uploads(_uploads(f"<IsTruncated>true</IsTruncated>{upload}"))
    with pytest.raises(NotS3Error):
        parse_uploads(_uploads(f"<IsTruncated>false</IsTruncated>{upload.replace('1', '')}"))


def test_parts() -> None:
    def parts(inside: str) -> bytes:
        return f"<ListPartsResult {SPACE}>{inside}</ListPartsResult>".encode()

    two = "".join(
        f"<Part><PartNumber>{number}</PartNumber><LastModified>2024-01-02T03:04:0{number}Z"
        f"</LastModified><Size>{number * 10}</Size></Part>"
        for number in (1, 2)
    )
    page = parse_parts(parts(f"<IsTruncated>false</IsTruncated>{two}"))
    assert (page.sizes, page.modified, page.marker) == ({1: 10, 2: 20}, SECONDS - 3, None)
    replaced = two.replace("<PartNumber>2", "<PartNumber>1")
    page = parse_parts(parts(f"<IsTruncated>false</IsTruncated>{replaced}"))
    assert page.sizes == {1: 20}
    page = parse_parts(parts("<IsTruncated>false</IsTruncated>"))
    assert (page.sizes, page.modified, page.marker) == ({}, 0.0, None)
    goes_on = "<IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>"
    assert parse_parts(parts(goes_on + two)).marker == 2
    with pytest.raises(NotS3Error):
        parse_parts(parts("<IsTruncated>true</IsTruncated>"))


def test_botocore_does_not_parse_it(asking: Store) -> None:
    """Its own hook, which looks for errors in the whole body, and so its parser get none."""
    bodies: list[bytes] = []

    def look(response_dict: dict[str, bytes], **_: object) -> None:
        bodies.append(response_dict["body"])

    # Where botocore's own hook is.
    asking.client.meta.events.register_first("before-parse.s3.*", look)
    assert parse_objects(_fetch(asking)).items == [Item("a", 3, SECONDS)]
    assert bodies == [b""]
    assert asking.requests() == {"ListObjectsV2": 1}


def test_others_are_not_disturbed(asking: Store) -> None:
    """Who asks botocore itself for a listing gets one, before and after."""
    for _ in range(2):
        answer = asking.call("list_objects_v2", "/")
        assert [each["Key"] for each in answer["Contents"]] == ["a"]
        _fetch(asking)


@pytest.mark.parametrize(
    "body",
    [
        b"<html><body>Welcome</body></html>",
        b'<?xml version="1.0"?><ListAllMyBucketsResult></ListAllMyBucketsResult>',
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>' + listing(OBJECT)[39:],
        b"{}",
        b"",
    ],
)
def test_what_is_no_listing(server: ListingServer, asking: Store, body: bytes) -> None:
    """Nor are a document type's entities ever expanded here."""
    server.spoil = lambda query, number: body
    with pytest.raises((NotS3Error, UnavailableError)):
        _fetch(asking)


def test_half_an_answer_is_asked_for_again(server: ListingServer, asking: Store) -> None:
    """A body that ends too early, with a length that fits it, as some proxies cut them."""
    server.spoil = lambda query, number: listing(OBJECT)[:-9] if number == 1 else None
    assert parse_objects(_fetch(asking)).items == [Item("a", 3, SECONDS)]
    assert server.requests == 2


def test_an_error_with_status_200_is_asked_for_again(server: ListingServer, asking: Store) -> None:
    error = b'<?xml version="1.0"?><Error><Code>InternalError</Code></Error>'
    server.spoil = lambda query, number: error if number == 1 else None
    assert parse_objects(_fetch(asking)).items == [Item("a", 3, SECONDS)]
    assert server.requests == 2


def test_a_real_server(s3_server: S3Endpoint, s3_prefix: str, store: Store) -> None:
    """SeaweedFS's pages are what botocore makes of them."""
    for name in ("x", "y z", "ü+%", "d/e"):
        s3_server.put(f"{s3_prefix}/{name}", b"123")
    given = {"Prefix": f"{s3_prefix}/", "Delimiter": "/"}
    plain = store.call("list_objects_v2", "/", **given)
    page = parse_objects(fetch(store.call, "list_objects_v2", "/", EncodingType="url", **given))
    assert page.items == [
        Item(each["Key"], each["Size"], float(int(each["LastModified"].timestamp())))
        for each in plain["Contents"]
    ]
    assert page.prefixes == [each["Prefix"] for each in plain["CommonPrefixes"]]
