"""Pushing what is new, what is there already, and what changes while it is read; pulling."""

from __future__ import annotations

import pytest

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.drivers.counting import CountingDriver
from regctl.errors import (
    DamagedError,
    DigestMismatchError,
    UnavailableError,
    UnsupportedDigestError,
)
from regctl.layout import specs
from regctl.registry.existing import link_existing
from regctl.registry.transfer import (
    PushedLayer,
    SourceChangedError,
    hash_source,
    pull,
    push_new,
)
from tests.registry.storages import (
    NAME,
    PATHS,
    BytesSource,
    assert_sound,
    digest_of,
    fill,
    memory,
    no_progress,
    push,
)
from tests.registry.watching import WatchedDriver

CONTENT = b"a layer" * 100
DIGEST = digest_of(CONTENT)


@pytest.fixture
def driver() -> StorageDriver:
    """A storage in which another repository has the layer."""
    storage = memory()
    push(fill(storage, "other/place"), CONTENT)
    return storage


def link(
    driver: StorageDriver,
    digest: Digest = DIGEST,
    content: bytes = CONTENT,
    *,
    trust: bool = False,
    sized: bool = True,
) -> tuple[PushedLayer | None, BytesSource]:
    source = BytesSource(content, 64, sized=sized)
    found = link_existing(fill(driver), source, digest, trust_digest=trust, progress=no_progress)
    return found, source


def test_what_is_stored_is_hashed_and_linked(driver: StorageDriver) -> None:
    counting = CountingDriver(driver)
    found, source = link(counting)
    assert found is not None
    assert (found.existed, found.written, found.size) == (True, 0, len(CONTENT))
    assert source.read == len(CONTENT)
    assert counting.counts.bytes_read == 0
    assert fill(driver).layers.exists(DIGEST)


def test_a_trusted_digest_is_linked_unread(driver: StorageDriver) -> None:
    found, source = link(driver, trust=True)
    assert found is not None
    assert source.read == 0
    assert fill(driver).layers.exists(DIGEST)


@pytest.mark.parametrize("trust", [False, True])
def test_a_file_of_another_size_is_another_file(driver: StorageDriver, trust: bool) -> None:
    with pytest.raises(DigestMismatchError):
        link(driver, content=CONTENT + b"x", trust=trust)
    assert not fill(driver).layers.exists(DIGEST)


def test_another_file_of_the_same_size_is_refused(driver: StorageDriver) -> None:
    with pytest.raises(DigestMismatchError):
        link(driver, content=CONTENT[::-1])
    assert not fill(driver).layers.exists(DIGEST)


@pytest.mark.parametrize("trust", [False, True])
def test_a_stored_blob_of_another_size_is_damage(driver: StorageDriver, trust: bool) -> None:
    """It is never linked, not even for whoever trusts the digest."""
    driver.put(PATHS.path(specs.BlobData(DIGEST)), CONTENT[:-1])
    with pytest.raises(DamagedError) as caught:
        link(driver, trust=trust)
    assert caught.value.exit_code == 5
    assert PATHS.path(specs.BlobData(DIGEST)) in (caught.value.hint or "")
    assert not fill(driver).layers.exists(DIGEST)


def test_what_is_not_stored_is_left_to_a_push(driver: StorageDriver) -> None:
    found, source = link(driver, digest_of(b"new"), b"new")
    assert (found, source.read) == (None, 0)


def test_a_pipe_is_left_to_a_push(driver: StorageDriver) -> None:
    """Its size is not known, and what is read of it cannot be read again."""
    found, source = link(driver, sized=False)
    assert (found, source.read) == (None, 0)


def test_a_sha512_layer_is_found_by_its_link(driver: StorageDriver) -> None:
    alias = digest_of(CONTENT, "sha512")
    assert link(driver, alias)[0] is None
    push(fill(driver), CONTENT, alias)
    found, _ = link(driver, alias)
    assert found is not None
    assert (found.digest, found.canonical) == (alias, DIGEST)


def test_old_digests_are_not_linked(driver: StorageDriver) -> None:
    with pytest.raises(UnsupportedDigestError):
        link(driver, digest_of(CONTENT, "sha1"))


def test_a_blob_that_vanishes_when_it_was_linked_is_pushed(driver: StorageDriver) -> None:
    """Law 7, as push-layer does it: the source is rewound, so that it can be spooled."""

    def collect(operation: str, path: str) -> None:
        if path == PATHS.path(specs.LayerLink(NAME, DIGEST)):
            driver.delete(PATHS.path(specs.BlobData(DIGEST)))

    found, source = link(WatchedDriver(driver, collect))
    assert found is None
    with fill(driver).uploads.create() as upload:
        push_new(upload, source, expected=DIGEST, progress=no_progress)
    assert_sound(driver)
    assert fill(driver).layers.exists(DIGEST)


@pytest.mark.parametrize("change", [-1, 1])
def test_a_source_that_grows_or_shrinks_is_not_stored(driver: StorageDriver, change: int) -> None:
    class Changing(BytesSource):
        def check_unchanged(self, count: int) -> None:
            super().check_unchanged(count + change)

    with fill(driver).uploads.create() as upload:
        with pytest.raises(SourceChangedError):
            push_new(upload, Changing(b"new"), expected=None, progress=no_progress)
        upload.cancel()
    with pytest.raises(SourceChangedError):
        hash_source(Changing(b"new"), ("sha256",), no_progress)
    assert not fill(driver).layers.exists(digest_of(b"new"))


def test_progress_counts_every_byte_once(driver: StorageDriver) -> None:
    seen: list[int] = []
    with fill(driver).uploads.create() as upload:
        push_new(upload, BytesSource(CONTENT, 100), expected=None, progress=seen.append)
    assert sum(seen) == len(CONTENT)
    assert len(seen) == 7


@pytest.mark.parametrize("offset", [0, 1, len(CONTENT) - 1])
def test_pull_gives_the_bytes_from_an_offset_on(driver: StorageDriver, offset: int) -> None:
    layers = fill(driver, "other/place").layers
    taken, verified = bytearray(), bytearray()
    pull(
        layers,
        layers.get(DIGEST),
        taken.extend,
        offset=offset,
        verify=verified.extend,
        progress=no_progress,
    )
    assert taken == verified == CONTENT[offset:]


def test_a_stream_that_ends_early_is_no_success(driver: StorageDriver) -> None:
    layers = fill(driver, "other/place").layers
    layer = layers.get(DIGEST)
    driver.put(PATHS.path(specs.BlobData(DIGEST)), CONTENT[:-1])
    with pytest.raises(UnavailableError, match="699 of 700"):
        pull(layers, layer, bytearray().extend, verify=bytearray().extend, progress=no_progress)
