"""What there is at a path that a writer can go on from."""

from __future__ import annotations

from typing import NamedTuple

from regctl.drivers.s3.client import Store
from regctl.drivers.s3.multipart import MultipartUpload, StoredObject, find_object, find_uploads
from regctl.drivers.s3.parts import LEAST_PART, Part, counted, part_bytes, size_of


class Found(NamedTuple):
    """What is at a path: the file is ``content`` or, if that is None, ``parts`` of ``upload``."""

    content: StoredObject | None = None
    upload: MultipartUpload | None = None
    parts: tuple[Part, ...] = ()
    #: Whether the upload cannot be appended to: its last part is short, or it has parts that do
    #: not count, and that would count once the gap before them is filled.
    is_full: bool = False
    #: Other uploads of the same key: what is left of writers that died.
    others: tuple[MultipartUpload, ...] = ()
    #: Whether there is an object of this file.
    has_object: bool = False


def find(store: Store, path: str) -> Found:
    """What there is to append to: the first upload, as registries have it, or the object if that
    has as much (see `regctl.drivers.s3.writer`)."""
    uploads = find_uploads(store, path)
    content = find_object(store, path)
    listed = uploads[0].parts() if uploads else []
    parts = counted(listed)
    if content is not None and content.size >= size_of(parts):
        return Found(content, others=tuple(uploads), has_object=True)
    if not uploads or (listed and not parts):
        return Found(others=tuple(uploads))
    is_full = bool(parts) and (
        parts[-1].size < LEAST_PART or max(part.number for part in listed) > len(parts)
    )
    return Found(None, uploads[0], tuple(parts), is_full, tuple(uploads[1:]), content is not None)


def find_sealed(store: Store, path: str) -> list[Found]:
    """What there is to append to without ever completing it: long parts only, most bytes first.

    At a blob's key registries have uploads too: what they are copying there at this moment. Such
    an upload is left alone, as far as its parts tell: they have the size of copies, and not that
    of parts that are sent. What follows a gap is sent again; if somebody dies at that, the
    checksums (`regctl.drivers.base.Writer.holds`) tell whether the parts still fit together.
    """
    found = []
    for upload in find_uploads(store, path):
        parts = [part for part in counted(upload.parts()) if part.size >= LEAST_PART]
        if parts and not _is_copy(store, parts[0]):
            found.append(Found(upload=upload, parts=tuple(parts)))
    return sorted(found, key=lambda each: size_of(each.parts), reverse=True)


def _is_copy(store: Store, first: Part) -> bool:
    least = part_bytes(1, store.part_bytes)
    return first.size == store.copy_chunk_bytes and not least <= first.size < least + LEAST_PART
