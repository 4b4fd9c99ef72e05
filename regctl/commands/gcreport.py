"""What a run of gc found and did, as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from regctl.maintenance.gc.collect import Options, Plan
from regctl.maintenance.gc.gains import gains_by_repository
from regctl.maintenance.gc.things import Outcome, Thing, ThingKind
from regctl.maintenance.gc.uploads import Ended
from regctl.maintenance.inventory.marks import Report as Seen
from regctl.maintenance.inventory.marks import Seen as SeenKind
from regctl.terminal.formatting import size, timestamp

if TYPE_CHECKING:
    from regctl.maintenance.gc.condemned import CondemnedList
    from regctl.maintenance.gc.quarantine import PutBack
    from regctl.maintenance.gc.runs import RunId
    from regctl.maintenance.gc.stale import RemovedUploads, StaleUploads
    from regctl.maintenance.gc.sweep import Swept

_PLURALS = {
    ThingKind.INDEX_ENTRY: "entries in histories of tags",
    ThingKind.TAG: "tags",
    ThingKind.LAYER_LINK: "layer links",
    ThingKind.REVISION: "revisions",
    ThingKind.SIGNATURE_LINK: "signature links",
    ThingKind.BLOB: "blobs",
}
#: Why a thing goes, as a clause.
_REASONS = {
    ThingKind.INDEX_ENTRY: "the revision goes, which the tag named before",
    ThingKind.TAG: "what it is about is gone",
    ThingKind.LAYER_LINK: "no manifest of the repository needs it",
    ThingKind.REVISION: "no tag leads to it",
    ThingKind.SIGNATURE_LINK: "the revision that it signs goes",
    ThingKind.BLOB: "no repository needs it",
}
#: Reports of tags and manifests because of which something is kept that may be garbage.
_PARTIAL = frozenset({SeenKind.CONTAINED, SeenKind.UNREADABLE_TAG})
#: How many repositories are shown of those that gain most.
_MOST_GAINS = 10


@dataclass(slots=True)
class Report:
    """What is known of a run so far; ``run`` is None for a dry one."""

    options: Options
    dry_run: bool
    run: RunId | None
    plan: Plan | None = None
    stale: StaleUploads | None = None
    healed: PutBack | None = None
    removed_uploads: RemovedUploads | None = None
    swept: Swept | None = None
    condemned: CondemnedList | None = None
    gains: list[tuple[str, int]] = field(default_factory=list)
    #: Repositories in which nothing will be left, and those that went.
    empty: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)

    def take_plan(self, plan: Plan) -> None:
        """Go by ``plan``, and by what it has of repositories that gain most."""
        self.plan = plan
        found = gains_by_repository(plan.survey.garbage)
        self.gains = [(str(name), gained) for name, gained in found.most_common(_MOST_GAINS)]

    @property
    def destroys(self) -> bool:
        """Whether there is anything to be removed, or put aside, in this run."""
        going = self.plan is not None and bool(self.plan.going)
        return going or bool(self.empty) or (self.stale is not None and bool(self.stale.count))

    @property
    def seen(self) -> list[Seen]:
        """What is odd about tags and manifests."""
        return [] if self.plan is None else self.plan.survey.marks.reports

    @property
    def outcomes(self) -> list[Outcome]:
        """What became of things that were put back, and of those that went."""
        healed = [] if self.healed is None else [self.healed.outcome]
        return healed + ([] if self.swept is None else [self.swept.outcome])

    @property
    def failures(self) -> list[str]:
        """What could not be done, as sentences."""
        failed = [each for outcome in self.outcomes for each in outcome.failures]
        if self.removed_uploads is not None:
            failed += self.removed_uploads.failures
        return [f"{each.path}: {each.error.message}" for each in failed]

    @property
    def is_partial(self) -> bool:
        """Whether something could not be done, or judged."""
        return bool(self.failures) or any(each.seen in _PARTIAL for each in self.seen)

    @property
    def kept_repositories(self) -> int:
        """How many repositories are kept whole because a manifest cannot be gone by."""
        return len({each.repository for each in self.seen if each.seen is SeenKind.CONTAINED})

    @property
    def removed_counts(self) -> dict[str, int]:
        """How many things of each kind went."""
        counts = {} if self.swept is None else self.swept.outcome.counts
        found = {kind.value: count for kind, count in counts.items()}
        if self.removed_uploads is not None:
            found["upload"] = self.removed_uploads.counts.get(Ended.REMOVED, 0)
        return found

    @property
    def freed(self) -> int:
        """Bytes that were seen gone; what is in quarantine is not."""
        freed = 0 if self.removed_uploads is None else self.removed_uploads.bytes
        if self.swept is not None and not self.options.quarantine:
            freed += self.swept.outcome.bytes
        return freed

    def warnings(self, command_line: Callable[..., str]) -> Iterator[str]:
        """What a person should know and see to."""
        for each in self.seen:
            where = f"{each.repository}:{each.tag}" if each.tag else str(each.repository)
            if each.seen is not SeenKind.CONTAINED:
                yield f"{where}: {each.reason}"
                continue
            remove = command_line("rm", f"{each.repository}@{each.digest}")
            yield (
                f"{where} is kept whole, because its manifest {each.digest} cannot be gone by: "
                f"{each.reason}; push it again, or remove it: {remove}"
            )


def plan_lines(report: Report) -> list[str]:
    """What would be done in this run, for the one who is asked."""
    found = []
    stale, plan = report.stale, report.plan
    if stale is not None and stale.count:
        found.append(f"remove {stale.count} stale uploads ({size(stale.bytes)})")
    if plan is not None and plan.going:
        verb = "put into quarantine" if report.options.quarantine else "remove for good"
        for kind in ThingKind:
            if count := plan.going.count(kind):
                more = f" ({size(plan.going.bytes)})" if kind is ThingKind.BLOB else ""
                found.append(f"{verb} {count} {_PLURALS[kind]}{more}")
    found += [f"remove the directories of the empty repository {each}" for each in report.empty]
    return found


def lines(report: Report, *, verbose: bool) -> Iterator[str]:
    """The result for people."""
    yield from _upload_lines(report)
    plan = report.plan
    if plan is None:
        return
    if report.healed is not None and report.healed.outcome.done:
        yield f"put back from quarantine: {report.healed.outcome.done}"
    yield from _stage_lines(report, plan)
    for name, gained in report.gains:
        yield f"  {size(gained):>10}  {name}"
    if plan.survey.garbage.young:
        yield f"too young to go: {sum(plan.survey.garbage.young.values())}"
    yield from _left_lines(report, plan)
    for failure in report.failures:
        yield f"failed: {failure}"
    if verbose:
        for thing in plan.survey.garbage.things():
            where = f"{thing.repository} " if thing.repository else ""
            yield f"{thing.kind.value} {where}{thing.digest}: {_REASONS[thing.kind]}"


def _left_lines(report: Report, plan: Plan) -> Iterator[str]:
    """What was left, and why."""
    swept = report.swept
    if swept is not None and (spared := swept.spared + swept.outcome.skipped + swept.outcome.held):
        yield f"kept, because they came to be needed or changed meanwhile: {spared}"
    if report.condemned is not None:
        free_at = timestamp(report.condemned.at + report.options.settle)
        yield f"noted for a run from {free_at} on: {plan.later}"
    elif report.dry_run and plan.later:
        yield f"would be noted for a later run: {plan.later}"
    if swept is not None and swept.is_cut_short:
        yield "the time was up: the next run goes on"
    emptied = report.empty if report.dry_run else report.emptied
    for name in emptied:
        yield f"empty repository: {name}"


def _upload_lines(report: Report) -> Iterator[str]:
    stale, removed = report.stale, report.removed_uploads
    if stale is None:
        return
    if removed is None:
        yield f"stale uploads: {stale.count} ({size(stale.bytes)})"
    else:
        count = removed.counts.get(Ended.REMOVED, 0)
        yield f"removed uploads: {count} ({size(removed.bytes)})"
        busy = removed.counts.get(Ended.ACTIVE, 0) + removed.counts.get(Ended.IN_USE, 0)
        if busy:
            yield f"uploads that are in use after all: {busy}"


def _stage_lines(report: Report, plan: Plan) -> Iterator[str]:
    """A table: what is garbage, and what of it went."""
    garbage, swept = plan.survey.garbage, report.swept
    gone = "in quarantine" if report.options.quarantine else "removed"
    if report.dry_run:
        gone = "goes now"
    yield f"{'':<30} {'garbage':>9} {gone:>13}"
    for kind in ThingKind:
        found = garbage.count(kind)
        now = plan.going.count(kind)
        if not report.dry_run:
            now = 0 if swept is None else swept.outcome.counts.get(kind, 0)
        if found:
            yield f"{_PLURALS[kind]:<30} {found:>9} {now:>13}"
    done = plan.going.bytes
    if not report.dry_run:
        done = 0 if swept is None else swept.outcome.bytes
    yield f"{'bytes of blobs':<30} {size(garbage.bytes):>9} {size(done):>13}"


def data(report: Report, *, verbose: bool) -> dict[str, object]:
    """The result for programs."""
    found: dict[str, object] = {
        "run": None if report.run is None else str(report.run),
        "dry_run": report.dry_run,
        "uploads": _upload_data(report),
        "content": _content_data(report),
        "freed_bytes": report.freed,
        "failures": report.failures,
        "things": None,
    }
    if verbose and report.plan is not None:
        found["things"] = [_thing(each) for each in report.plan.survey.garbage.things()]
    return found


def _upload_data(report: Report) -> dict[str, object] | None:
    stale, removed = report.stale, report.removed_uploads
    if stale is None:
        return None
    counts: Mapping[Ended, int] = {} if removed is None else removed.counts
    return {
        "stale": stale.count,
        "stale_bytes": stale.bytes,
        "young": stale.young,
        "removed": counts.get(Ended.REMOVED, 0),
        "removed_bytes": 0 if removed is None else removed.bytes,
        "in_use": counts.get(Ended.ACTIVE, 0) + counts.get(Ended.IN_USE, 0),
    }


def _content_data(report: Report) -> dict[str, object] | None:
    plan, swept, options = report.plan, report.swept, report.options
    if plan is None:
        return None
    garbage = plan.survey.garbage
    outcome = Outcome() if swept is None else swept.outcome
    healed = {} if report.healed is None else report.healed.outcome.counts
    condemned = report.condemned
    return {
        "offline": options.offline,
        "quarantine": options.quarantine,
        "healed": {kind.value: count for kind, count in healed.items()},
        "garbage": {kind.value: garbage.count(kind) for kind in ThingKind},
        "garbage_bytes": garbage.bytes,
        "young": sum(garbage.young.values()),
        "going": {kind.value: plan.going.count(kind) for kind in ThingKind},
        "going_bytes": plan.going.bytes,
        "gone": {kind.value: outcome.counts.get(kind, 0) for kind in ThingKind},
        "gone_bytes": outcome.bytes,
        "spared": outcome.skipped + outcome.held + (0 if swept is None else swept.spared),
        "mended": 0 if swept is None else swept.mended,
        "cut_short": swept is not None and swept.is_cut_short,
        "condemned": 0 if condemned is None else sum(condemned.counts.values()),
        "free_at": None if condemned is None else timestamp(condemned.at + options.settle),
        "empty_repositories": report.empty if report.dry_run else report.emptied,
        "gains": [{"repository": name, "bytes": gained} for name, gained in report.gains],
        "problems": [
            {
                "code": each.seen.value,
                "repository": str(each.repository),
                "tag": None if each.tag is None else str(each.tag),
                "digest": None if each.digest is None else str(each.digest),
                "reason": each.reason,
            }
            for each in report.seen
        ],
    }


def _thing(thing: Thing) -> dict[str, object]:
    return {
        "kind": thing.kind.value,
        "repository": None if thing.repository is None else str(thing.repository),
        "digest": None if thing.digest is None else str(thing.digest),
        "size": thing.size,
        "reason": _REASONS[thing.kind],
    }
