"""The live progress bar. This module imports rich, and is imported only when a bar is shown."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.table import Column
from rich.text import Text

from regctl.terminal.formatting import age, printable
from regctl.terminal.output import Output
from regctl.terminal.progress import Advance, amount


def bar(
    output: Output, label: str, total: int | None, *, unit: str, done: int
) -> AbstractContextManager[Advance] | None:
    """A context with a live bar on stderr; None where the terminal cannot move its cursor."""
    if output.stderr is None:
        return None
    # A foreign name in the label could be taken for rich's markup, emoji or highlighting.
    console = Console(
        file=output.stderr,
        no_color=not output.colour,
        markup=False,
        emoji=False,
        highlight=False,
    )
    if not console.is_terminal or console.is_dumb_terminal:
        return None
    return _shown(output, _Display(console, printable(label), total, unit, done))


class _Display(Progress):
    """A bar that fetches what is done when it is drawn, so that advancing costs an addition."""

    def __init__(
        self, console: Console, label: str, total: int | None, unit: str, done: int
    ) -> None:
        self._done = done
        self._adding = threading.Lock()
        super().__init__(
            _Label(),
            BarColumn(bar_width=16, table_column=Column(no_wrap=True)),
            _Numbers(unit),
            console=console,
            refresh_per_second=5,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.add_task(label, total=total, completed=done)

    def add(self, count: int) -> None:
        with self._adding:
            self._done += count

    def get_renderables(self) -> Iterable[RenderableType]:
        for task in self.task_ids:
            self.update(task, completed=self._done)
        return super().get_renderables()


class _Label(ProgressColumn):
    """What is done. On a narrow terminal this column alone is cut, so that the bar is one line."""

    def render(self, task: Task) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class _Numbers(ProgressColumn):
    """Amount, rate and time left, in this program's own units."""

    def __init__(self, unit: str) -> None:
        super().__init__(table_column=Column(no_wrap=True))
        self._unit = unit

    def render(self, task: Task) -> Text:
        text = amount(int(task.completed), self._unit)
        if task.total is not None:
            text += f" of {amount(int(task.total), self._unit)}"
        speed = task.finished_speed or task.speed
        if speed:
            text += f", {amount(round(speed), self._unit)}/s"
        if task.finished or task.total is None:
            text += f", {age(task.elapsed or 0)}"
        elif task.time_remaining is not None:
            text += f", {age(task.time_remaining)} left"
        return Text(text)


@contextmanager
def _shown(output: Output, display: _Display) -> Iterator[Advance]:
    @contextmanager
    def suspended() -> Iterator[None]:
        display.live.transient = True
        display.stop()
        try:
            yield
        finally:
            display.live.transient = False
            display.start()

    # Left by any road, an interrupt too, `stop` ends the line and shows the cursor again.
    try:
        display.start()
        with output.hosting(suspended):
            yield display.add
    finally:
        display.stop()
