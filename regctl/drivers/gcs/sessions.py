"""Resumable sessions: content that goes to an object piece by piece, also from several processes.

Source: https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import re
from contextlib import suppress

from regctl.drivers.gcs.client import Answer, Store
from regctl.drivers.gcs.errors import SessionGoneError, not_gcs
from regctl.drivers.gcs.resource import CONTENT_TYPE, Resource, parse
from regctl.errors import DamagedError, StorageError, UnavailableError

_RANGE = re.compile(r"bytes=0-(\d+)")
#: "Resume incomplete": the server waits for more.
_INCOMPLETE = 308
#: 499: it was cancelled.
_GONE = frozenset({404, 410, 499})


class Session:
    """The resumable session at ``uri`` for the object at ``path``. The URI is a secret.

    Requests to it go without credentials: it needs none, and was read from an object that others
    may have written. Everything raises `DamagedError` if it leads elsewhere than to the storage.
    """

    def __init__(self, store: Store, path: str, uri: str) -> None:
        self._store = store
        self._path = path
        self.uri = uri

    def __repr__(self) -> str:
        return f"Session({self._path!r})"

    @classmethod
    def begin(cls, store: Store, path: str) -> Session:
        """A new session for the object at ``path``."""
        query = {"uploadType": "resumable", "name": store.keys.key(path)}
        answer = store.send(
            "sessions.start",
            path,
            "POST",
            store.bucket_url(query, upload=True),
            headers={"X-Upload-Content-Type": CONTENT_TYPE, "Content-Length": "0"},
            body=b"",
        )
        uri = answer.headers.get("Location")
        if not uri:
            raise not_gcs("it begins an upload and does not say where")
        return cls(store, path, uri)

    def persisted(self) -> int | Resource:
        """How many bytes the session has for good; the object itself if it was finalised.

        Raises `SessionGoneError`.
        """
        tries = self._store.patience.tries()
        while True:
            try:
                answer = self._put("sessions.query", b"", "bytes */*")
            except UnavailableError as error:
                tries.again(error)
            else:
                return _persisted(answer)

    def send(self, data: bytes, start: int) -> None:
        """Send ``data``, a multiple of `QUANTUM` bytes, the content from byte ``start`` on.

        Returns when the session has it all; what it has already is ignored there. Raises
        `SessionGoneError`, and `UnavailableError` after some tries without progress.
        """
        end = start + len(data)
        position = start
        tries = self._store.patience.tries()
        view = memoryview(data)
        while position < end:
            try:
                rest = view[position - start :]
                has = _persisted(self._put("sessions.put", rest, f"bytes {position}-{end - 1}/*"))
                error = UnavailableError(f"{self._path}: the storage takes no more of the upload")
            except UnavailableError as broken:
                error = broken
                has = self.persisted()
            if isinstance(has, Resource):
                raise SessionGoneError(f"somebody else has ended the upload of {self._path}")
            if has > position:
                position = has
                tries.progress()
            else:
                self._require_no_gap(has, start)
                position = has
                tries.again(error)

    def finish(self, data: bytes, start: int) -> Resource:
        """Send ``data``, the last of the content, from byte ``start`` on, and finalise: the object.

        Raises as `send`.
        """
        total = start + len(data)
        position = start
        tries = self._store.patience.tries()
        view = memoryview(data)
        while True:
            rest = view[position - start :]
            extent = f"{position}-{total - 1}" if rest else "*"
            try:
                has = _persisted(self._put("sessions.put", rest, f"bytes {extent}/{total}"))
                error = UnavailableError(f"{self._path}: the storage does not end the upload")
            except UnavailableError as broken:
                error = broken
                has = self.persisted()
            if isinstance(has, Resource):
                return has
            self._require_no_gap(has, start)
            if has > position:
                tries.progress()
            else:
                tries.again(error)
            position = min(has, total)

    def discard(self) -> None:
        """End the session, so that nobody sends more to it. Nothing depends on it."""
        with suppress(StorageError):
            self._require_trust()
            self._store.once(
                "sessions.delete",
                self._path,
                "DELETE",
                self.uri,
                headers={"Content-Length": "0"},
                accept=(200, 204, *_GONE),
                anonymous=True,
            )

    def _require_no_gap(self, has: int, start: int) -> None:
        """Raise `DamagedError` if the session has lost what it had: those bytes are not here."""
        if has < start:
            raise DamagedError(
                f"{self._path}: the upload's session has {has} bytes and had {start} before"
            )

    def _require_trust(self) -> None:
        if not self._store.trusts(self.uri):
            raise DamagedError(
                f"{self._path}: the upload's session does not lead to Cloud Storage",
                hint="whoever may write to the bucket can have made this; cancel the upload",
            )

    def _put(self, name: str, data: bytes | memoryview, extent: str) -> Answer:
        self._require_trust()
        answer = self._store.once(
            name,
            self._path,
            "PUT",
            self.uri,
            headers={"Content-Range": extent, "Content-Length": str(len(data))},
            body=data,
            accept=(200, 201, _INCOMPLETE, *_GONE),
            anonymous=True,
        )
        if answer.status in _GONE:
            raise SessionGoneError(f"the session of the upload {self._path} is gone")
        return answer


def _persisted(answer: Answer) -> int | Resource:
    if answer.status != _INCOMPLETE:
        return parse(answer.json())
    extent = answer.headers.get("Range")
    if not extent:
        return 0
    found = _RANGE.fullmatch(extent)
    if found is None:
        raise not_gcs("it says in another form how much of an upload it has")
    return int(found[1]) + 1
