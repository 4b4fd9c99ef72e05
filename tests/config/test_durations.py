"""Durations in Go's grammar."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.config import parse_duration
from regctl.errors import ConfigurationError

UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("-0", 0),
        ("0s", 0),
        ("168h", 604_800),
        ("1h30m", 5400),
        ("30m1h", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("-1.5s", -1.5),
        ("+2m", 120),
        ("100ms", 0.1),
        ("3us4ns", 0.000003004),
        ("0.3333333333333333333h", 1200),
        ("2562047h47m16.854775807s", 9_223_372_036.854775807),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "+",
        "7",
        "00",
        "7d",
        "1w",
        "h",
        ".h",
        ".",
        "1.5.5h",
        "1 h",
        "1h ",
        " 1h",
        "1h-30m",
        "--1h",
        "1H",
        "1h30",
        "1e3s",
        "٣h",
        "3000000h",
        "9" * 100 + "h",
        "forever",
    ],
)
def test_what_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a duration") as caught:
        parse_duration(text)
    assert len(caught.value.message) < 120


@given(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(sorted(UNITS))), min_size=1))
def test_parts_add_up(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{count}{unit}" for count, unit in parts)
    total = sum(count * UNITS[unit] for count, unit in parts)
    if total < 9e9:
        assert parse_duration(text) == pytest.approx(total, abs=1e-6)
        assert parse_duration(f"-{text}") == -parse_duration(text)


@given(st.text("0123456789.hmsnuµ+- "))
def test_nothing_else_is_raised(text: str) -> None:
    with suppress(ConfigurationError):
        assert isinstance(parse_duration(text), float)
