"""What a reference is, down to its blobs, and what of it is missing: read, and never judged."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from regctl.digest import Digest
from regctl.errors import DamagedError, InvalidManifestError, NotFoundError
from regctl.layout import Tag
from regctl.manifest import Descriptor, Manifest, ManifestKind, Reference, Role, parse_manifest
from regctl.registry.layers import LayerNotFoundError
from regctl.registry.repository import Repository
from regctl.signature.cosign_tags import parse_attached_tag

_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature lies beside a schema 1 manifest; nobody is trusted by that.

    ``digest`` is that of the signature's blob, ``key_id`` empty where it has no key that can be
    read. ``reason`` says why it is not ``verified``.
    """

    digest: Digest
    key_id: str
    by_certificate: bool
    reason: str

    @property
    def verified(self) -> bool:
        """Whether the key that it names signed this manifest."""
        return not self.reason


@dataclass(slots=True)
class Node:
    """One manifest or blob, in the role that its parent names it in.

    ``size`` is in bytes as stored, None where it is not there; ``problems`` are complete clauses.
    ``notes`` are oddities that are legal. ``signatures`` are those of a schema 1 manifest.
    """

    role: str
    digest: Digest
    media_type: str = ""
    size: int | None = None
    platform: str = ""
    artifact_type: str = ""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)
    referrers: list[Node] = field(default_factory=list)
    signatures: list[Signer] = field(default_factory=list)

    def walk(self) -> Iterator[Node]:
        """Yield the node and all below it."""
        yield self
        for child in (*self.children, *self.referrers):
            yield from child.walk()


@dataclass(slots=True)
class Inspection:
    """What a reference names: the tree, the tags that lead to it, and those that hang on it.

    ``attached`` tags are made of the manifest's digest: cosign's signatures, for instance.
    """

    root: Node
    tags: list[Tag]
    attached: list[Tag] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """Every problem in the tree, each named with what it is about, once."""
        found = (f"{n.role} {n.digest}: {text}" for n in self.root.walk() for text in n.problems)
        return list(dict.fromkeys(found))

    @property
    def total_size(self) -> int:
        """Bytes of everything that is there, counted once, without referrers."""
        sizes: dict[Digest, int] = {}
        todo = [self.root]
        while todo:
            node = todo.pop()
            sizes[node.digest] = node.size or 0
            todo += node.children
        return sum(sizes.values())


def inspect(repository: Repository, revision: Digest, *, jobs: int = 1) -> Inspection:
    """The tree of ``revision``. Raises `RevisionNotFoundError` if the repository has no such one.

    All revisions are read for what refers to it, ``jobs`` at a time. Damage below is
    recorded in the nodes. What cannot be read for other reasons raises.
    """
    repository.manifests.resolve(revision)
    look = _Look(repository, _referrers(repository, jobs))
    root = look.manifest("manifest", revision, None, 0)
    tags = repository.tags.list()
    attached = [tag for tag in tags if _hangs_on(tag, revision)]
    return Inspection(root, [tag for tag in tags if look.names(tag, revision)], attached)


def _hangs_on(tag: Tag, revision: Digest) -> bool:
    found = parse_attached_tag(tag)
    return (
        found is not None
        and found.algorithm == revision.algorithm
        and revision.hex.startswith(found.hex)
    )


@dataclass(slots=True)
class _Look:
    repository: Repository
    referrers: dict[Digest, list[Digest]]

    def names(self, tag: Tag, revision: Digest) -> bool:
        try:
            return self.repository.tags.get(tag) == revision
        except (NotFoundError, DamagedError):
            return False

    def manifest(
        self, role: str, digest: Digest, descriptor: Descriptor | None, depth: int
    ) -> Node:
        node = _node(role, digest, descriptor)
        content = self._read(node, descriptor)
        manifest = self._parse(node, content) if content is not None else None
        if content is None or manifest is None:
            return node
        node.media_type = manifest.media_type or node.media_type
        node.artifact_type = manifest.artifact_type
        if manifest.kind is ManifestKind.UNKNOWN:
            node.notes.append("unknown media type: what it needs is not known")
        if manifest.kind is ManifestKind.SCHEMA1:
            self._signers(node, content)
        if depth >= _MAX_DEPTH:
            node.problems.append(f"indexes are nested more than {_MAX_DEPTH} deep")
            return node
        for reference in manifest.references:
            node.children.append(self._reference(reference, depth))
        for referrer in self.referrers.get(digest, ()):
            if role != "referrer" or depth < _MAX_DEPTH:
                node.referrers.append(self.manifest("referrer", referrer, None, depth + 1))
        return node

    def _signers(self, node: Node, content: bytes) -> None:
        """Look at the signatures beside a schema 1 manifest; a damaged one is a problem."""
        stored = self.repository.signatures.judge(node.digest, content)
        if not stored:
            node.notes.append("schema 1: no signatures lie beside it")
        for each in stored:
            if each.verdict is None:
                node.problems.append(each.damage)
                continue
            verdict = each.verdict
            node.signatures.append(
                Signer(each.digest, verdict.key_id, verdict.by_certificate, verdict.reason)
            )

    def _read(self, node: Node, descriptor: Descriptor | None) -> bytes | None:
        try:
            content = self.repository.manifests.get(node.digest)
        except (NotFoundError, DamagedError) as error:
            node.problems.append(error.message)
            return None
        node.size = len(content)
        _compare_size(node, descriptor)
        return content

    @staticmethod
    def _parse(node: Node, content: bytes) -> Manifest | None:
        try:
            return parse_manifest(content)
        except InvalidManifestError as error:
            node.problems.append(error.message)
            return None

    def _reference(self, reference: Reference, depth: int) -> Node:
        descriptor = reference.descriptor
        if reference.role is Role.SUBJECT:
            node = _node("subject", reference.digest, descriptor)
            if not self._has_revision(reference.digest):
                node.notes.append("not in this repository")
            return node
        is_blob = reference.role is not Role.CHILD or (
            reference.may_be_blob and self._is_linked(reference.digest)
        )
        if is_blob:
            return self._blob(reference)
        return self.manifest("manifest", reference.digest, descriptor, depth + 1)

    def _has_revision(self, digest: Digest) -> bool:
        try:
            return self.repository.manifests.exists(digest)
        except DamagedError:
            return False

    def _is_linked(self, digest: Digest) -> bool:
        try:
            self.repository.layers.resolve(digest)
        except (LayerNotFoundError, DamagedError):
            return False
        return True

    def _blob(self, reference: Reference) -> Node:
        descriptor = reference.descriptor
        node = _node(reference.role.value, reference.digest, descriptor)
        try:
            node.size = self.repository.layers.get(reference.digest).size
        except LayerNotFoundError:
            if descriptor.is_foreign:
                node.notes.append(f"kept elsewhere: {', '.join(descriptor.urls)}")
            else:
                node.problems.append(f"not linked in {self.repository.name}")
        except DamagedError as error:
            node.problems.append(error.message)
        _compare_size(node, descriptor)
        return node


def _node(role: str, digest: Digest, descriptor: Descriptor | None) -> Node:
    node = Node(role, digest)
    if descriptor is not None:
        node.media_type = descriptor.media_type
        node.platform = str(descriptor.platform or "")
        node.artifact_type = descriptor.artifact_type
    return node


def _compare_size(node: Node, descriptor: Descriptor | None) -> None:
    said = descriptor.size if descriptor is not None else None
    if said is not None and node.size is not None and said != node.size:
        node.problems.append(f"it has {node.size} bytes, the descriptor says {said}")


def _referrers(repository: Repository, jobs: int) -> dict[Digest, list[Digest]]:
    """All revisions of the repository that are about another, by that other's digest."""
    revisions = sorted(repository.manifests.list())
    with ThreadPoolExecutor(jobs) as pool:
        subjects = pool.map(lambda each: _subject(repository, each), revisions)
        found: dict[Digest, list[Digest]] = {}
        for revision, subject in zip(revisions, subjects, strict=True):
            if subject is not None:
                found.setdefault(subject, []).append(revision)
    return found


def _subject(repository: Repository, revision: Digest) -> Digest | None:
    try:
        subject = repository.manifests.parse(revision).subject
    except (NotFoundError, DamagedError, InvalidManifestError):
        # What cannot be read as a manifest refers to nothing that could be shown.
        return None
    return subject.digest if subject is not None else None
