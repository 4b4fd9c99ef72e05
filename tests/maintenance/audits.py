"""Small storages with signed content, and audits of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from regctl.digest import Digest
from regctl.drivers.base import StorageDriver
from regctl.layout import PathMapper, Reference, RepositoryName, Tag, specs
from regctl.maintenance.audit import Audit, Options
from regctl.maintenance.audit_results import Audited, Requirement
from regctl.maintenance.audit_trust import KeyJudge, Trusted
from regctl.manifest.schema1 import make_payload
from regctl.registry import Repository
from regctl.signature import libtrust
from regctl.signature.cosign import Trust, sign
from regctl.signature.cosign_manifest import build_signature_manifest
from regctl.signature.cosign_payload import Payload
from regctl.signature.cosign_tags import signature_tag
from tests.registry.storages import NAME, registry_on
from tests.signature.cosign.samples import private_key, public_key

HOST = "registry.example.com"
PATHS = PathMapper()


def digest_of(content: bytes) -> Digest:
    return Digest.of_hash("sha256", hashlib.sha256(content).digest())


def put_blob(repository: Repository, content: bytes) -> Digest:
    digest = digest_of(content)
    repository.blobs.put(digest, content)
    repository.layers.link(digest)
    return digest


def put_manifest(repository: Repository, content: bytes, tag: Tag | None) -> Digest:
    digest = digest_of(content)
    repository.manifests.put(digest, content)
    if tag is not None:
        repository.tags.set(tag, digest)
    return digest


def add_cosign(
    repository: Repository, subject: Digest, key: str = "a", *, reference: str = ""
) -> Digest:
    """Sign ``subject`` by one of the keys of the vectors; the digest of what holds it."""
    written = reference or f"{HOST}/{repository.name}"
    signature = sign(Payload(subject, written), private_key(key))
    made = build_signature_manifest(signature)
    put_blob(repository, signature.payload)
    put_blob(repository, made.config)
    return put_manifest(repository, made.content, signature_tag(subject))


def put_schema1(
    repository: Repository,
    keys: Sequence[libtrust.PrivateKey],
    *,
    name: RepositoryName = NAME,
    tag: str = "v1",
    under: str = "v1",
) -> Digest:
    """A signed schema 1 manifest that says ``tag``, stored under the tag ``under``."""
    layer = put_blob(repository, b"a layer")
    payload = make_payload(str(name), tag, "amd64", [layer], ['{"id":"x"}'])
    revision = put_manifest(repository, payload, Tag(under))
    when = datetime(2026, 1, 2, tzinfo=UTC)
    repository.signatures.put(revision, [libtrust.sign(payload, key, when).blob for key in keys])
    return revision


def judge(
    *keys: str, require: str = "trusted", host: str = "", ids: Sequence[str] = ()
) -> Callable[[], KeyJudge]:
    """What makes a judge by these keys of the vectors: for each run a new one, as it remembers."""
    trust = Trust(tuple(public_key(key) for key in keys))
    return lambda: KeyJudge(Trusted(trust, frozenset(ids)), Requirement(require), host)


def audit(
    driver: StorageDriver,
    *references: str,
    by: Callable[[], KeyJudge] = judge("a"),  # noqa: B008 - it makes one for each call
    options: Options | None = None,
) -> dict[str, Audited]:
    """Every result by its reference."""
    job = Audit(registry_on(driver, lambda _: None), by(), options or Options())
    plan = job.plan([Reference.parse(each) for each in references])
    found = [*plan.failed, *job.run(plan.targets)]
    assert len({str(each.target) for each in found}) == len(found)
    return {str(each.target): each for each in found}


def signature_link(revision: Digest, signature: Digest) -> str:
    return PATHS.path(specs.SignatureLink(NAME, revision, signature))
