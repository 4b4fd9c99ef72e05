"""Objects read from S3: small ones whole, large ones by ranges."""

from __future__ import annotations

import re
import time
from http.client import HTTPException
from typing import Any

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from regctl.drivers.objects.ranges import ContentChangedError, Piece
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.errors import PreconditionFailedError, RangeNotSatisfiableError, not_s3
from regctl.errors import DamagedError, UnavailableError

#: How often a small object is asked for when its body breaks off: the SDK does not repeat that.
TRIES = 4
#: Seconds before the second try, doubled each time.
FIRST_PAUSE = 0.1

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)", re.ASCII)
#: What reading a body raises. A body that breaks is always worth another try.
_BROKEN = (BotoCoreError, HTTPError, HTTPException, OSError)


class BodyStream:
    """The body of an answer, as a stream that `Piece` takes."""

    __slots__ = ("_body", "_path")

    def __init__(self, body: Any, path: str) -> None:
        self._body = body
        self._path = path

    def readinto(self, buffer: memoryview, /) -> int:
        try:
            count: int = self._body.readinto(buffer)
        except _BROKEN as error:
            raise UnavailableError(f"{self._path}: the connection broke") from error
        return count

    def read(self) -> bytes:
        """All of it. Raises `UnavailableError` if it ends before it should."""
        try:
            content: bytes = self._body.read()
        except _BROKEN as error:
            raise UnavailableError(f"{self._path}: the connection broke") from error
        return content

    def close(self) -> None:
        self._body.close()


class ObjectFetch:
    """What fetches ranges of the object at ``path``: a `regctl.drivers.objects.ranges.Fetch`."""

    def __init__(self, store: Store, path: str) -> None:
        self._store = store
        self._path = path
        self._key = store.keys.key(path)

    def __call__(self, offset: int, length: int, version: str | None, /) -> Piece | None:
        condition = {} if version is None else {"IfMatch": version}
        try:
            answer = self._store.call(
                "get_object",
                self._path,
                Key=self._key,
                Range=f"bytes={offset}-{offset + length - 1}",
                **condition,
            )
        except RangeNotSatisfiableError:
            return None
        except PreconditionFailedError as error:
            raise ContentChangedError(self._path) from error
        stream = BodyStream(answer["Body"], self._path)
        size: int = answer["ContentLength"]
        first, total = 0, size
        if stated := answer.get("ContentRange"):
            if (match := _CONTENT_RANGE.fullmatch(stated)) is None:
                stream.close()
                raise not_s3("it does not say which bytes of an object it sends")
            first, total = int(match[1]), int(match[3])
        return Piece(first, total, str(answer["ETag"]), stream, size)


def get(store: Store, path: str, limit: int) -> tuple[bytes, str]:
    """The whole content of the object at ``path``, and its ETag: one request, unless its body
    breaks off.

    Raises `PathNotFoundError`; `DamagedError` if it holds more than ``limit`` bytes, of which none
    is read then.
    """
    key = store.keys.key(path)
    tries = 0
    while True:
        answer = store.call("get_object", path, Key=key)
        stream = BodyStream(answer["Body"], path)
        size: int = answer["ContentLength"]
        if size > limit:
            stream.close()
            raise DamagedError(f"{path} has {size} bytes, more than {limit}")
        tries += 1
        try:
            return stream.read(), str(answer["ETag"])
        except UnavailableError:
            stream.close()
            if tries == TRIES:
                raise
        time.sleep(FIRST_PAUSE * 2 ** (tries - 1))
