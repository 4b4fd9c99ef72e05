"""Times in Go's form of RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regctl.errors import DamagedError
from regctl.registry.gotime import (
    ZERO_TIME,
    InvalidTimeError,
    Timestamp,
    format_rfc3339,
    parse_rfc3339,
)

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59)


@pytest.mark.parametrize(
    ("text", "timestamp"),
    [
        ("1970-01-01T00:00:00Z", Timestamp(0)),
        ("0001-01-01T00:00:00Z", ZERO_TIME),
        ("2000-02-29T23:59:59Z", Timestamp(951_868_799)),
        ("2015-01-14T20:02:43.5Z", Timestamp(1_421_265_763, 500_000_000)),
        ("2015-01-14T20:02:43.123456789Z", Timestamp(1_421_265_763, 123_456_789)),
        ("2015-01-14T20:02:43.000000001Z", Timestamp(1_421_265_763, 1)),
        ("2015-01-14T12:02:43-08:00", Timestamp(1_421_265_763, 0, -480)),
        ("2015-01-15T01:32:43+05:30", Timestamp(1_421_265_763, 0, 330)),
        ("0000-01-01T00:00:00Z", Timestamp(-62_167_219_200)),
    ],
)
def test_times_read_and_write(text: str, timestamp: Timestamp) -> None:
    assert parse_rfc3339(text) == timestamp
    assert str(timestamp) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2015-01-14T2:02:43Z", "2015-01-14T02:02:43Z"),
        ("2015-01-14T20:02:43,5Z", "2015-01-14T20:02:43.5Z"),
        ("2015-01-14T20:02:43.50Z", "2015-01-14T20:02:43.5Z"),
        ("2015-01-14T20:02:43.0Z", "2015-01-14T20:02:43Z"),
        ("2015-01-14T20:02:43.1234567899Z", "2015-01-14T20:02:43.123456789Z"),
        ("2015-01-14T20:02:43+00:00", "2015-01-14T20:02:43Z"),
        ("2015-01-14T20:02:43-00:00", "2015-01-14T20:02:43Z"),
        ("2015-01-14T20:02:43+24:00", "2015-01-13T20:02:43Z"),
        ("2015-01-14T20:02:43+00:60", "2015-01-14T20:02:43+01:00"),
    ],
)
def test_what_go_takes_beyond_the_standard_is_taken(text: str, written: str) -> None:
    assert str(parse_rfc3339(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2015-01-14",
        "2015-01-14 20:02:43Z",
        "2015-01-14T20:02:43",
        "2015-01-14t20:02:43Z",
        "2015-01-14T20:02:43z",
        "2015-01-14T20:02:43Z\n",
        " 2015-01-14T20:02:43Z",
        "2015-01-14T20:02:43.Z",
        "2015-01-14T24:00:00Z",
        "2015-01-14T20:60:00Z",
        "2015-01-14T20:02:60Z",
        "2015-01-14T20:2:43Z",
        "2015-13-14T20:02:43Z",
        "2015-00-14T20:02:43Z",
        "2015-02-29T20:02:43Z",
        "1900-02-29T20:02:43Z",
        "2015-04-31T20:02:43Z",
        "2015-01-00T20:02:43Z",
        "2015-01-14T20:02:43+0800",
        "2015-01-14T20:02:43+8:00",
        "2015-01-14T20:02:43+25:00",
        "2015-01-14T20:02:43+00:61",
        "15-01-14T20:02:43Z",
        "+2015-01-14T20:02:43Z",
        "\u0662015-01-14T20:02:43Z",
    ],
)
def test_what_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(InvalidTimeError) as caught:
        parse_rfc3339(text)
    assert isinstance(caught.value, DamagedError)
    assert isinstance(caught.value, ValueError)


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)),
    OFFSETS,
)
def test_times_are_those_of_datetime(moment: datetime, offset: int) -> None:
    aware = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=offset)))
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    parsed = parse_rfc3339(aware.isoformat())
    assert parsed == Timestamp(since.days * 86_400 + since.seconds, 0, offset)
    assert datetime.fromisoformat(str(parsed)) == aware


@given(
    st.integers(-62_167_000_000, 253_402_200_000),
    st.integers(0, 999_999_999),
    OFFSETS,
)
def test_what_is_written_is_read_again(seconds: int, nanoseconds: int, offset: int) -> None:
    timestamp = Timestamp(seconds, nanoseconds, offset)
    assert parse_rfc3339(str(timestamp)) == timestamp


def test_a_startedat_file_has_whole_seconds() -> None:
    """Registries write 20 bytes and no newline."""
    assert format_rfc3339(1_767_225_600.999) == "2026-01-01T00:00:00Z"
    assert format_rfc3339(-0.5) == "1969-12-31T23:59:59Z"


def test_epoch_and_zero() -> None:
    assert Timestamp(10, 250_000_000, 60).epoch == 10.25
    assert ZERO_TIME.is_zero
    assert parse_rfc3339("0001-01-01T01:00:00+01:00").is_zero
    assert not Timestamp(0).is_zero
