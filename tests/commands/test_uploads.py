"""uploads: list, tokens, cancel, finish; and push-layer --resume."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

from regctl.registry.gotime import parse_rfc3339
from regctl.registry.tokens import UploadState, check, sign
from tests.commands.conftest import snapshot
from tests.commands.handles import Snapshot, Storage, in_repository
from tests.commands.running import Result, check_refusal, regctl

SECRET = "a secret of the cluster"
ENVIRON = {"REGCTL_HTTP_SECRET": SECRET}
CONTENT = b"0123456789" * 1000
STORED = CONTENT[:4000]
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
STORED_DIGEST = f"sha256:{hashlib.sha256(STORED).hexdigest()}"
UPLOAD = "5d2b1c9e-0000-4000-8000-00000000abcd"
STARTED = "2026-11-23T16:10:25Z"


@pytest.fixture
def started(storage: Storage) -> Storage:
    """A storage in which a registry has an upload of ``app`` that holds `STORED`."""
    regctl("push-layer", "app", "-", storage=storage, stdin=b"x")
    storage.write(in_repository("app", f"_uploads/{UPLOAD}/startedat"), STARTED)
    storage.leave(in_repository("app", f"_uploads/{UPLOAD}/data"), STORED)
    return storage


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "layer"
    path.write_bytes(CONTENT)
    return path


def token(offset: int = len(STORED), name: str = "app", secret: str = SECRET) -> str:
    return sign(UploadState(name, UPLOAD, offset, parse_rfc3339(STARTED)), secret)


def run(storage: Storage, *arguments: str | Path, environ: dict[str, str] | None = None) -> Result:
    return regctl(*arguments, storage=storage, environ=environ)


def test_list(started: Storage) -> None:
    line = f"app {UPLOAD} {len(STORED)} {STARTED}"

    def without_age(line: str) -> str:
        fields = line.split()
        assert re.fullmatch(r"([0-9]+[dhms]){1,2}", fields.pop())
        return " ".join(fields)

    for arguments in (["uploads"], ["uploads", "app"], ["uploads", "list", "app"]):
        result = run(started, *arguments)
        assert (result.code, [without_age(each) for each in result.lines]) == (0, [line])
        assert result.err == ""
    (row,) = run(started, "uploads", "--format=json").rows
    assert row.pop("active_at").endswith("Z")
    assert row.pop("age") > 0
    assert row == {
        "repository": "app",
        "uuid": UPLOAD,
        "size": len(STORED),
        "started_at": STARTED,
        "problem": None,
    }
    check_refusal(run(started, "uploads", "none"), 3, "no repository none")
    check_refusal(run(started, "uploads", "--bogus"), 2, "no such option '--bogus'")
    check_refusal(run(started, "uploads", "cancel"), 2, "missing argument")
    check_refusal(run(started, "uploads", "app:v1"), 2, "uploads takes a repository")


def test_tokens_are_those_of_the_registry(started: Storage, tmp_path: Path) -> None:
    result = run(started, "uploads", "--tokens", environ=ENVIRON)
    made = result.lines[0].split()[-1]
    assert made == token()
    assert check(made, SECRET).offset == len(STORED)
    (row,) = run(started, "uploads", "list", "--tokens", "--format=json", environ=ENVIRON).rows
    assert row["token"] == made
    config = started.configure(tmp_path / "config.yml", http={"secret": SECRET})
    listed = regctl("uploads", "--tokens", "--config", config, environ=started.environ)
    assert listed.lines == result.lines


def test_tokens_need_a_secret(started: Storage) -> None:
    refused = run(started, "uploads", "--tokens")
    check_refusal(refused, 2, "a secret is needed", hint="REGCTL_HTTP_SECRET")
    check_refusal(run(started, "uploads", "cancel", "app", token()), 2, "a secret is needed")


def test_a_damaged_upload_is_listed_and_cancelled(started: Storage) -> None:
    directory = in_repository("app", f"_uploads/{UPLOAD}")
    started.write(f"{directory}/startedat", "yesterday\n")
    result = run(started, "uploads")
    assert result.lines == [f"app {UPLOAD} {len(STORED)} - -"]
    assert result.err.startswith("warning: ")
    (row,) = run(started, "uploads", "--format=json").rows
    assert "holds no time" in row["problem"]
    check_refusal(
        run(started, "uploads", "finish", "app", UPLOAD, "--digest", DIGEST), 5, "holds no time"
    )
    assert run(started, "uploads", "cancel", "app", UPLOAD, "--yes").code == 0
    assert run(started, "uploads").out == ""
    assert not started.exists(directory)


@pytest.mark.parametrize("named", [UPLOAD, token()])
def test_finish(started: Storage, named: str) -> None:
    wrong = run(started, "uploads", "finish", "app", named, "--digest", DIGEST, environ=ENVIRON)
    check_refusal(wrong, 4, DIGEST, STORED_DIGEST)
    assert len(run(started, "uploads").lines) == 1
    arguments = ("uploads", "finish", "app", named, "--digest", STORED_DIGEST, "--format=json")
    result = run(started, *arguments, environ=ENVIRON)
    assert result.json == {
        "repository": "app",
        "digest": STORED_DIGEST,
        "canonical": STORED_DIGEST,
        "other_bytes": False,
    }
    assert run(started, "pull-layer", "app", STORED_DIGEST).stdout == STORED
    gone = run(started, *arguments, environ=ENVIRON)
    assert (gone.code, gone.error["code"]) == (3, "upload-not-found")


@pytest.mark.parametrize("named", [UPLOAD, token()])
def test_cancel(started: Storage, named: str) -> None:
    before = snapshot(started)
    arguments = ("uploads", "cancel", "app", named)
    check_refusal(run(started, *arguments, environ=ENVIRON), 2, hint="--yes")
    dry = run(started, *arguments, "--dry-run", environ=ENVIRON)
    assert dry.lines == [f"remove the upload {UPLOAD} of app with its {len(STORED)} bytes"]
    assert snapshot(started) == before
    done = run(started, *arguments, "--yes", "--format=json", environ=ENVIRON)
    assert done.json == {"repository": "app", "uuid": UPLOAD}
    assert run(started, "uploads").out == ""
    check_refusal(run(started, *arguments, "--yes", environ=ENVIRON), 3, UPLOAD)


@pytest.mark.parametrize("named", [UPLOAD, token()])
def test_resume(started: Storage, file: Path, named: str) -> None:
    """Without a saved state the stored bytes are read again; they are not written again."""
    arguments = ("push-layer", "app", file, "--resume", named, "--format=json")
    result = run(started, *arguments, environ=ENVIRON)
    assert result.code == 0, result.err
    assert result.json["resumed"] == len(STORED)
    assert result.json["written"] == len(CONTENT) - len(STORED)
    assert result.json["digest"] == DIGEST
    assert run(started, "pull-layer", "app", DIGEST).stdout == CONTENT
    assert run(started, "uploads").out == ""


def links(storage: Storage) -> Snapshot:
    """All but what an upload in progress is made of: reading it may make it visible."""
    return {
        path: data
        for path, data in storage.files().items()
        if not path.startswith(in_repository("app", "_uploads"))
    }


def test_resume_with_another_file_changes_nothing(started: Storage, file: Path) -> None:
    for content in (b"X" + CONTENT[1:], CONTENT[:100], b""):
        file.write_bytes(content)
        before = links(started)
        result = run(started, "push-layer", "app", file, "--resume", UPLOAD)
        check_refusal(result, 4, "does not begin with", "nothing was changed", hint="cancel")
        assert links(started) == before
    finish = ("uploads", "finish", "app", UPLOAD, "--digest", STORED_DIGEST)
    assert run(started, *finish).lines == [STORED_DIGEST]


def test_resume_to_a_wrong_digest_keeps_the_upload(started: Storage, file: Path) -> None:
    arguments = ("push-layer", "app", file, "--resume", UPLOAD, "--digest", STORED_DIGEST)
    check_refusal(run(started, *arguments), 4, DIGEST, STORED_DIGEST)
    assert run(started, "uploads").lines[0].split()[1] == UPLOAD


@pytest.mark.parametrize(
    ("named", "code", "words"),
    [
        (token(offset=10), 6, "the token is for 10 bytes"),
        (token(name="other"), 6, "'other', not of app"),
        (token(secret="wrong"), 2, "signed with another secret"),
        (token()[:-4], 2, "token"),
        ("x" * 100, 2, "token"),
        ("nonsense", 2, "'nonsense' is not the id of an upload"),
        (UPLOAD.upper(), 2, "is not the id of an upload"),
        ("../../../../etc", 2, "is not the id of an upload"),
        (UPLOAD.replace("5d", "00"), 3, "there is no upload"),
    ],
)
def test_a_name_that_is_not_that_of_the_upload(
    started: Storage, file: Path, named: str, code: int, words: str
) -> None:
    before = snapshot(started)
    for arguments in (
        ("push-layer", "app", file, "--resume", named),
        ("uploads", "cancel", "app", named, "--yes"),
        ("uploads", "finish", "app", named, "--digest", STORED_DIGEST),
    ):
        result = run(started, *arguments, environ=ENVIRON)
        check_refusal(result, code, words)
        assert SECRET not in result.err
    assert snapshot(started) == before


def test_a_token_that_names_a_path_is_refused(started: Storage) -> None:
    """Only the holder of the secret can make one; it is no way out of the storage even then."""
    evil = sign(UploadState("app", "../../x", 0, parse_rfc3339(STARTED)), SECRET)
    result = run(started, "uploads", "cancel", "app", evil, "--yes", environ=ENVIRON)
    check_refusal(result, 2, "is not the id of an upload")
    message = json.loads(base64.urlsafe_b64decode(evil)[32:])
    assert message["UUID"] == "../../x"
