"""TarSums on the command line: digest, push-layer, pull-layer, uploads, and trees of 2015."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import StoredTree, TreeOf, files_below
from tests.commands.handles import Storage
from tests.commands.running import Result, check_refusal, regctl
from tests.digest.tarsum.archives import END, entry, header, padded, tarsum

VECTORS = Path(__file__).parents[1] / "vectors" / "tarsum"
INDEX: dict[str, dict[str, Any]] = {
    each["name"]: each for each in json.loads((VECTORS / "index.json").read_text())["vectors"]
}
ARCHIVE = entry(b"a", b"first") + entry(b"b", b"second" * 100) + END
OTHER = header(b"a", size=5, mtime=7) + padded(b"first") + ARCHIVE[1024:] + bytes(512)
TARSUM = f"tarsum.v1+sha256:{tarsum(ARCHIVE)}"
SHA256 = f"sha256:{hashlib.sha256(ARCHIVE).hexdigest()}"
AMBIGUOUS = b"".join(entry(b"n%d" % (i % 5), b"%d" % i) for i in range(8)) + END
UPLOAD = "5d2b1c9e-0000-4000-8000-00000000abcd"
TREE = "docker/registry/v2"


def push(storage: Storage, *arguments: str, content: bytes = ARCHIVE) -> Result:
    return regctl("push-layer", "app", "-", *arguments, storage=storage, stdin=content)


@pytest.fixture
def seed(tree_of: TreeOf, storage: Storage) -> StoredTree:
    """A copy of a tree of 2015."""
    tree = tree_of("seed-basic")
    storage.fill(files_below(tree.root))
    return replace(tree, storage=storage)


# --- digest --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v0", "v1", "dev"])
@pytest.mark.parametrize("name", ["tree-gnu", "dup-1", "not-a-tar", "compressed-gzip"])
def test_digest_prints_tarsums(name: str, version: str) -> None:
    vector = INDEX[name]
    wanted = vector["seed2015"][version]
    result = regctl("digest", VECTORS / vector["file"], "--tarsum", version)
    if wanted["ok"]:
        assert (result.code, result.out, result.err) == (0, wanted["tarsum"] + "\n", "")
    else:
        check_refusal(result, 4, "the archive has no TarSum: entry 1")


def test_digest_warns_of_two_tarsums() -> None:
    result = regctl("digest", "-", "--tarsum", "v1", stdin=AMBIGUOUS)
    assert result.out == f"tarsum.v1+sha256:{tarsum(AMBIGUOUS)}\n"
    assert result.err.startswith("warning: the TarSum is ambiguous")
    data = regctl("digest", "-", "--tarsum", "v1", "--format=json", stdin=AMBIGUOUS)
    alternative = data.json["alternative"]
    assert alternative not in (None, data.json["digest"])
    assert len(data.warnings) == 1
    for digest in (data.json["digest"], alternative):
        assert digest in data.warnings[0]["message"]


def test_digest_takes_one_kind() -> None:
    both = regctl("digest", "-", "--tarsum", "v1", "--algorithm", "sha512", stdin=ARCHIVE)
    check_refusal(both, 2, "--algorithm", "--tarsum")
    check_refusal(regctl("digest", "-", "--tarsum", "v2", stdin=ARCHIVE), 2, "v2")


# --- the current layout --------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--tarsum"], ["--digest", TARSUM]], ids=lambda each: each[0])
def test_push_and_pull(storage: Storage, options: list[str], tmp_path: Path) -> None:
    pushed = push(storage, *options, "--format=json")
    assert pushed.json["digest"] == TARSUM
    assert pushed.json["canonical"] == SHA256
    assert not pushed.json["other_bytes"]
    for digest in (TARSUM, SHA256):
        assert regctl("pull-layer", "app", digest, storage=storage).stdout == ARCHIVE
    target = tmp_path / "layer.tar"
    pulled = regctl("pull-layer", "app", TARSUM, "-o", target, storage=storage)
    assert (pulled.code, target.read_bytes()) == (0, ARCHIVE)
    again = regctl("pull-layer", "app", TARSUM, "-o", target, storage=storage)
    assert "holds this layer already" in again.err


def test_push_demands_a_tarsum(storage: Storage) -> None:
    wrong = f"tarsum.v1+sha256:{'0' * 64}"
    check_refusal(push(storage, "--digest", wrong), 4, TARSUM, wrong)
    check_refusal(push(storage, "--tarsum", content=b"x" * 600), 4, "has no TarSum")
    for label in ("tarsum", "tarsum.dev"):
        digest = f"{label}+sha256:{'0' * 64}"
        check_refusal(push(storage, "--digest", digest), 4, "unsupported TarSum version")
    assert storage.files() == {}
    trust = push(storage, "--digest", SHA256, "--tarsum", "--trust-digest")
    check_refusal(trust, 2, "--trust-digest")


def test_push_warns_of_two_tarsums(storage: Storage) -> None:
    result = push(storage, "--tarsum", content=AMBIGUOUS)
    assert result.out == f"tarsum.v1+sha256:{tarsum(AMBIGUOUS)}\n"
    assert result.err.startswith("warning: the TarSum is ambiguous")
    second = regctl("digest", "-", "--tarsum=v1", "--format=json", stdin=AMBIGUOUS)
    demanded = push(storage, "--digest", second.json["alternative"], content=AMBIGUOUS)
    assert (demanded.code, demanded.err) == (0, "")


# --- trees of 2015 -------------------------------------------------------------------------------


def test_every_tarsum_layer_of_2015_is_verified(
    tree_of: TreeOf, seed_name: str, storage: Storage
) -> None:
    tree = tree_of(seed_name)
    layers = {each for found in tree.repositories.values() for each in found["layers"]}
    assert layers
    storage.fill(files_below(tree.root))
    for repository, found in tree.repositories.items():
        for digest in found["layers"]:
            result = regctl("pull-layer", repository, digest, storage=storage)
            assert (result.code, result.stdout) == (0, tree.content(digest))
    for digest in layers:
        value = digest.partition(":")[2]
        data = f"{TREE}/blobs/tarsum/v1/sha256/{value[:2]}/{value}/data"
        content = bytearray(storage.read(data) or b"x")
        content[0] ^= 1
        storage.write(data, bytes(content))
    for repository, found in tree.repositories.items():
        for digest in found["layers"]:
            result = regctl("pull-layer", repository, digest, storage=storage)
            assert result.code == 5
            assert f"the layer {digest} is damaged" in result.err
            raw = regctl("pull-layer", repository, digest, "--no-verify", storage=storage)
            assert raw.code == 0


def test_a_push_writes_what_the_registry_of_2015_wrote(seed: StoredTree) -> None:
    """The tree without its layers, and then with them again: the same files, byte for byte."""
    repository = "library/oracle"
    gone = seed.storage.find(f"{TREE}/blobs/tarsum/*")
    gone += seed.storage.find(f"{TREE}/repositories/{repository}/layers/*")
    for path in gone:
        seed.storage.remove(path)
    layers = [step for step in seed.listing["steps"] if step["op"] == "layer"]
    for number, step in enumerate(layers):
        file = VECTORS.parent / step["file"]
        options = ["--tarsum"] if number else ["--digest", step["digest"]]
        result = regctl("push-layer", repository, file, *options, storage=seed.storage)
        assert (result.code, result.out) == (0, step["digest"] + "\n"), result.err
    assert len(layers) == 2
    assert sorted(seed.storage.files()) == sorted(files_below(seed.root))
    for path in gone:
        assert seed.storage.read(path) == (seed.root / path).read_bytes()


def test_a_new_repository_in_a_tree_of_2015(seed: StoredTree) -> None:
    result = regctl("push-layer", "brand/new", "-", "--tarsum", storage=seed.storage, stdin=ARCHIVE)
    assert result.out == f"{TARSUM}\n"
    root = seed.storage.directory / TREE / "repositories/brand/new"
    assert sorted(each.name for each in root.iterdir()) == ["layers", "uploads"]
    shown = regctl("inspect", "brand/new", "--format=json", storage=seed.storage)
    assert (shown.json["layout"], shown.json["layers"]) == ("2015", 1)
    assert regctl("pull-layer", "brand/new", TARSUM, storage=seed.storage).stdout == ARCHIVE


def test_of_two_archives_the_first_stays_and_it_is_said(seed: StoredTree) -> None:
    push(seed.storage, "--tarsum")
    for options in (["--tarsum"], ["--digest", TARSUM]):
        result = push(seed.storage, *options, content=OTHER)
        assert (result.code, result.out) == (0, f"{TARSUM}\n")
        assert "another archive" in result.err
        assert "it stays" in result.err
    data = push(seed.storage, "--tarsum", "--format=json", content=OTHER)
    assert (data.json["other_bytes"], data.json["size"]) == (True, len(ARCHIVE))
    assert regctl("pull-layer", "app", TARSUM, storage=seed.storage).stdout == ARCHIVE


@pytest.mark.parametrize("end", ["finish", "resume", "cancel"])
def test_an_upload_in_a_tree_of_2015(seed: StoredTree, end: str, tmp_path: Path) -> None:
    upload = f"{TREE}/repositories/library/oracle/uploads/{UPLOAD}"
    seed.storage.write(f"{upload}/startedat", "2015-01-14T20:02:43Z")
    seed.storage.leave(f"{upload}/data", ARCHIVE if end == "finish" else ARCHIVE[:600])
    name, file = "library/oracle", tmp_path / "layer.tar"
    file.write_bytes(ARCHIVE)

    def run(*arguments: str) -> Result:
        return regctl(*arguments, storage=seed.storage)

    if end == "cancel":
        assert run("uploads", "cancel", name, UPLOAD, "--yes").code == 0
    elif end == "finish":
        check_refusal(run("uploads", "finish", name, UPLOAD, "--digest", SHA256), 6, "2015")
        done = run("uploads", "finish", name, UPLOAD, "--digest", TARSUM, "--format=json")
        assert (done.json["canonical"], done.json["other_bytes"]) == (TARSUM, False)
    else:
        done = run("push-layer", name, str(file), "--resume", UPLOAD, "--tarsum", "--format=json")
        assert (done.json["digest"], done.json["resumed"]) == (TARSUM, 600)
    assert not seed.storage.exists(upload.rpartition("/")[0])
    if end != "cancel":
        assert run("pull-layer", name, TARSUM).stdout == ARCHIVE


def test_everything_else_of_2015_stays_as_it_is(seed: StoredTree) -> None:
    before = seed.storage.snapshot()
    for line in (
        ["tag", "library/oracle:v1", "v2"],
        ["untag", "library/oracle:v1", "--yes"],
        ["push-manifest", "library/oracle:v2", "-"],
    ):
        result = regctl(*line, storage=seed.storage, stdin=b"{}")
        check_refusal(result, 6, "layout of the 2015 registry")
    assert seed.storage.snapshot() == before


def test_a_damaged_archive_of_the_tarsum_is_told_and_the_push_can_go_on(seed: StoredTree) -> None:
    push(seed.storage, "--tarsum")
    value = TARSUM.partition(":")[2]
    blob = f"{TREE}/blobs/tarsum/v1/sha256/{value[:2]}/{value}/data"
    seed.storage.write(blob, ARCHIVE + b"x")
    assert push(seed.storage, "--tarsum").code == 0, "behind the end nothing counts"
    seed.storage.write(blob, ARCHIVE.replace(b"first", b"forst"))
    result = push(seed.storage, "--tarsum")
    assert result.code == 5
    assert f"the stored blob {TARSUM} is damaged" in result.err
    (hint,) = [line for line in result.err.splitlines() if "to go on: " in line]
    assert "--resume" in hint
    assert hint.endswith("--tarsum")
    upload = hint.split("--resume ")[1].split()[0]
    seed.storage.remove(blob)
    assert push(seed.storage, "--tarsum", "--resume", upload).out == f"{TARSUM}\n"
    assert seed.storage.read(blob) == ARCHIVE
