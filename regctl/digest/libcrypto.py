"""libcrypto's own SHA-256, whose context can be read and written, through ctypes.

The functions are OpenSSL's ``SHA256_Init``, ``SHA256_Update`` and ``SHA256_Final``: deprecated, yet
in every release from 1.1 on, and the only ones with a context of known form. Because that form is
not promised, no library is used before it has shown that it is the known one. Calls through ctypes
release the GIL. Source: OpenSSL, ``include/openssl/sha.h``.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import importlib.util
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from regctl.digest.verifier import Buffer

BLOCK_SIZE = 64

Context = ctypes.Array[ctypes.c_char]

#: ``SHA256_CTX``: h[8], Nl, Nh (the count of *bits*), data[16], num, md_len.
_CONTEXT = struct.Struct("=8I2I64s2I")
#: Lengths around the edges of a block, where a wrong idea of the context would show.
_CHECK_LENGTHS = (0, 1, 55, 56, 63, 64, 65, 119, 128, 1000)
_CHECK_DATA = bytes(range(256)) * 4


@dataclass(frozen=True, slots=True)
class Libcrypto:
    """The three functions of one library, and what can be done with a context."""

    sha256_init: Callable[..., int]
    sha256_update: Callable[..., int]
    sha256_final: Callable[..., int]

    def new(self) -> Context:
        """A context that has taken in nothing."""
        # Twice the room that a context needs: a library with a larger one fails its check, no more.
        context = ctypes.create_string_buffer(2 * _CONTEXT.size)
        _demand(self.sha256_init(context))
        return context

    def update(self, context: Context, data: Buffer, length: int) -> None:
        """Take in the ``length`` (above 0) bytes of ``data``."""
        _demand(self.sha256_update(context, _address(data), length))

    def final(self, context: Context) -> bytes:
        """The 32 bytes of the hash of what ``context`` took in; the context stays as it is."""
        raw = ctypes.create_string_buffer(32)
        _demand(self.sha256_final(raw, self.copy(context)))
        return raw.raw

    def copy(self, context: Context) -> Context:
        """A context of its own in the same state."""
        return ctypes.create_string_buffer(context.raw, len(context))

    def take_out(self, context: Context) -> tuple[tuple[int, ...], bytes]:
        """The eight words of the state, and the bytes of the block that is not full yet."""
        fields = _CONTEXT.unpack_from(context)
        words, block, used = fields[:8], fields[10], fields[11]
        return words, block[:used]

    def count(self, context: Context) -> int:
        """The bytes that ``context`` took in, modulo 2**61."""
        low, high = _CONTEXT.unpack_from(context)[8:10]
        return int((high << 32 | low) // 8)

    def put_in(self, words: tuple[int, ...], block: bytes, size: int) -> Context:
        """A context with this state after ``size`` bytes; ``block`` may be longer than it needs."""
        context = self.new()
        bits = (size * 8) % 2**64
        used = size % BLOCK_SIZE
        _CONTEXT.pack_into(context, 0, *words, bits % 2**32, bits >> 32, block[:used], used, 32)
        return context


def load() -> Libcrypto | None:
    """The first library at hand that behaves as known: the interpreter's own, else the system's.

    None if there is none, for instance where it was built without the old functions.
    """
    for name in _candidates():
        library = _open(name)
        if library is not None and _behaves(library):
            return library
    return None


def _candidates() -> Iterator[str | None]:
    """Names of files that are or need libcrypto; None is the program itself."""
    for module in ("_hashlib", "_ssl"):
        spec = importlib.util.find_spec(module)
        if spec is not None:
            yield spec.origin if spec.has_location else None
    yield from ("libcrypto.so.3", "libcrypto.so.1.1")
    found = ctypes.util.find_library("crypto")
    if found is not None:
        yield found


def _open(name: str | None) -> Libcrypto | None:
    try:
        shared = ctypes.CDLL(name)
        # Only there since 1.1. Before, a build in FIPS mode aborts the process on what follows.
        _ = shared.OpenSSL_version_num
        init, update, final = shared.SHA256_Init, shared.SHA256_Update, shared.SHA256_Final
    except (OSError, AttributeError):
        return None
    init.argtypes = [ctypes.c_void_p]
    update.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    final.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    return Libcrypto(init, update, final)


def _behaves(library: Libcrypto) -> bool:
    """Whether hashes come out right, also by way of a state, at every edge of a block."""
    rest = b"and the rest"
    try:
        for length in _CHECK_LENGTHS:
            data = _CHECK_DATA[:length]
            context = library.new()
            if data:
                library.update(context, data, length)
            words, block = library.take_out(context)
            restored = library.put_in(words, block, length)
            library.update(restored, rest, len(rest))
            found = (block, library.final(context), library.final(restored))
            if found != (data[length - length % BLOCK_SIZE :], _sha256(data), _sha256(data + rest)):
                return False
    except (RuntimeError, struct.error):
        return False
    return True


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data, usedforsecurity=False).digest()


def _demand(result: int) -> None:
    if result != 1:
        raise RuntimeError("libcrypto refused a step of SHA-256")


def _address(data: Buffer) -> object:
    """``data`` (not empty) as something that ctypes passes as a pointer to its first byte."""
    if isinstance(data, bytes):
        return data
    view = memoryview(data)
    if not view.c_contiguous:
        return view.tobytes()
    if not view.readonly:
        return ctypes.byref(ctypes.c_char.from_buffer(view))
    # ctypes gives no address of read-only memory, but a view of all of a bytes object is that.
    whole = view.obj
    return whole if isinstance(whole, bytes) and len(whole) == view.nbytes else view.tobytes()
