"""gc: remove stale uploads, and what nothing needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from regctl.commands.base import App, complete_file, define, dry_run_option, pass_app, yes_option
from regctl.commands.collecting import DURATION
from regctl.errors import UnsafeError, UsageError

if TYPE_CHECKING:
    from regctl.commands.gcrun import Asked

_HELP = """Remove uploads that nobody goes on with; with --blobs, what no manifest needs; with
--untagged, also manifests to which no tag leads.

A registry may be running. Then a run removes only what an earlier run found to be garbage, at
least --settle ago, and that is garbage still; what it finds besides is noted for a later run. What
it removes goes to quarantine below regctl/ in the storage, and every run begins by putting back
what turned out to be needed. With --offline, where nothing else writes, all goes in one run, and
for good.

What remains beside a running registry: a client that is told that a blob is there, while that is
put aside, has pushed an image that cannot be pulled until the next run puts the blob back. Without
a descriptor cache in the registry that takes a push in the seconds between the last look at the
storage and the removal; with one, a push at any time until the registry is restarted. With
--no-quarantine nothing can be put back.

Nothing goes that was written, or linked, less than --grace ago. A repository in which a manifest
cannot be read is kept whole, and named.

Exit code 0 if all went well, 1 if something could not be removed, or was kept because a manifest or
a tag cannot be read, 6 if it would be unsafe to remove anything.
"""
_LIMIT = re.compile(r"([0-9]+)(?:(?P<percent>%)|)", re.ASCII)
_SIGNS = (
    "gitlab-database",
    "pull-through-cache",
    "symlink",
    "forbidden-name",
    "no-revisions",
)


def _regex(_context: click.Context, _parameter: click.Parameter, value: str | None) -> object:
    try:
        return None if value is None else re.compile(value)
    except re.error as error:
        raise click.BadParameter(f"{value!r} is no regular expression: {error}") from error


def _limit(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[int, bool]:
    match = _LIMIT.fullmatch(value)
    if match is None or (match["percent"] and int(match[1]) > 100):
        raise click.BadParameter(f"{value!r} is neither a number nor a share such as 50%")
    return int(match[1]), bool(match["percent"])


_OPTIONS: list[Callable[[Callable[..., object]], Callable[..., object]]] = [
    click.option("--blobs", is_flag=True, help="Remove layers that no manifest needs."),
    click.option("--untagged", is_flag=True, help="Remove manifests without a tag; and --blobs."),
    click.option(
        "--empty-repos",
        is_flag=True,
        help="Remove the directories of repositories in which nothing is left.",
    ),
    click.option("--offline", is_flag=True, help="Nothing else writes: do all in this run."),
    click.option(
        "--grace",
        metavar="AGE",
        type=DURATION,
        default="24h",
        show_default=True,
        help="Keep what was written or linked since.",
    ),
    click.option(
        "--settle",
        metavar="AGE",
        type=DURATION,
        default="1h",
        show_default=True,
        help="How long what was found to be garbage is left before it is removed.",
    ),
    click.option(
        "--upload-age",
        metavar="AGE",
        type=DURATION,
        help="Remove uploads without activity since.  [default: the registry's, or 168h]",
    ),
    click.option("--no-uploads", is_flag=True, help="Leave uploads alone."),
    click.option(
        "--repo",
        "repositories",
        metavar="GLOB",
        multiple=True,
        help="Only repositories with such a name.  [may be repeated]",
    ),
    click.option(
        "--exclude",
        metavar="GLOB",
        multiple=True,
        help="No repository with such a name.  [may be repeated]",
    ),
    click.option(
        "--keep-tags",
        metavar="REGEX",
        callback=_regex,
        help="Keep all earlier revisions of tags that match as a whole.",
    ),
    click.option(
        "--keep-last",
        metavar="N",
        type=click.IntRange(0),
        default=0,
        help="Keep the N newest earlier revisions of each tag.",
    ),
    click.option(
        "--keep-younger",
        metavar="AGE",
        type=DURATION,
        help="Keep earlier revisions that a tag came to name since.",
    ),
    click.option(
        "--max-delete",
        metavar="N|P%",
        callback=_limit,
        default="50%",
        show_default=True,
        help="Refuse to remove more blobs.",
    ),
    click.option(
        "--quarantine/--no-quarantine",
        default=None,
        help="Put aside what goes, or remove it for good.  [default: quarantine, unless --offline]",
    ),
    click.option(
        "--registry-cache",
        type=click.Choice(["none", "flushed"]),
        help="Of a running registry: it has no descriptor cache, or its cache was emptied.",
    ),
    click.option(
        "--tags-are-complete",
        is_flag=True,
        help="Tags in this storage are all there are, whatever speaks against it.",
    ),
    click.option(
        "--despite",
        metavar="SIGN",
        type=click.Choice(_SIGNS),
        multiple=True,
        help=f"Go on despite a sign that something is amiss: {', '.join(_SIGNS)}.  "
        "[may be repeated]",
    ),
    click.option(
        "--metrics",
        metavar="FILE",
        shell_complete=complete_file,
        help="Write what was done for Prometheus' textfile collector.",
    ),
    click.option(
        "--max-time",
        metavar="TIME",
        type=DURATION,
        help="Begin nothing more after so long; the next run goes on.",
    ),
    click.option("--no-lock", is_flag=True, help="No other regctl runs: do without a sure lock."),
    click.option(
        "--retry-lock",
        metavar="TIME",
        type=DURATION,
        default="0",
        help="How long to try if another run has the lock.",
    ),
]


def _all_options(function: Callable[..., object]) -> Callable[..., object]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@define("gc", "Remove stale uploads, and what nothing needs.", help=_HELP)
@_all_options
@yes_option
@dry_run_option
@pass_app
def command(app: App, /, **given: Any) -> None:
    """Collect garbage."""
    from regctl.commands.gcrun import run_gc  # noqa: PLC0415

    run_gc(app, _asked(app, given))


def _asked(app: App, given: dict[str, Any]) -> Asked:
    from regctl.commands.gcrun import Asked  # noqa: PLC0415
    from regctl.maintenance.gc.collect import Options  # noqa: PLC0415
    from regctl.maintenance.gc.guards import OF_TAGS, Sign  # noqa: PLC0415
    from regctl.maintenance.gc.survey import Policy  # noqa: PLC0415
    from regctl.maintenance.gc.sweep import MaxDelete  # noqa: PLC0415

    content = given["blobs"] or given["untagged"]
    if given["no_uploads"] and not content:
        raise UsageError("--no-uploads without --blobs or --untagged leaves nothing to be done")
    if given["keep_tags"] or given["keep_last"] or given["keep_younger"] is not None:
        _require(given["untagged"], "--keep-tags, --keep-last and --keep-younger", "--untagged")
    _require(content or not given["offline"], "--offline", "--blobs or --untagged")
    _require(content or not given["empty_repos"], "--empty-repos", "--blobs or --untagged")
    policy = Policy(
        untagged=given["untagged"],
        grace=given["grace"],
        repositories=given["repositories"],
        exclude=given["exclude"],
        keep_tags=given["keep_tags"],
        keep_last=given["keep_last"],
        keep_younger=given["keep_younger"],
    )
    number, is_percent = given["max_delete"]
    options = Options(
        policy,
        offline=given["offline"],
        quarantine=_quarantine(app, given) if content else False,
        settle=given["settle"],
        max_delete=MaxDelete(percent=number) if is_percent else MaxDelete(count=number),
        is_harbor=app.settings.is_harbor,
        max_time=given["max_time"],
    )
    despite = {Sign(each) for each in given["despite"]}
    return Asked(
        options,
        content=content,
        uploads=not given["no_uploads"],
        upload_age=_first(given["upload_age"], app.settings.upload_age),
        despite=frozenset(despite | OF_TAGS if given["tags_are_complete"] else despite),
        lock_required=not given["no_lock"],
        retry_lock=given["retry_lock"],
        yes=given["yes"],
        dry_run=given["dry_run"],
        empty_repositories=given["empty_repos"],
        metrics=given["metrics"],
    )


def _first(given: float | None, configured: float) -> float:
    return configured if given is None else given


def _require(condition: bool, what: str, needs: str) -> None:
    if not condition:
        raise UsageError(f"{what} need{'' if ',' in what else 's'} {needs}")


def _quarantine(app: App, given: dict[str, Any]) -> bool:
    """Whether what goes is put aside; raises `UnsafeError` if it must be and may not."""
    wanted: bool | None = given["quarantine"]
    if wanted is not False or given["offline"]:
        return not given["offline"] if wanted is None else wanted
    settings = app.settings
    if given["registry_cache"] is None and (settings.cache or not settings.is_registrys):
        why = (
            f"the registry has a descriptor cache ({settings.cache})"
            if settings.cache
            else "nothing is known of the registry on this storage"
        )
        error = UnsafeError(
            f"{why}: with a cache it goes on to acknowledge what is gone, so that nothing is "
            "removed for good while it runs",
            hint="leave --no-quarantine out, or give --registry-cache none (or flushed) if that is "
            "so",
        )
        error.code = "descriptor-cache"
        raise error
    return False
