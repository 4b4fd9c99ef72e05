"""A directory far below another, opened by one call of the system that follows no symlink.

Python has no ``openat2``, Linux has it since 5.6. Where it is not to be had, or fails for whatever
reason, the caller goes component by component, and finds the reason there.
Source: openat2(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

#: The same on every architecture, as of every call since Linux 5.
_NUMBER = 437
_RESOLVE_NO_MAGICLINKS, _RESOLVE_NO_SYMLINKS, _RESOLVE_BENEATH = 0x02, 0x04, 0x08


class _How(ctypes.Structure):
    """``struct open_how``."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_HOW = _How(
    os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC,
    0,
    _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH,
)


class DirectoryOpener:
    """Opens directories by ``openat2``, until it is found not to be there."""

    def __init__(self) -> None:
        self._is_there = sys.platform == "linux"
        self._how = ctypes.byref(_HOW)
        self._size = ctypes.c_size_t(ctypes.sizeof(_HOW))
        if self._is_there:
            self._call = ctypes.CDLL(None, use_errno=True).syscall
            self._call.restype = ctypes.c_long

    def open(self, directory: int, path: str) -> int | None:
        """An O_PATH descriptor of ``path`` below ``directory``; None if it did not open."""
        if not self._is_there:
            return None
        number = ctypes.c_long(_NUMBER)
        name = os.fsencode(path)
        descriptor: int = self._call(number, directory, name, self._how, self._size)
        if descriptor >= 0:
            return descriptor
        # A sandbox that does not know it may forbid it.
        if ctypes.get_errno() in (errno.ENOSYS, errno.EPERM):
            self._is_there = False
        return None
