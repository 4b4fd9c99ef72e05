"""What stands in directories that are open by descriptor, read in bulk."""

from __future__ import annotations

import errno
import os
import stat as status_of
from collections.abc import Callable, Iterator

from regctl.drivers._directories import Directories, lstat
from regctl.drivers._translate import exchanged_error, symlink_error, translate, translated
from regctl.drivers.base import Entry, Kind

_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_KINDS = {
    status_of.S_IFREG: Kind.FILE,
    status_of.S_IFDIR: Kind.DIRECTORY,
    status_of.S_IFLNK: Kind.SYMLINK,
}


def entry_of(path: str, status: os.stat_result) -> Entry:
    """The entry of what has ``status``, with size and time if it is a file."""
    kind = _KINDS.get(status_of.S_IFMT(status.st_mode), Kind.OTHER)
    if kind is Kind.FILE:
        return Entry(path, kind, status.st_size, status.st_mtime)
    return Entry(path, kind)


def scan(directory: int, path: str, *, stat: bool) -> Iterator[Entry]:
    """What the open directory ``path`` held at one time, in its own order.

    Without ``stat`` its listing alone tells, one request for many entries.
    """
    with translated(path), os.scandir(directory) as listing:
        found = list(listing)
    prefix = path.rstrip("/") + "/"
    for each in found:
        try:
            entry = _entry(each, prefix + each.name, stat=stat)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise translate(error, prefix + each.name) from error
        yield entry


def _entry(found: os.DirEntry[str], path: str, *, stat: bool) -> Entry:
    if found.is_dir(follow_symlinks=False):
        return Entry(path, Kind.DIRECTORY)
    if stat:
        return entry_of(path, found.stat(follow_symlinks=False))
    if found.is_file(follow_symlinks=False):
        return Entry(path, Kind.FILE)
    if found.is_symlink():
        return Entry(path, Kind.SYMLINK)
    # On a filesystem whose listings tell no kinds, this is also what has vanished since.
    found.stat(follow_symlinks=False)
    return Entry(path, Kind.OTHER)


def walk(
    directories: Directories,
    path: str,
    *,
    stat: bool,
    descend: Callable[[Entry], bool] | None,
) -> Iterator[Entry]:
    """Everything below ``path``; see `regctl.drivers.base.StorageDriver.walk`.

    One descriptor is open for each level of the way down.
    """
    levels: list[tuple[int, Iterator[Entry]]] = []
    try:
        with translated(path):
            directory = directories.open(path)
        levels.append((directory, scan(directory, path, stat=stat)))
        while levels:
            directory, entries = levels[-1]
            entry = next(entries, None)
            if entry is None:
                levels.pop()
                os.close(directory)
                continue
            yield entry
            if entry.kind is Kind.DIRECTORY and (descend is None or descend(entry)):
                child = _open_child(directory, entry)
                if child is not None:
                    levels.append((child, scan(child, entry.path, stat=stat)))
    finally:
        for directory, _ in levels:
            os.close(directory)


def _open_child(directory: int, entry: Entry) -> int | None:
    """A descriptor of the directory ``entry``, or None if it has vanished."""
    try:
        return os.open(entry.name, _LIST, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise translate(error, entry.path) from error
        status = lstat(directory, entry.name)
        if status is not None and status_of.S_ISLNK(status.st_mode):
            raise symlink_error(entry.path) from error
        if status is not None and status_of.S_ISDIR(status.st_mode):
            raise exchanged_error(entry.path) from error
        return None
