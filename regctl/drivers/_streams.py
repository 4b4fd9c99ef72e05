"""Readers and writers of files that are open by descriptor."""

from __future__ import annotations

import os
import stat as status_of
from collections.abc import Iterable, Iterator

from regctl.drivers._directories import READ, Directories, lstat, sync_directory
from regctl.drivers._translate import translate, translated
from regctl.drivers.base import Buffer
from regctl.drivers.bulk import Get, Got, get_or_error
from regctl.drivers.forwarding import Closing
from regctl.drivers.writeback import start_writeback
from regctl.errors import DamagedError


def get_many(
    directories: Directories, get: Get, paths: Iterable[str], limit: int
) -> Iterator[tuple[str, Got]]:
    """See `regctl.drivers.base.StorageDriver.get_many`. What is not had at once is left to
    ``get``."""
    for path in paths:
        content = _whole(directories, path, limit)
        yield path, get_or_error(get, path, limit) if content is None else content


def _whole(directories: Directories, path: str, limit: int) -> bytes | None:
    """The content of a small file, None if there is anything about it."""
    descriptor = directories.open_file(path)
    if descriptor is None:
        return None
    try:
        status = os.fstat(descriptor)
        size = status.st_size
        if size > limit or not status_of.S_ISREG(status.st_mode):
            return None
        # One byte more than there should be: the file may have grown since.
        content = os.read(descriptor, size + 1)
        return content if len(content) == size else None
    except OSError:
        return None
    finally:
        os.close(descriptor)


class _Stream(Closing):
    """What owns a descriptor, and closes it once."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._fd = descriptor
        self._path = path

    def close(self) -> None:
        if self._fd >= 0:
            descriptor, self._fd = self._fd, -1
            with translated(self._path):
                os.close(descriptor)

    def _require_open(self) -> None:
        if self._fd < 0:
            raise ValueError(f"the stream of {self._path} is closed")


class FileReader(_Stream):
    """A `regctl.drivers.base.Reader` of the regular file ``descriptor``, which it owns."""

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        self._require_open()
        try:
            return os.readv(self._fd, [buffer])
        except OSError as error:
            raise translate(error, self._path) from error


class FileWriter(_Stream):
    """A `regctl.drivers.base.Writer` of the locked file ``descriptor``, written at its end.

    It owns ``descriptor`` and ``parent``, the directory's, and holds the lock until it closes. The
    lock belongs to the file: it stays when `StorageDriver.move` gives the file another path.
    """

    def __init__(self, descriptor: int, parent: int, path: str) -> None:
        super().__init__(descriptor, path)
        self._parent = parent
        self._size = os.lseek(descriptor, 0, os.SEEK_END)
        self._flushed = self._size
        self._entry_is_durable = False
        self._committed = False

    @property
    def size(self) -> int:
        return self._size

    def write(self, data: Buffer) -> None:
        self._require_open()
        try:
            written = os.write(self._fd, data)
            self._size += written
            if written < len(data):
                view = memoryview(data)[written:]
                while view:
                    written = os.write(self._fd, view)
                    self._size += written
                    view = view[written:]
        except BaseException as error:
            # A signal may have come between a write and its count.
            self._size = os.lseek(self._fd, 0, os.SEEK_CUR)
            if isinstance(error, OSError):
                raise translate(error, self._path) from error
            raise

    def truncate(self, size: int) -> None:
        self._require_open()
        if not 0 <= size <= self._size:
            raise ValueError(f"{self._path} has {self._size} bytes and cannot be cut to {size}")
        with translated(self._path):
            os.ftruncate(self._fd, size)
            self._size = os.lseek(self._fd, size, os.SEEK_SET)
            self._flushed = min(self._flushed, size)

    def reader(self) -> FileReader:
        self._require_open()
        with translated(self._path):
            descriptor = os.open(self._path.rpartition("/")[2], READ, dir_fd=self._parent)
        if os.path.samestat(os.fstat(descriptor), os.fstat(self._fd)):
            return FileReader(descriptor, self._path)
        os.close(descriptor)
        raise DamagedError(f"{self._path} was replaced while it was written")

    def holds(self, pieces: Iterable[Buffer]) -> bool:  # noqa: ARG002 - there are no checksums
        return not self._size

    def flush_early(self) -> None:
        self._require_open()
        start_writeback(self._fd, self._flushed, self._size - self._flushed)
        self._flushed = self._size

    def sync(self) -> None:
        self._require_open()
        with translated(self._path):
            os.fdatasync(self._fd)
            self._flushed = self._size
            if not self._entry_is_durable:
                sync_directory(self._parent)
                self._entry_is_durable = True

    def cancel(self) -> None:
        if self._fd < 0 or self._committed:
            self.close()
            return
        try:
            with translated(self._path):
                name = self._path.rpartition("/")[2]
                status = lstat(self._parent, name)
                # Where it was moved away, what stands there now is somebody else's.
                if status is not None and os.path.samestat(status, os.fstat(self._fd)):
                    os.unlink(name, dir_fd=self._parent)
        finally:
            self.close()

    def commit(self) -> None:
        self.sync()
        self._committed = True

    def _require_open(self) -> None:
        super()._require_open()
        if self._committed:
            raise ValueError(f"the writer of {self._path} has committed and is closed to more")

    def close(self) -> None:
        if self._parent >= 0:
            os.close(self._parent)
            self._parent = -1
        super().close()
