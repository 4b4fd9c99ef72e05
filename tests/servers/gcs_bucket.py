"""What a bucket of Google Cloud Storage does, without HTTP: generations, conditions, sessions.

Source: the JSON API's reference, https://cloud.google.com/storage/docs/json_api/v1
"""

from __future__ import annotations

import secrets
import threading
import time
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5

import google_crc32c

QUANTUM = 256 << 10


class Refused(Exception):
    """An answer that is no success: status, the reason's name, the message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


@dataclass(frozen=True, slots=True)
class Stored:
    """One generation of an object."""

    name: str
    content: bytes
    content_type: str
    metadata: dict[str, str]
    generation: int
    updated: float
    metageneration: int = 1

    @property
    def crc32c(self) -> str:
        return b64encode(google_crc32c.extend(0, self.content).to_bytes(4, "big")).decode()

    @property
    def md5(self) -> str:
        return b64encode(md5(self.content).digest()).decode()

    def resource(self, bucket: str) -> dict[str, object]:
        moment = datetime.fromtimestamp(self.updated, UTC).isoformat(timespec="milliseconds")
        resource: dict[str, object] = {
            "kind": "storage#object",
            "id": f"{bucket}/{self.name}/{self.generation}",
            "name": self.name,
            "bucket": bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "contentType": self.content_type,
            "storageClass": "STANDARD",
            "size": str(len(self.content)),
            "md5Hash": self.md5,
            "crc32c": self.crc32c,
            "timeCreated": moment.replace("+00:00", "Z"),
            "updated": moment.replace("+00:00", "Z"),
        }
        if self.metadata:
            resource["metadata"] = self.metadata
        return resource


@dataclass(slots=True)
class Upload:
    """A resumable session."""

    name: str
    content_type: str
    metadata: dict[str, str]
    wanted: int | None
    data: bytearray = field(default_factory=bytearray)
    finished: Stored | None = None
    #: 410 when it expired, 499 when it was cancelled.
    gone: int | None = None


@dataclass(slots=True)
class Rewrite:
    """A copy that takes several calls."""

    source: Stored
    target: str
    done: int = 0


class Bucket:
    """One bucket. Tests may set the bounds, and look at everything.

    ``persist_bytes``: what a session keeps of one PUT that is not the last, None for all;
    ``rewrite_bytes``: what one call of a rewrite copies, None for all.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.RLock()
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, Upload] = {}
        self.rewrites: dict[str, Rewrite] = {}
        self.persist_bytes: int | None = None
        self.rewrite_bytes: int | None = None
        self._generation = time.time_ns() // 1000

    def get(self, name: str, wanted: int | None = None) -> Stored:
        with self.lock:
            stored = self.objects.get(name)
            if stored is None:
                raise Refused(404, "notFound", f"No such object: {self.name}/{name}")
            self.require(name, wanted)
            return stored

    def put(
        self,
        name: str,
        content: bytes,
        content_type: str = "application/octet-stream",
        metadata: dict[str, str] | None = None,
        wanted: int | None = None,
    ) -> Stored:
        """Store a new generation, if the one ``wanted`` (0: none) is there."""
        with self.lock:
            self.require(name, wanted)
            self._generation += 1
            stored = Stored(
                name, content, content_type, dict(metadata or {}), self._generation, time.time()
            )
            self.objects[name] = stored
            return stored

    def patch(self, name: str, metadata: dict[str, str | None], wanted: int | None) -> Stored:
        with self.lock:
            stored = self.get(name, wanted)
            merged: dict[str, str | None] = {**stored.metadata, **metadata}
            kept = {key: value for key, value in merged.items() if value is not None}
            patched = Stored(
                name,
                stored.content,
                stored.content_type,
                kept,
                stored.generation,
                time.time(),
                stored.metageneration + 1,
            )
            self.objects[name] = patched
            return patched

    def delete(self, name: str, wanted: int | None = None) -> None:
        with self.lock:
            self.get(name, wanted)
            del self.objects[name]

    def require(self, name: str, wanted: int | None) -> None:
        """Raise `Refused` unless the generation ``wanted`` is at ``name``."""
        stored = self.objects.get(name)
        if wanted is not None and wanted != (stored.generation if stored else 0):
            raise Refused(412, "conditionNotMet", "At least one of the pre-conditions is not met.")

    def begin(
        self, name: str, content_type: str, metadata: dict[str, str], wanted: int | None
    ) -> str:
        """The id of a new session."""
        with self.lock:
            self.require(name, wanted)
            number = secrets.token_hex(16)
            self.uploads[number] = Upload(name, content_type, metadata, wanted)
            return number

    def upload(self, number: str) -> Upload:
        with self.lock:
            upload = self.uploads.get(number)
            if upload is None:
                raise Refused(404, "notFound", "No such upload session")
            if upload.gone is not None:
                raise Refused(upload.gone, "gone", "The upload session is gone")
            return upload

    def send(self, number: str, start: int | None, data: bytes, total: int | None) -> Stored | int:
        """Take the bytes from ``start`` on (None: only a question): how many are persisted, or the
        object when all ``total`` are."""
        with self.lock:
            upload = self.upload(number)
            if upload.finished is not None:
                return upload.finished
            has = len(upload.data)
            if total is not None and has > total:
                raise Refused(400, "invalid", f"{has} bytes are persisted already")
            if start is not None and start <= has:
                if total is None and len(data) % QUANTUM:
                    raise Refused(400, "invalid", "not a multiple of 256 KiB")
                fresh = data[has - start :]
                if self.persist_bytes is not None and total is None:
                    fresh = fresh[: self.persist_bytes]
                upload.data += fresh
            if total is None or len(upload.data) < total:
                return len(upload.data)
            upload.finished = self.put(
                upload.name,
                bytes(upload.data),
                upload.content_type,
                upload.metadata,
                upload.wanted,
            )
            return upload.finished

    def end(self, number: str, status: int = 499) -> None:
        """Cancel a session, or let it expire."""
        with self.lock:
            self.upload(number).gone = status

    def rewrite(
        self, source: str, target: str, token: str | None, wanted: int | None
    ) -> tuple[Rewrite, str | None, Stored | None]:
        """One call: the copy, the token to go on with, and the object when it is done."""
        with self.lock:
            stored = self.get(source, wanted)
            work = Rewrite(stored, target) if token is None else self.rewrites.pop(token, None)
            if work is None or (work.source, work.target) != (stored, target):
                raise Refused(400, "invalid", "The rewrite token is not of this rewrite")
            size = len(stored.content)
            work.done = min(size, work.done + (self.rewrite_bytes or size))
            if work.done < size:
                token = secrets.token_hex(8)
                self.rewrites[token] = work
                return work, token, None
            copied = self.put(target, stored.content, stored.content_type, stored.metadata)
            return work, None, copied

    def list(
        self, prefix: str, delimiter: str, token: str, most: int
    ) -> tuple[list[Stored], list[str], str]:
        """One page in the order of the names' bytes: objects, prefixes, the next page's token."""
        with self.lock:
            names = sorted((name for name in self.objects if name.startswith(prefix)), key=_order)
            items: list[Stored] = []
            prefixes: list[str] = []
            last = token
            for name in names:
                head, slash, _ = name[len(prefix) :].partition(delimiter or "\0")
                shown = prefix + head + slash if delimiter and slash else name
                if (prefixes and prefixes[-1] == shown) or _order(shown) <= _order(last):
                    continue
                if len(items) + len(prefixes) == most:
                    return items, prefixes, last
                last = shown
                if shown is name:
                    items.append(self.objects[name])
                else:
                    prefixes.append(shown)
            return items, prefixes, ""


def _order(name: str) -> bytes:
    return name.encode()
