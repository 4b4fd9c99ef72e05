"""What the tests of writers in S3 share: content that is known at every byte, and looks at it."""

from __future__ import annotations

import functools
import random

from regctl.drivers.base import StorageDriver, Writer
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.multipart import find_uploads

MB = 1 << 20
PATH = "/docker/registry/v2/repositories/a/_uploads/u/data"


@functools.cache
def _content() -> bytes:
    return random.Random(4).randbytes(40 * MB)


def content(size: int = 40 * MB) -> bytes:
    """Bytes without any pattern, always the same; shorter ones are what longer ones begin with."""
    return _content()[:size]


def write(writer: Writer, data: bytes) -> None:
    """Write ``data`` in pieces of 1 MiB that do not last."""
    piece = bytearray(MB)
    for start in range(0, len(data), MB):
        count = len(data[start : start + MB])
        piece[:count] = data[start : start + MB]
        writer.write(memoryview(piece)[:count])
        piece[:] = bytes(MB)


def read_back(writer: Writer) -> bytes:
    """What a writer's reader gives."""
    buffer = bytearray(writer.size + 1)
    view: memoryview = memoryview(buffer)
    with writer.reader() as reader:
        while count := reader.readinto(view):
            view = view[count:]
    return bytes(buffer[: len(buffer) - len(view)])


def stored(driver: StorageDriver, path: str = PATH) -> bytes:
    """The file as others see it."""
    return driver.get(path, 1 << 30)


def begun_by_registry(store: Store, *sizes: int, path: str = PATH) -> str:
    """A multipart upload as Distribution leaves it, with parts of ``sizes`` bytes; its id."""
    key = store.keys.key(path)
    upload: str = store.call("create_multipart_upload", path, Key=key)["UploadId"]
    _parts(store, key, upload, 1, content(sum(sizes)), sizes)
    return upload


def continued_by_registry(store: Store, data: bytes, *, path: str = PATH) -> None:
    """Append ``data`` as Distribution's ``Writer`` does, and complete, as its ``Commit`` does.

    Source: Distribution, ``registry/storage/driver/s3-aws/s3.go``, `newWriter`, `Write`.
    """
    key = store.keys.key(path)
    uploads = store.call("list_multipart_uploads", path, Prefix=key)["Uploads"]
    upload = next(entry["UploadId"] for entry in uploads if entry["Key"] == key)
    parts = _listed(store, key, upload)
    if parts and parts[-1][2] < 5 * MB:
        _complete(store, key, upload, parts)
        upload = store.call("create_multipart_upload", path, Key=key)["UploadId"]
        if sum(size for _, _, size in parts) < 5 * MB:
            before = store.call("get_object", path, Key=key)["Body"].read()
            data, parts = before + data, []
        else:
            store.call(
                "upload_part_copy",
                path,
                Key=key,
                UploadId=upload,
                PartNumber=1,
                CopySource={"Bucket": store.bucket, "Key": key},
            )
            parts = _listed(store, key, upload)
    sizes = [10 * MB] * (len(data) // (10 * MB)) + [len(data) % (10 * MB)]
    _parts(store, key, upload, len(parts) + 1, data, [size for size in sizes if size])
    _complete(store, key, upload, _listed(store, key, upload))


def upload_count(store: Store, path: str = PATH) -> int:
    """How many multipart uploads of the file there are."""
    return len(find_uploads(store, path))


def _parts(
    store: Store, key: str, upload: str, first: int, data: bytes, sizes: list[int] | tuple[int, ...]
) -> None:
    start = 0
    for number, size in enumerate(sizes, first):
        body = data[start : start + size]
        store.call("upload_part", key, Key=key, UploadId=upload, PartNumber=number, Body=body)
        start += size


def _listed(store: Store, key: str, upload: str) -> list[tuple[int, str, int]]:
    answer = store.call("list_parts", key, Key=key, UploadId=upload)
    return [(each["PartNumber"], each["ETag"], each["Size"]) for each in answer.get("Parts", ())]


def _complete(store: Store, key: str, upload: str, parts: list[tuple[int, str, int]]) -> None:
    listed = [{"PartNumber": number, "ETag": etag} for number, etag, _ in parts]
    store.call(
        "complete_multipart_upload",
        key,
        Key=key,
        UploadId=upload,
        MultipartUpload={"Parts": listed},
    )
