"""Removing what stands for an upload that nobody goes on with."""

from __future__ import annotations

from contextlib import suppress

from regctl.drivers.base import Entry, Kind
from regctl.drivers.gcs import objects
from regctl.drivers.gcs.client import Store
from regctl.drivers.gcs.errors import PreconditionFailedError
from regctl.drivers.gcs.uploads import recorded_offset
from regctl.drivers.objects.leases import Leases
from regctl.errors import PathNotFoundError


def discard(store: Store, leases: Leases, path: str, before: float) -> list[Entry]:
    """Remove the record of an upload at ``path``: see `StorageDriver.discard_unfinished`.

    The session that it names ends by itself, a week after it began.
    """
    lease = leases.acquire(path, "discard")
    try:
        with suppress(PathNotFoundError, PreconditionFailedError):
            found = objects.describe(store, path)
            if found.is_session and found.updated < before:
                lease.check()
                size = recorded_offset(path, found) + found.size
                # What is finalised meanwhile has another generation, and stays.
                if objects.remove(store, path, generation=found.generation):
                    return [Entry(path, Kind.FILE, size, found.updated)]
        return []
    finally:
        lease.release()
