"""An agent on a ring of cells that a cellular automaton rewrites, as a Gymnasium environment.

Dynamics. A ring of `size` cells with colours from 0; the agent stands on one of them. In a step the agent stays, moves
`stride` cells left or right, or paints the row of `brush` cells around it, which raises their colours by one, the
highest becoming 0. Then, `updates_per_step` times, all cells change at once:

- totalistic: the new colour is digit l + c + r in base 3 of `code`, of the cell and its two neighbours (Wolfram,
  Statistical mechanics of cellular automata, 1983);
- reversible: bit 4l + 2c + r of `rule`, plus, modulo 2, the cell one update before (Margolus, Physics-like models of
  computation, 1984).

After each update every cell is drawn anew with probability `noise`. With a wall the ring's first cell is 0 whatever
happens.
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
    PAINT = 3


class RingEnv(gymnasium.Env[Cells, np.int64]):
    """The reward is 1 less the distance between the mean of the cells, the highest colour being 1, and `target`, less
    `paint_cost` for painting.

    Observation (layers x length): the cells around the agent, which is in the middle; for a reversible automaton also
    the same cells one update before. Episodes have no end of their own.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    colours: int
    layers: int

    def __init__(
        self,
        *,
        size: int = 31,
        initial_density: float = 0.5,
        noise: float = 0.0,
        updates_per_step: int = 1,
        brush: int = 1,
        stride: int = 1,
        paint_cost: float = 0.0,
        view_radius: int = 0,
        sensor_noise: float = 0.0,
        target: float = 0.5,
        edge: str = "ring",
        slip: float = 0.0,
    ) -> None:
        length = 2 * view_radius + 1 if view_radius else size
        self.observation_space = spaces.Box(0, self.colours - 1, (self.layers, length), np.int8)
        self.action_space = spaces.Discrete(len(Action))
        self.cells: Cells = np.zeros(size, dtype=np.int8)
        self.previous = self.cells
        self.place = 0
        self._seen = np.arange(length) - length // 2
        self._painted = np.arange(brush) - brush // 2
        self._start, self._noise, self._updates, self._stride = initial_density, noise, updates_per_step, stride
        self._cost, self._sensor_noise, self._target, self._slip = paint_cost, sensor_noise, target, slip
        self._wall = edge == "wall"

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Cells, dict[str, Any]]:
        super().reset(seed=seed)
        self.previous = self._soup()
        self.cells = self._soup()
        self.place = len(self.cells) // 2
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[Cells, float, bool, bool, dict[str, Any]]:
        if self._slip and self.np_random.random() < self._slip:
            action = self.np_random.integers(len(Action))
        self._act(action)
        for _ in range(self._updates):
            self._update()
        mean = float(self.cells.sum()) / (len(self.cells) * (self.colours - 1))
        reward = 1.0 - abs(mean - self._target) - (self._cost if action == Action.PAINT else 0.0)
        return self._observation(), reward, False, False, {}

    def next_cells(self, left: Cells, own: Cells, right: Cells, previous: Cells) -> Cells:
        """What the cells become."""
        raise NotImplementedError

    def _soup(self) -> Cells:
        colours = self.np_random.integers(1, self.colours, len(self.cells), dtype=np.int8)
        return self._walled(colours * (self.np_random.random(len(self.cells)) < self._start))

    def _walled(self, cells: Cells) -> Cells:
        if self._wall:
            cells[0] = 0
        return cells

    def _act(self, action: np.int64) -> None:
        size = len(self.cells)
        if action == Action.PAINT:
            cells = self.cells.copy()
            painted = (self.place + self._painted) % size
            cells[painted] = (cells[painted] + 1) % self.colours
            self.cells = self._walled(cells)
        elif action == Action.LEFT:
            self.place = (self.place - self._stride) % size
        elif action == Action.RIGHT:
            self.place = (self.place + self._stride) % size

    def _update(self) -> None:
        ring = np.concatenate((self.cells[-1:], self.cells, self.cells[:1]))
        cells = self.next_cells(ring[:-2], self.cells, ring[2:], self.previous)
        if self._noise:
            cells = self._disturbed(cells, self._noise)
        self.previous, self.cells = self.cells, self._walled(cells)

    def _disturbed(self, cells: Cells, probability: float) -> Cells:
        drawn = self.np_random.integers(self.colours, size=cells.shape, dtype=np.int8)
        return np.where(self.np_random.random(cells.shape) < probability, drawn, cells)

    def _observation(self) -> Cells:
        where = (self.place + self._seen) % len(self.cells)
        seen = np.stack((self.cells[where], self.previous[where]) if self.layers == 2 else (self.cells[where],))
        return self._disturbed(seen, self._sensor_noise) if self._sensor_noise else seen


class TotalisticRingEnv(RingEnv):
    colours = 3
    layers = 1

    def __init__(self, *, code: str = "777", **others: Any) -> None:
        super().__init__(**others)
        self._table = np.array([int(code) // 3**total % 3 for total in range(7)], dtype=np.int8)

    def next_cells(self, left: Cells, own: Cells, right: Cells, previous: Cells) -> Cells:
        following: Cells = self._table[left + own + right]
        return following


class ReversibleRingEnv(RingEnv):
    colours = 2
    layers = 2

    def __init__(self, *, rule: str = "150r", **others: Any) -> None:
        super().__init__(**others)
        self._table = np.array([int(rule[:-1]) >> n & 1 for n in range(8)], dtype=np.int8)

    def next_cells(self, left: Cells, own: Cells, right: Cells, previous: Cells) -> Cells:
        following: Cells = self._table[4 * left + 2 * own + right] ^ previous
        return following
