"""What regctl says of trees that real registries wrote is what those registries, or the files,
say: every tree of ``tests/vectors/trees``, sound and damaged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from regctl.signature.libtrust import parse, verify
from tests import trees
from tests.commands.conftest import StoredTree, TreeOf, copy_tree
from tests.commands.handles import Storage
from tests.commands.running import Result, check_refusal, regctl

#: What is wrong by tree, and words that the report of it must have.
BROKEN_TAG = {
    "damaged-tag-dangling": ("app/one:v1", 5, "dangling"),
    "damaged-tag-no-current": ("app/one:v1", 3, "its current link is missing"),
    "damaged-layer-data-missing": ("app/one:v1", 1, "its blob"),
    "damaged-child-revision-missing": ("app/idx:t", 1, "has no manifest"),
    "damaged-layers-dir-missing": ("app/idx:t", 1, "not linked in app/idx"),
}

#: What registries called schema 1, which they also made of stored schema 2 manifests.
SCHEMA1_TYPES = {
    "application/json; charset=utf-8",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
}


@pytest.fixture
def tree(tree_name: str, tree_of: TreeOf) -> StoredTree:
    return tree_of(tree_name)


@pytest.fixture
def modern(modern_name: str, tree_of: TreeOf) -> StoredTree:
    return tree_of(modern_name)


@pytest.fixture
def seed(seed_name: str, tree_of: TreeOf) -> StoredTree:
    return tree_of(seed_name)


def run(tree: StoredTree, *arguments: str) -> Result:
    result = regctl(*arguments, storage=tree.storage)
    assert "Traceback" not in result.err
    assert result.code != 70, result.err
    return result


def stem(tree: StoredTree) -> str:
    """What is wrong with a damaged tree, whoever wrote it."""
    return tree.name.rpartition("-")[0]


def broken(tree: StoredTree) -> str | None:
    """The one tag of a damaged tree that is not whole."""
    found = BROKEN_TAG.get(stem(tree))
    return found[0] if found else None


def test_ls_is_the_union_of_what_the_registries_list(tree: StoredTree) -> None:
    """2.x knows a repository by its layers, 3.x by its manifests."""
    result = run(tree, "ls")
    assert result.code == 0
    assert result.lines == sorted(tree.listed)
    assert tree.catalog <= set(result.lines)
    layout = "2015" if tree.is_seed else "current"
    rows = run(tree, "--format", "json", "ls").rows
    assert [row["repository"] for row in rows] == result.lines
    assert {row["layout"] for row in rows} <= {layout}


def test_ls_repo_is_its_tags(tree: StoredTree) -> None:
    for name in tree.listed:
        result = run(tree, "ls", name)
        assert result.code == 0
        assert result.lines == sorted(tree.repositories.get(name, {"tags": {}})["tags"])


def test_the_tags_are_those_that_the_registry_lists(modern: StoredTree) -> None:
    for name, answer in modern.api.items():
        if answer["tags_list_status"] == 200:
            assert run(modern, "ls", name).lines == sorted(answer["tags"])


def test_inspect_agrees_with_the_registry(modern: StoredTree) -> None:
    """Digest, size and type; where the registry converted to schema 1, the stored manifest's."""
    seen = 0
    for name, answer in modern.api.items():
        for tag, said in answer["tags"].items():
            if said["status"] != 200:
                continue
            result = run(modern, "inspect", f"{name}:{tag}", "--format", "json")
            root = result.json["manifest"]
            link = modern.repositories[name]["tags"][tag]["current"]
            if f"{name}:{tag}" == broken(modern):
                assert result.code == 1, result.err
            else:
                assert (result.code, result.json["problems"]) == (0, [])
            assert root["digest"] == link
            assert root["size"] == len(modern.content(link))
            if said["type"] not in SCHEMA1_TYPES:
                seen += 1
                assert root["digest"] == said["digest"]
                assert root["media_type"] == said["type"]
                assert root["size"] == said["length"]
            assert tag in result.json["tags"]
    assert seen or modern.name.startswith(("old-", "schema1-"))


def test_inspect_agrees_with_the_files_of_2015(seed: StoredTree) -> None:
    for name, found in seed.repositories.items():
        for tag, links in found["tags"].items():
            result = run(seed, "inspect", f"{name}:{tag}", "--format", "json")
            assert result.code == 0, (result.json["problems"], result.err)
            root = result.json["manifest"]
            assert root["digest"] == links["current"]
            assert root["size"] == len(seed.content(links["current"]))
            layers = [child for child in root["children"] if child["role"] == "layer"]
            assert layers
            for layer in layers:
                assert layer["digest"] in found["layers"]
                assert layer["size"] == len(seed.content(layer["digest"]))


def test_manifests_come_as_the_bytes_that_are_stored(tree: StoredTree) -> None:
    for name, found in tree.repositories.items():
        for revision in found["revisions"]:
            result = run(tree, "pull-manifest", f"{name}@{revision}", "--payload")
            assert result.code == 0, result.err
            assert result.stdout == tree.content(revision)
            assert f"sha256:{hashlib.sha256(result.stdout).hexdigest()}" == revision


def test_history_is_the_index_of_the_tag(tree: StoredTree) -> None:
    for name, found in tree.repositories.items():
        for tag, links in found["tags"].items():
            result = run(tree, "history", f"{name}:{tag}", "--format", "json")
            current = links.get("current")
            if result.code == 0:
                assert [row["digest"] for row in result.rows if row["current"]] == [current]
                assert result.rows[0]["current"]
            else:
                assert tree.name.startswith("damaged-tag-no-current")
                assert not any(row["current"] for row in result.rows)
            assert sorted(row["digest"] for row in result.rows) == sorted(links["index"])
            revisions = found["revisions"]
            for row in result.rows:
                assert row["missing"] == (row["digest"] not in revisions)


@pytest.mark.parametrize("name", ["main-2.8.2", "main-3"])
def test_a_moved_tag_has_its_history_in_order(name: str, tree_of: TreeOf) -> None:
    """Current first, then by the time of the link; what is equal is marked, not guessed."""
    tree = tree_of(name)
    moved = tree.notes["retagged"]
    rows = run(tree, "history", f"{moved['repo']}:{moved['tag']}", "--format", "json").rows
    newest_first = list(reversed(moved["history_oldest_first"]))
    assert rows[0]["digest"] == newest_first[0]
    assert {row["digest"] for row in rows} == set(newest_first)
    if not any(row["unordered"] for row in rows):
        assert [row["digest"] for row in rows] == newest_first
    text = run(tree, "history", f"{moved['repo']}:{moved['tag']}").lines
    assert [line.split()[0] for line in text] == [row["digest"] for row in rows]
    assert text[0].endswith(" current")


def test_uploads_are_listed_with_their_size_and_start(tree: StoredTree) -> None:
    """Also those of repositories that no registry lists."""
    expected = {
        (name, upload): (facts.get("size", 0), facts.get("startedat"))
        for name, found in tree.repositories.items()
        for upload, facts in found["uploads"].items()
    }
    result = run(tree, "uploads", "--format", "json")
    assert result.code == 0
    found = {
        (row["repository"], row["uuid"]): (row["size"], row["started_at"]) for row in result.rows
    }
    assert found == expected
    assert {tuple(line.split()[:2]) for line in run(tree, "uploads").lines} == set(expected)
    for name in {name for name, _ in expected}:
        assert {row["uuid"] for row in run(tree, "uploads", name, "--format", "json").rows} == {
            upload for repository, upload in expected if repository == name
        }


@pytest.mark.parametrize("name", ["uploads-2.8.2", "uploads-3", "old-2.4.1"])
def test_an_upload_of_each_kind_can_be_finished(
    name: str, storage: Storage, tmp_path: Path
) -> None:
    """Registries before 2.7 kept hash states in another form: there the bytes are read again."""
    tree = copy_tree(trees.unpack(name, tmp_path), storage)
    for repository, found in tree.repositories.items():
        for upload, facts in found["uploads"].items():
            digest = f"sha256:{facts['data_sha256']}"
            result = run(tree, "uploads", "finish", repository, upload, "--digest", digest)
            assert (result.code, result.lines) == (0, [digest]), result.err
            assert len(run(tree, "pull-layer", repository, digest).stdout) == facts["size"]


def test_every_layer_comes_byte_for_byte(tree: StoredTree, tmp_path: Path) -> None:
    """By the digest in the link's path; a link may say another one than its path."""
    for name, found in tree.repositories.items():
        for number, (digest, canonical) in enumerate(found["layers"].items()):
            target = tmp_path / f"{name.replace('/', '-')}-{number}"
            result = run(tree, "pull-layer", name, digest, "-o", str(target))
            if is_missing(tree, canonical):
                check_refusal(result, 5, digest, f"its blob {canonical} is missing")
                assert list(tmp_path.glob(f"{target.name}*")) == []
                continue
            assert result.code == 0, result.err
            content = target.read_bytes()
            assert content == tree.content(canonical)
            if canonical.startswith("sha256:"):
                assert canonical == f"sha256:{hashlib.sha256(content).hexdigest()}"


def is_missing(tree: StoredTree, digest: str) -> bool:
    try:
        tree.content(digest)
    except FileNotFoundError:
        return True
    return False


def test_trees_of_2015_take_no_layer_but_by_its_tarsum(seed: StoredTree) -> None:
    name = next(iter(seed.listed))
    digest = f"sha256:{hashlib.sha256(b'x').hexdigest()}"
    for repository in (name, "brand/new"):
        for options in ([], ["--digest", digest]):
            result = regctl(
                "push-layer", repository, "-", *options, storage=seed.storage, stdin=b"x"
            )
            check_refusal(result, 6, "layout of the 2015 registry", hint="--tarsum")


def schema1(tree: StoredTree) -> list[tuple[str, str]]:
    """The schema 1 revisions, by what their documents say."""
    return [
        (name, revision)
        for name, found in tree.repositories.items()
        for revision in found["revisions"]
        if b'"fsLayers"' in tree.content(revision)
    ]


def test_schema1_is_shown_and_pulled_with_its_signatures(tree: StoredTree, tmp_path: Path) -> None:
    for name, revision in schema1(tree):
        reference = f"{name}@{revision}"
        shown = run(tree, "inspect", reference, "--format", "json").json["manifest"]
        pulled = run(tree, "pull-manifest", reference)
        payload = run(tree, "pull-manifest", reference, "--payload")
        assert pulled.code == payload.code == 0
        assert (payload.stdout, payload.err) == (tree.content(revision), "")
        if not tree.is_seed:
            count = len(tree.repositories[name].get("signatures", {}).get(revision, ()))
            assert len(shown["signatures"]) == count
        if not shown["signatures"]:
            assert shown["notes"] == ["schema 1: no signatures lie beside it"]
            assert pulled.err.startswith("warning: this is the bare payload")
            assert pulled.stdout == payload.stdout
            continue
        assert (shown["notes"], pulled.err) == ([], "")
        assert all(each["verified"] for each in shown["signatures"])
        document = parse(pulled.stdout)
        assert document.payload == payload.stdout
        assert sorted(digest(each.blob) for each in document.signatures) == [
            each["digest"] for each in shown["signatures"]
        ]
        file = tmp_path / "manifest"
        said = run(tree, "pull-manifest", reference, "-o", str(file), "--force", "--format=json")
        assert said.json["signatures"] == len(document.signatures)
        assert said.json["media_type"].endswith(".v1+prettyjws")
        assert file.read_bytes() == pulled.stdout
    has_some = tree.is_seed or tree.name.startswith(("old-", "schema1-"))
    assert bool(schema1(tree)) == has_some


def test_what_the_registry_of_2015_returned_is_pulled(seed: StoredTree) -> None:
    """The last answer to each tag, while nobody had deleted it, is that of the storage now."""
    answers: dict[str, str | None] = {}
    for step in seed.listing["steps"]:
        if step["op"] == "get":
            answers[f"{step['repo']}:{step['tag']}"] = step.get("document_sha256")
    assert any(answers.values())
    for reference, wanted in answers.items():
        pulled = run(seed, "pull-manifest", reference)
        if wanted is None:
            assert pulled.code == 3
        else:
            assert digest(pulled.stdout) == wanted


def test_what_registries_2_0_and_2_4_returned_is_pulled(tree_of: TreeOf) -> None:
    """They kept signatures: what they served of a revision last is what is pulled, to the byte."""
    compared = 0
    for name in ("old-2.0.0", "old-2.4.1"):
        tree = tree_of(name)
        for revision, said in {each["digest"]: each for each in tree.notes["schema1"]}.items():
            pulled = run(tree, "pull-manifest", f"legacy/signed@{revision}")
            assert digest(pulled.stdout) == said["pulled_sha256"]
            signers = [each.key_id for each in verify(parse(pulled.stdout))]
            assert signers == said["pulled_signers"]
            compared += 1
    assert compared == 7


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_damage_is_named_precisely(damaged_name: str, tree_of: TreeOf) -> None:
    tree = tree_of(damaged_name)
    if stem(tree) == "damaged-stray-files":
        return
    reference, code, words = BROKEN_TAG[stem(tree)]
    repository, _, tag = reference.partition(":")
    result = run(tree, "inspect", reference)
    assert result.code == code, (result.out, result.err)
    links = tree.repositories[repository]["tags"][tag]
    if code == 1:
        problems = [line for line in result.lines if line.startswith("problem: ")]
        assert problems
        assert all(words in line for line in problems), problems
        gone = missing_from(tree, repository)
        assert gone
        for digest in gone:
            assert any(digest in line for line in problems), (digest, problems)
    else:
        check_refusal(result, code, words, links.get("current", reference))
        pulled = run(tree, "pull-manifest", reference)
        check_refusal(pulled, code, words)
    sound = run(tree, "inspect", "app/one:v2")
    assert sound.code == 0, sound.out


def missing_from(tree: StoredTree, repository: str) -> set[str]:
    """What a damaged tree lacks, by comparing the listing with the manifests of its tags."""
    found = tree.repositories[repository]
    gone: set[str] = set()

    def visit(digest: str) -> None:
        if digest not in found["revisions"]:
            gone.add(digest)
            return
        document: dict[str, Any] = json.loads(tree.content(digest))
        for child in document.get("manifests", ()):
            visit(child["digest"])
        blobs = [document["config"]] if "config" in document else []
        for blob in (*blobs, *document.get("layers", ())):
            linked = blob["digest"] in found["layers"]
            if not linked or is_missing(tree, blob["digest"]):
                gone.add(blob["digest"])

    for links in found["tags"].values():
        visit(links["current"])
    return gone


def test_a_damaged_repository_is_shown_as_a_whole(damaged_name: str, tree_of: TreeOf) -> None:
    tree = tree_of(damaged_name)
    for repository in tree.listed:
        found = tree.repositories[repository]
        result = run(tree, "inspect", repository, "--format", "json")
        nothing = {tag for tag, links in found["tags"].items() if not links.get("current")}
        assert result.code == (1 if nothing else 0)
        assert {tag for tag, digest in result.json["tags"].items() if digest is None} == nothing
        assert result.json["revisions"] == len(found["revisions"])
        assert result.json["layers"] == len(found["layers"])


@pytest.mark.parametrize("registry", ["2.8.2", "3"])
def test_a_tag_that_lost_its_current_link_is_rolled_back(
    registry: str, storage: Storage, tmp_path: Path
) -> None:
    """The hints of one command lead through the next ones to a sound tag."""
    tree = copy_tree(trees.unpack(f"damaged-tag-no-current-{registry}", tmp_path), storage)
    check_refusal(run(tree, "inspect", "app/one:v1"), 3, "names nothing", hint="regctl rollback")
    history = run(tree, "history", "app/one:v1")
    assert history.code == 1
    assert "current link is missing" in history.err
    digest = history.lines[0].split()[0]
    assert run(tree, "rollback", "app/one:v1", digest, "--yes").lines == [digest]
    assert run(tree, "inspect", "app/one:v1").code == 0
