"""SHA-256 whose state can be saved and restored, in the form that registries store.

A registry keeps the state of an upload's hash beside the upload's data, one file for each offset
at which a writer was closed; whoever goes on with the upload restores it and hashes only the rest.
`hashlib` has no such state, so the work is done by `regctl.digest.libcrypto`. Source of the form:
Go's ``crypto/sha256``, ``MarshalBinary``.
"""

from __future__ import annotations

import hashlib
import re
import struct
import threading
from functools import cache
from typing import TYPE_CHECKING

from regctl.digest.verifier import Buffer
from regctl.errors import DamagedError

if TYPE_CHECKING:
    from regctl.digest.libcrypto import Context, Libcrypto

#: What a stored state starts with.
MAGIC = b"sha\x03"
#: Bytes of a stored state.
STATE_SIZE = 108

#: Magic, eight words of state, the block that is not full yet, bytes taken in.
_STATE = struct.Struct(">4s8I64sQ")
_OFFSET = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_HASH_AGAIN = "without a state the data is hashed again from its start"


class InvalidHashStateError(DamagedError):
    """A stored hash state is none, or cannot be restored on this machine."""

    code = "invalid-hash-state"


def parse_offset(name: str) -> int | None:
    """The offset that the name of a hash state's file writes; None if it writes none.

    Only the form that registries write: decimal, no sign, no leading zeros, below 2**63.
    """
    if not _OFFSET.fullmatch(name):
        return None
    offset = int(name)
    return offset if offset < 2**63 else None


def is_native_state(content: bytes) -> bool:
    """Whether ``content`` is a state that `ResumableSHA256.restore` takes.

    Registries 2.0 to 2.6 stored another form (a gob stream); theirs are not.
    """
    return len(content) == STATE_SIZE and content.startswith(MAGIC)


def is_available() -> bool:
    """Whether states can be saved and restored here: libcrypto is there and behaves as known."""
    return _library() is not None


class ResumableSHA256:
    """SHA-256 with a state that can be stored, at OpenSSL's speed and with the GIL released.

    Where libcrypto cannot be used (see `is_available`) it still hashes, but `state` is None.
    Several threads may call one object; their updates then come in some order, as in `hashlib`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before = 0
        library = _library()
        self._hash = _Plain() if library is None else _Native(library, library.new())

    @classmethod
    def restore(cls, state: bytes) -> ResumableSHA256:
        """The hash in the middle of its work that ``state`` was taken from.

        As in registries, only form and length are checked: a well-formed state of other data
        gives another digest. What stands in the block's unused part is ignored.

        Raises `InvalidHashStateError` if ``state`` is no such state, or if `is_available` is
        False.
        """
        if not is_native_state(state):
            raise InvalidHashStateError(
                f"{len(state)} bytes are not a stored SHA-256 state", hint=_HASH_AGAIN
            )
        library = _library()
        if library is None:
            raise InvalidHashStateError(
                "a stored SHA-256 state cannot be restored: there is no usable libcrypto",
                hint=_HASH_AGAIN,
            )
        _, *words, block, size = _STATE.unpack(state)
        return cls._of(_Native(library, library.put_in(tuple(words), block, size)), size)

    @classmethod
    def _of(cls, inner: _Native | _Plain, size: int) -> ResumableSHA256:
        """The hash ``inner``, which had taken in ``size`` bytes when it was made."""
        made = cls.__new__(cls)
        made._lock, made._before, made._hash = threading.Lock(), size, inner
        return made

    @property
    def size(self) -> int:
        """Bytes taken in, modulo 2**64; after `restore`, what the state says of itself counts."""
        with self._lock:
            return self._taken()

    def _taken(self) -> int:
        # The hash itself is asked: a count kept here would be wrong where a signal interrupts
        # between the hashing and the counting, and so would be every state saved after that.
        return (self._before + self._hash.taken()) % 2**64

    def update(self, data: Buffer, /) -> None:
        """Take in ``data``. It is not copied, unless it is a read-only view of a part."""
        length = data.nbytes if isinstance(data, memoryview) else len(data)
        if length:
            with self._lock:
                self._hash.update(data, length)

    def digest(self) -> bytes:
        """The 32 bytes of the hash of everything so far; more may follow."""
        with self._lock:
            return self._hash.digest()

    def state(self) -> bytes | None:
        """The 108 bytes to store for `restore`; None where `is_available` was False."""
        with self._lock:
            return self._hash.state(self._taken())

    def copy(self) -> ResumableSHA256:
        """A hash of its own that has taken in the same."""
        with self._lock:
            return self._of(self._hash.copy(), self._before)


class _Native:
    """The hash in a context of libcrypto's."""

    def __init__(self, library: Libcrypto, context: Context, start: int | None = None) -> None:
        self._library = library
        self._context = context
        self._start = library.count(context) if start is None else start

    def taken(self) -> int:
        """Bytes taken in since the first was made, which started from a given state."""
        return (self._library.count(self._context) - self._start) % 2**61

    def update(self, data: Buffer, length: int) -> None:
        self._library.update(self._context, data, length)

    def digest(self) -> bytes:
        return self._library.final(self._context)

    def state(self, size: int) -> bytes:
        words, block = self._library.take_out(self._context)
        return _STATE.pack(MAGIC, *words, block, size)

    def copy(self) -> _Native:
        return _Native(self._library, self._library.copy(self._context), self._start)


class _Plain:
    """The hash in `hashlib`, which shows no state."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(usedforsecurity=False)
        self._taken = 0

    def taken(self) -> int:
        return self._taken

    def update(self, data: Buffer, length: int) -> None:
        self._hash.update(data)
        self._taken += length

    def digest(self) -> bytes:
        return self._hash.digest()

    def state(self, size: int) -> None:  # noqa: ARG002
        return None

    def copy(self) -> _Plain:
        twin = _Plain()
        twin._hash, twin._taken = self._hash.copy(), self._taken
        return twin


@cache
def _library() -> Libcrypto | None:
    """The libcrypto to use, looked for once; None if there is none."""
    try:
        # Here, because a Python may be built without ctypes, and most commands need no state.
        from regctl.digest import libcrypto  # noqa: PLC0415
    except ImportError:
        return None
    return libcrypto.load()
