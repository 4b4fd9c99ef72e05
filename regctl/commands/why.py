"""why: explain what keeps a digest, or what would let it go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from regctl.commands.base import App, define, pass_app
from regctl.commands.collecting import DURATION, means

if TYPE_CHECKING:
    from regctl.maintenance.gc.why import Standing
    from regctl.maintenance.inventory.explaining import Chain

_HELP = """Explain what keeps DIGEST: every way to it, from a tag or a revision over indexes and
manifests. Or which 'regctl gc' would remove it, and from when on.

A digest is needed where a manifest that is kept names it, in the repository that has the manifest.
A revision counts as kept whether it has a tag or not; what 'regctl gc --untagged' would remove is
said.

Exit code 0 if something needs it, 1 if nothing does, 3 if it is not in the storage at all.
"""
_ROOTS = {
    "history": "{repository}:{tag}, in its history",
    "unreadable-tag": "{repository}:{tag}, in the history of a tag whose link cannot be read",
    "revision": "{repository}, as a revision, tagged or not",
    "also": "{repository}, as a revision that is young",
    "out-of-scope": "{repository}, which is kept whole",
    "contained": "{repository}, which is kept whole because a manifest in it cannot be read",
}


@define("why", "Explain what keeps a digest, or what would let it go.", help=_HELP)
@click.argument("digest", metavar="DIGEST")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="How many ways to it are shown at most.",
)
@click.option(
    "--grace",
    metavar="AGE",
    type=DURATION,
    default="24h",
    show_default=True,
    help="What is younger is kept in any case, as by 'regctl gc'.",
)
@pass_app
def command(app: App, digest: str, limit: int, grace: float) -> None:
    """Explain what keeps DIGEST."""
    from regctl.digest import Digest  # noqa: PLC0415
    from regctl.maintenance.gc.guards import complete_scan  # noqa: PLC0415
    from regctl.maintenance.gc.view import look, only_read  # noqa: PLC0415
    from regctl.maintenance.gc.why import explain_standing  # noqa: PLC0415

    wanted = Digest.parse(digest)
    driver = only_read(app.registry().driver)
    with means(app) as how, look(driver, how, tag_indexes=True) as view, complete_scan():
        standing = explain_standing(
            view.inventory, view.reads, view.times, wanted, limit=limit, grace=grace
        )
    app.output.result(_lines(standing), _data(standing))
    if not standing.chains:
        raise click.exceptions.Exit(1)


def _lines(standing: Standing) -> Iterator[str]:
    from regctl.terminal.formatting import size, timestamp  # noqa: PLC0415

    blob = standing.blob
    if blob is None:
        yield f"{standing.digest}: no such blob is stored"
    else:
        yield f"{standing.digest}: {size(blob.size)}, written {timestamp(blob.modified)}"
    for name in standing.layers:
        yield f"  a layer of {name}"
    for name in standing.revisions:
        yield f"  a revision of {name}"
    for chain in standing.chains:
        yield "needed by " + _root(chain)
        for link in chain.links:
            yield f"  {link.use.value} {link.digest}"
    if standing.more:
        yield "and in more ways, which --limit can show"
    option, free_at = standing.collected_by, standing.free_at
    if option is not None and free_at is not None:
        said = "no tag leads to it" if standing.chains else "nothing needs it"
        yield f"{said}: 'regctl gc {option}' removes it from {timestamp(free_at)} on"


def _root(chain: Chain) -> str:
    text = _ROOTS.get(chain.root.value, "{repository}:{tag}")
    return text.format(repository=chain.repository, tag=chain.tag)


def _data(standing: Standing) -> dict[str, object]:
    from regctl.terminal.formatting import timestamp  # noqa: PLC0415

    blob = standing.blob
    return {
        "digest": str(standing.digest),
        "size": None if blob is None else blob.size,
        "modified": None if blob is None else timestamp(blob.modified),
        "layer_of": [str(name) for name in standing.layers],
        "revision_of": [str(name) for name in standing.revisions],
        "needed": bool(standing.chains),
        "tagged": standing.is_tagged,
        "chains": [
            {
                "repository": str(chain.repository),
                "root": chain.root.value,
                "tag": None if chain.tag is None else str(chain.tag),
                "links": [
                    {"use": link.use.value, "digest": str(link.digest)} for link in chain.links
                ],
            }
            for chain in standing.chains
        ],
        "complete": not standing.more,
        "collected_by": standing.collected_by,
        "free_at": None if standing.free_at is None else timestamp(standing.free_at),
    }
