"""unlock: who holds the lock of collections, and how one that was left goes."""

from __future__ import annotations

import time

from regctl.drivers.objects.holders import Holder
from regctl.drivers.objects.identity import Identity
from regctl.layout.own import GC_LOCK
from tests.commands.handles import Storage
from tests.commands.running import regctl

LOCK = GC_LOCK.removeprefix("/")


def _lock(storage: Storage, age: float) -> None:
    renewed = time.time() - age
    identity = Identity("elsewhere", "boot", "namespace", 4711, 1)
    holder = Holder("token", identity, GC_LOCK, "gc --blobs", renewed - 60, renewed, "a-run")
    storage.write(LOCK, holder.encode())


def test_no_lock(storage: Storage) -> None:
    result = regctl("unlock", storage=storage)
    assert result.code == 0
    assert "nobody" in result.err
    assert regctl("unlock", "--format=json", storage=storage).json["removed"] is False


def test_one_that_was_left(storage: Storage) -> None:
    _lock(storage, 700)
    shown = regctl("unlock", "--dry-run", storage=storage)
    assert shown.code == 0
    assert storage.exists(LOCK)
    result = regctl("unlock", "--format=json", storage=storage)
    assert result.code == 0
    assert result.json["removed"] is True
    assert result.json["stale"] is True
    assert (result.json["host"], result.json["pid"]) == ("elsewhere", 4711)
    assert (result.json["purpose"], result.json["run"]) == ("gc --blobs", "a-run")
    assert not storage.exists(LOCK)


def test_one_that_lives(storage: Storage) -> None:
    _lock(storage, 10)
    result = regctl("unlock", storage=storage)
    assert result.code == 6
    for said in ("elsewhere", "4711", "gc --blobs", "a-run", "--force"):
        assert said in result.err
    assert regctl("unlock", "--force", storage=storage).code == 2
    assert regctl("unlock", "--force", "--dry-run", storage=storage).code == 0
    assert storage.exists(LOCK)
    assert regctl("unlock", "--force", "--yes", storage=storage).code == 0
    assert not storage.exists(LOCK)


def test_what_is_no_lock(storage: Storage) -> None:
    storage.write(LOCK, b"half a lo")
    assert regctl("unlock", storage=storage).code == 6
    assert storage.exists(LOCK)
    result = regctl("unlock", "--force", "--yes", "--format=json", storage=storage)
    assert result.code == 0
    assert result.json["host"] is None
    assert not storage.exists(LOCK)
