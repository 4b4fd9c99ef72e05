"""What an audit says of content and signatures, on storages in memory."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from regctl.drivers.base import StorageDriver
from regctl.drivers.forwarding import ForwardingDriver
from regctl.errors import UnavailableError
from regctl.layout import RepositoryName, Tag, specs
from regctl.maintenance.audit import Audit, Options
from regctl.maintenance.audit_results import Failure, Requirement
from regctl.signature.cosign_tags import signature_tag
from regctl.signature.cosign_verdict import Verdict
from tests.images import build_image, build_index
from tests.maintenance.audits import (
    HOST,
    PATHS,
    add_cosign,
    audit,
    judge,
    put_manifest,
    put_schema1,
    signature_link,
)
from tests.registry.storages import LATEST, NAME, blob_path, fill, memory, push_image, registry_on
from tests.signature.libtrust.vectors import private_key

IMAGE = build_image(1, size=10)
INDEX = build_index(2, size=10)
NAMED = f"{NAME}:latest"


class Counting(ForwardingDriver):
    """Counts what is read, and fails where it is told to."""

    def __init__(self, inner: StorageDriver) -> None:
        super().__init__(inner)
        self.read_paths: list[str] = []
        self.failing = ""

    def get(self, path: str, limit: int) -> bytes:
        self.read_paths.append(path)
        if self.failing and self.failing in path:
            raise UnavailableError(f"{path} cannot be read at this moment")
        return super().get(path, limit)


@pytest.fixture
def driver() -> StorageDriver:
    driver = memory()
    push_image(fill(driver), IMAGE)
    return driver


def test_signed_and_unsigned(driver: StorageDriver) -> None:
    repository = fill(driver)
    assert audit(driver)[NAMED].verdict is Verdict.UNSIGNED
    add_cosign(repository, IMAGE.digest)
    found = audit(driver)
    assert (found[NAMED].verdict, found[NAMED].met, found[NAMED].reasons) == (
        Verdict.TRUSTED,
        True,
        (),
    )
    assert "EC P-256 sha256:" in found[NAMED].signer
    assert audit(driver, by=judge("b"))[NAMED].verdict is Verdict.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("require", "met"),
    [
        (Requirement.TRUSTED, {Verdict.TRUSTED}),
        (Requirement.SIGNED, {Verdict.TRUSTED, Verdict.SIGNED}),
        (Requirement.PRESENT, {Verdict.TRUSTED, Verdict.SIGNED, Verdict.UNKNOWN_KEY}),
    ],
)
def test_what_is_enough(require: Requirement, met: set[Verdict]) -> None:
    assert {verdict for verdict in Verdict if require.is_met_by(verdict)} == met


def test_attached_tags_are_not_judged_unless_named(driver: StorageDriver) -> None:
    repository = fill(driver)
    holder = add_cosign(repository, IMAGE.digest)
    attached = f"{NAME}:{signature_tag(IMAGE.digest)}"
    found = audit(driver)[attached]
    assert (found.met, found.judged, found.digest) == (True, False, holder)
    named = audit(driver, attached)[attached]
    assert (named.met, named.judged, named.verdict) == (False, True, Verdict.UNSIGNED)
    driver.delete(blob_path(holder))
    broken = audit(driver)
    assert broken[attached].verdict is broken[NAMED].verdict is Verdict.BROKEN


def test_revisions_of_attached_tags_are_not_judged(driver: StorageDriver) -> None:
    """A second signature leaves the first holder as a revision that no tag names any more."""
    repository = fill(driver)
    first = add_cosign(repository, IMAGE.digest)
    second = add_cosign(repository, IMAGE.digest, "b")
    found = audit(driver, options=Options(all_revisions=True))
    by_digest = {each: found[f"{NAME}@{each}"] for each in (first, second, IMAGE.digest)}
    assert [each.judged for each in by_digest.values()] == [False, False, True]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda d: d.delete(blob_path(IMAGE.config.digest)), "config sha256:"),
        (lambda d: d.delete(blob_path(IMAGE.layers[1].digest)), "layers[1] sha256:"),
        (lambda d: d.put(blob_path(IMAGE.layers[0].digest), b"short"), "it has 5 bytes"),
        (lambda d: d.put(blob_path(IMAGE.digest), b"{}"), "is damaged"),
        (lambda d: d.delete(blob_path(IMAGE.digest)), "is missing from the storage"),
        (
            lambda d: d.delete(PATHS.path(specs.LayerLink(NAME, IMAGE.layers[0].digest))),
            "not linked in team/app",
        ),
        (
            lambda d: d.delete(PATHS.path(specs.RevisionLink(NAME, IMAGE.digest))),
            "has no manifest sha256:",
        ),
        (
            lambda d: d.put(PATHS.path(specs.LayerLink(NAME, IMAGE.config.digest)), b"sha256:"),
            "holds no digest",
        ),
        (
            lambda d: d.delete(PATHS.path(specs.TagCurrentLink(NAME, LATEST))),
            "names nothing",
        ),
    ],
)
def test_broken_content(
    driver: StorageDriver, damage: Callable[[StorageDriver], None], words: str
) -> None:
    add_cosign(fill(driver), IMAGE.digest)
    damage(driver)
    found = audit(driver)[NAMED]
    assert (found.verdict, found.met, found.failure) == (Verdict.BROKEN, False, None)
    assert words in found.reasons[0]


def test_bytes_of_layers_are_read_when_asked_for(driver: StorageDriver) -> None:
    add_cosign(fill(driver), IMAGE.digest)
    layer = IMAGE.layers[0]
    driver.put(blob_path(layer.digest), b"x" * layer.size)
    assert audit(driver)[NAMED].verdict is Verdict.TRUSTED
    found = audit(driver, options=Options(read_blobs=True))[NAMED]
    assert found.verdict is Verdict.BROKEN
    assert len(found.reasons) == 1
    assert "layers[0]" in found.reasons[0]


def test_what_is_named_and_not_there_is_absent(driver: StorageDriver) -> None:
    names = [f"{NAME}:none", f"{NAME}@{INDEX.digest}", "no/where", "no/where:v1"]
    for found in audit(driver, *names).values():
        assert (found.failure, found.met) == (Failure.ABSENT, False)
    assert set(audit(driver, *names)) == set(names)


def test_what_is_removed_meanwhile_is_no_fault(driver: StorageDriver) -> None:
    """A registry goes on working while its storage is audited."""
    repository = fill(driver)
    repository.tags.set(Tag("gone"), IMAGE.digest)
    job = Audit(registry_on(driver), judge("a")(), Options(all_revisions=True))
    targets = job.plan().targets
    repository.tags.remove(Tag("gone"))
    repository.manifests.remove(IMAGE.digest)
    by_name = {str(each.target): each for each in job.run(targets)}
    for name in (f"{NAME}:gone", f"{NAME}@{IMAGE.digest}"):
        assert (by_name[name].met, by_name[name].judged) == (True, False)
    assert by_name[NAMED].verdict is Verdict.BROKEN


@pytest.mark.parametrize("part", ["/revisions/", "/tags/latest/", "/_layers/", "/blobs/"])
def test_what_cannot_be_read_is_not_taken_for_absent(driver: StorageDriver, part: str) -> None:
    counting = Counting(driver)
    counting.failing = part
    found = audit(counting, NAMED)[NAMED]
    assert (found.verdict, found.met) == (Verdict.UNCHECKED, False)
    assert found.failure is Failure.UNREADABLE


def test_signatures_that_cannot_be_read_are_no_verdict(driver: StorageDriver) -> None:
    add_cosign(fill(driver), IMAGE.digest)
    counting = Counting(driver)
    counting.failing = f"/tags/{signature_tag(IMAGE.digest)}"
    assert audit(counting, NAMED)[NAMED].failure is Failure.UNREADABLE


def test_children_are_judged_when_asked_for() -> None:
    driver = memory()
    repository = fill(driver)
    push_image(repository, INDEX)
    add_cosign(repository, INDEX.digest)
    add_cosign(repository, INDEX.images[0].digest)
    recursive = Options(recursive=True)
    assert audit(driver)[NAMED].verdict is Verdict.TRUSTED
    found = audit(driver, options=recursive)[NAMED]
    assert (found.verdict, found.met) == (Verdict.UNSIGNED, False)
    unsigned = INDEX.images[1]
    assert found.reasons == (
        f"manifest {unsigned.digest} (linux/{unsigned.architecture}): there is no signature",
    )
    add_cosign(repository, unsigned.digest, "b")
    assert audit(driver, options=recursive)[NAMED].verdict is Verdict.UNKNOWN_KEY
    assert audit(driver, by=judge("a", "b"), options=recursive)[NAMED].met


def test_a_broken_child_breaks_its_index() -> None:
    driver = memory()
    push_image(fill(driver), INDEX)
    driver.delete(blob_path(INDEX.images[1].layers[0].digest))
    found = audit(driver)[NAMED]
    assert found.verdict is Verdict.BROKEN
    assert found.reasons[0].startswith(
        f"manifest {INDEX.images[1].digest} (linux/arm64): layers[0]"
    )


def test_a_child_of_another_size() -> None:
    driver = memory()
    repository = fill(driver)
    push_image(repository, IMAGE, None)
    child = {**IMAGE.manifest.descriptor(), "size": 7}
    index = {"schemaVersion": 2, "manifests": [child]}
    put_manifest(repository, json.dumps(index).encode(), LATEST)
    (reason,) = audit(driver)[NAMED].reasons
    assert reason.endswith(f"has {IMAGE.manifest.size} bytes, the descriptor says 7")


@pytest.mark.parametrize(
    ("written", "verdict"),
    [
        (f"{HOST}/{NAME}", Verdict.TRUSTED),
        (f"{HOST}/{NAME}:latest", Verdict.TRUSTED),
        (f"{HOST}/{NAME}@{IMAGE.digest}", Verdict.TRUSTED),
        (f"{HOST}/{NAME}:v2", Verdict.INVALID),
        (f"{HOST}/team/other", Verdict.INVALID),
        (f"elsewhere.example.com/{NAME}", Verdict.INVALID),
        ("no reference", Verdict.INVALID),
    ],
)
def test_the_signed_name_must_fit(driver: StorageDriver, written: str, verdict: Verdict) -> None:
    add_cosign(fill(driver), IMAGE.digest, reference=written)
    assert audit(driver, by=judge("a", host=HOST))[NAMED].verdict is verdict


def test_each_manifest_and_signature_is_read_once(driver: StorageDriver) -> None:
    repository = fill(driver)
    holder = add_cosign(repository, IMAGE.digest)
    for number in range(5):
        repository.tags.set(Tag(f"t{number}"), IMAGE.digest)
    counting = Counting(driver)
    found = audit(counting, options=Options(jobs=4))
    assert sum(each.verdict is Verdict.TRUSTED for each in found.values()) == 6
    for digest in (IMAGE.digest, holder):
        assert counting.read_paths.count(blob_path(digest)) == 1


def test_signatures_that_are_replaced_meanwhile_are_read_again(driver: StorageDriver) -> None:
    """Their tag was looked at, then moved by another signer, and a collector took the old ones."""
    repository = fill(driver)
    repository.tags.set(Tag("v1"), IMAGE.digest)
    repository.tags.remove(LATEST)
    old = add_cosign(repository, IMAGE.digest, "b", reference=f"{HOST}/{NAME}:v1")
    job = Audit(registry_on(driver, lambda _: None), judge("a")(), Options())
    results = job.run(job.plan().targets)
    assert next(results).target.tag == signature_tag(IMAGE.digest)
    (payload,) = repository.manifests.parse(old).layers
    add_cosign(repository, IMAGE.digest, "a")
    driver.delete(blob_path(payload.digest))
    found = next(results)
    assert (found.target.tag, found.verdict) == (Tag("v1"), Verdict.TRUSTED)


def test_threads_give_the_same_in_the_same_order(driver: StorageDriver) -> None:
    repository = fill(driver)
    for number in range(40):
        repository.tags.set(Tag(f"t{number}"), IMAGE.digest)
    assert list(audit(driver).items()) == list(audit(driver, options=Options(jobs=3)).items())


# --- schema 1 ------------------------------------------------------------------------------------


def test_schema1_needs_every_signature() -> None:
    driver = memory()
    repository = fill(driver)
    first, second = private_key("ec256"), private_key("rsa")
    revision = put_schema1(repository, [first, second])
    name = f"{NAME}:v1"
    assert audit(driver)[name].verdict is Verdict.SIGNED
    trusting = judge(ids=[first.public.key_id])
    assert audit(driver, by=trusting)[name].verdict is Verdict.TRUSTED
    for signature in repository.signatures.list(revision):
        content = json.loads(repository.signatures.get(revision, signature))
        if content["header"]["jwk"]["kid"] == second.public.key_id:
            content["signature"] = content["signature"][::-1]
            repository.signatures.put(revision, [json.dumps(content).encode()])
    found = audit(driver, by=trusting)[name]
    assert found.verdict is Verdict.INVALID
    assert "of 3: " in found.reasons[0]


def test_schema1_name_and_tag_must_fit() -> None:
    driver = memory()
    trusting = judge(ids=[private_key("ec256").public.key_id])
    put_schema1(fill(driver), [private_key("ec256")], tag="v1", under="v2")
    found = audit(driver, by=trusting)[f"{NAME}:v2"]
    assert (found.verdict, found.reasons) == (
        Verdict.INVALID,
        ("the manifest's tag is 'v1', not 'v2'",),
    )
    assert found.digest is not None
    by_digest = f"{NAME}@{found.digest}"
    assert audit(driver, by_digest, by=trusting)[by_digest].verdict is Verdict.TRUSTED
    put_schema1(fill(driver), [private_key("ec256")], name=RepositoryName("team/other"))
    other = audit(driver, by=trusting)[f"{NAME}:v1"]
    assert other.reasons == ("the manifest's name is 'team/other', not 'team/app'",)


def test_schema1_signature_that_is_gone_or_damaged_is_broken() -> None:
    driver = memory()
    repository = fill(driver)
    key = private_key("ec256")
    revision = put_schema1(repository, [key])
    (signature,) = repository.signatures.list(revision)
    trusting = judge(ids=[key.public.key_id])
    content = repository.signatures.get(revision, signature)
    damages: tuple[Callable[[], None], ...] = (
        lambda: driver.put(blob_path(signature), content.replace(b"ES256", b"ES255")),
        lambda: driver.delete(blob_path(signature)),
        lambda: driver.put(signature_link(revision, signature), str(revision).encode()),
    )
    for damage in damages:
        damage()
        assert audit(driver, by=trusting)[f"{NAME}:v1"].verdict is Verdict.BROKEN


def test_schema1_without_signatures_may_be_signed_by_cosign() -> None:
    driver = memory()
    repository = fill(driver)
    revision = put_schema1(repository, [])
    assert audit(driver)[f"{NAME}:v1"].verdict is Verdict.UNSIGNED
    add_cosign(repository, revision)
    assert audit(driver)[f"{NAME}:v1"].verdict is Verdict.TRUSTED


# --- tampering -----------------------------------------------------------------------------------


def _flipped(content: bytes, at: int, bit: int) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


def test_any_flipped_byte_ends_trust() -> None:
    """Payload, protected header, signature, key and link: nothing that is read may pass changed.

    Every file of a signed storage has bytes flipped one at a time, sampled all over it.
    """
    driver = memory()
    repository = fill(driver)
    key = private_key("ec256")
    put_schema1(repository, [key])
    image = build_image(3, layers=1, size=10)
    push_image(repository, image)
    add_cosign(repository, image.digest)
    trusting = judge("a", ids=[key.public.key_id])
    options = Options(read_blobs=True)

    def all_met() -> bool:
        return all(each.met for each in audit(driver, by=trusting, options=options).values())

    assert all_met()
    # Only a tag's history and what began an upload are not what is audited.
    files = [
        entry.path
        for entry in driver.walk("/docker")
        if entry.size and "/index/" not in entry.path and "/_uploads/" not in entry.path
    ]
    assert len(files) > 15
    for number, path in enumerate(sorted(files)):
        content = driver.get(path, 1 << 20)
        for at in range(number % 5, len(content), max(1, len(content) // 10)):
            driver.put(path, _flipped(content, at, (number + at) % 7))
            assert not all_met(), (path, at)
        driver.put(path, content)
    assert all_met()
