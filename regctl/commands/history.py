"""history: list every revision that a tag named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from regctl.commands.base import App, define, pass_app
from regctl.errors import DamagedError, RegctlError

if TYPE_CHECKING:
    from regctl.digest import Digest
    from regctl.registry import Repository
    from regctl.registry.tags import IndexEntry

_HELP = """List every revision that REPO:TAG names or named, from its index, one a line.

The current one comes first, then the newest link. A link's time is when the tag last moved to
that revision; where two are equal, their order is not known and they are marked 'unordered'. A
revision that is no longer in the repository is marked 'missing'.
"""


@define("history", "List every revision that a tag named.", help=_HELP)
@click.argument("reference", metavar="REPO:TAG")
@pass_app
def command(app: App, reference: str) -> None:
    """List a tag's revisions."""
    from regctl.commands.names import parse_reference  # noqa: PLC0415
    from regctl.registry.tagging import named_by  # noqa: PLC0415
    from regctl.registry.tags import IndexEntry  # noqa: PLC0415

    target = parse_reference(reference, needs="tag")
    assert target.tag is not None
    repository = app.opened(app.registry().repository(target.repository))
    entries = list(repository.tags.history(target.tag))
    current, problem = None, None
    try:
        current = named_by(repository, target.tag) if entries else repository.tags.get(target.tag)
    except DamagedError as error:
        problem = error.message
    if current is None and problem is None:
        problem = f"the tag {target} names nothing now: its current link is missing"
    if current is not None and all(entry.revision != current for entry in entries):
        entries.append(IndexEntry(current, 0.0))
        app.output.warning(f"the index of {target} lacks the revision that it names")
    entries.sort(key=lambda each: each.revision != current)
    app.output.listing(_row(repository, each, current, entries) for each in entries)
    if problem is not None:
        raise RegctlError(
            problem, hint=f"'regctl rollback {target} DIGEST' makes it name one of these"
        )


def _row(
    repository: Repository,
    entry: IndexEntry,
    current: Digest | None,
    entries: Sequence[IndexEntry],
) -> tuple[str, Mapping[str, object]]:
    from regctl.terminal.formatting import timestamp  # noqa: PLC0415

    others = [e for e in entries if e is not entry and e.revision != current]
    unordered = entry.revision != current and any(e.linked_at == entry.linked_at for e in others)
    time = timestamp(entry.linked_at, fraction=True) if entry.linked_at else None
    flags = {
        "current": entry.revision == current,
        "unordered": unordered,
        "missing": not repository.manifests.exists(entry.revision),
    }
    marks = [name for name, given in flags.items() if given]
    text = " ".join([str(entry.revision), time or "-", *marks])
    return text, {"digest": str(entry.revision), "linked_at": time, **flags}
