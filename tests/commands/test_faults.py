"""A server that fails: what passes is not seen, what stays is one clear line, and nothing that is
half done is reported as done."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from regctl.drivers.s3 import client
from tests.commands.conftest import push
from tests.commands.handles import S3, Storage, blob_at, in_repository, sha256_of
from tests.commands.running import (
    Result,
    check_no_secret,
    check_refusal,
    command_line,
    process_environment,
    regctl,
)
from tests.images import Image, build_image
from tests.servers.faults import (
    INTERNAL_ERROR,
    SLOW_DOWN,
    TOO_MANY_REQUESTS,
    Answer,
    CutAnswer,
    CutRequest,
    Drop,
    FaultProxy,
    Flip,
    Hold,
    LoseAnswer,
    Truncate,
    s3_error,
)
from tests.servers.rules import Fault

MB = 1 << 20
LARGE = bytes(range(256)) * (12 * MB // 256) + b"the end"
DIGEST = sha256_of(LARGE)
#: Every way to ask and to change, on a storage that has ``app:v1``.
LINES = [
    ["ls"],
    ["ls", "app"],
    ["inspect", "app:v1"],
    ["history", "app:v1"],
    ["uploads"],
    ["verify", "app:v1"],
    ["pull-manifest", "app:v1"],
    ["push-layer", "app", "-"],
    ["push-manifest", "app:v2", "-"],
    ["tag", "app:v1", "v3"],
    ["untag", "app:v1", "--yes"],
]


@pytest.fixture
def behind(storage: Storage, s3_proxy: FaultProxy) -> S3:
    """The storage by way of the proxy, with parts of 5 MiB."""
    assert isinstance(storage, S3)
    return S3(storage.server.behind(s3_proxy.url), storage.prefix, chunksize=5 * MB)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "layer"
    path.write_bytes(LARGE)
    return path


@pytest.fixture
def few_tries(monkeypatch: pytest.MonkeyPatch) -> int:
    """How often a request is tried; more often takes longer, and shows no more."""
    monkeypatch.setattr(client, "ATTEMPTS", 2)
    return 2


def run(storage: S3, *line: str | Path, stdin: bytes = b"") -> Result:
    result = regctl(*line, storage=storage, stdin=stdin)
    check_no_secret(result, storage)
    return result


def link_layer(storage: Storage) -> None:
    """Have `LARGE` as a layer of ``app``."""
    storage.write(blob_at(DIGEST), LARGE)
    storage.write(in_repository("app", f"_layers/sha256/{DIGEST[7:]}/link"), DIGEST)


@pytest.mark.parametrize(
    "fault",
    [INTERNAL_ERROR, SLOW_DOWN, TOO_MANY_REQUESTS, Drop(), LoseAnswer(), CutAnswer(5), Truncate(5)],
    ids=["500", "503", "429", "drop", "lost", "cut", "truncated"],
)
def test_a_fault_that_passes_is_not_seen(
    filled: S3, behind: S3, s3_proxy: FaultProxy, image: Image, fault: Fault
) -> None:
    """One answer to a GET, and one to a PUT, in every command that has them."""
    for line in LINES:
        s3_proxy.clear()
        s3_proxy.forget()
        s3_proxy.inject(fault, method="GET", nth=2)
        has_no_body = isinstance(fault, CutAnswer | Truncate)
        if not has_no_body:
            s3_proxy.inject(fault, method="PUT")
        result = run(behind, *line, stdin=image.manifest.content)
        # It is not signed, which is found as ever.
        assert result.code == (1 if line[0] == "verify" else 0), (line, result.err)
        assert "error: " not in result.err
    s3_proxy.clear()
    assert regctl("ls", "app", storage=filled).lines[-2:] == ["v2", "v3"]
    assert regctl("inspect", "app:v3", storage=filled).code == 0


@pytest.mark.parametrize("fault", [SLOW_DOWN, Drop()], ids=["503", "drop"])
def test_a_fault_that_stays_is_one_line(
    filled: S3, behind: S3, s3_proxy: FaultProxy, image: Image, few_tries: int, fault: Fault
) -> None:
    before = filled.snapshot()
    s3_proxy.inject(fault, times=None)
    for line in LINES:
        s3_proxy.forget()
        result = run(behind, *line, stdin=image.manifest.content)
        check_refusal(result, 5)
        assert 0 < s3_proxy.count() <= 4 * few_tries, line
    assert filled.snapshot() == before


@pytest.mark.parametrize("method", ["PUT|POST|DELETE", "GET|HEAD"])
def test_denied_for_some_verbs_only(
    filled: S3, behind: S3, s3_proxy: FaultProxy, image: Image, method: str
) -> None:
    """What cannot be read is not taken for an absence, what cannot be written not for done."""
    before = filled.snapshot()
    s3_proxy.inject(s3_error(403, "AccessDenied"), method=method, times=None)
    for line in (["push-layer", "app", "-"], ["push-manifest", "app:v2", "-"]):
        check_refusal(run(behind, *line, stdin=image.manifest.content + b" "), 5, "denies access")
    for line in (["ls"], ["inspect", "app:v1"], ["pull-manifest", "app:v1"]):
        result = run(behind, *line)
        if method == "GET|HEAD":
            check_refusal(result, 5, "denies access")
        else:
            assert result.code == 0
    assert filled.snapshot() == before


def test_a_push_that_fails_at_any_request_moves_no_tag_before_the_end(
    filled: S3, behind: S3, s3_proxy: FaultProxy, few_tries: int, image: Image
) -> None:
    """And the same command, run again, finishes the work."""
    second = build_image(7)
    for blob in second.blobs:
        assert regctl("push-layer", "app", "-", storage=filled, stdin=blob.content).code == 0
    line = ["push-manifest", "app:v1", "-"]
    for nth in itertools.count(1):
        s3_proxy.clear()
        s3_proxy.inject(s3_error(403, "AccessDenied"), nth=nth, times=None)
        s3_proxy.forget()
        result = run(behind, *line, stdin=second.manifest.content)
        named = filled.read(in_repository("app", "_manifests/tags/v1/current/link")).decode()
        assert named in (str(image.digest), str(second.digest))
        if result.code == 0:
            break
        check_refusal(result, 5, "denies access")
        assert regctl("inspect", "app:v1", storage=filled).code == 0
    assert nth > 8
    s3_proxy.clear()
    assert named == str(second.digest)
    assert regctl("inspect", "app:v1", storage=filled).code == 0


# --- bodies that go ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [CutRequest(MB), CutRequest(0), LoseAnswer(), SLOW_DOWN],
    ids=lambda each: str(each)[:9],
)
def test_a_part_that_is_cut_is_sent_again(
    behind: S3, storage: Storage, s3_proxy: FaultProxy, file: Path, fault: Fault
) -> None:
    s3_proxy.inject(fault, method="PUT", query="partNumber=1(&|$)")
    assert run(behind, "push-layer", "app", file).lines == [DIGEST]
    assert storage.read(blob_at(DIGEST)) == LARGE
    assert sorted(storage.files()) == sorted(
        [blob_at(DIGEST), in_repository("app", f"_layers/sha256/{DIGEST[7:]}/link")]
    )


def test_parts_that_are_always_cut_are_no_layer(
    behind: S3, storage: Storage, s3_proxy: FaultProxy, file: Path, few_tries: int
) -> None:
    s3_proxy.inject(CutRequest(MB), method="PUT", query="partNumber=1(&|$)", times=None)
    result = run(behind, "push-layer", "app", file)
    assert result.code == 5, result.err
    assert result.out == ""
    assert result.err.count("error: ") == 1
    assert s3_proxy.count(method="PUT", query="partNumber=1(&|$)") == few_tries
    assert not storage.exists(blob_at(DIGEST))
    assert not storage.exists(in_repository("app", "_layers"))
    s3_proxy.clear()
    assert run(behind, "push-layer", "app", file).lines == [DIGEST]
    assert storage.read(blob_at(DIGEST)) == LARGE


@pytest.mark.parametrize(
    "fault",
    [LoseAnswer(), INTERNAL_ERROR, s3_error(200, "InternalError")],
    ids=["lost", "500", "200 with an error"],
)
def test_a_completion_that_fails_once(
    behind: S3, storage: Storage, s3_proxy: FaultProxy, file: Path, fault: Fault
) -> None:
    s3_proxy.inject(fault, method="POST", query="uploadId=")
    assert run(behind, "push-layer", "app", file).lines == [DIGEST]
    assert storage.read(blob_at(DIGEST)) == LARGE


@pytest.mark.parametrize(
    "fault",
    [s3_error(200, "InternalError"), s3_error(200, "AccessDenied"), INTERNAL_ERROR],
    ids=["200 with an error", "200 denied", "500"],
)
def test_a_completion_that_always_fails_is_no_layer(
    behind: S3, storage: Storage, s3_proxy: FaultProxy, file: Path, few_tries: int, fault: Fault
) -> None:
    s3_proxy.inject(fault, method="POST", query="uploadId=", times=None)
    result = run(behind, "push-layer", "app", file)
    assert (result.code, result.out) == (5, ""), result.err
    assert not storage.exists(blob_at(DIGEST))
    assert not storage.exists(in_repository("app", "_layers"))
    assert s3_proxy.count(method="POST", query="uploadId=") <= 2 * few_tries


# --- bodies that come ----------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [CutAnswer(MB), Truncate(MB), CutAnswer(0)], ids=str)
def test_a_body_that_breaks_off_is_gone_on_with(
    storage: Storage, behind: S3, s3_proxy: FaultProxy, tmp_path: Path, fault: Fault
) -> None:
    link_layer(storage)
    s3_proxy.inject(fault, method="GET", path="/data$", times=2)
    target = tmp_path / "out"
    assert run(behind, "pull-layer", "app", DIGEST, "-o", target).code == 0
    assert target.read_bytes() == LARGE
    assert sum(each.sent for each in s3_proxy.log() if each.method == "GET") < len(LARGE) + MB


@pytest.mark.parametrize(
    "fault", [CutAnswer(0), Truncate(0), SLOW_DOWN], ids=["cut", "truncated", "503"]
)
def test_a_body_that_always_breaks_off_is_no_layer(
    storage: Storage,
    behind: S3,
    s3_proxy: FaultProxy,
    tmp_path: Path,
    few_tries: int,
    fault: Fault,
) -> None:
    """What came is kept as what it is, a part, and taken up when the server is well again."""
    link_layer(storage)
    s3_proxy.inject(fault, method="GET", path="/data$", nth=2, times=None)
    target = tmp_path / "out"
    result = run(behind, "pull-layer", "app", DIGEST, "-o", target)
    check_refusal(result, 5)
    assert not target.exists()
    s3_proxy.clear()
    assert run(behind, "pull-layer", "app", DIGEST, "-o", target).code == 0
    assert target.read_bytes() == LARGE
    assert [path.name for path in tmp_path.glob("out*")] == ["out"]


@pytest.mark.parametrize(
    "fault", [Flip(1000), Truncate(1000, matching=True)], ids=["flip", "short"]
)
def test_a_body_that_is_not_the_layer_is_not_called_so(
    storage: Storage, behind: S3, s3_proxy: FaultProxy, tmp_path: Path, fault: Fault
) -> None:
    """Neither TLS nor S3 would notice: the digest does, or the size."""
    link_layer(storage)
    s3_proxy.inject(fault, method="GET", path="/data$")
    target = tmp_path / "out"
    result = run(behind, "pull-layer", "app", DIGEST, "-o", target)
    check_refusal(result, 5, DIGEST[7:])
    assert not target.exists()


def test_a_layer_that_is_replaced_while_it_is_read(
    storage: Storage, behind: S3, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    """The pieces of two contents are never put together."""
    link_layer(storage)
    s3_proxy.inject(Hold(), method="GET", path="/data$", nth=2)
    target = tmp_path / "out"
    process = subprocess.Popen(
        command_line("--storage", behind, "pull-layer", "app", DIGEST, "-o", target),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment(**behind.environ),
    )
    try:
        s3_proxy.wait_for(2, method="GET", path="/data$")
        storage.write(blob_at(DIGEST), LARGE[::-1])
        s3_proxy.release()
        out, said = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    check_refusal(Result(process.returncode, out, said), 5, "changed")
    assert not target.exists()
    storage.write(blob_at(DIGEST), LARGE)
    assert run(behind, "pull-layer", "app", DIGEST, "-o", target).code == 0
    assert target.read_bytes() == LARGE


# --- listings that are ahead ---------------------------------------------------------------------


def test_what_is_listed_and_cannot_be_found(
    filled: S3, behind: S3, s3_proxy: FaultProxy, image: Image
) -> None:
    """A listing may still have what a GET no longer finds: it is damage, or named as missing."""
    gone = s3_error(404, "NoSuchKey")
    layer = image.layers[0].digest
    s3_proxy.inject(gone, method="GET|HEAD", path=f"{layer.hex}/data$", times=None)
    check_refusal(run(behind, "pull-layer", "app", str(layer)), 5, str(layer), "missing")
    shown = run(behind, "inspect", "app:v1")
    assert shown.code == 1
    assert any("missing" in line for line in shown.lines)
    s3_proxy.clear()
    s3_proxy.inject(gone, method="GET|HEAD", path="tags/v1/current/link$", times=None)
    assert run(behind, "ls", "app").lines == ["v1"]
    check_refusal(run(behind, "pull-manifest", "app:v1"), 3, "v1")
    s3_proxy.clear()
    path = f"revisions/sha256/{image.digest.hex}/link$"
    s3_proxy.inject(gone, method="GET|HEAD", path=path, times=None)
    result = run(behind, "inspect", "app:v1")
    assert result.code in (1, 3, 5)
    assert str(image.digest) in result.out + result.err


def test_a_push_through_a_bad_line_is_the_same_image(
    storage: Storage, behind: S3, s3_proxy: FaultProxy, image: Image
) -> None:
    """Every seventh request is lost in one way or another."""
    faults: list[Fault] = [Drop(), LoseAnswer(), SLOW_DOWN, Answer(500, "")]
    for number, fault in enumerate(faults * 4):
        s3_proxy.inject(fault, nth=5 + 7 * number)
    push(behind, "app:v1", image)
    s3_proxy.clear()
    assert regctl("inspect", "app:v1", storage=storage).code == 0
    for layer in image.layers:
        pulled = regctl("pull-layer", "app", str(layer.digest), storage=storage)
        assert pulled.stdout == layer.content
    assert regctl("uploads", storage=storage).lines == []
