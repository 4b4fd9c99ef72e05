"""Files on the caller's side: a source that notices when it changes, and a target that appears
whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable

from regctl.digest import Digest, Verifier
from regctl.drivers.forwarding import Closing
from regctl.drivers.writeback import start_writeback
from regctl.errors import InputFileError, NoSpaceError, UnavailableError, UnsafeError
from regctl.registry.transfer import CHUNK_BYTES, SourceChangedError

_FLUSH_BYTES = 8 << 20


class FileSource(Closing):
    """A file, or standard input, as the source of a layer."""

    def __init__(self, name: str, descriptor: int, *, close: bool = False) -> None:
        self._name = name
        self._fd = descriptor
        self._close = close
        self._before = os.fstat(descriptor)
        self._is_file = stat.S_ISREG(self._before.st_mode)
        self._start = os.lseek(descriptor, 0, os.SEEK_CUR) if self._is_file else 0

    @classmethod
    def open(cls, path: str) -> FileSource:
        """The file at ``path``, or standard input for ``-``.

        Raises `InputFileError`, also for a directory.
        """
        if path == "-":
            try:
                return cls("standard input", 0)
            except OSError as error:
                raise InputFileError(f"cannot read standard input: {error.strerror}") from error
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise InputFileError(f"cannot read {path}: {reason}") from error
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InputFileError(f"cannot read {path}: it is a directory")
        return cls(path, descriptor, close=True)

    @property
    def size(self) -> int | None:
        """Bytes from the start to the end of a regular file; None for a pipe."""
        return max(self._before.st_size - self._start, 0) if self._is_file else None

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill ``buffer`` from its start; 0 at the end. Raises `InputFileError`."""
        try:
            return os.readv(self._fd, [buffer])
        except OSError as error:
            raise InputFileError(f"cannot read {self._name}: {error.strerror}") from error

    def read(self, limit: int) -> bytes:
        """What it holds, at most ``limit`` bytes of it. Raises `InputFileError`."""
        content = bytearray()
        buffer = bytearray(min(limit, CHUNK_BYTES))
        while len(content) < limit and (count := self.readinto(buffer)):
            content += buffer[:count]
        return bytes(content[:limit])

    def rewind(self) -> bool:
        """Go back to where it began; False for a pipe."""
        if self._is_file:
            os.lseek(self._fd, self._start, os.SEEK_SET)
        return self._is_file

    def check_unchanged(self, count: int) -> None:
        """Raise `SourceChangedError` if the file was written to while it was read."""
        if not self._is_file:
            return
        now = os.fstat(self._fd)
        before = self._before
        same = (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        if not same or count != self.size:
            raise SourceChangedError(
                f"{self._name} changed while it was read: it had {self.size} bytes, "
                f"{count} were read, and it has {now.st_size} now",
                hint="push it again when nothing writes to it any more",
            )

    def close(self) -> None:
        """Release the file."""
        if self._close:
            os.close(self._fd)


class PartFile(Closing):
    """``FILE.<12 hex>.part``: FILE's beginning, kept when interrupted, renamed when verified.

    With ``private`` nobody but its owner can read it, at any time.
    """

    def __init__(self, target: str, digest: Digest, *, private: bool = False) -> None:
        self.target = target
        self._private = private
        self.path = f"{target}.{digest.hex[:12]}.part"
        self.size = 0
        self._flushed = 0
        self._fd = self._open()

    def _open(self) -> int:
        if not os.path.basename(self.target) or "\0" in self.target:
            raise InputFileError(f"cannot write {self.target!r}: it is no file's name")
        if _is_special(self.target):
            # Renaming over it would replace it: /dev/null would be a file from then on.
            raise InputFileError(f"cannot write {self.target}: it is no regular file")
        try:
            descriptor = os.open(
                self.path,
                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK,
                0o600 if self._private else 0o666,
            )
        except OSError as error:
            raise _output_error(self.target, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise UnsafeError(f"{self.path} is being written by another process") from error
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            os.close(descriptor)
            raise InputFileError(f"cannot write {self.path}: it is no regular file")
        if self._private and stat.S_IMODE(state.st_mode) != 0o600:
            os.fchmod(descriptor, 0o600)
        self.size = state.st_size
        return descriptor

    def replay(self, take: Callable[[memoryview], None]) -> int:
        """Give the bytes that are there from an earlier run to ``take``; how many they are."""
        os.lseek(self._fd, 0, os.SEEK_SET)
        buffer = bytearray(CHUNK_BYTES)
        view = memoryview(buffer)
        done = 0
        while count := os.readv(self._fd, [buffer]):
            take(view[:count])
            done += count
        return done

    def restart(self) -> None:
        """Drop what is there and begin anew."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = self._flushed = 0

    def write(self, data: memoryview) -> None:
        """Append ``data``. Raises `NoSpaceError`, or `UnavailableError` for other failures."""
        try:
            done = 0
            while done < len(data):
                done += os.write(self._fd, data[done:])
        except OSError as error:
            raise _output_error(self.target, error) from error
        self.size += len(data)
        if self.size - self._flushed >= _FLUSH_BYTES:
            start_writeback(self._fd, self._flushed, self.size - self._flushed)
            self._flushed = self.size

    def publish(self, *, force: bool) -> None:
        """Make it durable and give it its name; another file there is replaced only by force.

        Raises `UnsafeError` if something is there already.
        """
        directory = os.path.dirname(self.target) or "."
        try:
            os.fsync(self._fd)
            if force:
                os.replace(self.path, self.target)
            else:
                _rename_new(self.path, self.target)
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except FileExistsError as error:
            raise already_there(self.target) from error
        except OSError as error:
            raise _output_error(self.target, error) from error

    def discard(self) -> None:
        """Remove it."""
        try:
            os.unlink(self.path)
        except FileNotFoundError:
            return

    def close(self) -> None:
        """Release the file."""
        os.close(self._fd)


def _is_special(path: str) -> bool:
    """Whether a directory, device, fifo or socket stands at ``path``."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISLNK(mode)


def already_there(target: str) -> UnsafeError:
    """The error for a FILE that exists and is not to be overwritten."""
    return UnsafeError(f"{target} exists and is another file", hint="give --force to overwrite it")


def write_file(
    target: str, content: bytes, digest: Digest, *, force: bool, private: bool = False
) -> None:
    """Write ``content`` to the file ``target``, whole or not at all. Raises as `PartFile`."""
    with PartFile(target, digest, private=private) as part:
        try:
            part.restart()
            part.write(memoryview(content))
            part.publish(force=force)
        except BaseException:
            part.discard()
            raise


def _rename_new(source: str, target: str) -> None:
    """Rename, never over something that is there."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # No hard links here: the next best thing leaves a moment between looking and renaming.
        if os.path.lexists(target):
            raise FileExistsError(target) from error
        os.rename(source, target)
    else:
        os.unlink(source)


def _output_error(target: str, error: OSError) -> InputFileError | NoSpaceError | UnavailableError:
    message = f"cannot write {target}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpaceError(message)
    if error.errno == errno.EIO:
        return UnavailableError(message)
    return InputFileError(message)


def holds(path: str, size: int, verifier: Verifier) -> bool:
    """Whether the file at ``path`` has ``size`` bytes and is what ``verifier`` wants."""
    if not os.path.isfile(path):
        return False  # reading a fifo would wait for a writer
    with FileSource.open(path) as source:
        if source.size != size:
            return False
        buffer = bytearray(CHUNK_BYTES)
        view = memoryview(buffer)
        while count := source.readinto(buffer):
            verifier.update(view[:count])
    return verifier.mismatch() is None
