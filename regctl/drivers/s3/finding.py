"""What there is at a path that a writer can go on from."""

from __future__ import annotations

from typing import NamedTuple

from regctl.drivers.s3.client import Store
from regctl.drivers.s3.multipart import MultipartUpload, StoredObject, find_object, find_uploads
from regctl.drivers.s3.parts import LEAST_PART, Part, counted, part_bytes, size_of
from regctl.errors import UploadInUseError


class Found(NamedTuple):
    """What is at a path: the file is ``content`` or, if that is None, ``parts`` of ``upload``."""

    content: StoredObject | None = None
    upload: MultipartUpload | None = None
    parts: tuple[Part, ...] = ()
    #: Whether the upload cannot be appended to: its last part is short, or it has parts that do
    #: not count, and that would count once the gap before them is filled.
    is_full: bool = False
    #: Other uploads of the same key, with their bytes: what is left of writers that died.
    others: tuple[tuple[MultipartUpload, int], ...] = ()
    #: Whether there is an object of this file.
    has_object: bool = False


def find(store: Store, path: str) -> Found:
    """What there is to append to: the object or, if one has more, an upload.

    Registries take the first of several uploads. So is it here, of those that have most: one may
    have been begun twice, when the first answer was lost, and then has nothing in it.
    """
    begun = [(upload, upload.parts()) for upload in find_uploads(store, path)]
    # Looked for last: an upload that ends meanwhile becomes an object.
    content = find_object(store, path)
    sizes = [size_of(counted(listed)) for _, listed in begun]
    others = [(upload, size) for (upload, _), size in zip(begun, sizes, strict=True)]
    if content is not None and content.size >= max(sizes, default=0):
        return Found(content, others=tuple(others), has_object=True)
    if not begun:
        return Found()
    first = sizes.index(max(sizes))
    upload, listed = begun[first]
    parts = counted(listed)
    if listed and not parts:
        return Found(others=tuple(others))
    del others[first]
    is_full = bool(parts) and (
        parts[-1].size < LEAST_PART or max(part.number for part in listed) > len(parts)
    )
    return Found(None, upload, tuple(parts), is_full, tuple(others), content is not None)


def find_sealed(store: Store, path: str) -> list[Found]:
    """What there is to append to without ever completing it: long parts only, most bytes first.

    At a blob's key registries have uploads too: what they are copying there at this moment. Such
    an upload is left alone, as far as its parts tell: they are larger than what a writer sends,
    or have the size of copies. What follows a gap is sent again; if somebody dies at that, the
    checksums (`regctl.drivers.base.Writer.holds`) tell whether the parts still fit together.
    """
    found = []
    for upload in find_uploads(store, path):
        try:
            listed = upload.parts()
        except UploadInUseError:
            continue  # a registry was done with it
        parts = [part for part in counted(listed) if part.size >= LEAST_PART]
        if parts and not _is_copy(store, parts[0]):
            found.append(Found(upload=upload, parts=tuple(parts)))
    return sorted(found, key=lambda each: size_of(each.parts), reverse=True)


def _is_copy(store: Store, first: Part) -> bool:
    least = part_bytes(1, store.part_bytes)
    if first.size >= least:
        # A part takes in what comes after it, if that is too short for one of its own.
        return first.size >= least + LEAST_PART
    return first.size == store.copy_chunk_bytes
