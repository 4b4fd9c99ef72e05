"""Objects moved in S3, which has no moves: copied by the server, looked at, and then removed.

Source: CopyObject and UploadPartCopy in the Amazon S3 API reference.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

from regctl.drivers.objects.ranges import ContentChangedError
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.errors import NoSuchUploadError, PreconditionFailedError
from regctl.errors import DamagedError, PathNotFoundError, StorageError, UnavailableError

#: The most parts of a multipart upload.
MAX_PARTS = 10_000

_MD5 = re.compile(r'"?([0-9a-fA-F]{32})"?')


class _Source(NamedTuple):
    """What is to be copied: its path, and the content that it had when it was looked at."""

    path: str
    key: str
    size: int
    etag: str

    def arguments(self, bucket: str) -> dict[str, Any]:
        """Those of a copying request: this content of this object and no other."""
        # The SDK encodes the key.
        return {
            "CopySource": {"Bucket": bucket, "Key": self.key},
            "CopySourceIfMatch": self.etag,
        }


def move(store: Store, source: str, target: str) -> None:
    """Move the object at ``source`` to ``target``, replacing what is there.

    A crash leaves one or both, whole. Raises `PathNotFoundError` for ``source``;
    `ContentChangedError` if it is written meanwhile; then it stays. `DamagedError` if the copy is
    not what it should be; then too.
    """
    key = store.keys.key(source)
    head = store.call("head_object", source, Key=key)
    if source == target:
        return
    found = _Source(source, key, int(head["ContentLength"]), str(head["ETag"]))
    try:
        if found.size <= store.copy_threshold_bytes:
            _copy_at_once(store, found, target)
        else:
            _copy_by_parts(store, found, target)
    except PreconditionFailedError as error:
        raise ContentChangedError(source) from error
    copied = int(store.call("head_object", target, Key=store.keys.key(target))["ContentLength"])
    if copied != found.size:
        raise DamagedError(f"{target} has {copied} bytes after {found.size} were copied to it")
    store.call("delete_object", source, Key=key)


def part_bytes(size: int, least: int) -> int:
    """Bytes of each part but the last of an object of ``size`` bytes: ``least``, or as many more,
    by whole MiB, as it takes not to exceed `MAX_PARTS`."""
    needed = -(-size // MAX_PARTS)
    return max(least, -(-needed // (1 << 20)) << 20)


def _copy_at_once(store: Store, source: _Source, target: str) -> None:
    # A copy keeps the type of what is copied.
    new_object = {name: each for name, each in store.new_object.items() if name != "ContentType"}
    store.call(
        "copy_object",
        source.path,
        Key=store.keys.key(target),
        **source.arguments(store.bucket),
        **new_object,
    )


def _copy_by_parts(store: Store, source: _Source, target: str) -> None:
    key = store.keys.key(target)
    answer = store.call("create_multipart_upload", target, Key=key, **store.new_object)
    upload_id = str(answer["UploadId"])
    try:
        etags = _copy_parts(store, source, key, upload_id)
        _complete(store, target, upload_id, etags, source.size)
    except BaseException:
        # Else it is billed until somebody does this.
        with suppress(StorageError, PathNotFoundError):
            store.call("abort_multipart_upload", target, Key=key, UploadId=upload_id)
        raise


def _copy_parts(store: Store, source: _Source, key: str, upload_id: str) -> list[str]:
    """The ETags of the parts, copied several at a time. The first error ends it."""
    step = part_bytes(source.size, store.copy_chunk_bytes)
    starts = range(0, source.size, step)

    def copy(start: int) -> str:
        end = min(start + step, source.size)
        answer = store.call(
            "upload_part_copy",
            source.path,
            Key=key,
            UploadId=upload_id,
            PartNumber=start // step + 1,
            CopySourceRange=f"bytes={start}-{end - 1}",
            **source.arguments(store.bucket),
        )
        return str(answer["CopyPartResult"]["ETag"])

    # Threads of its own: whoever moves may be one of the store's, waiting for the others.
    with ThreadPoolExecutor(min(store.copy_concurrency, len(starts))) as pool:
        copies = [pool.submit(copy, start) for start in starts]
        try:
            return [each.result() for each in copies]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _complete(store: Store, path: str, upload_id: str, etags: Sequence[str], size: int) -> None:
    """Make an object of the parts."""
    key = store.keys.key(path)
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    try:
        store.call(
            "complete_multipart_upload",
            path,
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
        )
    except (NoSuchUploadError, UnavailableError):
        # It may be done, and only the answer to the first try was lost.
        if not _is_completed(store, path, etags, size):
            raise


def _is_completed(store: Store, path: str, etags: Sequence[str], size: int) -> bool:
    """Whether the object at ``path`` is the one of just these parts."""
    try:
        head = store.call("head_object", path, Key=store.keys.key(path))
    except PathNotFoundError:
        return False
    expected = multipart_etag(etags)
    return (
        expected is not None
        and int(head["ContentLength"]) == size
        and str(head["ETag"]).strip('"').lower() == expected
    )


def multipart_etag(etags: Sequence[str]) -> str | None:
    """The ETag, without quotes, of the object that parts with ``etags`` make; None where these
    are no MD5s, as under KMS, so that it cannot be told."""
    digests = bytearray()
    for etag in etags:
        match = _MD5.fullmatch(etag)
        if match is None:
            return None
        digests += bytes.fromhex(match[1])
    return f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(etags)}"
