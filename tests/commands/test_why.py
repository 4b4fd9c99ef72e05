"""why: what keeps a digest, and what would let it go."""

from __future__ import annotations

from tests.commands.conftest import push
from tests.commands.handles import Storage
from tests.commands.running import check_refusal, regctl
from tests.images import Image, Index, build_image


def test_a_layer_is_needed_by_its_image_and_tag(filled: Storage, image: Image) -> None:
    layer = image.layers[0]
    result = regctl("why", str(layer.digest), storage=filled)
    assert result.code == 0
    assert "  a layer of app" in result.lines
    at = result.lines.index("needed by app:v1")
    assert result.lines[at + 1 : at + 3] == [
        f"  manifest {image.digest}",
        f"  layer {layer.digest}",
    ]
    data = regctl("why", str(layer.digest), "--format=json", storage=filled).json
    assert (data["size"], data["layer_of"], data["revision_of"]) == (layer.size, ["app"], [])
    assert (data["needed"], data["tagged"], data["complete"]) == (True, True, True)
    assert (data["collected_by"], data["free_at"]) == (None, None)
    assert {
        "repository": "app",
        "root": "tag",
        "tag": "v1",
        "links": [
            {"use": "manifest", "digest": str(image.digest)},
            {"use": "layer", "digest": str(layer.digest)},
        ],
    } in data["chains"]


def test_over_an_index(filled: Storage, index: Index) -> None:
    child = index.images[1]
    result = regctl("why", str(child.config.digest), storage=filled)
    at = result.lines.index("needed by team/multi:latest")
    assert result.lines[at + 1 : at + 4] == [
        f"  manifest {index.digest}",
        f"  child {child.digest}",
        f"  config {child.config.digest}",
    ]


def test_what_no_tag_leads_to_is_named_with_what_removes_it(filled: Storage, image: Image) -> None:
    assert regctl("untag", "app:v1", "--yes", storage=filled).code == 0
    result = regctl("why", str(image.digest), "--grace=2h", storage=filled)
    assert result.code == 0
    assert result.lines[-1].startswith("no tag leads to it: 'regctl gc --untagged' removes it from")
    data = regctl("why", str(image.digest), "--format=json", storage=filled).json
    assert (data["needed"], data["tagged"], data["collected_by"]) == (True, False, "--untagged")


def test_what_nothing_needs_fails(filled: Storage) -> None:
    loose = build_image(9).layers[0]
    done = regctl("push-layer", "app", "-", storage=filled, stdin=loose.content)
    assert done.code == 0
    result = regctl("why", str(loose.digest), storage=filled)
    assert result.code == 1
    assert result.lines[-1].startswith("nothing needs it: 'regctl gc --blobs' removes it from")


def test_there_may_be_more_ways_than_are_shown(filled: Storage, image: Image) -> None:
    for tag in ("a", "b", "c"):
        assert regctl("tag", "app:v1", tag, storage=filled).code == 0
    result = regctl("why", str(image.digest), "--limit=2", storage=filled)
    assert sum(line.startswith("needed by") for line in result.lines) == 2
    assert result.lines[-1] == "and in more ways, which --limit can show"


def test_what_is_not_there(filled: Storage) -> None:
    result = regctl("why", f"sha256:{'0' * 64}", storage=filled)
    check_refusal(result, 3, "nothing in the storage has or names")
    check_refusal(regctl("why", "sha256:12", storage=filled), 2, "is not a digest")


def test_a_storage_of_two_images_that_share(storage: Storage) -> None:
    push(storage, "a:x", build_image(1))
    push(storage, "b:y", build_image(1))
    shared = build_image(1).layers[0].digest
    data = regctl("why", str(shared), "--format=json", storage=storage).json
    assert {(each["repository"], each["tag"]) for each in data["chains"]} >= {
        ("a", "x"),
        ("b", "y"),
    }
