"""The numbers and strings of tar headers, as the reference reads them."""

from __future__ import annotations

import zlib

from regctl.digest.tarsum.errors import InvalidArchiveError

_INT64_MAX = 2**63 - 1
#: Digits of the fraction that count, and the lengths that a number below 2**63 can have.
_FRACTION = 9
_INT64_DIGITS = 19


def wrapped(value: int) -> int:
    """``value`` as a signed number of 64 bits, which is what overflow leaves of it."""
    return (value + 2**63) % 2**64 - 2**63


def text(field: bytes) -> bytes:
    """What stands in ``field`` before the first NUL."""
    return field.partition(b"\0")[0]


def octal(field: bytes) -> int:
    """The number in a header's field: octal digits, or base-256 where the top bit is set.

    A base-256 number loses its top bit, whatever its sign, and overflows at 64 bits. Blanks and
    NULs around the digits do not count, nor does what follows a NUL; an empty field is 0.

    Raises `InvalidArchiveError` for anything else.
    """
    digits = field.strip(b" \0")
    if not digits.isdigit():
        if field[0] & 0x80:
            return wrapped(int.from_bytes(field, "big") & ~(0x80 << 8 * (len(field) - 1)))
        if not digits:
            return 0
        digits = text(digits)
        # int() alone would take signs, underscores and blanks.
        if not digits.isdigit():
            return _refuse(field)
    try:
        return int(digits, 8)
    except ValueError:
        return _refuse(field)


def _refuse(field: bytes) -> int:
    raise InvalidArchiveError(f"a header has {field!r} where a number is due")


def decimal(digits: bytes) -> int | None:
    """The number that Go's ``strconv.ParseInt`` reads in base 10; None where it reads none."""
    if digits.isdigit() and len(digits) < _INT64_DIGITS:
        return int(digits)
    negative = digits[:1] == b"-"
    if digits[:1] in {b"-", b"+"}:
        digits = digits[1:]
    if not digits.isdigit():
        return None
    digits = digits.lstrip(b"0") or b"0"
    if len(digits) > _INT64_DIGITS:
        return None
    value = -int(digits) if negative else int(digits)
    return value if -_INT64_MAX - 1 <= value <= _INT64_MAX else None


def pax_seconds(time: bytes) -> int | None:
    """The whole second that the reference makes of a PAX time; None where it makes none.

    The fraction is added, not subtracted, for times before 1970 as well, and may have a sign of
    its own: ``-1.5`` is half a second before 1970, in second -1.
    """
    before, dot, fraction = time.partition(b".")
    seconds = decimal(before)
    if not dot or seconds is None:
        return seconds
    nanoseconds = decimal(fraction[:_FRACTION].ljust(_FRACTION, b"0"))
    if nanoseconds is None:
        return None
    return seconds if nanoseconds >= 0 else wrapped(seconds - 1)


def checksum_fits(block: bytes, given: int) -> bool:
    """Whether ``given`` is the header's checksum, over unsigned or signed bytes.

    The field itself, bytes 148 to 155, counts as blanks.
    """
    # Adler-32 holds the plain sum of up to 256 bytes in its lower half, and is fast.
    low = (zlib.adler32(block[:256]) & 0xFFFF) + (zlib.adler32(block[256:]) & 0xFFFF) - 2
    unsigned = low - sum(block[148:156]) + 8 * 0x20
    if given == unsigned:
        return True
    high = sum(1 for byte in block[:148] + block[156:] if byte & 0x80)
    return given == unsigned - 256 * high
