"""Links, blobs and layers: what leads to what, and what is refused as damage."""

from __future__ import annotations

import pytest

from regctl.digest import Digest
from regctl.drivers.base import Reader, StorageDriver
from regctl.drivers.memory import MemoryDriver
from regctl.errors import DamagedError, DigestMismatchError, PathNotFoundError
from regctl.layout import specs
from regctl.registry import Repository
from regctl.registry.layers import LayerNotFoundError
from regctl.registry.links import DamagedLinkError, read_link, write_link
from tests.digest.tarsum.archives import END, entry, tarsum
from tests.registry.storages import (
    NAME,
    PATHS,
    digest_of,
    fill,
    push,
    snapshot,
)
from tests.registry.watching import WatchedDriver

CONTENT = b"a layer"
DIGEST = digest_of(CONTENT)
SHA512 = digest_of(CONTENT, "sha512")
#: An archive of one file, and its TarSum.
ARCHIVE = entry(b"file", b"its content") + END
TARSUM = Digest.parse(f"tarsum.v1+sha256:{tarsum(ARCHIVE)}")
PATH = "/docker/registry/v2/link"


def layer_link(digest: Digest) -> str:
    return PATHS.path(specs.LayerLink(NAME, digest))


# --- links -----------------------------------------------------------------------------------


@pytest.mark.parametrize("digest", [DIGEST, SHA512, TARSUM], ids=lambda each: each.algorithm)
def test_a_link_is_the_digest_as_text(driver: StorageDriver, digest: Digest) -> None:
    write_link(driver, PATH, digest)
    assert driver.get(PATH, 1000) == str(digest).encode()
    assert read_link(driver, PATH) == digest
    assert read_link(driver, PATH, named=digest) == digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (f"{DIGEST}\n".encode(), "newline"),
        (f" {DIGEST}".encode(), "white space"),
        (b"\n", "newline"),
        (b"x", "holds no digest"),
        (b"\xff\xfe", "holds no digest"),
        (str(DIGEST)[:-1].encode(), "holds no digest"),
        (str(DIGEST).upper().encode(), "holds no digest"),
        (f"{DIGEST}{DIGEST}".encode(), "holds no digest"),
        (b"sha256:../../etc", "holds no digest"),
        (b"blake3:" + b"0" * 64, "holds no digest"),
        (str(digest_of(b"another")).encode(), "disagrees with its path"),
        (str(SHA512).encode(), "disagrees with its path"),
    ],
)
def test_a_damaged_link(driver: StorageDriver, content: bytes, message: str) -> None:
    driver.put(PATH, content)
    with pytest.raises(DamagedLinkError, match=message) as caught:
        read_link(driver, PATH, named=DIGEST)
    assert caught.value.exit_code == 5
    assert PATH in caught.value.message


def test_a_link_of_a_megabyte_is_not_read(driver: StorageDriver) -> None:
    driver.put(PATH, b"x" * (1 << 20))
    with pytest.raises(DamagedError):
        read_link(driver, PATH)


def test_a_missing_link_is_not_damage(driver: StorageDriver) -> None:
    with pytest.raises(PathNotFoundError):
        read_link(driver, PATH)


@pytest.mark.parametrize("named", [SHA512, TARSUM], ids=lambda each: each.algorithm)
def test_a_link_under_another_digest_says_where_the_blob_is(
    driver: StorageDriver, named: Digest
) -> None:
    """A sha512 upload, and a TarSum in registry 2.0, are stored under their sha256 digest."""
    write_link(driver, PATH, DIGEST)
    assert read_link(driver, PATH, named=named) == DIGEST


def test_a_link_written_again_is_younger() -> None:
    times = iter(range(100, 200))
    driver = MemoryDriver(lambda: float(next(times)))
    write_link(driver, PATH, DIGEST)
    before = driver.stat(PATH).modified
    write_link(driver, PATH, DIGEST)
    assert driver.stat(PATH).modified > before


# --- blobs -----------------------------------------------------------------------------------


def test_put_stores_once(driver: StorageDriver) -> None:
    changes = []
    watched = WatchedDriver(driver, lambda operation, path: changes.append(path))
    blobs = fill(watched).blobs
    assert blobs.size(DIGEST) is None
    blobs.put(DIGEST, CONTENT)
    blobs.put(DIGEST, CONTENT)
    assert changes == [blobs.path(DIGEST)]
    assert blobs.size(DIGEST) == len(CONTENT)
    assert blobs.get(DIGEST, 100) == CONTENT


def test_put_refuses_what_the_digest_does_not_name(repository: Repository) -> None:
    with pytest.raises(DigestMismatchError):
        repository.blobs.put(DIGEST, CONTENT + b"x")
    assert repository.blobs.size(DIGEST) is None


@pytest.mark.parametrize("stored", [CONTENT[:-1], CONTENT[::-1], b""])
def test_put_over_a_damaged_blob_names_it(repository: Repository, stored: bytes) -> None:
    path = repository.blobs.path(DIGEST)
    repository.driver.put(path, stored)
    with pytest.raises(DamagedError):
        repository.blobs.put(DIGEST, CONTENT)
    assert repository.driver.get(path, 100) == stored


def test_damaged_and_missing_blobs(repository: Repository) -> None:
    blobs = repository.blobs
    for read in (lambda: blobs.get(DIGEST, 100), lambda: blobs.open(DIGEST)):
        with pytest.raises(DamagedError, match="missing"):
            read()
    blobs.driver.put(blobs.path(DIGEST), CONTENT[::-1])
    with pytest.raises(DamagedError, match="has the digest"):
        blobs.get(DIGEST, 100)
    with pytest.raises(DamagedError, match="has the digest"):
        blobs.verify_stored(DIGEST)
    with pytest.raises(DamagedError, match=r"more than .*6"):
        blobs.get(DIGEST, 6)


def test_a_directory_in_a_blobs_place_is_damage(directories: StorageDriver) -> None:
    repository = fill(directories)
    directories.mkdir(repository.blobs.path(DIGEST))
    with pytest.raises(DamagedError, match="no file"):
        repository.blobs.size(DIGEST)
    with pytest.raises(DamagedError):
        repository.blobs.put(DIGEST, CONTENT)


def test_a_tarsum_blob_is_verified(repository: Repository) -> None:
    repository.driver.put(repository.blobs.path(TARSUM), ARCHIVE)
    assert repository.blobs.get(TARSUM, 10_000) == ARCHIVE
    repository.blobs.verify_stored(TARSUM)
    assert repository.blobs.read_archive(TARSUM) == digest_of(ARCHIVE)
    for damaged in (ARCHIVE.replace(b"its", b"her"), CONTENT):
        repository.driver.put(repository.blobs.path(TARSUM), damaged)
        with pytest.raises(DamagedError, match=TARSUM.hex):
            repository.blobs.get(TARSUM, 10_000)
        with pytest.raises(DamagedError, match=TARSUM.hex):
            repository.blobs.verify_stored(TARSUM)
        with pytest.raises(DamagedError, match=TARSUM.hex):
            repository.blobs.read_archive(TARSUM)


# --- layers ----------------------------------------------------------------------------------


def _read(reader: Reader) -> bytes:
    content, buffer = bytearray(), bytearray(3)
    with reader:
        while count := reader.readinto(buffer):
            content += buffer[:count]
    return bytes(content)


def test_a_blob_is_a_layer_only_where_it_is_linked(driver: StorageDriver) -> None:
    """Law 1: the blob store is shared, and no repository reads what it does not link to."""
    push(fill(driver, "other/place"), CONTENT)
    repository = fill(driver)
    assert not repository.layers.exists(DIGEST)
    with pytest.raises(LayerNotFoundError) as caught:
        repository.layers.get(DIGEST)
    assert caught.value.exit_code == 3
    repository.layers.link(DIGEST)
    layer = repository.layers.get(DIGEST)
    assert (layer.digest, layer.canonical, layer.size) == (DIGEST, DIGEST, len(CONTENT))
    assert _read(repository.layers.open(layer)) == CONTENT
    assert _read(repository.layers.open(layer, 4)) == CONTENT[4:]


def test_a_linked_layer_without_its_blob_is_damage(repository: Repository) -> None:
    repository.layers.link(DIGEST)
    assert not repository.layers.exists(DIGEST)
    with pytest.raises(DamagedError, match=r"its blob .* is missing"):
        repository.layers.get(DIGEST)


@pytest.mark.parametrize("alias", [SHA512, TARSUM], ids=lambda each: each.algorithm)
def test_a_layer_by_another_digest(repository: Repository, alias: Digest) -> None:
    content = ARCHIVE if alias.is_tarsum else CONTENT
    digest = digest_of(content)
    repository.blobs.put(digest, content)
    repository.layers.link(digest, alias)
    assert set(repository.layers.list()) == {digest, alias}
    layer = repository.layers.get(alias)
    assert (layer.digest, layer.canonical) == (alias, digest)
    assert layer.is_verifiable
    verifier = layer.verifier()
    verifier.update(content)
    assert verifier.mismatch() is None
    verifier.update(b"x")
    assert verifier.mismatch() is not None


@pytest.mark.parametrize("alias", [SHA512, TARSUM], ids=lambda each: each.algorithm)
def test_a_layer_by_an_alias_is_verified_by_both(repository: Repository, alias: Digest) -> None:
    """A link can lead an alias to any blob: what it leads to must be both."""
    other = b"another"
    repository.blobs.put(digest_of(other), other)
    repository.layers.link(digest_of(other), alias)
    verifier = repository.layers.get(alias).verifier()
    verifier.update(other)
    assert verifier.mismatch() is not None


def test_a_tarsum_over_another_hash_cannot_be_verified(repository: Repository) -> None:
    """Nobody ever computed one, but a path can name it."""
    odd = Digest.parse("tarsum.v1+md5:" + "ab" * 16)
    driver = repository.driver
    driver.put(repository.blobs.path(odd), ARCHIVE)
    write_link(driver, layer_link(odd), odd)
    layer = repository.layers.get(odd)
    assert not layer.is_verifiable
    assert layer.verifier().mismatch() is None
    assert layer.size == len(ARCHIVE)


def test_listing_passes_over_what_is_no_link(repository: Repository) -> None:
    assert list(repository.layers.list()) == []
    repository.layers.ensure_directory()
    assert list(repository.layers.list()) == []
    push(repository, CONTENT, SHA512)
    driver = repository.driver
    driver.put(layer_link(DIGEST) + ".tmp", b"")
    driver.put(layer_link(DIGEST).rpartition("/")[0] + "/README", b"")
    driver.mkdir(layer_link(digest_of(b"unlinked")).rpartition("/")[0])
    assert set(repository.layers.list()) == {DIGEST, SHA512}


def test_ensure_directory_makes_it_only(directories: StorageDriver) -> None:
    fill(directories).layers.ensure_directory()
    fill(directories).layers.ensure_directory()
    assert set(snapshot(directories, f"{PATHS.path(specs.RepositoryDirectory(NAME))}")) == {
        PATHS.path(specs.Layers(NAME)) + "/"
    }
