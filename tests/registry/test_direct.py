"""Sending a file to its content address at once."""

from __future__ import annotations

import itertools

import pytest

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.errors import DamagedError, DigestMismatchError, InputFileError
from regctl.registry import Repository
from regctl.registry.direct import WHOLE_BYTES, digests_of, push_direct
from regctl.registry.transfer import PushedLayer, SourceChangedError
from tests.failing import FailingDriver, Killed
from tests.registry.storages import (
    BytesSource,
    assert_sound,
    blob_path,
    digest_of,
    fill,
    no_progress,
    objects,
    push,
    snapshot,
)

SMALL = b"a small layer"
LARGE = bytes(range(256)) * ((WHOLE_BYTES + (3 << 20)) // 256) + b"the end"


def send(
    repository: Repository,
    content: bytes,
    *,
    expected: Digest | None = None,
    keep: bool = True,
    then: bytes | None = None,
) -> PushedLayer | None:
    """Push ``content`` directly; ``then`` is what the file holds once it was hashed."""
    source = BytesSource(content)
    canonical, digest = digests_of(source, expected, no_progress)
    if then is not None:
        source = BytesSource(then)
    return push_direct(repository, source, canonical, digest, keep=keep, progress=no_progress)


@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
def test_content_is_sent_to_its_place(repository: Repository, content: bytes) -> None:
    pushed = send(repository, content)
    assert pushed is not None
    assert (pushed.digest, pushed.size, pushed.written) == (
        digest_of(content),
        len(content),
        len(content),
    )
    assert not pushed.existed
    assert repository.driver.get(blob_path(pushed.digest), 1 << 30) == content
    assert repository.layers.get(pushed.digest).size == len(content)
    assert_sound(repository.driver)
    assert not list(repository.driver.unfinished("/"))


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_what_is_there_is_linked(
    driver: StorageDriver, repository: Repository, content: bytes
) -> None:
    push(fill(driver, "other/place"), content)
    pushed = send(repository, content, expected=digest_of(content, "sha512"))
    assert pushed is not None
    assert pushed.existed
    assert pushed.written == 0
    assert repository.layers.resolve(digest_of(content, "sha512")) == digest_of(content)


def test_another_digest_is_refused(repository: Repository) -> None:
    before = snapshot(repository.driver)
    with pytest.raises(DigestMismatchError, match="the content"):
        send(repository, SMALL, expected=digest_of(b"something else"))
    assert snapshot(repository.driver) == before


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("change", ["other", "shorter", "longer"])
def test_a_file_that_changes_after_it_was_hashed_is_refused(
    repository: Repository, content: bytes, change: str
) -> None:
    """Nothing becomes visible unverified, and nothing of it is kept."""
    then = {
        "other": b"!" + content[1:],
        "shorter": content[:-1],
        "longer": content + b"!",
    }[change]
    with pytest.raises(SourceChangedError):
        send(repository, content, then=then)
    assert not snapshot(repository.driver)
    assert not list(repository.driver.unfinished("/"))


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_a_stored_blob_of_another_size_is_damage(repository: Repository, content: bytes) -> None:
    path = blob_path(digest_of(content))
    repository.driver.put(path, content[:-1])
    with pytest.raises(DamagedError, match="bytes"):
        send(repository, content)
    assert repository.driver.get(path, 1 << 30) == content[:-1]


def test_what_was_sent_is_gone_on_with(driver: StorageDriver, repository: Repository) -> None:
    with driver.writer(blob_path(digest_of(LARGE)), append=True, sealed=True) as writer:
        writer.write(LARGE[: 6 << 20])
    pushed = send(repository, LARGE)
    assert pushed is not None
    assert (pushed.resumed, pushed.written) == (6 << 20, len(LARGE) - (6 << 20))
    assert driver.get(blob_path(pushed.digest), 1 << 30) == LARGE


@pytest.mark.parametrize("kept", [b"?" + LARGE[1 : 6 << 20], LARGE + b"!"], ids=["other", "longer"])
def test_what_was_sent_and_is_something_else_is_dropped(
    driver: StorageDriver, repository: Repository, kept: bytes
) -> None:
    with driver.writer(blob_path(digest_of(LARGE)), append=True, sealed=True) as writer:
        writer.write(kept)
    pushed = send(repository, LARGE)
    assert pushed is not None
    assert (pushed.resumed, pushed.written) == (0, len(LARGE))
    assert driver.get(blob_path(pushed.digest), 1 << 30) == LARGE


def test_two_do_not_send_the_same(driver: StorageDriver, repository: Repository) -> None:
    with driver.writer(blob_path(digest_of(LARGE)), sealed=True) as writer:
        assert send(repository, LARGE) is None
        writer.write(LARGE)
        writer.commit()
    pushed = send(repository, LARGE)
    assert pushed is not None
    assert pushed.existed


def test_a_source_without_a_size_is_not_sent(repository: Repository) -> None:
    source = BytesSource(SMALL, sized=False)
    digest = digest_of(SMALL)
    assert push_direct(repository, source, digest, digest, progress=no_progress) is None


class Unreadable(BytesSource):
    """A source that cannot be read beyond 6 MiB."""

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        if self.read >= 6 << 20:
            raise InputFileError("cannot read it")
        return super().readinto(buffer)


@pytest.mark.parametrize("keep", [True, False])
def test_what_a_failure_leaves(driver: StorageDriver, repository: Repository, keep: bool) -> None:
    """What was sent stays for the next run, if that is wanted; none of it is visible."""
    digest = digest_of(LARGE)
    with pytest.raises(InputFileError):
        push_direct(repository, Unreadable(LARGE), digest, digest, keep=keep, progress=no_progress)
    assert not snapshot(driver)
    assert [(entry.path, entry.size) for entry in driver.unfinished("/")] == (
        [(blob_path(digest), 6 << 20)] if keep else []
    )


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_a_kill_at_any_step_leaves_what_can_be_finished(content: bytes) -> None:
    for at in itertools.count(1):
        storage = objects()
        try:
            send(fill(FailingDriver(storage, at)), content)
        except Killed:
            assert_sound(storage)
        else:
            break
        pushed = send(fill(storage), content)
        assert pushed is not None
        assert_sound(storage)
        assert storage.get(blob_path(pushed.digest), 1 << 30) == content
        assert not list(storage.unfinished("/"))
    assert at > 2


def test_a_blob_that_goes_while_it_is_linked_is_sent_again(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector may take a blob between the look at it and the link that keeps it."""
    push(fill(repository.driver, "other/place"), SMALL)
    link = repository.layers.link

    def collected_first(canonical: Digest, *aliases: Digest | None) -> None:
        monkeypatch.setattr(repository.layers, "link", link)
        link(canonical, *aliases)
        repository.driver.delete(blob_path(canonical))

    monkeypatch.setattr(repository.layers, "link", collected_first)
    pushed = send(repository, SMALL)
    assert pushed is not None
    assert not pushed.existed
    assert repository.driver.get(blob_path(digest_of(SMALL)), 99) == SMALL
