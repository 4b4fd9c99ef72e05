"""Which process holds a lease, and whether it is gone: told on the machine where it runs only."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import lru_cache

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_NAMESPACE = "/proc/self/ns/pid"


@dataclass(frozen=True, slots=True)
class Identity:
    """One process among all that may use a storage.

    ``boot`` names the run of the kernel and ``namespace`` the one in which ``pid`` counts (two
    containers may share a kernel and a host name, and not their processes); both are "" where the
    system does not tell. ``started`` tells a process from a later one with its number: clock ticks
    since the boot, 0 where unknown.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: int

    def sees(self, other: Identity) -> bool:
        """Whether the process ``other``, if it lives, is one that this process can see."""
        here = (self.host, self.boot, self.namespace)
        return all(here) and here == (other.host, other.boot, other.namespace)


def this_process() -> Identity:
    """The identity of the process that asks."""
    return _identity(os.getpid())


@lru_cache(maxsize=1)
def _identity(pid: int) -> Identity:
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            boot = file.read().strip()
        namespace = os.readlink(_NAMESPACE)
    except OSError:
        boot = namespace = ""
    return Identity(socket.gethostname(), boot, namespace, pid, (_status(pid) or (0, ""))[0])


def is_gone(other: Identity) -> bool:
    """Whether the process ``other`` certainly runs no more: False whenever that cannot be told."""
    if not this_process().sees(other) or other.pid <= 0:
        return False
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    status = _status(other.pid)
    if status is None or not other.started:
        # There is such a process; the system hides the rest of it.
        return False
    started, state = status
    return started != other.started or state in {"Z", "X"}


def _status(pid: int) -> tuple[int, str] | None:
    """When the process started, in clock ticks since the boot, and its state's letter.

    Source: proc(5), /proc/PID/stat, fields 22 and 3; the name before them may hold anything.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[19]), fields[0].decode("ascii")
