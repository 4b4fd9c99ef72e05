"""Uploads that nobody goes on with, and other beginnings: found by their last activity, removed.

An upload was last active when anything of it was last written: its data, the hash state that every
request leaves, its start (also as the file says), and what an object store keeps of it where only
its owner sees it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

from regctl.drivers.base import Entry, Kind, StorageDriver
from regctl.errors import DamagedError, InvalidNameError, PathNotFoundError, UploadInUseError
from regctl.layout import LAYOUT_ROOT, Layout, PathMapper, RepositoryName, UploadId, specs
from regctl.layout.own import is_registry_temporary
from regctl.maintenance.gc.things import path_of, spec_at
from regctl.registry.gotime import parse_rfc3339
from regctl.registry.uploadfiles import UploadFiles

_START_BYTES = 64


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload: ``active_at`` (seconds since the epoch, by the storage's clock) is None where
    nothing of it is left but empty directories; ``size`` counts the bytes of all its files."""

    repository: RepositoryName
    layout: Layout
    id: UploadId
    active_at: float | None
    size: int

    @property
    def directory(self) -> str:
        """Where its files lie."""
        return path_of(specs.UploadDirectory(self.repository, self.id), self.layout)


@dataclass(slots=True)
class Beginnings:
    """What was begun in a storage and not ended.

    ``stale`` are uploads without activity since the limit, ``young`` counts the others. ``hidden``
    are stale beginnings of blobs that an object store keeps: moves that a registry did not end, or
    regctl's own. ``unknown`` are hidden beginnings of something else, which are left alone.
    """

    stale: list[Upload] = field(default_factory=list)
    young: int = 0
    hidden: list[Entry] = field(default_factory=list)
    young_hidden: int = 0
    unknown: list[str] = field(default_factory=list)


class Ended(Enum):
    """What became of an upload that was to be removed."""

    REMOVED = "removed"
    #: Somebody writes it at this moment.
    IN_USE = "in-use"
    #: Something was written since it was found.
    ACTIVE = "active"
    #: It was gone already.
    ABSENT = "absent"


def find_beginnings(
    driver: StorageDriver,
    repositories: Iterable[tuple[RepositoryName, Layout]],
    before: float,
) -> Beginnings:
    """The uploads of ``repositories`` without activity since ``before`` (seconds since the epoch).

    What an object store hides is found in the whole tree, whether its repository is among them or
    not. Raises whatever keeps the storage from answering.
    """
    found = Beginnings()
    hidden = _hidden(driver, before, found)
    places = {(name, layout) for name, layout, _ in hidden}
    places.update(repositories)
    for name, layout in sorted(places, key=lambda each: (each[0], each[1].value)):
        entries = _by_upload(driver, name, layout)
        ids = {upload for name_, layout_, upload in hidden if (name_, layout_) == (name, layout)}
        for upload in sorted(ids.union(entries)):
            files = entries.get(upload, []) + hidden.get((name, layout, upload), [])
            seen = _upload(driver, name, layout, upload, files, before)
            if seen.active_at is None or seen.active_at < before:
                found.stale.append(seen)
            else:
                found.young += 1
    return found


def remove_upload(driver: StorageDriver, upload: Upload, before: float) -> tuple[Ended, int]:
    """Remove ``upload``, found stale, if it still is; what became of it, and its bytes.

    It is looked at again, and once more when its data is open for writing and so nobody else's
    (for regctl; a registry takes no notice). Its start goes last, so that what a kill leaves is
    found again. Raises `StorageError` if a file cannot be removed.
    """
    if (ended := _look(driver, upload, before)) is not None:
        return ended, 0
    files = UploadFiles(driver, PathMapper(upload.layout), upload.repository, upload.id)
    size = upload.size
    if driver.hides_unfinished or _is_file(driver, files.data):
        # Without data there is no writer, and opening one would make the data.
        try:
            writer = driver.writer(files.data, append=True)
        except UploadInUseError:
            return Ended.IN_USE, 0
        with writer:
            if (ended := _look(driver, upload, before)) is not None:
                return ended, 0
            writer.cancel()
    files.remove()
    return Ended.REMOVED, size


def remove_hidden(driver: StorageDriver, found: Entry, before: float) -> tuple[Ended, int]:
    """Remove the hidden beginnings of one blob to which nothing was written since ``before``.

    A blob at the path is never touched, nor are beginnings that are younger.
    """
    try:
        gone = driver.discard_unfinished(found.path, before)
    except UploadInUseError:
        return Ended.IN_USE, 0
    return (Ended.REMOVED if gone else Ended.ABSENT), sum(each.size for each in gone)


def remove_temporary(driver: StorageDriver, path: str, before: float) -> tuple[Ended, int]:
    """Remove the file at ``path`` that a registry wrote and did not rename, if it is that and was
    written before ``before``."""
    if not is_registry_temporary(path):
        raise ValueError(f"{path} is no temporary file of a registry")
    try:
        entry = driver.stat(path, files_only=True)
        if entry.kind is not Kind.FILE or entry.modified >= before:
            return Ended.ACTIVE, 0
        driver.delete(path)
    except PathNotFoundError:
        return Ended.ABSENT, 0
    return Ended.REMOVED, entry.size


_Hidden = dict[tuple[RepositoryName, Layout, UploadId], list[Entry]]


def _hidden(driver: StorageDriver, before: float, found: Beginnings) -> _Hidden:
    """The hidden data of uploads; what else is hidden is added to ``found``."""
    uploads: _Hidden = {}
    if not driver.hides_unfinished:
        return uploads
    blobs: dict[str, Entry] = {}
    for entry in driver.unfinished(LAYOUT_ROOT):
        spec, layout = spec_at(entry.path)
        if isinstance(spec, specs.UploadData):
            uploads.setdefault((spec.name, layout, spec.upload), []).append(entry)
        elif not isinstance(spec, specs.BlobData):
            found.unknown.append(entry.path)
        elif entry.modified >= before:
            found.young_hidden += 1
        else:
            other = blobs.get(entry.path)
            size = entry.size + (other.size if other else 0)
            blobs[entry.path] = Entry(entry.path, Kind.FILE, size, entry.modified)
    found.hidden = sorted(blobs.values(), key=lambda each: each.path)
    return uploads


def _by_upload(
    driver: StorageDriver, name: RepositoryName, layout: Layout
) -> dict[UploadId, list[Entry]]:
    """The files of each upload of a repository; none for one that is but directories."""
    root = path_of(specs.Uploads(name), layout)
    found: dict[UploadId, list[Entry]] = {}
    with suppress(PathNotFoundError):
        for entry in driver.walk(root):
            first, _, below = entry.path[len(root) + 1 :].partition("/")
            if below or entry.kind is Kind.DIRECTORY:
                try:
                    files = found.setdefault(UploadId.parse(first), [])
                except InvalidNameError:
                    continue  # somebody else's, and not for us to judge
                if entry.kind is not Kind.DIRECTORY:
                    files.append(entry)
    return found


def _upload(
    driver: StorageDriver,
    name: RepositoryName,
    layout: Layout,
    upload: UploadId,
    files: Iterable[Entry],
    before: float,
) -> Upload:
    """The upload that has ``files``; its start is read only if they alone would make it stale."""
    files = list(files)
    active = max((entry.modified for entry in files), default=None)
    start = path_of(specs.UploadStartedAt(name, upload), layout)
    if active is not None and active < before and any(each.path == start for each in files):
        with suppress(PathNotFoundError, DamagedError, UnicodeDecodeError):
            content = driver.get(start, _START_BYTES)
            active = max(active, parse_rfc3339(content.decode("ascii")).epoch)
    return Upload(name, layout, upload, active, sum(entry.size for entry in files))


def _look(driver: StorageDriver, upload: Upload, before: float) -> Ended | None:
    """Why ``upload`` is not to be removed, as it is now; None if it is."""
    files: list[Entry] = []
    is_there = False
    with suppress(PathNotFoundError):
        for entry in driver.walk(upload.directory):
            if entry.kind is not Kind.DIRECTORY:
                files.append(entry)
        is_there = True
    if driver.hides_unfinished:
        files += driver.unfinished(upload.directory)
    if not is_there and not files:
        return Ended.ABSENT
    now = _upload(driver, upload.repository, upload.layout, upload.id, files, before)
    if now.active_at is None:
        return None
    was_empty = upload.active_at is None
    return Ended.ACTIVE if was_empty or now.active_at >= before else None


def _is_file(driver: StorageDriver, path: str) -> bool:
    try:
        return driver.stat(path, files_only=True).kind is Kind.FILE
    except PathNotFoundError:
        return False
