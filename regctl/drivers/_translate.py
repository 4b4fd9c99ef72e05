"""The one place where an operating system's errors become those of `regctl.errors`."""

from __future__ import annotations

import errno
from types import TracebackType

from regctl.errors import (
    DamagedError,
    DeniedError,
    NoSpaceError,
    NotPermittedPathError,
    PathNotFoundError,
    RegctlError,
    UnavailableError,
)

_ABSENT = {errno.ENOENT, errno.ENOTDIR}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM}
_EXHAUSTED = {errno.EMFILE, errno.ENFILE}


def translate(error: OSError, path: str) -> RegctlError:
    """The error that says what ``error`` says, about ``path`` in the storage."""
    message = f"{path}: {error.strerror or error}"
    if error.errno in _ABSENT:
        return PathNotFoundError(path)
    if error.errno in _FULL:
        return NoSpaceError(message)
    if error.errno == errno.EROFS:
        return DeniedError(message, hint="the storage is mounted read-only")
    if error.errno in _DENIED:
        return DeniedError(message, hint="run as the user who owns the storage's files, or as root")
    if error.errno == errno.ELOOP:
        return symlink_error(path)
    if error.errno == errno.ENXIO:
        return irregular_error(path)
    if error.errno == errno.EISDIR:
        return DamagedError(f"{path}: a directory where a file should be")
    if error.errno == errno.ENAMETOOLONG:
        return NotPermittedPathError(message)
    hint = (
        "raise the limit of open files, or use fewer --jobs" if error.errno in _EXHAUSTED else None
    )
    return UnavailableError(message, hint=hint)


def symlink_error(path: str) -> NotPermittedPathError:
    """The refusal of the symlink at ``path``."""
    return NotPermittedPathError(
        f"{path} is a symlink, which is never followed",
        hint="point the storage at the real directory",
    )


def irregular_error(path: str) -> NotPermittedPathError:
    """The refusal of a pipe, socket or device at ``path``."""
    return NotPermittedPathError(f"{path} is neither a file nor a directory")


def exchanged_error(path: str) -> UnavailableError:
    """What is to say when ``path`` was no directory and is one now: nothing was seen of it."""
    return UnavailableError(
        f"{path} was exchanged for something else while it was used", hint="try again"
    )


class translated:  # noqa: N801 - used as a function; a class takes a third of the time
    """A block whose operating system errors are about ``path``."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            raise translate(error, self._path) from error
