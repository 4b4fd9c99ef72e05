"""What a run did, in the text format of Prometheus, for the textfile collector of node_exporter.

Source: Prometheus, "Exposition formats", version 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_NAMES = {
    "regctl_gc_ended_timestamp_seconds": "When the last run of regctl gc ended.",
    "regctl_gc_success": "Whether it did all that it was to do.",
    "regctl_gc_garbage": "What nothing needed, by kind.",
    "regctl_gc_garbage_bytes": "The bytes of all blobs among it.",
    "regctl_gc_removed": "What was removed or put into quarantine, by kind.",
    "regctl_gc_freed_bytes": "The bytes that were seen gone.",
    "regctl_gc_failures": "How many things could not be removed.",
    "regctl_gc_kept_repositories": "How many repositories were kept whole because of damage.",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run measured: ``ended`` in seconds since the epoch, counts by kind."""

    ended: float
    success: bool
    garbage: Mapping[str, int] = field(default_factory=dict)
    garbage_bytes: int = 0
    removed: Mapping[str, int] = field(default_factory=dict)
    freed_bytes: int = 0
    failures: int = 0
    kept_repositories: int = 0


def exposition(measured: Measured) -> str:
    """The text: every metric with its help and type, all of them gauges."""
    values: dict[str, Mapping[str, float]] = {
        "regctl_gc_ended_timestamp_seconds": {"": round(measured.ended, 3)},
        "regctl_gc_success": {"": int(measured.success)},
        "regctl_gc_garbage": measured.garbage,
        "regctl_gc_garbage_bytes": {"": measured.garbage_bytes},
        "regctl_gc_removed": measured.removed,
        "regctl_gc_freed_bytes": {"": measured.freed_bytes},
        "regctl_gc_failures": {"": measured.failures},
        "regctl_gc_kept_repositories": {"": measured.kept_repositories},
    }
    return "".join(f"{line}\n" for line in _lines(values))


def _lines(values: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for name, told in _NAMES.items():
        yield f"# HELP {name} {told}"
        yield f"# TYPE {name} gauge"
        for kind, value in values[name].items():
            label = f'{{kind="{kind}"}}' if kind else ""
            yield f"{name}{label} {value}"
