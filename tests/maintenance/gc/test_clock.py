"""The storage's clock counts, and clocks that are far apart are told of, or stop everything."""

from __future__ import annotations

import pytest

from regctl.drivers.base import StorageDriver
from regctl.drivers.forwarding import ForwardingDriver
from regctl.drivers.memory import MemoryDriver
from regctl.errors import DeniedError
from regctl.maintenance.gc.clock import ClockSkewError, read_clock

HERE = 1_700_000_000.0


class _ReadOnly(ForwardingDriver):
    def now(self) -> float:
        raise DeniedError("read-only file system")


def _at(time: float) -> StorageDriver:
    return MemoryDriver(lambda: time)


def test_the_storage_tells_the_time_and_it_goes_on() -> None:
    elapsed = iter([5.0, 65.0])
    clock = read_clock(_at(HERE + 7), local=lambda: HERE, elapsed=lambda: next(elapsed))
    assert (clock.read_at, clock.skew, clock.is_local) == (HERE + 7, 7.0, False)
    assert clock.now() == HERE + 67
    assert not clock.is_skewed


@pytest.mark.parametrize("skew", [301.0, -301.0, 3599.0])
def test_a_skew_of_minutes_is_told(skew: float) -> None:
    clock = read_clock(_at(HERE + skew), local=lambda: HERE)
    assert clock.is_skewed
    assert clock.skew == skew


@pytest.mark.parametrize(("skew", "said"), [(3601.0, "ahead of"), (-7200.0, "behind")])
def test_a_skew_of_hours_stops(skew: float, said: str) -> None:
    with pytest.raises(ClockSkewError, match=said) as caught:
        read_clock(_at(HERE + skew), local=lambda: HERE)
    assert caught.value.exit_code == 6


def test_a_slow_answer_is_no_skew() -> None:
    local = iter([HERE, HERE + 900])
    assert read_clock(_at(HERE + 450), local=lambda: next(local)).skew == 0.0


def test_a_read_only_storage_is_looked_at_by_the_clock_of_this_machine() -> None:
    driver = _ReadOnly(_at(HERE + 5000))
    clock = read_clock(driver, dry_run=True, local=lambda: HERE)
    assert (clock.read_at, clock.is_local) == (HERE, True)
    with pytest.raises(DeniedError):
        read_clock(driver, local=lambda: HERE)
