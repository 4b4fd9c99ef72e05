"""Writers that are killed at every one of their requests, and what the next one finds."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from regctl.drivers.s3.driver import S3Driver, open_s3
from tests.drivers.s3.dying import SCENARIOS
from tests.drivers.s3.writers import (
    MB,
    PATH,
    begun_by_registry,
    content,
    read_back,
    stored,
    upload_count,
    write,
)

ROOT = Path(__file__).parents[3]
KILLED = -9
#: So many requests change something in each scenario, at least.
LEAST_CHANGES = 3
#: The parts that are there before, as a registry leaves them.
BEFORE: dict[str, tuple[int, ...]] = {
    "fresh": (),
    "appended": (5 * MB, 100),
    "cut to much": (6 * MB, 5 * MB, 9),
    "cut to little": (6 * MB, 5 * MB),
}


@pytest.fixture
def dying() -> Iterator[subprocess.Popen[str]]:
    """The process that makes those that are killed."""
    command = [sys.executable, "-m", "tests.drivers.s3.dying"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def _die(process: subprocess.Popen[str], **order: object) -> tuple[int, list[object]]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    return answer["status"], answer["words"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_every_request(
    s3_parameters: dict[str, object],
    dying: subprocess.Popen[str],
    scenario: str,
) -> None:
    """Nothing that was known to be stored is lost, nothing else comes to be in the file, and the
    next writer goes on at once."""
    for number in itertools.count(1):
        root = f"{s3_parameters['rootdirectory']}/{number}"
        parameters = {**s3_parameters, "rootdirectory": root, "chunksize": 5 * MB}
        driver = open_s3(parameters, 4)
        if BEFORE[scenario]:
            begun_by_registry(driver.store, *BEFORE[scenario])
        order = {"parameters": parameters, "scenario": scenario, "number": number}
        status, words = _die(dying, **order)
        assert status in (KILLED, 0)
        least = max((word for word in words if isinstance(word, int)), default=0)
        if "committed" in words:
            assert stored(driver) == content(least)
        _go_on(driver, least, look=number % 2 == 0)
        if status == 0:
            break
    assert number > LEAST_CHANGES


def _go_on(driver: S3Driver, least: int, *, look: bool) -> None:
    """Append to what is there, which has ``least`` bytes at least, and commit."""
    with driver.writer(PATH, append=True) as writer:
        assert writer.size >= least
        if look:
            assert read_back(writer) == content(writer.size)
        write(writer, content(14 * MB)[writer.size :])
        writer.commit()
    assert stored(driver) == content(14 * MB)
    assert upload_count(driver.store) == 0
