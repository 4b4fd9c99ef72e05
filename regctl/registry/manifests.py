"""Manifest revisions of a repository: stored raw, found by digest, never serialised again."""

from __future__ import annotations

from collections.abc import Iterator

from regctl.digest import Digest
from regctl.drivers.base import Kind, StorageDriver
from regctl.errors import DamagedError, NotFoundError, PathNotFoundError
from regctl.layout import PathMapper, RepositoryName, specs
from regctl.manifest import MAX_PARSED_BYTES, Manifest, parse_manifest
from regctl.registry.blobs import BlobStore
from regctl.registry.links import read_link, write_link


class RevisionNotFoundError(NotFoundError):
    """A repository has no such manifest revision."""

    code = "revision-not-found"


class ManifestService:
    """The manifest revisions of one repository."""

    def __init__(
        self, driver: StorageDriver, mapper: PathMapper, name: RepositoryName, blobs: BlobStore
    ) -> None:
        self._driver = driver
        self._mapper = mapper
        self._blobs = blobs
        self.name = name

    def resolve(self, revision: Digest) -> Digest:
        """The digest of the blob that ``revision``'s link leads to.

        A revision exists if and only if its link file does. Raises `RevisionNotFoundError`,
        `DamagedLinkError`.
        """
        try:
            return read_link(self._driver, self._path(revision), named=revision)
        except PathNotFoundError as error:
            raise RevisionNotFoundError(
                f"the repository {self.name} has no manifest {revision}",
                hint=f"'regctl ls {self.name}' lists its tags",
            ) from error

    def exists(self, revision: Digest) -> bool:
        """Whether the repository has ``revision`` and its bytes are in the storage."""
        try:
            return self._blobs.size(self.resolve(revision)) is not None
        except RevisionNotFoundError:
            return False

    def size(self, revision: Digest) -> int:
        """The size of the manifest in bytes. Raises as `get`."""
        size = self._blobs.size(self.resolve(revision))
        if size is None:
            raise self._missing(revision)
        return size

    def get(self, revision: Digest, limit: int = MAX_PARSED_BYTES) -> bytes:
        """The exact stored bytes of ``revision``, verified.

        Raises `RevisionNotFoundError`; `DamagedError` if they are missing, not what the digest
        says, or more than ``limit`` bytes (far above what registries serve).
        """
        canonical = self.resolve(revision)
        size = self._blobs.size(canonical)
        if size is None:
            raise self._missing(revision)
        if size > limit:
            raise DamagedError(
                f"the manifest {revision} in {self.name} has {size} bytes; "
                f"more than {limit} are not read as a manifest"
            )
        return self._blobs.get(canonical, limit)

    def parse(self, revision: Digest) -> Manifest:
        """The manifest ``revision``. Raises as `get`, and `InvalidManifestError`."""
        return parse_manifest(self.get(revision))

    def _missing(self, revision: Digest) -> DamagedError:
        return DamagedError(
            f"the manifest {revision} is a revision of {self.name}, but its blob is missing"
        )

    def list(self) -> Iterator[Digest]:
        """All revisions: those whose link file is there."""
        try:
            for entry in self._driver.walk(self._root(), stat=False):
                if entry.kind is Kind.FILE:
                    spec = self._mapper.parse_file(entry.path)
                    if isinstance(spec, specs.RevisionLink):
                        yield spec.revision
        except PathNotFoundError:
            return

    def put(self, revision: Digest, content: bytes) -> None:
        """Store ``content`` as the revision of its digest: the blob first, then the link."""
        self._blobs.put(revision, content)
        self.link(revision)

    def link(self, revision: Digest, canonical: Digest | None = None) -> None:
        """Write the link of a revision whose blob is there, anew.

        ``canonical`` is the digest of the blob, where that is another (see `resolve`).
        """
        write_link(self._driver, self._path(revision), canonical or revision)

    def remove(self, revision: Digest) -> None:
        """Unlink ``revision`` and the signatures beside it; the blobs stay for a collector.

        Raises `RevisionNotFoundError`.
        """
        link = self._path(revision)
        root = link.rpartition("/")[0]
        try:
            entries = list(self._driver.walk(root, stat=False))
            self._driver.delete(link)
        except PathNotFoundError as error:
            raise RevisionNotFoundError(
                f"the repository {self.name} has no manifest {revision}"
            ) from error
        for entry in entries:
            spec = self._mapper.parse_file(entry.path)
            if entry.kind is Kind.FILE and isinstance(spec, specs.SignatureLink):
                self._driver.delete(entry.path)
        directories = [entry.path for entry in entries if entry.kind is Kind.DIRECTORY]
        for path in sorted([root, *directories], key=len, reverse=True):
            self._driver.rmdir(path)

    def _root(self) -> str:
        return self._mapper.path(specs.Revisions(self.name))

    def _path(self, revision: Digest) -> str:
        return self._mapper.path(specs.RevisionLink(self.name, revision))
