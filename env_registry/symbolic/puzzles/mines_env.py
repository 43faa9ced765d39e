"""Minesweeper as a Gymnasium environment.

Dynamics. Mines are drawn at the start. Action `size * row + column` opens that cell; an open one is illegal. A mine
ends the episode, or, if `blunt`, stays closed. Opening a cell that counts no mine also opens all that it counts, if
`open_zeros`. With `safe_start`, mines under the first cell opened, and those that it counts, are moved to the first
cells, row by row, that have none and are not among these, as long as there are any. Clues are one too high with
probability `misreading`, drawn once for each cell.

Random draws: at the start an order of the cells, of which the first ones have mines, then which cells are misread.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.mines import NEIGHBOURS
from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

Bits = NDArray[np.bool_]


class MinesEnv(PuzzleEnv):
    """Observation (size x size): -1 for closed cells, else the number of mines that the cell counts, or how many times
    one must go to a counted cell from there to a mine. The score is the share of cells without mine that are open."""

    STATE = (*PuzzleEnv.STATE, "mines", "opened", "misread", "exploded")

    def __init__(
        self,
        *,
        neighbours: str = "king",
        clue: str = "count",
        size: int = 6,
        density: float = 0.15,
        edges: str = "flat",
        open_zeros: bool = False,
        blunt: bool = False,
        safe_start: bool = False,
        misreading: float = 0.0,
        **common: Any,
    ) -> None:
        cells = size * size
        super().__init__((size, size), cells + 1, cells, low=-1, **common)
        self._near = _near(neighbours, size, edges == "torus")
        self._count = min(max(round(density * cells), 1), cells - 1)
        self._nearest, self._size, self._misreading = clue == "nearest", size, misreading
        self._open_zeros, self._blunt, self._safe_start = open_zeros, blunt, safe_start
        self.mines: Bits = np.zeros(cells, np.bool_)
        self.opened: Bits = np.zeros(cells, np.bool_)
        self.misread: Bits = np.zeros(cells, np.bool_)
        self.exploded = False

    def begin(self) -> None:
        cells = len(self.mines)
        self.mines, self.opened = np.zeros(cells, np.bool_), np.zeros(cells, np.bool_)
        self.mines[self.np_random.permutation(cells)[: self._count]] = True
        if self._misreading:
            self.misread = self.np_random.random(cells) < self._misreading
        self.exploded = False

    def act(self, action: int) -> bool:
        if self.opened[action]:
            return False
        if self._safe_start and not self.opened.any():
            self._make_safe(action)
        if self.mines[action]:
            self.exploded = not self._blunt
            return True
        self.opened = self.opened.copy()
        waiting = [action]
        while waiting:
            cell = waiting.pop()
            self.opened[cell] = True
            if self._open_zeros and not self.mines[self._near[cell]].any():
                waiting += np.flatnonzero(self._near[cell] & ~self.opened).tolist()
        return True

    def score(self) -> float:
        return float(self.opened.sum()) / (len(self.mines) - self._count)

    def lost(self) -> bool:
        return self.exploded

    def view(self) -> Cells:
        clues = self._distances() if self._nearest else (self._near & self.mines).sum(axis=1)
        return np.where(self.opened, clues + self.misread, -1).reshape(self._size, self._size)

    def hint(self, rng: np.random.Generator) -> int:
        """Any closed cell without a mine."""
        safe = np.flatnonzero(~self.mines & ~self.opened)
        return int(safe[rng.integers(len(safe))])

    def _make_safe(self, cell: int) -> None:
        near = self._near[cell].copy()
        near[cell] = True
        self.mines = self.mines.copy()
        for mine in np.flatnonzero(self.mines & near):
            free = np.flatnonzero(~self.mines & ~near)
            if len(free) or mine == cell:
                others = free if len(free) else np.flatnonzero(~self.mines)
                self.mines[[mine, others[0]]] = False, True

    def _distances(self) -> NDArray[np.int64]:
        """Steps to the nearest mine; one more than there are cells where none is reached."""
        found = np.where(self.mines, 0, len(self.mines) + 1)
        reached, step = self.mines, 0
        while True:
            further = reached | (self._near & reached).any(axis=1)
            step += 1
            found[further & ~reached] = step
            if (further == reached).all():
                return np.asarray(np.minimum(found, len(self.mines)))
            reached = further


@cache
def _near(neighbours: str, size: int, torus: bool) -> Bits:
    """Which cells (columns) each cell (row) counts."""
    near = np.zeros((size * size, size * size), np.bool_)
    for r, c in np.ndindex(size, size):
        for down, right in NEIGHBOURS[neighbours]:
            if torus or (0 <= r + down < size and 0 <= c + right < size):
                near[r * size + c, (r + down) % size * size + (c + right) % size] = True
    np.fill_diagonal(near, False)
    return near
