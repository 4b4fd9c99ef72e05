"""gc: uploads, garbage offline and live, refusals, and what is said."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests import images
from tests.commands.conftest import push, snapshot
from tests.commands.handles import Directory, Storage, in_repository
from tests.commands.running import Result, check_refusal, regctl
from tests.images import Image, Index

#: Everything may go at once.
NOW = ("--grace=0", "--max-delete=100%", "--tags-are-complete")
OFFLINE = ("gc", "--untagged", "--offline", *NOW)
LIVE = ("gc", "--untagged", "--settle=0", *NOW)
CONFIG = "version: 0.1\nstorage: {{{cache}filesystem: {{rootdirectory: {root}}}}}\n"


def run(storage: Storage, *arguments: str, **environ: str) -> Result:
    return regctl(*arguments, storage=storage, environ=environ)


def content_of(result: Result) -> dict[str, object]:
    assert result.code == 0, result.err
    found: dict[str, object] = result.json["content"]
    return found


def untag(storage: Storage) -> None:
    """Take the tag of ``other:gone`` away, and wait until a clock of whole seconds has gone on."""
    assert run(storage, "untag", "other:gone", "--yes").code == 0
    end = time.monotonic() + 10
    dry = ("gc", "--untagged", "--dry-run", *NOW, "--format=json")
    while run(storage, *dry).json["content"]["young"]:
        assert time.monotonic() < end, "nothing gets old"


def registry_files(storage: Storage) -> set[str]:
    """The files of the registry's tree, without regctl's own."""
    return {path for path in storage.files() if path.startswith("docker/")}


def content_files(storage: Storage) -> set[str]:
    return {path for path in registry_files(storage) if "/_uploads/" not in path}


def test_offline_what_no_tag_names_goes_for_good(filled: Storage, image: Image) -> None:
    kept = content_files(filled)
    push(filled, "other:gone", images.build_image(7))
    untag(filled)
    result = run(filled, *OFFLINE, "--yes", "--format=json")
    content = content_of(result)
    assert (content["offline"], content["quarantine"]) == (True, False)
    assert content["gone"] == content["garbage"]
    assert isinstance(content["gone"], dict)
    assert content["gone"]["revision"] == 1
    assert result.json["freed_bytes"] == content["garbage_bytes"] != 0
    assert content_files(filled) == kept
    assert content["gains"] == [{"repository": "other", "bytes": content["garbage_bytes"]}]
    assert run(filled, "inspect", "app:v1").code == 0
    assert run(filled, "inspect", "team/multi:latest").code == 0
    again = content_of(run(filled, *OFFLINE, "--yes", "--format=json"))
    assert set(again["garbage"].values()) == {0}  # type: ignore[attr-defined]


def test_live_a_first_run_notes_and_a_second_puts_into_quarantine(filled: Storage) -> None:
    kept = content_files(filled)
    push(filled, "other:gone", images.build_image(7))
    untag(filled)
    before = registry_files(filled)
    first = content_of(run(filled, *LIVE, "--format=json"))
    assert first["condemned"] == sum(first["garbage"].values())  # type: ignore[attr-defined]
    assert registry_files(filled) == before
    end = time.monotonic() + 10
    while (refused := run(filled, *LIVE)).code == 0:
        assert time.monotonic() < end, "nothing settles"
    check_refusal(refused, 2, "'Proceed?' needs an answer", hint="--yes")
    # A clock of whole seconds may be asked twice within one, and a run that finds the list too
    # young by it notes everything once more.
    while not content_of(second := run(filled, *LIVE, "--yes", "--format=json"))["gone_bytes"]:
        assert time.monotonic() < end, "nothing goes"
    assert content_of(second)["gone"] == first["garbage"]
    assert second.json["freed_bytes"] == 0
    assert content_files(filled) == kept
    asides = {path for path in filled.files() if path.startswith("regctl/quarantine/")}
    assert {path.split("/", 3)[3] for path in asides} == {
        path for path in before if path not in kept and "/_uploads/" not in path
    }


def test_empty_repositories_disappear(filled: Storage) -> None:
    assert isinstance(filled, Directory)
    push(filled, "other:gone", images.build_image(7))
    push(filled, "app/below:kept", images.build_image(8))
    untag(filled)
    dry = content_of(run(filled, *OFFLINE, "--empty-repos", "--dry-run", "--format=json"))
    assert dry["empty_repositories"] == ["other"]
    assert content_of(run(filled, *OFFLINE, "--yes", "--format=json"))["empty_repositories"] == []
    assert "other" in run(filled, "ls").lines
    done = content_of(run(filled, *OFFLINE, "--empty-repos", "--yes", "--format=json"))
    assert done["empty_repositories"] == ["other"]
    assert run(filled, "ls").lines == ["app", "app/below", "team/multi"]
    assert run(filled, "inspect", "app/below:kept").code == 0


def test_without_a_tag_and_without_untagged_it_stays(filled: Storage, image: Image) -> None:
    before = content_files(filled)
    run(filled, "untag", "app:v1", "--yes")
    result = run(filled, "gc", "--blobs", "--offline", "--grace=0", "--yes", "--format=json")
    assert set(content_of(result)["garbage"].values()) == {0}  # type: ignore[attr-defined]
    tag = in_repository("app", "_manifests/tags/")
    assert {path for path in before if tag not in path} <= content_files(filled)


def test_what_is_young_stays(filled: Storage) -> None:
    push(filled, "other:gone", images.build_image(7))
    untag(filled)
    result = run(filled, "gc", "--untagged", "--offline", "--tags-are-complete", "--format=json")
    content = content_of(result)
    assert set(content["garbage"].values()) == {0}  # type: ignore[attr-defined]
    assert content["young"] == 1


def test_a_dry_run_changes_nothing_and_names_all(filled: Storage) -> None:
    push(filled, "other:gone", images.build_image(7))
    untag(filled)
    before = filled.snapshot()
    text = run(filled, *OFFLINE, "--dry-run", "--verbose")
    assert text.code == 0
    assert any(line.startswith("revision other sha256:") for line in text.lines)
    data = run(filled, *OFFLINE, "--dry-run", "--verbose", "--format=json").json
    assert (data["run"], data["dry_run"], data["freed_bytes"]) == (None, True, 0)
    assert {each["kind"] for each in data["things"]} == {"revision", "layer-link", "blob"}
    after = filled.snapshot()
    assert {path for path in after if path not in before} <= {"regctl", "regctl/tmp"}


def test_stale_uploads_go_alone(filled: Storage) -> None:
    before = content_files(filled)
    started = run(filled, "push-layer", "app", "-", "--digest", f"sha256:{'0' * 64}")
    assert started.code == 4
    upload = in_repository("app", "_uploads/2f1f5e7a-7d0c-4c0e-9d2b-0f6a7f1d9c11")
    filled.write(f"{upload}/startedat", "2020-01-02T03:04:05Z")
    filled.leave(f"{upload}/data", b"some bytes")
    young = run(filled, "gc", "--yes", "--format=json").json
    assert (young["uploads"]["stale"], young["uploads"]["young"]) == (0, 1)
    assert young["content"] is None
    done = run(filled, "gc", "--upload-age=0", "--yes", "--format=json").json
    # What was written in this very second is not older than the limit.
    while not done["uploads"]["removed"]:
        done = run(filled, "gc", "--upload-age=0", "--yes", "--format=json").json
    assert done["freed_bytes"] == done["uploads"]["removed_bytes"] >= 20
    assert run(filled, "uploads").lines == []
    assert content_files(filled) == before


def test_a_manifest_that_is_damaged_keeps_its_repository_and_fails(
    filled: Storage, image: Image
) -> None:
    push(filled, "other:gone", images.build_image(7))
    untag(filled)
    digest = image.digest
    path = f"docker/registry/v2/blobs/sha256/{digest.hex[:2]}/{digest.hex}/data"
    filled.write(path, b"{}")
    result = run(filled, *OFFLINE, "--yes", "--format=json")
    assert result.code == 1
    (problem,) = result.json["content"]["problems"]
    assert (problem["code"], problem["repository"]) == ("contained", "app")
    (warning,) = [each["message"] for each in result.warnings if "whole" in each["message"]]
    assert f"rm app@{digest}" in warning
    assert result.json["content"]["gone"]["revision"] == 1
    for blob in image.blobs:
        hexed = blob.digest.hex
        assert f"docker/registry/v2/blobs/sha256/{hexed[:2]}/{hexed}/data" in filled.files()


def test_the_record_of_a_run_says_what_it_did(filled: Storage) -> None:
    result = run(filled, *OFFLINE, "--yes", "--format=json").json
    record = json.loads(filled.read(f"regctl/runs/{result['run']}.json"))
    assert (record["state"], record["errors"]) == ("done", 0)
    assert record["asked"]["untagged"] is True


def test_metrics_are_written_whole_and_also_of_a_run_that_failed(
    filled: Storage, tmp_path: Path
) -> None:
    file = tmp_path / "regctl.prom"
    option = f"--metrics={file}"
    assert run(filled, *OFFLINE, "--dry-run", option).code == 0
    assert not file.exists()
    assert run(filled, *OFFLINE, "--yes", option).code == 0
    assert "regctl_gc_success 1" in file.read_text().splitlines()
    filled.write("scheduler-state.json", "{}")
    assert run(filled, *OFFLINE, "--yes", option).code == 6
    assert "regctl_gc_success 0" in file.read_text().splitlines()
    assert list(tmp_path.glob("*.tmp")) == []
    absent = f"--metrics={tmp_path / 'absent' / 'x'}"
    result = run(filled, *OFFLINE, "--yes", "--despite=pull-through-cache", absent)
    assert result.code == 2
    assert "cannot write the metrics" in result.err


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--no-uploads"], "nothing to be done"),
        (["--empty-repos"], "--empty-repos needs --blobs or --untagged"),
        (["--offline"], "--offline needs --blobs or --untagged"),
        (["--blobs", "--keep-last=2"], "need --untagged"),
        (["--blobs", "--grace=1"], "no duration"),
        (["--blobs", "--grace=-1h"], "negative"),
        (["--blobs", "--max-delete=101%"], "neither a number nor a share"),
        (["--untagged", "--keep-tags=("], "no regular expression"),
    ],
)
def test_command_lines_that_cannot_be_right(
    storage: Storage, arguments: list[str], words: str
) -> None:
    check_refusal(run(storage, "gc", *arguments), 2, words)


def test_more_than_half_is_refused(storage: Storage) -> None:
    push(storage, "other:gone", images.build_image(7))
    before = content_files(storage)
    untag(storage)
    result = run(storage, *OFFLINE, "--max-delete=50%", "--yes")
    check_refusal(result, 6, "4 of 4 blobs would go, and no more than 50% may")
    assert {path for path in before if "/tags/" not in path} <= content_files(storage)


def test_no_quarantine_needs_to_know_the_registry(storage: Storage, tmp_path: Path) -> None:
    check_refusal(
        run(storage, *LIVE, "--no-quarantine", "--yes"), 6, "nothing is known of the registry"
    )
    assert run(storage, *LIVE, "--no-quarantine", "--registry-cache=none", "--yes").code == 0
    assert isinstance(storage, Directory)
    config = tmp_path / "config.yml"
    config.write_text(CONFIG.format(cache="", root=storage.directory))
    assert regctl(*LIVE, "--no-quarantine", "--yes", f"--config={config}").code == 0
    cache = "cache: {blobdescriptor: inmemory}, "
    config.write_text(CONFIG.format(cache=cache, root=storage.directory))
    refused = regctl(*LIVE, "--no-quarantine", "--yes", f"--config={config}")
    check_refusal(refused, 6, "the registry has a descriptor cache (inmemory)")


def test_a_scan_that_is_not_whole_is_refused(filled: Storage) -> None:
    assert isinstance(filled, Directory)
    link = filled.directory / in_repository("app", "_layers/elsewhere")
    link.symlink_to("/nowhere")
    before = snapshot(filled)
    check_refusal(run(filled, *OFFLINE, "--yes"), 6, "is a symlink", hint="--despite symlink")
    after = {path: each for path, each in snapshot(filled).items() if path in before}
    assert after == before


def test_a_lock_that_is_held_is_respected(filled: Storage, index: Index) -> None:
    from regctl.drivers import open_driver
    from regctl.maintenance.gc.lock import gc_lock

    assert isinstance(filled, Directory)
    driver = open_driver("filesystem", {"rootdirectory": str(filled.directory)})
    with gc_lock(driver, "a test"):
        check_refusal(run(filled, *OFFLINE, "--yes"), 6, "the storage is locked by a test")
        assert run(filled, *OFFLINE, "--dry-run").code == 0


def test_references_are_remembered_in_the_users_cache(filled: Storage, tmp_path: Path) -> None:
    home = tmp_path / "cache"
    assert run(filled, *OFFLINE, "--dry-run", XDG_CACHE_HOME=str(home)).code == 0
    assert (home / "regctl" / "references.sqlite").is_file()
    first = run(filled, *OFFLINE, "--dry-run", "-v")
    second = run(filled, *OFFLINE, "--dry-run", "-v", XDG_CACHE_HOME=str(home))
    assert first.lines == second.lines
