"""A server of listings that keeps to no order and no size of pages, and can be told to fail them.

What S3 servers agree on is less than what Amazon's does: this one agrees on no more.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote_plus, urlsplit

from tests.servers.s3 import Credentials, S3Endpoint

BUCKET = "any-order"
SPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
TIME = "2024-01-02T03:04:05.678Z"
#: TIME in whole seconds since the epoch.
SECONDS = 1704164645.0


@dataclass
class ListingServer:
    """What is listed, and how. A seed of None is byte order; ``spoil`` replaces whole bodies, given
    the request's query and its number."""

    url: str = ""
    keys: Sequence[str] = ()
    seed: int | None = None
    most: int = 1000
    repeats_names: bool = False
    requests: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    spoil: Callable[[dict[str, str], int], bytes | None] = lambda query, number: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> S3Endpoint:
        anybody = Credentials("AKIAREGCTLANYORDER00", "secret")
        return S3Endpoint(self.url, BUCKET, anybody, anybody)

    def holds(self, keys: Sequence[str], **how: object) -> None:
        """Begin anew with other keys."""
        fresh: dict[str, object] = {
            "seed": None,
            "most": 1000,
            "repeats_names": False,
            "requests": 0,
            "most_in_flight": 0,
            "spoil": lambda query, number: None,
        }
        for name, value in {**fresh, "keys": keys, **how}.items():
            setattr(self, name, value)

    def answer(self, query: dict[str, str]) -> bytes:
        with self.lock:
            self.requests += 1
            number = self.requests
        spoiled = self.spoil(query, number)
        return self._page(query) if spoiled is None else spoiled

    def _page(self, query: dict[str, str]) -> bytes:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        most = min(int(query.get("max-keys", "1000")), self.most)
        found = [key for key in self.keys if key.startswith(prefix)]
        if self.seed is None:
            found.sort()
        else:
            random.Random(self.seed).shuffle(found)
        entries: dict[str, str] = {}
        for key in found:
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            name = key if end < 0 else key[: end + 1]
            entries[name] = _contents(key) if end < 0 else _common(name)
        texts = list(entries.values())
        start = int(query.get("continuation-token", "0"))
        end = start + most
        if self.repeats_names and start and texts[start - 1].startswith("<CommonPrefixes>"):
            # The last name of a page is the first of the next, as on some servers.
            start -= 1
        return listing("".join(texts[start:end]), str(end) if end < len(texts) else None)


def listing(entries: str, token: str | None = None) -> bytes:
    """The body of a page."""
    goes_on = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult {SPACE}>'
        f"<EncodingType>url</EncodingType><IsTruncated>{'true' if token else 'false'}"
        f"</IsTruncated>{goes_on}{entries}</ListBucketResult>"
    ).encode()


def _contents(key: str) -> str:
    # What ends with a slash is the mark of a directory.
    size = 0 if key.endswith("/") else 3
    return (
        f"<Contents><Key>{quote_plus(key, safe='/')}</Key><LastModified>{TIME}</LastModified>"
        f"<ETag>&quot;0&quot;</ETag><Size>{size}</Size></Contents>"
    )


def _common(name: str) -> str:
    return f"<CommonPrefixes><Prefix>{quote_plus(name, safe='/')}</Prefix></CommonPrefixes>"


@contextmanager
def serve() -> Iterator[ListingServer]:
    """The server, for as long as the block lasts."""
    state = ListingServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
            with state.lock:
                state.in_flight += 1
                state.most_in_flight = max(state.most_in_flight, state.in_flight)
            try:
                body = state.answer({name: values[0] for name, values in query.items()})
            finally:
                with state.lock:
                    state.in_flight -= 1
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
