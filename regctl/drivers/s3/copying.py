"""Objects moved in S3, which has no moves: copied by the server, looked at, and then removed.

Source: CopyObject and UploadPartCopy in the Amazon S3 API reference.
"""

from __future__ import annotations

from contextlib import suppress

from regctl.drivers.objects.ranges import ContentChangedError
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.errors import PreconditionFailedError
from regctl.drivers.s3.multipart import (
    MultipartUpload,
    StoredObject,
    copy_parts,
    find_object,
    pinned,
)
from regctl.drivers.s3.parts import MOST_PARTS
from regctl.errors import DamagedError, PathNotFoundError, RegctlError


def move(store: Store, source: str, target: str) -> None:
    """Move the object at ``source`` to ``target``, replacing what is there.

    A crash leaves one or both, whole. Raises `PathNotFoundError` for ``source``;
    `ContentChangedError` if it is written meanwhile; then it stays. `DamagedError` if the copy is
    not what it should be; then too.
    """
    content = find_object(store, source)
    if content is None:
        raise PathNotFoundError(source)
    if source == target:
        return
    try:
        if content.size <= store.copy_threshold_bytes:
            _copy_at_once(store, source, content, target)
        else:
            _copy_by_parts(store, source, content, target)
    except PreconditionFailedError as error:
        raise ContentChangedError(source) from error
    copied = find_object(store, target)
    if copied is None or copied.size != content.size:
        has = "is not there" if copied is None else f"has {copied.size} bytes"
        raise DamagedError(f"{target} {has} after {content.size} bytes were copied to it")
    store.call("delete_object", source, Key=store.keys.key(source))


def part_bytes(size: int, least: int) -> int:
    """Bytes of each part but the last of an object of ``size`` bytes: ``least``, or as many more,
    by whole MiB, as it takes not to exceed `MOST_PARTS`."""
    needed = -(-size // MOST_PARTS)
    return max(least, -(-needed // (1 << 20)) << 20)


def _copy_at_once(store: Store, source: str, content: StoredObject, target: str) -> None:
    # A copy keeps the type of what is copied.
    new_object = {name: each for name, each in store.new_object.items() if name != "ContentType"}
    store.call(
        "copy_object",
        source,
        Key=store.keys.key(target),
        **pinned(store, source, content),
        **new_object,
    )


def _copy_by_parts(store: Store, source: str, content: StoredObject, target: str) -> None:
    step = part_bytes(content.size, store.copy_chunk_bytes)
    starts = range(0, content.size, step)
    ranges = [(start, min(step, content.size - start)) for start in starts]
    upload = MultipartUpload.start(store, target)
    try:
        upload.complete(copy_parts(store, upload, source, content, ranges))
    except BaseException:
        # Else it is billed until somebody does this.
        with suppress(RegctlError):
            upload.abort()
        raise
