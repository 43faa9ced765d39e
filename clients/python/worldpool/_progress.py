"""The progress bar: on stderr in terminals, as a widget line in notebooks, otherwise nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich import progress
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from worldpool.models import RunInfo

T = TypeVar("T")

_LINE = "{task.fields[steps]} steps  {task.fields[rate]} steps/s  {task.fields[episodes]} episodes  {task.fields[note]}"


def _watched(console: Console, show: bool | None) -> bool:
    return console.is_terminal or console.is_jupyter if show is None else show


def track(items: Sequence[T], what: str, *, show: bool | None) -> Iterable[T]:
    """The items, with a bar of how many are done. `show=None`: only where someone looks."""
    console = Console(stderr=True)
    return progress.track(items, what, console=console, disable=not _watched(console, show))


class ProgressBar:
    """Steps, steps per second, episodes, and why nothing runs. `show=None`: only where someone looks."""

    def __init__(self, show: bool | None) -> None:
        self._console = Console(stderr=True)
        self._show = _watched(self._console, show)
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def update(self, run: RunInfo, *, steps: int, episodes: int) -> None:
        """Show what has been received so far of a run in this state."""
        if not self._show:
            return
        if self._progress is None:
            self._progress = Progress(
                SpinnerColumn(finished_text=" "),
                BarColumn(),
                TextColumn(_LINE),
                TimeElapsedColumn(),
                console=self._console,
            )
            self._task = self._progress.add_task("", steps="0", rate="-", episodes="0", note="")
            self._progress.start()
        total = steps if run.state == "succeeded" else max(run.steps_expected, steps, 1)
        seconds = self._progress.tasks[0].elapsed or 0.0
        self._progress.update(
            self._task,
            completed=steps,
            total=total,
            steps=f"{steps:,}",
            rate=f"{steps / seconds:,.0f}" if seconds > 0.2 else "-",
            episodes=f"{episodes:,}",
            note=_note(run),
        )

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _note(run: RunInfo) -> str:
    if run.state in ("failed", "cancelled"):
        return f"[red]{run.state}[/red]"
    return f"[yellow]waiting: {run.waiting}[/yellow]" if run.waiting else ""
