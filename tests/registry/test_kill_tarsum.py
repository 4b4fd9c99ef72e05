"""A kill at any step of what stores layers by their TarSum, in both layouts: see `test_kill`."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable

import pytest

from regctl.digest import LAYER_TARSUM, Digest, Verifier
from regctl.drivers.base import StorageDriver
from regctl.errors import NotFoundError
from regctl.layout import Layout, PathMapper, RepositoryName, UploadId, specs
from regctl.registry import Repository
from regctl.registry.existing import link_existing
from regctl.registry.links import read_link
from regctl.registry.transfer import push_new, push_resumed
from tests.digest.tarsum.archives import END, entry, tarsum
from tests.failing import FailingDriver, Killed
from tests.registry.storages import (
    NAME,
    BytesSource,
    memory,
    no_progress,
    registry_on,
    snapshot,
    uploads_of,
)

ARCHIVE = entry(b"a", b"first") + entry(b"b", b"second" * 100) + END
TARSUM = Digest.parse(f"{LAYER_TARSUM}:{tarsum(ARCHIVE)}")
OTHER = ARCHIVE + bytes(512)
UPLOAD = UploadId.parse("11111111-2222-4333-8444-555555555555")
STEP, CHECKPOINT = 700, 1000


def _fill(driver: StorageDriver, name: RepositoryName = NAME) -> Repository:
    return registry_on(driver).repository_to_fill(name, layers=True)


def _nothing(_repository: Repository) -> None:
    """Nothing is there before."""


def _elsewhere(repository: Repository, content: bytes = ARCHIVE) -> None:
    """Another repository has an archive with the TarSum."""
    other = _fill(repository.driver, RepositoryName.parse("other/place"))
    with other.uploads.create() as upload:
        push_new(upload, BytesSource(content), expected=TARSUM, progress=no_progress)


def _other_elsewhere(repository: Repository) -> None:
    _elsewhere(repository, OTHER)


def _push(repository: Repository, expected: Digest | None) -> None:
    source = BytesSource(ARCHIVE, STEP)
    if expected is not None and link_existing(
        repository, source, expected, trust_digest=False, progress=no_progress
    ):
        return
    with uploads_of(repository, CHECKPOINT).create() as upload:
        push_new(upload, source, expected=expected, tarsum=expected is None, progress=no_progress)


def _begin(repository: Repository, content: bytes) -> None:
    started = repository.mapper.path(specs.UploadStartedAt(NAME, UPLOAD))
    repository.driver.put(started, b"2026-01-02T03:04:05Z")
    with uploads_of(_fill(repository.driver), CHECKPOINT).resume(UPLOAD) as upload:
        for at in range(0, len(content), STEP):
            upload.write(content[at : at + STEP])


def _begun(repository: Repository) -> None:
    _begin(repository, ARCHIVE[:1500])


def _whole(repository: Repository) -> None:
    _begin(repository, ARCHIVE)


def _whole_and_other(repository: Repository) -> None:
    _other_elsewhere(repository)
    _begin(repository, ARCHIVE)


def _resume(repository: Repository) -> None:
    with uploads_of(repository, CHECKPOINT).resume(UPLOAD) as upload:
        source = BytesSource(ARCHIVE, STEP)
        push_resumed(upload, source, expected=TARSUM, progress=no_progress)


def _finish(repository: Repository) -> None:
    uploads_of(repository, CHECKPOINT).finish(UPLOAD, TARSUM)


def _cancel(repository: Repository) -> None:
    uploads_of(repository, CHECKPOINT).cancel(UPLOAD)


Step = Callable[[Repository], None]
JOBS: dict[str, tuple[Step, Step]] = {
    "push": (_nothing, lambda repository: _push(repository, None)),
    "push what is there": (_elsewhere, lambda repository: _push(repository, None)),
    "push where another is": (_other_elsewhere, lambda repository: _push(repository, None)),
    "push by digest": (_nothing, lambda repository: _push(repository, TARSUM)),
    "push by digest where another is": (
        _other_elsewhere,
        lambda repository: _push(repository, TARSUM),
    ),
    "resume": (_begun, _resume),
    "finish": (_whole, _finish),
    "finish where another is": (_whole_and_other, _finish),
    "cancel": (_begun, _cancel),
}


def _prepared(layout: Layout, prepare: Step) -> StorageDriver:
    driver = memory()
    if layout is Layout.Y2015:
        mapper, revision = PathMapper(layout), Digest.parse(f"sha256:{'0' * 64}")
        older = RepositoryName.parse("older")
        driver.put(mapper.path(specs.RevisionLink(older, revision)), str(revision).encode())
    prepare(_fill(driver))
    return driver


def _assert_sound(driver: StorageDriver, layout: Layout) -> None:
    """Layer links lead to blobs, and blobs are what their digest says."""
    mapper = PathMapper(layout)
    for path, content in snapshot(driver).items():
        spec = mapper.parse_file(path)
        if isinstance(spec, specs.LayerLink):
            target = read_link(driver, path, named=spec.digest)
            assert target.is_tarsum == (layout is Layout.Y2015)
            driver.stat(mapper.path(specs.BlobData(target)))
        elif isinstance(spec, specs.BlobData):
            verifier = Verifier(spec.digest)
            verifier.update(content)
            assert verifier.mismatch() is None


def _final(driver: StorageDriver, layout: Layout) -> dict[str, bytes]:
    """What is in the tree, but for directories and for uploads that a death left; not the one
    upload that a job itself goes on with."""
    own = PathMapper(layout).path(specs.UploadDirectory(NAME, UPLOAD))
    return {
        path: content
        for path, content in snapshot(driver).items()
        if not path.endswith("/")
        if "uploads/" not in path or path.startswith(own)
    }


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("name", JOBS)
def test_a_kill_at_any_step_leaves_a_sound_storage(name: str, layout: Layout, torn: bool) -> None:
    prepare, run = JOBS[name]
    undisturbed = _prepared(layout, prepare)
    run(_fill(undisturbed))
    _assert_sound(undisturbed, layout)
    wanted = _final(undisturbed, layout)
    for at in itertools.count(1):
        storage = _prepared(layout, prepare)
        try:
            run(_fill(FailingDriver(storage, at, torn=torn)))
        except Killed:
            _assert_sound(storage, layout)
        else:
            assert at > 1, "the job was to change something"
            break
        with contextlib.suppress(NotFoundError):
            run(_fill(storage))
        _assert_sound(storage, layout)
        assert _final(storage, layout) == wanted, f"killed at step {at}"
