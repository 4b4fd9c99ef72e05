"""Leases keep writers apart: one at a time, never two, and none for ever."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from regctl.drivers.objects.identity import Identity, this_process
from regctl.drivers.objects.leases import (
    RENEW_SECONDS,
    STALE_SECONDS,
    ConditionalWritesIgnoredError,
    Lease,
    LeaseLostError,
    Leases,
    LostRaceError,
    lease_path,
)
from regctl.drivers.objects.renewal import Renewal
from regctl.drivers.suite.shared import together
from regctl.errors import DamagedError, DeniedError, UnavailableError, UploadInUseError
from tests.drivers.objects.shared import NEVER, MemoryCell, MemoryStore, process_on

PATH = "/docker/registry/v2/repositories/a/_uploads/u/data"
PATIENCE = 30
T = TypeVar("T")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def here(store: MemoryStore) -> Leases:
    return store.leases(process_on("here"))


@pytest.fixture
def there(store: MemoryStore) -> Leases:
    return store.leases(process_on("there"))


def test_one_at_a_time(store: MemoryStore, here: Leases, there: Leases) -> None:
    """Who has it keeps others off until he releases it, and leaves nothing behind."""
    lease = here.acquire(PATH)
    assert lease.path == PATH
    assert lease.spans_processes
    for other in (here, there):
        with pytest.raises(UploadInUseError):
            other.acquire(PATH)
    lease.check()
    lease.release()
    lease.release()
    assert not store.cells
    there.acquire(PATH).release()


def test_paths_are_apart(here: Leases, there: Leases) -> None:
    """A lease is for one path and no other."""
    first, second = here.acquire(PATH), there.acquire(PATH + "2")
    first.check()
    second.check()
    first.release()
    second.check()
    second.release()


def test_what_is_written(store: MemoryStore) -> None:
    """One JSON object tells who, where, since when, and what for."""
    process = process_on("build-7")
    lease = store.leases(process).acquire(PATH, purpose="push-layer")
    content = json.loads(store.cells[lease_path(PATH)][0])
    assert content == {
        "token": lease.token,
        "host": "build-7",
        "boot": "boot",
        "namespace": "namespace",
        "pid": process.pid,
        "started": 1,
        "path": PATH,
        "purpose": "push-layer",
        "since": store.time,
        "renewed": store.time,
    }
    assert len(lease.token) == 32
    assert lease_path(PATH).startswith("/regctl/locks/")
    lease.release()


def test_the_holder_is_named(store: MemoryStore, here: Leases) -> None:
    """Host, process, since when; and when it will be anybody's."""
    process = process_on("build-7")
    lease = store.leases(process).acquire(PATH)
    store.time += 30
    with pytest.raises(UploadInUseError) as caught:
        here.acquire(PATH)
    assert caught.value.message == (
        f"another writer has {PATH} open: process {process.pid} on build-7,"
        " since 1970-01-12T13:46:40Z"
    )
    assert caught.value.hint is not None
    assert "in 90 seconds" in caught.value.hint
    lease.release()


def test_within_a_process_the_store_is_not_asked(store: MemoryStore, here: Leases) -> None:
    """Of many threads exactly one wins; the others lose without a request."""
    won: list[Lease] = []

    def attempt(number: int) -> bool:
        try:
            won.append(here.acquire(PATH))
        except UploadInUseError:
            return False
        return True

    assert together(16, attempt) == 1
    assert store.log == ["write", "read"]
    with pytest.raises(UploadInUseError, match="in this very process"):
        here.acquire(PATH)
    won[0].release()


@pytest.mark.parametrize("before", ["nothing", "stale", "dead"])
def test_race_has_one_winner(store: MemoryStore, before: str) -> None:
    """Of many processes exactly one makes the lease, or takes over what another left."""
    if before != "nothing":
        process = process_on("host")
        store.leases(process).acquire(PATH)
        if before == "stale":
            store.time += STALE_SECONDS + 1
        else:
            store.dead.add(process)
    processes = [store.leases(process_on("host")) for _ in range(16)]
    won: list[Lease] = []

    def attempt(number: int) -> bool:
        try:
            won.append(processes[number].acquire(PATH))
        except UploadInUseError:
            return False
        return True

    assert together(len(processes), attempt) == 1
    won[0].check()
    assert store.holder(PATH) == won[0].token
    won[0].release()


def test_stale_only_after_its_time(store: MemoryStore, here: Leases, there: Leases) -> None:
    """Not renewed for the whole time by the store's clock, and not a second less."""
    lease = here.acquire(PATH)
    store.time += STALE_SECONDS
    with pytest.raises(UploadInUseError):
        there.acquire(PATH)
    lease.renew()
    store.time += STALE_SECONDS
    with pytest.raises(UploadInUseError):
        there.acquire(PATH)
    store.time += 1
    there.acquire(PATH)
    with pytest.raises(LeaseLostError):
        lease.check()


def test_dead_process_of_this_machine(store: MemoryStore) -> None:
    """Its lease is taken over at once here; elsewhere nobody can know, and waits."""
    dead = process_on("here")
    lost = store.leases(dead).acquire(PATH)
    store.dead.add(dead)
    with pytest.raises(UploadInUseError):
        store.leases(process_on("there")).acquire(PATH)
    lease = store.leases(process_on("here")).acquire(PATH)
    lease.check()
    with pytest.raises(LeaseLostError):
        lost.renew()
    lease.release()


def test_taken_over_is_told_and_nothing_of_the_other_removed(
    store: MemoryStore, here: Leases, there: Leases
) -> None:
    """The sleeper who wakes up finds out by a check, and his release is harmless."""
    for known in (True, False):
        sleeper = here.acquire(PATH)
        store.time += STALE_SECONDS + 1
        other = there.acquire(PATH)
        if known:
            with pytest.raises(LeaseLostError, match=PATH):
                sleeper.check()
            assert sleeper.lost
        sleeper.release()
        assert sleeper.lost
        with pytest.raises(LeaseLostError):
            sleeper.check()
        assert store.holder(PATH) == other.token
        other.check()
        other.release()
        assert not store.cells


def test_removed_by_hand(store: MemoryStore, here: Leases) -> None:
    """A lease that somebody removed is lost, and not made again behind his back."""
    lease = here.acquire(PATH)
    store.cells.clear()
    with pytest.raises(LeaseLostError):
        lease.renew()
    lease.release()
    assert not store.cells


def test_removed_by_hand_and_acquired_by_another(
    store: MemoryStore, here: Leases, there: Leases
) -> None:
    """However fresh a lease was: what is in its place now is not removed with it."""
    lease = here.acquire(PATH)
    store.cells.clear()
    other = there.acquire(PATH)
    lease.release()
    assert lease.lost
    assert store.holder(PATH) == other.token
    other.release()


def test_check_looks_while_fresh_and_renews_later(store: MemoryStore, here: Leases) -> None:
    """Either is one request; after it, the lease is safe for a minute and a half at least."""
    lease = here.acquire(PATH)
    store.log.clear()
    store.time += RENEW_SECONDS
    lease.check()
    assert store.log == ["read"]
    store.log.clear()
    store.time += RENEW_SECONDS
    lease.check()
    assert store.log == ["write"]
    assert store.renewed(PATH) == store.time
    lease.release()
    with pytest.raises(ValueError, match="released"):
        lease.check()
    lease.renew()
    assert not store.cells


def test_renewed_before_it_is_removed(store: MemoryStore, here: Leases) -> None:
    """A lease that could go stale meanwhile is made safe first: some stores remove on no condition,
    and would remove what another has just taken over."""
    lease = here.acquire(PATH)
    store.time += STALE_SECONDS - 1
    store.log.clear()
    lease.release()
    assert store.log == ["write", "remove"]


def test_own_lease_that_was_not_released(store: MemoryStore) -> None:
    """The store did not answer when a lease was released: the same process may have it again."""
    process = this_process()
    assert process.sees(process)
    faulty = Faulty(store)
    lease = leases_of(faulty, process).acquire(PATH)
    faulty.plan = ["down"] * 9
    lease.release()
    assert store.cells
    faulty.plan = []
    again = leases_of(faulty, process).acquire(PATH)
    again.check()
    # And one that is alive is not, by whatever driver of the process it was acquired.
    with pytest.raises(UploadInUseError):
        leases_of(faulty, process).acquire(PATH)
    again.release()
    assert not store.cells


class Faulty:
    """A store whose operations go as ``plan`` says: "" well, "down" not at all, "lost" done without
    an answer, "repeated" done, and the answer that of a repetition."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.plan: list[str] = []

    def cell(self, path: str) -> FaultyCell:
        return FaultyCell(self, MemoryCell(self.store, path))

    def act(self, work: Callable[[], T]) -> T:
        fault = self.plan.pop(0) if self.plan else ""
        if fault == "down":
            raise UnavailableError("down")
        result = work()
        if fault == "lost":
            raise UnavailableError("the answer was lost")
        if fault == "repeated":
            raise LostRaceError("the answer to a repetition")
        return result


class FaultyCell:
    """A cell of such a store."""

    def __init__(self, faulty: Faulty, cell: MemoryCell) -> None:
        self._faulty = faulty
        self._cell = cell

    def read(self) -> tuple[bytes, str] | None:
        return self._faulty.act(self._cell.read)

    def write(self, content: bytes, version: str | None, /) -> str:
        return self._faulty.act(lambda: self._cell.write(content, version))

    def remove(self, version: str, /) -> None:
        self._faulty.act(lambda: self._cell.remove(version))


def leases_of(faulty: Faulty, process: Identity) -> Leases:
    """The leases of ``process`` in a faulty store."""
    return Leases(
        faulty.cell,
        now=lambda: faulty.store.time,
        elapsed=lambda: faulty.store.time,
        identity=lambda: process,
        gone=lambda _: False,
        renewal=Renewal(NEVER),
    )


@pytest.mark.parametrize("fault", ["lost", "repeated"])
def test_lost_answers_are_no_defeat(store: MemoryStore, there: Leases, fault: str) -> None:
    """Our own write that went through is not taken for another's, nor for nothing."""
    faulty = Faulty(store)
    here = leases_of(faulty, process_on("here"))
    faulty.plan = [fault]
    lease = here.acquire(PATH)
    lease.check()
    for _ in range(2):
        store.time += 2 * RENEW_SECONDS
        faulty.plan = [fault]
        lease.renew()
        assert store.renewed(PATH) == store.time
        store.log.clear()
        lease.check()
        assert store.log == ["read"]
    # Now the answer is lost, and the store stays away for the time of a look.
    store.time += 2 * RENEW_SECONDS
    faulty.plan = ["lost", "down"]
    with pytest.raises(UnavailableError):
        lease.renew()
    assert not lease.lost
    store.time += 2 * RENEW_SECONDS
    lease.check()
    assert store.renewed(PATH) == store.time
    with pytest.raises(UploadInUseError):
        there.acquire(PATH)
    faulty.plan = [fault]
    lease.release()
    assert not store.cells


def test_store_that_is_down(store: MemoryStore) -> None:
    """Nobody is told that he has a lease, and nobody is kept off afterwards."""
    faulty = Faulty(store)
    here = leases_of(faulty, process_on("here"))
    for plan in (["down"] * 2, ["lost", "down"]):
        faulty.plan = plan
        with pytest.raises(UnavailableError):
            here.acquire(PATH)
        store.time += STALE_SECONDS + 1
    lease = here.acquire(PATH)
    faulty.plan = ["down"]
    with pytest.raises(UnavailableError):
        lease.check()
    lease.check()
    lease.release()


def test_store_that_denies(store: MemoryStore) -> None:
    """An error is neither an absence nor a holder."""

    class Denied(MemoryCell):
        def read(self) -> tuple[bytes, str] | None:
            raise DeniedError("no")

    leases = Leases(lambda path: Denied(store, path), now=lambda: 0.0)
    with pytest.raises(DeniedError):
        leases.acquire(PATH)


def test_conditions_ignored(store: MemoryStore) -> None:
    """Where the store cannot keep writers apart the process does it for its own threads."""

    class Careless(MemoryCell):
        def write(self, content: bytes, version: str | None, /) -> str:
            raise ConditionalWritesIgnoredError("ignored")

    leases = Leases(lambda path: Careless(store, path), now=lambda: 0.0)
    lease = leases.acquire(PATH)
    assert not lease.spans_processes
    with pytest.raises(UploadInUseError):
        leases.acquire(PATH)
    lease.check()
    lease.renew()
    lease.release()
    leases.acquire(PATH).release()
    assert not store.cells


def test_conditions_ignored_when_replacing(store: MemoryStore) -> None:
    """Some stores know If-None-Match and not If-Match: a lease that cannot be renewed is withdrawn,
    and the long work that it was for goes on."""

    class Half(MemoryCell):
        def write(self, content: bytes, version: str | None, /) -> str:
            if version is None:
                return super().write(content, version)
            self._store.cells[self._path] = (content, "by force")
            raise ConditionalWritesIgnoredError("ignored")

    leases = Leases(
        lambda path: Half(store, path), now=lambda: store.time, elapsed=lambda: store.time
    )
    lease = leases.acquire(PATH)
    assert store.holder(PATH) == lease.token
    store.time += 2 * RENEW_SECONDS
    lease.check()
    assert not store.cells
    assert not lease.spans_processes
    lease.check()
    lease.release()
    # The same when it comes to light only at the end, or when another's is to be taken over.
    lease = leases.acquire(PATH)
    store.time += 2 * RENEW_SECONDS
    lease.release()
    assert not store.cells
    store.leases(process_on("there")).acquire(PATH)
    store.time += STALE_SECONDS + 1
    lease = leases.acquire(PATH)
    assert not lease.spans_processes
    assert not store.cells
    lease.release()


def test_the_clock_is_asked_now_and_then(store: MemoryStore) -> None:
    """Not for every lease; but a clock that went away is followed."""
    asked: list[float] = []

    def now() -> float:
        asked.append(store.time)
        return store.time + 1000

    leases = Leases(store.cell, now=now, elapsed=lambda: store.time)
    for _ in range(3):
        lease = leases.acquire(PATH)
        assert store.renewed(PATH) == store.time + 1000
        lease.release()
        store.time += 100
    assert len(asked) == 1
    leases.acquire(PATH).release()
    assert len(asked) == 2


def test_store_that_lies_about_its_conditions(store: MemoryStore, there: Leases) -> None:
    """A success is not believed: who is in the cell afterwards has the lease."""
    lease = there.acquire(PATH)

    class Liar(MemoryCell):
        def write(self, content: bytes, version: str | None, /) -> str:
            return "v0"

    leases = Leases(lambda path: Liar(store, path), now=lambda: store.time)
    with pytest.raises(UploadInUseError, match="on there"):
        leases.acquire(PATH)
    lease.release()


@pytest.mark.parametrize(
    "change",
    [
        lambda members: b"",
        lambda members: b"\xff",
        lambda members: b"[" * 100_000,
        lambda members: b"[]",
        lambda members: {**members, "pid": "1"},
        lambda members: {**members, "pid": True},
        lambda members: {**members, "host": None},
        lambda members: {**members, "renewed": 1e300},
        lambda members: {**members, "renewed": float("nan")},
        lambda members: {**members, "since": -1},
        lambda members: {**members, "since": "2026"},
        lambda members: {name: value for name, value in members.items() if name != "token"},
    ],
)
def test_no_lease(
    store: MemoryStore,
    here: Leases,
    there: Leases,
    change: Callable[[dict[str, object]], dict[str, object] | bytes],
) -> None:
    """What cannot be read as a lease is neither taken over nor taken for nobody's."""
    lease = there.acquire(PATH)
    content, version = store.cells[lease_path(PATH)]
    changed = change(json.loads(content))
    if isinstance(changed, dict):
        changed = json.dumps(changed).encode()
    store.cells[lease_path(PATH)] = (changed, version)
    store.time += 2 * STALE_SECONDS
    with pytest.raises(DamagedError, match=lease_path(PATH)):
        here.acquire(PATH)
    assert store.cells[lease_path(PATH)] == (changed, version)
    # It is out of the way as soon as somebody removed it.
    store.cells.clear()
    here.acquire(PATH).release()
    lease.release()


def test_members_of_a_later_version(store: MemoryStore, here: Leases, there: Leases) -> None:
    """What is added to a lease one day does not make it unreadable."""
    lease = there.acquire(PATH)
    content, version = store.cells[lease_path(PATH)]
    store.cells[lease_path(PATH)] = (
        json.dumps({**json.loads(content), "more": [1]}).encode(),
        version,
    )
    with pytest.raises(UploadInUseError):
        here.acquire(PATH)
    lease.release()
    assert not store.cells


def test_renewed_by_one_thread(store: MemoryStore) -> None:
    """All leases of a process are renewed in the background, by one thread, which ends with the
    last of them."""
    beat = threading.Condition()
    renewed: dict[str, set[str]] = {}

    class Watched(MemoryCell):
        def write(self, content: bytes, version: str | None, /) -> str:
            new = super().write(content, version)
            if version is not None:
                with beat:
                    renewed.setdefault(self._path, set()).add(threading.current_thread().name)
                    beat.notify_all()
            return new

    def threads() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name == "leases"}

    before = threads()
    leases = Leases(
        lambda path: Watched(store, path), now=lambda: store.time, renewal=Renewal(0.001)
    )
    held = [leases.acquire(f"/path/{number}") for number in range(10)]
    with beat:
        assert beat.wait_for(lambda: len(renewed) == 10, PATIENCE)
    assert {name for names in renewed.values() for name in names} == {"leases"}
    (thread,) = threads() - before
    assert thread.daemon
    for lease in held[1:]:
        lease.release()
    # One is left: it goes on being renewed.
    with beat:
        renewed.clear()
        assert beat.wait_for(lambda: bool(renewed), PATIENCE)
    held[0].release()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert not store.cells


def test_renewal_survives_a_fault(store: MemoryStore) -> None:
    """A store that is away for a moment costs a renewal, not the lease."""
    beats = threading.Semaphore(0)
    down = threading.Event()

    class Watched(MemoryCell):
        def write(self, content: bytes, version: str | None, /) -> str:
            beats.release()
            if down.is_set():
                raise UnavailableError("down")
            return super().write(content, version)

        def read(self) -> tuple[bytes, str] | None:
            if down.is_set():
                raise UnavailableError("down")
            return super().read()

    leases = Leases(
        lambda path: Watched(store, path), now=lambda: store.time, renewal=Renewal(0.001)
    )
    lease = leases.acquire(PATH)
    down.set()
    for _ in range(5):
        assert beats.acquire(timeout=PATIENCE)
    down.clear()
    for _ in range(5):
        assert beats.acquire(timeout=PATIENCE)
    lease.check()
    lease.release()
    assert not store.cells
