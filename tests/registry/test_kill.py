"""A kill at any step of any command leaves waste at worst, and running it again finishes it.

Each job runs on a copy of the same storage, and dies at its first step, its second, and so on.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.errors import NotFoundError
from regctl.layout import Tag, UploadId, specs
from regctl.registry import Repository
from regctl.registry.completeness import take_inventory
from regctl.registry.existing import link_existing
from regctl.registry.removal import plan_removal, remove_revision
from regctl.registry.signing import Signer, sign_revision
from regctl.registry.tagging import named_by, push_manifest, set_tag
from regctl.registry.transfer import PushedLayer, push_new
from regctl.signature.libtrust import verify_push
from tests import schema1
from tests.failing import FailingDriver, Killed
from tests.images import build_image, build_index
from tests.registry.storages import (
    LATEST,
    NAME,
    PATHS,
    BytesSource,
    assert_sound,
    digest_of,
    filesystem,
    fill,
    memory,
    no_progress,
    objects,
    push,
    push_image,
    resume,
    snapshot,
    upload_path,
    uploads_of,
)
from tests.signature.libtrust.vectors import NOW

CONTENT = bytes(range(250))
CHECKPOINT = 90
STEP = 50
UPLOAD = UploadId.parse("11111111-2222-4333-8444-555555555555")
IMAGE = build_image(1, layers=2, size=100)
OTHER = build_image(2, layers=1, size=100)
INDEX = build_index(3, layers=1, size=100)
STABLE = Tag.parse("stable")
PAYLOAD = schema1.payload_of(str(NAME), str(LATEST), [digest_of(CONTENT)])
SIGNED = schema1.signed_by(PAYLOAD, schema1.EC256)
OLDER = schema1.signed_by(PAYLOAD.replace(b"amd64", b"arm64"), schema1.EC256)


@dataclass(frozen=True)
class Job:
    """What is there before, and what is done: once, and again after a death."""

    prepare: Callable[[Repository], None]
    run: Callable[[Repository], object]
    #: Errors that say, when it is run again, that it was done already.
    done: tuple[type[Exception], ...] = ()


def _nothing(_repository: Repository) -> None:
    """Nothing is there before."""


def _push(repository: Repository, expected: Digest | None = None) -> PushedLayer:
    """As push-layer does: link what is there, else spool."""
    source = BytesSource(CONTENT, STEP)
    if expected is not None:
        found = link_existing(
            repository, source, expected, trust_digest=False, progress=no_progress
        )
        if found is not None:
            return found
    with uploads_of(repository, CHECKPOINT).create() as upload:
        return push_new(upload, source, expected=expected, progress=no_progress)


def _begin(repository: Repository, content: bytes) -> None:
    """An upload with ``content``, all its states among it, as a lost process leaves it."""
    driver = repository.driver
    driver.put(PATHS.path(specs.UploadStartedAt(NAME, UPLOAD)), b"2026-01-02T03:04:05Z")
    with uploads_of(repository, CHECKPOINT).resume(UPLOAD) as upload:
        for at in range(0, len(content), STEP):
            upload.write(content[at : at + STEP])


def _begun(repository: Repository) -> None:
    _begin(repository, CONTENT[:170])
    data = PATHS.path(specs.UploadData(NAME, UPLOAD))
    with repository.driver.writer(data, append=True) as writer:
        writer.write(b"torn")


def _whole(repository: Repository) -> None:
    _begin(repository, CONTENT)


def _resume(repository: Repository, expected: Digest | None = None) -> None:
    resume(uploads_of(repository, CHECKPOINT).resume(UPLOAD), CONTENT, expected, step=STEP)


def _finish(repository: Repository, algorithm: str) -> None:
    uploads_of(repository, CHECKPOINT).finish(UPLOAD, digest_of(CONTENT, algorithm))


def _cancel(repository: Repository) -> None:
    uploads_of(repository, CHECKPOINT).cancel(UPLOAD)


def _blobs(repository: Repository) -> None:
    for blob in (*IMAGE.blobs, *OTHER.blobs):
        push(repository, blob.content)


def _children(repository: Repository) -> None:
    for image in INDEX.images:
        push_image(repository, image, None)


def _elsewhere(repository: Repository) -> None:
    _blobs(fill(repository.driver, "other/place"))


def _blob_elsewhere(repository: Repository) -> None:
    push(fill(repository.driver, "other/place"), CONTENT)


def _image(repository: Repository) -> None:
    push_manifest(repository, IMAGE.manifest.content, tag=LATEST)


def _other_image(repository: Repository) -> None:
    push_manifest(repository, OTHER.manifest.content, tag=LATEST)


def _index(repository: Repository) -> None:
    push_manifest(repository, INDEX.manifest.content, tag=LATEST)


def _mount(repository: Repository) -> None:
    others = [fill(repository.driver, "other/place")]
    push_manifest(repository, IMAGE.manifest.content, tag=LATEST, mount_from=others)


def _two_images(repository: Repository) -> None:
    push_image(repository, IMAGE)
    push_image(repository, OTHER, STABLE)
    set_tag(repository, STABLE, IMAGE.digest)


def _move_tag(repository: Repository) -> None:
    set_tag(repository, LATEST, OTHER.digest)


def _layer(repository: Repository) -> None:
    push(repository, CONTENT)


def _older(repository: Repository) -> None:
    _layer(repository)
    push_manifest(repository, OLDER, tag=LATEST)


def _signed(repository: Repository) -> None:
    _older(repository)
    push_manifest(repository, SIGNED)


def _push_signed(repository: Repository) -> None:
    push_manifest(repository, SIGNED, tag=LATEST)


def _push_and_sign(repository: Repository) -> None:
    """RSA signs the same bytes in the same way every time."""
    push_manifest(repository, SIGNED, tag=LATEST, signer=Signer(schema1.RSA, NOW))


def _sign(repository: Repository) -> None:
    sign_revision(repository, digest_of(PAYLOAD), schema1.RSA, NOW)


def _untag(repository: Repository) -> None:
    repository.tags.remove(STABLE)


def _remove(repository: Repository) -> None:
    plan = plan_removal(repository, IMAGE.digest)
    remove_revision(repository, plan, force=True)


JOBS = {
    "push layer": Job(_nothing, _push),
    "push layer with its digest": Job(_nothing, lambda r: _push(r, digest_of(CONTENT))),
    "push layer by sha512": Job(_nothing, lambda r: _push(r, digest_of(CONTENT, "sha512"))),
    "push layer that is there": Job(
        _blob_elsewhere,
        lambda r: _push(r, digest_of(CONTENT)),
    ),
    "push layer that is there, not known": Job(_blob_elsewhere, _push),
    "resume layer": Job(_begun, _resume, (NotFoundError,)),
    "resume layer by sha512": Job(
        _begun, lambda r: _resume(r, digest_of(CONTENT, "sha512")), (NotFoundError,)
    ),
    "uploads finish": Job(_whole, lambda r: _finish(r, "sha256"), (NotFoundError,)),
    "uploads finish by sha512": Job(_whole, lambda r: _finish(r, "sha512"), (NotFoundError,)),
    "uploads cancel": Job(_begun, _cancel, (NotFoundError,)),
    "push manifest": Job(_blobs, _image),
    "push manifest over another": Job(_two_images, _other_image),
    "push index": Job(_children, _index),
    "push manifest with mounts": Job(_elsewhere, _mount),
    "push signed manifest": Job(_layer, _push_signed),
    "push signed manifest over another": Job(_older, _push_and_sign),
    "sign": Job(_signed, _sign),
    "tag": Job(_two_images, _move_tag),
    "untag": Job(_two_images, _untag, (NotFoundError,)),
    "rm": Job(_two_images, _remove, (NotFoundError,)),
}


def _storages(where: str, job: Job, directory: Path) -> Iterator[StorageDriver]:
    """Storages in which ``job`` is prepared, as many as are asked for."""
    prepared = directory / "prepared"
    if where == "filesystem":
        prepared.mkdir()
        job.prepare(fill(filesystem(prepared)))
    for number in itertools.count():
        if where == "filesystem":
            yield filesystem(Path(shutil.copytree(prepared, directory / str(number))))
        else:
            storage = objects() if where == "objects" else memory()
            job.prepare(fill(storage))
            yield storage


def _final(driver: StorageDriver) -> dict[str, bytes]:
    """What is in the tree, but for uploads that a death left, and for directories.

    What lies in the one upload that a job itself goes on with counts, and so do the directories of
    tags: each is a tag to a registry.
    """
    own, tags = upload_path(UPLOAD), PATHS.path(specs.Tags(NAME))
    return {
        path: content
        for path, content in snapshot(driver).items()
        if (not path.endswith("/") and "/_uploads/" not in path)
        or path.startswith((f"{own}/", tags))
        if path != f"{own}/"
    }


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory, in memory where that can be had: thousands of fsyncs are not the matter here."""
    memory = "/dev/shm"
    usable = os.path.isdir(memory) and os.access(memory, os.W_OK)
    with tempfile.TemporaryDirectory(dir=memory if usable else None) as path:
        yield Path(path)


@pytest.mark.parametrize(
    ("where", "torn"),
    [
        ("memory", False),
        ("memory", True),
        ("filesystem", False),
        ("objects", False),
        ("objects", True),
    ],
    ids=["memory", "memory-torn", "filesystem", "objects", "objects-torn"],
)
@pytest.mark.parametrize("name", JOBS)
def test_a_kill_at_any_step_leaves_a_sound_storage(
    name: str, where: str, torn: bool, directory: Path
) -> None:
    job = JOBS[name]
    storages = _storages(where, job, directory)
    undisturbed = next(storages)
    job.run(fill(undisturbed))
    assert_sound(undisturbed)
    wanted = _final(undisturbed)
    for at in itertools.count(1):
        storage = next(storages)
        failing = FailingDriver(storage, at, torn=torn)
        try:
            job.run(fill(failing))
        except Killed:
            assert_sound(storage)
        else:
            assert at > 1, "the job was to change something"
            break
        with contextlib.suppress(*job.done):
            job.run(fill(storage))
        assert_sound(storage)
        assert _final(storage) == wanted, f"killed at step {at}"


def test_what_a_push_relies_on_is_complete_after_every_kill() -> None:
    """Tags lead to whole images: also the blobs of what they name are linked, at any instant."""
    for at in itertools.count(1):
        storage = memory()
        try:
            push_image(fill(FailingDriver(storage, at)), INDEX)
        except Killed:
            repository = fill(storage)
            for tag in repository.tags.list():
                revision = named_by(repository, tag)
                if revision is None:
                    continue  # Its index was there, and the tag did not name anything yet.
                inventory = take_inventory(repository, repository.manifests.parse(revision))
                assert inventory.reasons == []
        else:
            break
    assert at > 50


@pytest.mark.parametrize("run", [_push_signed, _push_and_sign])
@pytest.mark.parametrize("prepare", [_layer, _older, _signed])
def test_no_tag_leads_to_a_manifest_without_its_signatures(
    prepare: Callable[[Repository], None], run: Callable[[Repository], None]
) -> None:
    for at in itertools.count(1):
        storage = memory()
        prepare(fill(storage))
        try:
            run(fill(FailingDriver(storage, at)))
        except Killed:
            pass
        else:
            break
        finally:
            repository = fill(storage)
            revision = named_by(repository, LATEST)
            if revision is not None:
                document = repository.signatures.document(
                    revision, repository.manifests.get(revision)
                )
                assert document is not None
                assert verify_push(document, str(NAME), str(LATEST)) == ()
    assert at > 5
