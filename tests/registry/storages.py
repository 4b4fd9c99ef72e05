"""Small storages for the services: made, filled, copied into text, and checked."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

from regctl.digest import Digest
from regctl.digest.sha256 import ResumableSHA256, is_native_state
from regctl.drivers.base import Kind, StorageDriver
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.filesystem import FilesystemDriver
from regctl.drivers.memory import MemoryDriver
from regctl.errors import PathNotFoundError, UploadInUseError
from regctl.layout import PathMapper, RepositoryName, Tag, UploadId, specs
from regctl.registry import Registry, Repository
from regctl.registry.links import read_link
from regctl.registry.tagging import push_manifest
from regctl.registry.transfer import PushedLayer, SourceChangedError, push_new, push_resumed
from regctl.registry.upload import LayerUpload
from regctl.registry.uploads import UploadService
from tests.images import OCI_MANIFEST, Image, Index
from tests.objectstore import ObjectsDriver

NAME = RepositoryName.parse("team/app")
LATEST = Tag.parse("latest")
NOW = 1_700_000_000.0
PATHS = PathMapper()

Driver = StorageDriver
MakeDriver = Callable[[], StorageDriver]


def memory() -> StorageDriver:
    """An empty storage in memory, whose clock stands still."""
    return CheckedDriver(MemoryDriver(lambda: NOW))


def objects() -> StorageDriver:
    """An empty object store in memory, whose clock stands still."""
    return CheckedDriver(ObjectsDriver(lambda: NOW))


def filesystem(directory: Path) -> StorageDriver:
    """The storage in ``directory``."""
    return CheckedDriver(FilesystemDriver(str(directory)))


def never_sleep(seconds: float) -> None:
    raise AssertionError(f"nothing was to wait here, least of all {seconds} seconds")


def registry_on(driver: StorageDriver, sleep: Callable[[float], None] = never_sleep) -> Registry:
    return Registry(driver, clock=lambda: NOW, sleep=sleep)


def fill(driver: StorageDriver, name: RepositoryName | str = NAME) -> Repository:
    """The repository ``name``, for pushing."""
    name = RepositoryName.parse(name) if isinstance(name, str) else name
    return registry_on(driver).repository_to_fill(name)


def uploads_of(repository: Repository, checkpoint_bytes: int) -> UploadService:
    """The uploads of ``repository``, with a hash state every few bytes."""
    return UploadService(repository.layers, lambda: NOW, checkpoint_bytes=checkpoint_bytes)


def digest_of(content: bytes, algorithm: str = "sha256") -> Digest:
    return Digest.of_hash(algorithm, hashlib.new(algorithm, content).digest())


def state_of(content: bytes) -> bytes:
    """The hash state that a registry saves after ``content``."""
    hashed = ResumableSHA256()
    hashed.update(content)
    state = hashed.state()
    assert state is not None
    return state


class BytesSource:
    """A source of ``content``, at most ``step`` bytes at a time."""

    def __init__(self, content: bytes, step: int = 1 << 20, *, sized: bool = True) -> None:
        self._content = io.BytesIO(content)
        self._step = step
        self._size = len(content)
        self._sized = sized
        self.read = 0

    @property
    def size(self) -> int | None:
        return self._size if self._sized else None

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        count = self._content.readinto(memoryview(buffer)[: self._step])
        self.read += count
        return count

    def rewind(self) -> bool:
        self._content.seek(0)
        return self._sized

    def check_unchanged(self, count: int) -> None:
        if count != self._size:
            raise SourceChangedError(f"{count} of {self._size} bytes were read")


def no_progress(_count: int) -> None:
    """Nobody looks."""


def push(
    repository: Repository, content: bytes, expected: Digest | None = None, *, step: int = 1 << 20
) -> PushedLayer:
    """``content`` as a layer, spooled by a fresh upload."""
    with repository.uploads.create() as upload:
        source = BytesSource(content, step)
        return push_new(upload, source, expected=expected, progress=no_progress)


def resume(
    upload: LayerUpload, content: bytes, expected: Digest | None = None, *, step: int = 1 << 20
) -> PushedLayer:
    """``upload`` completed with ``content``."""
    with upload:
        source = BytesSource(content, step)
        return push_resumed(upload, source, expected=expected, progress=no_progress)


def push_image(repository: Repository, pushed: Image | Index, tag: Tag | None = LATEST) -> Digest:
    """All of an image or index, under ``tag``."""
    for blob in pushed.blobs:
        push(repository, blob.content)
    if isinstance(pushed, Index):
        for image in pushed.images:
            push_manifest(repository, image.manifest.content)
    return push_manifest(repository, pushed.manifest.content, tag=tag).digest


def extract(archive: Path, driver: StorageDriver) -> None:
    """Put what a tar holds, from the storage's root on, into ``driver``."""
    with tarfile.open(archive) as tar:
        for member in tar:
            path = "/" + member.name.removeprefix("./").rstrip("/")
            if member.isfile():
                file = tar.extractfile(member)
                assert file is not None
                driver.put(path, file.read())
            elif member.isdir() and path != "/.":
                driver.mkdir(path)


def snapshot(driver: StorageDriver, below: str = "/docker") -> dict[str, bytes]:
    """Every file of the tree with its content, and every directory with none."""
    try:
        entries = list(driver.walk(below, stat=False))
    except PathNotFoundError:
        return {}
    return {
        entry.path + ("" if entry.kind is Kind.FILE else "/"): (
            driver.get(entry.path, 1 << 30) if entry.kind is Kind.FILE else b""
        )
        for entry in entries
    }


def settled(driver: StorageDriver) -> dict[str, bytes]:
    """The snapshot but for the data of uploads: where that is hidden, reading it may show it."""
    return {
        path: content
        for path, content in snapshot(driver).items()
        if not isinstance(PATHS.parse_file(path), specs.UploadData)
    }


def blob_path(digest: Digest) -> str:
    return PATHS.path(specs.BlobData(digest))


def revision_link(revision: Digest) -> str:
    return PATHS.path(specs.RevisionLink(NAME, revision))


def data_path(upload: UploadId) -> str:
    return PATHS.path(specs.UploadData(NAME, upload))


def state_path(upload: UploadId, offset: int) -> str:
    return PATHS.path(specs.HashState(NAME, upload, "sha256", offset))


def begun(repository: Repository, content: bytes, every: int = 64) -> UploadId:
    """An upload of ``content`` that was left, with a state every ``every`` bytes and at the end."""
    with uploads_of(repository, every).create() as upload:
        for at in range(0, len(content), every):
            upload.write(content[at : at + every])
        return upload.id


def stored_data(driver: StorageDriver, path: str) -> bytes:
    """What an upload that nobody has open holds at ``path``, hidden or not."""
    if not driver.hides_unfinished:
        return driver.get(path, 1 << 30)
    content = bytearray()
    with driver.writer(path, append=True) as writer:
        buffer = bytearray(1 << 16)
        with writer.reader() as reader:
            while count := reader.readinto(buffer):
                content += memoryview(buffer)[:count]
    return bytes(content)


def move_data(driver: StorageDriver, upload: UploadId, target: str) -> None:
    """Move an upload's data, as whoever finishes it does."""
    with driver.writer(data_path(upload), append=True) as writer:
        writer.commit()
        driver.move(data_path(upload), target)


def lose_data(driver: StorageDriver, upload: UploadId) -> None:
    """Remove an upload's data and nothing else of it."""
    with driver.writer(data_path(upload), append=True) as writer:
        writer.cancel()


def manifest_of(media_type: str = OCI_MANIFEST, **members: object) -> bytes:
    """A manifest with these members."""
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, **members}).encode()


def upload_path(upload: UploadId, name: RepositoryName = NAME) -> str:
    return PATHS.path(specs.UploadDirectory(name, upload))


def states(driver: StorageDriver, upload: UploadId, name: RepositoryName = NAME) -> set[int]:
    """The offsets of the states of ``upload`` that are stored."""
    root = PATHS.path(specs.HashStatesOf(name, upload, "sha256"))
    try:
        return {int(entry.name) for entry in driver.list(root)}
    except PathNotFoundError:
        return set()


def assert_sound(driver: StorageDriver) -> None:
    """Nothing leads to what is missing: layers, revisions and signatures to blobs, tags to
    revisions.

    Every hash state with data has as much data as it says, and is the state of just that. Only
    where an upload's data is gone altogether, moved to its address or removed, its states may
    still be there: what is left of an upload that nobody goes on with.
    """
    for path, content in snapshot(driver).items():
        spec = PATHS.parse_file(path)
        if isinstance(spec, specs.LayerLink):
            _assert_blob(driver, read_link(driver, path, named=spec.digest))
        elif isinstance(spec, specs.RevisionLink):
            _assert_blob(driver, read_link(driver, path, named=spec.revision))
        elif isinstance(spec, specs.SignatureLink):
            _assert_blob(driver, read_link(driver, path, named=spec.signature))
        elif isinstance(spec, specs.TagCurrentLink):
            revision = read_link(driver, path)
            read_link(driver, PATHS.path(specs.RevisionLink(spec.name, revision)))
        elif isinstance(spec, specs.BlobData):
            assert digest_of(content) == spec.digest
        elif isinstance(spec, specs.HashState):
            _assert_state(driver, spec, content)


def _assert_blob(driver: StorageDriver, digest: Digest) -> None:
    assert driver.stat(PATHS.path(specs.BlobData(digest))).kind is Kind.FILE


def _assert_state(driver: StorageDriver, spec: specs.HashState, content: bytes) -> None:
    assert is_native_state(content)
    try:
        data = stored_data(driver, PATHS.path(specs.UploadData(spec.name, spec.upload)))
    except PathNotFoundError:
        data = b""
    except UploadInUseError:
        return
    if data or spec.offset == 0:
        assert spec.offset <= len(data)
        assert content == state_of(data[: spec.offset])
