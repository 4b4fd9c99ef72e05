"""What an archive may ask of the machine that reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on memory and time; an archive that goes beyond one of them is refused.

    The reference has none: it reads a record of a gigabyte into memory, and hashes the zeros of a
    file that claims eight exabytes for as long as it takes. Honest layers stay far below.
    """

    #: Bytes of one extended header or long name.
    record: int = 4 << 20
    #: Pieces of one sparse file.
    pieces: int = 1 << 20
    #: Bytes of zeros in the holes of all sparse files together.
    holes: int = 64 << 30
    #: Entries of the archive; each takes up to 200 bytes until the end.
    entries: int = 1 << 22


DEFAULT_LIMITS = Limits()
