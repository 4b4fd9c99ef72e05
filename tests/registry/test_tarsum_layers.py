"""Layers that are known by their TarSum, in the current layout and in that of January 2015."""

from __future__ import annotations

from pathlib import Path

import pytest

from regctl.digest import LAYER_TARSUM, Digest
from regctl.digest.tarsum import InvalidArchiveError
from regctl.drivers.base import StorageDriver
from regctl.drivers.counting import CountingDriver
from regctl.errors import (
    ContentError,
    DamagedError,
    DigestMismatchError,
    ReadOnlyLayoutError,
    UnsupportedDigestError,
)
from regctl.layout import Layout, PathMapper, RepositoryName, UploadId, specs
from regctl.registry import Repository
from regctl.registry.existing import link_existing
from regctl.registry.links import write_link
from regctl.registry.partial import pull_to_file
from regctl.registry.transfer import PushedLayer, push_new, push_resumed
from tests.digest.tarsum.archives import BLOCK, END, entry, header, padded, tarsum
from tests.digest.tarsum.test_vectors import INDEX, Vector, read
from tests.registry.storages import (
    NAME,
    PATHS,
    BytesSource,
    digest_of,
    fill,
    memory,
    no_progress,
    push,
    registry_on,
    snapshot,
    state_of,
    uploads_of,
)

OLD = PathMapper(Layout.Y2015)
OLDER = RepositoryName.parse("older")

ARCHIVE = entry(b"a", b"first") + entry(b"b", b"second" * 100) + END
#: The same entries at another time, and with something behind the end.
OTHER = header(b"a", size=5, mtime=7) + padded(b"first") + ARCHIVE[2 * BLOCK :]
LONGER = ARCHIVE + bytes(BLOCK)
TARSUM = Digest.parse(f"{LAYER_TARSUM}:{tarsum(ARCHIVE)}")
SHA = digest_of(ARCHIVE)


@pytest.fixture
def current() -> Repository:
    """A new repository in the current layout."""
    return fill(memory())


@pytest.fixture
def old() -> Repository:
    """A new repository in a tree of 2015, open for layers."""
    return fill_2015(tree_2015())


def tree_2015() -> StorageDriver:
    """A tree of 2015 with a repository that has nothing but a revision."""
    driver = memory()
    revision = digest_of(b"payload")
    driver.put(OLD.path(specs.BlobData(revision)), b"payload")
    write_link(driver, OLD.path(specs.RevisionLink(OLDER, revision)), revision)
    return driver


def fill_2015(driver: StorageDriver, name: RepositoryName = NAME) -> Repository:
    return registry_on(driver).repository_to_fill(name, layers=True)


def push_archive(
    repository: Repository,
    content: bytes = ARCHIVE,
    expected: Digest | None = None,
    *,
    by_tarsum: bool = False,
) -> PushedLayer:
    with repository.uploads.create() as upload:
        source = BytesSource(content, 700)
        return push_new(upload, source, expected=expected, tarsum=by_tarsum, progress=no_progress)


def link(
    repository: Repository, content: bytes, digest: Digest = TARSUM, *, trust: bool = False
) -> PushedLayer | None:
    source = BytesSource(content, 700)
    return link_existing(repository, source, digest, trust_digest=trust, progress=no_progress)


def files(repository: Repository) -> dict[str, bytes]:
    tree = snapshot(repository.driver)
    return {path: content for path, content in tree.items() if not path.endswith("/")}


# --- the current layout --------------------------------------------------------------------------


@pytest.mark.parametrize("by_tarsum", [True, False])
def test_a_layer_has_its_sha256_address_and_both_links(
    current: Repository, by_tarsum: bool
) -> None:
    """As registry 2.0 wrote it: both links say where the blob is."""
    if by_tarsum:
        pushed = push_archive(current, by_tarsum=True)
    else:
        pushed = push_archive(current, expected=TARSUM)
    assert (pushed.digest, pushed.canonical, pushed.size) == (TARSUM, SHA, len(ARCHIVE))
    layers = f"/docker/registry/v2/repositories/{NAME}/_layers"
    assert files(current) == {
        f"/docker/registry/v2/blobs/sha256/{SHA.hex[:2]}/{SHA.hex}/data": ARCHIVE,
        f"{layers}/sha256/{SHA.hex}/link": str(SHA).encode(),
        f"{layers}/tarsum/v1/sha256/{TARSUM.hex}/link": str(SHA).encode(),
    }


def test_a_digest_is_demanded_and_the_tarsum_used(current: Repository) -> None:
    sha512 = digest_of(ARCHIVE, "sha512")
    pushed = push_archive(current, expected=sha512, by_tarsum=True)
    assert pushed.digest == TARSUM
    assert set(current.layers.list()) == {SHA, TARSUM, sha512}
    with pytest.raises(DigestMismatchError):
        push_archive(current, OTHER, sha512, by_tarsum=True)


def test_another_archive_of_the_tarsum_gets_a_blob_of_its_own(current: Repository) -> None:
    push_archive(current, by_tarsum=True)
    for content in (OTHER, LONGER):
        assert link(current, content) is None
        pushed = push_archive(current, content, TARSUM)
        assert (pushed.canonical, pushed.other_bytes) == (digest_of(content), False)
        assert current.layers.resolve(TARSUM) == digest_of(content)
    assert current.layers.exists(SHA)


def test_what_is_stored_is_linked_by_its_tarsum(current: Repository) -> None:
    push_archive(current, by_tarsum=True)
    found = link(current, ARCHIVE)
    assert found is not None
    assert (found.existed, found.canonical, found.other_bytes) == (True, SHA, False)
    # Another archive of the same size, unread.
    assert link(current, OTHER, trust=True) is not None
    with pytest.raises(DigestMismatchError):
        link(current, ARCHIVE.replace(b"first", b"forst"))


@pytest.mark.parametrize("label", ["tarsum+sha256", "tarsum.dev+sha256"])
def test_only_version_1_is_accepted(current: Repository, old: Repository, label: str) -> None:
    version = {"tarsum+sha256": "v0", "tarsum.dev+sha256": "dev"}[label]
    digest = Digest.parse(f"{label}:{tarsum(ARCHIVE, version)}")
    for repository in (current, old):
        before = snapshot(repository.driver)
        with pytest.raises(UnsupportedDigestError, match="unsupported TarSum version"):
            link(repository, ARCHIVE, digest)
        with repository.uploads.create() as upload:
            source = BytesSource(ARCHIVE)
            with pytest.raises(UnsupportedDigestError):
                push_new(upload, source, expected=digest, progress=no_progress)
            assert source.read == 0
            upload.cancel()
        assert files(repository) == {k: v for k, v in before.items() if not k.endswith("/")}


def test_what_is_no_archive_is_refused_at_once(current: Repository, old: Repository) -> None:
    """Not only when all of it is stored."""
    for repository in (current, old):
        source = BytesSource(b"no archive at all " * 1000, 700)
        with repository.uploads.create() as upload:
            with pytest.raises(InvalidArchiveError, match="entry 1"):
                push_new(upload, source, expected=None, tarsum=True, progress=no_progress)
            assert source.read < 3 * 700
            upload.cancel()
        with pytest.raises(InvalidArchiveError):
            push_archive(repository, b"no archive", TARSUM)


@pytest.mark.parametrize("layout", ["current", "old"])
def test_an_archive_without_the_end_that_registries_wanted_is_refused(
    layout: str, request: pytest.FixtureRequest
) -> None:
    """It ends with its last byte of content, and has a TarSum everywhere else."""
    repository: Repository = request.getfixturevalue(layout)
    content = header(b"a", size=5) + b"first"
    digest = Digest.parse(f"{LAYER_TARSUM}:{tarsum(content)}")
    with pytest.raises(InvalidArchiveError, match="last byte"):
        push_archive(repository, content, by_tarsum=True)
    upload = begin(repository, content)
    with pytest.raises(InvalidArchiveError, match="last byte"):
        repository.uploads.finish(upload, digest)
    assert list(repository.layers.list()) == []


@pytest.mark.parametrize("vector", INDEX, ids=[each["name"] for each in INDEX])
def test_a_push_is_answered_as_the_registry_of_2015_did(vector: Vector) -> None:
    """Also of an archive that ends with its last byte of content, which others accept."""
    content = read(vector)
    status, _, digest = vector["seed_registry_finish"].partition(" ")
    repository = fill_2015(tree_2015())
    before = files(repository)
    if status == "ok":
        assert str(push_archive(repository, content, by_tarsum=True).digest) == digest
        assert len(files(repository)) == len(before) + 2
        return
    with repository.uploads.create() as upload:
        with pytest.raises(ContentError):
            push_new(upload, BytesSource(content), expected=None, tarsum=True, progress=no_progress)
        upload.cancel()
    assert files(repository) == before


# --- the layout of 2015 --------------------------------------------------------------------------


def test_a_layer_of_2015_lies_at_its_tarsum(old: Repository) -> None:
    before = files(old)
    pushed = push_archive(old, by_tarsum=True)
    assert (pushed.digest, pushed.canonical) == (TARSUM, TARSUM)
    new = {path: content for path, content in files(old).items() if path not in before}
    root, end = "/docker/registry/v2", f"tarsum/v1/sha256/{TARSUM.hex}/link"
    assert new == {
        f"{root}/blobs/tarsum/v1/sha256/{TARSUM.hex[:2]}/{TARSUM.hex}/data": ARCHIVE,
        f"{root}/repositories/{NAME}/layers/{end}": str(TARSUM).encode(),
    }
    assert f"{root}/repositories/{NAME}/uploads/" in snapshot(old.driver)
    assert registry_on(old.driver).repository(NAME).layouts == {Layout.Y2015}


def test_a_layer_of_2015_needs_a_tarsum(old: Repository) -> None:
    with pytest.raises(ReadOnlyLayoutError) as caught:
        link(old, ARCHIVE, SHA)
    assert "--tarsum" in (caught.value.hint or "")
    for expected in (None, SHA):
        with old.uploads.create() as upload:
            with pytest.raises(ReadOnlyLayoutError):
                push_new(upload, BytesSource(ARCHIVE), expected=expected, progress=no_progress)
            upload.cancel()
    pushed = push_archive(old, expected=SHA, by_tarsum=True)
    assert (pushed.digest, pushed.canonical) == (TARSUM, TARSUM)
    assert not [path for path in files(old) if "/layers/" in path and "/tarsum/" not in path]


@pytest.mark.parametrize("content", [OTHER, LONGER], ids=["same-size", "other-size"])
def test_of_two_archives_the_first_stays(old: Repository, content: bytes) -> None:
    push_archive(old, by_tarsum=True)
    other = fill_2015(old.driver, RepositoryName.parse("another"))
    pushed = push_archive(other, content, by_tarsum=True)
    assert (pushed.other_bytes, pushed.size) == (True, len(ARCHIVE))
    found = link(old, content)
    assert found is not None
    assert (found.existed, found.other_bytes, found.size) == (True, True, len(ARCHIVE))
    assert old.driver.get(old.blobs.path(TARSUM), 10_000) == ARCHIVE
    assert other.layers.exists(TARSUM)
    again = push_archive(old, by_tarsum=True)
    assert not again.other_bytes


def test_a_stored_archive_is_verified_before_it_is_relied_on(old: Repository) -> None:
    push_archive(old, by_tarsum=True)
    path = old.blobs.path(TARSUM)
    other = fill_2015(old.driver, RepositoryName.parse("another"))
    for damaged in (ARCHIVE.replace(b"first", b"forst"), b"nothing of the kind"):
        old.driver.put(path, damaged)
        with pytest.raises(DamagedError, match="damaged"):
            link(other, ARCHIVE)
        with pytest.raises(DamagedError, match="damaged"):
            push_archive(other, by_tarsum=True)
        assert not other.layers.exists(TARSUM)


def test_a_trusted_tarsum_of_the_same_size_is_not_read(old: Repository) -> None:
    push_archive(old, by_tarsum=True)
    other = fill_2015(CountingDriver(old.driver), RepositoryName.parse("another"))
    assert link(other, ARCHIVE, trust=True) is not None
    assert isinstance(other.driver, CountingDriver)
    assert other.driver.counts.bytes_read == 0
    assert other.layers.exists(TARSUM)


def test_a_repository_in_both_layouts_takes_no_layers(old: Repository) -> None:
    push_archive(old, by_tarsum=True)
    write_link(old.driver, PATHS.path(specs.LayerLink(NAME, SHA)), SHA)
    with pytest.raises(ReadOnlyLayoutError, match="and in the current one"):
        fill_2015(old.driver)


# --- uploads -------------------------------------------------------------------------------------


def begin(repository: Repository, content: bytes) -> UploadId:
    with uploads_of(repository, 600).create() as upload:
        for at in range(0, len(content), 300):
            upload.write(content[at : at + 300])
        return upload.id


def test_an_upload_of_2015_has_no_hash_states(old: Repository) -> None:
    upload = begin(old, ARCHIVE[:1200])
    root = OLD.path(specs.UploadDirectory(NAME, upload))
    assert set(snapshot(old.driver, root)) == {f"{root}/data", f"{root}/startedat"}
    (listed,) = fill_2015(old.driver).uploads.list()
    assert (listed.id, listed.size, listed.problem) == (upload, 1200, None)
    fill_2015(old.driver).uploads.cancel(upload)
    assert snapshot(old.driver, root) == {}


@pytest.mark.parametrize("by_tarsum", [True, False])
@pytest.mark.parametrize("layout", ["current", "old"])
def test_a_resumed_upload_has_its_tarsum(
    layout: str, by_tarsum: bool, request: pytest.FixtureRequest
) -> None:
    repository: Repository = request.getfixturevalue(layout)
    uploads = uploads_of(repository, 600)
    upload = begin(repository, ARCHIVE[:1200])
    other = BytesSource(OTHER, 500)
    with uploads.resume(upload) as opened, pytest.raises(DigestMismatchError, match="begin with"):
        push_resumed(opened, other, expected=None, tarsum=True, progress=no_progress)
    with uploads.resume(upload) as opened:
        pushed = push_resumed(
            opened,
            BytesSource(ARCHIVE, 500),
            expected=None if by_tarsum else TARSUM,
            tarsum=by_tarsum,
            progress=no_progress,
        )
    assert (pushed.digest, pushed.resumed) == (TARSUM, 1200)
    assert repository.layers.exists(TARSUM)
    assert list(repository.uploads.list()) == []


@pytest.mark.parametrize("layout", ["current", "old"])
def test_an_upload_is_finished_by_its_tarsum(layout: str, request: pytest.FixtureRequest) -> None:
    repository: Repository = request.getfixturevalue(layout)
    upload = begin(repository, ARCHIVE)
    before = snapshot(repository.driver)
    wrong = Digest.parse(f"{LAYER_TARSUM}:{'0' * 64}")
    with pytest.raises(DigestMismatchError, match=TARSUM.hex):
        repository.uploads.finish(upload, wrong)
    assert snapshot(repository.driver) == before
    finished = repository.uploads.finish(upload, TARSUM)
    assert finished.layer.digest == TARSUM
    assert finished.layer.canonical == (TARSUM if layout == "old" else SHA)
    assert repository.layers.exists(TARSUM)


def test_an_upload_that_is_no_archive_is_kept(old: Repository) -> None:
    upload = begin(old, b"no archive " * 100)
    with pytest.raises(InvalidArchiveError):
        old.uploads.finish(upload, TARSUM)
    assert old.uploads.get(upload).size == 1100


def test_an_empty_upload_of_2015_does_not_become_a_blob_of_others(old: Repository) -> None:
    """Law 1: that a blob is in the storage gives nobody a link to it."""
    push_archive(fill_2015(old.driver, RepositoryName.parse("another")), by_tarsum=True)
    upload = begin(old, b"")
    with pytest.raises(DigestMismatchError):
        old.uploads.finish(upload, TARSUM)
    assert not old.layers.exists(TARSUM)


def test_a_lost_upload_of_2015_is_known_by_its_bytes(old: Repository) -> None:
    """The state that lies there while data moves proves what was moved, by more than a size."""
    push_archive(fill_2015(old.driver, RepositoryName.parse("another")), by_tarsum=True)
    upload = begin(old, b"")
    state = OLD.path(specs.HashState(NAME, upload, "sha256", len(OTHER)))
    old.driver.put(state, state_of(OTHER))
    with pytest.raises(DigestMismatchError):
        old.uploads.finish(upload, TARSUM)
    assert not old.layers.exists(TARSUM)
    old.driver.put(state, state_of(ARCHIVE))
    assert old.uploads.finish(upload, TARSUM).layer.canonical == TARSUM
    assert old.layers.exists(TARSUM)


# --- pulling -------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["current", "old"])
def test_a_flipped_byte_of_an_entry_is_found(
    layout: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    repository: Repository = request.getfixturevalue(layout)
    pushed = push_archive(repository, by_tarsum=True)
    target = str(tmp_path / "layer.tar")
    # In a name, a number, a checksum, a content.
    for at in (0, 101, 149, BLOCK + 2, 3 * BLOCK + 30):
        flipped = bytearray(ARCHIVE)
        flipped[at] ^= 1
        repository.driver.put(repository.blobs.path(pushed.canonical), bytes(flipped))
        layer = repository.layers.get(TARSUM)
        with pytest.raises(DamagedError, match="is damaged"):
            pull(repository, target)
        assert list(tmp_path.iterdir()) == []
        assert layer.is_verifiable


def pull(repository: Repository, target: str) -> None:
    layer = repository.layers.get(TARSUM)
    pull_to_file(repository.layers, layer, target, force=False, verify=True, progress=no_progress)


def test_a_part_of_a_tarsum_layer_is_taken_up(old: Repository, tmp_path: Path) -> None:
    push_archive(old, by_tarsum=True)
    target = tmp_path / "layer.tar"
    part = tmp_path / f"layer.tar.{TARSUM.hex[:12]}.part"
    for beginning in (ARCHIVE[:700], b"something else", LONGER):
        part.write_bytes(beginning)
        pull(old, str(target))
        assert target.read_bytes() == ARCHIVE
        target.unlink()


def test_a_link_to_an_archive_of_another_tarsum_is_damage(
    current: Repository, tmp_path: Path
) -> None:
    other = entry(b"c") + END
    push(current, other)
    current.layers.link(digest_of(other), TARSUM)
    with pytest.raises(DamagedError, match=TARSUM.hex):
        pull(current, str(tmp_path / "layer.tar"))
