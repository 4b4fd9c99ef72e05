"""What may go wrong between a client and a server, and with which requests it does: plain data."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

S3_ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error><Code>{code}</Code><Message>{code}, says the proxy of the tests.</Message>"
    "<RequestId>0000000000000000</RequestId></Error>"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in place of the server's. With ``forward``, the server has served the request."""

    status: int
    body: str = ""
    content_type: str = "text/plain"
    headers: dict[str, str] | None = None
    forward: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection is reset, and the server hears nothing."""


@dataclass(frozen=True, slots=True)
class CutRequest:
    """The connections are reset when ``after`` bytes of the request's body reached the server.

    A body that ends before is forwarded whole, and cut all the same, before it is answered.
    """

    after: int = 0


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """The server has served the request; the connection is reset before a byte of the answer."""


@dataclass(frozen=True, slots=True)
class CutAnswer:
    """The connection is reset after ``after`` bytes of the answer's body."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class Truncate:
    """The answer's body ends after ``after`` bytes, and with it the connection, in order.

    Its Content-Length is that of the whole body; with ``matching``, that of what comes, and the
    connection stays: only who knows the size or the digest can tell.
    """

    after: int
    matching: bool = False


@dataclass(frozen=True, slots=True)
class Flip:
    """One bit of the byte ``at`` of the answer's body is another."""

    at: int = 0


@dataclass(frozen=True, slots=True)
class Stall:
    """The answer stops after ``after`` bytes of its body, until faults are released."""

    after: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """The request waits, until faults are released; then it goes to the server, if its client
    is still there."""


Fault = Answer | Drop | CutRequest | LoseAnswer | CutAnswer | Truncate | Flip | Stall | Hold
FAULTS: dict[str, type[Fault]] = {
    kind.__name__: kind
    for kind in (Answer, Drop, CutRequest, LoseAnswer, CutAnswer, Truncate, Flip, Stall, Hold)
}


def s3_error(status: int, code: str, *, forward: bool = False) -> Answer:
    """An error as S3 gives it."""
    return Answer(status, S3_ERROR.format(code=code), "application/xml", forward=forward)


SLOW_DOWN = s3_error(503, "SlowDown")
INTERNAL_ERROR = s3_error(500, "InternalError")
TOO_MANY_REQUESTS = Answer(429, "too many requests")


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests are meant: patterns are searched for in what was sent (so still with ``%``);
    an empty one matches everything. ``method`` may be several, ``PUT|POST``."""

    method: str = ""
    path: str = ""
    query: str = ""

    def __post_init__(self) -> None:
        for pattern in (self.method, self.path, self.query):
            re.compile(pattern)

    def __call__(self, method: str, path: str, query: str) -> bool:
        return (
            (not self.method or re.fullmatch(self.method, method) is not None)
            and re.search(self.path, path) is not None
            and re.search(self.query, query) is not None
        )


@dataclass(slots=True)
class Rule:
    """A fault for the matching requests from the ``nth`` on, ``times`` times (None: for ever)."""

    fault: Fault
    match: Match
    nth: int = 1
    times: int | None = 1
    seen: int = 0

    def applies(self, method: str, path: str, query: str) -> bool:
        """Whether the fault befalls this request; it counts it if it is meant."""
        if not self.match(method, path, query):
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)

    @property
    def is_pending(self) -> bool:
        """Whether it has not happened as often as it should."""
        return self.seen < self.nth + (self.times or 1) - 1

    def to_json(self) -> dict[str, object]:
        """The rule for the other process."""
        return {
            "kind": type(self.fault).__name__,
            "fault": asdict(self.fault),
            "match": asdict(self.match),
            "nth": self.nth,
            "times": self.times,
        }

    @classmethod
    def from_json(
        cls,
        kind: str,
        fault: dict[str, object],
        match: dict[str, str],
        nth: int,
        times: int | None,
    ) -> Rule:
        """The rule from the other process."""
        return cls(FAULTS[kind](**fault), Match(**match), nth, times)  # type: ignore[arg-type]


@dataclass(slots=True)
class Request:
    """One request as the proxy saw it. ``path`` and ``query`` are as they were sent.

    ``status`` is what the client was told (0: nothing), ``received`` and ``sent`` the bytes of
    the bodies that came from the client and went to it, ``fault`` the name of what befell it.
    """

    method: str
    path: str
    query: str
    status: int = 0
    received: int = 0
    sent: int = 0
    fault: str = ""
