"""Directories below a root, opened component by component without ever following a symlink.

Everything is done relative to the descriptor of the directory that was reached, so nothing that
somebody exchanges meanwhile can lead out of the root.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TypeVar

from regctl.drivers._openat2 import Opener
from regctl.drivers._translate import exchanged_error, symlink_error, translate
from regctl.errors import (
    ConfigurationError,
    DamagedError,
    DeniedError,
    PathNotFoundError,
    RegctlError,
    UnavailableError,
)

#: Where regctl keeps what is temporary: in the root, beside the registry's own ``docker``.
TEMPORARY = "/regctl/tmp"
TEMPORARY_SUFFIX = ".tmp"

#: How often an operation starts again because others remove its directories meanwhile.
_ATTEMPTS = 100
_T = TypeVar("_T")

#: O_PATH asks for the right to pass through, not to list, and cannot have side effects.
_PASS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
#: How a file is opened to be read: neither a pipe nor a terminal there makes it wait.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class Directories:
    """The directories below ``root``, a directory of this machine.

    Raises `ConfigurationError` if it is none, `DeniedError` if it cannot be entered.
    """

    def __init__(self, root: str) -> None:
        if "\0" in root:
            raise ConfigurationError(f"{root!r} cannot be the root of a storage")
        self.root = os.path.realpath(root)
        try:
            self._fd = os.open(self.root, _PASS)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ConfigurationError(
                f"the storage's root {root} is not a directory: {error.strerror}",
                hint="make it first, or correct the path",
            ) from error
        except OSError as error:
            raise translate(error, self.root) from error
        self._directory_opener = Opener(_PASS)
        self._file_opener = Opener(READ)
        self._look_opener = Opener(os.O_PATH | os.O_NOFOLLOW)
        #: The number of the root's filesystem.
        self.device = os.fstat(self._fd).st_dev
        self._making = threading.Lock()
        #: To hold while a directory is removed.
        self.removing = threading.RLock()
        weakref.finalize(self, os.close, self._fd)

    def open(self, path: str) -> int:
        """A descriptor of the directory ``path``, to list or as ``dir_fd``; the caller closes it.

        Raises `PathNotFoundError`, and `NotPermittedPathError` at a symlink.
        """
        holder, _, name = path.rpartition("/")
        directory = self._reach(holder, path)
        try:
            return os.open(name or ".", _LIST, dir_fd=directory)
        except OSError as error:
            raise self._refusal(error, directory, path, path) from error
        finally:
            os.close(directory)

    def open_file(self, path: str) -> int | None:
        """A descriptor of what stands at ``path``, to be read; None if it is not had so easily.

        Then `parent` gives it, or the reason.
        """
        return self._file_opener.open(self._fd, path[1:])

    def open_look(self, path: str) -> int | None:
        """A descriptor of what stands at ``path``, for its status alone; None as `open_file`."""
        return self._look_opener.open(self._fd, path[1:])

    @contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """A descriptor of the directory that holds ``path``, and the name there; see `open`."""
        holder, _, name = path.rpartition("/")
        directory = self._reach(holder, path)
        try:
            yield directory, name
        finally:
            os.close(directory)

    @contextmanager
    def made(self, path: str) -> Iterator[int]:
        """A descriptor of the directory ``path``, made if need be: durably when the block ends.

        Raises `NotPermittedPathError` at a symlink, `DamagedError` at a file, and
        `FileNotFoundError` when others remove a directory as it is made: then try again.
        """
        grown: list[int] = []
        try:
            directory = self._reach("" if path == "/" else path, path, grown)
            try:
                yield directory
            finally:
                os.close(directory)
            # Not before: the longer a new directory is empty, the likelier others remove it.
            for each in grown:
                sync_directory(each)
        finally:
            for each in grown:
                os.close(each)

    def _reach(self, directory: str, path: str, grown: list[int] | None = None) -> int:
        """A descriptor of ``directory`` (empty: the root) on behalf of ``path``.

        With ``grown`` missing directories are made, and descriptors of those that they were made
        in are added to it.
        """
        components = directory.split("/")[1:]
        if len(components) > 1:
            reached = self._directory_opener.open(self._fd, directory[1:])
            if reached is not None:
                return reached
        current = os.dup(self._fd)
        for index, component in enumerate(components):
            try:
                child = os.open(component, _PASS, dir_fd=current)
            except OSError as error:
                here = "/" + "/".join(components[: index + 1])
                try:
                    if grown is None or error.errno != errno.ENOENT:
                        make = grown is not None
                        raise self._refusal(error, current, here, path, make=make) from error
                    grown.append(os.dup(current))
                    child = self._make(current, component, here)
                finally:
                    os.close(current)
            else:
                os.close(current)
            current = child
        return current

    def persist(self, attempt: Callable[[], _T], path: str) -> _T:
        """What ``attempt`` gives, tried again while others remove the directories that it makes.

        Other threads are kept from it after a while: `removing`. Other processes are just slower.
        """
        for number in range(_ATTEMPTS):
            with self.removing if number > 2 else nullcontext(), suppress(FileNotFoundError):
                return attempt()
        raise UnavailableError(f"{path}: the directories above it vanish as soon as they are made")

    def _refusal(
        self, error: OSError, parent: int, here: str, path: str, *, make: bool = False
    ) -> RegctlError:
        """What it means that the component ``here`` of ``path`` did not open."""
        if error.errno == errno.ENOENT:
            return PathNotFoundError(path)
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            return translate(error, here)
        status = lstat(parent, here.rpartition("/")[2])
        if status is not None and stat.S_ISLNK(status.st_mode):
            return symlink_error(here)
        if status is not None and stat.S_ISDIR(status.st_mode):
            return exchanged_error(here)
        if make:
            return DamagedError(f"{here}: a file where a directory should be")
        return PathNotFoundError(path)

    def _make(self, parent: int, name: str, here: str) -> int:
        """Make the directory ``name`` unless somebody else does, and open it."""
        try:
            with self._making:
                if lstat(parent, name) is None:
                    if os.geteuid() == 0 and not f"{TEMPORARY}/".startswith(f"{here}/"):
                        self._make_owned(parent, name)
                    else:
                        _make_in_place(parent, name)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise
            raise translate(error, here) from error
        try:
            return os.open(name, _PASS, dir_fd=parent)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise
            raise self._refusal(error, parent, here, here, make=True) from error

    def _make_owned(self, parent: int, name: str) -> None:
        """Make a directory with the owner and mode of its parent, all at one instant.

        Killed between making it and giving it away, root would leave a directory that the registry
        cannot use and that nothing would ever mend. So it is made aside and renamed.
        """
        try:
            aside = self.open_temporary()
        except DeniedError:
            _make_in_place(parent, name)
            return
        temporary = secrets.token_hex(8) + TEMPORARY_SUFFIX
        try:
            os.mkdir(temporary, 0o700, dir_fd=aside)
            try:
                _adopt_directory(aside, temporary, os.fstat(parent))
                os.rename(temporary, name, src_dir_fd=aside, dst_dir_fd=parent)
            except OSError as error:
                os.rmdir(temporary, dir_fd=aside)
                if error.errno == errno.EXDEV:
                    _make_in_place(parent, name)
                # Somebody else made it meanwhile, or a file: the caller sees when opening it.
                elif error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
        finally:
            os.close(aside)

    def open_temporary(self) -> int:
        """A descriptor of the directory for temporary things, made if need be."""
        current = os.dup(self._fd)
        here = ""
        for name in TEMPORARY.split("/")[1:]:
            here = f"{here}/{name}"
            try:
                child = self._open_or_make_in_place(current, name, here)
            finally:
                os.close(current)
            current = child
        return current

    def _open_or_make_in_place(self, parent: int, name: str, here: str) -> int:
        try:
            if lstat(parent, name) is None:
                _make_in_place(parent, name)
            return os.open(name, _PASS, dir_fd=parent)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise
            raise self._refusal(error, parent, here, here, make=True) from error


def above(path: str) -> str:
    """The directory that holds ``path``."""
    return path.rpartition("/")[0] or "/"


def lstat(directory: int, name: str) -> os.stat_result | None:
    """The status of ``name`` itself, or None if nothing is there."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def sync_directory(directory: int) -> None:
    """Make durable which names ``directory`` holds. One that is gone has nothing to keep."""
    try:
        readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
    except FileNotFoundError:
        return
    try:
        os.fsync(readable)
    except OSError as error:
        # Some network filesystems know no fsync of a directory.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(readable)


def adopt(descriptor: int, parent: os.stat_result) -> None:
    """Give what root has made to the owner and group of the directory that it is for.

    It takes the directory's mode too, a file without the right to execute. Other users' files get
    what the umask leaves, and the group that a set-group-id directory demands.
    """
    own = os.fstat(descriptor)
    if os.geteuid() != 0:
        if parent.st_mode & stat.S_ISGID and own.st_gid != parent.st_gid:
            with suppress(PermissionError):  # in a directory of a group that is not ours
                os.fchown(descriptor, -1, parent.st_gid)
        return
    if (own.st_uid, own.st_gid) != (parent.st_uid, parent.st_gid):
        os.fchown(descriptor, parent.st_uid, parent.st_gid)
    mode = parent.st_mode & (0o2777 if stat.S_ISDIR(own.st_mode) else 0o666)
    if stat.S_IMODE(own.st_mode) != mode:
        os.fchmod(descriptor, mode)


def _make_in_place(parent: int, name: str) -> None:
    try:
        os.mkdir(name, dir_fd=parent)
    except FileExistsError:
        return
    if os.geteuid() == 0:
        _adopt_directory(parent, name, os.fstat(parent))


def _adopt_directory(directory: int, name: str, parent: os.stat_result) -> None:
    descriptor = os.open(name, _LIST, dir_fd=directory)
    try:
        adopt(descriptor, parent)
    finally:
        os.close(descriptor)
