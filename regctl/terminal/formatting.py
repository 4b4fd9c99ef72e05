"""Values as text: sizes, ages, times, and text from elsewhere that a terminal may safely show."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH).total_seconds()
_LAST = (datetime.max.replace(microsecond=0, tzinfo=UTC) - _EPOCH).total_seconds()

#: What could drive a terminal or reorder what it shows: C0 but tab and newline, DEL, C1, line and
#: paragraph separators, bidirectional controls; and surrogates, which no encoding writes.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def size(count: int) -> str:
    """``count`` bytes for people, in binary units: ``512 B``, ``1.0 KiB``, ``12.3 MiB``."""
    if count < 1024:
        return f"{count} B"
    value, unit = count / 1024, 0
    # Compared as it will be printed: 1023.96 KiB is 1.0 MiB, not 1024.0 KiB.
    while round(value, 1) >= 1024 and unit + 1 < len(_UNITS):
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}"


def age(seconds: float) -> str:
    """A length of time in its two largest units: ``3d 4h``, ``5m 6s``, ``12s``.

    Less than a second is ``0s``, and so is a negative age, which two clocks can make.
    """
    left = max(0, int(seconds))
    parts: list[tuple[int, str]] = []
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        amount, left = divmod(left, length)
        if amount or parts:
            parts.append((amount, unit))
    return " ".join(f"{amount}{unit}" for amount, unit in parts[:2] if amount) or "0s"


def timestamp(epoch: float, *, fraction: bool = False) -> str:
    """The time ``epoch`` (seconds since 1970) in RFC 3339, UTC: ``2015-01-14T02:02:43Z``.

    Cut to whole seconds; with ``fraction``, to the microsecond where it is not whole. A time out
    of the years 1 to 9999, which a damaged file system can report, becomes the nearest in them.
    """
    time = _EPOCH + timedelta(seconds=min(max(epoch, _FIRST), _LAST))
    text = time.isoformat(timespec="seconds").removesuffix("+00:00")
    if fraction and time.microsecond:
        text += f".{time.microsecond:06}".rstrip("0")
    return text + "Z"


def printable(text: str, *, newlines: bool = False) -> str:
    r"""``text`` with control characters spelled out, so that no name can drive the terminal.

    An escape reads ``\x1b``, a byte that is no UTF-8 (a surrogate of ``surrogateescape``) reads
    ``\xff``, a directional override ``\u202e``. Tabs stay; newlines only with ``newlines``.
    """
    text = _CONTROLS.sub(lambda match: _spell(match[0]), text)
    return text if newlines else text.replace("\n", r"\x0a")


def _spell(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
