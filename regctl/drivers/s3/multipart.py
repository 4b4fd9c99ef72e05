"""Multipart uploads and objects of one key: what the writer asks of S3, each a request or a few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from regctl.drivers.s3.client import Store
from regctl.drivers.s3.errors import NoSuchUploadError
from regctl.drivers.s3.parts import Part, completed_etag, counted, size_of
from regctl.errors import PathNotFoundError, StorageError, UnavailableError, UploadInUseError

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object: its bytes, and its ETag without quotes."""

    size: int
    etag: str


class MultipartUpload:
    """One multipart upload of the file at ``path``. Safe to use from several threads."""

    def __init__(self, store: Store, path: str, upload_id: str) -> None:
        self._store = store
        self._path = path
        self._key = store.keys.key(path)
        self.id = upload_id

    @classmethod
    def start(cls, store: Store, path: str) -> MultipartUpload:
        """A new one, without parts."""
        answer = store.call(
            "create_multipart_upload", path, Key=store.keys.key(path), **store.new_object
        )
        return cls(store, path, answer["UploadId"])

    def parts(self) -> list[Part]:
        """All parts that the store lists, as it lists them. Source: ListParts."""
        found: list[Part] = []
        marker = 0
        with self._there():
            while True:
                answer = self._call("list_parts", PartNumberMarker=marker)
                found += (
                    Part(int(entry["PartNumber"]), int(entry["Size"]), _bare(entry["ETag"]))
                    for entry in answer.get("Parts", ())
                )
                if not answer.get("IsTruncated"):
                    return found
                following = int(answer.get("NextPartNumberMarker") or 0)
                if following <= marker:
                    raise StorageError(f"{self._path}: the server's list of parts does not end")
                marker = following

    def size(self) -> int:
        """Bytes of the parts that count; 0 if it is no longer there."""
        try:
            return size_of(counted(self.parts()))
        except UploadInUseError:
            return 0

    def put(self, number: int, body: bytes | bytearray) -> Part:
        """The part ``number``, sent; one of that number before is replaced."""
        with self._there():
            answer = self._call("upload_part", PartNumber=number, Body=body)
        return Part(number, len(body), _bare(answer["ETag"]))

    def copy(
        self, number: int, source: str, content: StoredObject, offset: int, length: int
    ) -> Part:
        """The part ``number``, copied by the server from ``content`` at the path ``source``.

        Raises `PathNotFoundError`, and `PreconditionFailedError` if another object is there.
        """
        with self._there():
            answer = self._store.call(
                "upload_part_copy",
                source,
                Key=self._key,
                UploadId=self.id,
                PartNumber=number,
                CopySourceRange=f"bytes={offset}-{offset + length - 1}",
                **pinned(self._store, source, content),
            )
        return Part(number, length, _bare(answer["CopyPartResult"]["ETag"]))

    def complete(self, parts: Sequence[Part]) -> StoredObject:
        """The object that ``parts``, at least one, are now; the upload and other parts are gone.

        Idempotent as far as the object tells: where the answer was lost, it is looked at.
        """
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        try:
            with self._there():
                answer = self._call("complete_multipart_upload", MultipartUpload={"Parts": listed})
        except (UnavailableError, UploadInUseError):
            done = self._completed(parts)
            if done is None:
                raise
            return done
        if etag := _bare(answer.get("ETag") or ""):
            return StoredObject(size_of(parts), etag)
        found = find_object(self._store, self._path)
        if found is None or found.size != size_of(parts):
            raise changed(self._path)
        return found

    def abort(self) -> None:
        """Remove it and its parts. Idempotent."""
        with suppress(NoSuchUploadError):
            self._call("abort_multipart_upload")

    def _completed(self, parts: Sequence[Part]) -> StoredObject | None:
        """The object, if it is known to be what completing ``parts`` makes: never under KMS."""
        with suppress(StorageError):
            found = find_object(self._store, self._path)
            if found is not None and found.size == size_of(parts):
                # An object that was there before may have the size, and as many parts.
                return found if found.etag.lower() == completed_etag(parts) else None
        return None

    def _call(self, operation: str, **arguments: object) -> dict[str, Any]:
        return self._store.call(operation, self._path, Key=self._key, UploadId=self.id, **arguments)

    @contextmanager
    def _there(self) -> Iterator[None]:
        """Says what it means when the upload has gone."""
        try:
            yield
        except NoSuchUploadError as error:
            raise UploadInUseError(
                f"another writer has completed or aborted the upload of {self._path}",
                hint="see what is there before going on",
            ) from error


def find_uploads(store: Store, path: str) -> list[MultipartUpload]:
    """The multipart uploads of the file at ``path``, oldest first, as S3 lists them.

    Registries go on with the first. Source: ListMultipartUploads.
    """
    key = store.keys.key(path)
    found: list[tuple[datetime, str]] = []
    seen: set[str] = set()
    marker: dict[str, str] = {}
    while True:
        answer = store.call("list_multipart_uploads", path, Prefix=key, **marker)
        uploads = answer.get("Uploads", ())
        new = [entry for entry in uploads if entry["UploadId"] not in seen]
        seen.update(entry["UploadId"] for entry in new)
        found += ((entry["Initiated"], entry["UploadId"]) for entry in new if entry["Key"] == key)
        if not answer.get("IsTruncated"):
            # Some servers list them in no order, and not twice in the same.
            return [MultipartUpload(store, path, number) for _, number in sorted(found)]
        if not new:
            raise StorageError(f"{path}: the server's list of multipart uploads does not end")
        last = new[-1]
        marker = {
            "KeyMarker": answer.get("NextKeyMarker") or last["Key"],
            "UploadIdMarker": answer.get("NextUploadIdMarker") or last["UploadId"],
        }


def find_object(store: Store, path: str) -> StoredObject | None:
    """The object at ``path``, or None."""
    try:
        answer = store.call("head_object", path, Key=store.keys.key(path))
    except PathNotFoundError:
        return None
    return StoredObject(int(answer["ContentLength"]), _bare(answer["ETag"]))


def put_object(store: Store, path: str, content: bytes | bytearray) -> None:
    """Make ``content`` the object at ``path``, whole or not at all."""
    store.call("put_object", path, Key=store.keys.key(path), Body=content, **store.new_object)


def remove_object(store: Store, path: str) -> None:
    """Remove the object at ``path``. Idempotent."""
    with suppress(PathNotFoundError):
        store.call("delete_object", path, Key=store.keys.key(path))


def changed(path: str) -> UploadInUseError:
    """What to raise when the object at ``path`` is not the one that a writer goes on from."""
    return UploadInUseError(
        f"another writer has changed {path}", hint="see what is there before going on"
    )


def _bare(etag: str) -> str:
    """An ETag without its quotes, which some servers leave out."""
    return etag.strip('"')


def pinned(store: Store, source: str, content: StoredObject) -> dict[str, Any]:
    """Arguments of a copying request: this content of the object at ``source``, and no other."""
    # The SDK encodes the key.
    return {
        "CopySource": {"Bucket": store.bucket, "Key": store.keys.key(source)},
        "CopySourceIfMatch": f'"{content.etag}"',
    }


def copy_parts(
    store: Store,
    upload: MultipartUpload,
    source: str,
    content: StoredObject,
    ranges: Sequence[tuple[int, int]],
) -> list[Part]:
    """The parts of ``upload`` that ``ranges`` (offset, length) of ``content``, at the path
    ``source``, are now. Several are copied at a time; the first error ends it, when those that
    were begun are done. Raises the errors of `MultipartUpload.copy`."""
    # Threads of its own: the store's may be fewer, and all of them busy with parts that are sent.
    with ThreadPoolExecutor(min(store.copy_concurrency, len(ranges))) as pool:
        copies = [
            pool.submit(upload.copy, number, source, content, offset, length)
            for number, (offset, length) in enumerate(ranges, 1)
        ]
        try:
            return [each.result() for each in copies]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
