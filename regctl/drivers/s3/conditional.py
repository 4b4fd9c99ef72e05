"""Writes that happen only if nobody else was faster: create-if-absent, compare-and-swap.

Whether the server heeds conditions is tried out once a process, by a write that must fail: some
servers take them and do not look at them.
"""

from __future__ import annotations

import secrets
import threading

from regctl.drivers.objects.leases import ConditionalWritesIgnoredError, LostRaceError
from regctl.drivers.s3.client import Store
from regctl.drivers.s3.errors import NotImplementedByServerError, PreconditionFailedError
from regctl.drivers.s3.reading import get
from regctl.errors import PathExistsError, PathNotFoundError, UnavailableError, UnsafeError

#: In the metadata of what is written under a condition: by whom. An answer that is lost makes the
#: SDK repeat the request, which then fails because of itself.
_WRITER = "regctl-writer"
#: How often a write is tried that others make way for in the same moment.
_TRIES = 5
#: Where nobody writes but this program.
_OWN = "/regctl/"
#: The most that a cell holds.
_CELL_BYTES = 64 << 10


class ConditionalWrites:
    """The conditional writes of one store. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        #: By condition whether the server heeds it, as soon as that is known.
        self._heeded: dict[str, bool] = {}

    def create(self, path: str, content: bytes) -> str:
        """Write the object at ``path``, which must not be there; its ETag.

        Raises `PathExistsError`; `ConditionalWritesIgnoredError` if the server ignores conditions,
        and nothing is left of the attempt then.
        """
        self._require("IfNoneMatch")
        if "IfNoneMatch" not in self._heeded:
            # Nothing of others is overwritten, or removed, by finding out that it is ignored.
            if not path.startswith(_OWN):
                probe = f"{_OWN}probes/{secrets.token_hex(16)}"
                self._write(probe, b"", "IfNoneMatch", "*")
                self._store.call("delete_object", probe, Key=self._store.keys.key(probe))
            elif self._head(path) is not None:
                raise PathExistsError(path)
        etag = self._write(path, content, "IfNoneMatch", "*")
        if etag is None:
            raise PathExistsError(path)
        return etag

    def replace(self, path: str, content: bytes, etag: str) -> str:
        """Write the object at ``path`` if it is still the one with ``etag``; the new ETag.

        Raises `LostRaceError` if it is not, and `ConditionalWritesIgnoredError` as `create`.
        """
        self._require("IfMatch")
        new = self._write(path, content, "IfMatch", etag)
        if new is None:
            raise LostRaceError(f"{path} was written by somebody else")
        return new

    def _write(self, path: str, content: bytes, condition: str, value: str) -> str | None:
        """The ETag of what was written, or None where the condition did not hold."""
        token = secrets.token_hex(16)
        for _ in range(_TRIES):
            try:
                etag = self._put(path, content, token, condition, value)
            except (PreconditionFailedError, PathNotFoundError) as error:
                if isinstance(error, PathNotFoundError) and condition != "IfMatch":
                    raise
                # S3 says 404 where there is nothing to be replaced.
                found = self._head(path)
                if found is not None:
                    return found[0] if found[1] == token else None
                if condition == "IfMatch":
                    return None
                # Somebody removed it meanwhile, or was removing it: the place may be free.
            except NotImplementedByServerError as error:
                with self._lock:
                    self._heeded[condition] = False
                raise self._ignored() from error
            else:
                self._try_out(path, content, token, etag, condition, value)
                return etag
        raise UnavailableError(f"{path}: others write and remove it all the time")

    def _try_out(
        self, path: str, content: bytes, token: str, etag: str, condition: str, value: str
    ) -> None:
        """Repeat the first write that succeeded: it must fail, for its condition no longer holds.

        It writes the same once more where the condition is ignored.
        """
        if condition in self._heeded or (condition == "IfMatch" and value == etag):
            return
        try:
            self._put(path, content, token, condition, value)
        except PreconditionFailedError:
            with self._lock:
                self._heeded[condition] = True
            return
        with self._lock:
            self._heeded[condition] = False
        if condition == "IfNoneMatch":
            self._store.call("delete_object", path, Key=self._store.keys.key(path))
        raise self._ignored()

    def _put(self, path: str, content: bytes, token: str, condition: str, value: str) -> str:
        answer = self._store.call(
            "put_object",
            path,
            Key=self._store.keys.key(path),
            Body=content,
            Metadata={_WRITER: token},
            **{condition: value},
            **self._store.new_object,
        )
        return str(answer["ETag"])

    def _head(self, path: str) -> tuple[str, str | None] | None:
        """ETag and writer of what is at ``path``; None if nothing is."""
        try:
            answer = self._store.call("head_object", path, Key=self._store.keys.key(path))
        except PathNotFoundError:
            return None
        return str(answer["ETag"]), answer.get("Metadata", {}).get(_WRITER)

    def _require(self, condition: str) -> None:
        if self._heeded.get(condition) is False:
            raise self._ignored()

    def _ignored(self) -> UnsafeError:
        return ConditionalWritesIgnoredError(
            f"{self._store.place} does not heed the conditions of conditional writes",
            hint="several writers at once cannot be told apart on this server",
        )


class S3Cell:
    """The object at ``path`` as a `regctl.drivers.objects.leases.Cell`."""

    def __init__(self, store: Store, writes: ConditionalWrites, path: str) -> None:
        self._store = store
        self._writes = writes
        self._path = path

    def read(self) -> tuple[bytes, str] | None:
        try:
            return get(self._store, self._path, _CELL_BYTES)
        except PathNotFoundError:
            return None

    def write(self, content: bytes, version: str | None, /) -> str:
        if version is not None:
            return self._writes.replace(self._path, content, version)
        try:
            return self._writes.create(self._path, content)
        except PathExistsError as error:
            raise LostRaceError(f"{self._path} was written by somebody else") from error

    def remove(self, version: str, /) -> None:
        held = self.read()
        if held is None:
            return
        if held[1] != version:
            raise LostRaceError(f"{self._path} was written by somebody else")
        self._store.call("delete_object", self._path, Key=self._store.keys.key(self._path))
