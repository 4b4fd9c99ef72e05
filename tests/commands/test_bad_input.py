"""Bad input of every kind: one clear line, the right exit code, nothing half-written."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from regctl.registry.localfile import FileSource
from tests.commands.conftest import snapshot
from tests.commands.handles import Snapshot, Storage, blob_at, in_repository
from tests.commands.running import Result, check_refusal, regctl
from tests.images import Image

HEX = "0" * 64
DIGEST = f"sha256:{HEX}"
UPLOAD = "5d2b1c9e-0000-4000-8000-00000000abcd"
#: Every command that takes a name, as a line in which REPO is to be replaced.
LINES = [
    ["push-layer", "REPO", "-"],
    ["pull-layer", "REPO", DIGEST],
    ["push-manifest", "REPO", "-"],
    ["push-manifest", "REPO:v1", "-"],
    ["push-manifest", "app", "-", "--mount-from", "REPO"],
    ["pull-manifest", "REPO:v1"],
    ["pull-manifest", f"REPO@{DIGEST}"],
    ["ls", "REPO"],
    ["inspect", "REPO"],
    ["inspect", "REPO:v1"],
    ["sign", "REPO:v1", "--key", "-"],
    ["tag", "REPO:v1", "v2"],
    ["untag", "REPO:v1", "--yes"],
    ["rm", f"REPO@{DIGEST}", "--yes"],
    ["history", "REPO:v1"],
    ["rollback", "REPO:v1", DIGEST, "--yes"],
    ["uploads", "REPO"],
    ["uploads", "cancel", "REPO", UPLOAD, "--yes"],
    ["uploads", "finish", "REPO", UPLOAD, "--digest", DIGEST],
]
BAD_NAMES = [
    "App",
    "app/",
    "/app",
    "a//b",
    "..",
    "a/../../etc",
    ".",
    "a\0b",
    "a\nb",
    "_uploads",
    "a/_layers/b",
    "a_",
    "a b",
    "é",
    "\uff41pp",
    "\udcff",
    "",
    "a" * 256,
    "a/" * 200 + "a",
    "x" * 5000,
]


def show(name: str) -> str:
    return f"{name[:12]!r}-{len(name)}"


def check_unchanged(storage: Storage, before: Snapshot) -> None:
    assert snapshot(storage) == before


@pytest.mark.parametrize("name", BAD_NAMES, ids=show)
def test_a_bad_repository_name_is_refused_by_every_command(filled: Storage, name: str) -> None:
    """Before any path is made of it; tests on a root beside which `..` would lead out."""
    before = snapshot(filled.directory.parent)
    for line in LINES:
        arguments = [each.replace("REPO", name) for each in line]
        result = regctl(*arguments, storage=filled, stdin=b"x")
        check_refusal(result, 2)
        assert len(result.err) < 1000
        assert "\0" not in result.err
    assert snapshot(filled.directory.parent) == before


@pytest.mark.parametrize(
    "tag", ["", "-x", ".x", "a b", "../x", "a\0", "ü", "t" * 129, "t" * 5000, "v1\n"], ids=show
)
def test_a_bad_tag_is_refused(filled: Storage, tag: str) -> None:
    before = snapshot(filled)
    for line in (
        ["push-manifest", f"app:{tag}", "-"],
        ["pull-manifest", f"app:{tag}"],
        ["inspect", f"app:{tag}"],
        ["sign", f"app:{tag}", "--key", "-"],
        ["untag", f"app:{tag}", "--yes"],
        ["history", f"app:{tag}"],
        ["tag", "app:v1", "--", tag],
    ):
        check_refusal(regctl(*line, storage=filled, stdin=b"x"), 2)
    check_unchanged(filled, before)


@pytest.mark.parametrize(
    ("digest", "code", "words"),
    [
        ("sha256:abc", 2, "is not a digest"),
        (f"sha256:{HEX[1:]}", 2, "64 lower-case hex digits"),
        (f"sha256:{'A' * 64}", 2, "64 lower-case hex digits"),
        (f"SHA256:{HEX}", 4, "'SHA256'"),
        (HEX, 2, "is not a digest"),
        ("", 2, "is not a digest"),
        ("sha256:", 2, "is not a digest"),
        (f"sha256:../../{HEX[6:]}", 2, "is not a digest"),
        (f"sha256:{HEX}\n", 2, "is not a digest"),
        (f"sha256:{HEX}\0", 2, "is not a digest"),
        (f"crc32:{HEX[:8]}", 4, "'crc32'"),
        (f"sha3-256:{HEX}", 4, "'sha3-256'"),
        (f"xxtarsum.v1+sha256:{HEX}", 4, "not supported"),
        ("tarsum.v1+sha256:abc/../../def", 2, "is not a digest"),
        (f"{'s' * 4000}:{HEX}", 4, "not supported"),
    ],
)
def test_a_bad_digest_is_refused(filled: Storage, digest: str, code: int, words: str) -> None:
    before = snapshot(filled)
    for line in (
        ["push-layer", "app", "-", "--digest", digest],
        ["pull-layer", "app", digest],
        ["pull-manifest", f"app@{digest}"],
        ["inspect", f"app@{digest}"],
        ["rm", f"app@{digest}", "--yes"],
        ["rollback", "app:v1", digest, "--yes"],
        ["uploads", "finish", "app", UPLOAD, "--digest", digest],
    ):
        check_refusal(regctl(*line, storage=filled, stdin=b"x"), code, words)
    check_unchanged(filled, before)


@pytest.mark.parametrize(
    "digest",
    [f"md5:{'0' * 32}", f"sha1:{'0' * 40}"],
)
def test_a_digest_that_is_only_read_is_refused_for_writing(filled: Storage, digest: str) -> None:
    before = snapshot(filled)
    result = regctl("push-layer", "app", "-", "--digest", digest, storage=filled, stdin=b"x")
    check_refusal(result, 4, "is only read", hint="sha256, sha384 or sha512")
    check_refusal(regctl("pull-layer", "app", digest, storage=filled), 3, "is not linked")
    check_unchanged(filled, before)


# --- FILE ----------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read(filled: Storage, tmp_path: Path) -> None:
    before = snapshot(filled)
    for file, words in (
        (str(tmp_path), "it is a directory"),
        (str(tmp_path / "none"), "No such file"),
        (str(tmp_path / "none" / "x"), "No such file"),
        ("a\0b", "null"),
        ("", "No such file"),
        ("x" * 300, "File name too long"),
    ):
        for line in (["push-layer", "app"], ["push-manifest", "app:v1"], ["digest"]):
            check_refusal(regctl(*line, file, storage=filled), 2, "cannot read", words)
    check_unchanged(filled, before)


def test_a_file_that_cannot_be_written(filled: Storage, image: Image, tmp_path: Path) -> None:
    layer = ["pull-layer", "app", str(image.layers[0].digest), "-o"]
    for file, words in (
        (str(tmp_path), "it is a directory"),
        (str(tmp_path / "none" / "x"), "No such file"),
        ("x" * 300, "too long"),
        ("a\0b", "no file's name"),
        ("", "no file's name"),
        (f"{tmp_path}/none/", "no file's name"),
    ):
        for line in (layer, ["pull-manifest", "app:v1", "-o"]):
            check_refusal(regctl(*line, file, storage=filled), 2, "cannot write", words)
    assert not (tmp_path / "none").exists()


def test_what_is_no_regular_file_is_never_replaced(
    filled: Storage, image: Image, tmp_path: Path
) -> None:
    """``-o /dev/null --force`` once made /dev/null a file, for root."""
    layer = ["pull-layer", "app", str(image.layers[0].digest)]
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for line in (layer, ["pull-manifest", "app:v1"]):
        check_refusal(regctl(*line, "-o", fifo, storage=filled), 6, "fifo exists")
        forced = regctl(*line, "-o", fifo, "--force", storage=filled)
        check_refusal(forced, 2, "it is no regular file")
        assert fifo.is_fifo()
    assert sorted(path.name for path in tmp_path.glob("fifo*")) == ["fifo"]


def test_a_file_whose_name_is_no_utf8(filled: Storage, tmp_path: Path) -> None:
    file = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xff")
    Path(file).write_bytes(b"content")
    pushed = regctl("push-layer", "app", file, storage=filled)
    assert pushed.code == 0
    result = regctl("pull-layer", "app", pushed.lines[0], "-o", f"{file}2", storage=filled)
    assert (result.code, Path(f"{file}2").read_bytes()) == (0, b"content")
    missing = regctl("push-layer", "app", f"{file}3", "--format=json", storage=filled)
    assert (missing.code, missing.error["code"]) == (2, "input-file")


Change = Callable[[Path], None]


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _shrink(path: Path) -> None:
    os.truncate(path, 1 << 20)


def _rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other")


@pytest.mark.parametrize("change", [_grow, _shrink, _rewrite])
@pytest.mark.parametrize("options", [[], ["--no-keep"]])
def test_a_file_that_changes_while_it_is_read(
    storage: Storage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    options: list[str],
) -> None:
    """A layer of mixed content would be whole, verified and useless."""
    file = tmp_path / "layer"
    file.write_bytes(bytes(3 << 20))
    os.utime(file, (1, 1))
    read = FileSource.readinto
    changes = [change]

    def readinto(self: FileSource, buffer: bytearray | memoryview) -> int:
        count = read(self, buffer)
        if changes:
            changes.pop()(file)
        return count

    monkeypatch.setattr(FileSource, "readinto", readinto)
    result = regctl("push-layer", "app", file, *options, storage=storage)
    check_refusal(result, 4, "changed while it was read", hint="push it again")
    assert storage.files() == {}


# --- what is no manifest -------------------------------------------------------------------------


def refuse_manifest(storage: Storage, content: bytes, *words: str) -> Result:
    before = snapshot(storage)
    result = regctl("push-manifest", "app:bad", "-", storage=storage, stdin=content)
    check_refusal(result, 4, *words)
    assert len(result.err) < 4000
    check_unchanged(storage, before)
    return result


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\xff\xfe{",
        b"\xef\xbb\xbf{}",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"schemaVersion": 2',
        b'{"schemaVersion": 2} trailing',
        b'{"schemaVersion": NaN}',
        b'{"schemaVersion": 2}',
        b'{"schemaVersion": 3, "mediaType": "application/vnd.oci.image.manifest.v1+json"}',
        b'{"schemaVersion": 2, "layers": 3, "config": []}',
        b'{"schemaVersion": 2, "config": {"digest": "../../x", "size": -1}, "layers": []}',
        b'{"schemaVersion": 1' + b"0" * 10000 + b"}",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_json_that_is_no_manifest(filled: Storage, content: bytes) -> None:
    refuse_manifest(filled, content)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"layers":[['])
def test_deeply_nested_json(filled: Storage, opening: bytes) -> None:
    refuse_manifest(filled, opening * 200_000)


def test_doubled_and_differently_spelled_members(filled: Storage, image: Image) -> None:
    """2.8.2 takes the last of `layers` and `LAYERS`: what is pushed must mean one thing."""
    content = image.manifest.content.decode()
    layers = json.dumps(json.loads(content)["layers"])
    for member in ("layers", "LAYERS", "Layers"):
        doubled = content.rstrip().removesuffix("}") + f', "{member}": {layers}}}'
        refuse_manifest(filled, doubled.encode(), "layers")


def test_schema_1_is_refused(filled: Storage) -> None:
    content = {
        "schemaVersion": 1,
        "name": "app",
        "tag": "bad",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": DIGEST}],
        "history": [{"v1Compatibility": "{}"}],
    }
    refuse_manifest(filled, json.dumps(content).encode(), "schema 1")


def test_100_mb_are_no_manifest(filled: Storage, tmp_path: Path) -> None:
    """Refused by the size alone: it is neither parsed nor held in memory."""
    before = snapshot(filled)
    file = tmp_path / "big.json"
    file.write_bytes(b'{"schemaVersion": 2}')
    os.truncate(file, 100 << 20)
    check_refusal(
        regctl("push-manifest", "app:bad", file, storage=filled), 4, "more than", hint="4 MiB"
    )
    check_unchanged(filled, before)


def test_100_mb_that_are_stored_as_a_manifest(filled: Storage, image: Image) -> None:
    value = image.digest.hex
    os.truncate(filled.directory / blob_at(value), 100 << 20)
    check_refusal(regctl("pull-manifest", "app:v1", storage=filled), 5, value, "104857600 bytes")
    shown = regctl("inspect", "app:v1", storage=filled)
    assert shown.code == 1
    assert "104857600 bytes" in shown.out


def test_deeply_nested_json_that_is_stored(filled: Storage) -> None:
    content = b'{"schemaVersion": 2, "config": ' + b"[" * 200_000
    value = hashlib.sha256(content).hexdigest()
    filled.write(blob_at(value), content)
    link = in_repository("app", f"_manifests/revisions/sha256/{value}/link")
    filled.write(link, f"sha256:{value}")
    reference = f"app@sha256:{value}"
    shown = regctl("inspect", reference, storage=filled)
    assert shown.code == 1
    assert "nested too deep" in shown.lines[-1]
    pulled = regctl("pull-manifest", reference, storage=filled)
    assert (pulled.code, pulled.stdout) == (0, content)
    assert pulled.err.startswith("warning: ")
    before = snapshot(filled)
    tagged = regctl("tag", reference, "new", "--yes", storage=filled)
    assert tagged.code == 5
    assert f"error: {reference} is no manifest, and gets no tag" in tagged.err
    assert snapshot(filled) == before
    # The other revisions do not suffer.
    assert regctl("inspect", "app:v1", storage=filled).code == 0


# --- links ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"sha256:" + b"1" * 64, "disagrees with its path"),
        (b"NEWLINE", "a newline"),
        (b"../../../../etc/passwd", "holds no digest"),
        (b"\xff\x00", "holds no digest"),
        (b"x" * 5000, "link"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_link_that_is_none_is_damage(
    filled: Storage, image: Image, content: bytes, words: str
) -> None:
    layer, manifest = image.layers[0].digest, image.digest
    links = {
        f"_layers/sha256/{layer.hex}/link": ["pull-layer", "app", str(layer)],
        f"_manifests/revisions/sha256/{manifest.hex}/link": ["pull-manifest", "app:v1"],
    }
    for path, line in links.items():
        link = in_repository("app", path)
        sound = filled.read(link)
        filled.write(link, sound + b"\n" if content == b"NEWLINE" else content)
        before = snapshot(filled)
        check_refusal(regctl(*line, storage=filled), 5, "link", words)
        shown = regctl("inspect", "app:v1", storage=filled)
        assert shown.code in (1, 5), shown.err
        assert "Traceback" not in shown.err
        assert words in shown.out + shown.err
        assert regctl("ls", "app", storage=filled).lines == ["v1"]
        check_unchanged(filled, before)
        filled.write(link, sound)
    assert regctl("inspect", "app:v1", storage=filled).code == 0


def test_something_else_in_the_place_of_a_file(filled: Storage, image: Image) -> None:
    """Directories, symlinks and fifos where content should be: damage, never followed."""
    value = image.layers[0].digest.hex
    path = filled.directory / blob_at(value)
    outside = filled.directory.parent / "outside"
    outside.write_bytes(path.read_bytes())
    makers: list[Callable[[], None]] = [
        path.mkdir,
        lambda: path.symlink_to(outside),
        lambda: os.mkfifo(path),
    ]
    for make in makers:
        path.rmdir() if path.is_dir() else path.unlink()
        make()
        result = regctl("pull-layer", "app", f"sha256:{value}", storage=filled)
        check_refusal(result, 5, value)
        assert regctl("inspect", "app:v1", storage=filled).code in (1, 5)
