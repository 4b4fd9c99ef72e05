"""Whole objects by one request each: describe, write, remove, on conditions."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

from regctl.drivers.gcs.client import Store
from regctl.drivers.gcs.errors import PreconditionFailedError
from regctl.drivers.gcs.resource import CONTENT_TYPE, Resource, checksum_text, crc32c, parse
from regctl.errors import DamagedError, PathNotFoundError

#: The members of an object that are asked for; the others are many.
FIELDS = "name,size,generation,updated,contentType,crc32c,metadata"
#: Metadata of a conditional write: its own number, by which it is known when its answer was lost.
_WRITE = "Regctl-Write"


def describe(store: Store, path: str) -> Resource:
    """The object at ``path``, also one that stands for an upload. Raises `PathNotFoundError`."""
    answer = store.send("objects.get", path, "GET", store.object_url(path, {"fields": FIELDS}))
    return parse(answer.json())


def describe_file(store: Store, path: str) -> Resource:
    """The object at ``path`` if it is a file. Raises `PathNotFoundError`."""
    resource = describe(store, path)
    if resource.is_session:
        raise PathNotFoundError(path)
    return resource


def insert(
    store: Store,
    path: str,
    content: bytes,
    *,
    content_type: str = CONTENT_TYPE,
    metadata: Mapping[str, str] | None = None,
    generation: str | None = None,
) -> Resource:
    """Make ``content`` the object at ``path``, in one request; what it is now.

    ``generation`` is what must be there ("0": nothing); None is no condition. Raises
    `PreconditionFailedError`; not for this very write, when its answer was lost and the request
    sent again.
    """
    known = dict(metadata or {})
    query = {"uploadType": "multipart", "fields": FIELDS}
    if generation is not None:
        known[_WRITE] = secrets.token_hex(8)
        query["ifGenerationMatch"] = generation
    crc = crc32c(content)
    member: dict[str, object] = {
        "name": store.keys.key(path),
        "contentType": content_type,
        "crc32c": checksum_text(crc),
    }
    if known:
        member["metadata"] = known
    headers, body = _related(member, content_type, content)
    answer = store.send(
        "objects.insert",
        path,
        "POST",
        store.bucket_url(query, upload=True),
        headers=headers,
        body=body,
        accept=(200, 412),
    )
    if answer.status == 412:
        resource = _own_write(store, path, known[_WRITE]) if answer.repeated else None
        if resource is None:
            raise PreconditionFailedError(f"{path} is not what it was")
    else:
        resource = parse(answer.json())
    verify(path, resource, len(content), crc)
    return resource


def verify(path: str, resource: Resource, size: int, crc: int | None) -> None:
    """Raise `DamagedError` unless the object holds ``size`` bytes with ``crc`` (None: unknown)."""
    if resource.size != size:
        raise DamagedError(f"{path}: the storage holds {resource.size} bytes, {size} were sent")
    if crc is not None and resource.crc32c is not None and resource.crc32c != crc:
        raise DamagedError(f"{path}: the storage holds other bytes than were sent (crc32c)")


def remove(store: Store, path: str, *, generation: str | None = None) -> bool:
    """Remove the object at ``path``; False if there is none.

    With ``generation`` nothing else than that; raises `PreconditionFailedError`. True as well if
    it was gone when an unanswered request was repeated: then it is likely our doing.
    """
    query = None if generation is None else {"ifGenerationMatch": generation}
    answer = store.send(
        "objects.delete", path, "DELETE", store.object_url(path, query), accept=(200, 204, 404)
    )
    if answer.status == 404:
        store.require_bucket()
        return answer.repeated
    return True


def _own_write(store: Store, path: str, number: str) -> Resource | None:
    """What is at ``path``, if the write ``number`` made it."""
    try:
        found = describe(store, path)
    except PathNotFoundError:
        return None
    return found if found.metadata.get(_WRITE) == number else None


def _related(
    member: Mapping[str, object], content_type: str, content: bytes
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a request that brings an object's members and its content.

    Source: https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object (multipart)
    """
    boundary = secrets.token_hex(16).encode()  # 128 random bits do not come in the content
    body = b"".join(
        (
            b"--%b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n" % boundary,
            json.dumps(member).encode(),
            b"\r\n--%b\r\nContent-Type: %b\r\n\r\n" % (boundary, content_type.encode()),
            content,
            b"\r\n--%b--\r\n" % boundary,
        )
    )
    return {"Content-Type": f"multipart/related; boundary={boundary.decode()}"}, body
