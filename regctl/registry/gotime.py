"""Times as registries write them into ``startedat`` files and upload tokens: RFC 3339 as Go has it.

`datetime` keeps microseconds and no year 0; Go keeps nanoseconds and the offset that was written,
and what is signed must come out again byte for byte. Source: Go's ``time`` package.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from regctl.errors import DamagedError

_DAY = 86_400
#: Days from 0000-03-01, where the count below begins, to 1970-01-01.
_EPOCH_DAYS = 719_468
_DAYS_IN_ERA = 146_097
_DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_RFC3339 = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"T(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
    r"(?:[.,](?P<fraction>[0-9]+))?"
    r"(?:Z|(?P<sign>[+-])(?P<zone_hour>[0-9]{2}):(?P<zone_minute>[0-9]{2}))"
)


class InvalidTimeError(DamagedError, ValueError):
    """A text is not an RFC 3339 time. A `ValueError` too: who reads a file adds its name."""

    code = "invalid-time"


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """An instant: whole ``seconds`` since the epoch (UTC, may be negative) and ``nanoseconds``.

    ``offset``, in minutes east of UTC, only says how `str` writes it.
    """

    seconds: int
    nanoseconds: int = 0
    offset: int = 0

    @classmethod
    def of_epoch(cls, seconds: float) -> Timestamp:
        """The instant ``seconds`` after the epoch, in UTC, without its fraction of a second."""
        return cls(math.floor(seconds))

    @property
    def epoch(self) -> float:
        """Seconds since the epoch, as precisely as a float can."""
        return self.seconds + self.nanoseconds / 1e9

    @property
    def is_zero(self) -> bool:
        """Whether this is Go's zero time: no time was set."""
        return (self.seconds, self.nanoseconds) == (ZERO_TIME.seconds, 0)

    def __str__(self) -> str:
        """The time as Go writes it, with up to nine digits of a fraction, trailing zeros cut.

        An offset of 24 hours, which Go reads but does not write, becomes UTC.
        """
        offset = self.offset if abs(self.offset) < 24 * 60 else 0
        days, rest = divmod(self.seconds + offset * 60, _DAY)
        year, month, day = _civil(days)
        text = f"{year:04d}-{month:02d}-{day:02d}"
        text += f"T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
        if self.nanoseconds:
            text += f".{self.nanoseconds:09d}".rstrip("0")
        if not offset:
            return text + "Z"
        hours, minutes = divmod(abs(offset), 60)
        return f"{text}{'+' if offset > 0 else '-'}{hours:02d}:{minutes:02d}"


#: Go's zero time, ``0001-01-01T00:00:00Z``.
ZERO_TIME = Timestamp(-62_135_596_800)


def format_rfc3339(seconds: float) -> str:
    """``seconds`` since the epoch as a ``startedat`` file has them: ``2026-01-01T00:00:00Z``."""
    return str(Timestamp.of_epoch(seconds))


def parse_rfc3339(text: str) -> Timestamp:
    """The time that ``text`` writes, if Go's parser takes it too.

    It takes more than RFC 3339: an hour of one digit, a comma before the fraction, digits after
    the ninth (cut), offsets up to ``24:60``; and less: no lower-case ``t`` or ``z``, no hour 24,
    no second 60. Raises `InvalidTimeError`.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise InvalidTimeError(f"{text!r} is not an RFC 3339 time")
    year, month, day, hour, minute, second = (
        int(match[name]) for name in ("year", "month", "day", "hour", "minute", "second")
    )
    zone_hour, zone_minute = int(match["zone_hour"] or 0), int(match["zone_minute"] or 0)
    if (
        not 1 <= month <= 12
        or not 1 <= day <= _days_in_month(year, month)
        or (hour > 23 or minute > 59 or second > 59)
        or (zone_hour > 24 or zone_minute > 60)
    ):
        raise InvalidTimeError(f"{text!r} is not an RFC 3339 time: a part is out of range")
    offset = zone_hour * 60 + zone_minute
    if match["sign"] == "-":
        offset = -offset
    local = _days(year, month, day) * _DAY + hour * 3600 + minute * 60 + second
    nanoseconds = int((match["fraction"] or "")[:9].ljust(9, "0"))
    return Timestamp(local - offset * 60, nanoseconds, offset)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_in_month(year: int, month: int) -> int:
    return 29 if month == 2 and _is_leap(year) else _DAYS_IN_MONTH[month - 1]


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the Gregorian calendar, counting years from March."""
    if month < 3:
        year, month = year - 1, month + 12
    return (
        365 * year
        + year // 4
        - year // 100
        + year // 400
        + (153 * (month - 3) + 2) // 5
        + day
        - 1
        - _EPOCH_DAYS
    )


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of the date ``days`` after 1970-01-01."""
    era, of_era = divmod(days + _EPOCH_DAYS, _DAYS_IN_ERA)
    year = era * 400 + of_era * 400 // _DAYS_IN_ERA
    # The estimate may be a year off, for years are not of one length.
    while _days(year + 1, 3, 1) <= days:
        year += 1
    while _days(year, 3, 1) > days:
        year -= 1
    since_march = days - _days(year, 3, 1)
    shifted = (5 * since_march + 2) // 153
    day = since_march - (153 * shifted + 2) // 5 + 1
    return (year, shifted + 3, day) if shifted < 10 else (year + 1, shifted - 9, day)
