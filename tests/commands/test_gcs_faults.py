"""A Cloud Storage that fails: what passes is not seen, what stays is one clear line, and nothing
that is half done is reported as done. Whoever knows a session may write: it is never said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from regctl.drivers.gcs import client
from regctl.drivers.gcs.tries import Patience
from tests.commands.handles import GCS, Storage, blob_at, in_repository, sha256_of
from tests.commands.running import Result, check_refusal, regctl
from tests.images import Image
from tests.servers.faults import (
    Answer,
    CutAnswer,
    CutRequest,
    Drop,
    FaultProxy,
    Flip,
    LoseAnswer,
    Truncate,
)
from tests.servers.rules import Fault

CHUNK = 256 << 10
LARGE = bytes(range(256)) * (5 * CHUNK // 256) + b"the end"
DIGEST = sha256_of(LARGE)
BUSY = Answer(503, '{"error": {"code": 503, "message": "busy"}}', "application/json")
LINES = [
    ["ls"],
    ["ls", "app"],
    ["inspect", "app:v1"],
    ["history", "app:v1"],
    ["uploads"],
    ["pull-manifest", "app:v1"],
    ["push-layer", "app", "-"],
    ["push-manifest", "app:v2", "-"],
    ["tag", "app:v1", "v3"],
    ["untag", "app:v1", "--yes"],
]


@pytest.fixture(autouse=True)
def _few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """More tries and longer pauses take time, and show no more."""
    monkeypatch.setattr(client, "Patience", lambda: Patience(times=2, first=0.01, longest=0.02))


@pytest.fixture
def proxy(storage: Storage) -> Iterator[FaultProxy]:
    """A proxy in front of the server; the test fails if a fault never came."""
    assert isinstance(storage, GCS)
    with FaultProxy(storage.server.url) as proxy, proxy.faults():
        yield proxy


@pytest.fixture
def behind(storage: Storage, proxy: FaultProxy) -> GCS:
    """The storage by way of the proxy, with small chunks."""
    assert isinstance(storage, GCS)
    spoiled = GCS(storage.server, storage.prefix)
    spoiled.url += f"?chunksize={CHUNK}"
    spoiled.environ["STORAGE_EMULATOR_HOST"] = proxy.url
    return spoiled


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "layer"
    path.write_bytes(LARGE)
    return path


def run(storage: GCS, *line: str | os.PathLike[str], stdin: bytes = b"") -> Result:
    result = regctl(*line, storage=storage, stdin=stdin)
    said = result.stdout + result.stderr
    assert b"upload_id" not in said
    for session in storage.server.bucket.uploads:
        assert session.encode() not in said, "a session was said"
    return result


@pytest.mark.parametrize(
    "fault", [BUSY, Answer(429, ""), Drop(), LoseAnswer()], ids=["503", "429", "drop", "lost"]
)
def test_a_fault_that_passes_is_not_seen(
    filled: Storage, behind: GCS, proxy: FaultProxy, image: Image, fault: Fault
) -> None:
    for line in LINES:
        proxy.clear()
        proxy.inject(fault, nth=2)
        proxy.inject(fault, method="POST|PUT")
        proxy.inject(fault, method="DELETE")
        result = run(behind, *line, stdin=image.manifest.content)
        assert result.code == 0, (line, result.err)
        assert "error: " not in result.err
    proxy.clear()
    assert regctl("ls", "app", storage=filled).lines == ["v2", "v3"]
    assert regctl("inspect", "app:v3", storage=filled).code == 0


@pytest.mark.parametrize("fault", [BUSY, Drop()], ids=["503", "drop"])
def test_a_fault_that_stays_is_one_line(
    filled: Storage, behind: GCS, proxy: FaultProxy, image: Image, fault: Fault
) -> None:
    before = filled.snapshot()
    proxy.inject(fault, times=None)
    for line in LINES:
        proxy.forget()
        check_refusal(run(behind, *line, stdin=image.manifest.content), 5)
        assert 0 < proxy.count() <= 6, line
    assert filled.snapshot() == before


@pytest.mark.parametrize(
    "fault", [CutRequest(1000), LoseAnswer(), BUSY], ids=["cut", "lost", "503"]
)
def test_a_chunk_that_is_cut_is_sent_again(
    storage: Storage, behind: GCS, proxy: FaultProxy, file: Path, fault: Fault
) -> None:
    proxy.inject(fault, method="PUT", query="upload_id", nth=2)
    assert run(behind, "push-layer", "app", file).lines == [DIGEST]
    assert storage.read(blob_at(DIGEST)) == LARGE
    assert not storage.exists(in_repository("app", "_uploads"))


def test_chunks_that_are_always_cut_are_no_layer(
    storage: Storage, behind: GCS, proxy: FaultProxy, file: Path
) -> None:
    """What was stored before is kept, and gone on with by the command that is printed."""
    proxy.inject(CutRequest(1000), method="PUT", query="upload_id", nth=2, times=None)
    result = run(behind, "push-layer", "app", file)
    assert (result.code, result.out) == (5, ""), result.err
    assert result.err.count("error: ") == 1
    assert not storage.exists(blob_at(DIGEST))
    assert not storage.exists(in_repository("app", "_layers"))
    proxy.clear()
    (row,) = run(behind, "uploads", "--format=json").rows
    again = run(behind, "push-layer", "app", file, "--resume", row["uuid"])
    assert again.lines == [DIGEST], again.err
    assert storage.read(blob_at(DIGEST)) == LARGE


def test_a_session_that_expired_is_said(
    storage: Storage, behind: GCS, proxy: FaultProxy, file: Path
) -> None:
    gone = Answer(410, '{"error": {"code": 410, "message": "gone"}}', "application/json")
    proxy.inject(gone, method="PUT", query="upload_id", nth=2, times=None)
    result = run(behind, "push-layer", "app", file)
    assert (result.code, result.out) == (5, ""), result.err
    assert "expired or was ended" in result.err
    assert not storage.exists(blob_at(DIGEST))


@pytest.mark.parametrize("fault", [CutAnswer(1000), Truncate(1000)], ids=["cut", "truncated"])
def test_a_body_that_breaks_off_is_gone_on_with(
    storage: Storage, behind: GCS, proxy: FaultProxy, tmp_path: Path, fault: CutAnswer | Truncate
) -> None:
    storage.write(blob_at(DIGEST), LARGE)
    storage.write(in_repository("app", f"_layers/sha256/{DIGEST[7:]}/link"), DIGEST)
    media = "/download/.*data$"
    proxy.inject(fault, method="GET", path=media)
    target = tmp_path / "out"
    assert run(behind, "pull-layer", "app", DIGEST, "-o", target).code == 0
    assert target.read_bytes() == LARGE
    target.unlink()
    proxy.inject(type(fault)(0), method="GET", path=media, times=None)
    check_refusal(run(behind, "pull-layer", "app", DIGEST, "-o", target), 5)
    assert not target.exists()


def test_a_body_that_is_not_the_layer_is_not_called_so(
    storage: Storage, behind: GCS, proxy: FaultProxy, tmp_path: Path
) -> None:
    storage.write(blob_at(DIGEST), LARGE)
    storage.write(in_repository("app", f"_layers/sha256/{DIGEST[7:]}/link"), DIGEST)
    proxy.inject(Flip(1000), method="GET", path="/download/.*data$")
    result = run(behind, "pull-layer", "app", DIGEST, "-o", tmp_path / "out")
    check_refusal(result, 5, DIGEST[7:])
    assert not (tmp_path / "out").exists()
