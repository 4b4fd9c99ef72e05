"""Whether a process is gone, asked of real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from regctl.drivers.objects.identity import Identity, is_gone, this_process

CHILD = """
import dataclasses, json, sys
from regctl.drivers.objects.identity import this_process
print(json.dumps(dataclasses.asdict(this_process())), flush=True)
sys.stdin.read()
"""


@contextmanager
def child() -> Iterator[tuple[subprocess.Popen[str], Identity]]:
    """A process that lives until its input ends, and its identity as it sees it itself."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, Identity(**json.loads(process.stdout.readline()))
        finally:
            process.kill()


def test_this_process() -> None:
    """It is itself, all is known of it, and it lives."""
    me = this_process()
    assert me.pid == os.getpid()
    assert all((me.host, me.boot, me.namespace, me.started))
    assert me == this_process()
    assert me.sees(me)
    assert not is_gone(me)


def test_life_and_death() -> None:
    """A process is gone when it was killed, also before its parent took notice, and after."""
    with child() as (process, identity):
        assert identity.pid == process.pid
        assert not is_gone(identity)
        process.kill()
        assert os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(identity)
        process.wait()
        assert is_gone(identity)


def test_a_later_process_with_its_number() -> None:
    """The number alone is no proof of life."""
    with child() as (_, identity):
        assert is_gone(replace(identity, started=identity.started - 1))


def test_a_process_of_somebody_else() -> None:
    """One that may not be signalled lives."""
    assert not is_gone(replace(this_process(), pid=1, started=0))


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"host": "another"},
        {"boot": "another"},
        {"namespace": "pid:[1]"},
        {"boot": ""},
        {"pid": 0},
        {"pid": -1},
    ],
)
def test_what_cannot_be_seen(elsewhere: dict[str, str]) -> None:
    """Nothing is said of a process of another machine, boot or container, nor of no process."""
    with child() as (process, identity):
        process.kill()
        process.wait()
        assert is_gone(identity)
        assert not is_gone(replace(identity, **elsewhere))  # type: ignore[arg-type]


def test_number_beyond_all() -> None:
    """A number that no process can have is no reason to fail."""
    assert not is_gone(replace(this_process(), pid=2**70))
