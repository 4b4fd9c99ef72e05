"""A driver that tells of every change right after it was made, so that a test can step in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from regctl.drivers.base import Buffer, StorageDriver, Writer
from regctl.drivers.forwarding import ForwardingWriter
from regctl.errors import RegctlError
from tests.failing import FailingDriver

#: Is told what was done (the name of the operation) and to which path.
Watch = Callable[[str, str], None]


class WatchedDriver(FailingDriver):
    """A driver that calls ``watch`` after each change."""

    def __init__(self, inner: StorageDriver, watch: Watch) -> None:
        super().__init__(inner, at=1_000_000_000)
        self._watch = watch

    def put(self, path: str, content: bytes, *, if_absent: bool = False) -> None:
        super().put(path, content, if_absent=if_absent)
        self._watch("put", path)

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> Writer:
        writer = super().writer(path, append=append, sealed=sealed)
        return _WatchedWriter(writer, path, self._watch)

    def move(self, source: str, target: str) -> None:
        super().move(source, target)
        self._watch("move", target)

    def delete(self, path: str) -> None:
        super().delete(path)
        self._watch("delete", path)

    def delete_many(self, paths: Iterable[str]) -> Iterator[tuple[str, RegctlError | None]]:
        for path, error in super().delete_many(paths):
            self._watch("delete", path)
            yield path, error


class _WatchedWriter(ForwardingWriter):
    def __init__(self, inner: Writer, path: str, watch: Watch) -> None:
        super().__init__(inner)
        self._path = path
        self._watch = watch

    def write(self, data: Buffer) -> None:
        super().write(data)
        self._watch("write", self._path)

    def truncate(self, size: int) -> None:
        super().truncate(size)
        self._watch("truncate", self._path)

    def sync(self) -> None:
        super().sync()
        self._watch("sync", self._path)
