"""Lights out as a Gymnasium environment.

Dynamics (Anderson and Feil, Turning lights out with linear algebra, 1998). Lights on a board have brightnesses modulo
`states`. An action presses one: it and the others of its pattern become brighter by one (once, where a small torus
brings one twice). Pressing a broken one, or with `lit_only` a dark one, is illegal. With probability `drift` each
light becomes brighter by one after that. The start is reached from darkness by taking back `scramble` presses that
would have been legal, as long as there is one, and more until some light is lit.

Random draws: at the start the broken ones (a permutation of all lights, whose first ones they are), then the presses
taken back, each among the legal ones; in a step which lights drift.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.lights import LINES, offsets
from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv


class LightsEnv(PuzzleEnv):
    """Observation (size x size): the brightnesses. The score is the share of lights that are out.

    Action `size * row + column` presses a light.
    """

    STATE = (*PuzzleEnv.STATE, "lights", "broken")

    def __init__(
        self,
        *,
        rule: str = "plus",
        size: int = 5,
        states: int = 2,
        scramble: int = 6,
        broken: int = 0,
        drift: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__((size, size), states - 1, size * size, **common)
        pattern, _, kind = rule.partition(".")
        self._lit_only = kind == "lit_only"
        self._changes = _changes(pattern, size, kind == "torus")
        self._size, self._states, self._scramble, self._drift = size, states, scramble, drift
        self._broken = broken
        self.lights: Cells = np.zeros(size * size, np.int16)
        self.broken: NDArray[np.bool_] = np.zeros(size * size, np.bool_)

    def begin(self) -> None:
        self.lights = np.zeros_like(self.lights)
        self.broken = np.zeros_like(self.broken)
        if self._broken:
            self.broken[self.np_random.permutation(len(self.lights))[: self._broken]] = True
        made = 0
        while made < self._scramble or not self.lights.any():
            fit = ~self.broken
            if self._lit_only:
                before = (self.lights - self._changes.diagonal()) % self._states
                fit &= before > 0
            choice = np.flatnonzero(fit)
            if not len(choice):
                break
            press = int(choice[self.np_random.integers(len(choice))])
            self.lights = (self.lights - self._changes[press]) % self._states
            self.plan.append(press)
            made += 1

    def act(self, action: int) -> bool:
        legal = not self.broken[action] and not (self._lit_only and self.lights[action] == 0)
        if legal:
            self.lights = (self.lights + self._changes[action]) % self._states
            self.follow(action, None if self._lit_only else (action,) * (self._states - 1))
        if self._drift:
            self.lights = (self.lights + (self.np_random.random(len(self.lights)) < self._drift)) % self._states
        return legal

    def score(self) -> float:
        return float((self.lights == 0).sum()) / len(self.lights)

    def view(self) -> Cells:
        return self.lights.reshape(self._size, self._size).copy()


@cache
def _changes(pattern: str, size: int, torus: bool) -> Cells:
    """How much each press (row) brightens each light (column)."""
    changes = np.zeros((size, size, size, size), np.int16)
    rows, columns = np.indices((size, size))
    if pattern in LINES:
        for r, c in np.ndindex(size, size):
            down, right = rows - r, columns - c
            if pattern == "row_column":
                changes[r, c] = (down == 0) | (right == 0)
            elif torus:
                changes[r, c] = ((down - right) % size == 0) | ((down + right) % size == 0)
            else:
                changes[r, c] = abs(down) == abs(right)
    else:
        for down, right in offsets(pattern):
            for r, c in np.ndindex(size, size):
                if torus or (0 <= r + down < size and 0 <= c + right < size):
                    changes[r, c, (r + down) % size, (c + right) % size] = 1
    return changes.reshape(size * size, size * size)
