"""Runs have names that sort by time, and leave a record."""

from __future__ import annotations

import pytest

from regctl.drivers.base import StorageDriver
from regctl.errors import DamagedError, InvalidNameError, PathNotFoundError
from regctl.layout import own
from regctl.maintenance.gc.runs import (
    MOST_ERRORS,
    RunId,
    RunRecord,
    State,
    list_records,
    read_record,
    write_record,
)
from tests.maintenance.gc.storing import Storages, kill_at_every_step
from tests.registry.storages import NOW

RUN = RunId.new(NOW)
RECORD = RunRecord(RUN, "gc --blobs", "0.1.0", {"blobs": True, "repo": ["a*"]}, NOW)


def test_names_sort_by_time_and_say_it() -> None:
    times = [0.0, 1.0, 1.001, NOW, NOW + 0.5, NOW + 86_400]
    runs = [RunId.new(time) for time in times]
    assert runs == sorted(runs)
    assert [run.began for run in runs] == pytest.approx(times, abs=0.001)
    assert [RunId.parse(str(run)) for run in runs] == runs
    assert RunId.new(NOW) != RunId.new(NOW)


@pytest.mark.parametrize(
    "text", ["", "..", "20261123T214455.123Z", "20269923T214455.123Z-0f6a7f1d", "x" * 80]
)
def test_other_names_are_no_runs(text: str) -> None:
    with pytest.raises(InvalidNameError):
        RunId.parse(text)


def test_a_record_is_written_at_the_start_and_at_the_end(storage: StorageDriver) -> None:
    write_record(storage, RECORD)
    assert read_record(storage, RUN) == RECORD
    counts = {"blob": 3, "layer-link": 4}
    done = RECORD.finished(State.PARTLY, NOW + 9, counts, 77, ("denied: \u20ac\udcff",))
    write_record(storage, done)
    assert read_record(storage, RUN) == done
    assert (done.errors, done.bytes, done.began) == (1, 77, NOW)
    storage.put(f"{own.RUNS}/README", b"?")
    assert list_records(storage) == [RUN]


def test_many_errors_are_counted_and_not_all_named() -> None:
    done = RECORD.finished(State.FAILED, NOW, {}, 0, ("?",) * (MOST_ERRORS + 5))
    assert (done.errors, len(done.messages)) == (MOST_ERRORS + 5, MOST_ERRORS)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"purpose": 1}', b"[" * 99_999])
def test_what_is_no_record_is_damaged(storage: StorageDriver, content: bytes) -> None:
    with pytest.raises(PathNotFoundError):
        read_record(storage, RUN)
    storage.put(own.run_record(str(RUN)), content)
    with pytest.raises(DamagedError, match=str(RUN)):
        read_record(storage, RUN)


def test_a_kill_leaves_a_whole_record_or_none(storages: Storages) -> None:
    def look(driver: StorageDriver) -> None:
        for run in list_records(driver):
            assert read_record(driver, run).state in (State.RUNNING, State.DONE)

    def job(driver: StorageDriver) -> None:
        write_record(driver, RECORD)
        write_record(driver, RECORD.finished(State.DONE, NOW, {}))

    kill_at_every_step(storages, lambda _: None, job, look, lambda driver: read_record(driver, RUN))
