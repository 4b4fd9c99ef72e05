"""What lies far below a directory, opened by one call of the system that follows no symlink.

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


_RESOLVE = _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS | _RESOLVE_BENEATH


class Opener:
    """Opens by ``openat2`` with ``flags`` of its own, until it is found not to be there."""

    def __init__(self, flags: int) -> None:
        self.is_there = sys.platform == "linux"
        self._number = ctypes.c_long(_NUMBER)
        self._how = _How(flags | os.O_CLOEXEC, 0, _RESOLVE)
        self._pointer = ctypes.byref(self._how)
        self._size = ctypes.c_size_t(ctypes.sizeof(_How))
        if self.is_there:
            self._call = ctypes.CDLL(None, use_errno=True).syscall
            self._call.restype = ctypes.c_long

    def open(self, directory: int, path: str) -> int | None:
        """A descriptor of ``path`` below ``directory``; None if it did not open."""
        if not self.is_there:
            return None
        name = os.fsencode(path)
        descriptor: int = self._call(self._number, directory, name, self._pointer, self._size)
        if descriptor >= 0:
            return descriptor
        # A sandbox that does not know it may forbid it.
        if ctypes.get_errno() in (errno.ENOSYS, errno.EPERM):
            self.is_there = False
        return None
