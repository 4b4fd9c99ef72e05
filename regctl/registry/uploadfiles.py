"""The files of one upload: its data, its start, the hash states beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regctl.digest.sha256 import (
    InvalidHashStateError,
    ResumableSHA256,
    is_native_state,
    parse_offset,
)
from regctl.drivers.base import Kind, StorageDriver
from regctl.errors import DamagedError, PathNotFoundError
from regctl.layout import PathMapper, RepositoryName, UploadId, specs

_ALGORITHM = "sha256"
_MAX_STATE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class UploadFiles:
    """Where an upload's files lie, and what its saved states say. It holds nothing open."""

    driver: StorageDriver
    mapper: PathMapper
    repository: RepositoryName
    id: UploadId

    @property
    def directory(self) -> str:
        """The path of the directory of all of them."""
        return self.mapper.path(specs.UploadDirectory(self.repository, self.id))

    @property
    def data(self) -> str:
        """The path of the bytes."""
        return self.mapper.path(specs.UploadData(self.repository, self.id))

    @property
    def started_at(self) -> str:
        """The path of the file that says when it began."""
        return self.mapper.path(specs.UploadStartedAt(self.repository, self.id))

    def states(self) -> list[int]:
        """The offsets of all saved states, whatever their format."""
        path = self.mapper.path(specs.HashStatesOf(self.repository, self.id, _ALGORITHM))
        try:
            entries = self.driver.list(path)
        except PathNotFoundError:
            return []
        found = (parse_offset(entry.name) for entry in entries if entry.kind is Kind.FILE)
        return [offset for offset in found if offset is not None]

    def read_state(self, offset: int) -> bytes | None:
        """The saved state at ``offset`` if it can be used."""
        try:
            content = self.driver.get(self._state(offset), _MAX_STATE_BYTES)
        except (PathNotFoundError, DamagedError):
            return None
        if not is_native_state(content):
            return None
        try:
            restored = ResumableSHA256.restore(content)
        except InvalidHashStateError:
            return None
        return content if restored.size == offset else None

    def save_state(self, sha: ResumableSHA256) -> None:
        """Save the state of ``sha``, where there is one.

        Registries of 2015 know of none: there it may lie beside the data only while it is moved.
        """
        state = sha.state()
        if state is not None:
            self.driver.put(self._state(sha.size), state)

    def delete_state(self, offset: int) -> None:
        """Remove the state at ``offset``. Raises `PathNotFoundError`."""
        self.driver.delete(self._state(offset))

    def remove(self) -> None:
        """Remove all files of an upload that is no longer open, ``startedat`` last.

        So what a crash leaves is still an upload that can be taken up, or an empty directory.
        """
        try:
            entries = list(self.driver.walk(self.directory, stat=False))
        except PathNotFoundError:
            return
        files = {entry.path for entry in entries if entry.kind is not Kind.DIRECTORY}
        self._delete(sorted(files - {self.started_at}))
        directories = [entry.path for entry in entries if entry.kind is Kind.DIRECTORY]
        for path in sorted(directories, key=len, reverse=True):
            self.driver.rmdir(path)
        self._delete(sorted(files & {self.started_at}))
        self.driver.rmdir(self.directory)

    def _delete(self, paths: Sequence[str]) -> None:
        for _, error in self.driver.delete_many(paths):
            if error is not None:
                raise error

    def _state(self, offset: int) -> str:
        return self.mapper.path(specs.HashState(self.repository, self.id, _ALGORITHM, offset))
