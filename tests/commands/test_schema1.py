"""Schema 1 on the command line: pushed, signed, pulled and inspected, and why it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from regctl.digest import Digest
from regctl.signature.libtrust import parse, verify, verify_push
from tests import schema1
from tests.commands.conftest import TreeOf, snapshot
from tests.commands.handles import Storage, blob_at, in_repository
from tests.commands.running import Result, check_refusal, regctl
from tests.images import Image
from tests.registry.storages import digest_of


@pytest.fixture
def payload(image: Image) -> bytes:
    return schema1.payload_of("app", "old", [each.digest for each in image.layers])


@pytest.fixture
def signed(payload: bytes) -> bytes:
    return schema1.signed_by(payload, schema1.EC384)


def push(storage: Storage, content: bytes, *options: str, name: str = "app:old") -> Result:
    return regctl("push-manifest", name, "-", *options, storage=storage, stdin=content)


def signatures(storage: Storage, revision: Digest) -> list[str]:
    """The links beside a revision."""
    return storage.find(f"*/revisions/sha256/{revision.hex}/signatures/sha256/*/link")


def value_of(link: str) -> str:
    """The hex digits in a link's path."""
    return link.split("/")[-2]


def test_a_signed_document_is_pushed_and_pulled(
    filled: Storage, payload: bytes, signed: bytes, tmp_path: Path
) -> None:
    pushed = push(filled, signed)
    assert (pushed.code, pushed.lines) == (0, [str(digest_of(payload))])
    assert pushed.err.startswith("warning: this is a schema 1 manifest: registry 3.x can neither")
    for reference in ("app:old", f"app@{digest_of(payload)}"):
        pulled = regctl("pull-manifest", reference, storage=filled)
        assert (pulled.code, pulled.stdout, pulled.err) == (0, signed, "")
        bare = regctl("pull-manifest", reference, "--payload", storage=filled)
        assert (bare.code, bare.stdout, bare.err) == (0, payload, "")
    file = tmp_path / "manifest"
    regctl("pull-manifest", "app:old", "-o", file, storage=filled)
    assert file.read_bytes() == signed


def test_push_in_json(filled: Storage, payload: bytes, signed: bytes) -> None:
    result = push(filled, signed, "--format=json", name=f"app@{digest_of(payload)}")
    assert result.json == {
        "repository": "app",
        "tag": None,
        "digest": str(digest_of(payload)),
        "media_type": "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "size": len(payload),
        "mounted": 0,
        "signatures": 1,
    }
    (warning,) = result.warnings
    assert "registry 3.x" in warning["message"]


def test_a_key_signs_a_payload_and_adds_to_a_document(
    filled: Storage, payload: bytes, signed: bytes
) -> None:
    key = str(schema1.KEY_FILE)
    for content, count in ((payload, 1), (payload, 1), (signed, 2), (signed, 2)):
        result = push(filled, content, "--key", key, "--format=json")
        assert (result.code, result.json["signatures"]) == (0, count), result.err
        assert result.json["media_type"].endswith("v1+prettyjws")
    document = regctl("pull-manifest", "app:old", storage=filled).stdout
    assert verify_push(document, "app", "old") == ()
    assert {each.key_id for each in verify(parse(document))} == {
        schema1.EC256.public.key_id,
        schema1.EC384.public.key_id,
    }


def test_a_chain(filled: Storage, payload: bytes) -> None:
    options = ("--key", str(schema1.KEY_FILE), "--chain", str(schema1.CHAIN_FILE))
    assert push(filled, payload, *options).code == 0
    document = regctl("pull-manifest", "app:old", storage=filled).stdout
    assert [each.chain for each in parse(document).signatures] == [schema1.CHAIN]
    shown = regctl("inspect", "app:old", storage=filled)
    assert shown.code == 0
    assert f" by certificate {schema1.EC256.public.key_id} verified" in shown.out
    check_refusal(push(filled, payload, *options[2:]), 2, "--chain", hint="--key")


def refusals() -> Iterator[tuple[str, bytes, bytes, tuple[str, ...]]]:
    """By name: what is replaced in the signed document by what, and words of the refusal."""
    yield "signature", b'"signature": "', b'"signature": "AAAA', ("not verified", "signatures[0]")
    yield "payload", b"amd64", b"arm64", ("not verified",)
    yield "name", b'"app"', b'"ape"', ("not verified", "'ape'")
    yield "unsigned member", b"{\n", b'{\n   "comment": "x",\n', ("not verified",)
    yield "no signatures", b'"signatures"', b'"signature_"', ("no signatures",)
    yield "garbage", b"}\n", b"}\n}", ("JSON",)


@pytest.mark.parametrize(
    ("name", "old", "new", "words"), list(refusals()), ids=lambda each: str(each)[:20]
)
def test_what_is_refused(
    filled: Storage, signed: bytes, name: str, old: bytes, new: bytes, words: tuple[str, ...]
) -> None:
    content = signed.replace(old, new)
    assert content != signed, name
    before = snapshot(filled)
    check_refusal(push(filled, content), 4, *words)
    assert snapshot(filled) == before


def test_every_reason_at_once(filled: Storage, image: Image) -> None:
    """Another repository's, another tag's, tampered with, and a layer that is not here."""
    absent = digest_of(b"absent")
    layers = [*(each.digest for each in image.layers), absent]
    document = schema1.signed_by(schema1.payload_of("ape", "new", layers), schema1.RSA)
    before = snapshot(filled)
    result = push(filled, document.replace(b"amd64", b"arm64"), "--format=json")
    assert (result.code, result.error["code"]) == (4, "schema1-refused")
    said = "\n".join(result.error["reasons"])
    for words in (
        "'ape', not 'app'",
        "'new', not 'old'",
        "not verified",
        f"{absent} is not linked",
    ):
        assert words in said
    assert len(result.error["reasons"]) == 4
    assert snapshot(filled) == before


def test_an_unsigned_one_needs_a_key(filled: Storage, payload: bytes) -> None:
    check_refusal(push(filled, payload), 4, "no signatures", hint="--key FILE signs it")


def test_a_key_is_for_schema_1(filled: Storage, image: Image) -> None:
    result = push(filled, image.manifest.content, "--key", str(schema1.KEY_FILE))
    check_refusal(result, 2, "only a schema 1 manifest", hint="regctl sign")


def test_keys_that_are_none(filled: Storage, payload: bytes, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"no key")
    assert push(filled, payload, "--key", str(file)).code in {2, 4}
    check_refusal(push(filled, payload, "--key", str(tmp_path / "none")), 2, "none")
    chained = push(filled, payload, "--key", str(schema1.KEY_FILE), "--chain", str(file))
    check_refusal(chained, 4, "no certificates")


def test_tarsum_layers_need_a_word(filled: Storage) -> None:
    """The collector of 2.8 deletes what is named by TarSum."""
    tarsum = Digest.parse("tarsum.v1+sha256:" + "0" * 64)
    document = schema1.signed_by(schema1.payload_of("app", "old", [tarsum]), schema1.RSA)
    check_refusal(push(filled, document), 4, "2.8", f"{tarsum} is not linked")
    layer = filled.find(in_repository("app", "_layers/sha256/*/link"))[0]
    link = in_repository("app", f"_layers/tarsum/v1/sha256/{tarsum.hex}/link")
    filled.write(link, filled.read(layer))
    check_refusal(push(filled, document), 4, "garbage collector")
    assert push(filled, document, "--accept-collectable-layers").code == 0


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_damaged_signature_is_named(
    filled: Storage, payload: bytes, signed: bytes, damage: str
) -> None:
    push(filled, signed)
    (link,) = signatures(filled, digest_of(payload))
    data = blob_at(value_of(link))
    if damage == "missing":
        filled.remove(data)
    else:
        filled.write(data, filled.read(data).replace(b'"header"', b'"Header"'))
    pulled = regctl("pull-manifest", "app:old", storage=filled)
    check_refusal(pulled, 5, f"the signature sha256:{value_of(link)}", hint="--payload")
    shown = regctl("inspect", "app:old", storage=filled)
    assert shown.code == 1
    assert f"the signature sha256:{value_of(link)} of app@" in shown.out
    bare = regctl("pull-manifest", "app:old", "--payload", storage=filled)
    assert (bare.code, bare.stdout) == (0, payload)
    again = push(filled, signed)
    assert again.code == (0 if damage == "missing" else 5), again.err


def test_without_signatures_the_payload_comes_with_a_warning(
    filled: Storage, payload: bytes, signed: bytes
) -> None:
    """So does what registry 2.8 stores, which drops them."""
    push(filled, signed)
    (link,) = signatures(filled, digest_of(payload))
    filled.remove(link)
    pulled = regctl("pull-manifest", "app:old", storage=filled)
    assert (pulled.code, pulled.stdout) == (0, payload)
    assert pulled.err.startswith("warning: this is the bare payload of a schema 1 manifest")


def test_inspect_shows_who_signed(filled: Storage, payload: bytes, signed: bytes) -> None:
    push(filled, signed)
    (link,) = signatures(filled, digest_of(payload))
    digest, key_id = f"sha256:{value_of(link)}", schema1.EC384.public.key_id
    shown = regctl("inspect", "app:old", storage=filled)
    assert shown.code == 0
    assert f"  signature {digest} by {key_id} verified" in shown.lines
    node = regctl("inspect", "app:old", "--format=json", storage=filled).json["manifest"]
    (signature,) = node["signatures"]
    assert signature == {
        "digest": digest,
        "key_id": key_id,
        "by_certificate": False,
        "verified": True,
        "reason": None,
    }


def test_inspect_shows_what_does_not_verify(filled: Storage, payload: bytes, signed: bytes) -> None:
    """A signature of another manifest beside this one: seen, and said not to be its own."""
    push(filled, signed)
    other = payload.replace(b"amd64", b"arm64")
    push(filled, schema1.signed_by(other, schema1.RSA))
    (link,) = signatures(filled, digest_of(other))
    own = signatures(filled, digest_of(payload))[0]
    filled.write(own.replace(value_of(own), value_of(link)), filled.read(link))
    node = regctl("inspect", f"app@{digest_of(payload)}", "--format=json", storage=filled).json
    verdicts = {each["key_id"]: each for each in node["manifest"]["signatures"]}
    assert verdicts[schema1.EC384.public.key_id]["verified"]
    wrong = verdicts[schema1.RSA.public.key_id]
    assert (wrong["verified"], bool(wrong["reason"])) == (False, True)
    shown = regctl("inspect", f"app@{digest_of(payload)}", storage=filled)
    assert f"by {schema1.RSA.public.key_id} NOT VERIFIED: " in shown.out


def test_rm_and_a_tag_work_on_schema_1(filled: Storage, payload: bytes, signed: bytes) -> None:
    push(filled, signed)
    assert regctl("tag", "app:old", "also", storage=filled).code == 0
    revision = f"app@{digest_of(payload)}"
    assert regctl("rm", revision, "--yes", "--force", storage=filled).code == 0
    assert signatures(filled, digest_of(payload)) == []


def test_a_tree_of_2015_takes_no_manifests(tree_of: TreeOf) -> None:
    tree = tree_of("seed-basic")
    before = snapshot(tree.storage)
    document = regctl("pull-manifest", "library/oracle:v1", storage=tree.storage).stdout
    result = push(tree.storage, document, name="library/oracle:v1")
    check_refusal(result, 6, "layout of the 2015 registry", hint="push it into a storage")
    assert snapshot(tree.storage) == before


def test_out_of_a_tree_of_2015_into_a_new_one(tree_of: TreeOf, storage: Storage) -> None:
    """A signed manifest moves with its signatures, byte for byte, and its layers by TarSum."""
    tree = tree_of("seed-basic")
    document = regctl("pull-manifest", "library/oracle:v1", storage=tree.storage).stdout
    result = push(storage, document, name="library/oracle:v1")
    check_refusal(result, 4, "tarsum.v1+sha256:", "is not linked")
    for layer in tree.repositories["library/oracle"]["layers"]:
        digest = Digest.parse(layer)
        stored = regctl(
            "push-layer", "library/oracle", "-", storage=storage, stdin=tree.content(layer)
        )
        assert stored.code == 0
        link = f"_layers/tarsum/v1/sha256/{digest.hex}/link"
        storage.write(in_repository("library/oracle", link), stored.lines[0])
    options = ("--accept-collectable-layers",)
    assert push(storage, document, *options, name="library/oracle:v1").code == 0
    assert regctl("pull-manifest", "library/oracle:v1", storage=storage).stdout == document
