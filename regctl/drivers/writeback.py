"""Starting to write a file back before anybody waits for it."""

from __future__ import annotations

import functools
from collections.abc import Callable

#: From <linux/fs.h>; see sync_file_range(2).
_SYNC_FILE_RANGE_WRITE = 2


def start_writeback(descriptor: int, offset: int, count: int) -> None:
    """Have the system begin to write ``count`` bytes from ``offset`` on; do not wait.

    A later fsync then has little left to do. Only a hint: where the system has no such call
    nothing happens, and an error shows at that fsync.
    """
    call = _sync_file_range()
    if call is not None and count > 0:
        call(descriptor, offset, count, _SYNC_FILE_RANGE_WRITE)


@functools.cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """The C library's ``sync_file_range(2)``, where it has one."""
    import ctypes  # noqa: PLC0415 - takes as long to import as all drivers together

    try:
        call = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    call.restype = ctypes.c_int

    def sync_file_range(descriptor: int, offset: int, count: int, flags: int) -> int:
        return int(call(descriptor, offset, count, flags))

    return sync_file_range
