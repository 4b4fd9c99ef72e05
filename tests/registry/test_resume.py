"""Going on with uploads: proved by the saved state, without reading what is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict, cast

import pytest

from regctl.digest import sha256
from regctl.drivers.base import StorageDriver
from regctl.drivers.counting import CountingDriver
from regctl.errors import DigestMismatchError
from regctl.layout import RepositoryName, UploadId, specs
from regctl.registry.transfer import SourceChangedError, push_resumed
from regctl.registry.upload import ResumePoint
from tests.registry.storages import (
    NAME,
    PATHS,
    BytesSource,
    assert_sound,
    begun,
    data_path,
    digest_of,
    extract,
    fill,
    memory,
    no_progress,
    push,
    resume,
    settled,
    state_of,
    state_path,
    states,
    stored_data,
    uploads_of,
)
from tests.trees import unpack

VECTORS = Path(__file__).parent.parent / "vectors" / "hashstates"
CONTENT = bytes(range(250)) * 4
STORED = 900


class Upload(TypedDict):
    tar: str
    repository: str
    uuid: str
    data_size: int
    rest_hex: str
    full_sha256: str


UPLOADS = cast(list[Upload], json.loads((VECTORS / "uploads.json").read_text())["uploads"])


def begin(driver: StorageDriver, content: bytes = CONTENT[:STORED]) -> UploadId:
    """An upload of ``content`` that was left, with a state every 256 bytes and at the end."""
    return begun(fill(driver), content, 256)


def without_states(driver: StorageDriver, upload: UploadId, *keep: int) -> None:
    for offset in states(driver, upload) - set(keep):
        driver.delete(state_path(upload, offset))


def test_a_resumed_push_reads_nothing_of_what_is_stored(driver: StorageDriver) -> None:
    """Only the state is read; the writer's reads of the data would be counted."""
    upload = begin(driver)
    counting = CountingDriver(driver)
    pushed = resume(fill(counting).uploads.resume(upload), CONTENT)
    assert "read" not in counting.counts.requests
    assert counting.counts.bytes_read < STORED
    assert (pushed.size, pushed.resumed, pushed.written) == (1000, STORED, 100)
    assert pushed.digest == digest_of(CONTENT)
    assert driver.get(PATHS.path(specs.BlobData(pushed.digest)), 2000) == CONTENT


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_a_resumed_push_by_another_digest(driver: StorageDriver, algorithm: str) -> None:
    upload = begin(driver)
    counting = CountingDriver(driver)
    alias = digest_of(CONTENT, algorithm)
    assert resume(fill(counting).uploads.resume(upload), CONTENT, alias).digest == alias
    assert "read" not in counting.counts.requests
    assert fill(driver).layers.get(alias).canonical == digest_of(CONTENT)


def test_data_beyond_the_newest_state_is_cut_back(driver: StorageDriver) -> None:
    """What a lost process wrote after its last state is not known to be right."""
    upload = begin(driver)
    with driver.writer(data_path(upload), append=True) as writer:
        writer.write(b"torn" * 10)
    pushed = resume(fill(driver).uploads.resume(upload), CONTENT)
    assert (pushed.resumed, pushed.written) == (STORED, 100)
    assert fill(driver).layers.exists(digest_of(CONTENT))


def test_states_beyond_the_data_are_removed(driver: StorageDriver) -> None:
    """A registry would trust such a state once the data has just that size: the upload was lost."""
    upload = begin(driver)
    with driver.writer(data_path(upload), append=True) as writer:
        writer.truncate(600)
    opened = uploads_of(fill(driver), 1 << 20).resume(upload)
    with opened:
        assert opened.resume_point().offset == 512
        hashed = sha256.ResumableSHA256()
        hashed.update(CONTENT[:512])
        _, others = opened.hash_stored(limit=0)
        opened.seek(hashed, others)
        assert states(driver, upload) == {0, 256, 512}
        assert opened.size == 512
        assert_sound(driver)
    resume(fill(driver).uploads.resume(upload), CONTENT)
    assert_sound(driver)


GOB = bytes.fromhex("0cff810201")
BAD_STATES = {
    "empty": b"",
    "short": state_of(CONTENT[:STORED])[:-1],
    "long": state_of(CONTENT[:STORED]) + b"\n",
    "gob": GOB * 32,
    "too large": b"x" * 5000,
    "other magic": b"sha\x02" + state_of(CONTENT[:STORED])[4:],
    "of another offset": state_of(CONTENT[: STORED - 1]),
}


@pytest.mark.parametrize("name", BAD_STATES)
def test_a_state_that_is_none_is_passed_over(driver: StorageDriver, name: str) -> None:
    upload = begin(driver)
    driver.put(state_path(upload, STORED), BAD_STATES[name])
    driver.put(state_path(upload, 0).rpartition("/")[0] + "/README", b"not an offset")
    with fill(driver).uploads.resume(upload) as opened:
        assert opened.resume_point().offset == 768
    counting = CountingDriver(driver)
    pushed = resume(fill(counting).uploads.resume(upload), CONTENT)
    assert "read" not in counting.counts.requests
    assert (pushed.resumed, pushed.written) == (768, 232)
    assert fill(driver).layers.exists(digest_of(CONTENT))


def test_a_wrong_state_of_the_right_form_is_overruled_by_the_data(driver: StorageDriver) -> None:
    """A registry that found no state at the data's size saves one of just what it added."""
    upload = begin(driver)
    wrong = state_of(b"x" * STORED)
    driver.put(state_path(upload, STORED), wrong)
    pushed = resume(fill(driver).uploads.resume(upload), CONTENT)
    assert (pushed.resumed, pushed.written) == (STORED, 100)
    assert_sound(driver)


def test_a_wrong_state_at_the_datas_size_is_gone_once_resumed(driver: StorageDriver) -> None:
    """Where it stays, every registry refuses the upload for ever with DIGEST_INVALID."""
    upload = begin(driver)
    driver.put(state_path(upload, STORED), state_of(b"x" * STORED))
    opened = fill(driver).uploads.resume(upload)
    with pytest.raises(SourceChangedError), opened:
        push_resumed(opened, _Shrunk(CONTENT[:STORED]), expected=None, progress=no_progress)
    assert_sound(driver)
    assert STORED in states(driver, upload)


class _Shrunk(BytesSource):
    """A source that says at its end that it has changed."""

    def check_unchanged(self, count: int) -> None:
        raise SourceChangedError(f"changed after {count}")


def test_slack_in_a_registrys_state_does_not_matter(driver: StorageDriver) -> None:
    """The unused part of the block buffer is ignored, as in Go, and may hold stale bytes."""
    upload = begin(driver)
    state = bytearray(state_of(CONTENT[:STORED]))
    used = STORED % 64
    state[36 + used : 100] = b"\xee" * (64 - used)
    driver.put(state_path(upload, STORED), bytes(state))
    counting = CountingDriver(driver)
    assert resume(fill(counting).uploads.resume(upload), CONTENT).resumed == STORED
    assert "read" not in counting.counts.requests


def test_without_a_state_the_stored_bytes_are_read(driver: StorageDriver) -> None:
    upload = begin(driver)
    without_states(driver, upload)
    counting = CountingDriver(driver)
    pushed = resume(fill(counting).uploads.resume(upload), CONTENT)
    assert STORED <= counting.counts.bytes_read < STORED + 500
    assert (pushed.resumed, pushed.written) == (STORED, 100)


def test_without_libcrypto_the_stored_bytes_are_read(
    driver: StorageDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = begin(driver)
    monkeypatch.setattr(sha256, "_library", lambda: None)
    counting = CountingDriver(driver)
    pushed = resume(fill(counting).uploads.resume(upload), CONTENT)
    assert counting.counts.requests["read"] == 1
    assert (pushed.resumed, pushed.written) == (STORED, 100)
    assert push(fill(driver), b"another").digest == digest_of(b"another")


@pytest.mark.parametrize("with_state", [True, False], ids=["by state", "by reading"])
@pytest.mark.parametrize(
    "content",
    [b"", CONTENT[: STORED - 1], b"x" + CONTENT[1:], CONTENT[:899] + b"x" + CONTENT[900:]],
    ids=["empty", "too short", "other first byte", "other last byte"],
)
def test_another_file_changes_nothing(
    driver: StorageDriver, content: bytes, with_state: bool
) -> None:
    upload = begin(driver)
    if not with_state:
        without_states(driver, upload, 0)
    before = settled(driver)
    with pytest.raises(DigestMismatchError, match="nothing was changed") as caught:
        resume(fill(driver).uploads.resume(upload), content)
    assert f"uploads cancel {NAME} {upload}" in (caught.value.hint or "")
    assert settled(driver) == before
    assert stored_data(driver, data_path(upload)) == CONTENT[:STORED]


def test_a_wrong_digest_after_a_good_proof_keeps_the_upload(driver: StorageDriver) -> None:
    """The upload was not begun by this command: what it holds stays, and can be taken up."""
    upload = begin(driver)
    with pytest.raises(DigestMismatchError):
        resume(fill(driver).uploads.resume(upload), CONTENT, digest_of(b"something else"))
    assert_sound(driver)
    (info,) = fill(driver).uploads.list()
    assert (info.id, info.size) == (upload, 1000)
    assert not fill(driver).layers.exists(digest_of(CONTENT))
    pushed = resume(fill(driver).uploads.resume(upload), CONTENT, digest_of(CONTENT))
    assert (pushed.resumed, pushed.written) == (1000, 0)


def test_a_whole_upload_needs_nothing_written(driver: StorageDriver) -> None:
    upload = begin(driver, CONTENT)
    counting = CountingDriver(driver)
    pushed = resume(fill(counting).uploads.resume(upload), CONTENT)
    assert (pushed.resumed, pushed.written) == (1000, 0)
    assert "write" not in counting.counts.requests


@pytest.mark.parametrize("seen", [950, 1050])
def test_a_source_that_changed_is_not_finished(driver: StorageDriver, seen: int) -> None:
    class Changing(BytesSource):
        def check_unchanged(self, count: int) -> None:
            if count != seen:
                raise SourceChangedError(f"{count}, not {seen}")

    upload = begin(driver)
    opened = fill(driver).uploads.resume(upload)
    with pytest.raises(SourceChangedError), opened:
        push_resumed(opened, Changing(CONTENT), expected=None, progress=no_progress)
    assert_sound(driver)
    assert not fill(driver).layers.exists(digest_of(CONTENT))


@pytest.mark.parametrize("case", UPLOADS, ids=lambda case: case["tar"].removeprefix("uploads/"))
def test_uploads_that_registries_left_are_completed(driver: StorageDriver, case: Upload) -> None:
    """2.8.2 and 3.x wrote the data and the states; nothing of the data is read again."""
    name = RepositoryName.parse(case["repository"])
    extract(VECTORS / case["tar"], driver)
    upload = UploadId.parse(case["uuid"])
    stored = driver.get(PATHS.path(specs.UploadData(name, upload)), 1 << 20)
    assert len(stored) == case["data_size"]
    assert_sound(driver)
    content = stored + bytes.fromhex(case["rest_hex"])
    counting = CountingDriver(driver)
    pushed = resume(fill(counting, name).uploads.resume(upload, offset=len(stored)), content)
    assert str(pushed.digest) == case["full_sha256"]
    assert pushed.resumed == case["data_size"]
    assert "read" not in counting.counts.requests
    assert list(fill(driver, name).uploads.list()) == []


@pytest.mark.parametrize("tree", ["old-2.0.0", "old-2.4.1"])
def test_uploads_with_gob_states_are_completed(tree: str, tmp_path: Path) -> None:
    """Registries 2.0 to 2.6 saved gob streams, which nobody reads any more: hash again."""
    driver = memory()
    name = RepositoryName.parse("legacy/uploading")
    root = unpack(tree, tmp_path).root
    for path in sorted(root.glob(f"docker/registry/v2/repositories/{name}/**/*")):
        if path.is_file():
            driver.put(f"/{path.relative_to(root)}", path.read_bytes())
    (info,) = fill(driver, name).uploads.list()
    assert info.problem is None
    opened = fill(driver, name).uploads.resume(info.id)
    assert opened.resume_point() == ResumePoint(info.size, None)
    try:
        data = driver.get(PATHS.path(specs.UploadData(name, info.id)), 1000)
    finally:
        opened.close()
    counting = CountingDriver(driver)
    pushed = resume(fill(counting, name).uploads.resume(info.id), data + b"the rest")
    assert (pushed.resumed, pushed.written) == (info.size, 8)
    assert counting.counts.requests.get("read", 0) == (1 if info.size else 0)
    assert fill(driver, name).layers.exists(digest_of(data + b"the rest"))
