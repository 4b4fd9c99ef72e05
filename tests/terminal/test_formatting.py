from __future__ import annotations

import pytest

from regctl.terminal.formatting import age, printable, size, timestamp


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (12_900_000, "12.3 MiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**2 - 1024 * 50, "974.0 KiB"),
        (5 * 1024**4, "5.0 TiB"),
        (5000 * 1024**6, "5000.0 EiB"),
    ],
)
def test_size_in_binary_units(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.9, "0s"),
        (-5, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (306, "5m 6s"),
        (3600, "1h"),
        (3601, "1h"),
        (86400 * 3 + 3600 * 4 + 59, "3d 4h"),
        (86400 * 400, "400d"),
    ],
)
def test_age_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1421200963, "2015-01-14T02:02:43Z"),
        (1421200963.999, "2015-01-14T02:02:43Z"),
        (-0.5, "1969-12-31T23:59:59Z"),
        (1e300, "9999-12-31T23:59:59Z"),
        (-1e300, "0001-01-01T00:00:00Z"),
    ],
)
def test_timestamp_is_rfc3339_in_utc(epoch: float, text: str) -> None:
    assert timestamp(epoch) == text


@pytest.mark.parametrize(
    ("epoch", "text"),
    [(1421200963, "2015-01-14T02:02:43Z"), (1421200963.25, "2015-01-14T02:02:43.25Z")],
)
def test_timestamp_with_its_fraction_only_where_there_is_one(epoch: float, text: str) -> None:
    assert timestamp(epoch, fraction=True) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é €\ttab", "plain é €\ttab"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J\x7f\r\x00", r"\x9b2J\x7f\x0d\x00"),
        ("bad\udcff", r"bad\xff"),
        ("lone\ud800", r"lone\ud800"),
        ("a\u202eb\u2066\u2028", r"a\u202eb\u2066\u2028"),
        ("one\ntwo", r"one\x0atwo"),
    ],
)
def test_printable_spells_out_what_drives_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_printable_keeps_newlines_where_they_are_wanted() -> None:
    assert printable("one\ntwo\r", newlines=True) == "one\ntwo\\x0d"
