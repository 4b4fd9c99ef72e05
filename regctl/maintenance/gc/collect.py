"""One run of the collector: heal, look, decide what goes now, remove it, condemn the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field

from regctl.drivers.base import StorageDriver
from regctl.errors import DamagedError
from regctl.layout import Layout, RepositoryName
from regctl.maintenance.gc.condemned import CondemnedList, remove_lists, settled_list, write_list
from regctl.maintenance.gc.condemned import find_lists as find_condemned
from regctl.maintenance.gc.garbage import Garbage, RepositoryGarbage
from regctl.maintenance.gc.guards import Guards, complete_scan
from regctl.maintenance.gc.healing import healed_look
from regctl.maintenance.gc.lock import Lock
from regctl.maintenance.gc.quarantine import PutBack
from regctl.maintenance.gc.removal import remove_empty_repository
from regctl.maintenance.gc.runs import RunId
from regctl.maintenance.gc.settling import load, new_sections, restrict
from regctl.maintenance.gc.survey import Policy, Survey
from regctl.maintenance.gc.sweep import MaxDelete, Sweep, Swept
from regctl.maintenance.gc.view import Means, View, look

#: Seconds for which what was condemned is left in peace before it is swept.
DEFAULT_SETTLE = 3600.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked for.

    ``offline``: nobody else writes, so that all garbage goes in this run; otherwise what an earlier
    run condemned at least ``settle`` seconds ago. ``quarantine``: what goes is put aside.
    ``is_harbor``: as a configuration says.
    """

    policy: Policy
    offline: bool = False
    quarantine: bool = True
    settle: float = DEFAULT_SETTLE
    max_delete: MaxDelete = field(default_factory=MaxDelete)
    is_harbor: bool = False
    #: The seconds after which nothing more is begun.
    max_time: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done: ``going`` goes now, of all the garbage in ``survey``; ``condemned`` is
    the list that it was on, None if there was none old enough, or in an offline run; of a damaged
    one nothing goes."""

    view: View
    survey: Survey
    going: Garbage
    condemned: CondemnedList | None

    @property
    def later(self) -> int:
        """How many things are garbage and do not go now."""
        return self.survey.garbage.total - self.going.total


class Collection:
    """One run on ``driver``; ``now`` gives the storage's time, in seconds since the epoch."""

    def __init__(
        self,
        driver: StorageDriver,
        means: Means,
        options: Options,
        guards: Guards,
        now: Callable[[], float],
    ) -> None:
        self._driver = driver
        self._means = means
        self._options = options
        self._guards = guards
        self._now = now
        self._began = now()
        self._is_cut_short = False
        #: What was put back.
        self.healed = PutBack()

    @contextmanager
    def plan(self, lock: Lock | None) -> Iterator[Plan]:
        """What there is to be done, with the means to do it.

        Before it, what is needed and in quarantine is put back (`healed`); not without ``lock``, in
        a dry run. Raises `IncompleteScanError`, `GuardError`, `TooMuchError`: then nothing may go.
        """
        policy = self._options.policy
        with self._look(lock, tag_indexes=policy.untagged) as view:
            with complete_scan():
                self._guards.check_storage(self._driver)
                self._guards.check_inventory(view.inventory, view.reads)
            # Ages are those of the time before anything was listed.
            survey = view.survey(policy, view.inventory.began)
            if policy.untagged:
                with complete_scan():
                    self._guards.check_tags(survey, view.times, is_harbor=self._options.is_harbor)
            plan = self._decide(view, survey)
            self._options.max_delete.check(plan.going, view.inventory)
            yield plan

    def _look(self, lock: Lock | None, *, tag_indexes: bool) -> AbstractContextManager[View]:
        if lock is None:
            return look(self._driver, self._means, tag_indexes=tag_indexes)
        return healed_look(
            self._driver, self._means, lock.check, self.healed, tag_indexes=tag_indexes
        )

    def _decide(self, view: View, survey: Survey) -> Plan:
        if self._options.offline:
            return Plan(view, survey, survey.garbage, None)
        found = settled_list(self._driver, self._now(), self._options.settle)
        going = Garbage(view.inventory.table)
        if found is not None:
            # Of a list that is damaged nothing is believed: all of it is condemned anew.
            with suppress(DamagedError):
                condemned = load(found, self._driver, view.inventory.table)
                with complete_scan():
                    going = restrict(view, survey, self._options.policy, condemned)
        return Plan(view, survey, going, found)

    def carry_out(self, plan: Plan, lock: Lock, run: RunId) -> Swept:
        """Remove what goes. Raises as `Sweep.sweep`."""
        oldest = plan.survey.now - self._options.policy.grace
        aside = run if self._options.quarantine else None
        sweep = Sweep(self._driver, self._means, lock, aside, self._is_over)
        swept = sweep.sweep(plan.view, plan.going, oldest)
        self._is_cut_short = swept.is_cut_short
        return swept

    def _is_over(self) -> bool:
        limit = self._options.max_time
        return limit is not None and self._now() >= self._began + limit

    def remove_empty(self, plan: Plan, lock: Lock) -> list[RepositoryName]:
        """Remove the repositories in which nothing is left but directories; which they were.

        Only what was empty but for what just went is looked at, and what has come since stays.
        """
        removed = []
        for name in empty_repositories(plan, self._options.policy):
            lock.check()
            if remove_empty_repository(self._driver, name):
                removed.append(name)
        return removed

    def condemn(self, plan: Plan, lock: Lock, run: RunId, version: str) -> CondemnedList | None:
        """Keep what is garbage and did not go as a list for a later run; None if it is empty.

        The list that was swept, and older ones, are removed, unless the sweep was cut short: then
        a later run goes on with it.
        """
        written = None
        lock.check()
        if plan.later:
            policy = self._options.policy
            written = write_list(
                self._driver,
                run,
                new_sections(plan.survey.garbage, plan.going),
                at=self._now(),
                fingerprint="untagged" if policy.untagged else "blobs",
                version=version,
            )
        swept = plan.condemned
        newer = [
            each.run
            for each in find_condemned(self._driver)[0]
            if swept is None or self._is_cut_short or (each.at, each.run) > (swept.at, swept.run)
        ]
        remove_lists(self._driver, newer)
        return written


def empty_repositories(plan: Plan, policy: Policy) -> Iterator[RepositoryName]:
    """Repositories that have nothing, or nothing but what goes now.

    Those in the layout of 2015 are left alone.
    """
    for name, content in plan.view.inventory.repositories.items():
        if content.tags or content.uploads or content.layout is Layout.Y2015:
            continue
        going = plan.going.repositories.get(name) or RepositoryGarbage(name, content.layout)
        left = (
            len(content.layers) - len(going.layers),
            len(content.revisions) - len(going.revisions),
            len(content.signatures.keys() - going.signatures.keys()),
        )
        if not any(left) and policy.is_in_scope(name):
            yield name
