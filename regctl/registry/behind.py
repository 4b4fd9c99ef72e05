"""Hashing in a second thread, one piece behind the reading and writing of a layer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

#: Bytes from which on a piece is worth handing to another thread.
_LEAST_BYTES = 128 << 10


class _Job:
    """A piece to be worked on."""

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.error: BaseException | None = None
        self.done = threading.Event()


class Behind:
    """Calls ``work`` for each piece given to it, in order, in a thread of its own.

    The hash functions and the system release the interpreter's lock, so that hashing and moving
    bytes take two processors. It is at most one piece behind: a piece may not change before the
    next one is given, or `wait` returns. An error of ``work`` is raised by the call after it. Not
    safe to use from several threads. Use it in a ``with`` block.
    """

    def __init__(self, work: Callable[[memoryview], None]) -> None:
        self._work = work
        self._job: _Job | None = None
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def __call__(self, data: memoryview) -> None:
        """Have ``data`` worked on, once what was given before is done."""
        self.wait()
        if self._stopped or data.nbytes < _LEAST_BYTES:
            self._work(data)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="behind", daemon=True)
            self._thread.start()
        self._job = _Job(data)
        self._wake.set()

    def wait(self) -> None:
        """Return when all that was given is done."""
        job = self._job
        if job is None:
            return
        if not job.done.is_set():
            # Once more: a signal may have come between giving the job and saying so.
            self._wake.set()
            job.done.wait()
        if job.error is not None:
            raise job.error

    def close(self) -> None:
        """Finish what was given and end the thread. Idempotent; raises no error of ``work``."""
        self._stopped = True
        if self._thread is not None:
            self._wake.set()
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            # First this, then the look at the job: one that comes in between is not missed.
            self._wake.clear()
            job = self._job
            if job is not None and not job.done.is_set():
                try:
                    self._work(job.data)
                except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
                    job.error = error
                job.done.set()
            if self._stopped:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self.close()
