"""One collection at a time, on storages of every kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from regctl.drivers.base import StorageDriver
from regctl.drivers.cells import Cell, ConditionalWritesIgnoredError
from regctl.drivers.forwarding import ForwardingDriver
from regctl.drivers.objects.holders import Holder
from regctl.drivers.objects.identity import Identity
from regctl.errors import DamagedError
from regctl.layout.own import GC_LOCK
from regctl.maintenance.gc.lock import (
    STALE_SECONDS,
    LockLostError,
    UnlockableError,
    gc_lock,
    no_lock,
    read_lock,
    remove_lock,
)
from regctl.maintenance.gc.runs import RunId
from regctl.registry.locking import LockHeldError
from tests.failing import FailingDriver, Killed
from tests.maintenance.gc.storing import RUN, Storages, no_check
from tests.registry.storages import filesystem, never_sleep

ELSEWHERE = Identity("elsewhere", "boot", "namespace", 4711, 1)


def _held(driver: StorageDriver, age: float = 0.0, identity: Identity = ELSEWHERE) -> Holder:
    """The lock as another has it who renewed it ``age`` seconds ago."""
    renewed = driver.now() - age
    holder = Holder("token", identity, GC_LOCK, "gc --blobs", renewed - 60, renewed, str(RUN))
    driver.put(GC_LOCK, holder.encode())
    return holder


def test_one_at_a_time(storage: StorageDriver) -> None:
    with gc_lock(storage, "gc --untagged", RUN) as lock:
        assert lock.is_real
        lock.check()
        with (
            pytest.raises(LockHeldError) as caught,
            gc_lock(storage, "another", sleep=never_sleep),
        ):
            no_check()
        said = str(caught.value)
        assert "gc --untagged" in said
        assert str(os.getpid()) in said
        assert str(RUN) in said
        assert caught.value.exit_code == 6
    assert read_lock(storage) is None
    assert not [entry for entry in storage.walk("/") if entry.kind.value == "file"]
    with gc_lock(storage, "next"):
        no_check()


def test_who_holds_it_is_written_into_it(storage: StorageDriver) -> None:
    with gc_lock(storage, "gc", RUN):
        members = json.loads(storage.get(GC_LOCK, 4096))
        assert len(members["token"]) == 32
        assert (members["pid"], members["purpose"], members["run"]) == (os.getpid(), "gc", str(RUN))
        found = read_lock(storage)
        assert found is not None
        assert not found.is_stale


def test_one_that_was_not_renewed_is_taken_over(storage: StorageDriver) -> None:
    _held(storage, STALE_SECONDS + 5)
    with gc_lock(storage, "next") as lock:
        lock.check()
        found = read_lock(storage)
        assert found is not None
        assert found.holder is not None
        assert found.holder.purpose == "next"


def test_one_that_lives_is_waited_for(storage: StorageDriver) -> None:
    _held(storage, STALE_SECONDS - 100)
    time, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time[0] += seconds
        if len(slept) == 3:
            storage.delete(GC_LOCK)

    with gc_lock(storage, "next", retry_seconds=60, sleep=sleep, elapsed=lambda: time[0]):
        assert len(slept) == 3
    _held(storage)
    slept.clear()
    with (
        pytest.raises(LockHeldError, match="elsewhere"),
        gc_lock(storage, "next", retry_seconds=1.5, sleep=sleep, elapsed=lambda: time[0]),
    ):
        no_check()
    assert sum(slept) == 1.5


def test_a_run_whose_lock_was_taken_stops(storage: StorageDriver) -> None:
    with gc_lock(storage, "gc") as lock:
        theirs = _held(storage)
        with pytest.raises(LockLostError) as caught:
            lock.check()
        assert caught.value.exit_code == 6
    assert storage.get(GC_LOCK, 4096) == theirs.encode()


def test_a_run_whose_lock_was_removed_stops(storage: StorageDriver) -> None:
    with gc_lock(storage, "gc") as lock:
        found = read_lock(storage)
        assert found is not None
        with pytest.raises(LockHeldError) as caught:
            remove_lock(storage, found)
        assert "--force" in (caught.value.hint or "")
        remove_lock(storage, found, force=True)
        with pytest.raises(LockLostError):
            lock.check()


def test_a_lock_that_changed_since_it_was_looked_at_is_not_removed(storage: StorageDriver) -> None:
    _held(storage, STALE_SECONDS + 5)
    found = read_lock(storage)
    assert found is not None
    assert found.is_stale
    _held(storage)
    with pytest.raises(LockHeldError, match="meanwhile"):
        remove_lock(storage, found)
    again = read_lock(storage)
    assert again is not None
    assert not again.is_stale


def test_what_is_no_lock_is_removed_by_force_alone(storage: StorageDriver) -> None:
    storage.put(GC_LOCK, b"half of a lo")
    with pytest.raises(DamagedError, match="no lease"), gc_lock(storage, "gc"):
        no_check()
    found = read_lock(storage)
    assert found is not None
    with pytest.raises(LockHeldError):
        remove_lock(storage, found)
    remove_lock(storage, found, force=True)
    assert read_lock(storage) is None


class _Ignoring(ForwardingDriver):
    """A server that ignores the conditions of conditional writes."""

    def cell(self, path: str) -> Cell:
        return _IgnoringCell()


class _IgnoringCell:
    def read(self) -> tuple[bytes, str] | None:
        return None

    def write(self, content: bytes, version: str | None, /) -> str:
        raise ConditionalWritesIgnoredError("ignored")

    def remove(self, version: str, /) -> None:
        raise AssertionError


def test_a_server_that_keeps_nobody_off_is_refused(storage: StorageDriver) -> None:
    driver = _Ignoring(storage)
    with pytest.raises(UnlockableError, match="conditional") as caught, gc_lock(driver, "gc"):
        no_check()
    assert caught.value.exit_code == 6
    with gc_lock(driver, "gc", required=False) as lock:
        lock.check()
        assert not lock.is_real
    no_lock().check()
    assert not no_lock().is_real


def test_one_of_many_threads_gets_it(storage: StorageDriver) -> None:
    from regctl.drivers.suite.shared import together

    with ExitStack() as stack:

        def take(number: int) -> bool:
            try:
                stack.enter_context(gc_lock(storage, f"run {number}"))
            except LockHeldError:
                return False
            return True

        assert together(8, take) == 1


def test_a_process_that_was_killed_gives_its_lock_up_at_once(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from regctl.drivers import open_driver\n"
        "from regctl.maintenance.gc.lock import gc_lock\n"
        "driver = open_driver('filesystem', {'rootdirectory': sys.argv[1]})\n"
        "with gc_lock(driver, 'to be killed'):\n"
        "    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)]).returncode == 9
    driver = filesystem(tmp_path)
    found = read_lock(driver)
    assert found is not None
    assert found.is_stale
    with gc_lock(driver, "next", sleep=never_sleep):
        no_check()


def test_a_kill_at_any_step_leaves_a_lock_that_goes_away(storages: Storages) -> None:
    """The process that died is this very one, so that its lock is known to be nobody's."""
    for at in range(1, 30):
        storage = storages.new()
        failing = FailingDriver(storage, at)
        try:
            with gc_lock(failing, "gc", RunId.new(0)) as lock:
                lock.check()
        except Killed:
            pass
        with gc_lock(storage, "next", sleep=never_sleep) as lock:
            lock.check()
        assert read_lock(storage) is None
        if not failing.is_dead:
            assert at > 2
            return
    raise AssertionError
