"""Merging tiles as a Gymnasium environment.

Dynamics. Actions tilt the board up, down, left or right. Tiles slide that way, beginning with those in front: `far`,
each as far as it can; if the next one merges with it, and is not merged yet in this step, both become one. `one`: each
by one cell, if that is free or the tile there merges with it. A tilt that moves nothing is illegal and brings no new
tile. Else `a_step` new tiles come on free cells, as long as there are any (in the line at the back, if `behind` and one
is free there). When no tilt is legal the episode is over.

Random draws: at the start, and after a tilt, for each new tile its cell among the free ones, then which it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from env_registry.symbolic.puzzles.merging import TILES
from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

_HIGHEST = 20


class MergingEnv(PuzzleEnv):
    """Observation (height x width): the tiles' numbers, 0 for free. The score is the greatest number, less 1, divided
    by that of the goal, less 1, and at most 1."""

    STATE = (*PuzzleEnv.STATE, "board")

    def __init__(
        self,
        *,
        tiles: str = "twins",
        slide: str = "far",
        fresh: str = "anywhere",
        width: int = 4,
        height: int = 4,
        goal: int = 9,
        other: float = 0.1,
        at_start: int = 2,
        a_step: int = 1,
        **common: Any,
    ) -> None:
        super().__init__((height, width), _HIGHEST, 4, **common)
        self._tiles, self._far, self._behind = TILES[tiles], slide == "far", fresh == "behind"
        self._goal, self._other, self._at_start, self._a_step = goal, other, at_start, a_step
        self.board: list[list[int]] = [[0] * width for _ in range(height)]

    def begin(self) -> None:
        self.board = [[0] * len(row) for row in self.board]
        for _ in range(self._at_start):
            self._add(None)

    def act(self, action: int) -> bool:
        tilted = self.tilted(action)
        if tilted == self.board:
            return False
        self.board = tilted
        for _ in range(self._a_step):
            self._add(action if self._behind else None)
        return True

    def score(self) -> float:
        return min((max(map(max, self.board)) - 1) / (self._goal - 1), 1.0)

    def lost(self) -> bool:
        return all(self.tilted(action) == self.board for action in range(4))

    def view(self) -> Cells:
        return np.array(self.board, np.int16)

    def tilted(self, action: int) -> list[list[int]]:
        """The board after a tilt, without new tiles."""
        lines = _lines(self.board, action)
        slid = [self._slid_far(line) if self._far else self._slid_one(line) for line in lines]
        return _lines(slid, action, back=True)

    def hint(self, rng: np.random.Generator) -> int:
        """A tilt that leaves most cells free; among these, any."""
        boards = {action: self.tilted(action) for action in map(int, rng.permutation(4))}
        legal = {action: board for action, board in boards.items() if board != self.board}
        return max(legal, key=lambda action: sum(row.count(0) for row in legal[action]))

    def _slid_far(self, line: list[int]) -> list[int]:
        found: list[int] = []
        fixed = False
        for tile in filter(None, line):
            merged = self._tiles.merged(found[-1], tile) if found and not fixed else 0
            if merged:
                found[-1] = min(merged, _HIGHEST)
            else:
                found.append(tile)
            fixed = bool(merged)
        return found + [0] * (len(line) - len(found))

    def _slid_one(self, line: list[int]) -> list[int]:
        found = list(line)
        for place in range(1, len(found)):
            ahead, tile = found[place - 1 : place + 1]
            merged = self._tiles.merged(ahead, tile) if ahead and tile else tile
            if tile and merged:
                found[place - 1], found[place] = min(merged, _HIGHEST), 0
        return found

    def _add(self, behind: int | None) -> None:
        cells = [(r, c) for r, row in enumerate(self.board) for c, tile in enumerate(row) if tile == 0]
        if behind is not None:
            edge = {0: len(self.board) - 1, 1: 0, 2: len(self.board[0]) - 1, 3: 0}[behind]
            cells = [cell for cell in cells if cell[behind // 2] == edge] or cells
        if cells:
            r, c = cells[self.np_random.integers(len(cells))]
            self.board[r][c] = self._tiles.new[int(self.np_random.random() < self._other)]


def _lines(board: list[list[int]], action: int, *, back: bool = False) -> list[list[int]]:
    """The lines that slide towards their beginning when the board is tilted; or, `back`, the board of such lines."""
    rows = [list(row) for row in board]
    if back and action % 2:
        rows = [row[::-1] for row in rows]
    if action < 2:
        rows = [list(column) for column in zip(*rows, strict=True)]
    return rows if back or action % 2 == 0 else [row[::-1] for row in rows]
