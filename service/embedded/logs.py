"""What the children print: all of it into capped files, what matters to a reader onto the terminal. Knows no child."""

from __future__ import annotations

import contextlib
import re
import sys
from collections import deque
from pathlib import Path
from typing import TextIO

CAP_BYTES = 4_000_000
"""A log file that passes this size becomes `<name>.log.1`, and the one before it goes."""
TAIL_LINES = 15
WIDTH = len("scheduler")
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_WORDS = {
    10: ("DEBUG", "TRACE", "LOG"),  # with this word PostgreSQL tells of its ordinary days
    20: ("INFO", "NOTICE"),
    30: ("WARN", "WARNING"),
    40: ("ERROR", "FATAL", "PANIC", "CRITICAL"),
}
_LEVEL_OF = {word: number for number, words in _WORDS.items() for word in words}
_LEVEL = re.compile(rf"\b({'|'.join(_LEVEL_OF)})\b|\[({'|'.join(_LEVEL_OF).lower()}) *\]|\"level\": ?\"(\w+)\"")
_REDIS = re.compile(r"^\d+:(?:signal-handler|[A-Z] .*? [.*#-]) ")
_COLOURS = (36, 33, 32, 35, 34, 31)


def level(line: str) -> int | None:
    """The level that a line names (`LOG:`, `[info     ]`, `"level": "info"`), or None for a continuation."""
    if _REDIS.match(line):  # no mark of its tells trouble from its greeting; whoever misses it says so as well
        return LEVELS["debug"]
    if not (found := _LEVEL.search(line)):
        return None
    word = next(group for group in found.groups() if group).upper()
    return _LEVEL_OF.get(word, LEVELS["info"])


class Terminal:
    """Shows lines as `name | line`, each name in a colour of its own where the stream is a terminal.

    A stream that nobody reads any more, such as a terminal that was closed, hinders nothing.
    """

    def __init__(self, lowest: str, stream: TextIO = sys.stderr) -> None:
        self.lowest = LEVELS[lowest]
        self._stream = stream
        self._colours: dict[str, int] = {}

    def show(self, name: str, line: str) -> None:
        label = f"{name:>{WIDTH}} |"
        if self._stream.isatty():
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            label = f"\033[{colour}m{label}\033[0m"
        with contextlib.suppress(OSError):
            print(label, line, file=self._stream, flush=True)


class Log:
    """The output of one child."""

    def __init__(self, name: str, folder: Path, terminal: Terminal) -> None:
        self.name = name
        self.path = folder / f"{name}.log"
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._terminal = terminal
        self._level = LEVELS["info"]
        self._file = self.path.open("ab", buffering=0)

    def write(self, raw: bytes) -> None:
        """Take one line, with or without its end."""
        self._file.write(raw.rstrip(b"\n") + b"\n")
        if self._file.tell() > CAP_BYTES:
            self._turn_over()
        line = raw.decode(errors="replace").rstrip()
        self.tail.append(line)
        self._level = level(line) or self._level
        if line and self._level >= self._terminal.lowest:
            self._terminal.show(self.name, line)

    def close(self) -> None:
        self._file.close()

    def _turn_over(self) -> None:
        self._file.close()
        self.path.replace(self.path.with_suffix(".log.1"))
        self._file = self.path.open("ab", buffering=0)
