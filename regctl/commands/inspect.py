"""inspect: show what a reference is, down to its blobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from regctl.commands.base import App, define, pass_app

if TYPE_CHECKING:
    from regctl.registry import Repository
    from regctl.registry.inspection import Inspection, Node

_HELP = """Show what REF is: an index, its manifests, their configs and layers, with sizes.

For REPO alone: its tags, and how many revisions, layers and uploads it has. Whatever is missing
or damaged is marked, and makes the exit code 1. Blobs are looked at, not read. Of a schema 1
manifest the signatures are shown, with the id of the key that each names and whether it verifies
by that key; whose key it is, and whether anybody trusts it, is not asked.
"""


@define("inspect", "Show what a reference is, down to its blobs.", help=_HELP)
@click.argument("reference", metavar="REF")
@pass_app
def command(app: App, reference: str) -> None:
    """Show a reference."""
    from regctl.layout import Reference  # noqa: PLC0415
    from regctl.registry.inspection import inspect  # noqa: PLC0415
    from regctl.registry.tagging import revision_of  # noqa: PLC0415

    target = Reference.parse(reference)
    repository = app.opened(app.registry().repository(target.repository))
    if target.tag is None and target.digest is None:
        _repository(app, repository)
        return
    inspection = inspect(repository, revision_of(repository, target), jobs=app.jobs)
    app.output.result(_lines(inspection), _data(repository, inspection))
    if inspection.problems:
        raise click.exceptions.Exit(1)


def _lines(inspection: Inspection) -> Iterator[str]:
    from regctl.terminal.formatting import size  # noqa: PLC0415

    yield from _tree(inspection.root, "")
    if inspection.tags:
        yield f"tags: {' '.join(str(tag) for tag in inspection.tags)}"
    if inspection.attached:
        yield f"attached: {' '.join(str(tag) for tag in inspection.attached)}"
    yield f"total: {inspection.total_size} bytes ({size(inspection.total_size)})"
    for problem in inspection.problems:
        yield f"problem: {problem}"


def _tree(node: Node, indent: str) -> Iterator[str]:
    facts = [node.role, str(node.digest)]
    if node.size is not None:
        facts.append(str(node.size))
    facts += [each for each in (node.media_type, node.artifact_type, node.platform) if each]
    facts += [f"({note})" for note in node.notes]
    if node.problems:
        facts.append("PROBLEM")
    yield indent + " ".join(facts)
    for signer in node.signatures:
        verdict = "verified" if signer.verified else f"NOT VERIFIED: {signer.reason}"
        how = "certificate " if signer.by_certificate else ""
        yield f"{indent}  signature {signer.digest} by {how}{signer.key_id or 'no key'} {verdict}"
    for child in (*node.children, *node.referrers):
        yield from _tree(child, indent + "  ")


def _data(repository: Repository, inspection: Inspection) -> dict[str, object]:
    return {
        "repository": str(repository.name),
        "tags": [str(tag) for tag in inspection.tags],
        "attached": [str(tag) for tag in inspection.attached],
        "total_size": inspection.total_size,
        "problems": inspection.problems,
        "manifest": _node(inspection.root),
    }


def _node(node: Node) -> dict[str, object]:
    return {
        "role": node.role,
        "digest": str(node.digest),
        "media_type": node.media_type,
        "size": node.size,
        "platform": node.platform or None,
        "artifact_type": node.artifact_type or None,
        "problems": node.problems,
        "notes": node.notes,
        "signatures": [
            {
                "digest": str(signer.digest),
                "key_id": signer.key_id or None,
                "by_certificate": signer.by_certificate,
                "verified": signer.verified,
                "reason": signer.reason or None,
            }
            for signer in node.signatures
        ],
        "children": [_node(child) for child in node.children],
        "referrers": [_node(referrer) for referrer in node.referrers],
    }


def _repository(app: App, repository: Repository) -> None:
    from regctl.errors import DamagedError, NotFoundError  # noqa: PLC0415

    tags: dict[str, str | None] = {}
    problems = []
    for tag in repository.tags.list():
        try:
            tags[str(tag)] = str(repository.tags.get(tag))
        except (NotFoundError, DamagedError) as error:
            tags[str(tag)] = None
            problems.append(error.message)
    counts = {
        "revisions": sum(1 for _ in repository.manifests.list()),
        "layers": sum(1 for _ in repository.layers.list()),
        "uploads": sum(1 for _ in repository.uploads.list()),
    }
    lines = [f"repository {repository.name} ({repository.mapper.layout.value} layout)"]
    lines += [f"tag {tag} {digest or 'PROBLEM'}" for tag, digest in tags.items()]
    lines += [f"{name}: {count}" for name, count in counts.items()]
    lines += [f"problem: {problem}" for problem in problems]
    app.output.result(
        lines,
        {
            "repository": str(repository.name),
            "layout": repository.mapper.layout.value,
            "tags": tags,
            **counts,
            "problems": problems,
        },
    )
    if problems:
        raise click.exceptions.Exit(1)
