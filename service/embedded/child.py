"""One process to keep running: its command, how it is asked to stop, and how one knows that it is ready."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")


def nothing() -> None:
    """No preparation."""


@dataclass(frozen=True)
class Child:
    """`prepare` runs before every start and may block; `ready` asks, on a real connection, whether it accepts work.

    A disposable child holds nothing that a kill could lose.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    prepare: Callable[[], None] = nothing
    environment: Mapping[str, str] | None = field(default=None, repr=False)
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    disposable: bool = False
    uid: int | None = None
    start_s: float = 60.0
    stop_s: float = 10.0

    def argv(self) -> list[str]:
        return tied(self.command, self.orphan_signal, self.uid)


def tied(command: Sequence[str], orphan_signal: signal.Signals, uid: int | None = None) -> list[str]:
    """The arguments of a process that becomes `command` and gets `orphan_signal` when its starting thread ends."""
    tie = [os.getpid(), int(orphan_signal), os.geteuid() if uid is None else uid]
    return [sys.executable, "-I", "-S", str(LAUNCHER), *map(str, tie), *command]
