"""A driver whose writers take so many bytes a second, as a storage far away does."""

from __future__ import annotations

import time

from regctl.drivers.base import Buffer, StorageDriver, Writer
from regctl.drivers.forwarding import ForwardingDriver, ForwardingWriter


class PacedDriver(ForwardingDriver):
    """A driver that leaves the work to ``inner`` and slows its writers to ``rate`` bytes/s."""

    def __init__(self, inner: StorageDriver, rate: float) -> None:
        super().__init__(inner)
        self._rate = rate

    def writer(self, path: str, *, append: bool = False, sealed: bool = False) -> Writer:
        return _PacedWriter(super().writer(path, append=append, sealed=sealed), self._rate)


class _PacedWriter(ForwardingWriter):
    """Bytes that come faster than the rate wait; what was slow for other reasons does not."""

    def __init__(self, inner: Writer, rate: float) -> None:
        super().__init__(inner)
        self._rate = rate
        self._free_at = time.monotonic()

    def write(self, data: Buffer) -> None:
        now = time.monotonic()
        super().write(data)
        self._free_at = max(self._free_at, now) + len(data) / self._rate
        time.sleep(max(0.0, self._free_at - time.monotonic()))
