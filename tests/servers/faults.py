"""A proxy in front of any server, that can be told what to spoil, and remembers what was asked.

It adds nothing and hides nothing but what it is told to. It speaks no TLS, forwards no trailers,
and gives each of its connections one to the server, which must be at a numeric address.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, cast
from urllib.parse import urlsplit

from tests.servers.child import Child
from tests.servers.rules import (
    INTERNAL_ERROR,
    SLOW_DOWN,
    TOO_MANY_REQUESTS,
    Answer,
    CutAnswer,
    CutRequest,
    Drop,
    Fault,
    Flip,
    Hold,
    LoseAnswer,
    Match,
    Request,
    Rule,
    Stall,
    Truncate,
    s3_error,
)

__all__ = [
    "INTERNAL_ERROR",
    "SLOW_DOWN",
    "TOO_MANY_REQUESTS",
    "Answer",
    "CutAnswer",
    "CutRequest",
    "Drop",
    "FaultProxy",
    "Flip",
    "Hold",
    "LoseAnswer",
    "Match",
    "Request",
    "Stall",
    "Truncate",
    "s3_error",
]


class FaultProxy:
    """A proxy to the server at ``upstream`` (``http://HOST:PORT``), in a process of its own.

    Use it in a ``with`` block, or end it by `stop`. ``delay``, in seconds, is added to every
    request before it goes on. It is safe for threads.
    """

    def __init__(self, upstream: str, *, delay: float = 0.0) -> None:
        split = urlsplit(upstream)
        if split.scheme != "http" or split.hostname is None or split.port is None:
            raise ValueError(f"no http://HOST:PORT: {upstream}")
        self._child = Child("tests.servers.forwarder", split.hostname, str(split.port))
        if delay:
            self.set_delay(delay)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return self._child.url

    @property
    def pid(self) -> int:
        """The process id, also after it ended."""
        return self._child.pid

    def set_delay(self, seconds: float) -> None:
        """Add so much to every request from now on."""
        self._child.ask("set_delay", seconds=seconds)

    def inject(
        self,
        fault: Fault,
        *,
        method: str = "",
        path: str = "",
        query: str = "",
        nth: int = 1,
        times: int | None = 1,
    ) -> None:
        """Let ``fault`` befall the ``nth`` matching request from now on, and those after it.

        ``times`` requests in all; None is for ever. Of several faults that apply to one request,
        the one injected first befalls it, and all of them count it.
        """
        rule = Rule(fault, Match(method, path, query), nth, times)
        self._child.ask("inject", **rule.to_json())

    def pending(self) -> list[object]:
        """The faults that have not yet come as often as they should: a test asserts none."""
        return cast("list[object]", self._child.ask("pending"))

    def release(self) -> None:
        """Let what is held or stalled go on."""
        self._child.ask("release")

    def clear(self) -> None:
        """Take all faults back, and let what is held go on."""
        self._child.ask("clear")

    def forget(self) -> None:
        """Begin the log, and so the counts, anew."""
        self._child.ask("forget")

    def log(self) -> list[Request]:
        """All requests since it began, in the order in which they came."""
        return [Request(*fields) for fields in cast("list[list[Any]]", self._child.ask("log"))]

    def count(self, *, method: str = "", path: str = "", query: str = "") -> int:
        """How many requests there were of those that match."""
        return cast("int", self._child.ask("count", method=method, path=path, query=query))

    def wait_for(
        self,
        number: int,
        *,
        method: str = "",
        path: str = "",
        query: str = "",
        seconds: float = 20.0,
    ) -> None:
        """Wait until ``number`` matching requests have come; `AssertionError` after ``seconds``."""
        deadline = time.monotonic() + seconds
        while (count := self.count(method=method, path=path, query=query)) < number:
            if time.monotonic() > deadline:
                raise AssertionError(f"{count} of {number} requests came")
            time.sleep(0.005)

    @contextmanager
    def faults(self) -> Iterator[Self]:
        """A block after which the proxy is as new, and in which every fault must have come."""
        try:
            yield self
            if pending := self.pending():
                raise AssertionError(f"never happened: {pending}")
        finally:
            self.clear()
            self.forget()
            self.set_delay(0.0)

    def stop(self) -> None:
        """End the proxy and all its connections. Idempotent."""
        self._child.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
