"""An agent on a ring of cells that an elementary cellular automaton rewrites, as a Gymnasium environment.

Dynamics. A ring of `size` binary cells; the agent stands on one of them. In a step the agent first stays, moves one
cell to the left or right, or flips its own cell. Then, `updates_per_step` times, all cells change at once: a cell with
left neighbour l, own value c and right neighbour r becomes bit 4l + 2c + r of `rule`, which is Wolfram's numbering
(Statistical mechanics of cellular automata, 1983); after that each cell is flipped with probability `noise`.

Observation: the cells in the order in which the agent meets them going right, its own first. The ring has no other
origin, so this is the whole state of the automaton.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Cells = NDArray[np.int8]


class Action(IntEnum):
    STAY = 0
    LEFT = 1
    RIGHT = 2
    FLIP = 3


class CellularAutomatonEnv(gymnasium.Env[Cells, np.int64]):
    """Hold the share of ones at a target, or all cells at the value that most of them had at the start.

    Rewards are at most 1, which is the goal, and at least 0.

    - With a `target_density` the reward is 1 less the distance between the share of ones and the target.
    - Without one it is the share of cells that have the majority's value of the first observation. `size` must be odd.

    Episodes have no end of their own.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(
        self,
        *,
        rule: int = 110,
        size: int = 31,
        target_density: float | None = 0.5,
        initial_density: float = 0.5,
        updates_per_step: int = 1,
        noise: float = 0.0,
    ) -> None:
        self.observation_space = spaces.MultiDiscrete([2] * size, dtype=np.int8)
        self.action_space = spaces.Discrete(len(Action))
        self.cells: Cells = np.zeros(size, dtype=np.int8)
        self.majority = 0
        self._next = np.array([rule >> neighbourhood & 1 for neighbourhood in range(8)], dtype=np.int8)
        self._target_density = target_density
        self._initial_density = initial_density
        self._updates_per_step = updates_per_step
        self._noise = noise

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Cells, dict[str, Any]]:
        super().reset(seed=seed)
        self.cells = (self.np_random.random(len(self.cells)) < self._initial_density).astype(np.int8)
        self.majority = int(2 * self.cells.sum() > len(self.cells))
        return self.cells.copy(), {}

    def step(self, action: np.int64) -> tuple[Cells, float, bool, bool, dict[str, Any]]:
        self._act(action)
        for _ in range(self._updates_per_step):
            self._update()
        return self.cells.copy(), self._reward(), False, False, {}

    def _act(self, action: np.int64) -> None:
        if action == Action.FLIP:
            self.cells[0] ^= 1
        elif action == Action.LEFT:
            self.cells = np.roll(self.cells, 1)
        elif action == Action.RIGHT:
            self.cells = np.roll(self.cells, -1)

    def _update(self) -> None:
        ring = np.concatenate((self.cells[-1:], self.cells, self.cells[:1]))
        self.cells = self._next[4 * ring[:-2] + 2 * ring[1:-1] + ring[2:]]
        if self._noise:
            self.cells ^= self.np_random.random(len(self.cells)) < self._noise

    def _reward(self) -> float:
        density = float(self.cells.sum()) / len(self.cells)
        if self._target_density is not None:
            return 1.0 - abs(density - self._target_density)
        return density if self.majority else 1.0 - density
