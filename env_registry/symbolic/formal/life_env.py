"""An agent in the world of a life-like cellular automaton, as a Gymnasium environment.

Dynamics. A torus of `size` x `size` cells, dead (0) or alive (1); the agent stands on one of them. In a step the agent
stays, moves `stride` cells up, down, left or right, or paints the square of side `brush` around it: its cells are
flipped, born or killed, as `tool` says. Then, `updates_per_step` times, all cells change at once: a dead cell whose
number of live neighbours (of eight) stands after `b` in `rule` is born, a live one whose number stands after `s`
survives, and others are dead (Eppstein, Growth and decay in life-like cellular automata, 2010). Each cell takes part in
an update with `update_probability`; after it each cell flips with probability `noise`. With a wall the cells of the
first row and column are dead whatever happens.

Random draws of a step, where they are needed at all: whether the action slips and to which; then for every update
who takes part and which cells flip, row by row; then which seen cells are inverted.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Cells = NDArray[np.int8]

GOAL_AGE = 20
"""Updates that a pattern to be reached has behind it."""


class Action(IntEnum):
    STAY = 0
    UP = 1
    DOWN = 2
    LEFT = 3
    RIGHT = 4
    PAINT = 5


_MOVES = {1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1)}


class LifeEnv(gymnasium.Env[Cells, np.int64]):
    """Rewards are at most 1, which is the goal, and at least 0, less `paint_cost` for painting:

    - density: 1 less the distance between the share of live cells and `target_density`;
    - pattern: the share of cells that are as in the goal, another start `GOAL_AGE` updates on;
    - rest: the share of cells that the last update left as they were.

    Observation (layers x side x side): the cells around the agent, which is in the middle, or right below and behind it
    where the side is even; for `pattern` a second layer with the goal.
    Episodes have no end of their own.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(
        self,
        *,
        rule: str = "b3-s23",
        objective: str = "density",
        size: int = 15,
        edge: str = "torus",
        target_density: float = 0.3,
        initial_density: float = 0.5,
        noise: float = 0.0,
        update_probability: float = 1.0,
        updates_per_step: int = 1,
        brush: int = 1,
        tool: str = "flip",
        stride: int = 1,
        paint_cost: float = 0.0,
        view_radius: int = 0,
        sensor_noise: float = 0.0,
        slip: float = 0.0,
    ) -> None:
        side = 2 * view_radius + 1 if view_radius else size
        layers = 2 if objective == "pattern" else 1
        self.observation_space = spaces.Box(0, 1, (layers, side, side), np.int8)
        self.action_space = spaces.Discrete(len(Action))
        self.cells: Cells = np.zeros((size, size), dtype=np.int8)
        self.goal: Cells = self.cells
        self.row = self.column = 0
        self._table = next_states(rule)
        self._wrapped = np.arange(-1, size + 1) % size
        self._seen = np.arange(side) - side // 2
        self._painted = np.arange(brush) - brush // 2
        self._objective, self._wall, self._target, self._start = (
            objective,
            edge == "wall",
            target_density,
            initial_density,
        )
        self._noise, self._update_probability, self._updates = noise, update_probability, updates_per_step
        self._tool, self._stride, self._cost = tool, stride, paint_cost
        self._sensor_noise, self._slip = sensor_noise, slip

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Cells, dict[str, Any]]:
        super().reset(seed=seed)
        self.cells = self._soup()
        self.row = self.column = len(self.cells) // 2
        if self._objective == "pattern":
            goal = self._soup()
            for _ in range(GOAL_AGE):
                goal = self._walled(self._next(goal))
            self.goal = goal
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[Cells, float, bool, bool, dict[str, Any]]:
        if self._slip and self.np_random.random() < self._slip:
            action = self.np_random.integers(len(Action))
        self._act(action)
        before = self.cells
        for _ in range(self._updates):
            before = self.cells
            self._update()
        reward = self._reward(before) - (self._cost if action == Action.PAINT else 0.0)
        return self._observation(), reward, False, False, {}

    def _soup(self) -> Cells:
        size = len(self.cells)
        return self._walled((self.np_random.random((size, size)) < self._start).astype(np.int8))

    def _walled(self, cells: Cells) -> Cells:
        if self._wall:
            cells[0] = cells[:, 0] = 0
        return cells

    def _act(self, action: np.int64) -> None:
        size = len(self.cells)
        if action == Action.PAINT:
            place = np.ix_((self.row + self._painted) % size, (self.column + self._painted) % size)
            cells = self.cells.copy()
            cells[place] = 1 - cells[place] if self._tool == "flip" else int(self._tool == "birth")
            self.cells = self._walled(cells)
        elif action != Action.STAY:
            down, right = _MOVES[int(action)]
            self.row = (self.row + down * self._stride) % size
            self.column = (self.column + right * self._stride) % size

    def _next(self, cells: Cells) -> Cells:
        wide = cells[self._wrapped][:, self._wrapped]
        rows = wide[:-2] + wide[1:-1] + wide[2:]
        nine = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
        following: Cells = self._table[10 * cells + nine]
        return following

    def _update(self) -> None:
        cells = self._next(self.cells)
        if self._update_probability < 1:
            takes_part = self.np_random.random(cells.shape) < self._update_probability
            cells = np.where(takes_part, cells, self.cells)
        if self._noise:
            cells ^= self.np_random.random(cells.shape) < self._noise
        self.cells = self._walled(cells)

    def _reward(self, before: Cells) -> float:
        if self._objective == "density":
            return 1.0 - abs(float(self.cells.sum()) / self.cells.size - self._target)
        wanted = self.goal if self._objective == "pattern" else before
        return float((self.cells == wanted).sum()) / self.cells.size

    def _observation(self) -> Cells:
        size = len(self.cells)
        rows, columns = (self.row + self._seen) % size, (self.column + self._seen) % size
        seen: Cells = self.cells[rows][:, columns]
        if self._sensor_noise:
            seen ^= self.np_random.random(seen.shape) < self._sensor_noise
        if self._objective == "pattern":
            return np.stack((seen, self.goal[rows][:, columns]))
        return seen[None]


def next_states(rule: str) -> Cells:
    """What becomes of a cell, at ten times its state plus the number of live cells among itself and its neighbours."""
    born, survives = (set(map(int, part[1:])) for part in rule.split("-"))
    table = np.zeros(20, dtype=np.int8)
    table[[n for n in range(9) if n in born]] = 1
    table[[11 + n for n in range(9) if n in survives]] = 1
    return table
