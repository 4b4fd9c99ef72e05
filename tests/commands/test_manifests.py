"""push-manifest, pull-manifest, ls and inspect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import snapshot
from tests.commands.handles import Storage, blob_at, in_repository
from tests.commands.running import check_refusal, regctl
from tests.images import OCI_INDEX, OCI_MANIFEST, Image, Index


def changed(image: Image, **members: object) -> bytes:
    """The image's manifest with other members."""
    return json.dumps(json.loads(image.manifest.content) | members).encode()


def test_push_prints_the_digest_alone(filled: Storage, image: Image) -> None:
    content = image.manifest.content
    result = regctl("push-manifest", "app:v2", "-", storage=filled, stdin=content)
    assert (result.code, result.out, result.err) == (0, f"{image.digest}\n", "")
    assert regctl("ls", "app", storage=filled).lines == ["v1", "v2"]


def test_push_in_json(filled: Storage, image: Image, tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_bytes(image.manifest.content)
    result = regctl("push-manifest", "app", file, "--format=json", storage=filled)
    assert result.json == {
        "repository": "app",
        "tag": None,
        "digest": str(image.digest),
        "media_type": OCI_MANIFEST,
        "size": image.manifest.size,
        "mounted": 0,
        "signatures": 0,
    }


def test_push_by_digest_demands_it(filled: Storage, image: Image) -> None:
    reference = "app@sha256:" + "0" * 64
    before = snapshot(filled)
    content = image.manifest.content
    refused = regctl("push-manifest", reference, "-", storage=filled, stdin=content)
    check_refusal(refused, 4, str(image.digest), "0" * 64)
    assert snapshot(filled) == before
    reference = f"app@{image.digest}"
    assert regctl("push-manifest", reference, "-", storage=filled, stdin=content).code == 0


def test_every_reason_is_reported_at_once_and_nothing_written(
    storage: Storage, image: Image
) -> None:
    regctl("push-layer", "app", "-", storage=storage, stdin=b"x")
    before = snapshot(storage)
    arguments = ("push-manifest", "app:v1", "-")
    content = image.manifest.content
    result = regctl(*arguments, storage=storage, stdin=content)
    check_refusal(result, 4, *(str(blob.digest) for blob in image.blobs))
    assert len([line for line in result.err.splitlines() if line.startswith("  - ")]) == 3
    data = regctl(*arguments, "--format=json", storage=storage, stdin=content)
    assert data.error["code"] == "invalid-manifest"
    assert len(data.error["reasons"]) == 3
    assert data.error["exit_code"] == data.code == 4
    assert snapshot(storage) == before


def test_mount_from_another_repository(filled: Storage, image: Image) -> None:
    content = image.manifest.content
    arguments = ("push-manifest", "copy:v1", "-", "--format=json")
    assert regctl(*arguments, storage=filled, stdin=content).code == 4
    result = regctl(*arguments, "--mount-from", "app", storage=filled, stdin=content)
    assert (result.code, result.json["mounted"]) == (0, 3)
    assert regctl("inspect", "copy:v1", storage=filled).code == 0
    missing = regctl(*arguments, "--mount-from", "nope", storage=filled, stdin=content)
    assert (missing.code, missing.error["code"]) == (3, "repository-not-found")


def test_an_index_wants_its_children(filled: Storage, index: Index, image: Image) -> None:
    content = index.manifest.content
    arguments = ("push-manifest", "app:multi", "-")
    refused = regctl(*arguments, storage=filled, stdin=content)
    check_refusal(refused, 4, *(f"{each.digest} is not a revision" for each in index.images))
    sparse = regctl(*arguments, "--allow-sparse", storage=filled, stdin=content)
    assert sparse.lines == [str(index.digest)]
    shown = regctl("inspect", "app:multi", storage=filled)
    assert shown.code == 1
    assert shown.out.count("problem: ") == 2


@pytest.mark.parametrize(
    ("members", "option", "words"),
    [
        ({"annotations": {"x": "y" * (4 << 20)}}, "--accept-unservable-size", "4194304"),
        ({"mediaType": "application/x"}, "--accept-blocked-collector", "application/x"),
    ],
)
def test_what_registries_cannot_serve_needs_a_flag_that_names_the_danger(
    filled: Storage, image: Image, members: dict[str, object], option: str, words: str
) -> None:
    content = changed(image, **members)
    before = snapshot(filled)
    arguments = ("push-manifest", "app:odd", "-")
    refused = regctl(*arguments, storage=filled, stdin=content)
    check_refusal(refused, 4, words)
    assert snapshot(filled) == before
    accepted = regctl(*arguments, option, storage=filled, stdin=content)
    assert accepted.code == 0, accepted.err
    assert accepted.err.startswith("warning: accepted as asked: ")


def test_pull_gives_the_bytes_as_they_are(filled: Storage, index: Index, tmp_path: Path) -> None:
    for reference in ("team/multi:latest", f"team/multi@{index.digest}"):
        result = regctl("pull-manifest", reference, storage=filled)
        assert (result.code, result.stdout, result.err) == (0, index.manifest.content, "")
    target = tmp_path / "out.json"
    arguments = ("pull-manifest", "team/multi:latest", "-o", target)
    data = regctl(*arguments, "--format=json", storage=filled)
    assert data.json == {
        "digest": str(index.digest),
        "media_type": OCI_INDEX,
        "size": index.manifest.size,
        "file": str(target),
        "signatures": 0,
    }
    assert target.read_bytes() == index.manifest.content
    target.write_bytes(b"precious")
    check_refusal(regctl(*arguments, storage=filled), 6, "exists", hint="--force")
    assert target.read_bytes() == b"precious"
    assert regctl(*arguments, "--force", storage=filled).code == 0
    assert target.read_bytes() == index.manifest.content


def test_pull_finds_nothing(filled: Storage) -> None:
    none = "sha256:" + "0" * 64
    check_refusal(regctl("pull-manifest", "app:no", storage=filled), 3, "no tag no", hint="ls app")
    check_refusal(regctl("pull-manifest", f"app@{none}", storage=filled), 3, f"no manifest {none}")
    check_refusal(regctl("pull-manifest", "no:v1", storage=filled), 3, "no repository no")
    check_refusal(regctl("pull-manifest", "app", storage=filled), 2, "names no manifest")
    refused = regctl("pull-manifest", "app:v1", "--format=json", storage=filled)
    assert (refused.code, refused.error["code"]) == (2, "usage")


def test_a_manifest_that_rotted_is_refused(filled: Storage, image: Image) -> None:
    value = image.digest.hex
    filled.write(blob_at(image.digest), image.manifest.content.replace(b"2", b"3", 1))
    check_refusal(regctl("pull-manifest", "app:v1", storage=filled), 5, value)
    shown = regctl("inspect", "app:v1", storage=filled)
    assert shown.code == 1
    assert "PROBLEM" in shown.lines[0]


def test_ls(filled: Storage, image: Image) -> None:
    result = regctl("ls", storage=filled)
    assert (result.code, result.out, result.err) == (0, "app\nteam/multi\n", "")
    rows = regctl("ls", "--format=json", storage=filled).rows
    assert rows[0] == {"repository": "app", "layout": "current"}
    tags = regctl("ls", "app", "--format=json", storage=filled).rows
    digest = str(image.digest)
    assert tags == [{"repository": "app", "tag": "v1", "digest": digest, "problem": None}]
    check_refusal(regctl("ls", "none", storage=filled), 3, "no repository none")
    check_refusal(regctl("ls", "app:v1", storage=filled), 2, "'app:v1' names more")


def test_ls_of_an_empty_storage_is_empty(storage: Storage) -> None:
    assert regctl("ls", storage=storage).code == 0
    assert regctl("ls", storage=storage).stdout == b""


def test_ls_warns_of_what_it_cannot_show(filled: Storage) -> None:
    repositories = filled.directory / "docker/registry/v2/repositories"
    (repositories / "Upper/_layers").mkdir(parents=True)
    (repositories / "elsewhere").symlink_to("/")
    (repositories / "old/manifests/tags/v1/current").mkdir(parents=True)
    (repositories / "old/manifests/tags/v1/current/link").write_text("sha256:" + "0" * 64)
    (repositories / "app/_manifests/tags/stray").write_text("a file is no tag")
    result = regctl("ls", storage=filled)
    assert (result.code, result.lines) == (0, ["app", "old", "team/multi"])
    assert len(result.err.splitlines()) == 3
    for words in ("Upper has a name that the grammar", "elsewhere is a symlink", "mixes"):
        assert words in result.err
    data = regctl("ls", "--format=json", "-q", storage=filled)
    assert [row["layout"] for row in data.rows] == ["current", "2015", "current"]
    assert len(data.warnings) == 3
    assert regctl("ls", "app", storage=filled).lines == ["v1"]
    check_refusal(regctl("ls", "elsewhere/tmp", storage=filled), 5, "is a symlink")


def test_a_repository_in_both_layouts_is_reported(filled: Storage) -> None:
    filled.write(in_repository("app", "manifests/tags/old/current/link"), "sha256:" + "0" * 64)
    result = regctl("ls", "app", storage=filled)
    assert (result.code, result.lines) == (0, ["v1"])
    assert result.err.startswith("warning: the repository app holds directories of the current")
    check_refusal(regctl("untag", "app:v1", "--yes", storage=filled), 6, "layout of the 2015")


def test_inspect_shows_the_tree(filled: Storage, index: Index) -> None:
    result = regctl("inspect", "team/multi:latest", storage=filled)
    assert (result.code, result.err) == (0, "")
    first = f"manifest {index.digest} {index.manifest.size} {OCI_INDEX}"
    assert result.lines[0] == first
    for image in index.images:
        line = next(each for each in result.lines if str(image.digest) in each)
        assert line.startswith("  manifest ")
        assert line.endswith(f"linux/{image.architecture}")
        for layer in image.layers:
            assert any(
                line.startswith(f"    layer {layer.digest} {layer.size} ") for line in result.lines
            )
    assert "tags: latest" in result.lines
    total = sum(blob.size for blob in index.content)
    assert result.lines[-1].startswith(f"total: {total} bytes (")
    data = regctl("inspect", "team/multi:latest", "--format=json", storage=filled).json
    assert data["total_size"] == total
    assert [child["platform"] for child in data["manifest"]["children"]] == [
        "linux/amd64",
        "linux/arm64",
    ]


def test_inspect_shows_referrers(filled: Storage, image: Image) -> None:
    signature = changed(
        image, subject=image.manifest.descriptor(), artifactType="application/x-signature"
    )
    pushed = regctl("push-manifest", "app", "-", storage=filled, stdin=signature)
    assert pushed.code == 0, pushed.err
    data = regctl("inspect", "app:v1", "--format=json", storage=filled).json
    (referrer,) = data["manifest"]["referrers"]
    assert referrer["digest"] == pushed.lines[0]
    assert referrer["artifact_type"] == "application/x-signature"


def test_inspect_names_what_is_missing(filled: Storage, image: Image) -> None:
    filled.remove(blob_at(image.layers[0].digest))
    filled.remove(in_repository("app", f"_layers/sha256/{image.config.digest.hex}/link"))
    result = regctl("inspect", "app:v1", storage=filled)
    assert result.code == 1
    problems = [line for line in result.lines if line.startswith("problem: ")]
    assert len(problems) == 2
    assert f"config {image.config.digest}: not linked in app" in problems[0]
    assert f"its blob {image.layers[0].digest} is missing" in problems[1]


def test_inspect_a_repository(filled: Storage, image: Image) -> None:
    result = regctl("inspect", "app", storage=filled)
    assert result.lines == [
        "repository app (current layout)",
        f"tag v1 {image.digest}",
        "revisions: 1",
        "layers: 3",
        "uploads: 0",
    ]
