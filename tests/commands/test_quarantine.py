"""quarantine: what a live collection put aside, listed, restored and purged."""

from __future__ import annotations

import time

import pytest

from tests.commands.conftest import push
from tests.commands.handles import Storage
from tests.commands.running import check_refusal, regctl
from tests.images import build_image

LIVE = (
    "gc",
    "--untagged",
    "--settle=0",
    "--grace=0",
    "--max-delete=100%",
    "--tags-are-complete",
    "--no-uploads",
    "--yes",
    "--format=json",
)
LOST = build_image(7)


@pytest.fixture
def collected(filled: Storage) -> Storage:
    """A storage in which ``other:gone`` was put into quarantine."""
    push(filled, "other:gone", LOST)
    assert regctl("untag", "other:gone", "--yes", storage=filled).code == 0
    end = time.monotonic() + 15
    while not quarantined(filled):
        assert time.monotonic() < end, "nothing is put aside"
        assert regctl(*LIVE, storage=filled).code == 0
    return filled


def quarantined(storage: Storage) -> list[str]:
    return [path for path in storage.files() if path.startswith("regctl/quarantine/")]


def run_of(storage: Storage) -> str:
    (row,) = regctl("quarantine", "--format=json", storage=storage).rows
    run: str = row["run"]
    return run


def test_the_runs_are_listed_with_their_bytes(collected: Storage) -> None:
    (row,) = regctl("quarantine", "list", "--format=json", storage=collected).rows
    assert row["things"] == len(quarantined(collected))
    links = 71 * (len(LOST.blobs) + 1)
    assert row["bytes"] == sum(blob.size for blob in LOST.content) + links
    line = f"{row['run']} {row['began']} {row['things']} {row['bytes']}"
    assert regctl("quarantine", storage=collected).lines == [line]


def test_restored_it_can_be_tagged_and_pulled(collected: Storage) -> None:
    run = run_of(collected)
    refused = regctl("quarantine", "restore", run, storage=collected)
    check_refusal(refused, 2, "'Proceed?' needs an answer")
    assert regctl("quarantine", "restore", run, "--dry-run", storage=collected).code == 0
    done = regctl("quarantine", "restore", run, "--yes", "--format=json", storage=collected)
    assert (done.code, done.json["restored"]) == (0, len(LOST.content) + len(LOST.blobs) + 1)
    assert quarantined(collected) == []
    assert regctl("tag", f"other@{LOST.digest}", "back", storage=collected).code == 0
    assert regctl("inspect", "other:back", storage=collected).code == 0
    gone = regctl("quarantine", "restore", run, "--yes", storage=collected)
    check_refusal(gone, 3, "nothing of the run")


def test_what_is_old_enough_is_purged(collected: Storage) -> None:
    young = regctl("quarantine", "purge", "--older-than=1h", "--format=json", storage=collected)
    assert (young.code, young.json["removed"]) == (0, 0)
    assert quarantined(collected)
    count = len(quarantined(collected))
    done = regctl(
        "quarantine", "purge", "--older-than=0", "--yes", "--format=json", storage=collected
    )
    assert (done.code, done.json["removed"], done.json["restored"]) == (0, count, 0)
    assert done.json["freed_bytes"] >= sum(blob.size for blob in LOST.content)
    assert quarantined(collected) == []
    for reference in ("app:v1", "team/multi:latest"):
        assert regctl("inspect", reference, storage=collected).code == 0


def test_what_is_needed_again_is_put_back_before_a_purge(collected: Storage) -> None:
    """As a registry with a cache does, which takes a manifest without its layers."""
    content = str(LOST.digest)
    other = "docker/registry/v2/repositories/other/_manifests"
    collected.write(f"{other}/revisions/sha256/{LOST.digest.hex}/link", content)
    collected.write(f"{other}/tags/back/current/link", content)
    collected.write(f"{other}/tags/back/index/sha256/{LOST.digest.hex}/link", content)
    done = regctl(
        "quarantine", "purge", "--older-than=0", "--yes", "--format=json", storage=collected
    )
    assert done.code == 0, done.err
    assert done.json["restored"] == len(LOST.content) + len(LOST.blobs)
    assert quarantined(collected) == []
    assert regctl("inspect", "other:back", storage=collected).code == 0


def test_names_that_are_none(storage: Storage) -> None:
    check_refusal(regctl("quarantine", "restore", "x", storage=storage), 2, "not the name of a run")
    assert regctl("quarantine", storage=storage).lines == []
