"""The results of an audit as `regctl verify` shows them: rows, their sum, checks for reports."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from regctl.commands.base import App
from regctl.maintenance.audit import Plan
from regctl.maintenance.audit_results import Audited, Failure, Summary
from regctl.signature.cosign_verdict import Verdict
from regctl.terminal.progress import progress

if TYPE_CHECKING:
    from regctl.terminal.reports import Check


class Run:
    """Shows results as they come, and keeps what reports need."""

    def __init__(self, app: App, *, github: bool, keep: bool) -> None:
        self._app = app
        self._github = github
        self._keep = keep
        self.summary: Summary = Summary()
        self.checks: list[Check] = []

    def show(self, plan: Plan, results: Iterator[Audited], proves: bool, required: str) -> None:
        """Write every result, and their sum."""
        output = self._app.output
        label, total = "verifying", len(plan.targets)
        with progress(output, label, total, unit="references") as advance, _rare_collections():
            output.listing(self._rows((*plan.failed,), lambda _: None))
            output.listing(self._rows(results, advance))
        output.result(
            _summary_lines(self.summary, proves, required),
            {"summary": _summary_data(self.summary, proves, required)},
        )
        if self._github and not proves:
            output.say("::warning title=regctl verify::no trust was given: nothing is proved")

    def _rows(
        self, results: Iterable[Audited], advance: Callable[[int], None]
    ) -> Iterator[tuple[str, Mapping[str, object]]]:
        for audited in results:
            self.summary.add(audited)
            if self._keep or self._github:
                self._note(audited)
            advance(1)
            if self._app.output.json:
                yield "", _data(audited)
            else:
                yield from ((line, {}) for line in _lines(audited))

    def _note(self, audited: Audited) -> None:
        from regctl.terminal.reports import annotation  # noqa: PLC0415

        check = _check(audited)
        if self._keep:
            self.checks.append(check)
        if self._github and (line := annotation(check)):
            self._app.output.say(line)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Within it Python looks for cycles seldom: an audit makes none, and much that it looks at.

    That look takes a fifth of the time otherwise.
    """
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _lines(audited: Audited) -> Iterator[str]:
    row = f"{audited.verdict.value:<11} {audited.target}"
    if audited.digest is not None and audited.target.digest is None:
        row += f" {audited.digest}"
    yield row
    for reason in audited.reasons:
        yield from (f"    {line.strip()}" for line in reason.split("\n"))


def _data(audited: Audited) -> dict[str, object]:
    target = audited.target
    return {
        "repository": str(target.repository),
        "tag": str(target.tag) if target.tag is not None else None,
        "digest": str(audited.digest) if audited.digest is not None else None,
        "verdict": audited.verdict.value,
        "met": audited.met,
        "judged": audited.judged,
        "failure": audited.failure.value if audited.failure is not None else None,
        "signer": audited.signer or None,
        "reasons": list(audited.reasons),
    }


def _summary_lines(summary: Summary, proves: bool, required: str) -> Iterator[str]:
    counts = [f"{count} {verdict.value}" for verdict, count in _counts(summary).items()]
    if summary.content_only:
        counts.append(f"{summary.content_only} checked for content only")
    text = f"{summary.checked} references: {', '.join(counts) or 'nothing to check'}"
    yield f"{text}; {summary.failed} not as required ({required})"
    if summary.absent or summary.unreadable:
        yield f"{summary.absent} not there, {summary.unreadable} could not be read"
    if not proves:
        yield (
            "nothing was proved: nobody is trusted without --key, --ca, --key-id or --policy, "
            "and anybody can sign"
        )


def _summary_data(summary: Summary, proves: bool, required: str) -> dict[str, object]:
    return {
        "checked": summary.checked,
        "failed": summary.failed,
        "absent": summary.absent,
        "unreadable": summary.unreadable,
        "content_only": summary.content_only,
        "verdicts": {verdict.value: count for verdict, count in _counts(summary).items()},
        "required": required,
        "proved": proves,
    }


def _counts(summary: Summary) -> dict[Verdict, int]:
    """Counts by verdict, in the order of the verdicts."""
    return {each: summary.counts[each] for each in Verdict if summary.counts[each]}


def _check(audited: Audited) -> Check:
    from regctl.terminal.reports import Check, Outcome  # noqa: PLC0415 - for reports alone

    if audited.failure is Failure.UNREADABLE:
        outcome = Outcome.ERROR
    else:
        outcome = Outcome.PASSED if audited.met else Outcome.FAILED
    target = audited.target
    return Check(
        str(target.repository), str(target), outcome, audited.verdict.value, audited.reasons
    )
