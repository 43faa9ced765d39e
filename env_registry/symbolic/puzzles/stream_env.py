"""Streams of symbols as a Gymnasium environment.

Dynamics. An episode is a list of items, each a symbol with a cue: shown, asked for an answer, or marked. A step answers
the item that is seen; the next one follows, whatever the answer. Before each item comes an empty one with probability
`pauses`. The episode ends after the last item, or, if `strict`, with the first wrong answer.

Random draws: at the start those of the task (`stream_tasks`), then the pauses; in a step only those of all puzzles.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv
from env_registry.symbolic.puzzles.stream_tasks import ASK, MEMORY, SERIES, TRANSDUCTIONS, Parameters

_TASKS = {"memory": MEMORY, "transduction": TRANSDUCTIONS, "series": SERIES}
_EMPTY = (0, 0, -1)


class StreamEnv(PuzzleEnv):
    """Observation: symbol, cue, and with `feedback` one more than the right answer to the last question, else 0.

    The action is the answer; where none is asked it does nothing. The score is the share of right answers.
    """

    STATE = (*PuzzleEnv.STATE, "items", "asked", "at", "right", "last", "failed")

    def __init__(
        self,
        *,
        kind: str = "memory",
        task: str = "copy",
        length: int = 8,
        symbols: int = 4,
        pauses: float = 0.0,
        feedback: bool = False,
        strict: bool = False,
        error_cost: float = 0.0,
        **others: Any,
    ) -> None:
        span = next(others.pop(name) for name in ("delay", "window", "span") if name in others)
        super().__init__((3,), max(symbols**2, length), symbols + 1, illegal_cost=error_cost, **others)
        self._task, self._parameters = _TASKS[kind][task], Parameters(length, symbols, span)
        self._pauses, self._feedback, self._strict = pauses, feedback, strict
        self.items: list[tuple[int, int, int]] = []
        self.asked = 1
        self.at, self.right, self.last, self.failed = 0, 0, 0, False

    def begin(self) -> None:
        items = [(symbol, cue, answer) for symbol, cue, answer in self._task(self.np_random, self._parameters)]
        if self._pauses:
            pauses = (self.np_random.random(len(items)) < self._pauses).tolist()
            items = [one for item, pause in zip(items, pauses, strict=True) for one in (_EMPTY, item)[not pause :]]
        self.items, self.asked = items, sum(cue == ASK for _, cue, _ in items)
        self.at, self.right, self.last, self.failed = 0, 0, 0, False

    def act(self, action: int) -> bool:
        _, cue, answer = self.items[self.at]
        self.at += 1
        self.last = 0
        if cue != ASK:
            return True
        right = action == answer
        self.last = answer + 1
        self.right += right
        self.failed |= self._strict and not right
        return right

    def score(self) -> float:
        return self.right / self.asked

    def lost(self) -> bool:
        return self.failed or self.at == len(self.items)

    def view(self) -> Cells:
        symbol, cue, _ = self.items[self.at] if self.at < len(self.items) else _EMPTY
        return np.array((symbol, cue, self.last if self._feedback else 0), np.int16)

    def hint(self, rng: np.random.Generator) -> int:
        """The right answer."""
        _, cue, answer = self.items[self.at]
        return answer if cue == ASK else super().hint(rng)
