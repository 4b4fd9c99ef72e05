"""The blob store: content by digest, shared by all repositories, readable only through them."""

from __future__ import annotations

from hashlib import sha256

from regctl.digest import Digest, MultiHasher, Verifier
from regctl.drivers.base import Kind, Reader, StorageDriver
from regctl.errors import ContentError, DamagedError, PathNotFoundError
from regctl.layout import PathMapper, specs

_CHUNK = 1 << 20


class BlobStore:
    """Blobs of one storage. It checks no links: go through a repository's services."""

    def __init__(self, driver: StorageDriver, mapper: PathMapper) -> None:
        self.driver = driver
        self._mapper = mapper

    def path(self, digest: Digest) -> str:
        """Where the bytes of ``digest`` lie."""
        return self._mapper.path(specs.BlobData(digest))

    def size(self, digest: Digest) -> int | None:
        """The size in bytes of a stored blob; None if it is not there.

        Raises `DamagedError` if something other than a file stands in its place, and whatever
        keeps the storage from answering.
        """
        path = self.path(digest)
        try:
            entry = self.driver.stat(path, files_only=True)
        except PathNotFoundError:
            return None
        if entry.kind is not Kind.FILE:
            raise DamagedError(f"at {path} stands no file, but a {entry.kind.value}")
        return entry.size

    def open(self, digest: Digest, offset: int = 0) -> Reader:
        """A stream of the blob's bytes, not verified. Raises `DamagedError` if it is not there."""
        try:
            return self.driver.read(self.path(digest), offset)
        except PathNotFoundError as error:
            raise DamagedError(f"the blob {digest} is missing from the storage") from error

    def get(self, digest: Digest, limit: int) -> bytes:
        """The whole content of a small blob, verified.

        Raises `DamagedError` if it is missing, larger than ``limit`` bytes, or not what its
        digest says.
        """
        path = self.path(digest)
        try:
            content = self.driver.get(path, limit)
        except PathNotFoundError as error:
            raise DamagedError(f"the blob {digest} is missing from the storage") from error
        if digest.algorithm == "sha256" and sha256(content).hexdigest() == digest.hex:
            return content  # as nearly every blob; the rest is for others, and says what is wrong
        verifier = Verifier(digest)
        verifier.update(content)
        verifier.check_stored(f"the blob {path}")
        return content

    def put(self, digest: Digest, content: bytes) -> None:
        """Store ``content``, which must have ``digest``, whole or not at all.

        A blob that is there already is compared and left as it is; one that differs is damage.
        """
        verifier = Verifier(digest)
        verifier.update(content)
        verifier.check("the content")
        stored = self.size(digest)
        if stored is None:
            self.driver.put(self.path(digest), content)
        elif stored != len(content):
            raise self.wrong_size(digest, stored, len(content))
        else:
            self.get(digest, len(content))

    def wrong_size(self, digest: Digest, stored: int, expected: int) -> DamagedError:
        """The error for a stored blob of another size than its content has."""
        return DamagedError(
            f"the stored blob {digest} is damaged: it has {stored} bytes, its content {expected}",
            hint=f"{self.path(digest)} must be mended or moved away before it can be used",
        )

    def verify_stored(self, digest: Digest) -> None:
        """Read the whole blob; raise `DamagedError` unless it is what ``digest`` says."""
        verifier = Verifier(digest)
        self.feed(digest, verifier)
        verifier.check_stored(f"the blob {self.path(digest)}")

    def read_archive(self, tarsum: Digest) -> Digest:
        """The sha256 digest of the archive that is stored under ``tarsum``, by reading it.

        Archives of other bytes have the same TarSum, and whichever came first is stored: its size
        says nothing. Raises `DamagedError` if it is missing, or has another TarSum.
        """
        hashes = MultiHasher((tarsum.algorithm, "sha256"))
        self.feed(tarsum, hashes)
        try:
            difference = hashes.mismatch(tarsum)
        except ContentError as error:
            difference = f"is not {tarsum}: {error.message}"
        if difference:
            raise DamagedError(
                f"the stored blob {tarsum} is damaged: it {difference}",
                hint=f"{self.path(tarsum)} must be mended or moved away before it can be used",
            )
        return hashes.digest("sha256")

    def feed(self, digest: Digest, verifier: Verifier | MultiHasher) -> None:
        """Give all stored bytes of a blob to ``verifier``. Raises as `open`."""
        buffer = bytearray(_CHUNK)
        view = memoryview(buffer)
        with self.open(digest) as reader:
            while count := reader.readinto(buffer):
                verifier.update(view[:count])
