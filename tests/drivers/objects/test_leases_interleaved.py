"""Never two have a lease, in whatever order their requests reach the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from regctl.drivers.objects.identity import Identity
from regctl.drivers.objects.leases import (
    STALE_SECONDS,
    Lease,
    LeaseLostError,
    Leases,
    LostRaceError,
)
from regctl.drivers.objects.renewal import Renewal
from regctl.errors import UnavailableError, UploadInUseError
from tests.drivers.objects.shared import NEVER, MemoryStore, process_on

PATH = "/a"
PATIENCE = 30
ACTORS = 3
#: How many requests an operation may do at once: one of them, or as a rule all.
REQUESTS = st.sampled_from([0, 1, 2, 9, 9, 9])
T = TypeVar("T")


class Killed(BaseException):
    """The process of the actor ended here."""


class Actor:
    """A process that stops before each of its requests, until the test lets it go on."""

    def __init__(self, store: MemoryStore, number: int, *, atomic: bool) -> None:
        self.store = store
        self.host = f"host {number % 2}"
        self.atomic = atomic
        self.lease: Lease | None = None
        self.born()

    def born(self) -> None:
        """A new process, which knows nothing of the one before."""
        self.process: Identity = process_on(self.host)
        self.lease = None
        #: What it is doing, and whether it is in the middle of it.
        self.doing = ""
        self.leases = Leases(
            lambda path: Cell(self, path),
            now=lambda: self.store.time,
            elapsed=lambda: self.store.time,
            identity=lambda: self.process,
            gone=lambda other: self.process.sees(other) and other in self.store.dead,
            renewal=Renewal(NEVER),
        )

    def begin(self, doing: str, work: Callable[[], None]) -> None:
        """Begin ``work``, up to its first request."""
        self.doing = doing
        self._fault = ""
        self._error: BaseException | None = None
        self._go = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)

        def run() -> None:
            try:
                work()
            except (Killed, UploadInUseError, UnavailableError) as error:
                self._check(error)
            except BaseException as error:  # noqa: BLE001  (it is raised in the test's thread)
                self._error = error
            finally:
                self.doing = ""
                self._stopped.release()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        self._wait()

    def step(self, fault: str = "") -> None:
        """Let it do one request, and go on to the next."""
        self._fault = fault
        self._go.release()
        self._wait()

    def request(self, work: Callable[[], T], *, reads: bool = False) -> T:
        """Do one request when it may."""
        self._stopped.release()
        assert self._go.acquire(timeout=PATIENCE)
        fault = self._fault
        if fault == "killed":
            raise Killed
        if fault == "down":
            raise UnavailableError("down")
        result = work()
        if fault == "lost":
            raise UnavailableError("the answer was lost")
        if fault == "repeated" and not reads:
            raise LostRaceError("the answer to a repetition")
        return result

    def _check(self, error: BaseException) -> None:
        if isinstance(error, LeaseLostError) and self.lease is not None and not self.lease.lost:
            self._error = AssertionError("lost, and does not know")

    def _wait(self) -> None:
        assert self._stopped.acquire(timeout=PATIENCE)
        if not self.doing:
            self._thread.join(PATIENCE)
        if self._error is not None:
            raise self._error


class Cell:
    """The cell as the actor sees it."""

    def __init__(self, actor: Actor, path: str) -> None:
        self._actor = actor
        self._path = path

    def read(self) -> tuple[bytes, str] | None:
        return self._actor.request(lambda: self._actor.store.read(self._path), reads=True)

    def write(self, content: bytes, version: str | None, /) -> str:
        return self._actor.request(lambda: self._actor.store.write(self._path, content, version))

    def remove(self, version: str, /) -> None:
        store = self._actor.store
        if self._actor.atomic:
            self._actor.request(lambda: store.remove(self._path, version))
            return
        found = self._actor.request(lambda: store.read(self._path), reads=True)
        if found is not None and found[1] != version:
            raise LostRaceError("another's")
        self._actor.request(lambda: store.remove(self._path, None))


class Interleaved(RuleBasedStateMachine):
    """Several processes on two machines, one path."""

    atomic = True

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.actors = [Actor(self.store, n, atomic=self.atomic) for n in range(ACTORS)]

    def idle(self, *, holding: bool) -> list[Actor]:
        """Who does nothing, and has the lease as far as he knows, or has not."""
        return [
            actor for actor in self.actors if not actor.doing and (actor.lease is None) != holding
        ]

    def busy(self) -> list[Actor]:
        """Who waits to be let on."""
        return [actor for actor in self.actors if actor.doing]

    @precondition(lambda self: self.idle(holding=False))
    @rule(data=st.data(), requests=REQUESTS)
    def acquire(self, data: st.DataObject, requests: int) -> None:
        """Somebody begins to acquire the lease, and may come to the end of it."""
        actor = data.draw(st.sampled_from(self.idle(holding=False)))

        def work() -> None:
            actor.lease = actor.leases.acquire(PATH)

        actor.begin("acquire", work)
        self.let_on(actor, requests)

    @precondition(lambda self: self.idle(holding=True))
    @rule(data=st.data(), what=st.sampled_from(["check", "renew", "release"]), requests=REQUESTS)
    def use(self, data: st.DataObject, what: str, requests: int) -> None:
        """Somebody does something with the lease that he has."""
        actor = data.draw(st.sampled_from(self.idle(holding=True)))
        lease = actor.lease
        assert lease is not None

        def work() -> None:
            getattr(lease, what)()
            if what == "release":
                actor.lease = None
            if what == "check":
                assert self.store.holder(PATH) == lease.token
                assert self.store.time - self.store.stamps[lease.token] < STALE_SECONDS - 60

        actor.begin(what, work)
        self.let_on(actor, requests)

    def let_on(self, actor: Actor, requests: int) -> None:
        """Let ``actor`` do so many requests."""
        for _ in range(requests):
            if actor.doing:
                actor.step()

    @precondition(lambda self: self.busy())
    @rule(data=st.data(), fault=st.sampled_from(["", "", "", "down", "lost", "repeated"]))
    def step(self, data: st.DataObject, fault: str) -> None:
        """Somebody's next request reaches the store, or its answer does not come."""
        data.draw(st.sampled_from(self.busy())).step(fault)

    @rule(data=st.data())
    def kill(self, data: st.DataObject) -> None:
        """A process ends, wherever it is; a new one on the same machine takes its part."""
        self.end(data.draw(st.sampled_from(self.actors)))

    def end(self, actor: Actor) -> None:
        """The process of ``actor`` ends."""
        self.store.dead.add(actor.process)
        if actor.doing:
            actor.step("killed")
        actor.born()

    @precondition(lambda self: self.atomic or not self.removing())
    @rule(seconds=st.sampled_from([1, 25, 60, 110, 130]))
    def pass_time(self, seconds: int) -> None:
        self.store.time += seconds

    def removing(self) -> bool:
        return any(actor.doing == "release" for actor in self.actors)

    @invariant()
    def a_holder_is_never_displaced(self) -> None:
        """Who has a lease, lives, and renewed it in time finds it in the store."""
        for actor in self.actors:
            lease = actor.lease
            if lease is not None and actor.doing != "release":
                age = self.store.time - self.store.stamps[lease.token]
                if age <= STALE_SECONDS:
                    assert not lease.lost
                    assert self.store.holder(PATH) == lease.token
                elif lease.lost:
                    assert self.store.holder(PATH) != lease.token

    def teardown(self) -> None:
        """When all are dead and the time is over, the next one gets it."""
        for actor in self.actors:
            self.end(actor)
        self.store.time += STALE_SECONDS + 1
        last = Actor(self.store, 0, atomic=self.atomic)
        got: list[Lease] = []
        last.begin("acquire", lambda: got.append(last.leases.acquire(PATH)))
        for _ in range(8):
            if last.doing:
                last.step()
        assert got
        last.begin("release", got[0].release)
        while last.doing:
            last.step()
        assert self.store.holder(PATH) is None


class InterleavedWithoutConditionalRemoval(Interleaved):
    """The same on a store that removes on no condition: read, compared, removed, in two requests.

    No more than the lease's time may pass between these two; here none does.
    """

    atomic = False


TestInterleaved = Interleaved.TestCase
TestInterleavedWithoutConditionalRemoval = InterleavedWithoutConditionalRemoval.TestCase
# Without shrinking, which takes minutes here: the steps of a failure are shown as they were.
_SETTINGS = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
)
TestInterleaved.settings = TestInterleavedWithoutConditionalRemoval.settings = _SETTINGS
