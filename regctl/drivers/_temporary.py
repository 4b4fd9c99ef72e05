"""Files that appear whole or not at all: written under a temporary name, made durable, renamed."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Generator
from contextlib import closing, suppress

from regctl.drivers._directories import (
    TEMPORARY_SUFFIX,
    Directories,
    above,
    adopt,
    lstat,
    sync_directory,
)
from regctl.drivers.base import Buffer
from regctl.errors import DeniedError, PathExistsError, PathNotFoundError

#: Seconds after which a temporary thing that nobody holds locked is a leftover of a crash. Making
#: one and locking it is not one step, therefore the lock alone does not tell.
LEFTOVER_AGE = 3600.0

#: Begins with a dot so that no registry takes it for a repository, a tag or an offset.
_PREFIX = ".regctl-"
_TEMPORARY = re.compile(r"\.regctl-[0-9a-f]{16}\.tmp")
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def is_temporary(name: str) -> bool:
    """Whether ``name`` is that of a temporary file inside the registry's tree.

    There are such on filesystems mounted below the root, and there only after a crash or for an
    instant. What is in the directory `regctl.drivers._directories.TEMPORARY` is temporary too.
    """
    return _TEMPORARY.fullmatch(name) is not None


def write_all(descriptor: int, data: Buffer) -> None:
    """Write all of ``data``, however little each call takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class Staging:
    """Makes whole files below the root that ``directories`` knows."""

    def __init__(self, directories: Directories) -> None:
        self._directories = directories
        self._sweeping = threading.Lock()
        self._swept = False

    def place(
        self,
        parent: int,
        path: str,
        fill: Callable[[int], None],
        *,
        if_absent: bool = False,
    ) -> None:
        """Make the file ``path`` in the open directory ``parent``, with what ``fill`` writes.

        ``fill`` is given a descriptor, perhaps more than once. With ``if_absent`` raises
        `PathExistsError` if something is there. Raises `OSError` as it comes.
        """
        refusal = OSError(errno.EACCES, os.strerror(errno.EACCES))
        with closing(self._candidates(parent, path)) as candidates:
            for directory, prefix in candidates:
                name = prefix + secrets.token_hex(8) + TEMPORARY_SUFFIX
                try:
                    descriptor = os.open(name, _CREATE, 0o666, dir_fd=directory)
                except PermissionError as error:
                    refusal = error
                    continue
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                    adopt(descriptor, os.fstat(parent))
                    fill(descriptor)
                    os.fsync(descriptor)
                    self._publish(directory, name, parent, path, if_absent=if_absent)
                except OSError as error:
                    # Equal device numbers promise little: a filesystem may be mounted twice.
                    if error.errno != errno.EXDEV:
                        raise
                    refusal = error
                else:
                    return
                finally:
                    with suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=directory)
                    os.close(descriptor)
        raise refusal

    def clock(self) -> float:
        """The time that the filesystem gives to a file made now."""
        directory = self._directories.open_temporary()
        try:
            return _clock(directory)
        finally:
            os.close(directory)

    def _candidates(self, parent: int, path: str) -> Generator[tuple[int, str], None, None]:
        """Directories on the filesystem of ``parent``, and the prefix of temporary names there.

        First the one for temporary things, then those above ``path`` from the top: the further
        up, the fewer programs read them.
        """
        device = os.fstat(parent).st_dev
        if device == self._directories.device:
            with suppress(DeniedError):
                directory = self._directories.open_temporary()
                try:
                    self._sweep(directory)
                    yield directory, ""
                finally:
                    os.close(directory)
        holders = [""]
        for component in path.split("/")[1:-1]:
            holders.append(f"{holders[-1]}/{component}")
        for each in holders:
            try:
                directory = self._directories.open(each or "/")
            except PathNotFoundError as error:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
            except DeniedError:
                continue
            try:
                if os.fstat(directory).st_dev == device:
                    yield directory, _PREFIX
            finally:
                os.close(directory)

    def _publish(
        self, directory: int, name: str, parent: int, path: str, *, if_absent: bool
    ) -> None:
        """Give the temporary file its name, in its directory made anew if others removed it."""

        def again() -> None:
            with self._directories.made(above(path)) as anew:
                _rename(directory, name, anew, path, if_absent=if_absent)

        try:
            _rename(directory, name, parent, path, if_absent=if_absent)
        except FileNotFoundError:
            self._directories.persist(again, path)

    def _sweep(self, directory: int) -> None:
        """Once, remove what crashes left in the directory for temporary things."""
        with self._sweeping:
            if self._swept:
                return
            self._swept = True
        # Nothing depends on it: what cannot be removed waits for another run.
        with suppress(OSError):
            now = _clock(directory)
            listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
            try:
                names = os.listdir(listing)
            finally:
                os.close(listing)
            for name in names:
                if name.endswith(TEMPORARY_SUFFIX):
                    with suppress(OSError):
                        _remove_leftover(directory, name, now)


def _rename(directory: int, name: str, parent: int, path: str, *, if_absent: bool) -> None:
    """Give the temporary file its name, durably."""
    target = path.rpartition("/")[2]
    if if_absent:
        try:
            os.link(name, target, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False)
        except FileExistsError as error:
            raise PathExistsError(path) from error
    else:
        os.rename(name, target, src_dir_fd=directory, dst_dir_fd=parent)
    sync_directory(parent)


def _clock(directory: int) -> float:
    name = secrets.token_hex(8) + TEMPORARY_SUFFIX
    descriptor = os.open(name, _CREATE, 0o666, dir_fd=directory)
    try:
        return os.fstat(descriptor).st_mtime
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
        os.close(descriptor)


def _remove_leftover(directory: int, name: str, now: float) -> None:
    status = lstat(directory, name)
    if status is None or now - status.st_mtime < LEFTOVER_AGE:
        return
    if stat.S_ISDIR(status.st_mode):
        os.rmdir(name, dir_fd=directory)
    if not stat.S_ISREG(status.st_mode):
        return
    descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), status):
            os.unlink(name, dir_fd=directory)
    finally:
        os.close(descriptor)
