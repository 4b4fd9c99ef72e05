"""One run of gc from lock to report: what is asked, shown, done and said."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from regctl import __version__
from regctl.commands.base import App, approve
from regctl.commands.collecting import means
from regctl.commands.gcreport import Report, data, lines, plan_lines
from regctl.errors import InputFileError, RegctlError
from regctl.maintenance.gc.clock import StorageClock, read_clock
from regctl.maintenance.gc.collect import Collection, Options, Plan, empty_repositories
from regctl.maintenance.gc.guards import Guards, Sign
from regctl.maintenance.gc.lock import Lock, gc_lock, no_lock
from regctl.maintenance.gc.metrics import Measured, exposition
from regctl.maintenance.gc.runs import RunId, RunRecord, State, write_record
from regctl.maintenance.gc.stale import StaleUploads, find_stale, remove_stale
from regctl.maintenance.gc.survey import Policy
from regctl.maintenance.gc.things import ThingKind
from regctl.maintenance.gc.view import only_read
from regctl.maintenance.inventory.content import Inventory, Oddity

if TYPE_CHECKING:
    from regctl.drivers.base import StorageDriver
    from regctl.layout import Layout, RepositoryName
    from regctl.maintenance.gc.view import Means
    from regctl.registry import Registry


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for: ``content`` says whether more than uploads may go."""

    options: Options
    content: bool
    uploads: bool
    upload_age: float
    despite: frozenset[Sign]
    lock_required: bool = True
    retry_lock: float = 0.0
    yes: bool = False
    dry_run: bool = False
    empty_repositories: bool = False
    metrics: str | None = None


def run_gc(app: App, asked: Asked) -> None:
    """Do what is asked, and exit with 1 if not all of it could be done."""
    registry = app.registry()
    clock = read_clock(registry.driver, dry_run=asked.dry_run)
    if clock.is_skewed:
        ahead = "ahead of" if clock.skew > 0 else "behind"
        app.output.warning(
            f"the storage's clock is {abs(clock.skew):.0f} seconds {ahead} this machine's"
        )
    run = RunId.new(clock.read_at)
    report = Report(asked.options, dry_run=asked.dry_run, run=None if asked.dry_run else run)
    with ExitStack() as stack:
        lock = no_lock()
        if not asked.dry_run:
            lock = stack.enter_context(
                gc_lock(
                    registry.driver,
                    "gc",
                    run,
                    retry_seconds=asked.retry_lock,
                    required=asked.lock_required,
                )
            )
        how = stack.enter_context(means(app))
        try:
            _Run(app, registry, asked, clock, how, lock, run, report).go()
        except RegctlError:
            _write_metrics(asked, report, clock, success=False)
            raise
    app.output.result(lines(report, verbose=app.verbose), data(report, verbose=app.verbose))
    _write_metrics(asked, report, clock, success=not report.is_partial)
    if report.is_partial:
        raise click.exceptions.Exit(1)


@dataclass(slots=True)
class _Run:
    """The parts of a run that need each other."""

    app: App
    registry: Registry
    asked: Asked
    clock: StorageClock
    means: Means
    lock: Lock
    run: RunId
    report: Report
    _warnings: list[str] = field(default_factory=list)

    @property
    def driver(self) -> StorageDriver:
        driver = self.registry.driver
        return only_read(driver) if self.asked.dry_run else driver

    def go(self) -> None:
        asked, report = self.asked, self.report
        guards = Guards(asked.despite, self._warnings)
        collection = Collection(self.driver, self.means, asked.options, guards, self.clock.now)
        with ExitStack() as stack:
            plan = None
            if asked.content:
                plan = stack.enter_context(collection.plan(None if asked.dry_run else self.lock))
                report.healed = collection.healed
                report.take_plan(plan)
                if asked.empty_repositories:
                    found = empty_repositories(plan, asked.options.policy)
                    report.empty = [str(each) for each in found]
                self._say_oddities(plan.view.inventory)
            if asked.uploads:
                report.stale = self._find_uploads(None if plan is None else plan.view.inventory)
            for warning in (*self._warnings, *report.warnings(self.app.command_line)):
                self.app.output.warning(warning)
            if not asked.dry_run and self._is_approved():
                with self._recorded():
                    self._carry_out(collection, plan)

    def _say_oddities(self, inventory: Inventory) -> None:
        for oddity, path in inventory.oddities:
            if oddity is not Oddity.TEMPORARY_FILE:
                self.app.output.detail(f"{oddity.value}: {path}, which is left alone")

    def _is_approved(self) -> bool:
        if not self.report.destroys:
            return True
        return approve(self.app, plan_lines(self.report), yes=self.asked.yes, dry_run=False)

    def _find_uploads(self, inventory: Inventory | None) -> StaleUploads:
        policy = self.asked.options.policy
        temporary = [] if inventory is None else _temporary(inventory)
        return find_stale(
            self.driver,
            _places(self.registry) if inventory is None else _scanned(inventory),
            self.clock.read_at - self.asked.upload_age,
            temporary=temporary,
            in_scope=policy.is_in_scope,
            whole=not policy.repositories and not policy.exclude,
        )

    def _carry_out(self, collection: Collection, plan: Plan | None) -> None:
        report = self.report
        if report.stale is not None and report.stale.count:
            report.removed_uploads = remove_stale(self.driver, report.stale, self.lock.check)
        if plan is None:
            return
        if plan.going:
            report.swept = collection.carry_out(plan, self.lock, self.run)
        if self.asked.empty_repositories:
            report.emptied = [str(each) for each in collection.remove_empty(plan, self.lock)]
        if not self.asked.options.offline:
            report.condemned = collection.condemn(plan, self.lock, self.run, __version__)

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Within it the run is done, which a record in the storage says."""
        record = RunRecord(self.run, "gc", __version__, _what(self.asked), self.clock.read_at)
        write_record(self.driver, record)
        try:
            yield
        except RegctlError as error:
            failed = (*self.report.failures, error.message)
            self._end(record, State.FAILED, failed)
            raise
        failures = tuple(self.report.failures)
        self._end(record, State.PARTLY if failures else State.DONE, failures)

    def _end(self, record: RunRecord, state: State, messages: tuple[str, ...]) -> None:
        report = self.report
        ended = record.finished(
            state, self.clock.now(), report.removed_counts, report.freed, messages
        )
        write_record(self.driver, ended)


def _write_metrics(asked: Asked, report: Report, clock: StorageClock, *, success: bool) -> None:
    """Write what the run did where Prometheus looks for it; not in a dry run."""
    if asked.metrics is None or asked.dry_run:
        return
    garbage = None if report.plan is None else report.plan.survey.garbage
    measured = Measured(
        clock.now(),
        success,
        {} if garbage is None else {kind.value: garbage.count(kind) for kind in ThingKind},
        0 if garbage is None else garbage.bytes,
        report.removed_counts,
        report.freed,
        len(report.failures),
        report.kept_repositories,
    )
    # Written aside and renamed: whoever reads it never sees half.
    aside = f"{asked.metrics}.{os.getpid()}.tmp"
    try:
        with open(aside, "w", encoding="ascii") as file:
            file.write(exposition(measured))
        os.replace(aside, asked.metrics)
    except OSError as error:
        raise InputFileError(
            f"cannot write the metrics {asked.metrics}: {error.strerror or error}"
        ) from error


def _what(asked: Asked) -> dict[str, object]:
    """What the record of a run says that it was asked for."""
    policy: Policy = asked.options.policy
    return {
        "blobs": asked.content,
        "untagged": policy.untagged,
        "uploads": asked.uploads,
        "offline": asked.options.offline,
        "quarantine": asked.options.quarantine,
        "grace": policy.grace,
        "settle": asked.options.settle,
        "upload_age": asked.upload_age,
        "repositories": list(policy.repositories),
        "exclude": list(policy.exclude),
    }


def _places(registry: Registry) -> Iterator[tuple[RepositoryName, Layout]]:
    for entry in registry.catalog().entries.values():
        for layout in entry.layouts:
            yield entry.name, layout


def _scanned(inventory: Inventory) -> Iterable[tuple[RepositoryName, Layout]]:
    return [(each.name, each.layout) for each in inventory.repositories.values()]


def _temporary(inventory: Inventory) -> list[str]:
    return [path for oddity, path in inventory.oddities if oddity is Oddity.TEMPORARY_FILE]
