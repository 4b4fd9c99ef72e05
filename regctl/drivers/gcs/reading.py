"""The content of objects: small ones at once, others as a stream, each checked by its crc32c."""

from __future__ import annotations

import re

import google_crc32c
import requests
import urllib3.exceptions

from regctl.drivers.base import Reader
from regctl.drivers.forwarding import Closing
from regctl.drivers.gcs.client import SENDING, Store
from regctl.drivers.gcs.errors import PreconditionFailedError, not_gcs, translate
from regctl.drivers.gcs.objects import describe_file
from regctl.drivers.gcs.resource import SESSION_TYPE, Resource, checksum_of, crc32c
from regctl.drivers.objects.ranged import ContentChangedError, Piece, RangedReader
from regctl.errors import DamagedError, PathNotFoundError, UnavailableError

#: Without its part in C the checksum does 4 MB a second (12 GB with it): streams then go unchecked.
CHECKS_STREAMS = google_crc32c.implementation == "c"
#: An emulator says of nothing that it goes from 0 to -1.
_RANGE = re.compile(r"bytes (\d+)-(-?\d+)/(\d+)")
_CHECKSUM = re.compile(r"(?:^|[,\s])crc32c=([A-Za-z0-9+/=]+)")


def get(store: Store, path: str, limit: int) -> bytes:
    """The content of the file at ``path``, checked. Raises as `StorageDriver.get`."""
    return _whole(store, path, limit, None)[0]


def get_with_generation(store: Store, path: str, limit: int) -> tuple[bytes, str]:
    """The content of the file at ``path``, and its generation ("" if the server names none)."""
    return _whole(store, path, limit, None)


def get_version(store: Store, path: str, resource: Resource) -> bytes:
    """The content of what ``resource`` describes, be it a file or an upload's record.

    Raises `ContentChangedError` if it is something else by now.
    """
    try:
        return _whole(store, path, resource.size, resource)[0]
    except (PathNotFoundError, PreconditionFailedError) as error:
        raise ContentChangedError(path) from error


def open_reader(store: Store, path: str, offset: int, resource: Resource | None = None) -> Reader:
    """A stream of the file at ``path`` from byte ``offset``, by ranged requests.

    It is checked at its end if it is the whole; with ``resource`` it gives only what that
    describes. Raises `PathNotFoundError`, `ContentChangedError`.
    """
    fetch = _Fetching(store, path, resource)
    reader = RangedReader(
        fetch,
        path=path,
        offset=offset,
        pool=store.pool,
        window=store.window,
        sleep=store.patience.sleep,
    )
    if offset or fetch.crc32c is None or not CHECKS_STREAMS:
        return reader
    return _CheckedReader(reader, path, fetch.crc32c)


def _whole(store: Store, path: str, limit: int, resource: Resource | None) -> tuple[bytes, str]:
    """Content and generation of an object of at most ``limit`` bytes."""
    tries = store.patience.tries()
    while True:
        try:
            return _whole_once(store, path, limit, resource)
        except UnavailableError as error:
            tries.again(error)


def _whole_once(
    store: Store, path: str, limit: int, resource: Resource | None
) -> tuple[bytes, str]:
    with _media(
        store, path, {}, None if resource is None else resource.generation, (200,)
    ) as response:
        if resource is None:
            _refuse_session(response, path)
        headers = response.headers
        if int(headers.get("Content-Length") or 0) > limit:
            raise _too_large(path, limit)
        stream = _Body(response, path)
        content = stream.read(limit + 1)
        if len(content) > limit:
            raise _too_large(path, limit)
        announced = headers.get("Content-Length")
        if announced is not None and int(announced) != len(content):
            raise UnavailableError(f"{path}: the connection broke off")
    expected = _crc(response)
    if expected is not None and expected != crc32c(content):
        raise DamagedError(f"{path}: what came has not the crc32c of what is stored")
    generation = headers.get("x-goog-generation") or ""
    if resource is not None and generation not in {"", resource.generation}:
        raise ContentChangedError(path)
    return content, generation


def _too_large(path: str, limit: int) -> DamagedError:
    return DamagedError(f"{path} holds more than {limit} bytes")


class _Fetching:
    """The `regctl.drivers.objects.ranged.Fetch` of one object."""

    def __init__(self, store: Store, path: str, resource: Resource | None) -> None:
        self._store = store
        self._path = path
        self._resource = resource
        #: Of the whole content, known from the first answer on; None if the server does not say.
        self.crc32c: int | None = None
        self._is_first = True

    def __call__(self, offset: int, length: int, version: str | None, /) -> Piece | None:
        first, self._is_first = self._is_first, False
        if version is None and self._resource is not None:
            version = self._resource.generation
        wanted = {"Range": f"bytes={offset}-{offset + length - 1}"}
        try:
            response = _media(self._store, self._path, wanted, version, (200, 206, 416))
        except PreconditionFailedError as error:
            raise ContentChangedError(self._path) from error
        try:
            if first and self._resource is None:
                self._look_at_first(response)
            return self._piece(response, version)
        except BaseException:
            response.close()
            raise

    def _look_at_first(self, response: requests.Response) -> None:
        self.crc32c = _crc(response)
        if response.status_code == 416:
            # An error tells nothing of the object: neither is an upload's empty record a file.
            describe_file(self._store, self._path)
        else:
            _refuse_session(response, self._path)

    def _piece(self, response: requests.Response, version: str | None) -> Piece | None:
        generation = response.headers.get("x-goog-generation")
        if version is not None and generation is not None and generation != version:
            raise ContentChangedError(self._path)
        if response.status_code == 416:
            response.close()
            return None
        length = response.headers.get("Content-Length")
        body = _Body(response, self._path)
        if response.status_code == 200:
            if length is None:
                raise not_gcs("its answer has no length")
            return Piece(0, int(length), generation or version, body, int(length))
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None:
            raise not_gcs("its answer to a ranged request has no range")
        start, last, total = (int(number) for number in found.groups())
        if last < start:
            response.close()
            return None
        return Piece(start, total, generation or version, body, last + 1 - start)


class _CheckedReader(Closing):
    """A reader that is read from the first byte, checked when it comes to its end."""

    def __init__(self, inner: Reader, path: str, expected: int) -> None:
        self._inner = inner
        self._path = path
        self._expected = expected
        self._crc = 0

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        view = memoryview(buffer)
        count = self._inner.readinto(view)
        if count:
            self._crc = crc32c(view[:count], self._crc)
        elif view and self._crc != self._expected:
            raise DamagedError(f"{self._path}: what came has not the crc32c of what is stored")
        return count

    def close(self) -> None:
        self._inner.close()


class _Body:
    """The body of an answer as it came over the wire."""

    def __init__(self, response: requests.Response, path: str) -> None:
        self._response = response
        self._path = path

    def readinto(self, buffer: memoryview, /) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes, fewer only at the end."""
        try:
            content: bytes = self._response.raw.read(count, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise translate(error, self._path) from error
        return content

    def close(self) -> None:
        # A body that was read to its end has given its connection back already.
        self._response.close()


def _media(
    store: Store,
    path: str,
    headers: dict[str, str],
    generation: str | None,
    accept: tuple[int, ...],
) -> requests.Response:
    query = {"alt": "media"}
    if generation:
        query["ifGenerationMatch"] = generation
    url = store.object_url(path, query, media=True)
    try:
        return store.stream("objects.get_media", path, url, headers, accept)
    except SENDING as error:
        raise translate(error, path) from error


def _refuse_session(response: requests.Response, path: str) -> None:
    if response.headers.get("Content-Type", "").partition(";")[0].strip() == SESSION_TYPE:
        raise PathNotFoundError(path)


def _crc(response: requests.Response) -> int | None:
    """The crc32c of the whole object, if an answer tells it."""
    found = _CHECKSUM.search(response.headers.get("x-goog-hash", ""))
    try:
        return None if found is None else checksum_of(found[1])
    except ValueError:
        return None
