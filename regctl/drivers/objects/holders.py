"""Who has a lease, as it is written into the lease: one JSON object."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from regctl.drivers.objects.identity import Identity
from regctl.errors import DamagedError, UploadInUseError

#: The first second of the year 10000: no time that a person can be told is later.
_LATEST = 253_402_300_800


@dataclass(frozen=True, slots=True)
class Holder:
    """One who has the lease for ``path``. ``token`` is random and his alone; ``since`` and
    ``renewed`` are seconds since the epoch by the store's clock; ``purpose`` is for people."""

    token: str
    identity: Identity
    path: str
    purpose: str
    since: float
    renewed: float
    #: What he does, where that has a name of its own.
    run: str = ""

    def encode(self) -> bytes:
        """The content of the lease: a JSON object of one level, members only ever added."""
        return json.dumps(
            {
                "token": self.token,
                "host": self.identity.host,
                "boot": self.identity.boot,
                "namespace": self.identity.namespace,
                "pid": self.identity.pid,
                "started": self.identity.started,
                "path": self.path,
                "purpose": self.purpose,
                "since": self.since,
                "renewed": self.renewed,
                **({"run": self.run} if self.run else {}),
            }
        ).encode("ascii")

    def in_use(self, stale_in: float) -> UploadInUseError:
        """The error for the one who came second; ``stale_in`` seconds are left without renewal."""
        return UploadInUseError(
            f"another writer has {self.path} open: process {self.identity.pid}"
            f" on {self.identity.host}, since {_rfc3339(self.since)}",
            hint="wait until it is done, then try again; if it has died, it is taken over"
            f" in {max(1, math.ceil(stale_in))} seconds",
        )


def decode(content: bytes, where: str) -> Holder:
    """The holder that ``content``, read at the path ``where``, names.

    Raises `DamagedError` if it is no lease: it says nothing of whether somebody has one.
    """
    with suppress(ValueError, RecursionError, KeyError, TypeError, AttributeError):
        members = json.loads(content)
        identity = Identity(
            _text(members["host"]),
            _text(members["boot"]),
            _text(members["namespace"]),
            _whole(members["pid"]),
            _whole(members["started"]),
        )
        return Holder(
            _text(members["token"]),
            identity,
            _text(members["path"]),
            _text(members["purpose"]),
            _time(members["since"]),
            _time(members["renewed"]),
            _text(members.get("run", "")),
        )
    raise DamagedError(
        f"what is stored at {where} is no lease of a writer",
        hint="if no regctl is writing to this storage, remove it",
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _time(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if not 0 <= value < _LATEST:
        raise ValueError
    return float(value)


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
