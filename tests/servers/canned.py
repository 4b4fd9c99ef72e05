"""A server that lists a bucket from answers made in advance, so that the client is measured.

It knows ListObjectsV2 (prefix, delimiter, start-after, continuation-token, max-keys) in S3's own
order, GetObject and HeadObject of its keys, HeadBucket and an empty ListMultipartUploads. It
checks no signature, takes no writes, and ignores ranges; everything else is 501.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Self, cast
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape

from tests.servers import http1
from tests.servers.child import Child, obey
from tests.servers.s3 import Credentials, S3Endpoint

BUCKET = "canned"
#: The most entries of one page.
PAGE = 1000
MODIFIED = "2024-01-02T03:04:05.000Z"
#: What every object holds: as long as a link.
CONTENT = f"sha256:{hashlib.sha256(b'').hexdigest()}".encode()
_ETAG = hashlib.md5(CONTENT).hexdigest()
_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class CannedServer:
    """A server of one bucket that holds ``keys``; use it in a ``with`` block, or `stop` it.

    ``delay``, in seconds, is added to every request.
    """

    def __init__(self, keys: Iterable[str], *, delay: float = 0.0) -> None:
        with tempfile.TemporaryDirectory(prefix="regctl-canned-") as directory:
            file = Path(directory, "keys")
            file.write_bytes(b"".join(key.encode() + b"\0" for key in keys))
            self._child = Child("tests.servers.canned", str(file), str(delay))

    @property
    def endpoint(self) -> S3Endpoint:
        """Where it is; anybody may enter."""
        anybody = Credentials("AKIAREGCTLCANNEDTEST", "secret")
        return S3Endpoint(self._child.url, BUCKET, anybody, anybody)

    @property
    def pid(self) -> int:
        """The process id, also after it ended."""
        return self._child.pid

    def count(self) -> int:
        """How many requests there were."""
        return cast("int", self._child.ask("count"))

    def stop(self) -> None:
        """End the server. Idempotent."""
        self._child.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def blob_keys(count: int, root: str = "") -> list[str]:
    """``count`` keys like those of blobs, below ``root`` (no slash at its ends), sorted."""
    above = f"{root}/" * bool(root) + "docker/registry/v2/blobs/sha256"
    digests = (hashlib.sha256(str(number).encode()).hexdigest() for number in range(count))
    return sorted(f"{above}/{digest[:2]}/{digest}/data" for digest in digests)


class Listing:
    """The keys, and the XML of all their entries in one piece."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self.keys = sorted(keys)
        # Of one page, the entries are one slice. As clients ask for encoding-type=url, and as
        # keys without odd characters look the same either way, there is one form of them.
        entries = [self._entry(key) for key in self.keys]
        self._starts = [0, *accumulate(map(len, entries))]
        self._entries = b"".join(entries)

    def page(self, query: dict[str, str]) -> bytes:
        """The XML of the page that is asked for; ``query`` is decoded."""
        prefix = query.get("prefix", "").encode()
        delimiter = query.get("delimiter", "").encode()
        most = min(int(query.get("max-keys", PAGE)), PAGE)
        first = max(self._first(query), bisect_left(self.keys, prefix))
        last = bisect_left(self.keys, _after(prefix)) if prefix else len(self.keys)
        if delimiter:
            body, count, until = self._rolled_up(first, last, most, prefix, delimiter)
        else:
            until = max(first, min(first + most, last))
            count = until - first
            body = self._entries[self._starts[first] : self._starts[until]]
        token = f"<NextContinuationToken>{until}</NextContinuationToken>" if until < last else ""
        head = (
            f"{_XML}<ListBucketResult {_NAMESPACE}><Name>{BUCKET}</Name>"
            f"<Prefix>{_name(prefix)}</Prefix><KeyCount>{count}</KeyCount>"
            f"<MaxKeys>{most}</MaxKeys><EncodingType>url</EncodingType>"
            f"<IsTruncated>{'true' if token else 'false'}</IsTruncated>{token}"
        )
        return head.encode() + body + b"</ListBucketResult>"

    def _first(self, query: dict[str, str]) -> int:
        if "continuation-token" in query:
            return int(query["continuation-token"])
        return bisect_right(self.keys, query.get("start-after", "").encode())

    def _rolled_up(
        self, at: int, last: int, most: int, prefix: bytes, delimiter: bytes
    ) -> tuple[bytes, int, int]:
        """Keys and common prefixes from ``at``: their XML, their number, and where to go on."""
        contents: list[bytes] = []
        common: list[bytes] = []
        while at < last and len(contents) + len(common) < most:
            key = self.keys[at]
            end = key.find(delimiter, len(prefix))
            if end < 0:
                contents.append(self._entries[self._starts[at] : self._starts[at + 1]])
                at += 1
                continue
            above = key[: end + len(delimiter)]
            name = _name(above)
            common.append(f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>".encode())
            at = bisect_left(self.keys, _after(above), at)
        return b"".join(contents + common), len(contents) + len(common), at

    @staticmethod
    def _entry(key: bytes) -> bytes:
        return (
            f"<Contents><Key>{_name(key)}</Key><LastModified>{MODIFIED}</LastModified>"
            f"<ETag>&quot;{_ETAG}&quot;</ETag><Size>{len(CONTENT)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        ).encode()


class Canned:
    """Answers by the target of the request, each made once."""

    def __init__(self, listing: Listing, delay: float) -> None:
        self._listing = listing
        self._known = frozenset(listing.keys)
        self._delay = delay
        self._answers: dict[tuple[str, str], bytes] = {}
        self.requests = 0

    async def serve(self, client: http1.Stream) -> None:
        """All requests of one connection."""
        while head := await client.head():
            self.requests += 1
            async for _ in client.body(http1.request_framing(head)):
                pass
            method, target = head[: head.find(b"\r\n")].decode("latin-1").split(" ")[:2]
            if self._delay:
                await asyncio.sleep(self._delay)
            answer = self._answers.get((method, target))
            if answer is None:
                answer = self._answers[method, target] = self._answer(method, target)
            await client.send(answer)
            if not http1.keeps_alive(head):
                break

    def _answer(self, method: str, target: str) -> bytes:
        path, _, query = target.partition("?")
        parameters = {
            name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()
        }
        bucket, _, key = path[1:].partition("/")
        if method not in ("GET", "HEAD"):
            return _error(method, 501, "NotImplemented")
        if bucket != BUCKET:
            return _error(method, 404, "NoSuchBucket")
        if key:
            found = unquote(key).encode() in self._known
            return _object(method) if found else _error(method, 404, "NoSuchKey")
        if method == "HEAD":
            return _whole(method, 200, b"")
        if parameters.get("list-type") == "2":
            return _whole(method, 200, self._listing.page(parameters))
        if "uploads" in parameters:
            none = f"{_XML}<ListMultipartUploadsResult {_NAMESPACE}><Bucket>{BUCKET}</Bucket>"
            end = "<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
            return _whole(method, 200, (none + end).encode())
        return _error(method, 501, "NotImplemented")


def _name(key: bytes) -> str:
    """A key as ``encoding-type=url`` has it, which needs no escapes of XML."""
    return quote(key, safe="/")


def _after(prefix: bytes) -> bytes:
    """The least text above everything that begins with ``prefix``; UTF-8 has no byte 255."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _object(method: str) -> bytes:
    extra = f'ETag: "{_ETAG}"\r\nLast-Modified: Tue, 02 Jan 2024 03:04:05 GMT\r\n'
    return _whole(method, 200, CONTENT, "application/octet-stream", extra)


def _error(method: str, status: int, code: str) -> bytes:
    body = f"{_XML}<Error><Code>{escape(code)}</Code><Message>{code}</Message></Error>"
    return _whole(method, status, body.encode())


def _whole(
    method: str, status: int, body: bytes, kind: str = "application/xml", extra: str = ""
) -> bytes:
    head = (
        f"HTTP/1.1 {status} Canned\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n{extra}\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else body)


async def main() -> None:
    """Serve the keys of a file, until stdin ends."""
    keys = Path(sys.argv[1]).read_bytes().split(b"\0")[:-1]
    canned = Canned(Listing(keys), float(sys.argv[2]))
    listening = http1.listen()
    accepting = asyncio.create_task(http1.accept(listening, canned.serve))
    await obey(listening.getsockname()[1], {"count": lambda: canned.requests})
    accepting.cancel()


if __name__ == "__main__":
    asyncio.run(main())
