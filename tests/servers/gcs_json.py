"""A server of the tests' own that speaks the JSON API of Google Cloud Storage.

For what neither emulator does right: conditions on generations, sessions that are continued, what
only a part of a PUT survives in, rewrites in several calls, batches, answers with no more than the
fields that were asked for. It checks no credentials. Where the emulators are right it is checked
against them (``test_gcs_servers.py``).
"""

from __future__ import annotations

import json
import re
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.gcs_bucket import Bucket, Refused, Stored

Answer = tuple[int, dict[str, str], bytes]
_EXTENT = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class GCSServer:
    """A server that runs in threads of this process, with one empty bucket.

    Use it in a ``with`` block, or end it by `stop`. ``log`` has a line for each request.
    """

    def __init__(self, bucket: str = "regctl-tests") -> None:
        self.bucket = Bucket(bucket)
        self.takes_batches = True
        #: What it answers as the token server of a service account.
        self.token: tuple[int, dict[str, object]] = (
            200,
            {"access_token": "ya29.of-the-tests", "expires_in": 3600, "token_type": "Bearer"},
        )
        #: Of each request: method, path with query, headers.
        self.log: list[tuple[str, str, Mapping[str, str]]] = []
        self._http = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def stop(self) -> None:
        """End it, and what it held is gone. Idempotent."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def serve(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The answer to one request."""
        split = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(split.query, True).items()}
        request = _Request(method, query, headers, body)
        try:
            if split.path == "/token":
                return _json(self.token[1], self.token[0])
            if split.path == "/batch/storage/v1" and self.takes_batches:
                return self._batch(request)
            return self._route(split.path, request)
        except Refused as error:
            return _json(
                {
                    "error": {
                        "code": error.status,
                        "message": error.message,
                        "errors": [{"reason": error.reason, "message": error.message}],
                    }
                },
                error.status,
            )

    def _route(self, path: str, request: _Request) -> Answer:
        routes: list[tuple[str, str, Callable[..., Answer]]] = [
            ("POST|PUT|DELETE", r"/upload/storage/v1/b/([^/]+)/o", self._upload),
            ("GET", r"/download/storage/v1/b/([^/]+)/o/([^/]+)", self._media),
            ("GET", r"/storage/v1/b/([^/]+)/o", self._list),
            ("GET|PATCH|DELETE", r"/storage/v1/b/([^/]+)/o/([^/]+)", self._object),
            (
                "POST",
                r"/storage/v1/b/([^/]+)/o/([^/]+)/rewriteTo/b/([^/]+)/o/([^/]+)",
                self._rewrite,
            ),
        ]
        for methods, pattern, serve in routes:
            found = re.fullmatch(pattern, path)
            if found and re.fullmatch(methods, request.method):
                bucket, *names = (unquote(part) for part in found.groups())
                if bucket != self.bucket.name:
                    raise Refused(404, "notFound", "The specified bucket does not exist.")
                return serve(request, *names)
        raise Refused(404, "notFound", "Not Found")

    def _upload(self, request: _Request) -> Answer:
        query = request.query
        if "upload_id" in query:
            return self._session(request, query["upload_id"])
        if query.get("uploadType") == "resumable":
            member = json.loads(request.body or b"{}")
            number = self.bucket.begin(
                query.get("name") or member["name"],
                request.headers.get("X-Upload-Content-Type", "application/octet-stream"),
                member.get("metadata") or {},
                request.wanted("ifGenerationMatch"),
            )
            host = request.headers["Host"]
            where = f"/upload/storage/v1/b/{self.bucket.name}/o?uploadType=resumable"
            return 200, {"Location": f"http://{host}{where}&upload_id={number}"}, b""
        if query.get("uploadType") != "multipart":
            raise Refused(400, "invalid", "no such uploadType here")
        member, content, content_type = _related(request)
        fresh = Stored(member["name"], content, "", {}, 0, 0)
        for key, value in (("crc32c", fresh.crc32c), ("md5Hash", fresh.md5)):
            if member.get(key, value) != value:
                raise Refused(400, "invalid", f"Provided {key} does not match")
        stored = self.bucket.put(
            member["name"],
            content,
            member.get("contentType", content_type),
            member.get("metadata"),
            request.wanted("ifGenerationMatch"),
        )
        return self._resource(stored, request)

    def _session(self, request: _Request, number: str) -> Answer:
        if request.method == "DELETE":
            self.bucket.end(number)
            return 499, {}, b""
        found = _EXTENT.fullmatch(request.headers.get("Content-Range", ""))
        if found is None:
            raise Refused(400, "invalid", "no Content-Range")
        start, last, total = found.groups()
        if start is not None and int(last) - int(start) + 1 != len(request.body):
            raise Refused(400, "invalid", "Content-Range and body differ")
        done = self.bucket.send(
            number,
            None if start is None else int(start),
            request.body,
            None if total == "*" else int(total),
        )
        if isinstance(done, int):
            return 308, {"Range": f"bytes=0-{done - 1}"} if done else {}, b""
        return _json(done.resource(self.bucket.name))

    def _media(self, request: _Request, name: str) -> Answer:
        stored = self.bucket.get(name, request.wanted("ifGenerationMatch"))
        headers = {
            "Content-Type": stored.content_type,
            "X-Goog-Generation": str(stored.generation),
            "X-Goog-Hash": f"crc32c={stored.crc32c},md5={stored.md5}",
        }
        size = len(stored.content)
        found = _RANGE.fullmatch(request.headers.get("Range", ""))
        if found is None:
            return 200, headers, stored.content
        start = int(found[1])
        if start >= size:
            return 416, {"Content-Range": f"bytes */{size}"}, b"out of range"
        end = min(size, int(found[2]) + 1) if found[2] else size
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        return 206, headers, stored.content[start:end]

    def _list(self, request: _Request) -> Answer:
        query = request.query
        items, prefixes, token = self.bucket.list(
            query.get("prefix", ""),
            query.get("delimiter", ""),
            query.get("pageToken", ""),
            min(1000, int(query.get("maxResults", "1000"))),
        )
        answer: dict[str, object] = {"kind": "storage#objects"}
        if items:
            answer["items"] = [item.resource(self.bucket.name) for item in items]
        if prefixes:
            answer["prefixes"] = prefixes
        if token:
            answer["nextPageToken"] = token
        return _json(chosen(answer, query.get("fields")))

    def _object(self, request: _Request, name: str) -> Answer:
        wanted = request.wanted("ifGenerationMatch")
        if request.method == "DELETE":
            self.bucket.delete(name, wanted)
            return 204, {}, b""
        if request.method == "PATCH":
            metadata = json.loads(request.body).get("metadata") or {}
            return self._resource(self.bucket.patch(name, metadata, wanted), request)
        return self._resource(self.bucket.get(name, wanted), request)

    def _rewrite(self, request: _Request, source: str, bucket: str, target: str) -> Answer:
        if bucket != self.bucket.name:
            raise Refused(404, "notFound", "The specified bucket does not exist.")
        work, token, copied = self.bucket.rewrite(
            source,
            target,
            request.query.get("rewriteToken"),
            request.wanted("ifSourceGenerationMatch"),
        )
        answer: dict[str, object] = {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(work.done),
            "objectSize": str(len(work.source.content)),
            "done": copied is not None,
        }
        if token is not None:
            answer["rewriteToken"] = token
        if copied is not None:
            answer["resource"] = copied.resource(self.bucket.name)
        return _json(chosen(answer, request.query.get("fields")))

    def _batch(self, request: _Request) -> Answer:
        parts = _parts(request)
        if len(parts) > 100:
            raise Refused(400, "badRequest", "more than 100 requests")
        boundary = secrets.token_hex(8)
        out = []
        for headers, content in reversed(parts):  # in any order: they are told apart by their ids
            line = content.split(b"\r\n", 1)[0].decode()
            method, target, _ = line.split(" ")
            status, _, body = self.serve(method, target, {"Host": "batch"}, b"")
            number = headers["Content-ID"].strip("<>")
            out.append(
                f"--{boundary}\r\nContent-Type: application/http\r\n"
                f"Content-ID: <response-{number}>\r\n\r\n"
                f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
                + b"\r\n"
            )
        out.append(f"--{boundary}--\r\n".encode())
        return 200, {"Content-Type": f"multipart/mixed; boundary={boundary}"}, b"".join(out)

    def _resource(self, stored: Stored, request: _Request) -> Answer:
        return _json(chosen(stored.resource(self.bucket.name), request.query.get("fields")))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    #: With five, as it is, those who come when all is full wait for a second.
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """What a client that went away leaves behind is nobody's concern; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Request:
    """One request, read to its end."""

    def __init__(
        self, method: str, query: dict[str, str], headers: Mapping[str, str], body: bytes
    ) -> None:
        self.method, self.query, self.headers, self.body = method, query, headers, body

    def wanted(self, name: str) -> int | None:
        """The generation that a condition names."""
        return int(self.query[name]) if name in self.query else None


def chosen(value: dict[str, Any], fields: str | None) -> dict[str, Any]:
    """What of ``value`` the parameter ``fields`` asks for: ``a,b(c,d)``."""
    if fields is None:
        return value
    result: dict[str, Any] = {}
    for found in re.finditer(r"(\w+)(?:\(([^()]*)\))?", fields):
        name, inner = found.groups()
        if name not in value:
            continue
        member = value[name]
        if inner and isinstance(member, list):
            result[name] = [chosen(each, inner) for each in member]
        else:
            result[name] = chosen(member, inner) if inner else member
    return result


def _json(value: object, status: int = 200) -> Answer:
    content = json.dumps(value).encode()
    return status, {"Content-Type": "application/json; charset=UTF-8"}, content


def _parts(request: _Request) -> list[tuple[Mapping[str, str], bytes]]:
    """Headers and content of the parts of a multipart body."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\nMIME-Version: 1.0\r\n\r\n"
    message = BytesParser().parsebytes(head.encode() + request.body)
    if not message.is_multipart():
        raise Refused(400, "badRequest", "no multipart body")
    return [
        (dict(part.items()), bytes(part.get_payload(decode=True) or b""))
        for part in message.walk()
        if not part.is_multipart()
    ]


def _related(request: _Request) -> tuple[dict[str, Any], bytes, str]:
    """The members, the content and the content's type of a multipart/related body.

    Not by `email`, which takes liberties with line ends.
    """
    boundary = request.headers["Content-Type"].partition("boundary=")[2].strip('"').encode()
    _, first, rest = request.body.split(b"--" + boundary + b"\r\n", 2)
    head, _, content = rest.partition(b"\r\n\r\n")
    end = content.rindex(b"\r\n--" + boundary + b"--")
    kind = re.search(rb"(?i)content-type: *([^\r\n]+)", head)
    member = json.loads(first.partition(b"\r\n\r\n")[2])
    return member, content[:end], kind[1].decode() if kind else ""


def _handler(server: GCSServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 1 << 16

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.log.append((self.command, self.path, self.headers))  # type: ignore[arg-type]
            status, headers, content = server.serve(
                self.command,
                self.path,
                self.headers,  # type: ignore[arg-type]
                body,
            )
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server names them

        def log_message(self, *_: object) -> None:
            pass

    return Handler
