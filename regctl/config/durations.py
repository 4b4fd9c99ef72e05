"""Durations as Go writes them, which is how a registry's configuration has them."""

from __future__ import annotations

import re

from regctl.errors import ConfigurationError

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "\u00b5s": 1_000,  # the micro sign
    "\u03bcs": 1_000,  # the Greek letter
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?(?P<unit>[^0-9.]+)")
#: Go counts nanoseconds in 64 bits; longer numbers are not worth computing.
_MOST = 2**63 - 1
_MOST_DIGITS = 40


def parse_duration(text: str) -> float:
    """The seconds that ``text`` writes: ``168h``, ``1h30m``, ``-1.5s``, or ``0`` without a unit.

    Units are ns, us, \u00b5s, ms, s, m and h; there is no day. Raises `ConfigurationError`, also
    for more than Go can hold (292 years). Source: Go, ``time.ParseDuration``.
    """
    sign, rest = (text[:1], text[1:]) if text[:1] in {"+", "-"} else ("", text)
    if rest == "0":
        return 0.0
    total, position = 0, 0
    while position < len(rest) or not rest:
        match = _PART.match(rest, position)
        if match is None or not (match["whole"] or match["fraction"]):
            raise _invalid(text)
        total += _nanoseconds(match, text)
        position = match.end()
    if total > _MOST:
        raise _invalid(text)
    return (-total if sign == "-" else total) / 1e9


def _nanoseconds(part: re.Match[str], text: str) -> int:
    unit = _NANOSECONDS.get(part["unit"])
    whole, fraction = part["whole"], part["fraction"] or ""
    if unit is None or len(whole) > _MOST_DIGITS:
        raise _invalid(text)
    fraction = fraction[:_MOST_DIGITS]
    scale: int = 10 ** len(fraction)
    return int(whole or 0) * unit + int(fraction or 0) * unit // scale


def _invalid(text: str) -> ConfigurationError:
    shown = text if len(text) <= 80 else text[:80] + "..."
    return ConfigurationError(
        f"{shown!r} is not a duration", hint="durations read 168h, 90m or 1h30m; there are no days"
    )
