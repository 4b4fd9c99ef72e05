"""What the commands around the collector share: how they look at a storage, and say what is odd."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from regctl.commands.base import App
from regctl.errors import ConfigurationError

if TYPE_CHECKING:
    from regctl.maintenance.gc.view import Means

#: Seconds of the unit that Go has not.
_DAY = 24 * 3600.0


class Duration(click.ParamType[float]):
    """A length of time: ``24h``, ``90m``, ``7d``; a number without a unit is none but 0."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        from regctl.config.durations import parse_duration  # noqa: PLC0415

        if isinstance(value, float):
            return value
        text = str(value)
        days = text.removesuffix("d")
        try:
            seconds = int(days) * _DAY if text != days and days.isdecimal() else None
            seconds = parse_duration(text) if seconds is None else seconds
        except ConfigurationError:
            self.fail(f"{text!r} is no duration: they read 24h, 90m, 1h30m or 7d", param, ctx)
        if seconds < 0:
            self.fail(f"{text!r} is negative", param, ctx)
        return seconds


DURATION = Duration()


def cache_path(app: App) -> str | None:
    """Where the references of manifests are kept from run to run; None if there is no place."""
    home = app.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(home):
        # As the XDG specification has it: a relative path counts as not set.
        user = app.environ.get("HOME", "")
        if not os.path.isabs(user):
            return None
        home = os.path.join(user, ".cache")
    return os.path.join(home, "regctl", "references.sqlite")


@contextmanager
def means(app: App) -> Iterator[Means]:
    """How to look at a storage, with the cache of references opened and progress shown."""
    from regctl.maintenance.gc.view import Means  # noqa: PLC0415
    from regctl.maintenance.inventory.refcache import ReferenceCache  # noqa: PLC0415
    from regctl.terminal.progress import progress  # noqa: PLC0415

    with (
        ReferenceCache(cache_path(app)) as cache,
        progress(app.output, "storage", None, unit="entries") as advance,
    ):
        yield Means(cache, app.jobs, progress=advance)
        if cache.problem:
            app.output.message(cache.problem)
