"""Writers that are killed at a given request: run as a module, told by lines of JSON what to do.

For every line a process is forked that writes and dies by SIGKILL; what became of it is told on one
line: whether it was killed, what it knew to be stored, and whether it knew that it had committed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from regctl.drivers.s3.driver import S3Driver, open_s3
from tests.drivers.s3.writers import MB, PATH, content, write

Say = Callable[[object], None]


def _fresh(driver: S3Driver, say: Say) -> None:
    with driver.writer(PATH) as writer:
        for end in (6 * MB, 7 * MB, 12 * MB):
            write(writer, content(end)[writer.size :])
            writer.sync()
            say(end)
        writer.commit()
        say("committed")


def _appended(driver: S3Driver, say: Say) -> None:
    with driver.writer(PATH, append=True) as writer:
        end = writer.size + MB
        write(writer, content(end)[writer.size :])
        writer.sync()
        say(end)


def _cut(driver: S3Driver, say: Say, size: int) -> None:
    with driver.writer(PATH, append=True) as writer:
        say(size)
        writer.truncate(size)
        writer.sync()
        write(writer, content(size + MB)[size:])
        writer.sync()
        say(size + MB)


SCENARIOS: dict[str, Callable[[S3Driver, Say], None]] = {
    "fresh": _fresh,
    "appended": _appended,
    "cut to much": lambda driver, say: _cut(driver, say, 8 * MB + 5),
    "cut to little": lambda driver, say: _cut(driver, say, 2 * MB),
}


def _die_at(driver: S3Driver, number: int) -> None:
    """Let this process be killed when its ``number``-th request that changes something of the file
    is answered: after one that does not, all is as before it."""
    call = driver.store.call
    lock = threading.Lock()
    seen = 0

    def deadly(operation: str, path: str, /, **arguments: object) -> dict[str, Any]:
        nonlocal seen
        is_it = False
        if path == PATH and operation.partition("_")[0] not in {"get", "head", "list"}:
            with lock:
                seen += 1
                is_it = seen == number
        try:
            return call(operation, path, **arguments)
        finally:
            if is_it:
                os.kill(os.getpid(), signal.SIGKILL)

    driver.store.call = deadly  # type: ignore[method-assign]


def _run(order: dict[str, Any], told: int) -> None:
    driver = open_s3(order["parameters"], 4)
    _die_at(driver, order["number"])

    def say(what: object) -> None:
        os.write(told, json.dumps(what).encode() + b"\n")

    SCENARIOS[order["scenario"]](driver, say)


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        reading, told = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(reading)
                _run(json.loads(line), told)
                status = 0
            finally:
                if status:
                    traceback.print_exc()
                os._exit(status)
        os.close(told)
        with os.fdopen(reading, "rb") as pipe:
            words = [json.loads(word) for word in pipe]
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"status": status, "words": words}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
