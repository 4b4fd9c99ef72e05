"""Pages of listings: their XML, taken before botocore parses it, as plain values.

botocore parses a page of 1,000 keys in Python, in ten times the time that ElementTree needs for
it, and under the interpreter's lock, so that pages cannot be read faster than that however many
are in flight. A hook at its event ``before-parse`` takes the body away from it; all else that
botocore does (signatures, retries, errors) stays.

XML comes from the configured server, and cannot declare entities here: a body is taken only if it
begins with the listing's own element, so that no document type comes before it. Other bodies are
left to botocore, which tells an error that came with status 200, or half an answer, and retries.

Source: ListObjectsV2, ListMultipartUploads and ListParts in the Amazon S3 API reference.
"""

from __future__ import annotations

import functools
import itertools
import re
import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree as Xml

from regctl.drivers.s3.errors import not_s3

#: The most keys of one page.
PAGE_KEYS = 1000

#: Operations that are taken: botocore's name, and the element that their answer is.
_TAKEN = {
    "ListObjectsV2": "ListBucketResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListParts": "ListPartsResult",
}
_BODY = "regctl.body"
_HOOK = "regctl-take-body"
#: A byte order mark and a declaration may come before the first element, and nothing else.
_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^<>]*\?>)?\s*<([A-Za-z]+)[\s/>]")
#: ``taking`` is set in a thread whose request is one of `fetch`: others of the same operation
#: are parsed by botocore as ever.
_thread = threading.local()
_USUAL_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d):(\d\d)(?:\.\d+)?Z", re.ASCII)


class Item(NamedTuple):
    """One object: its key, its bytes, and when it was written, in whole seconds since the epoch.

    HEAD tells whole seconds; some servers tell more in a listing. One object has one time.
    """

    key: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """A page of ListObjectsV2. ``prefixes`` are those that a delimiter made, as keys. ``token``
    leads to the next page; None is the end of the listing."""

    items: list[Item]
    prefixes: list[str]
    token: str | None


class Upload(NamedTuple):
    """A multipart upload in progress, begun at ``initiated`` (seconds since the epoch)."""

    key: str
    upload_id: str
    initiated: float


@dataclass(frozen=True, slots=True)
class UploadPage:
    """A page of ListMultipartUploads, in the server's order. ``marker`` has the arguments that
    lead to the next page; None is the end.

    A server that does not sort by key may give no key to go on from, and must be given none.
    """

    uploads: list[Upload]
    marker: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class PartPage:
    """A page of ListParts: the bytes of its parts by their numbers, and the time of the newest, 0
    if there is none. ``marker`` leads to the next page; None is the end.

    Some servers list a part beside the one that replaced it: the longer one counts, as in
    `regctl.drivers.s3.parts.counted`."""

    sizes: dict[int, int]
    modified: float
    marker: int | None


def install(client: Any) -> None:
    """Have ``client``, a boto3 client of S3, give the bodies that `fetch` asks for. Idempotent.

    To be called before the client's first request: botocore's events are not made to be changed
    while other threads use them.
    """
    for operation in _TAKEN:
        # Under the name of any service a hook comes before botocore's own for S3, which parses
        # the whole body once more to look for an error. Called later it would do as well, slower.
        client.meta.events.register_first(
            f"before-parse.*.{operation}", _take, unique_id=f"{_HOOK}-{operation}"
        )


def fetch(call: Callable[..., Mapping[str, Any]], operation: str, path: str, **given: Any) -> bytes:
    """The body of the answer to one request of ``operation`` by ``call`` (`Store.call`).

    Raises the errors of ``call``, and `NotS3Error` if the answer is something else.
    """
    _thread.taking = True
    try:
        answer = call(operation, path, **given)
    finally:
        _thread.taking = False
    body = answer.get(_BODY)
    if not isinstance(body, bytes):
        raise not_s3("its answer to a listing is none")
    return body


def _take(
    operation_model: Any,
    response_dict: MutableMapping[str, Any],
    customized_response_dict: MutableMapping[str, Any],
    **_: object,
) -> None:
    """Move the body from where botocore looks for it to where `fetch` does."""
    body = response_dict["body"]
    if not getattr(_thread, "taking", False) or response_dict["status_code"] != 200 or not body:
        return
    element = _TAKEN[operation_model.name].encode()
    found = _BEGINNING.match(body)
    # Some servers name it after the operation's answer (moto: ListPartsResponse).
    names = (element, element.removesuffix(b"Result") + b"Response")
    if found and found[1] in names and body.rstrip().endswith(b"</" + found[1] + b">"):
        customized_response_dict[_BODY] = body
        response_dict["body"] = b""


def parse_objects(body: bytes, *, stat: bool = True) -> ObjectPage:
    """The page that ``body`` is; without ``stat`` its times are left out, as 0.

    Raises `NotS3Error` if it is no such page, or not consistent.
    """
    root, space = _root(body)
    decode = _decoder(root, space)
    # Looking for one name at a time is done in C, entry by entry in Python: three times as long.
    keys = [decode(each.text or "") for each in root.iter(space + "Key")]
    sizes = [_number(each.text or "") for each in root.iter(space + "Size")]
    texts = [each.text or "" for each in root.iter(space + "LastModified")]
    objects = sum(1 for _ in root.iter(space + "Contents"))
    if not len(keys) == len(sizes) == len(texts) == objects:
        raise not_s3("its listing has objects without key, size or time")
    times = map(_time, texts) if stat else itertools.repeat(0.0, objects)
    items = list(map(Item, keys, sizes, times))
    prefixes = [
        decode(each.text or "") for each in root.iterfind(f"{space}CommonPrefixes/{space}Prefix")
    ]
    if not _is_truncated(root, space):
        return ObjectPage(items, prefixes, None)
    token = root.findtext(space + "NextContinuationToken")
    if not token:
        raise not_s3("its listing goes on and does not say where")
    return ObjectPage(items, prefixes, token)


def parse_uploads(body: bytes) -> UploadPage:
    """The page that ``body`` is. Raises `NotS3Error` if it is none, or not consistent."""
    root, space = _root(body)
    decode = _decoder(root, space)
    uploads = [
        Upload(
            decode(each.findtext(space + "Key") or ""),
            each.findtext(space + "UploadId") or "",
            _time(each.findtext(space + "Initiated") or ""),
        )
        for each in root.iterfind(space + "Upload")
    ]
    if not all(each.key and each.upload_id for each in uploads):
        raise not_s3("its listing has multipart uploads without key or id")
    if not _is_truncated(root, space):
        return UploadPage(uploads, None)
    marker = {
        "KeyMarker": decode(root.findtext(space + "NextKeyMarker") or ""),
        "UploadIdMarker": root.findtext(space + "NextUploadIdMarker") or "",
    }
    if not any(marker.values()):
        raise not_s3("its listing goes on and does not say where")
    return UploadPage(uploads, {name: text for name, text in marker.items() if text})


def parse_parts(body: bytes) -> PartPage:
    """The page that ``body`` is. Raises `NotS3Error` if it is none, or not consistent."""
    root, space = _root(body)
    parts = root.findall(space + "Part")
    sizes: dict[int, int] = {}
    for each in parts:
        number = _number(each.findtext(space + "PartNumber") or "")
        size = _number(each.findtext(space + "Size") or "")
        sizes[number] = max(size, sizes.get(number, 0))
    times = [_time(each.findtext(space + "LastModified") or "") for each in parts]
    if not _is_truncated(root, space):
        return PartPage(sizes, max(times, default=0.0), None)
    marker = _number(root.findtext(space + "NextPartNumberMarker") or "")
    return PartPage(sizes, max(times, default=0.0), marker)


def _root(body: bytes) -> tuple[Xml.Element, str]:
    """The outermost element of ``body``, and the namespace that the names in it begin with."""
    try:
        root = Xml.fromstring(body)  # noqa: S314 - without a document type: see the module
    except Xml.ParseError as error:
        raise not_s3("its answer to a listing is not XML") from error
    space, _, _ = root.tag.rpartition("}")
    return root, f"{space}}}" if space else ""


def _decoder(root: Xml.Element, space: str) -> Callable[[str], str]:
    """What makes a key of its text: servers need not encode, and say if they did.

    Bytes that are no UTF-8 become surrogates, as in the names of files (PEP 383).
    """
    if root.findtext(space + "EncodingType") != "url":
        return str
    return _decoded


def _decoded(text: str) -> str:
    if "%" in text or "+" in text:
        return unquote_plus(text, errors="surrogateescape")
    return text


def _is_truncated(root: Xml.Element, space: str) -> bool:
    """Whether more pages follow. A listing that does not say is not taken for a complete one."""
    text = (root.findtext(space + "IsTruncated") or "").strip().lower()
    if text not in {"true", "false"}:
        raise not_s3("its listing does not say whether it is complete")
    return text == "true"


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise not_s3(f"its listing has {text[:40]!r} for a number") from error


def _time(text: str) -> float:
    """Whole seconds since the epoch of ``2006-02-03T16:45:09.000Z``."""
    usual = _USUAL_TIME.fullmatch(text)
    return _minute(usual[1]) + int(usual[2]) if usual else _parse_time(text)


@functools.lru_cache(maxsize=4096)
def _minute(text: str) -> float:
    """The beginning of a minute: parsing each time costs as much as all else about an object."""
    return _parse_time(text + "Z")


def _parse_time(text: str) -> float:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise not_s3(f"its listing has {text[:40]!r} for a time") from error
    return float(int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()))
