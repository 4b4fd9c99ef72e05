"""The bytes of an archive that is pushed in, as a generator takes them.

Each time a generator has used up what was pushed in, it yields why the archive may not end there,
or None where it may, and goes on when there is more.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

from regctl.digest.tarsum.header import BLOCK_SIZE
from regctl.digest.verifier import Buffer

IN_BLOCK = "the archive ends inside a header"

_T = TypeVar("_T")
#: Waits for more of the archive, and gives T in the end.
Wait: TypeAlias = Generator[str | None, None, _T]


class Source:
    """What was pushed in last: its bytes, how far they are used, and where they end."""

    def __init__(self) -> None:
        self._view = memoryview(b"")
        self._at = self._end = 0

    @contextmanager
    def _reading(self, data: Buffer) -> Iterator[None]:
        """Meanwhile ``data`` is there; nobody may keep a view of it."""
        with memoryview(data) as given, given.cast("B") as view:
            self._view, self._at, self._end = view, 0, len(view)
            try:
                yield
            finally:
                self._view, self._at, self._end = memoryview(b""), 0, 0

    def _block(self) -> bytes | None:
        """The next block, if all of it is there."""
        start = self._at
        if start + BLOCK_SIZE > self._end:
            return None
        self._at = start + BLOCK_SIZE
        return bytes(self._view[start : start + BLOCK_SIZE])

    def _wait_block(self, missing: str | None) -> Wait[bytes]:
        """The next block; the archive may end before it unless ``missing`` says why not."""
        block = bytearray()
        while True:
            block += self._take(BLOCK_SIZE - len(block))
            if len(block) == BLOCK_SIZE:
                return bytes(block)
            yield IN_BLOCK if block else missing

    def _take(self, most: int) -> memoryview:
        """Up to ``most`` bytes of what is there, to be used at once."""
        start, self._at = self._at, min(self._at + most, self._end)
        return self._view[start : self._at]

    def _pass(self, count: int) -> int:
        """Pass over up to ``count`` bytes that are there; how many are still to be passed."""
        passed = min(count, self._end - self._at)
        self._at += passed
        return count - passed

    def _skip(self, count: int) -> Wait[None]:
        """Pass over ``count`` bytes; where the archive ends in them, that is a good end."""
        while count := self._pass(count):
            yield None
