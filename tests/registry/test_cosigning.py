"""Adding cosign signatures: all of them stay, whoever else writes, and wherever it is killed."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.errors import DamagedError, InvalidManifestError, UnavailableError, UsageError
from regctl.layout import RepositoryName, Tag, specs
from regctl.layout.own import tag_lock
from regctl.manifest.media_types import DOCKER_SCHEMA1, OCI_INDEX
from regctl.registry import Registry, Repository
from regctl.registry.completeness import take_inventory
from regctl.registry.cosigning import (
    CosignedManifest,
    Signing,
    cosign_manifest,
    is_cosigned,
    manifests_to_sign,
)
from regctl.registry.locking import LOCK_ATTEMPTS, LockHeldError, tag_locked
from regctl.registry.manifests import RevisionNotFoundError
from regctl.registry.tagging import push_manifest
from regctl.signature.cosign import Subject, Trust, judge
from regctl.signature.cosign_chain import certificate_annotations
from regctl.signature.cosign_manifest import (
    CERTIFICATE,
    CHAIN,
    CosignSignature,
    build_signature_manifest,
    parse_signature_manifest,
)
from regctl.signature.cosign_tags import signature_tag
from regctl.signature.cosign_verdict import Verdict
from regctl.signature.keyfile_keys import PrivateKey
from regctl.signature.keyfile_keys import private_key as key_of
from regctl.signature.policy_identity import MatchRepoDigestOrExact
from regctl.signature.policy_reference import DockerReference
from tests.failing import FailingDriver, Killed
from tests.images import build_image, build_index
from tests.registry.storages import (
    LATEST,
    NAME,
    PATHS,
    assert_sound,
    blob_path,
    digest_of,
    filesystem,
    fill,
    manifest_of,
    memory,
    push,
    push_image,
    registry_on,
    revision_link,
    snapshot,
)
from tests.registry.watching import WatchedDriver
from tests.signature.cosign.authorities import issue
from tests.signature.cosign.samples import KEYS, private_key, signed

IMAGE = build_image(1, layers=1, size=100)
INDEX = build_index(2, layers=1, size=100)
TAG = signature_tag(IMAGE.digest)
REFERENCE = "registry.example.com/team/app:v1"
SUBJECT = Subject(IMAGE.digest)


@cache
def p521() -> PrivateKey:
    return key_of(ec.generate_private_key(ec.SECP521R1()))


def signing(key: str = "ed", reference: str = REFERENCE) -> Signing:
    """By default by a key whose signatures are the same bytes every time."""
    return Signing(private_key(key), reference, creator="a test", timestamp=1_700_000_000)


def prepared(driver: StorageDriver | None = None) -> Repository:
    repository = fill(driver or memory())
    push_image(repository, IMAGE)
    return repository


def signatures(repository: Repository, digest: Digest = IMAGE.digest) -> list[CosignSignature]:
    """What a client reads of the tag, after a look at whether all of it is there."""
    content = repository.manifests.get(repository.tags.get(signature_tag(digest)))
    inventory = take_inventory(repository, repository.manifests.parse(digest_of(content)))
    assert inventory.reasons == []
    return [
        CosignSignature(each, repository.blobs.get(repository.layers.resolve(each.digest), 10_000))
        for each in parse_signature_manifest(content)
    ]


def signers(repository: Repository, *keys: str) -> list[bool]:
    """Of each key, whether it signed."""
    found = signatures(repository)
    trusts = [Trust((private_key(key).public,)) for key in keys]
    return [judge(found, SUBJECT, trust).verdict is Verdict.TRUSTED for trust in trusts]


# --- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*KEYS, "p521"])
def test_every_kind_of_key_makes_a_signature_that_is_trusted(name: str) -> None:
    repository = prepared()
    key = p521() if name == "p521" else private_key(name)
    done = cosign_manifest(repository, IMAGE.digest, Signing(key, REFERENCE))
    holder = repository.tags.get(TAG)
    assert done == CosignedManifest(IMAGE.digest, TAG, holder, existed=False)
    (signature,) = signatures(repository)
    judged = judge([signature], SUBJECT, Trust((key.public,)))
    assert (judged.verdict, judged.docker_reference) == (Verdict.TRUSTED, REFERENCE)
    others = tuple(private_key(each).public for each in KEYS if each != name)
    assert judge([signature], SUBJECT, Trust(others)).verdict is Verdict.UNKNOWN_KEY
    assert repository.tags.get(LATEST) == IMAGE.digest
    assert_sound(repository.driver)


def test_a_payload_says_who_made_it_and_when() -> None:
    repository = prepared()
    cosign_manifest(repository, IMAGE.digest, signing())
    payload = json.loads(signatures(repository)[0].payload)
    assert payload["optional"] == {"creator": "a test", "timestamp": 1_700_000_000}
    assert payload["critical"]["image"] == {"docker-manifest-digest": str(IMAGE.digest)}


def test_a_second_signer_adds_and_nothing_is_lost() -> None:
    repository = prepared()
    first = cosign_manifest(repository, IMAGE.digest, signing("ed"))
    (before,) = signatures(repository)
    second = cosign_manifest(repository, IMAGE.digest, signing("rsa"))
    assert signatures(repository)[0] == before
    assert signers(repository, "ed", "rsa", "a") == [True, True, False]
    # The manifest that held the first is kept, as every manifest that a tag named.
    history = {each.revision for each in repository.tags.history(TAG)}
    assert history == {first.holder, second.holder}


def test_signing_again_changes_nothing() -> None:
    """A signature by EC has other bytes each time, and a new time each: the old one counts."""
    repository = prepared()
    first = cosign_manifest(repository, IMAGE.digest, signing("a"))
    before = snapshot(repository.driver)
    again = replace(signing("a"), timestamp=1_800_000_000, creator=None)
    assert cosign_manifest(repository, IMAGE.digest, again) == replace(first, existed=True)
    assert is_cosigned(repository, IMAGE.digest, again) == replace(first, existed=True)
    assert snapshot(repository.driver) == before


def test_another_name_is_another_signature() -> None:
    repository = prepared()
    cosign_manifest(repository, IMAGE.digest, signing())
    other = signing(reference="registry.example.com/team/app:v2")
    assert is_cosigned(repository, IMAGE.digest, other) is None
    assert not cosign_manifest(repository, IMAGE.digest, other).existed
    assert len(signatures(repository)) == 2


def test_a_signature_that_does_not_verify_is_made_anew_and_kept() -> None:
    repository = prepared()
    forged = signed("rsa", reference=REFERENCE, subject=SUBJECT)
    forged = replace(forged, descriptor=replace(forged.descriptor, annotations=()))
    foreign(repository, forged)
    assert signers(repository, "rsa") == [False]
    assert not cosign_manifest(repository, IMAGE.digest, signing("rsa")).existed
    assert signers(repository, "rsa") == [True]
    assert len(signatures(repository)) == 2


def test_a_signature_for_another_manifest_under_the_same_tag_does_not_count() -> None:
    repository = prepared()
    foreign(repository, signed("ed", reference=REFERENCE))
    assert not cosign_manifest(repository, IMAGE.digest, signing("ed")).existed
    assert signers(repository, "ed") == [True]


def test_a_certificate_and_its_chain_lie_beside_the_signature() -> None:
    issuer = issue("an authority", ca=True)
    leaf = issue("a signer", issuer)
    annotations = certificate_annotations((leaf.pem + issuer.pem).encode())
    assert [name for name, _ in annotations] == [CERTIFICATE, CHAIN]
    repository = prepared()
    plain = Signing(leaf.key, REFERENCE)
    cosign_manifest(repository, IMAGE.digest, plain)
    with_chain = replace(plain, annotations=annotations)
    # The signature that is there has none, so that this is not the same again.
    assert not cosign_manifest(repository, IMAGE.digest, with_chain).existed
    assert cosign_manifest(repository, IMAGE.digest, with_chain).existed
    assert cosign_manifest(repository, IMAGE.digest, plain).existed
    assert len(signatures(repository)) == 2


def test_a_certificate_of_another_key_is_refused_and_nothing_is_written() -> None:
    leaf = issue("another signer")
    repository = prepared()
    before = snapshot(repository.driver)
    wrong = replace(signing(), annotations=certificate_annotations(leaf.pem.encode()))
    with pytest.raises(UsageError, match="another key"):
        cosign_manifest(repository, IMAGE.digest, wrong)
    assert snapshot(repository.driver) == before


# --- what cannot be added to ---------------------------------------------------------------------


def _without(kind: str) -> Callable[[Repository, CosignedManifest], str]:
    def path(repository: Repository, done: CosignedManifest) -> str:
        manifest = repository.manifests.parse(done.holder)
        assert manifest.config is not None
        return {
            "revision": revision_link(done.holder),
            "manifest": blob_path(done.holder),
            "payload": blob_path(manifest.layers[0].digest),
            "payload link": PATHS.path(specs.LayerLink(NAME, manifest.layers[0].digest)),
            "config": blob_path(manifest.config.digest),
        }[kind]

    return path


@pytest.mark.parametrize("kind", ["revision", "manifest", "payload", "payload link", "config"])
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_signatures_that_cannot_be_read_are_not_written_over(kind: str, how: str) -> None:
    repository = prepared()
    path = _without(kind)(repository, cosign_manifest(repository, IMAGE.digest, signing()))
    if how == "missing":
        repository.driver.delete(path)
    else:
        repository.driver.put(path, b"something else")
    before = snapshot(repository.driver)
    with pytest.raises(DamagedError):
        cosign_manifest(repository, IMAGE.digest, signing("rsa"))
    assert snapshot(repository.driver) == before


def test_a_tag_of_something_else_is_not_written_over() -> None:
    repository = prepared()
    push_image(repository, INDEX, TAG)
    before = snapshot(repository.driver)
    with pytest.raises(DamagedError, match="cannot be added to") as caught:
        cosign_manifest(repository, IMAGE.digest, signing())
    assert f"regctl history {NAME}:{TAG}" in (caught.value.hint or "")
    assert snapshot(repository.driver) == before


# --- kills ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["ed", "rsa"])
@pytest.mark.parametrize("torn", [False, True])
def test_a_kill_at_any_step_loses_nothing_and_the_next_run_finishes(key: str, torn: bool) -> None:
    """The first signature of the manifest, and one beside another that is there."""

    def before() -> Repository:
        repository = prepared()
        if key == "rsa":
            cosign_manifest(repository, IMAGE.digest, signing("ed"))
        return repository

    def job(driver: StorageDriver) -> None:
        cosign_manifest(fill(driver), IMAGE.digest, signing(key))

    undisturbed = before().driver
    job(undisturbed)
    wanted = snapshot(undisturbed, "/")
    for at in itertools.count(1):
        repository = before()
        try:
            job(FailingDriver(repository.driver, at, torn=torn))
        except Killed:
            assert_sound(repository.driver)
            if key == "rsa":
                assert signers(repository, "ed") == [True]
        else:
            break
        job(repository.driver)
        assert_sound(repository.driver)
        assert snapshot(repository.driver, "/") == wanted, f"killed at step {at}"
    assert at > 10


def test_the_tag_moves_when_all_it_leads_to_is_there() -> None:
    order: list[specs.Spec] = []

    def watch(what: str, path: str) -> None:
        if path.startswith("/docker"):
            order.append(PATHS.parse_file(path))

    repository = prepared()
    cosign_manifest(fill(WatchedDriver(repository.driver, watch)), IMAGE.digest, signing())
    kinds = list(dict.fromkeys(type(each) for each in order))
    assert kinds[:2] == [specs.BlobData, specs.LayerLink]
    assert kinds[2:] == [specs.RevisionLink, specs.TagIndexEntryLink, specs.TagCurrentLink]
    (revision,) = [each for each in order if isinstance(each, specs.RevisionLink)]
    blobs = [each.digest for each in order if isinstance(each, specs.BlobData)]
    assert blobs[-1] == revision.revision


# --- others at the same time ---------------------------------------------------------------------


def foreign(repository: Repository, signature: CosignSignature) -> Digest:
    """What a program does that takes no lock and knows no other signature."""
    built = build_signature_manifest(signature)
    for content in (signature.payload, built.config):
        push(repository, content)
    return push_manifest(repository, built.content, tag=TAG).digest


@pytest.mark.parametrize("when", [specs.RevisionLink, specs.TagCurrentLink])
def test_what_a_foreign_signer_writes_meanwhile_is_kept(when: type[specs.Spec]) -> None:
    """Before our last look at the tag, and right after our move."""
    repository = prepared()
    waits: list[float] = []
    done = False

    def watch(what: str, path: str) -> None:
        nonlocal done
        if isinstance(PATHS.parse_file(path), when) and not done:
            done = True
            foreign(repository, signed("rsa", reference=REFERENCE, subject=SUBJECT))

    watched = WatchedDriver(repository.driver, watch)
    mine = registry_on(watched, waits.append).repository(NAME)
    assert not cosign_manifest(mine, IMAGE.digest, signing()).existed
    assert done
    assert waits != []
    assert signers(repository, "ed", "rsa") == [True, True]
    assert_sound(repository.driver)


def test_a_foreign_signer_that_has_all_of_ours_ends_it() -> None:
    """It read ours and moved the tag on: there is nothing left to do."""
    repository = prepared()
    done = False

    def watch(what: str, path: str) -> None:
        nonlocal done
        if isinstance(PATHS.parse_file(path), specs.TagCurrentLink) and not done:
            done = True
            cosign_manifest_unlocked(repository)

    watched = WatchedDriver(repository.driver, watch)
    mine = registry_on(watched, lambda _: None).repository(NAME)
    assert not cosign_manifest(mine, IMAGE.digest, signing()).existed
    assert signers(repository, "ed", "rsa") == [True, True]
    assert len(signatures(repository)) == 2


def cosign_manifest_unlocked(repository: Repository) -> None:
    """Another signer that merges, and does not know of the lock."""
    elsewhere = prepared()
    cosign_manifest(elsewhere, IMAGE.digest, signing("ed"))
    done = cosign_manifest(elsewhere, IMAGE.digest, signing("rsa"))
    for path, content in snapshot(elsewhere.driver).items():
        if not path.endswith("/"):
            repository.driver.put(path, content)
    assert repository.tags.get(TAG) == done.holder


def test_one_that_never_stops_is_an_error() -> None:
    repository = prepared()
    count = itertools.count()

    def watch(what: str, path: str) -> None:
        if isinstance(PATHS.parse_file(path), specs.RevisionLink):
            reference = f"{REFERENCE}-{next(count)}"
            foreign(repository, signed("rsa", reference=reference, subject=SUBJECT))

    watched = WatchedDriver(repository.driver, watch)
    mine = registry_on(watched, lambda _: None).repository(NAME)
    with pytest.raises(UnavailableError, match="keeps moving the tag"):
        cosign_manifest(mine, IMAGE.digest, signing())
    assert_sound(repository.driver)


def test_another_run_of_regctl_is_waited_for() -> None:
    repository = prepared()
    other = repository.driver.writer(tag_lock(NAME, TAG))
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            other.close()

    mine = registry_on(repository.driver, sleep).repository(NAME)
    cosign_manifest(mine, IMAGE.digest, signing())
    assert len(waits) == 3
    assert signers(repository, "ed") == [True]


def test_the_wait_for_another_run_ends() -> None:
    repository = prepared()
    waits: list[float] = []
    before = snapshot(repository.driver)
    mine = registry_on(repository.driver, waits.append).repository(NAME)
    with (
        repository.driver.writer(tag_lock(NAME, TAG)),
        pytest.raises(LockHeldError, match=f"{NAME}:{TAG}") as caught,
    ):
        cosign_manifest(mine, IMAGE.digest, signing())
    assert (caught.value.exit_code, caught.value.code) == (6, "lock-held")
    assert len(waits) == LOCK_ATTEMPTS - 1
    assert snapshot(repository.driver) == before


def test_a_lock_is_of_one_tag_lies_beside_the_tree_and_goes() -> None:
    driver = memory()
    repository = fill(driver)
    other = fill(driver, "team/other")
    with (
        tag_locked(repository, TAG),
        tag_locked(repository, LATEST),
        tag_locked(other, TAG),
    ):
        names = [entry.path for entry in driver.list("/regctl/locks")]
        assert len(names) == 3
        assert [entry.name for entry in driver.list("/")] == ["regctl"]
    assert driver.list("/regctl/locks") == []
    registry_on(driver).check_root()


def test_names_of_locks_do_not_run_into_each_other() -> None:
    long = RepositoryName.parse("a" * 255)
    paths = {
        tag_lock(RepositoryName.parse("a"), Tag.parse("b")),
        tag_lock(RepositoryName.parse("a/b"), Tag.parse("b")),
        tag_lock(long, Tag.parse("b" * 128)),
    }
    assert len(paths) == 3
    assert all(len(path.rpartition("/")[2]) <= 255 for path in paths)


_SIGNER = """
import sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from regctl.digest import Digest
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.filesystem import FilesystemDriver
from regctl.layout import RepositoryName
from regctl.registry import Registry
from regctl.registry.cosigning import Signing, cosign_manifest
from regctl.signature.keyfile_keys import private_key

root, name, digest, reference, rounds = sys.argv[1:]
repository = Registry(CheckedDriver(FilesystemDriver(root))).repository(RepositoryName.parse(name))
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
for _ in range(int(rounds)):
    key = private_key(Ed25519PrivateKey.generate())
    done = cosign_manifest(repository, Digest.parse(digest), Signing(key, reference))
    assert not done.existed
    sys.stdout.write(key.public.fingerprint + "\\n")
"""


@pytest.mark.timeout(120)
def test_three_processes_at_once_lose_no_signature(tmp_path: Path) -> None:
    """Each signs many times with ever new keys: a lost update would be a signature missing."""
    rounds = 12
    root = tmp_path / "root"
    root.mkdir()
    repository = prepared(filesystem(root))
    arguments = [str(root), str(NAME), str(IMAGE.digest), REFERENCE, str(rounds)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _SIGNER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        printed = [process.communicate(timeout=90)[0].split() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len({each for lines in printed for each in lines}) == 3 * rounds
    assert len(signatures(repository)) == 3 * rounds
    assert_sound(repository.driver)
    assert list((root / "regctl" / "locks").iterdir()) == []


_HOLDER = """
import sys, time
from regctl.drivers.checked import CheckedDriver
from regctl.drivers.filesystem import FilesystemDriver
from regctl.layout import RepositoryName, Tag
from regctl.registry import Registry
from regctl.registry.locking import tag_locked

root, name, tag = sys.argv[1:]
repository = Registry(CheckedDriver(FilesystemDriver(root))).repository(RepositoryName.parse(name))
with tag_locked(repository, Tag.parse(tag)):
    sys.stdout.write("held\\n")
    sys.stdout.flush()
    sys.stdin.readline()
"""


def test_a_lock_ends_with_the_process_that_has_it(tmp_path: Path) -> None:
    """Nothing has to be cleaned up after a kill -9."""
    root = tmp_path / "root"
    root.mkdir()
    repository = prepared(filesystem(root))
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(root), str(NAME), str(TAG)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"

        def kill(_seconds: float) -> None:
            holder.kill()
            holder.wait()

        mine = registry_on(repository.driver, kill).repository(NAME)
        cosign_manifest(mine, IMAGE.digest, signing())
        assert holder.returncode == -9
    finally:
        holder.kill()
        holder.communicate()
    assert signers(repository, "ed") == [True]
    assert list((root / "regctl" / "locks").iterdir()) == []


# --- indexes -------------------------------------------------------------------------------------


def test_an_index_is_signed_after_its_manifests() -> None:
    repository = fill(memory())
    push_image(repository, INDEX)
    children = tuple(image.digest for image in INDEX.images)
    assert manifests_to_sign(repository, INDEX.digest, recursive=False) == (INDEX.digest,)
    found = manifests_to_sign(repository, INDEX.digest, recursive=True)
    assert found == (*children, INDEX.digest)
    outer = manifest_of(
        OCI_INDEX, manifests=[INDEX.manifest.descriptor(), INDEX.images[0].manifest.descriptor()]
    )
    top = push_manifest(repository, outer).digest
    assert manifests_to_sign(repository, top, recursive=True) == (*children, INDEX.digest, top)


def test_a_missing_manifest_of_an_index_is_refused_or_passed_over() -> None:
    repository = fill(memory())
    push_image(repository, INDEX)
    gone = INDEX.images[0].digest
    repository.manifests.remove(gone)
    with pytest.raises(RevisionNotFoundError, match=str(gone)) as caught:
        manifests_to_sign(repository, INDEX.digest, recursive=True)
    assert "--allow-sparse" in (caught.value.hint or "")
    found = manifests_to_sign(repository, INDEX.digest, recursive=True, allow_sparse=True)
    assert found == (INDEX.images[1].digest, INDEX.digest)


def test_a_damaged_manifest_of_an_index_is_never_passed_over() -> None:
    repository = fill(memory())
    push_image(repository, INDEX)
    repository.driver.delete(blob_path(INDEX.images[0].digest))
    for allow_sparse in (False, True):
        with pytest.raises(DamagedError):
            manifests_to_sign(repository, INDEX.digest, recursive=True, allow_sparse=allow_sparse)


def test_layers_that_an_index_names_are_not_signed() -> None:
    """Build caches are indexes of layers and a configuration."""
    repository = fill(memory())
    layer = IMAGE.layers[0]
    push(repository, layer.content)
    cache_index = manifest_of(OCI_INDEX, manifests=[layer.descriptor()])
    digest = push_manifest(repository, cache_index).digest
    assert manifests_to_sign(repository, digest, recursive=True) == (digest,)


def test_schema_1_below_an_index_is_refused() -> None:
    repository = fill(memory())
    old = b'{"schemaVersion": 1, "name": "team/app", "tag": "v1", "fsLayers": [], "history": []}'
    repository.manifests.put(digest_of(old), old)
    child = {"mediaType": DOCKER_SCHEMA1, "digest": str(digest_of(old)), "size": len(old)}
    index = manifest_of(OCI_INDEX, manifests=[child])
    repository.manifests.put(digest_of(index), index)
    with pytest.raises(InvalidManifestError, match="schema 1"):
        manifests_to_sign(repository, digest_of(index), recursive=True)


# --- names ---------------------------------------------------------------------------------------


def test_clients_accept_the_names_that_are_signed() -> None:
    """What `sign` signs for a tag and for a digest, by the rule that nodes have by default."""
    host = "registry.example.com:5000"
    by_tag = DockerReference.of(host, NAME, LATEST)
    by_digest = DockerReference.of(host, NAME, None, IMAGE.digest)
    rule = MatchRepoDigestOrExact()
    assert rule.matches(by_tag, by_tag)
    assert rule.matches(by_digest, by_tag)
    assert rule.matches(by_digest, by_digest)
    assert rule.matches(DockerReference.of(host, NAME, None, INDEX.digest), by_digest)
    assert not rule.matches(by_tag, by_digest)
    # The bare name, which cosign signs, is accepted for neither.
    assert not rule.matches(by_digest, DockerReference.of(host, NAME))


def test_reading_does_not_make_a_repository() -> None:
    driver = memory()
    assert is_cosigned(Registry(driver).repository_to_fill(NAME), IMAGE.digest, signing()) is None
    assert snapshot(driver, "/") == {}
