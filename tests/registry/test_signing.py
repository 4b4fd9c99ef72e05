"""Schema 1 is pushed with its signatures and signed in place; what would not verify is refused."""

from __future__ import annotations

import pytest

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.errors import (
    DigestMismatchError,
    InvalidManifestError,
    ReadOnlyLayoutError,
    UnavailableError,
    UsageError,
)
from regctl.layout import RepositoryName, Tag, specs
from regctl.manifest import Waiver
from regctl.registry import Repository
from regctl.registry.signatures import DamagedSignatureError
from regctl.registry.signing import Schema1RefusedError, Signer, sign_revision
from regctl.registry.tagging import push_manifest
from regctl.signature.libtrust import (
    InvalidSignatureError,
    NameMismatch,
    TagMismatch,
    UnknownLayer,
    Unservable,
    Unverified,
    assemble,
    parse,
    sign,
    verify,
    verify_push,
)
from tests import schema1, trees
from tests.images import build_image
from tests.registry.storages import (
    LATEST,
    NAME,
    PATHS,
    assert_sound,
    blob_path,
    digest_of,
    extract,
    fill,
    memory,
    push,
    push_image,
    registry_on,
    revision_link,
    snapshot,
)
from tests.registry.watching import WatchedDriver
from tests.signature.libtrust import deviations
from tests.signature.libtrust.vectors import DOCUMENTS, NOW, content

LAYERS = (b"the first layer", b"the second")
PAYLOAD = schema1.payload_of(str(NAME), str(LATEST), [digest_of(each) for each in LAYERS])
REVISION = digest_of(PAYLOAD)
SIGNED = schema1.signed_by(PAYLOAD, schema1.RSA)
BY_EC256 = Signer(schema1.EC256, NOW)


@pytest.fixture
def repository(driver: StorageDriver) -> Repository:
    repository = fill(driver)
    for layer in LAYERS:
        push(repository, layer)
    return repository


def served(repository: Repository, revision: Digest = REVISION) -> bytes:
    document = repository.signatures.document(revision, repository.manifests.get(revision))
    assert document is not None
    return document


def signers(document: bytes) -> list[str]:
    verdicts = verify(parse(document))
    assert all(each.verified for each in verdicts)
    return [each.key_id for each in verdicts]


def causes(repository: Repository, document: bytes, tag: Tag | None = LATEST) -> set[type]:
    """The classes of the reasons for which ``document`` is refused; nothing is written."""
    before = snapshot(repository.driver)
    with pytest.raises(Schema1RefusedError) as caught:
        push_manifest(repository, document, tag=tag)
    assert snapshot(repository.driver) == before
    assert len(caught.value.reasons) >= len(caught.value.causes) > 0
    return {type(each) for each in caught.value.causes}


# --- pushing -------------------------------------------------------------------------------------


def test_a_signed_document_is_stored_apart(driver: StorageDriver, repository: Repository) -> None:
    pushed = push_manifest(repository, SIGNED, tag=LATEST, expected=REVISION)
    assert (pushed.digest, pushed.size, pushed.signatures) == (REVISION, len(PAYLOAD), 1)
    assert repository.manifests.get(REVISION) == PAYLOAD
    assert repository.tags.get(LATEST) == REVISION
    assert served(repository) == SIGNED
    assert_sound(driver)
    before = snapshot(driver)
    assert push_manifest(repository, SIGNED, tag=LATEST).signatures == 1
    assert snapshot(driver) == before


def test_a_second_signer_is_merged(repository: Repository) -> None:
    push_manifest(repository, SIGNED, tag=LATEST)
    second = schema1.signed_by(PAYLOAD, schema1.EC384)
    assert push_manifest(repository, second, tag=LATEST).signatures == 2
    assert set(signers(served(repository))) == {
        schema1.RSA.public.key_id,
        schema1.EC384.public.key_id,
    }
    assert len(parse(served(repository)).signatures) == 2


@pytest.mark.parametrize("document", [PAYLOAD, SIGNED], ids=["payload", "signed"])
def test_a_key_signs_what_is_pushed_and_does_so_once(
    repository: Repository, document: bytes
) -> None:
    before = len(parse(document).signatures) if document is SIGNED else 0
    for _ in range(2):
        pushed = push_manifest(repository, document, tag=LATEST, signer=BY_EC256)
        assert (pushed.digest, pushed.signatures) == (REVISION, before + 1)
    assert schema1.EC256.public.key_id in signers(served(repository))
    assert verify_push(served(repository), str(NAME), str(LATEST)) == ()


def test_a_payload_is_signed_as_it_is(repository: Repository) -> None:
    """Its digest is that of the file, down to the newline that an editor leaves."""
    payload = PAYLOAD + b"\n"
    pushed = push_manifest(repository, payload, tag=LATEST, signer=BY_EC256)
    assert pushed.digest == digest_of(payload)
    assert repository.manifests.get(pushed.digest) == payload
    assert signers(served(repository, pushed.digest)) == [schema1.EC256.public.key_id]


def test_a_chain_names_the_key(repository: Repository) -> None:
    signer = Signer(schema1.EC256, NOW, schema1.CHAIN)
    push_manifest(repository, PAYLOAD, tag=LATEST, signer=signer)
    (signature,) = parse(served(repository)).signatures
    assert (signature.chain, signature.key) == (schema1.CHAIN, None)
    with pytest.raises(InvalidSignatureError, match="not the signing key's"):
        push_manifest(
            repository, PAYLOAD, tag=LATEST, signer=Signer(schema1.RSA, NOW, schema1.CHAIN)
        )


def test_every_reason_at_once(repository: Repository) -> None:
    """Name, tag, signature and layers: each a class of its own, and a rule for all manifests."""
    payload = schema1.payload_of("team/other", "v9", [digest_of(b"a"), digest_of(b"b")])
    broken = schema1.signed_by(payload, schema1.EC256).replace(b"amd64", b"arm64")
    doubled = broken.replace(b"{", b'{"architecture": "arm64",', 1)
    assert causes(repository, broken) == {NameMismatch, TagMismatch, Unverified, UnknownLayer}
    with pytest.raises(Schema1RefusedError) as caught:
        push_manifest(repository, doubled, tag=LATEST)
    said = "\n".join(caught.value.reasons)
    for words in ("team/other", "v9", "not verified", str(digest_of(b"b")), "architecture stands"):
        assert words in said
    unknown = [each.digest for each in caught.value.causes if isinstance(each, UnknownLayer)]
    assert unknown == [digest_of(b"a"), digest_of(b"b")]


def test_no_signatures_are_no_verification(repository: Repository) -> None:
    """To libtrust all of none verify, and the registry of 2015 stored that as an empty blob."""
    with pytest.raises(Schema1RefusedError, match="no signatures") as caught:
        push_manifest(repository, PAYLOAD, tag=LATEST)
    assert caught.value.hint is not None
    assert "--key" in caught.value.hint
    for none in (b"[]", b"null"):
        unsigned = PAYLOAD.rstrip(b"\n}") + b',"signatures": ' + none + b"}"
        assert Unverified in causes(repository, unsigned)
        with pytest.raises(Schema1RefusedError):
            push_manifest(repository, unsigned, tag=LATEST, signer=BY_EC256)


def test_a_key_does_not_make_good_what_does_not_verify(repository: Repository) -> None:
    broken = SIGNED.replace(b"amd64", b"arm64")
    with pytest.raises(Schema1RefusedError, match="not verified"):
        push_manifest(repository, broken, tag=LATEST, signer=BY_EC256)
    other = schema1.payload_of("team/other", "latest", [digest_of(each) for each in LAYERS])
    with pytest.raises(Schema1RefusedError, match="team/other"):
        push_manifest(repository, other, tag=LATEST, signer=BY_EC256)


def test_malformed_and_unverified_are_both_said(repository: Repository) -> None:
    payload = PAYLOAD.replace(str(digest_of(LAYERS[0])).encode(), b"sha256:abc")
    assert causes(repository, payload) == {Unverified}
    with pytest.raises(Schema1RefusedError, match="sha256:abc"):
        push_manifest(repository, payload, tag=LATEST)


def test_the_digest_demanded_is_the_payloads(repository: Repository) -> None:
    with pytest.raises(DigestMismatchError, match=REVISION.hex):
        push_manifest(repository, SIGNED, tag=LATEST, expected=digest_of(SIGNED))
    assert repository.signatures.list(REVISION) == []


def test_a_key_is_for_schema_1(repository: Repository) -> None:
    image = build_image(1, size=100)
    push_image(repository, image, None)
    with pytest.raises(UsageError, match="only a schema 1"):
        push_manifest(repository, image.manifest.content, signer=BY_EC256)


def test_what_is_stored_beside_it_counts(repository: Repository) -> None:
    """Old registries panic at a certificate beside a key: such a push is refused, not served."""
    push_manifest(repository, SIGNED, tag=LATEST)
    chained = assemble(PAYLOAD, [sign(PAYLOAD, schema1.EC256, NOW, schema1.CHAIN)])
    assert causes(repository, chained) == {Unservable}
    with pytest.raises(Schema1RefusedError) as caught:
        push_manifest(repository, chained, tag=LATEST)
    assert caught.value.hint is not None
    assert "regctl rm" in caught.value.hint


def test_a_missing_signature_is_mended_by_the_document_that_has_it(
    repository: Repository,
) -> None:
    """The collector of 2.8 deletes signature blobs, and leaves their links."""
    push_manifest(repository, schema1.signed_by(PAYLOAD, schema1.RSA), tag=LATEST)
    whole = served(repository)
    (signature,) = repository.signatures.list(REVISION)
    repository.driver.delete(blob_path(signature))
    other = schema1.signed_by(PAYLOAD, schema1.EC384)
    with pytest.raises(DamagedSignatureError, match=str(signature)):
        push_manifest(repository, other, tag=LATEST)
    push_manifest(repository, whole, tag=LATEST)
    assert served(repository) == whole


def test_the_tag_moves_after_the_signatures(driver: StorageDriver, repository: Repository) -> None:
    """A collector that takes a signature meanwhile is noticed, and the tag stays where it is."""
    (blob,) = (each.blob for each in parse(SIGNED).signatures)
    order: list[str] = []

    def collect(operation: str, path: str) -> None:
        order.append(path)
        if (operation, path) == ("put", revision_link(REVISION)):
            driver.delete(blob_path(digest_of(blob)))

    with pytest.raises(UnavailableError, match=str(digest_of(blob))):
        push_manifest(fill(WatchedDriver(driver, collect)), SIGNED, tag=LATEST)
    link = PATHS.path(specs.SignatureLink(NAME, REVISION, digest_of(blob)))
    assert order.index(link) < order.index(revision_link(REVISION))
    assert repository.tags.list() == []


# --- signing what is there -----------------------------------------------------------------------


def test_signing_adds_once(repository: Repository) -> None:
    push_manifest(repository, SIGNED, tag=LATEST)
    done = sign_revision(repository, REVISION, schema1.EC256, NOW)
    assert (done.revision, done.key_id) == (REVISION, schema1.EC256.public.key_id)
    assert done.count == 2
    assert done.added in repository.signatures.list(REVISION)
    before = snapshot(repository.driver)
    again = sign_revision(repository, REVISION, schema1.EC256, NOW)
    assert (again.added, again.count) == (None, 2)
    assert snapshot(repository.driver) == before
    assert len(signers(served(repository))) == 2


def test_a_revision_without_signatures_is_signed(repository: Repository) -> None:
    """So are the payloads that 2.8 stored, which drops signatures."""
    repository.manifests.put(REVISION, PAYLOAD)
    assert sign_revision(repository, REVISION, schema1.RSA, NOW).count == 1
    assert served(repository) == SIGNED


def test_two_signers_at_once_both_stay(driver: StorageDriver, repository: Repository) -> None:
    """Between one signer's look and its write, another signs: each has a link of its own."""
    push_manifest(repository, SIGNED, tag=LATEST)
    done = False

    def sign_meanwhile(_operation: str, _path: str) -> None:
        nonlocal done
        if not done:
            done = True
            sign_revision(repository, REVISION, schema1.EC384, NOW)

    sign_revision(fill(WatchedDriver(driver, sign_meanwhile)), REVISION, schema1.EC256, NOW)
    assert set(signers(served(repository))) == {
        each.public.key_id for each in (schema1.RSA, schema1.EC256, schema1.EC384)
    }


def test_what_cannot_be_signed(repository: Repository) -> None:
    image = push_image(repository, build_image(1, size=100), None)
    with pytest.raises(InvalidManifestError, match="no payload of a schema 1"):
        sign_revision(repository, image, schema1.EC256, NOW)
    repository.manifests.put(digest_of(SIGNED), SIGNED)
    with pytest.raises(InvalidManifestError, match="no payload of a schema 1"):
        sign_revision(repository, digest_of(SIGNED), schema1.EC256, NOW)
    other = schema1.payload_of("team/other", "v1", [])
    repository.manifests.put(digest_of(other), other)
    with pytest.raises(Schema1RefusedError, match="team/other"):
        sign_revision(repository, digest_of(other), schema1.EC256, NOW)
    repository.manifests.put(REVISION, PAYLOAD)
    repository.signatures.put(REVISION, [b"{}"])
    with pytest.raises(DamagedSignatureError):
        sign_revision(repository, REVISION, schema1.EC256, NOW)


def test_a_revision_that_goes_while_it_is_signed(
    driver: StorageDriver, repository: Repository
) -> None:
    repository.manifests.put(REVISION, PAYLOAD)

    def remove(operation: str, path: str) -> None:
        if operation == "put" and "/signatures/" in path:
            driver.delete(revision_link(REVISION))

    with pytest.raises(UnavailableError, match="was removed"):
        sign_revision(fill(WatchedDriver(driver, remove)), REVISION, schema1.EC256, NOW)


def test_manifests_of_2015_are_not_written() -> None:
    driver = memory()
    extract(trees.VECTORS / "seed-basic" / "root.tar.gz", driver)
    repository = registry_on(driver).repository(RepositoryName.parse("library/oracle"))
    (revision,) = repository.manifests.list()
    before = snapshot(driver)
    with pytest.raises(ReadOnlyLayoutError, match="layout of the 2015 registry"):
        sign_revision(repository, revision, schema1.EC256, NOW)
    with pytest.raises(ReadOnlyLayoutError, match="layout of the 2015 registry"):
        push_manifest(repository, SIGNED)
    assert snapshot(driver) == before


# --- what the registry of January 2015 said ------------------------------------------------------

#: Refused here, besides what `deviations` names: readers differ in which of two members counts.
AMBIGUOUS = {"dup-payload-key"}


def vectors() -> list[str]:
    return [name for name, vector in DOCUMENTS.items() if "push" in vector]


@pytest.mark.parametrize("name", vectors())
def test_a_push_is_taken_if_the_registry_took_it(name: str) -> None:
    """And what is served afterwards is what the registry served, byte for byte."""
    vector = DOCUMENTS[name]
    wanted = vector["push"]
    repository = fill(memory(), wanted["name"])
    for layer in wanted["layers"]:
        digest = Digest.parse(layer["tarsum"])
        repository.driver.put(blob_path(digest), b"")
        repository.driver.put(
            PATHS.path(specs.LayerLink(repository.name, digest)), str(digest).encode()
        )
    put = vector["seed_put"]
    taken = put["result"] == "ok" and name not in {*deviations.PUSHES, *AMBIGUOUS}

    def run() -> Digest:
        return push_manifest(
            repository,
            content(name),
            tag=Tag.parse(wanted["tag"]),
            waivers={Waiver.DIGEST_ALGORITHM},
        ).digest

    if not taken:
        with pytest.raises(InvalidManifestError):
            run()
        assert list(repository.manifests.list()) == []
        return
    revision = run()
    assert str(revision) == vector["payload"]["sha256"]
    assert str(digest_of(served(repository, revision))) == put["get_sha256"]
    stored = {str(each) for each in repository.signatures.list(revision)}
    assert stored == {each["sha256"] for each in vector["signatures"]}


def test_the_vectors_have_both() -> None:
    results = {DOCUMENTS[name]["seed_put"]["result"] == "ok" for name in vectors()}
    assert results == {True, False}
