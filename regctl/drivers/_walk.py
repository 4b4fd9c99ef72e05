"""What stands in directories that are open by descriptor, read in bulk."""

from __future__ import annotations

import errno
import os
import stat as status_of
from collections.abc import Callable, Iterator

from regctl.drivers._directories import Directories, lstat
from regctl.drivers._translate import exchanged_error, symlink_error, translate, translated
from regctl.drivers.base import NOT_A_FILE, NOTHING, Entry, Kind, Probed

_TYPE = 0o170000
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
                child = _open_child(directory, entry.name, entry.path)
                if child is not None:
                    levels.append((child, scan(child, entry.path, stat=stat)))
    finally:
        for directory, _ in levels:
            os.close(directory)


def probe(directories: Directories, path: str, name: str, *, others: bool) -> Iterator[Probed]:
    """See `regctl.drivers.base.StorageDriver.probe`.

    Everything is seen relative to the open directory. Nothing of it is held, however much it has.
    """
    below = f"/{name}"
    with translated(path):
        directory = directories.open(path)
    try:
        # One loop without calls: millions of links come this way.
        with translated(path), os.scandir(directory) as listing:
            for each in listing:
                child = each.name
                if not each.is_dir(follow_symlinks=False):
                    kind = _kind(each, f"{path}/{child}")
                    if kind is not None:
                        yield child, kind, NOTHING
                    continue
                size = NOTHING
                if name:
                    try:
                        status = os.stat(child + below, dir_fd=directory, follow_symlinks=False)
                    except (FileNotFoundError, NotADirectoryError):
                        pass
                    except OSError as error:
                        raise translate(error, f"{path}/{child}{below}") from error
                    else:
                        is_file = status.st_mode & _TYPE == status_of.S_IFREG
                        size = status.st_size if is_file else NOT_A_FILE
                yield child, Kind.DIRECTORY, size
                if others:
                    yield from _others(directory, child, path, name)
    finally:
        os.close(directory)


def _kind(found: os.DirEntry[str], path: str) -> Kind | None:
    """What ``found``, which is no directory, is; None if it has vanished."""
    if found.is_file(follow_symlinks=False):
        return Kind.FILE
    try:
        return _entry(found, path, stat=False).kind
    except FileNotFoundError:
        return None
    except OSError as error:
        raise translate(error, path) from error


def _others(directory: int, child: str, path: str, name: str) -> Iterator[Probed]:
    """What stands in ``child`` of the open directory ``path``, but for the file ``name``."""
    below = f"{path}/{child}"
    opened = _open_child(directory, child, below)
    if opened is None:
        return
    try:
        with translated(below), os.scandir(opened) as listing:
            for each in listing:
                if each.is_dir(follow_symlinks=False):
                    yield f"{child}/{each.name}", Kind.DIRECTORY, NOTHING
                elif (kind := _kind(each, f"{below}/{each.name}")) is not None and (
                    kind is not Kind.FILE or each.name != name
                ):
                    yield f"{child}/{each.name}", kind, NOTHING
    finally:
        os.close(opened)


def _open_child(directory: int, name: str, path: str) -> int | None:
    """A descriptor of the directory ``name`` at ``path``, or None if it has vanished."""
    try:
        return os.open(name, _LIST, dir_fd=directory)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise translate(error, path) from error
        status = lstat(directory, name)
        if status is not None and status_of.S_ISLNK(status.st_mode):
            raise symlink_error(path) from error
        if status is not None and status_of.S_ISDIR(status.st_mode):
            raise exchanged_error(path) from error
        return None
