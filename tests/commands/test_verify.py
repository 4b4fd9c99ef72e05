"""`regctl verify` by the command line: vectors, trees of real registries, reports, exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands.conftest import MakeStorage, TreeOf, files_below
from tests.commands.handles import Storage, blob_at
from tests.commands.running import ROOT, Result, check_refusal, process_environment, regctl
from tests.images import Image
from tests.signature.cosign.samples import HOST, INDEX, KEYS, VECTORS
from tests.signature.libtrust.vectors import private_key

IMAGES = {f"{each['repository']}:{each['tag']}": each for each in INDEX["images"]}
RULES = ("matchRepository", "matchRepoDigestOrExact")
LIBTRUST_KEYS = ROOT / "tests" / "vectors" / "libtrust" / "keys"
TRUSTED_BY_A = {"app/one:v1", "app/two:v1", "app/index:multi", "app/retag:old"}
TRUSTED_BY_A |= {"mixed/badfirst:v1", "ident/notag:v1", "ident/elsewhere:v1"}


@pytest.fixture(scope="module")
def signed_by_kind() -> dict[str, Storage]:
    """Those that were made already."""
    return {}


@pytest.fixture
def signed(
    kind: str,
    signed_by_kind: dict[str, Storage],
    make_storage: MakeStorage,
    tmp_path_factory: pytest.TempPathFactory,
) -> Storage:
    """The storage of the vectors, which nobody changes."""
    if kind not in signed_by_kind:
        root = tmp_path_factory.mktemp("signed")
        with tarfile.open(VECTORS / "root.tar.gz") as tar:
            tar.extractall(root, filter="data")
        made = make_storage(kind, root / "storage")
        made.fill(files_below(root))
        signed_by_kind[kind] = made
    return signed_by_kind[kind]


def key(name: str) -> str:
    return str(VECTORS / "keys" / f"{name}.pub")


def verify(storage: Storage, *arguments: str | Path) -> Result:
    return regctl("verify", *arguments, storage=storage)


def rows(result: Result) -> tuple[dict[str, dict[str, object]], dict[str, object]]:
    """The objects of a run in JSON mode by reference, and the summary."""
    *found, last = result.rows
    names = [
        f"{each['repository']}:{each['tag']}"
        if each["tag"]
        else f"{each['repository']}@{each['digest']}"
        for each in found
    ]
    return dict(zip(names, found, strict=True)), last["summary"]


# --- the vectors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", KEYS)
def test_policy_says_what_skopeo_said(
    signed: Storage, tmp_path: Path, name: str, rule: str
) -> None:
    requirement = {
        "type": "sigstoreSigned",
        "keyPath": key(name),
        "signedIdentity": {"type": rule},
    }
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"default": [requirement]}))
    result = verify(signed, "--policy", policy, "--registry-host", HOST, "--format=json")
    found, summary = rows(result)
    said = {image: each["accepted_by"][name][rule] for image, each in IMAGES.items()}
    assert {image: found[image]["met"] for image in IMAGES} == said
    assert result.code == (0 if all(said.values()) else 1)
    assert summary["failed"] == list(said.values()).count(False)
    assert all(found[image]["reasons"] for image, met in said.items() if not met)


def test_key(signed: Storage) -> None:
    result = verify(signed, "--key", key("a"), "--format=json")
    found, summary = rows(result)
    assert result.code == 1
    assert {name for name in IMAGES if found[name]["met"]} == TRUSTED_BY_A
    assert {name for name in found if found[name]["verdict"] == "trusted"} == TRUSTED_BY_A
    # What hangs on an image is checked for its content, and no more is asked of it.
    attached = [each for name, each in found.items() if name not in IMAGES]
    assert {(each["verdict"], each["met"], each["judged"]) for each in attached} == {
        ("unchecked", True, False)
    }
    assert len(attached) == summary["content_only"]
    assert summary["proved"] is True
    assert summary["required"] == "trusted"


def test_several_keys(signed: Storage) -> None:
    names = ["app/one:v1", "app/other:v1", "app/rsa:v1", "app/ed:v1"]
    keys = [word for name in KEYS for word in ("--key", key(name))]
    assert verify(signed, *names, *keys).code == 0
    # SHA-256 for every curve: what was signed with SHA-384 is not verified by its key.
    assert verify(signed, "app/p384:v1", *keys).lines[0].startswith("unknown-key ")


def test_text_has_a_row_a_reference_and_reasons_below(signed: Storage) -> None:
    result = verify(signed, "app/one:v1", "bad/moved:v1", "--key", key("a"))
    one, moved = (IMAGES[name]["digest"] for name in ("app/one:v1", "bad/moved:v1"))
    assert result.lines == [
        f"trusted     app/one:v1 {one}",
        f"invalid     bad/moved:v1 {moved}",
        f"    it is for another manifest: {one}",
        "2 references: 1 trusted, 1 invalid; 1 not as required (trusted)",
    ]
    assert (result.code, result.err) == (1, "")


def test_without_trust_nothing_is_proved(signed: Storage) -> None:
    result = verify(signed, "app/one:v1")
    assert result.code == 0
    assert result.lines[0].startswith("unknown-key app/one:v1 ")
    assert result.lines[-1].startswith("nothing was proved: nobody is trusted")
    _, summary = rows(verify(signed, "app/one:v1", "--format=json"))
    assert (summary["proved"], summary["required"]) == (False, "present")
    assert verify(signed, "app/one:v1", "--require", "signed").code == 1
    assert verify(signed, "app/none:v1").code == 1


@pytest.mark.parametrize(
    ("section", "met", "verdict"),
    [
        ({"type": "insecureAcceptAnything"}, True, "unchecked"),
        ({"type": "reject"}, False, "unchecked"),
        ({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}, False, "unchecked"),
        ({"type": "sigstoreSigned", "keyPath": "/no/such/key.pub"}, False, "unchecked"),
    ],
)
def test_what_a_policy_cannot_have_checked_is_refused(
    signed: Storage, tmp_path: Path, section: dict[str, str], met: bool, verdict: str
) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"default": [section]}))
    line = ("app/one:v1", "--policy", policy, "--registry-host", HOST)
    result = verify(signed, *line, "--format=json")
    found, _ = rows(result)
    assert (found["app/one:v1"]["met"], found["app/one:v1"]["verdict"]) == (met, verdict)
    assert result.code == (0 if met else 1)
    assert verify(signed, *line, "--require", "trusted").code == 1


# --- schema 1 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "trusted", "others"),
    [
        ("seed-basic", {"library/oracle:v1": "ec256"}, {}),
        (
            "seed-full",
            {"library/oracle:chained": "ec256", "library/second:latest": "ec256"},
            {"library/oracle:v1": "signed"},
        ),
        ("old-2.0.0", {"legacy/signed:tarsum": "ec256"}, {"legacy/signed:one": "signed"}),
        (
            "old-2.4.1",
            {"legacy/signed:two": "ec256"},
            {"legacy/signed:one": "signed", "app/web:v1": "unsigned"},
        ),
        ("schema1-2.8.2", {}, {"legacy/signed:one": "unsigned", "app/modern:1": "unsigned"}),
    ],
)
def test_trees_of_schema1(
    tree_of: TreeOf, tree: str, trusted: dict[str, str], others: dict[str, str]
) -> None:
    """Also layers known by TarSum are read and found right."""
    storage = tree_of(tree).storage
    found, _ = rows(
        verify(
            storage,
            "--key",
            LIBTRUST_KEYS / "ec256.pub.pem",
            "--read-layers",
            "--all-revisions",
            "--format=json",
        )
    )
    assert {name: found[name]["verdict"] for name in trusted} == dict.fromkeys(trusted, "trusted")
    assert {name: found[name]["verdict"] for name in others} == others
    assert "broken" not in {each["verdict"] for each in found.values()}
    for name in trusted:
        assert verify(storage, name, "--key", LIBTRUST_KEYS / "ec256.pub.jwk").code == 0
        assert verify(storage, name, "--key-id", private_key("ec256").public.key_id).code == 0


def test_a_layer_of_2015_that_is_changed_is_found(tree_of: TreeOf, storage: Storage) -> None:
    storage.fill(files_below(tree_of("seed-basic").root))
    (path, *_) = storage.find("docker/registry/v2/blobs/tarsum/*/data")
    content = bytearray(storage.read(path))
    content[600] ^= 1
    storage.write(path, bytes(content))
    assert verify(storage).code == 0
    result = verify(storage, "--read-layers")
    assert result.code == 1
    assert result.lines[0].startswith("broken      library/oracle:v1 ")


@pytest.mark.parametrize(
    ("authority", "verdict"), [("root.crt", "trusted"), ("otherroot.crt", "signed")]
)
def test_chain(tree_of: TreeOf, authority: str, verdict: str) -> None:
    storage = tree_of("seed-full").storage
    result = verify(storage, "library/oracle:chained", "--ca", LIBTRUST_KEYS / authority)
    assert result.lines[0].startswith(f"{verdict} ")
    assert result.code == (0 if verdict == "trusted" else 1)


# --- what is broken, absent, unreadable -----------------------------------------------------------


def test_broken_content_fails(filled: Storage, image: Image) -> None:
    filled.remove(blob_at(image.layers[0].digest))
    result = verify(filled, "app:v1", "--require", "present")
    assert result.code == 1
    assert result.lines[0] == f"broken      app:v1 {image.digest}"
    assert "is missing" in result.lines[1]


@pytest.mark.parametrize("name", ["no/where", "app:v9", f"app@sha256:{'0' * 64}"])
def test_what_was_named_and_is_not_there(filled: Storage, name: str) -> None:
    result = verify(filled, name, "app:v1", "--format=json")
    found, summary = rows(result)
    assert result.code == 3
    assert [each["failure"] for each in result.rows[:-1]] == ["absent", None]
    assert (summary["absent"], summary["checked"]) == (1, 2)
    assert "app:v1" in found


def test_what_cannot_be_read_counts_over_all(filled: Storage, image: Image) -> None:
    """A symlink is not followed: what lies behind it is neither there nor not there."""
    path = filled.directory / blob_at(image.digest)
    content = filled.directory / "elsewhere"
    path.rename(content)
    path.symlink_to(content)
    result = verify(filled, "app:v1", "app:v9", "team/multi:latest")
    assert result.code == 5
    assert result.lines[0] == "unchecked   app:v1"
    assert "it could not be read: " in result.lines[1]
    assert result.lines[2].startswith("broken      app:v9")
    assert result.lines[-2] == "1 not there, 1 could not be read"


def test_what_lies_behind_a_symlink_is_not_called_sound(filled: Storage, tmp_path: Path) -> None:
    """A repository behind a symlink is not seen, so that the whole storage was not."""
    (tmp_path / "elsewhere").mkdir()
    repositories = filled.directory / "docker/registry/v2/repositories"
    (repositories / "linked").symlink_to(tmp_path / "elsewhere")
    result = verify(filled, "--require", "present")
    assert result.code == 5
    assert "linked is a symlink" in result.err
    assert "1 could not be read" in result.out


def test_an_empty_storage_is_in_order(storage: Storage) -> None:
    result = verify(storage)
    assert (result.code, result.lines[0]) == (
        0,
        "0 references: nothing to check; 0 not as required (present)",
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--policy", "p.json"), ("--registry-host",)),
        (("--policy", "p", "--key", "k", "--registry-host", "h:1"), ("--policy says whom",)),
        (("--key", "/no/such/file"), ("cannot read /no/such/file",)),
        (("--key", str(VECTORS / "keys" / "a.key")), ("private key",)),
        (("--ca", key("a")), ("--ca", "is not a certificate")),
        (("--key-id", "ABCD"), ("'ABCD' is not the id",)),
        (("--registry-host", "a/b"), ("not the host of a registry",)),
        (("--report", "html=x"), ("neither junit=FILE nor sarif=FILE",)),
        (("--report", "junit=/no/such/place"), ("cannot write the report",)),
        (("UPPER",), ("is not a repository name",)),
    ],
)
def test_what_cannot_be_right(
    storage: Storage, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    check_refusal(verify(storage, *arguments), 2, *words)


def test_jwk_of_ed25519(signed: Storage, tmp_path: Path) -> None:
    from base64 import urlsafe_b64encode

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    public = load_pem_public_key(Path(key("ed")).read_bytes())
    assert isinstance(public, Ed25519PublicKey)
    x = urlsafe_b64encode(public.public_bytes_raw()).decode().rstrip("=")
    path = tmp_path / "ed.jwk"
    path.write_text(json.dumps({"kty": "OKP", "crv": "Ed25519", "x": x}))
    assert verify(signed, "app/ed:v1", "--key", path).code == 0
    path.write_text(json.dumps({"kty": "OKP", "crv": "Ed25519", "x": x[:-3]}))
    check_refusal(verify(signed, "app/ed:v1", "--key", path), 2, "malformed")


# --- reports -------------------------------------------------------------------------------------


def test_reports(signed: Storage, tmp_path: Path) -> None:
    junit, sarif = tmp_path / "junit.xml", tmp_path / "out.sarif"
    result = verify(
        signed,
        "--key",
        key("a"),
        *("--report", f"junit={junit}"),
        *("--report", f"sarif={sarif}"),
        "--github",
    )
    assert result.code == 1
    failed = set(IMAGES) - TRUSTED_BY_A
    root = ET.parse(junit).getroot()
    cases = {each.get("name"): each for each in root.iter("testcase")}
    assert {name for name, each in cases.items() if each.find("failure") is not None} == failed
    assert root.get("failures") == str(len(failed))
    (run,) = json.loads(sarif.read_text())["runs"]
    names = [
        each["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] for each in run["results"]
    ]
    assert set(names) == failed
    rules = [each["id"] for each in run["tool"]["driver"]["rules"]]
    assert all(rules[each["ruleIndex"]] == each["ruleId"] for each in run["results"])
    annotations = [line for line in result.err.splitlines() if line.startswith("::error ")]
    assert len(annotations) == len(failed)
    assert "::error title=app/none%3Av1::app/none:v1 is unsigned: there is no signature" in (
        annotations
    )


def test_github_is_told_that_nothing_was_proved(signed: Storage) -> None:
    result = verify(signed, "app/one:v1", "--github")
    assert result.err.startswith("::warning title=regctl verify::no trust was given")


# --- the README's job ----------------------------------------------------------------------------


@contextmanager
def program_on_path(directory: Path) -> Iterator[str]:
    """A PATH on which ``regctl`` is this tree's."""
    import sys

    script = directory / "regctl"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from regctl.cli import main\nmain()\n"
    )
    script.chmod(0o755)
    yield f"{directory}:{os.environ['PATH']}"


def test_the_job_of_the_readme_works_as_pasted(signed: Storage, tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("## In CI\n")[2].partition("\n## ")[0]
    (job,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    (shell,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    import yaml

    steps = yaml.safe_load(job)["jobs"]["verify"]["steps"]
    (from_job,) = [each["run"] for each in steps if "regctl" in each.get("run", "")]
    work = tmp_path / "work"
    work.mkdir()
    (work / "cosign.pub").write_bytes(Path(key("a")).read_bytes())
    with program_on_path(tmp_path) as path:
        environment = process_environment(**signed.environ, REGCTL_STORAGE=str(signed), PATH=path)
        for script in (from_job, shell):
            run = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=work,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert run.returncode == 1, run.stderr
            assert "unsigned    app/none:v1" in run.stdout
            (report,) = work.glob("*.xml")
            assert ET.parse(report).getroot().get("name") == "regctl verify"
            report.unlink()
