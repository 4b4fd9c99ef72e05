"""Files on the caller's side: read without being fooled, written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from regctl.digest import Verifier
from regctl.drivers.base import StorageDriver
from regctl.drivers.counting import CountingDriver
from regctl.errors import DamagedError, InputFileError, StorageError, UnsafeError
from regctl.layout import specs
from regctl.registry.layers import Layer, LayerService
from regctl.registry.localfile import FileSource, PartFile, holds, write_file
from regctl.registry.partial import pull_to_file
from regctl.registry.transfer import SourceChangedError
from tests.registry.storages import PATHS, digest_of, fill, memory, no_progress, push

CONTENT = bytes(range(256)) * 8
DIGEST = digest_of(CONTENT)
PART = f".{DIGEST.hex[:12]}.part"
NOBODY = 65534


def drain(source: FileSource, step: int = 100) -> bytes:
    content, buffer = bytearray(), bytearray(step)
    while count := source.readinto(buffer):
        content += buffer[:count]
    return bytes(content)


# --- sources ---------------------------------------------------------------------------------


def test_a_file_as_source(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with FileSource.open(str(path)) as source:
        assert source.size == len(CONTENT)
        assert drain(source) == CONTENT
        source.check_unchanged(len(CONTENT))
        assert source.rewind()
        assert source.read(10) == CONTENT[:10]
        assert source.read(1 << 20) == CONTENT[10:]


def test_a_file_that_is_open_already_counts_from_where_it_is(tmp_path: Path) -> None:
    """``tail -c +101 >&3; regctl push-layer - <&3``: the rest is the layer."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    descriptor = os.open(path, os.O_RDONLY)
    os.lseek(descriptor, 100, os.SEEK_SET)
    with FileSource("standard input", descriptor, close=True) as source:
        assert source.size == len(CONTENT) - 100
        assert drain(source) == CONTENT[100:]
        source.check_unchanged(len(CONTENT) - 100)
        assert source.rewind()
        assert drain(source) == CONTENT[100:]


def test_a_pipe_as_source() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"content")
    os.close(writer)
    with FileSource("standard input", reader, close=True) as source:
        assert source.size is None
        assert drain(source) == b"content"
        source.check_unchanged(7)
        assert not source.rewind()


@pytest.mark.parametrize("name", ["missing", "", "directory", "file/below", "nul\0"])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputFileError) as caught:
        FileSource.open(f"{tmp_path}/{name}")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("change", ["grows", "shrinks", "is written to"])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, change: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    os.utime(path, (1, 1))
    with FileSource.open(str(path)) as source:
        content = source.read(100)
        with path.open("r+b") as file:
            if change == "grows":
                file.seek(0, os.SEEK_END)
                file.write(b"more")
            elif change == "shrinks":
                file.truncate(200)
            else:
                file.write(b"other")
        content += drain(source)
        with pytest.raises(SourceChangedError) as caught:
            source.check_unchanged(len(content))
        assert caught.value.exit_code == 4


# --- targets ---------------------------------------------------------------------------------


@pytest.fixture
def target(tmp_path: Path) -> str:
    return str(tmp_path / "FILE")


def files(target: str) -> set[str]:
    return set(os.listdir(os.path.dirname(target)))


def test_a_part_has_its_name_when_it_is_published(target: str) -> None:
    with PartFile(target, DIGEST) as part:
        part.write(memoryview(CONTENT[:100]))
        part.write(memoryview(CONTENT[100:]))
        assert files(target) == {"FILE" + PART}
        part.publish(force=False)
    assert files(target) == {"FILE"}
    assert Path(target).read_bytes() == CONTENT
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(os.stat(target).st_mode) == 0o666 & ~mask


def test_a_part_that_was_left_is_replayed(target: str) -> None:
    with PartFile(target, DIGEST) as part:
        part.write(memoryview(CONTENT[:100]))
    with PartFile(target, DIGEST) as part:
        taken = bytearray()
        assert part.size == part.replay(taken.extend) == 100
        assert taken == CONTENT[:100]
        part.write(memoryview(CONTENT[100:]))
        part.publish(force=False)
    assert Path(target).read_bytes() == CONTENT


def test_two_processes_do_not_write_one_part(target: str) -> None:
    with PartFile(target, DIGEST), pytest.raises(UnsafeError, match="another process"):
        PartFile(target, DIGEST)


@pytest.mark.parametrize("force", [False, True])
def test_another_file_is_overwritten_only_by_force(target: str, force: bool) -> None:
    Path(target).write_bytes(b"another")
    if force:
        write_file(target, CONTENT, DIGEST, force=True)
        assert Path(target).read_bytes() == CONTENT
    else:
        with pytest.raises(UnsafeError, match="exists and is another file"):
            write_file(target, CONTENT, DIGEST, force=False)
        assert Path(target).read_bytes() == b"another"
    assert files(target) == {"FILE"}


@pytest.mark.parametrize("force", [False, True])
def test_a_symlink_is_not_written_through(target: str, force: bool) -> None:
    """What it points to stays; by force the link itself is replaced."""
    elsewhere = Path(target).with_name("elsewhere")
    elsewhere.write_bytes(b"another")
    os.symlink(elsewhere, target)
    if force:
        write_file(target, CONTENT, DIGEST, force=True)
        assert not os.path.islink(target)
    else:
        with pytest.raises(UnsafeError):
            write_file(target, CONTENT, DIGEST, force=False)
        assert os.path.islink(target)
    assert elsewhere.read_bytes() == b"another"
    assert files(target) == {"FILE", "elsewhere"}


@pytest.mark.parametrize("kind", ["symlink", "pipe", "directory"])
def test_a_part_that_is_no_file_is_refused(target: str, kind: str) -> None:
    """Who may write the directory may have put it there, to have another file overwritten."""
    victim = Path(target).with_name("victim")
    victim.write_bytes(b"another")
    if kind == "symlink":
        os.symlink(victim, target + PART)
    elif kind == "pipe":
        os.mkfifo(target + PART)
    else:
        os.mkdir(target + PART)
    with pytest.raises(InputFileError):
        write_file(target, CONTENT, DIGEST, force=True)
    assert victim.read_bytes() == b"another"
    assert not os.path.lexists(target)


@pytest.mark.parametrize("name", ["missing/FILE", "file/FILE", "x" * 250])
def test_a_target_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputFileError) as caught:
        write_file(str(tmp_path / name), CONTENT, DIGEST, force=False)
    assert caught.value.exit_code == 2
    assert files(str(tmp_path / "x")) == {"file"}


@pytest.mark.parametrize("force", [False, True])
def test_a_directory_as_target(target: str, force: bool) -> None:
    os.mkdir(target)
    with pytest.raises((InputFileError, UnsafeError)):
        write_file(target, CONTENT, DIGEST, force=force)
    assert files(target) == {"FILE"}


@pytest.fixture
def unwritable() -> Iterator[str]:
    """A directory in which nothing can be made, also by who is root otherwise."""
    directory = tempfile.mkdtemp()
    os.chmod(directory, 0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield directory
    finally:
        if user == 0:
            os.seteuid(0)
        os.rmdir(directory)


def test_a_directory_that_cannot_be_written(unwritable: str) -> None:
    with pytest.raises(InputFileError, match="Permission denied"):
        write_file(f"{unwritable}/FILE", CONTENT, DIGEST, force=False)


def test_holds(target: str) -> None:
    Path(target).write_bytes(CONTENT)
    assert holds(target, len(CONTENT), Verifier(DIGEST))
    assert not holds(target, len(CONTENT) - 1, Verifier(DIGEST))
    assert not holds(target, len(CONTENT), Verifier(digest_of(b"another")))


# --- pulling into a file -----------------------------------------------------------------------


@pytest.fixture
def storage() -> StorageDriver:
    driver = memory()
    push(fill(driver), CONTENT)
    return driver


def pull(driver: StorageDriver, target: str, *, force: bool = False, verify: bool = True) -> Layer:
    layers: LayerService = fill(driver).layers
    layer = layers.get(DIGEST)
    pull_to_file(layers, layer, target, force=force, verify=verify, progress=no_progress)
    return layer


def data_read(counting: CountingDriver) -> int:
    """Bytes of the blob that were read; the link is read besides."""
    return counting.counts.bytes_read - len(str(DIGEST))


@pytest.mark.parametrize("have", [0, 1, 100, len(CONTENT)])
def test_only_what_is_missing_is_pulled(storage: StorageDriver, target: str, have: int) -> None:
    Path(target + PART).write_bytes(CONTENT[:have])
    counting = CountingDriver(storage)
    pull(counting, target)
    assert data_read(counting) == len(CONTENT) - have
    assert files(target) == {"FILE"}
    assert Path(target).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"x" + CONTENT[1:100], CONTENT[::-1], CONTENT + b"x"])
def test_a_wrong_part_is_begun_anew_once(storage: StorageDriver, target: str, part: bytes) -> None:
    Path(target + PART).write_bytes(part)
    pull(storage, target)
    assert files(target) == {"FILE"}
    assert Path(target).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [None, CONTENT[:100]])
def test_a_damaged_blob_leaves_nothing(
    storage: StorageDriver, target: str, part: bytes | None
) -> None:
    storage.put(PATHS.path(specs.BlobData(DIGEST)), CONTENT[::-1])
    if part is not None:
        Path(target + PART).write_bytes(part)
    counting = CountingDriver(storage)
    with pytest.raises(DamagedError) as caught:
        pull(counting, target)
    assert caught.value.exit_code == 5
    assert files(target) == set()
    again = 0 if part is None else len(CONTENT) - len(part)
    assert data_read(counting) == len(CONTENT) + again


def test_unverified_only_when_asked(storage: StorageDriver, target: str) -> None:
    storage.put(PATHS.path(specs.BlobData(DIGEST)), CONTENT[::-1])
    pull(storage, target, verify=False)
    assert Path(target).read_bytes() == CONTENT[::-1]


def test_a_storage_that_fails_in_the_middle_keeps_the_part(
    storage: StorageDriver, target: str
) -> None:
    layers = fill(storage).layers
    layer = layers.get(DIGEST)
    storage.put(PATHS.path(specs.BlobData(DIGEST)), CONTENT[:100])
    with pytest.raises(StorageError):
        pull_to_file(layers, layer, target, force=False, verify=True, progress=no_progress)
    assert Path(target + PART).read_bytes() == CONTENT[:100]
    storage.put(PATHS.path(specs.BlobData(DIGEST)), CONTENT)
    counting = CountingDriver(storage)
    pull(counting, target)
    assert data_read(counting) == len(CONTENT) - 100


def test_another_file_that_appears_during_the_pull_stays(
    storage: StorageDriver, target: str
) -> None:
    """Looking before would not do: only the publishing itself can tell."""
    Path(target).write_bytes(b"another")
    with pytest.raises(UnsafeError):
        pull(storage, target)
    assert Path(target).read_bytes() == b"another"
    pull(storage, target, force=True)
    assert Path(target).read_bytes() == CONTENT
