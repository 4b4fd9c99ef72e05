"""sign: by every kind of key, beside what is there, and read by those who serve it."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from regctl.digest import Digest
from regctl.layout import Reference
from regctl.registry import Registry, Repository
from regctl.registry.tagging import push_manifest
from regctl.signature import libtrust
from regctl.signature.cosign import Identity, Subject, Trust, judge
from regctl.signature.cosign_manifest import (
    CERTIFICATE,
    CHAIN,
    CosignSignature,
    parse_signature_manifest,
)
from regctl.signature.cosign_payload import parse_payload
from regctl.signature.cosign_tags import signature_tag
from regctl.signature.cosign_verdict import Judgement, Verdict
from regctl.signature.keyfile import load_public_key
from regctl.signature.policy_identity import MatchRepoDigestOrExact, refusal
from regctl.signature.policy_reference import DockerReference
from tests import schema1
from tests.commands.conftest import TreeOf, snapshot
from tests.commands.handles import Directory, Storage, blob_at, in_repository
from tests.commands.running import Result, check_refusal, regctl
from tests.commands.test_terminal import on_terminal, plain
from tests.images import Image, Index, build_image
from tests.registry.storages import push as push_layer
from tests.servers.fixtures import RegistryFactory
from tests.servers.skopeo import Skopeo
from tests.signature.cosign.authorities import issue
from tests.signature.cosign.samples import INDEX as COSIGN
from tests.signature.cosign.samples import KEYS, VECTORS, public_key
from tests.signature.cosign.samples import PASSPHRASE as PASSPHRASE_BYTES

HOST = "registry.example.com:5000"
PASSPHRASE = PASSPHRASE_BYTES.decode()
ENVIRON = {"COSIGN_PASSWORD": PASSPHRASE}


def key_file(name: str) -> str:
    return str(VECTORS / "keys" / f"{name}.key")


def sign(storage: Storage, reference: str, *options: str, key: str = "ed") -> Result:
    arguments = [reference, "--key", key_file(key), "--registry-host", HOST, *options]
    return regctl("sign", *arguments, storage=storage, environ=ENVIRON)


def repository_of(storage: Storage, name: str = "app") -> Repository:
    return Registry(storage.driver).repository(Reference.parse(name).repository)


def signatures(storage: Storage, digest: Digest, name: str = "app") -> list[CosignSignature]:
    repository = repository_of(storage, name)
    holder = repository.tags.get(signature_tag(digest))
    found = parse_signature_manifest(repository.manifests.get(holder))
    return [
        CosignSignature(each, repository.blobs.get(repository.layers.resolve(each.digest), 10_000))
        for each in found
    ]


def judged(
    storage: Storage, digest: Digest, key: str, identity: Identity | None = None, name: str = "app"
) -> Judgement:
    trust = Trust((public_key(key),))
    return judge(signatures(storage, digest, name), Subject(digest), trust, identity)


# --- what is signed ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_every_kind_of_key_signs(filled: Storage, image: Image, key: str) -> None:
    result = sign(filled, "app:v1", key=key)
    assert (result.code, result.lines) == (0, [str(image.digest)])
    assert f"app@{image.digest}: signed as {HOST}/app:v1" in result.err
    assert judged(filled, image.digest, key).verdict is Verdict.TRUSTED


def test_what_it_says_in_json(filled: Storage, image: Image) -> None:
    first = sign(filled, "app:v1", "--format=json").json
    tag = str(signature_tag(image.digest))
    holder = repository_of(filled).tags.get(signature_tag(image.digest))
    assert first == {
        "repository": "app",
        "digest": str(image.digest),
        "kind": "cosign",
        "key": public_key("ed").fingerprint,
        "docker_reference": f"{HOST}/app:v1",
        "signed": [
            {
                "digest": str(image.digest),
                "tag": tag,
                "signature": str(holder),
                "existed": False,
            }
        ],
    }
    again = sign(filled, "app:v1", "--format=json").json
    assert again["signed"] == [{**first["signed"][0], "existed": True}]


def test_signing_again_changes_nothing_and_says_so(filled: Storage, image: Image) -> None:
    sign(filled, "app:v1", key="a")
    before = snapshot(filled)
    again = sign(filled, "app:v1", key="a")
    assert (again.code, again.lines) == (0, [str(image.digest)])
    assert "is signed already" in again.err
    assert snapshot(filled) == before


def test_signatures_add_up(filled: Storage, image: Image) -> None:
    for key in ("a", "rsa", "ed"):
        sign(filled, "app:v1", key=key)
    for key, verdict in (
        ("a", Verdict.TRUSTED),
        ("rsa", Verdict.TRUSTED),
        ("ed", Verdict.TRUSTED),
        ("b", Verdict.UNKNOWN_KEY),
    ):
        assert judged(filled, image.digest, key).verdict is verdict
    assert len(signatures(filled, image.digest)) == 3


@pytest.mark.parametrize("by_digest", [False, True])
def test_the_name_that_is_signed_is_what_nodes_ask_for(
    filled: Storage, image: Image, by_digest: bool
) -> None:
    """A node with the default rule asks for the image just as REF does."""
    reference = f"app@{image.digest}" if by_digest else "app:v1"
    assert sign(filled, reference).code == 0
    (signature,) = signatures(filled, image.digest)
    assert parse_payload(signature.payload).docker_reference == f"{HOST}/{reference}"
    intended = DockerReference.parse(f"{HOST}/{reference}")

    def identity(written: str) -> str:
        return refusal(MatchRepoDigestOrExact(), intended, written)

    assert judged(filled, image.digest, "ed", identity).verdict is Verdict.TRUSTED


def test_an_index_with_and_without_its_manifests(filled: Storage, index: Index) -> None:
    children = [image.digest for image in index.images]
    alone = sign(filled, "team/multi:latest")
    assert alone.lines == [str(index.digest)]
    tags = regctl("ls", "team/multi", storage=filled).lines
    assert tags == sorted(["latest", str(signature_tag(index.digest))])
    whole = sign(filled, "team/multi:latest", "--recursive")
    assert whole.lines == [str(each) for each in (*children, index.digest)]
    assert whole.err.count("is signed already") == 1
    for digest in (*children, index.digest):
        (signature,) = signatures(filled, digest, "team/multi")
        reference = parse_payload(signature.payload).docker_reference
        assert reference == f"{HOST}/team/multi:latest"
        assert judged(filled, digest, "ed", name="team/multi").verdict is Verdict.TRUSTED


def test_a_manifest_of_an_index_that_is_not_here(filled: Storage, index: Index) -> None:
    gone = index.images[0].digest
    assert regctl("rm", f"team/multi@{gone}", "--yes", "--force", storage=filled).code == 0
    before = snapshot(filled)
    refused = sign(filled, "team/multi:latest", "--recursive")
    check_refusal(refused, 3, str(gone), hint="--allow-sparse")
    assert snapshot(filled) == before
    sparse = sign(filled, "team/multi:latest", "--recursive", "--allow-sparse")
    assert sparse.lines == [str(index.images[1].digest), str(index.digest)]


def test_a_dry_run_says_what_it_would_do_and_does_nothing(filled: Storage, index: Index) -> None:
    sign(filled, "team/multi:latest")
    before = snapshot(filled)
    plan = sign(filled, "team/multi:latest", "--recursive", "--dry-run").lines
    assert snapshot(filled) == before
    assert len(plan) == 3
    assert [" sign it as " in line for line in plan] == [True, True, False]
    assert plan[2].startswith(f"team/multi@{index.digest}: is signed already as {HOST}/")
    data = sign(filled, "team/multi:latest", "--dry-run", "--format=json").json
    assert data == {"dry_run": True, "plan": [plan[2]]}


def test_a_chain_lies_beside_the_signature(filled: Storage, image: Image, tmp_path: Path) -> None:
    issuer = issue("an authority", ca=True)
    leaf = issue("a signer", issuer)
    key, chain = tmp_path / "leaf.pem", tmp_path / "chain.pem"
    key.write_bytes(
        leaf.secret.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    chain.write_text(f"a text before\n{leaf.pem}{issuer.pem}")
    arguments = ["app:v1", "--key", str(key), "--chain", str(chain), "--registry-host", HOST]
    assert regctl("sign", *arguments, storage=filled).code == 0
    (signature,) = signatures(filled, image.digest)
    assert signature.annotation(CERTIFICATE) == leaf.pem
    assert signature.annotation(CHAIN) == issuer.pem
    signed_by = judge([signature], Subject(image.digest), Trust())
    assert (signed_by.verdict, "a signer" in signed_by.signer) == (Verdict.SIGNED, True)
    key.write_bytes((VECTORS / "keys" / "ed.key").read_bytes())
    check_refusal(regctl("sign", *arguments, storage=filled), 2, "another key")
    chain.write_text("nothing")
    check_refusal(regctl("sign", *arguments, storage=filled), 2, "no certificate")


# --- what others wrote ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def foreign_once(tmp_path_factory: pytest.TempPathFactory) -> Directory:
    """A storage into which skopeo pushed signed images, and hostile ones were put."""
    root = tmp_path_factory.mktemp("foreign")
    with tarfile.open(VECTORS / "root.tar.gz") as tar:
        tar.extractall(root, filter="data")
    return Directory(root)


@pytest.fixture
def foreign(kind: str, foreign_once: Directory) -> Storage:
    """The same for every test, which adds to it."""
    assert kind == foreign_once.kind
    return foreign_once


@pytest.mark.parametrize("entry", COSIGN["images"], ids=lambda e: f"{e['repository']}:{e['tag']}")
def test_beside_the_signatures_of_skopeo_and_of_nobody(
    foreign: Storage, entry: dict[str, Any]
) -> None:
    """Whatever there is stays as it is, and what is said of it by the keys stays the same."""
    name, digest = entry["repository"], Digest.parse(entry["digest"])
    tag = signature_tag(digest)
    repository = repository_of(foreign, name)
    before: list[CosignSignature] = []
    verdicts = {}
    if tag in repository.tags.list():
        before = signatures(foreign, digest, name)
        verdicts = {key: judged(foreign, digest, key, name=name).verdict for key in ("a", "b")}
    result = sign(foreign, f"{name}:{entry['tag']}", key="c")
    assert result.code == 0, result.err
    after = signatures(foreign, digest, name)
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1
    assert judged(foreign, digest, "c", name=name).verdict is Verdict.TRUSTED
    for key, verdict in verdicts.items():
        now = judged(foreign, digest, key, name=name).verdict
        # Ours is one more by a key that was not named: better than none, or an invalid one.
        assert now in (verdict, Verdict.UNKNOWN_KEY)
        assert (now is Verdict.TRUSTED) == (verdict is Verdict.TRUSTED)


def test_a_registry_serves_the_signatures(
    filled: Storage, index: Index, registry_server: RegistryFactory, skopeo: Skopeo
) -> None:
    server = registry_server(filled.directory)
    for key in ("ed", "rsa"):
        assert sign(filled, "team/multi:latest", "--recursive", key=key).code == 0
    for digest in (index.digest, index.images[0].digest):
        tag = signature_tag(digest)
        source = f"docker://{server.host}/team/multi:{tag}"
        raw = skopeo.inspect(source, "--raw")
        stored = repository_of(filled, "team/multi").manifests.get(
            repository_of(filled, "team/multi").tags.get(tag)
        )
        assert raw == json.loads(stored)
        assert str(tag) in server.client.tags("team/multi")
        layers = raw["layers"]
        assert isinstance(layers, list)
        for layer in layers:
            blob = server.client.blob("team/multi", Digest.parse(layer["digest"])).expect(200)
            assert parse_payload(blob.body).manifest_digest == digest
        # All of it can be copied: the registry finds every blob that it names.
        target = f"docker://{server.host}/elsewhere:signatures"
        skopeo.copy(source, target)
    # Its own collector takes nothing of it away.
    server.garbage_collect(dry_run=False)
    assert judged(filled, index.digest, "rsa", name="team/multi").verdict is Verdict.TRUSTED


# --- schema 1 ------------------------------------------------------------------------------------


@pytest.fixture
def old(storage: Storage) -> tuple[Storage, Digest]:
    """A storage with the schema 1 manifest ``old:v1``, signed once, and its revision."""
    repository = Registry(storage.driver).repository_to_fill(Reference.parse("old").repository)
    layer = build_image(5, layers=1, size=100).layers[0]
    push_layer(repository, layer.content)
    payload = schema1.payload_of("old", "v1", [layer.digest])
    tag = Reference.parse("old:v1").tag
    push_manifest(repository, schema1.signed_by(payload, schema1.RSA), tag=tag)
    assert tag is not None
    return storage, repository.tags.get(tag)


@pytest.mark.parametrize(
    "key",
    [
        VECTORS.parent / "libtrust" / "keys" / "ec384.jwk",
        VECTORS.parent / "libtrust" / "keys" / "ec384.pem",
        VECTORS / "keys" / "a.key",
        VECTORS / "keys" / "rsa.key",
    ],
    ids=["jwk", "pem", "cosign", "pkcs8"],
)
def test_schema_1_gets_a_signature_beside_it(old: tuple[Storage, Digest], key: Path) -> None:
    storage, revision = old
    arguments = ["sign", "old:v1", "--key", str(key)]
    dry = regctl(*arguments, "--dry-run", storage=storage, environ=ENVIRON)
    assert (dry.code, len(dry.lines)) == (0, 1)
    assert len(repository_of(storage, "old").signatures.list(revision)) == 1
    result = regctl(*arguments, "--format=json", storage=storage, environ=ENVIRON)
    assert result.code == 0, result.err
    (signed,) = result.json["signed"]
    assert result.json["kind"] == "libtrust"
    assert result.json["docker_reference"] is None
    assert signed["digest"] == result.json["digest"] == str(revision)
    beside = repository_of(storage, "old").signatures.list(revision)
    assert signed["signature"] in map(str, beside)
    assert len(beside) == 2
    pulled = regctl("pull-manifest", "old:v1", storage=storage)
    verdicts = libtrust.verify(libtrust.parse(pulled.stdout))
    assert [each.verified for each in verdicts] == [True, True]
    assert result.json["key"] in {each.key_id for each in verdicts}
    before = snapshot(storage)
    again = regctl(*arguments, storage=storage, environ=ENVIRON)
    assert (again.lines, "is signed already" in again.err) == ([str(revision)], True)
    assert snapshot(storage) == before


def test_schema_1_takes_no_ed25519_key(old: tuple[Storage, Digest]) -> None:
    storage, _ = old
    result = regctl("sign", "old:v1", "--key", key_file("ed"), storage=storage)
    check_refusal(result, 2, "Ed25519", hint="EC")


# --- keys and passphrases ------------------------------------------------------------------------


def test_a_wrong_passphrase_is_said_and_not_shown(filled: Storage) -> None:
    arguments = ["sign", "app:v1", "--key", key_file("a"), "--registry-host", HOST]
    before = snapshot(filled)
    wrong = regctl(*arguments, storage=filled, environ={"COSIGN_PASSWORD": "not-this-one"})
    check_refusal(wrong, 2, key_file("a"), "does not open with this passphrase")
    assert "not-this-one" not in wrong.err
    nobody = regctl(*arguments, storage=filled)
    check_refusal(nobody, 2, "a passphrase is needed", hint="COSIGN_PASSWORD")
    quiet = regctl(*arguments, "--format=json", storage=filled)
    assert (quiet.code, quiet.error["code"]) == (2, "usage")
    assert snapshot(filled) == before


@pytest.mark.parametrize(("typed", "code"), [(PASSPHRASE, 0), ("wrong", 2)])
def test_the_passphrase_is_asked_for_on_a_terminal(
    filled: Storage, image: Image, typed: str, code: int
) -> None:
    question = f"Passphrase of {key_file('a')}: "
    session = on_terminal(
        *["sign", "app:v1", "--key", key_file("a"), "--registry-host", HOST],
        *["--storage", str(filled)],
        keys=f"{typed}\n",
        after=question,
        stdout_on_terminal=False,
    )
    assert session.code == code, session.screen
    assert typed not in session.screen.replace(key_file("a"), "")
    if code:
        assert "does not open with this passphrase" in plain(session.screen)
    else:
        assert session.stdout.split() == [str(image.digest)]
        assert judged(filled, image.digest, "a").verdict is Verdict.TRUSTED


def test_a_key_of_keygen_signs(filled: Storage, image: Image, tmp_path: Path) -> None:
    prefix = str(tmp_path / "own")
    environ = {"COSIGN_PASSWORD": ""}
    assert regctl("keygen", "--output-prefix", prefix, environ=environ).code == 0
    arguments = ["app:v1", "--key", f"{prefix}.key", "--registry-host", HOST]
    assert regctl("sign", *arguments, storage=filled, environ=environ).code == 0
    key = load_public_key((tmp_path / "own.pub").read_bytes())
    found = signatures(filled, image.digest)
    assert judge(found, Subject(image.digest), Trust((key,))).verdict is Verdict.TRUSTED


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["app:v1"], 2, "--key"),
        (["app:v1", "--key", "KEY"], 2, "--registry-host"),
        (["app", "--key", "KEY", "--registry-host", HOST], 2, "names no manifest"),
        (["app:v2", "--key", "KEY", "--registry-host", HOST], 3, "no tag v2"),
        (["none:v1", "--key", "KEY", "--registry-host", HOST], 3, "no repository none"),
        (["app:v1", "--key", "KEY", "--registry-host", "myhost"], 2, "not the host"),
        (["app:v1", "--key", "KEY", "--registry-host", "a.b/c"], 2, "not the host"),
        (["app:v1", "--key", "KEY", "--registry-host", "https://a.b"], 2, "not the host"),
        (["app:v1", "--key", "absent", "--registry-host", HOST], 2, "cannot read absent"),
        (["app:v1", "--key", "/", "--registry-host", HOST], 2, "it is a directory"),
        (["app:v1", "--key", "PUBLIC", "--registry-host", HOST], 2, "not a private key"),
        (["app:v1", "--key", "-", "--registry-host", HOST], 2, "no private key in PEM form"),
        (["app:v1", "--key", "KEY", "--chain", "absent", "--registry-host", HOST], 2, "absent"),
    ],
)
def test_refusals_change_nothing(
    filled: Storage, arguments: list[str], code: int, words: str
) -> None:
    before = snapshot(filled)
    files = {"KEY": key_file("ed"), "PUBLIC": str(VECTORS / "keys" / "ed.pub")}
    line = [files.get(each, each) for each in arguments]
    check_refusal(regctl("sign", *line, storage=filled, stdin=b"x"), code, words)
    assert snapshot(filled) == before


def test_a_damaged_manifest_is_not_signed(filled: Storage, image: Image) -> None:
    filled.write(blob_at(image.digest), image.manifest.content[:-1] + b" ")
    before = snapshot(filled)
    check_refusal(sign(filled, "app:v1"), 5, "damaged")
    assert snapshot(filled) == before


def test_signatures_that_cannot_be_read_stay(filled: Storage, image: Image) -> None:
    assert sign(filled, "app:v1").code == 0
    tag = signature_tag(image.digest)
    current = in_repository("app", f"_manifests/tags/{tag}/current/link")
    filled.write(current, f"sha256:{'0' * 64}")
    before = snapshot(filled)
    refused = sign(filled, "app:v1", key="rsa")
    check_refusal(refused, 5, "cannot be added to", hint="regctl history")
    assert snapshot(filled) == before


def test_a_repository_of_2015_is_read_only(tree_of: TreeOf) -> None:
    storage = tree_of("seed-basic").storage
    names = regctl("ls", storage=storage).lines
    tagged = {name: regctl("ls", name, storage=storage).lines for name in names}
    name, tags = next((name, tags) for name, tags in tagged.items() if tags)
    before = snapshot(storage)
    refused = sign(storage, f"{name}:{tags[0]}")
    check_refusal(refused, 6, "2015")
    assert snapshot(storage) == before
