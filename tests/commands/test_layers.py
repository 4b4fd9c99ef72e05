"""push-layer, pull-layer and digest."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tests.commands.conftest import push, snapshot
from tests.commands.handles import Storage, blob_at
from tests.commands.running import check_refusal, regctl
from tests.images import Image, Index

CONTENT = bytes(range(256)) * 40
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
SHA512 = f"sha512:{hashlib.sha512(CONTENT).hexdigest()}"
OTHER = "sha256:" + "0" * 64
EMPTY = "sha256:" + hashlib.sha256(b"").hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "layer.tar"
    path.write_bytes(CONTENT)
    return path


def test_push_prints_the_digest_alone(storage: Storage, file: Path) -> None:
    result = regctl("push-layer", "team/app", file, storage=storage)
    assert (result.code, result.out, result.err) == (0, f"{SHA256}\n", "")
    assert storage.read(blob_at(SHA256)) == CONTENT
    assert regctl("uploads", storage=storage).out == ""


def test_push_from_standard_input(storage: Storage) -> None:
    result = regctl("push-layer", "app", "-", storage=storage, stdin=CONTENT)
    assert result.out == f"{SHA256}\n"


def test_push_in_json(storage: Storage, file: Path) -> None:
    result = regctl("push-layer", "app", file, "--format", "json", storage=storage)
    assert result.json == {
        "digest": SHA256,
        "canonical": SHA256,
        "size": len(CONTENT),
        "written": len(CONTENT),
        "resumed": 0,
        "existed": False,
        "other_bytes": False,
    }
    again = regctl("push-layer", "b", file, "--digest", SHA256, "--format=json", storage=storage)
    assert (again.json["written"], again.json["existed"]) == (0, True)


def test_the_same_layer_again_is_no_error(storage: Storage, file: Path) -> None:
    for _ in range(2):
        assert regctl("push-layer", "app", file, storage=storage).code == 0
    assert regctl("uploads", storage=storage).out == ""


def test_a_demanded_digest_that_matches(storage: Storage, file: Path) -> None:
    result = regctl("push-layer", "app", file, "--digest", SHA512, storage=storage)
    assert (result.code, result.out) == (0, f"{SHA512}\n")
    for digest in (SHA256, SHA512):
        assert regctl("pull-layer", "app", digest, storage=storage).stdout == CONTENT


def test_a_demanded_digest_that_does_not_match_leaves_nothing(storage: Storage, file: Path) -> None:
    regctl("push-layer", "app", "-", storage=storage, stdin=b"other")
    before = snapshot(storage)
    result = regctl("push-layer", "app", file, "--digest", OTHER, storage=storage)
    check_refusal(result, 4, SHA256, OTHER)
    assert snapshot(storage) == before


@pytest.mark.parametrize("trust", [False, True])
def test_a_stored_blob_is_linked(storage: Storage, file: Path, trust: bool) -> None:
    regctl("push-layer", "app", file, storage=storage)
    options = ["--trust-digest"] if trust else []
    result = regctl("push-layer", "b", file, "--digest", SHA256, *options, storage=storage)
    assert (result.code, result.out) == (0, f"{SHA256}\n")
    assert "in the storage already" in result.err
    assert regctl("pull-layer", "b", SHA256, storage=storage).stdout == CONTENT


def test_a_stored_blob_is_not_linked_to_other_content(storage: Storage, file: Path) -> None:
    """The size is the same, so that only hashing tells."""
    regctl("push-layer", "app", file, storage=storage)
    before = snapshot(storage)
    file.write_bytes(CONTENT[::-1])
    result = regctl("push-layer", "b", file, "--digest", SHA256, storage=storage)
    check_refusal(result, 4, SHA256)
    assert snapshot(storage) == before


def test_a_stored_blob_of_another_size_is_damage(storage: Storage, file: Path) -> None:
    regctl("push-layer", "app", file, storage=storage)
    storage.write(blob_at(SHA256), CONTENT[:-1])
    before = storage.files()
    for options in ([], ["--digest", SHA256], ["--digest", SHA256, "--trust-digest"]):
        result = regctl("push-layer", "b", file, *options, storage=storage)
        assert result.code == 5
        assert f"the stored blob {SHA256} is damaged" in result.err
        for upload in regctl("uploads", "--format=json", storage=storage).rows:
            regctl("uploads", "cancel", "b", upload["uuid"], "--yes", storage=storage)
    assert storage.files() == before


def test_trust_needs_a_digest(storage: Storage, file: Path) -> None:
    check_refusal(
        regctl("push-layer", "app", file, "--trust-digest", storage=storage), 2, "--digest"
    )


def test_an_empty_layer_is_legal(storage: Storage, tmp_path: Path) -> None:
    assert regctl("push-layer", "app", "-", storage=storage).out == f"{EMPTY}\n"
    target = tmp_path / "empty"
    assert regctl("pull-layer", "app", EMPTY, "-o", target, storage=storage).code == 0
    assert target.read_bytes() == b""


def test_pull_into_a_file(storage: Storage, file: Path, tmp_path: Path) -> None:
    regctl("push-layer", "app", file, storage=storage)
    target = tmp_path / "out"
    result = regctl("pull-layer", "app", SHA256, "-o", target, storage=storage)
    assert (result.code, result.out, result.err) == (0, "", f"{len(CONTENT)} bytes in {target}\n")
    assert target.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.glob("out*")] == ["out"]


def test_pull_in_json(storage: Storage, file: Path, tmp_path: Path) -> None:
    regctl("push-layer", "app", file, "--digest", SHA512, storage=storage)
    target = str(tmp_path / "out")
    result = regctl("pull-layer", "app", SHA512, "-o", target, "--format=json", storage=storage)
    assert result.json == {
        "digest": SHA512,
        "canonical": SHA256,
        "size": len(CONTENT),
        "file": target,
    }
    assert result.err == ""
    refused = regctl("pull-layer", "app", SHA512, "--format=json", storage=storage)
    assert (refused.code, refused.error["code"]) == (2, "usage")


def test_a_part_of_an_interrupted_pull_is_taken_up(
    storage: Storage, file: Path, tmp_path: Path
) -> None:
    regctl("push-layer", "app", file, storage=storage)
    target = tmp_path / "out"
    part = tmp_path / f"out.{SHA256[7:19]}.part"
    part.write_bytes(CONTENT[:5000])
    result = regctl("pull-layer", "app", SHA256, "-o", target, "-v", storage=storage)
    assert result.code == 0
    read = re.search(r"(\d+) bytes read", result.err)
    assert read is not None
    assert len(CONTENT) - 5000 <= int(read[1]) < len(CONTENT)
    assert target.read_bytes() == CONTENT
    assert not part.exists()


@pytest.mark.parametrize("part", [b"x" * 5000, b"x" * 20000])
def test_a_part_of_something_else_is_replaced(
    storage: Storage, file: Path, tmp_path: Path, part: bytes
) -> None:
    regctl("push-layer", "app", file, storage=storage)
    (tmp_path / f"out.{SHA256[7:19]}.part").write_bytes(part)
    target = tmp_path / "out"
    assert regctl("pull-layer", "app", SHA256, "-o", target, storage=storage).code == 0
    assert target.read_bytes() == CONTENT


def test_another_file_is_only_overwritten_by_force(
    storage: Storage, file: Path, tmp_path: Path
) -> None:
    regctl("push-layer", "app", file, storage=storage)
    target = tmp_path / "out"
    target.write_bytes(b"precious")
    arguments = ("pull-layer", "app", SHA256, "-o", target)
    check_refusal(regctl(*arguments, storage=storage), 6, "out exists", hint="--force")
    assert target.read_bytes() == b"precious"
    assert regctl(*arguments, "--force", storage=storage).code == 0
    assert target.read_bytes() == CONTENT
    again = regctl(*arguments, storage=storage)
    assert again.code == 0
    assert "holds this layer already" in again.err


def test_a_layer_that_rotted_is_not_given_its_name(
    storage: Storage, file: Path, tmp_path: Path
) -> None:
    regctl("push-layer", "app", file, storage=storage)
    storage.write(blob_at(SHA256), CONTENT[:-1] + b"!")
    result = regctl("pull-layer", "app", SHA256, "-o", tmp_path / "out", storage=storage)
    check_refusal(result, 5, SHA256)
    assert list(tmp_path.glob("out*")) == []
    piped = regctl("pull-layer", "app", SHA256, storage=storage)
    assert (piped.code, len(piped.stdout)) == (5, len(CONTENT))
    raw = regctl("pull-layer", "app", SHA256, "--no-verify", storage=storage)
    assert (raw.code, raw.stdout[-1:]) == (0, b"!")


def test_a_layer_of_another_repository_is_not_readable(storage: Storage, file: Path) -> None:
    """Law 1: content is reached through a repository that links to it."""
    regctl("push-layer", "app", file, storage=storage)
    regctl("push-layer", "other", "-", storage=storage, stdin=b"x")
    result = regctl("pull-layer", "other", SHA256, storage=storage)
    check_refusal(result, 3, f"{SHA256} is not linked in the repository other")
    check_refusal(regctl("pull-layer", "none", SHA256, storage=storage), 3, "no repository none")


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_digest_needs_no_storage(file: Path, algorithm: str) -> None:
    value = hashlib.new(algorithm, CONTENT).hexdigest()
    result = regctl("digest", file, "--algorithm", algorithm)
    assert (result.code, result.out, result.err) == (0, f"{algorithm}:{value}\n", "")
    data = regctl("digest", "-", "--algorithm", algorithm, "--format=json", stdin=CONTENT)
    assert data.json == {
        "digest": f"{algorithm}:{value}",
        "size": len(CONTENT),
        "alternative": None,
    }


def test_every_kind_of_storage_gets_the_same_tree(
    storage: Storage, image: Image, index: Index, filled_once: dict[str, bytes]
) -> None:
    """Path by path and byte by byte: a tree may be copied from one kind to another."""
    push(storage, "app:v1", image)
    push(storage, "team/multi:latest", index)
    assert sorted(storage.files()) == sorted(filled_once)
    for path, content in filled_once.items():
        assert storage.read(path) == content


def test_the_layers_of_an_image_come_as_they_went(filled: Storage, image: Image) -> None:
    for layer in image.layers:
        result = regctl("pull-layer", "app", str(layer.digest), storage=filled)
        assert (result.code, result.stdout) == (0, layer.content)
