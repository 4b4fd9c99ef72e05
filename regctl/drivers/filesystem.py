"""The storage on a local disk: the tree that Distribution's filesystem driver keeps.

A path is appended to the root directory. Nothing outside the root is ever reached, and no symlink
below it is followed. Source: distribution, ``registry/storage/driver/filesystem/driver.go``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat as status_of
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from regctl.drivers._directories import READ, Directories, above, adopt, lstat, sync_directory
from regctl.drivers._streams import FileReader, FileWriter, get_many
from regctl.drivers._temporary import Staging, write_all
from regctl.drivers._translate import irregular_error, symlink_error, translated
from regctl.drivers._walk import entry_of, probe, scan, walk
from regctl.drivers.base import Entry, Kind, Probed
from regctl.drivers.shapes import DirectoryShape
from regctl.errors import (
    DamagedError,
    PathExistsError,
    PathNotFoundError,
    RegctlError,
    UploadInUseError,
)

#: How often a writer looks again for the file that its path names.
_ATTEMPTS = 10
_COPY_SIZE = 1 << 20
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class FilesystemDriver(DirectoryShape):
    """The tree below ``root``, a directory of this machine; a symlink to one is resolved once.

    What root creates belongs to the owner of the directory that it is created in, so that the
    registry can use it. Raises `ConfigurationError` if ``root`` is no directory.
    """

    def __init__(self, root: str) -> None:
        self._directories = Directories(root)
        self._staging = Staging(self._directories)

    @property
    def name(self) -> str:
        return "filesystem"

    @property
    def root(self) -> str:
        """The root's real path on this machine."""
        return self._directories.root

    def read(self, path: str, offset: int = 0) -> FileReader:
        descriptor, _ = self._open(path)
        try:
            with translated(path):
                if offset:
                    os.lseek(descriptor, offset, os.SEEK_SET)
                os.posix_fadvise(descriptor, offset, 0, os.POSIX_FADV_SEQUENTIAL)
        except BaseException:
            os.close(descriptor)
            raise
        return FileReader(descriptor, path)

    def get(self, path: str, limit: int) -> bytes:
        descriptor, size = self._open(path)
        try:
            with translated(path):
                content = b""
                # One byte more than there should be: the file may have grown since.
                while size <= limit and (piece := os.read(descriptor, size + 1 - len(content))):
                    content += piece
                    if len(content) == size:
                        break  # more was asked for, and there is no more
                    size = max(size, len(content))
        finally:
            os.close(descriptor)
        if size > limit:
            raise DamagedError(f"{path} has {size} bytes, more than the {limit} it may have")
        return content

    def get_many(
        self, paths: Iterable[str], limit: int
    ) -> Iterator[tuple[str, bytes | RegctlError]]:
        return get_many(self._directories, self.get, paths, limit)

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        def attempt() -> None:
            with self._directories.made(above(path)) as parent:
                _check_target(parent, path, if_absent=if_absent)
                self._staging.place(
                    parent, path, lambda fd: write_all(fd, content), if_absent=if_absent
                )

        with translated(path):
            self._directories.persist(attempt, path)

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> FileWriter:
        if sealed:
            raise ValueError("this storage does not seal")
        with translated(path):
            return self._directories.persist(lambda: self._writer(path, append=append), path)

    def stat(self, path: str, *, files_only: bool = False) -> Entry:  # noqa: ARG002 - one look
        with translated(path):
            if path == "/":
                return Entry(path, Kind.DIRECTORY)
            descriptor = self._directories.open_look(path)
            if descriptor is not None:
                try:
                    return entry_of(path, os.fstat(descriptor))
                finally:
                    os.close(descriptor)
            with self._directories.parent(path) as (parent, name):
                return entry_of(path, os.stat(name, dir_fd=parent, follow_symlinks=False))

    def list(self, path: str) -> list[Entry]:
        with translated(path):
            directory = self._directories.open(path)
            try:
                return sorted(scan(directory, path, stat=False), key=lambda entry: entry.path)
            finally:
                os.close(directory)

    def walk(
        self, path: str, *, stat: bool = True, descend: Callable[[Entry], bool] | None = None
    ) -> Iterator[Entry]:
        return walk(self._directories, path, stat=stat, descend=descend)

    def probe(self, path: str, name: str = "", *, others: bool = False) -> Iterator[Probed]:
        return probe(self._directories, path, name, others=others)

    def move(self, source: str, target: str) -> None:
        with translated(target):
            self._directories.persist(lambda: self._move(source, target), target)

    def delete(self, path: str) -> None:
        with translated(path), self._directories.parent(path) as (parent, name):
            _require_file(os.stat(name, dir_fd=parent, follow_symlinks=False), path)
            os.unlink(name, dir_fd=parent)

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        for path in paths:
            failure: RegctlError | None = None
            try:
                self.delete(path)
            except PathNotFoundError:
                pass
            except RegctlError as error:
                failure = error
            yield path, failure

    def mkdir(self, path: str) -> None:
        def attempt() -> None:
            with self._directories.made(path):
                pass

        with translated(path):
            self._directories.persist(attempt, path)

    def rmdir(self, path: str) -> None:
        if path == "/":
            return
        try:
            with (
                translated(path),
                self._directories.removing,
                self._directories.parent(path) as (parent, name),
            ):
                os.rmdir(name, dir_fd=parent)
        except PathNotFoundError:
            pass
        except RegctlError as error:
            cause = error.__cause__
            # A mount point is busy, and as little to be removed as one that is not empty.
            kept = (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY)
            if not isinstance(cause, OSError) or cause.errno not in kept:
                raise

    def now(self) -> float:
        with translated("/"):
            return self._directories.persist(self._staging.clock, "/")

    def _open(self, path: str) -> tuple[int, int]:
        """A descriptor of the file ``path`` for reading, and its size."""
        with translated(path):
            descriptor = self._directories.open_file(path)
            if descriptor is None:
                with self._directories.parent(path) as (parent, name):
                    descriptor = os.open(name, READ, dir_fd=parent)
            try:
                status = os.fstat(descriptor)
                _require_file(status, path)
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor, status.st_size

    def _writer(self, path: str, *, append: bool) -> FileWriter:
        with self._directories.made(above(path)) as parent:
            descriptor = _open_locked(parent, path)
            try:
                if not append:
                    os.ftruncate(descriptor, 0)
                # An empty file may be what a kill left before its owner was set.
                if os.fstat(descriptor).st_size == 0:
                    adopt(descriptor, os.fstat(parent))
                return FileWriter(descriptor, os.dup(parent), path)
            except BaseException:
                os.close(descriptor)
                raise

    def _move(self, source: str, target: str) -> None:
        descriptor, _ = self._open(source)
        try:
            if source == target:
                return
            os.fsync(descriptor)
            with (
                self._directories.parent(source) as (source_parent, source_name),
                self._directories.made(above(target)) as parent,
            ):
                there = _check_target(parent, target)
                if there is not None and os.path.samestat(there, os.fstat(descriptor)):
                    # rename(2) would leave both names of one file; a lone one was reached twice.
                    if there.st_nlink > 1:
                        os.unlink(source_name, dir_fd=source_parent)
                else:
                    self._rename(descriptor, source_parent, source_name, parent, target)
                sync_directory(parent)
                sync_directory(source_parent)
        finally:
            os.close(descriptor)

    def _rename(
        self, descriptor: int, source_parent: int, source_name: str, parent: int, target: str
    ) -> None:
        name = target.rpartition("/")[2]
        try:
            os.rename(source_name, name, src_dir_fd=source_parent, dst_dir_fd=parent)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            # To another filesystem: a whole copy, then the source goes.
            self._staging.place(parent, target, lambda copy: _copy(descriptor, copy))
            with suppress(FileNotFoundError):
                os.unlink(source_name, dir_fd=source_parent)


def _open_locked(directory: int, path: str) -> int:
    """A descriptor of the file ``path``, made if need be, that no other writer has.

    Raises `UploadInUseError` if one has.
    """
    in_use = UploadInUseError(
        f"another writer has {path} open", hint="wait until it is done, then try again"
    )
    name = path.rpartition("/")[2]
    for _ in range(_ATTEMPTS):
        descriptor = os.open(name, _WRITE, 0o666, dir_fd=directory)
        try:
            status = os.fstat(descriptor)
            _require_file(status, path)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = lstat(directory, name)
        except BlockingIOError as error:
            os.close(descriptor)
            raise in_use from error
        except BaseException:
            os.close(descriptor)
            raise
        # Moved away between the two steps it may be a blob by now, and must not grow.
        if there is not None and os.path.samestat(there, status):
            return descriptor
        os.close(descriptor)
    raise in_use


def _require_file(status: os.stat_result, path: str) -> None:
    """Raise unless ``status`` is a file's: a directory is nothing there to read or remove."""
    if status_of.S_ISREG(status.st_mode):
        return
    if status_of.S_ISDIR(status.st_mode):
        raise PathNotFoundError(path)
    raise symlink_error(path) if status_of.S_ISLNK(status.st_mode) else irregular_error(path)


def _check_target(parent: int, path: str, *, if_absent: bool = False) -> os.stat_result | None:
    """The status of the file that ``path`` would replace; raises if it is something else."""
    status = lstat(parent, path.rpartition("/")[2])
    if status is None:
        return None
    if status_of.S_ISLNK(status.st_mode):
        raise symlink_error(path)
    if if_absent:
        raise PathExistsError(path)
    if status_of.S_ISDIR(status.st_mode):
        raise DamagedError(f"{path}: a directory where a file should be")
    _require_file(status, path)
    return status


def _copy(source: int, target: int) -> None:
    """Write the whole content of one descriptor's file to another's, from its start."""
    os.lseek(source, 0, os.SEEK_SET)
    while piece := os.read(source, _COPY_SIZE):
        write_all(target, piece)
