"""What manifests name, kept from run to run: a cache that is never needed, and never in the way.

Content never changes under its digest, so that what was once read from verified bytes holds for
ever. Whatever ails the file, work goes on without it, and `ReferenceCache.problem` says so.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from regctl.digest import Digest
from regctl.maintenance.inventory.references import PARSER_VERSION

#: SQLite's mark of whose file it is: "regc".
_APPLICATION = 0x72656763
#: How long another process is waited for that has the file locked, in seconds.
_BUSY_SECONDS = 2.0
#: How many records are kept: at some 500 bytes each, a few hundred megabytes.
_MAX_RECORDS = 500_000
_DAY = 86_400
#: What nobody asked for in so many days goes.
_MAX_AGE = 180 * _DAY
#: SQLite takes at least so many values in one statement.
_MAX_VALUES = 500

_SCHEMA = """CREATE TABLE IF NOT EXISTS manifest_references (
    version INTEGER NOT NULL, digest BLOB NOT NULL, record BLOB NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (version, digest)) WITHOUT ROWID"""


class _ForeignFileError(Exception):
    """The file is a database of something else."""


class ReferenceCache:
    """Records of manifests by digest, in a SQLite database at ``path``, or in memory if None.

    Used by one thread, in a ``with`` block; several processes may have the same file open. It is
    made for its owner alone (0600), with the directories above (0700). ``problem`` is a clause
    such as "the cache /x is not used: file is not a database", empty while all is well. ``now`` is
    the time in seconds since the epoch.
    """

    def __init__(
        self,
        path: str | None,
        *,
        now: Callable[[], float] = time.time,
        busy_seconds: float = _BUSY_SECONDS,
        max_records: int = _MAX_RECORDS,
    ) -> None:
        self.problem = ""
        self._path = path
        self._now = now
        self._max_records = max_records
        self._database: sqlite3.Connection | None = None
        with self._guarded():
            self._database = self._open(busy_seconds)
            self._prepare(self._database)

    def _open(self, busy_seconds: float) -> sqlite3.Connection:
        if self._path is None:
            return sqlite3.connect(":memory:")
        os.makedirs(os.path.dirname(os.path.abspath(self._path)), mode=0o700, exist_ok=True)
        # SQLite would make it for everybody to read.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return sqlite3.connect(self._path, timeout=busy_seconds)

    @staticmethod
    def _prepare(database: sqlite3.Connection) -> None:
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != _APPLICATION:
            if application or tables:
                raise _ForeignFileError
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
        with database:
            database.execute(_SCHEMA)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Give the file up for good at the first thing that goes wrong with it."""
        try:
            yield
        except _ForeignFileError:
            self._give_up("it belongs to another program")
        except sqlite3.Error as error:
            self._give_up(str(error))
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def _give_up(self, why: str) -> None:
        self.problem = f"the cache {self._path or 'in memory'} is not used: {why}"
        self._shut()

    def _shut(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()

    def get_many(self, digests: Sequence[Digest]) -> dict[Digest, bytes]:
        """The records of those of ``digests`` that have one, as they were put."""
        by_key = {_key(digest): digest for digest in digests}
        keys = list(by_key)
        found: dict[Digest, bytes] = {}
        with self._guarded():
            for at in range(0, len(keys), _MAX_VALUES):
                rows = self._look_up(keys[at : at + _MAX_VALUES])
                found |= {by_key[key]: record for key, record in rows}
        return found

    def _look_up(self, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        if self._database is None:
            return []
        marks = ",".join("?" * len(keys))
        now = int(self._now())
        # Once a day is enough: a run that finds everything need not write anything.
        rows = self._database.execute(
            "SELECT digest, record, used < ? FROM manifest_references "  # noqa: S608 - only marks
            f"WHERE version = ? AND digest IN ({marks})",
            (now - _DAY, PARSER_VERSION, *keys),
        ).fetchall()
        renewed = [(now, PARSER_VERSION, key) for key, _, is_old in rows if is_old]
        if renewed:
            with self._database as database:
                database.executemany(
                    "UPDATE manifest_references SET used = ? WHERE version = ? AND digest = ?",
                    renewed,
                )
        return [
            (key, record)
            for key, record, _ in rows
            if isinstance(key, bytes) and isinstance(record, bytes)
        ]

    def put_many(self, records: Iterable[tuple[Digest, bytes]]) -> None:
        """Keep ``records``: of manifests whose bytes were verified, and of no others."""
        now = int(self._now())
        rows = [(PARSER_VERSION, _key(digest), record, now) for digest, record in records]
        if not rows or self._database is None:
            return
        with self._guarded(), self._database as database:
            database.executemany(
                "INSERT OR REPLACE INTO manifest_references VALUES (?, ?, ?, ?)", rows
            )

    def close(self) -> None:
        """Remove what is old or too much, and close. Idempotent."""
        with self._guarded():
            if self._database is not None and self._path is not None:
                # That another run is at it is no problem: it will do.
                with suppress(sqlite3.OperationalError):
                    self._trim(self._database)
        self._shut()

    def _trim(self, database: sqlite3.Connection) -> None:
        limit = int(self._now()) - _MAX_AGE
        with database:
            database.execute("DELETE FROM manifest_references WHERE used < ?", (limit,))
            (count,) = database.execute("SELECT count(*) FROM manifest_references").fetchone()
            if count > self._max_records:
                database.execute(
                    "DELETE FROM manifest_references WHERE (version, digest) IN (SELECT version, "
                    "digest FROM manifest_references ORDER BY used LIMIT ?)",
                    (count - self._max_records,),
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def _key(digest: Digest) -> bytes:
    return bytes.fromhex(digest.hex) if digest.algorithm == "sha256" else str(digest).encode()
