"""The wrapper that every driver is used through: no unsafe path gets past it."""

from __future__ import annotations

import builtins
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from regctl.drivers.base import Entry, Probed, Reader, StorageDriver, Writer
from regctl.drivers.cells import Cell
from regctl.drivers.forwarding import ForwardingDriver
from regctl.errors import NotPermittedPathError, PathNotFoundError, RegctlError

#: Bytes that one component may have on the filesystems that registries live on.
MAX_COMPONENT = 255

# No component begins with a dot, and none can be too long.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9_.:-]*)+", re.ASCII)
_SAFE = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[^/\0]+)+")


def check_path(path: str, *, new: bool = False) -> None:
    """Raise `NotPermittedPathError` unless ``path`` may be given to a driver.

    It is absolute, without empty, ``.`` or ``..`` components, NUL or a final slash (the root ``/``
    excepted), and no component exceeds `MAX_COMPONENT` bytes. Nothing else is refused, since trees
    hold foreign files. ``new`` paths are valid UTF-8; others may hold the surrogates that stand
    for a name's undecodable bytes (PEP 383).
    """
    if path == "/":
        return
    if len(path) <= MAX_COMPONENT and _PLAIN.fullmatch(path):
        return  # nearly every path of a registry
    if not _SAFE.fullmatch(path):
        raise NotPermittedPathError(f"{path!r} is not a path in the storage")
    try:
        encoded = path.encode("utf-8", "strict" if new else "surrogateescape")
    except UnicodeEncodeError as error:
        raise NotPermittedPathError(f"the path {path!r} is not valid UTF-8") from error
    if len(encoded) > MAX_COMPONENT and any(
        len(component) > MAX_COMPONENT for component in encoded.split(b"/")
    ):
        raise NotPermittedPathError(
            f"a component of the path {path!r} is longer than {MAX_COMPONENT} bytes"
        )


def _check_file(path: str) -> None:
    """Check the path of a file that is to be there; the root never is one."""
    if path == "/":
        raise PathNotFoundError(path)
    check_path(path)


def _check_new_file(path: str) -> None:
    """Check the path of a file that is to be made."""
    if path == "/":
        raise NotPermittedPathError("the storage's root / cannot be a file")
    check_path(path, new=True)


class CheckedDriver(ForwardingDriver):
    """A driver that refuses unsafe paths and leaves the rest to ``inner``."""

    @property
    def inner(self) -> StorageDriver:
        """The driver that does the work."""
        return self._inner

    def read(self, path: str, offset: int = 0) -> Reader:
        _check_file(path)
        if offset < 0:
            raise ValueError(f"{path} cannot be read from byte {offset}")
        return self._inner.read(path, offset)

    def get(self, path: str, limit: int) -> bytes:
        _check_file(path)
        return self._inner.get(path, limit)

    def get_many(
        self, paths: Iterable[str], limit: int
    ) -> Iterator[tuple[str, bytes | RegctlError]]:
        passed: deque[tuple[str, RegctlError | None]] = deque()
        for path, got in self._inner.get_many(_noted(paths, passed), limit):
            while (refused := passed.popleft())[1] is not None:
                yield refused[0], refused[1]
            yield path, got
        for path, error in passed:
            if error is not None:
                yield path, error

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        _check_new_file(path)
        self._inner.put(path, content, if_absent=if_absent)

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> Writer:
        _check_new_file(path)
        return self._inner.writer(path, append=append, sealed=sealed)

    def unfinished(self, path: str) -> Iterator[Entry]:
        check_path(path)
        return self._inner.unfinished(path)

    def discard_unfinished(self, path: str, before: float) -> builtins.list[Entry]:
        _check_file(path)
        return self._inner.discard_unfinished(path, before)

    def cell(self, path: str) -> Cell:
        _check_new_file(path)
        return self._inner.cell(path)

    def stat(self, path: str, *, files_only: bool = False) -> Entry:
        check_path(path)
        return self._inner.stat(path, files_only=files_only)

    def list(self, path: str) -> list[Entry]:
        check_path(path)
        return self._inner.list(path)

    def walk(
        self, path: str, *, stat: bool = True, descend: Callable[[Entry], bool] | None = None
    ) -> Iterator[Entry]:
        check_path(path)
        return self._inner.walk(path, stat=stat, descend=descend)

    def probe(self, path: str, name: str = "", *, others: bool = False) -> Iterator[Probed]:
        check_path(path)
        if name:
            check_path("/" + name)
        return self._inner.probe(path, name, others=others)

    def move(self, source: str, target: str) -> None:
        _check_file(source)
        _check_new_file(target)
        self._inner.move(source, target)

    def delete(self, path: str) -> None:
        _check_file(path)
        self._inner.delete(path)

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        refused: list[tuple[str, RegctlError]] = []
        yield from self._inner.delete_many(_permitted(paths, refused))
        yield from refused

    def mkdir(self, path: str) -> None:
        check_path(path, new=True)
        self._inner.mkdir(path)

    def rmdir(self, path: str) -> None:
        check_path(path)
        self._inner.rmdir(path)


def _noted(paths: Iterable[str], passed: deque[tuple[str, RegctlError | None]]) -> Iterator[str]:
    """Those of ``paths`` that a driver may be given; all are added to ``passed``, with the error
    of those that it may not."""
    for path in paths:
        try:
            _check_file(path)
        except RegctlError as error:
            passed.append((path, error))
        else:
            passed.append((path, None))
            yield path


def _permitted(paths: Iterable[str], refused: list[tuple[str, RegctlError]]) -> Iterator[str]:
    """Those of ``paths`` that a driver may be given; the others are added to ``refused``."""
    for path in paths:
        try:
            check_path(path)
        except NotPermittedPathError as error:
            refused.append((path, error))
        else:
            if path == "/":
                refused.append((path, NotPermittedPathError("the storage's root is no file")))
            else:
                yield path
