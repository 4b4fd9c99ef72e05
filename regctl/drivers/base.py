"""The contract of a storage driver: what every driver does, and what no caller may assume.

Paths are absolute within the storage, separated by ``/``: ``/docker/registry/v2/blobs/...``. They
are plain text to a driver; `regctl.layout` alone knows what they mean. Every driver is used
through `regctl.drivers.checked.CheckedDriver`, which refuses unsafe paths once for all of them.

Errors are those of `regctl.errors`: `PathNotFoundError` only when the storage was asked and holds
nothing there; everything else is a `StorageError` (or `UnsafeError` where this page says so). A
driver never takes an error for an absence and never retries what is not idempotent.

What stands in the way is named: writing below a file, or a file over a directory, raises
`DamagedError`; a symlink is never followed, replaced or removed, and going through one raises
`NotPermittedPathError`, as does a file operation on a pipe, socket or device. Reading below a file
is to find nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from regctl.drivers.cells import Cell
from regctl.errors import RegctlError

Buffer = bytes | bytearray | memoryview


class Kind(Enum):
    """What stands at a path."""

    FILE = "file"
    DIRECTORY = "directory"
    #: A symlink. It is reported and never followed, wherever it points.
    SYMLINK = "symlink"
    #: A socket, a device, a pipe.
    OTHER = "other"


#: What `StorageDriver.probe` says of a directory in which the file asked for is not, or not a file.
NOTHING = -1
NOT_A_FILE = -2
#: A name below the directory probed, what stands there, and the size of the file asked for in it.
Probed = tuple[str, Kind, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in the storage. ``size`` (bytes) and ``modified`` (seconds since the epoch, by the
    storage's clock) are set by `StorageDriver.stat`, and by a walk with ``stat=True``, for files;
    otherwise they are 0."""

    path: str
    kind: Kind
    size: int = 0
    modified: float = 0.0

    @property
    def name(self) -> str:
        """The last component of the path."""
        return self.path.rpartition("/")[2]


class Reader(Protocol):
    """A stream of one file's bytes. Use it in a ``with`` block."""

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        """Fill ``buffer`` from the start and return how many bytes came: 0 only at the end.

        Raises `StorageError` when the storage fails in the middle; a short stream is never
        passed off as a complete one.
        """

    def close(self) -> None:
        """Release what the stream holds."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None: ...


class Writer(Protocol):
    """Grows one file. What is written stays when the writer is closed, and can be appended to
    later, also by another process: this is what an upload in progress is made of.

    Use it in a ``with`` block: leaving it closes the writer and keeps what was written. A closed
    writer takes nothing more: `write` and all that work on the content raise `ValueError`.
    """

    @property
    def size(self) -> int:
        """Bytes in the file, counting those just written."""

    def write(self, data: Buffer) -> None:
        """Append all of ``data``. Raises `NoSpaceError` and other `StorageError`."""

    def truncate(self, size: int) -> None:
        """Cut the file back to its first ``size`` bytes and go on there.

        Raises `ValueError` if it has fewer.
        """

    def reader(self) -> Reader:
        """A stream of everything written so far, from the first byte.

        Nothing else is asked of the writer before the stream is closed; then it goes on. On an
        object store this may make the content visible, and what is written after it costly.
        """

    def holds(self, pieces: Iterable[Buffer]) -> bool:
        """Whether what is in the file is what ``pieces`` begin with, joined.

        Told by the checksums that the storage keeps, without reading the file: False where it
        keeps none, although it may be so. A file of no bytes holds the beginning of anything.
        """

    def flush_early(self) -> None:
        """Begin to make durable what was written: only a hint, returns at once."""

    def sync(self) -> None:
        """Return when everything written so far survives a crash of the machine."""

    def cancel(self) -> None:
        """Remove the file and close. Idempotent; removes nothing after close or commit, and
        leaves alone what stands at the path when the file was moved from there."""

    def commit(self) -> None:
        """Make everything durable, and the file visible to `StorageDriver.stat`.

        The writer takes nothing more, and keeps others off until it is closed: so the file can be
        moved to where it belongs before anybody else could append to it.
        """

    def close(self) -> None:
        """Close and keep what was written, resumable. Idempotent. After `commit`: let others in."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class StorageDriver(Protocol):
    """A storage of files by path. Safe to use from several threads, except one reader or writer."""

    @property
    def name(self) -> str:
        """The driver's name in a registry's configuration: ``filesystem``, ``s3``, ``gcs``..."""

    @property
    def has_directories(self) -> bool:
        """Whether directories are things of their own, listed one by one, not just what the names
        of files have in common."""

    @property
    def hides_unfinished(self) -> bool:
        """Whether a writer's file can be seen by nobody until it is committed."""

    @property
    def seals(self) -> bool:
        """Whether `writer` takes ``sealed``."""

    def requests(self) -> Mapping[str, int]:
        """How many requests were sent to a server so far, each try counted, by the server's name
        for them; empty where there is no server."""

    def read(self, path: str, offset: int = 0) -> Reader:
        """A stream of the file from byte ``offset``; empty if ``offset`` is its size or more.

        Raises `PathNotFoundError`, also for a directory; `ValueError` if ``offset`` is negative.
        A stream gives one content: when the file is replaced or removed meanwhile it goes on with
        what it opened, or fails.
        """

    def get(self, path: str, limit: int) -> bytes:
        """The whole content of a small file.

        Raises `PathNotFoundError`; `DamagedError` if it holds more than ``limit`` bytes.
        """

    def get_many(
        self, paths: Iterable[str], limit: int
    ) -> Iterator[tuple[str, bytes | RegctlError]]:
        """The contents of small files, in the order of ``paths``, with many asked for at once.

        Each path comes back with what `get` gives for it, or with the error that `get` raises.
        ``paths`` may be taken some way ahead of what comes.
        """

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        """Make ``content`` the file's content: whole and durable, or not at all.

        Readers see the old content or the new, never a part. Directories above are made. With
        ``if_absent``, raises `PathExistsError` if anything is there, and of several such writers
        exactly one succeeds. Otherwise idempotent.
        """

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> Writer:
        """A writer of the file at ``path``, made with the directories above it.

        With ``append`` it goes on after what is there (nothing, if nothing is there); without, it
        starts empty. At most one writer a path exists at a time, across processes: a second one
        raises `UploadInUseError` and changes nothing. (On an object store this binds regctl alone:
        a registry takes no notice of it.)

        With ``sealed``, where the storage `seals`, nothing that is not committed can ever be seen
        at the path, whatever happens: so content may be sent to where it belongs. A file at the
        path is left as it is, neither gone on with nor removed, until the commit replaces it. What
        cannot be gone on with in this way is not counted in `Writer.size`; `Writer.reader`, and
        `Writer.truncate` to anything but 0, raise `ValueError`.
        """

    def unfinished(self, path: str) -> Iterator[Entry]:
        """The files below the directory ``path`` that writers left uncommitted, and that the other
        operations do not see because `hides_unfinished`: with their bytes, and the time of the
        last thing that was written, both as far as the storage tells.

        A path comes as often as there are beginnings of it; a writer goes on with the first of
        those that have most. They go away when a writer commits or cancels. Nothing comes where
        there are none.
        """

    def discard_unfinished(self, path: str, before: float) -> list[Entry]:
        """Remove those of the `unfinished` beginnings of the one file at ``path`` to which nothing
        was written since ``before`` (seconds since the epoch), whoever began them; what they were.

        A file at the path, and beginnings that are younger, are never touched. Raises
        `UploadInUseError` if a writer has the path open.
        """

    def cell(self, path: str) -> Cell:
        """The cell at ``path``: a small file that is written by compare-and-swap alone.

        Where a server ignores conditions, writing raises `ConditionalWritesIgnoredError`.
        """

    def stat(self, path: str, *, files_only: bool = False) -> Entry:
        """What stands at ``path``, with size and time. Raises `PathNotFoundError`.

        With ``files_only`` an object store, which has to be asked again for that, does not look
        whether a path that is no file is a directory.
        """

    def list(self, path: str) -> list[Entry]:
        """The entries directly below the directory ``path``, by name, without size and time.

        Raises `PathNotFoundError` if there is no such directory (an object store has none that
        is empty); the root is always there.
        """

    def walk(
        self, path: str, *, stat: bool = True, descend: Callable[[Entry], bool] | None = None
    ) -> Iterator[Entry]:
        """Everything below the directory ``path``, in bulk, in no promised order except that a
        directory comes before what it holds. An object store yields files only, and directories
        where ``descend`` is asked about them.

        Where ``descend`` says no to a directory, that directory is yielded and what it holds is
        not. With ``stat=False`` sizes and times are not asked for, which is faster. What vanishes
        during the walk is left out; whatever else cannot be read raises. Raises
        `PathNotFoundError` if there is no such directory; the root is always there.
        """

    def probe(self, path: str, name: str = "", *, others: bool = False) -> Iterator[Probed]:
        """What stands directly below the directory ``path``, by names and kinds alone, in no
        promised order: what `list` tells, for directories with a great many entries.

        With ``name``, a path relative to them, each directory comes with the size in bytes of that
        file in it: `NOTHING` if nothing is there, `NOT_A_FILE` if something else is. Everything
        else comes with `NOTHING`. With ``others`` each directory is followed by what else than the
        file ``name`` stands directly in it, named ``directory/name``, with `NOTHING`. (Meant for
        storages with directories: elsewhere it takes a request for each.)

        What vanishes meanwhile is left out; whatever else cannot be seen raises. Raises
        `PathNotFoundError` if there is no such directory; the root is always there.
        """

    def move(self, source: str, target: str) -> None:
        """Move a file, durably; a file at ``target`` is replaced. Directories above are made.

        Raises `PathNotFoundError` if ``source`` is no file. A crash leaves one or both, whole. A
        writer may have ``source`` open: it keeps the file, wherever it is now.
        """

    def delete(self, path: str) -> None:
        """Remove one file. Raises `PathNotFoundError`, also for a directory."""

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        """Remove files, yielding each path with its error, or None, in any order.

        Absent files are no error. Files are removed as the result is iterated, perhaps in groups:
        what is not yielded may or may not have been removed.
        """

    def mkdir(self, path: str) -> None:
        """Make a directory and those above it. Idempotent; nothing on an object store."""

    def rmdir(self, path: str) -> None:
        """Remove an empty directory; do nothing if it is absent, not empty, or not a thing that
        this storage has. Never removes a file."""

    def now(self) -> float:
        """The storage's own clock, in seconds since the epoch, comparable to `Entry.modified`.

        May write and remove a small file outside the registry's tree.
        """
