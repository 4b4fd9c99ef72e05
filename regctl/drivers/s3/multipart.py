"""Multipart uploads and objects of one key: what the writer asks of S3, each a request or a few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from regctl.drivers.s3.client import Store
from regctl.drivers.s3.errors import NoSuchUploadError, PreconditionFailedError
from regctl.drivers.s3.parts import Part, completed_etag, copy_ranges, size_of
from regctl.errors import PathNotFoundError, StorageError, UnavailableError, UploadInUseError


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

    def put(self, number: int, body: bytes | bytearray) -> Part:
        """The part ``number``, sent; one of that number before is replaced."""
        with self._there():
            answer = self._call("upload_part", PartNumber=number, Body=body)
        return Part(number, len(body), _bare(answer["ETag"]))

    def copy(self, number: int, source: StoredObject, offset: int, length: int) -> Part:
        """The part ``number``, copied by the server from the object ``source`` at the same path."""
        try:
            with self._there():
                answer = self._call(
                    "upload_part_copy",
                    PartNumber=number,
                    CopySource={"Bucket": self._store.bucket, "Key": self._key},
                    CopySourceRange=f"bytes={offset}-{offset + length - 1}",
                    CopySourceIfMatch=f'"{source.etag}"',
                )
        except (PathNotFoundError, PreconditionFailedError) as error:
            raise changed(self._path) from error
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
        """The object, if it is what completing ``parts`` makes."""
        with suppress(StorageError):
            found = find_object(self._store, self._path)
            if found is not None and found.size == size_of(parts):
                etag = completed_etag(parts)
                if found.etag == etag or (etag is None and found.etag.endswith(f"-{len(parts)}")):
                    return found
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
    """The multipart uploads of the file at ``path``, in the server's order (S3: oldest first).

    Registries go on with the first. Source: ListMultipartUploads.
    """
    key = store.keys.key(path)
    found: list[MultipartUpload] = []
    seen: set[str] = set()
    marker: dict[str, str] = {}
    while True:
        answer = store.call("list_multipart_uploads", path, Prefix=key, **marker)
        uploads = answer.get("Uploads", ())
        new = [entry for entry in uploads if entry["UploadId"] not in seen]
        seen.update(entry["UploadId"] for entry in new)
        found += (
            MultipartUpload(store, path, entry["UploadId"]) for entry in new if entry["Key"] == key
        )
        if not answer.get("IsTruncated"):
            return found
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


def copy_into(upload: MultipartUpload, store: Store, source: StoredObject, size: int) -> list[Part]:
    """The parts that the first ``size`` bytes of ``source``, `LEAST_PART` or more, now are in
    ``upload``. Several are copied at a time."""
    futures = [
        store.pool().submit(upload.copy, number, source, offset, length)
        for number, (offset, length) in enumerate(copy_ranges(size, store.copy_chunk_bytes), 1)
    ]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
        wait(futures)
