"""tag, untag, rm, history and rollback."""

from __future__ import annotations

import os

import pytest

from tests import images
from tests.commands.conftest import push, snapshot
from tests.commands.handles import Storage, in_repository
from tests.commands.running import Result, check_refusal, regctl
from tests.images import Image, Index

NONE = "sha256:" + "0" * 64


@pytest.fixture
def moved(filled: Storage, image: Image) -> tuple[Storage, Image, Image]:
    """A storage whose ``app:v1`` was moved, and what it named first and last."""
    second = images.build_image(7)
    push(filled, "app:v1", second)
    return filled, image, second


def run(storage: Storage, *arguments: str) -> Result:
    return regctl(*arguments, storage=storage)


def test_tag_a_revision(filled: Storage, image: Image) -> None:
    """A new tag loses nothing, and needs no yes."""
    result = run(filled, "tag", "app:v1", "latest")
    assert (result.code, result.out) == (0, f"{image.digest}\n")
    data = run(filled, "tag", f"app@{image.digest}", "other", "--format=json")
    assert data.json == {
        "repository": "app",
        "tag": "other",
        "digest": str(image.digest),
        "before": None,
    }
    assert run(filled, "ls", "app").lines == ["latest", "other", "v1"]
    again = run(filled, "tag", "app:v1", "latest")
    assert (again.code, again.err) == (0, f"app:latest names {image.digest} already\n")


def test_moving_a_tag_needs_a_yes(moved: tuple[Storage, Image, Image]) -> None:
    storage, first, second = moved
    reference = f"app@{first.digest}"
    before = snapshot(storage)
    refused = run(storage, "tag", reference, "v1")
    check_refusal(refused, 2, "'Proceed?' needs an answer, and this is no terminal", hint="--yes")
    dry = run(storage, "tag", reference, "v1", "--dry-run")
    assert dry.lines[0] == f"make app:v1 name {first.digest}"
    assert snapshot(storage) == before
    done = run(storage, "tag", reference, "v1", "--yes")
    assert (done.code, done.out) == (0, f"{first.digest}\n")
    assert f"storage: {storage.described} (from --storage)" in done.err
    assert f"it names {second.digest} now" in done.err


def test_an_incomplete_manifest_gets_no_tag(filled: Storage, image: Image) -> None:
    value = image.layers[0].digest.hex
    filled.remove(in_repository("app", f"_layers/sha256/{value}/link"))
    before = snapshot(filled)
    check_refusal(run(filled, "tag", "app:v1", "new"), 5, value)
    assert snapshot(filled) == before


def test_tag_finds_nothing(filled: Storage) -> None:
    check_refusal(run(filled, "tag", "app:no", "x"), 3, "no tag no")
    check_refusal(run(filled, "tag", f"app@{NONE}", "x"), 3, NONE)
    check_refusal(run(filled, "tag", "app", "x"), 2, "names no manifest")
    check_refusal(run(filled, "tag", "app:v1", "-x"), 2, "-x")
    check_refusal(run(filled, "tag", "app:v1", "a/b"), 2, "'a/b' is not a tag")


def test_untag(moved: tuple[Storage, Image, Image]) -> None:
    storage, first, second = moved
    before = snapshot(storage)
    check_refusal(run(storage, "untag", "app:v1"), 2, "--yes")
    dry = run(storage, "untag", "app:v1", "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert dry.lines[0] == ("remove the tag app:v1 and the 2 revisions of its history from it")
    data = run(storage, "untag", "app:v1", "--dry-run", "--format=json")
    assert data.json == {"dry_run": True, "plan": dry.lines}
    assert snapshot(storage) == before
    done = run(storage, "untag", "app:v1", "--yes", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert run(storage, "ls", "app").lines == []
    for image in (first, second):
        assert run(storage, "pull-manifest", f"app@{image.digest}").code == 0
    check_refusal(run(storage, "untag", "app:v1", "--yes"), 3, "no tag v1")
    check_refusal(run(storage, "untag", "app", "--yes"), 2, "names no tag")
    check_refusal(run(storage, "untag", "none:v1", "--yes"), 3, "no repository none")


def test_untag_in_json(filled: Storage) -> None:
    result = run(filled, "untag", "app:v1", "--yes", "--format=json")
    assert result.json == {"repository": "app", "tag": "v1"}


def test_rm_of_what_a_tag_needs_is_refused(moved: tuple[Storage, Image, Image]) -> None:
    storage, _, second = moved
    before = snapshot(storage)
    for options in ([], ["--yes"], ["--dry-run"]):
        refused = run(storage, "rm", f"app@{second.digest}", *options)
        check_refusal(refused, 6, "needed by the tag v1", hint="--force")
    assert snapshot(storage) == before
    forced = run(storage, "rm", f"app@{second.digest}", "--force", "--yes")
    assert forced.code == 0, forced.err
    assert "remove the tag app:v1, which names it" in forced.err
    assert run(storage, "ls", "app").lines == []


def test_rm_of_an_old_revision(moved: tuple[Storage, Image, Image]) -> None:
    storage, first, second = moved
    reference = f"app@{first.digest}"
    dry = run(storage, "rm", reference, "--dry-run")
    assert dry.lines == [
        f"remove the manifest {reference}",
        "remove it from the history of app:v1",
    ]
    done = run(storage, "rm", reference, "--yes", "--format=json")
    assert done.json == {"repository": "app", "digest": str(first.digest), "tags": []}
    check_refusal(run(storage, "rm", reference, "--yes"), 3, str(first.digest))
    assert run(storage, "inspect", "app:v1").code == 0
    assert [line.split()[0] for line in run(storage, "history", "app:v1").lines] == [
        str(second.digest)
    ]
    # Blobs are left to the collector.
    assert run(storage, "pull-layer", "app", str(first.layers[0].digest)).code == 0


def test_rm_of_a_child_is_refused(filled: Storage, index: Index) -> None:
    child = index.images[0].digest
    refused = run(filled, "rm", f"team/multi@{child}", "--yes")
    check_refusal(refused, 6, f"the index {index.digest}")


def test_rm_takes_a_digest(filled: Storage) -> None:
    check_refusal(run(filled, "rm", "app:v1", "--yes"), 2, "names no digest", hint="untag")
    check_refusal(run(filled, "rm", f"app@{NONE}", "--yes"), 3, NONE)


def test_history_and_rollback(moved: tuple[Storage, Image, Image]) -> None:
    storage, first, second = moved
    lines = [line.split() for line in run(storage, "history", "app:v1").lines]
    assert [line[0] for line in lines] == [str(second.digest), str(first.digest)]
    assert lines[0][2:] == ["current"]
    rows = run(storage, "history", "app:v1", "--format=json").rows
    assert list(rows[1]) == ["digest", "linked_at", "current", "unordered", "missing"]
    assert rows[1]["linked_at"].endswith("Z")
    before = snapshot(storage)
    check_refusal(run(storage, "rollback", "app:v1", str(first.digest)), 2, "--yes")
    dry = run(storage, "rollback", "app:v1", str(first.digest), "--dry-run")
    assert dry.lines[1] == f"it names {second.digest} now"
    assert snapshot(storage) == before
    done = run(storage, "rollback", "app:v1", str(first.digest), "--yes", "--format=json")
    assert done.json == {
        "repository": "app",
        "tag": "v1",
        "digest": str(first.digest),
        "before": str(second.digest),
    }
    assert run(storage, "pull-manifest", "app:v1").stdout == first.manifest.content
    lines = [line.split() for line in run(storage, "history", "app:v1").lines]
    assert [line[0] for line in lines] == [str(first.digest), str(second.digest)]


def test_history_marks_what_is_gone_and_what_is_equal(moved: tuple[Storage, Image, Image]) -> None:
    """Equal times have no order: they are marked, never guessed."""
    storage, first, second = moved
    third = images.build_image(8)
    push(storage, "app:v1", third)
    tag = storage.directory / "docker/registry/v2/repositories/app/_manifests/tags/v1"
    for link in tag.glob("index/sha256/*/link"):
        os.utime(link, (1_000_000_000, 1_000_000_000))
    revisions = (
        storage.directory / "docker/registry/v2/repositories/app/_manifests/revisions/sha256"
    )
    (revisions / first.digest.hex / "link").unlink()
    lines = run(storage, "history", "app:v1").lines
    time = "2001-09-09T01:46:40Z"
    assert lines[0] == f"{third.digest} {time} current"
    assert set(lines[1:]) == {
        f"{second.digest} {time} unordered",
        f"{first.digest} {time} unordered missing",
    }
    check_refusal(
        run(storage, "rollback", "app:v1", str(first.digest), "--yes"), 3, str(first.digest)
    )


def test_rollback_takes_only_what_the_tag_named(
    filled: Storage, index: Index, image: Image
) -> None:
    refused = run(filled, "rollback", "app:v1", NONE, "--yes")
    check_refusal(refused, 3, f"never named {NONE}", hint="regctl history app:v1")
    check_refusal(run(filled, "rollback", "app:no", NONE, "--yes"), 3, "app:no")
    check_refusal(run(filled, "history", "app:no"), 3, "no tag no")
    check_refusal(run(filled, "history", "app"), 2, "names no tag")


@pytest.mark.parametrize("content", ["", "garbage", "sha256:12", NONE + "\n"])
def test_a_damaged_tag_is_mended_by_rollback(filled: Storage, image: Image, content: str) -> None:
    filled.write(in_repository("app", "_manifests/tags/v1/current/link"), content)
    check_refusal(run(filled, "inspect", "app:v1"), 5, "tags/v1/current/link")
    history = run(filled, "history", "app:v1")
    assert history.code == 1
    assert history.lines[0].startswith(f"{image.digest} ")
    assert run(filled, "ls", "app").lines == ["v1"]
    assert run(filled, "rollback", "app:v1", str(image.digest), "--yes").code == 0
    assert run(filled, "inspect", "app:v1").code == 0
