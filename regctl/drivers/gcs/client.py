"""One bucket: its client, the requests to it, and what all of them share.

Google's client brings credentials, endpoint and connections. The requests are those of the JSON
API itself (https://cloud.google.com/storage/docs/json_api): upload sessions that others began, and
answers that were lost, need more than the SDK's objects show.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3.exceptions
from google.auth.exceptions import GoogleAuthError
from requests import RequestException, Response
from requests import Session as HttpSession

from regctl.drivers.gcs import errors
from regctl.drivers.gcs.credentials import StorageClient, widen
from regctl.drivers.gcs.parameters import DEFAULT_CHUNK_BYTES
from regctl.drivers.gcs.tries import Patience, Tries
from regctl.drivers.objects.keys import Keys
from regctl.drivers.objects.ranged import Window
from regctl.errors import PathNotFoundError, RegctlError, UnavailableError

#: Seconds until a connection is there, and between two bytes of an answer.
TIMEOUTS = (10.0, 60.0)
#: What the HTTP libraries, and google.auth below them, raise.
SENDING = (RequestException, urllib3.exceptions.HTTPError, GoogleAuthError, OSError)
#: Connections beside those of the pool: for callers' own threads.
_SPARE = 8

#: What all readers together keep or await. The threads' buffers fragment the heap: with 64 MiB a
#: process that reads grows to 235 MB, with this to 140 (measured, 32 threads).
READ_AHEAD_BYTES = 32 << 20

Query = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, read to its end.

    ``repeated`` if the request was sent before with nobody knowing what came of it.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    repeated: bool = False

    def json(self) -> dict[str, Any]:
        """The JSON object that it is. Raises `NotGcsError` if it is none."""
        try:
            value = json.loads(self.content)
        except ValueError as error:
            raise errors.not_gcs("its answer is no JSON") from error
        if not isinstance(value, dict):
            raise errors.not_gcs("its answer is no JSON object")
        return value


class Store:
    """One bucket: the client, the keys, and what every request shares. Safe for threads.

    ``pool_size`` is how many threads `pool` has.
    """

    def __init__(
        self,
        client: StorageClient,
        bucket: str,
        keys: Keys,
        *,
        pool_size: int = 8,
        chunk_bytes: int = DEFAULT_CHUNK_BYTES,
        patience: Patience | None = None,
    ) -> None:
        self.bucket = bucket
        self.keys = keys
        self.jobs = pool_size
        self.chunk_bytes = chunk_bytes
        self.patience = patience or Patience()
        self.window = Window(READ_AHEAD_BYTES)
        self.endpoint = str(client.api_endpoint).rstrip("/")
        #: With credentials; Google's own documentation widens a client's pool in this way.
        self._session: HttpSession = client._http
        #: Without: an upload session is a secret by itself, and where it leads is told by an
        #: object in the bucket, which others may have written.
        self._anonymous = HttpSession()
        for session in (self._session, self._anonymous):
            widen(session, pool_size + _SPARE)
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._last_date: float | None = None
        self._bucket_was_seen = False
        self._pool: ThreadPoolExecutor | None = None

    def __repr__(self) -> str:
        return f"Store({self.bucket!r}, {self.keys.prefix!r})"

    def pool(self) -> ThreadPoolExecutor:
        """The threads for requests, made when first needed."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="gcs")
            return self._pool

    def requests(self) -> Mapping[str, int]:
        """How many requests were sent so far, each try counted, by the method's name."""
        with self._lock:
            return dict(self._requests)

    def last_date(self) -> float | None:
        """The server's clock in its last answer, in seconds since the epoch."""
        return self._last_date

    def object_url(
        self, path: str, query: Query | None = None, *, media: bool = False, suffix: str = ""
    ) -> str:
        """The URL of the object at ``path``, or of its content (``media``), or of something that is
        done to it (``suffix``, quoted)."""
        way = "/download/storage/v1/b/" if media else "/storage/v1/b/"
        where = f"{way}{quote(self.bucket, safe='')}/o/{self.quoted_key(path)}{suffix}"
        return self._url(where, query)

    def bucket_url(self, query: Query | None = None, *, upload: bool = False) -> str:
        """The URL of all objects, or where new ones are sent (``upload``)."""
        way = "/upload/storage/v1/b/" if upload else "/storage/v1/b/"
        return self._url(f"{way}{quote(self.bucket, safe='')}/o", query)

    def batch_url(self) -> str:
        """The URL for many requests in one."""
        return self._url("/batch/storage/v1", None)

    def quoted_key(self, path: str) -> str:
        """The key of ``path`` as a part of a URL's path."""
        return quote(self.keys.key(path), safe="")

    def trusts(self, url: str) -> bool:
        """Whether ``url``, of an upload session, leads to Google or to the configured endpoint."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            port = parts.port
        except ValueError:
            return False
        own = urlsplit(self.endpoint)
        if (parts.scheme, host, port) == (own.scheme, own.hostname, own.port):
            return True
        is_google = host.endswith(".googleapis.com") and port in {None, 443}
        return parts.scheme == "https" and is_google and "@" not in parts.netloc

    def send(
        self,
        name: str,
        path: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        accept: Iterable[int] = (200,),
    ) -> Answer:
        """The answer to a request that may be sent again: idempotent, or known by its condition.

        ``name`` is the method's, for `requests`. Raises the error of a status that is not in
        ``accept``: `PathNotFoundError` for 404 where the bucket is there, else `NoSuchBucketError`.
        """
        tries = self.patience.tries()
        repeated = False
        while True:
            try:
                answer = self.once(
                    name, path, method, url, headers=headers, body=body, accept=accept
                )
            except UnavailableError as error:
                tries.again(error)
                repeated = True
            else:
                return Answer(answer.status, answer.headers, answer.content, repeated)

    def once(
        self,
        name: str,
        path: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | memoryview | None = None,
        accept: Iterable[int] = (200,),
        anonymous: bool = False,
    ) -> Answer:
        """The answer to a request that is sent once, by the client or without credentials.

        Raises `UnavailableError` if nobody knows what came of it.
        """
        try:
            response = self._exchange(name, method, url, headers, body, anonymous=anonymous)
            content = response.content
        except SENDING as error:
            raise errors.translate(error, path) from error
        answer = Answer(response.status_code, response.headers, content)
        if answer.status not in accept:
            raise self._refused(answer, path, anonymous=anonymous)
        if answer.status < 300 and name.startswith("objects."):
            self._bucket_was_seen = True
        return answer

    def stream(
        self, name: str, path: str, url: str, headers: Mapping[str, str], accept: Iterable[int]
    ) -> Response:
        """The answer to a GET, its body not yet read: to be closed. Raises as `send`."""
        tries: Tries = self.patience.tries()
        while True:
            try:
                return self._stream_once(name, path, url, headers, accept)
            except UnavailableError as error:
                tries.again(error)

    def _stream_once(
        self, name: str, path: str, url: str, headers: Mapping[str, str], accept: Iterable[int]
    ) -> Response:
        try:
            response = self._exchange(name, "GET", url, headers, None, stream=True)
            if response.status_code in accept:
                if response.status_code < 300:
                    self._bucket_was_seen = True
                return response
            with response:
                answer = Answer(response.status_code, response.headers, response.content)
        except SENDING as error:
            raise errors.translate(error, path) from error
        raise self._refused(answer, path)

    def require_bucket(self) -> None:
        """Raise `NoSuchBucketError` if the bucket is not there; asks if nothing has shown it yet.

        So that the absence of a bucket is never taken for the absence of what it would hold.
        """
        if not self._bucket_was_seen:
            self.ask_the_time()

    def ask_the_time(self) -> None:
        """Send a cheap request, whose answer has a date. Raises `NoSuchBucketError`."""
        query: Query = {"maxResults": 1, "prefix": self.keys.prefix, "fields": "kind"}
        self.list_page("/", self.bucket_url(query))

    def list_page(self, path: str, url: str) -> dict[str, Any]:
        """One page of a listing. Raises `NoSuchBucketError`; nothing else is a 404 here."""
        answer = self.send("objects.list", path, "GET", url, accept=(200, 404))
        if answer.status == 404:
            raise errors.no_bucket(self.bucket)
        return answer.json()

    def _refused(self, answer: Answer, path: str, *, anonymous: bool = False) -> RegctlError:
        error = errors.answered(answer.status, answer.content, path)
        if isinstance(error, PathNotFoundError) and not anonymous:
            self.require_bucket()
        return error

    def _exchange(
        self,
        name: str,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | memoryview | None,
        *,
        stream: bool = False,
        anonymous: bool = False,
    ) -> Response:
        with self._lock:
            self._requests[name] += 1
        session = self._anonymous if anonymous else self._session
        # Content that is stored compressed comes as it is stored only to who takes gzip.
        response = session.request(
            method,
            url,
            data=body,
            headers={"Accept-Encoding": "gzip", **(headers or {})},
            timeout=TIMEOUTS,
            stream=stream,
            allow_redirects=False,
        )
        date = response.headers.get("Date")
        if date is not None:
            self._note_date(date)
        return response

    def _note_date(self, text: str) -> None:
        with suppress(ValueError):  # no time is better than a wrong one
            self._last_date = parsedate_to_datetime(text).timestamp()

    def _url(self, path: str, query: Query | None) -> str:
        return f"{self.endpoint}{path}" + (f"?{urlencode(query)}" if query else "")
