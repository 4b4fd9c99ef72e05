"""What a run did, as Prometheus reads it."""

from __future__ import annotations

import re

from regctl.maintenance.gc.metrics import Measured, exposition

_SAMPLE = re.compile(r'([a-z_]+)(\{kind="[a-z-]+"\})? ([0-9.]+)')


def test_every_line_is_a_comment_or_a_sample() -> None:
    measured = Measured(1.7e9, True, {"blob": 3, "layer-link": 2}, 5000, {"blob": 3}, 4000, 1, 2)
    text = exposition(measured)
    assert text.endswith("\n")
    lines = text.splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    matches = [_SAMPLE.fullmatch(line) for line in samples]
    assert None not in matches
    names = {match[1] for match in matches if match}
    for name in names:
        assert sum(line.startswith(f"# HELP {name} ") for line in lines) == 1
        assert f"# TYPE {name} gauge" in lines
    assert 'regctl_gc_garbage{kind="layer-link"} 2' in samples
    assert "regctl_gc_ended_timestamp_seconds 1700000000.0" in samples
    assert "regctl_gc_freed_bytes 4000" in samples


def test_what_has_no_kinds_has_no_samples() -> None:
    lines = exposition(Measured(0, False)).splitlines()
    assert not any(line.startswith("regctl_gc_garbage{") for line in lines)
    assert "regctl_gc_success 0" in lines
