"""Moving an object: a rewrite on the server's side, in as many calls as it takes, then a delete.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite
"""

from __future__ import annotations

from contextlib import suppress

from regctl.drivers.gcs import objects
from regctl.drivers.gcs.client import Store
from regctl.drivers.gcs.errors import PreconditionFailedError, not_gcs
from regctl.drivers.gcs.resource import Resource, parse
from regctl.drivers.objects.ranged import ContentChangedError
from regctl.errors import PathNotFoundError, StorageError


def move(store: Store, source: str, target: str) -> None:
    """Move the file at ``source`` to ``target``. Raises as `StorageDriver.move`."""
    stored = objects.describe_file(store, source)
    if source == target:
        return
    copied = _rewrite(store, source, target, stored)
    objects.verify(target, copied, stored.size, stored.crc32c)
    # What was put at the source meanwhile is a file of its own, and stays.
    with suppress(PreconditionFailedError):
        objects.remove(store, source, generation=stored.generation)


def _rewrite(store: Store, source: str, target: str, stored: Resource) -> Resource:
    """Copy exactly what ``stored`` describes; what is at ``target`` then."""
    way = f"/rewriteTo/b/{store.bucket}/o/{store.quoted_key(target)}"
    query = {"fields": f"done,rewriteToken,totalBytesRewritten,resource({objects.FIELDS})"}
    if stored.generation is not None:
        query["ifSourceGenerationMatch"] = stored.generation
    done = -1
    while True:
        try:
            answer = store.send(
                "objects.rewrite",
                source,
                "POST",
                store.object_url(source, query, suffix=way),
                headers={"Content-Length": "0"},
                body=b"",
            ).json()
        except PreconditionFailedError as error:
            raise ContentChangedError(source) from error
        except PathNotFoundError as error:
            if "rewriteToken" in query:
                raise ContentChangedError(source, "was removed") from error
            raise
        if answer.get("done"):
            return parse(answer.get("resource") or {})
        rewritten = int(answer.get("totalBytesRewritten", 0))
        token = answer.get("rewriteToken")
        if not token:
            raise not_gcs("it rewrites a part of an object and does not say how to go on")
        if rewritten <= done and query.get("rewriteToken") == token:
            raise StorageError(f"the storage does not get on with moving {source}")
        done = rewritten
        query["rewriteToken"] = str(token)
