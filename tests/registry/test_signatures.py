"""Signatures beside schema 1 revisions: each a blob and a link, all of them in what is served."""

from __future__ import annotations

import pytest

from regctl.drivers.base import StorageDriver
from regctl.errors import DamagedError, UnavailableError
from regctl.layout import specs
from regctl.registry import Repository
from regctl.registry.signatures import DamagedSignatureError
from regctl.signature.libtrust import assemble, parse, sign, verify_push
from tests import schema1, trees
from tests.registry.storages import (
    NAME,
    PATHS,
    blob_path,
    digest_of,
    extract,
    fill,
    memory,
    registry_on,
    snapshot,
)
from tests.registry.watching import WatchedDriver
from tests.signature.libtrust.vectors import NOW

PAYLOAD = schema1.payload_of(str(NAME), "latest", [digest_of(b"layer")])
REVISION = digest_of(PAYLOAD)
FIRST = schema1.signature_by(PAYLOAD, schema1.RSA)
SECOND = schema1.signature_by(PAYLOAD, schema1.EC384)
DIGESTS = sorted(digest_of(each.blob) for each in (FIRST, SECOND))


@pytest.fixture
def repository(driver: StorageDriver) -> Repository:
    repository = fill(driver)
    repository.manifests.put(REVISION, PAYLOAD)
    return repository


def link_path(signature: bytes) -> str:
    return PATHS.path(specs.SignatureLink(NAME, REVISION, digest_of(signature)))


def test_signers_add_and_nothing_is_dropped(repository: Repository) -> None:
    signatures = repository.signatures
    assert signatures.list(REVISION) == []
    assert signatures.document(REVISION, PAYLOAD) is None
    assert signatures.judge(REVISION, PAYLOAD) == []
    signatures.put(REVISION, [FIRST.blob])
    assert signatures.document(REVISION, PAYLOAD) == assemble(PAYLOAD, [FIRST])
    signatures.put(REVISION, [SECOND.blob])
    signatures.put(REVISION, [SECOND.blob])
    assert signatures.list(REVISION) == DIGESTS
    document = signatures.document(REVISION, PAYLOAD)
    assert document == assemble(PAYLOAD, [FIRST, SECOND])
    assert verify_push(document, str(NAME), "latest") == ()
    assert repository.manifests.get(REVISION) == PAYLOAD


def test_a_link_is_written_after_its_blob(repository: Repository) -> None:
    order: list[str] = []
    watched = WatchedDriver(repository.driver, lambda _, path: order.append(path))
    fill(watched).signatures.put(REVISION, [FIRST.blob])
    written = [
        path for path in order if path in (blob_path(digest_of(FIRST.blob)), link_path(FIRST.blob))
    ]
    assert list(dict.fromkeys(written)) == [
        blob_path(digest_of(FIRST.blob)),
        link_path(FIRST.blob),
    ]


@pytest.mark.parametrize("damage", ["missing", "changed", "link", "foreign"])
def test_a_damaged_signature_is_named_and_none_is_left_out(
    repository: Repository, damage: str
) -> None:
    """To serve the others alone would be to lose a signature."""
    repository.signatures.put(REVISION, [FIRST.blob, SECOND.blob])
    driver, bad = repository.driver, digest_of(FIRST.blob)
    if damage == "missing":
        driver.delete(blob_path(bad))
    elif damage == "changed":
        driver.put(blob_path(bad), FIRST.blob.replace(b'"alg"', b'"Alg"'))
    elif damage == "link":
        driver.put(link_path(FIRST.blob), str(digest_of(SECOND.blob)).encode())
    else:
        bad = digest_of(b'"no signature"')
        repository.signatures.put(REVISION, [b'"no signature"'])
    with pytest.raises(DamagedSignatureError, match=str(bad)):
        repository.signatures.document(REVISION, PAYLOAD)
    judged = repository.signatures.judge(REVISION, PAYLOAD)
    assert [each.digest for each in judged if each.damage] == [bad]
    assert all(
        each.verdict is not None and each.verdict.verified for each in judged if not each.damage
    )
    assert len(judged) == len(repository.signatures.list(REVISION))


def test_storing_again_mends_what_is_missing(repository: Repository) -> None:
    repository.signatures.put(REVISION, [FIRST.blob])
    repository.driver.delete(blob_path(digest_of(FIRST.blob)))
    repository.signatures.put(REVISION, [FIRST.blob])
    assert repository.signatures.document(REVISION, PAYLOAD) == assemble(PAYLOAD, [FIRST])


def test_signatures_of_another_payload_are_judged_as_such(repository: Repository) -> None:
    other = schema1.signature_by(PAYLOAD.replace(b"amd64", b"arm64"), schema1.RSA)
    repository.signatures.put(REVISION, [other.blob])
    (judged,) = repository.signatures.judge(REVISION, PAYLOAD)
    assert judged.verdict is not None
    assert judged.verdict.reason
    assert judged.verdict.key_id == schema1.RSA.public.key_id


def test_signatures_that_cannot_stand_together_are_damage(repository: Repository) -> None:
    """Registries panic at two signatures of which one has no JWK: nothing is left out silently."""
    chained = sign(PAYLOAD, schema1.EC256, NOW, schema1.CHAIN)
    repository.signatures.put(REVISION, [FIRST.blob, chained.blob])
    with pytest.raises(DamagedError, match="cannot be merged"):
        repository.signatures.document(REVISION, PAYLOAD)


@pytest.mark.parametrize("what", ["blob", "link"])
def test_a_signature_that_a_collector_took_is_noticed(repository: Repository, what: str) -> None:
    stored = repository.signatures.put(REVISION, [FIRST.blob, SECOND.blob])
    repository.signatures.look_again(REVISION, stored)
    path = blob_path(stored[0]) if what == "blob" else link_path(FIRST.blob)
    repository.driver.delete(path)
    with pytest.raises(UnavailableError, match=str(stored[0])):
        repository.signatures.look_again(REVISION, stored)


@pytest.mark.parametrize("name", ["seed-basic", "seed-full", "old-2.0.0", "old-2.4.1"])
def test_what_registries_stored_is_served_as_they_served_it(name: str) -> None:
    """Every revision of a tree that a registry wrote verifies with the signatures beside it."""
    driver = memory()
    extract(trees.VECTORS / name / "root.tar.gz", driver)
    before = snapshot(driver)
    served = 0
    for found in registry_on(driver).catalog().listed:
        repository = registry_on(driver).repository(found.name)
        for revision in repository.manifests.list():
            if not repository.signatures.list(revision):
                continue
            payload = repository.manifests.get(revision)
            document = repository.signatures.document(revision, payload)
            assert document is not None
            assert verify_push(document, str(repository.name), None) == ()
            assert parse(document).payload == payload
            served += 1
    assert served
    assert snapshot(driver) == before
