"""Removing a revision: first a plan of what needs it and what goes with it, then the deed."""

from __future__ import annotations

from dataclasses import dataclass

from regctl.digest import Digest
from regctl.errors import DamagedError, InvalidManifestError, UnsafeError
from regctl.layout import Tag
from regctl.registry.repository import Repository
from regctl.registry.tagging import named_by


@dataclass(frozen=True, slots=True)
class RemovalPlan:
    """What stands in the way of removing ``revision``, and what goes with it.

    ``tags`` name it now and would go; ``histories`` name it in their index, which loses it;
    ``parents`` are indexes of the repository that hold it as a child.
    """

    revision: Digest
    tags: tuple[Tag, ...]
    histories: tuple[Tag, ...]
    parents: tuple[Digest, ...]
    signatures: tuple[Digest, ...]
    #: Tags of which only directories are left, as a removal that was cut short leaves them.
    remains: tuple[Tag, ...] = ()

    @property
    def is_needed(self) -> bool:
        """Whether a tag or an index needs the revision."""
        return bool(self.tags or self.parents)


def plan_removal(repository: Repository, revision: Digest) -> RemovalPlan:
    """What removing ``revision`` would mean. Raises `RevisionNotFoundError`.

    Everything that could need it is read; what cannot be read raises: a link or an index that
    is unreadable may be the one that needs it.
    """
    repository.manifests.resolve(revision)
    tags, histories, remains = [], [], []
    for tag in repository.tags.list():
        named = named_by(repository, tag)
        history = repository.tags.history(tag)
        if named == revision:
            tags.append(tag)
        if any(entry.revision == revision for entry in history):
            histories.append(tag)
        if named is None and not history:
            remains.append(tag)
    parents = [
        each
        for each in repository.manifests.list()
        if each != revision and revision in _children(repository, each)
    ]
    signatures = repository.signatures.list(revision)
    return RemovalPlan(
        revision,
        tuple(tags),
        tuple(histories),
        tuple(sorted(parents)),
        tuple(signatures),
        tuple(remains),
    )


def _children(repository: Repository, revision: Digest) -> set[Digest]:
    try:
        manifest = repository.manifests.parse(revision)
    except InvalidManifestError as error:
        raise DamagedError(
            f"the manifest {revision} of {repository.name} cannot be read, "
            f"so that what it needs is not known: {error}"
        ) from error
    return {child.digest for child in manifest.children}


def check_removal(repository: Repository, plan: RemovalPlan, *, force: bool) -> None:
    """Raise `UnsafeError` if something needs the revision and ``force`` is not set."""
    if plan.is_needed and not force:
        needed = [f"the tag {tag}" for tag in plan.tags]
        needed += [f"the index {parent}" for parent in plan.parents]
        raise UnsafeError(
            f"{repository.name}@{plan.revision} is needed by {', '.join(needed)}",
            hint="remove those first, or give --force to remove the tags with it "
            "and leave the indexes without this child",
        )


def remove_revision(repository: Repository, plan: RemovalPlan, *, force: bool = False) -> None:
    """Carry out ``plan``: tags that name the revision first, then the index entries, then it.

    Raises as `check_removal`, and `UnsafeError` if what needs the revision is no longer what the
    plan says.
    """
    check_removal(repository, plan, force=force)
    if plan_removal(repository, plan.revision) != plan:
        raise UnsafeError(
            f"what needs {repository.name}@{plan.revision} has changed since the plan was made",
            hint="run the command again",
        )
    for tag in (*plan.tags, *plan.remains):
        repository.tags.remove(tag)
    for tag in plan.histories:
        if tag not in plan.tags:
            repository.tags.remove_from_index(tag, plan.revision)
    repository.manifests.remove(plan.revision)
