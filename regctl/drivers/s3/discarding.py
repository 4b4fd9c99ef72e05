"""Aborting the multipart uploads of one file that nobody goes on with."""

from __future__ import annotations

from regctl.drivers.base import Entry
from regctl.drivers.objects.leases import Leases
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.listing import unfinished_of
from regctl.drivers.s3.multipart import MultipartUpload


def discard(store: Store, leases: Leases, path: str, before: float) -> list[Entry]:
    """Abort those to which no part came since ``before``: see `StorageDriver.discard_unfinished`.

    Registries move what is large by a multipart upload of copies, which no writer goes on with:
    these are aborted as well.
    """
    lease = leases.acquire(path, "discard")
    try:
        found = [each for each in unfinished_of(store, path) if each[1].modified < before]
        for number, _ in found:
            lease.check()
            MultipartUpload(store, path, number).abort()
        return [entry for _, entry in found]
    finally:
        lease.release()
