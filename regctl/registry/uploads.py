"""The uploads of a repository: begin, take up, list, cancel, finish."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from regctl.digest import Digest
from regctl.drivers.base import Entry, Kind, StorageDriver
from regctl.errors import DamagedError, NotFoundError, PathNotFoundError, UploadMismatchError
from regctl.layout import PathMapper, RepositoryName, UploadId, specs
from regctl.registry.gotime import Timestamp, format_rfc3339, parse_rfc3339
from regctl.registry.layers import LayerService
from regctl.registry.placing import Finished
from regctl.registry.upload import CHECKPOINT_BYTES, LayerUpload
from regctl.registry.uploadfiles import UploadFiles


class UploadNotFoundError(NotFoundError):
    """A repository has no such upload."""

    code = "upload-not-found"


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """An upload in progress as a listing shows it.

    ``size`` is in bytes. ``active_at`` (seconds since the epoch, by the storage's clock) is the
    newest time of anything in it. ``problem`` says why a registry would not take it up, if so.
    """

    repository: RepositoryName
    id: UploadId
    size: int
    started_at: Timestamp | None
    active_at: float
    problem: str | None = None


class UploadService:
    """The uploads of one repository, with a hash state saved every ``checkpoint_bytes``."""

    def __init__(
        self,
        layers: LayerService,
        clock: Callable[[], float],
        *,
        checkpoint_bytes: int = CHECKPOINT_BYTES,
    ) -> None:
        self._layers = layers
        self._clock = clock
        self._checkpoint_bytes = checkpoint_bytes

    @property
    def name(self) -> RepositoryName:
        """The repository."""
        return self._layers.name

    @property
    def _driver(self) -> StorageDriver:
        return self._layers.driver

    @property
    def _mapper(self) -> PathMapper:
        return self._layers.mapper

    def _files(self, upload: UploadId) -> UploadFiles:
        return UploadFiles(self._driver, self._mapper, self.name, upload)

    def create(self) -> LayerUpload:
        """A new, empty upload, which a registry can take up from its first instant on."""
        upload = UploadId.new()
        started = format_rfc3339(int(self._clock()))
        self._driver.put(self._files(upload).started_at, started.encode("ascii"))
        created = self._open(upload, parse_rfc3339(started))
        try:
            created.checkpoint()
        except BaseException:
            created.close()
            raise
        return created

    def resume(self, upload: UploadId, *, offset: int | None = None) -> LayerUpload:
        """The upload ``upload``, exclusively held, at whatever it holds.

        ``offset``, from a token, must be the stored size in bytes: `UploadMismatchError`
        otherwise. Raises `UploadNotFoundError` without a ``startedat``, `DamagedError` if that
        is no time, `UploadInUseError` if another writer holds it.
        """
        started = self.started_at(upload)
        opened = self._open(upload, started)
        try:
            self._check_offset(upload, opened.size, offset)
        except UploadMismatchError:
            opened.close()
            raise
        return opened

    @staticmethod
    def _check_offset(upload: UploadId, size: int, offset: int | None) -> None:
        if offset is not None and size != offset:
            raise UploadMismatchError(
                f"the token is for {offset} bytes, but the upload {upload} holds {size}",
                hint="somebody went on with the upload since; 'regctl uploads --tokens' shows "
                "a token for what it holds now",
            )

    def _not_found(self, upload: UploadId) -> UploadNotFoundError:
        return UploadNotFoundError(
            f"there is no upload {upload} in the repository {self.name}",
            hint="'regctl uploads' lists the uploads in progress",
        )

    def _open(self, upload: UploadId, started: Timestamp) -> LayerUpload:
        writer = self._driver.writer(self._files(upload).data, append=True)
        return LayerUpload(
            self._layers, upload, started, writer, checkpoint_bytes=self._checkpoint_bytes
        )

    def started_at(self, upload: UploadId) -> Timestamp:
        """When ``upload`` began. Raises as `resume`."""
        path = self._files(upload).started_at
        try:
            content = self._driver.get(path, 64)
        except PathNotFoundError as error:
            if self._is_there(upload):
                raise UploadNotFoundError(
                    f"the upload {upload} of {self.name} has no startedat file, "
                    "so that nobody can take it up",
                    hint=f"remove it with 'regctl uploads cancel {self.name} {upload}'",
                ) from error
            raise self._not_found(upload) from error
        try:
            return parse_rfc3339(content.decode("ascii"))
        except ValueError as error:
            raise DamagedError(f"{path} holds no time: {content!r}") from error

    def _is_there(self, upload: UploadId) -> bool:
        """Whether there is anything of ``upload``, be it only what its writer left hidden."""
        directory = self._files(upload).directory
        try:
            self._driver.list(directory)
        except PathNotFoundError:
            return any(True for _ in self._driver.unfinished(directory))
        return True

    def cancel(self, upload: UploadId) -> None:
        """Remove ``upload`` and everything of it, also one that nobody could take up.

        Raises `UploadNotFoundError`, `UploadInUseError`.
        """
        if not self._is_there(upload):
            raise self._not_found(upload)
        files = self._files(upload)
        # Opened only to be sure that nobody else writes it at this moment.
        with self._driver.writer(files.data, append=True) as writer:
            writer.cancel()
        files.remove()

    def get(self, upload: UploadId, *, offset: int | None = None) -> UploadInfo:
        """What is known of ``upload``. Raises `UploadNotFoundError`, and as `resume` by offset."""
        hidden = self._hidden(self._files(upload).directory).get(upload)
        info = self._info(upload, hidden)
        if info is None:
            raise self._not_found(upload)
        self._check_offset(upload, info.size, offset)
        return info

    def finish(self, upload: UploadId, digest: Digest, *, offset: int | None = None) -> Finished:
        """Verify the stored bytes by reading them, and make them the layer ``digest``.

        Saved states are not trusted here: they say what was written, not what is there. Raises
        as `resume` and `LayerUpload.finish`; a mismatch leaves the upload as it was. Where an
        earlier run was lost after it had moved the bytes, it is completed.
        """
        self._layers.require_storable(digest)
        with self.resume(upload) as opened:
            moved = opened.moved_to(digest)
            self._check_offset(upload, moved.size if moved else opened.size, offset)
            if moved is not None:
                return opened.finish_moved(moved, digest)
            opened.seek(*opened.hash_stored((digest.algorithm,)))
            # The state of the whole is how a later run knows what became of the data.
            opened.checkpoint()
            return opened.finish(digest)

    def list(self) -> Iterator[UploadInfo]:
        """All uploads in progress, by id, with those of which there is nothing but the data that
        an object store keeps hidden."""
        root = self._mapper.path(specs.Uploads(self.name))
        hidden = self._hidden(root)
        found = set(hidden)
        for entry in self._entries(root):
            for spec in self._mapper.parse_directory(entry.path):
                if entry.kind is Kind.DIRECTORY and isinstance(spec, specs.UploadDirectory):
                    found.add(spec.upload)
        for upload in sorted(found, key=str):
            info = self._info(upload, hidden.get(upload))
            if info is not None:
                yield info

    def _entries(self, root: str) -> Sequence[Entry]:
        try:
            return self._driver.list(root)
        except PathNotFoundError:
            return []

    def _hidden(self, root: str) -> dict[UploadId, Entry]:
        """The data below ``root`` that its writers left uncommitted, where others do not see it:
        of several beginnings the one that a writer goes on with."""
        found: dict[UploadId, Entry] = {}
        for entry in self._driver.unfinished(root):
            spec = self._mapper.parse_file(entry.path)
            if isinstance(spec, specs.UploadData):
                known = found.setdefault(spec.upload, entry)
                if entry.size > known.size:
                    found[spec.upload] = entry
        return found

    def _info(self, upload: UploadId, hidden: Entry | None) -> UploadInfo | None:
        files = [hidden] if hidden is not None else []
        try:
            for entry in self._driver.walk(self._files(upload).directory):
                if entry.kind is Kind.FILE:
                    files.append(entry)
        except PathNotFoundError:
            if hidden is None:
                return None
        data = self._files(upload).data
        # A file may be there beside what is hidden: a writer goes on with what has more.
        size = max((entry.size for entry in files if entry.path == data), default=0)
        active = max((entry.modified for entry in files), default=0.0)
        try:
            started = self.started_at(upload)
        except (NotFoundError, DamagedError) as error:
            return UploadInfo(self.name, upload, size, None, active, error.message)
        return UploadInfo(self.name, upload, size, started, active)
