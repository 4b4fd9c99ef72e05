"""Runs: what each is called, and the record that it leaves of what it did."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum

from regctl.drivers.base import Kind, StorageDriver
from regctl.errors import DamagedError, InvalidNameError, PathNotFoundError
from regctl.layout import own

_RUN = re.compile(r"([0-9]{8}T[0-9]{6})\.([0-9]{3})Z-[0-9a-f]{8}", re.ASCII)
_TIME = "%Y%m%dT%H%M%S"
_MAX_RECORD_BYTES = 4 << 20
#: More errors of one run are counted and not named.
MOST_ERRORS = 1000


@dataclass(frozen=True, slots=True, order=True)
class RunId:
    """The name of a run: when it began, by the storage's clock, and something random.

    ``20261123T214455.123Z-0f6a7f1d``; later runs sort after earlier ones.
    """

    value: str

    @classmethod
    def new(cls, now: float) -> RunId:
        """A name for a run that begins ``now``, in seconds since the epoch."""
        milliseconds = round(now * 1000)
        text = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime(_TIME)
        return cls(f"{text}.{milliseconds % 1000:03}Z-{secrets.token_hex(4)}")

    @classmethod
    def parse(cls, text: str) -> RunId:
        """The run that ``text`` names; raises `InvalidNameError`."""
        match = _RUN.fullmatch(text)
        with suppress(ValueError):
            if match is not None:
                datetime.strptime(match[1], _TIME)
                return cls(text)
        raise InvalidNameError(
            f"{text[:60]!r} is not the name of a run",
            hint="one reads 20261123T214455.123Z-0f6a7f1d",
        )

    @property
    def began(self) -> float:
        """When the run began, in seconds since the epoch."""
        match = _RUN.fullmatch(self.value)
        assert match is not None
        began = datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
        return began.timestamp() + int(match[2]) / 1000

    def __str__(self) -> str:
        return self.value


def parse_or_none(text: str) -> RunId | None:
    """The run that ``text`` names, if it names one."""
    with suppress(InvalidNameError):
        return RunId.parse(text)
    return None


class State(Enum):
    """How far a run came. One that is `RUNNING` and has no lock any more was interrupted."""

    RUNNING = "running"
    DONE = "done"
    #: To its end, but for what its errors name.
    PARTLY = "partly"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run was asked for and what became of it: times in seconds since the epoch, by the
    storage's clock. ``asked`` and ``counts`` are the command's own; ``errors`` counts all."""

    run: RunId
    purpose: str
    version: str
    asked: Mapping[str, object]
    began: float
    ended: float | None = None
    state: State = State.RUNNING
    counts: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
    errors: int = 0
    messages: tuple[str, ...] = ()

    def finished(
        self,
        state: State,
        ended: float,
        counts: Mapping[str, int],
        freed: int = 0,
        messages: tuple[str, ...] = (),
    ) -> RunRecord:
        """The record at the end of the run: ``freed`` bytes, and the text of every error."""
        return replace(
            self,
            state=state,
            ended=ended,
            counts=counts,
            bytes=freed,
            errors=len(messages),
            messages=messages[:MOST_ERRORS],
        )


def write_record(driver: StorageDriver, record: RunRecord) -> None:
    """Write the record of a run, in place of an earlier one of the same run."""
    content = {
        "run": str(record.run),
        "purpose": record.purpose,
        "version": record.version,
        "asked": dict(record.asked),
        "began": record.began,
        "ended": record.ended,
        "state": record.state.value,
        "counts": dict(record.counts),
        "bytes": record.bytes,
        "errors": record.errors,
        "messages": list(record.messages),
    }
    driver.put(own.run_record(str(record.run)), json.dumps(content, indent=1).encode("ascii"))


def read_record(driver: StorageDriver, run: RunId) -> RunRecord:
    """The record of ``run``. Raises `PathNotFoundError`; `DamagedError` if it is none."""
    path = own.run_record(str(run))
    content = driver.get(path, _MAX_RECORD_BYTES)
    with suppress(ValueError, RecursionError, KeyError, TypeError, AttributeError):
        members = json.loads(content)
        ended = members["ended"]
        return RunRecord(
            run,
            str(members["purpose"]),
            str(members["version"]),
            dict(members["asked"]),
            float(members["began"]),
            None if ended is None else float(ended),
            State(members["state"]),
            {str(name): int(count) for name, count in members["counts"].items()},
            int(members["bytes"]),
            int(members["errors"]),
            tuple(str(each) for each in members["messages"]),
        )
    raise DamagedError(f"what is stored at {path} is no record of a run")


def list_records(driver: StorageDriver) -> list[RunId]:
    """The runs that have a record, the oldest first."""
    try:
        entries = driver.list(own.RUNS)
    except PathNotFoundError:
        return []
    found = []
    for entry in entries:
        name = own.run_of_record(entry.name) if entry.kind is Kind.FILE else None
        run = None if name is None else parse_or_none(name)
        if run is not None:
            found.append(run)
    return sorted(found)
