"""Sliding tiles as a Gymnasium environment.

Dynamics. Tiles 1, 2, ... lie row by row on a board whose last cell is the gap, 0. An action moves the gap by one of the
board's steps, the tile there slides into its place; with probability `jam` it does not. Steps off the board or across a
barrier are illegal. Barriers lie between drawn neighbours, never so that the board falls apart. At the start all tiles
are at home; then `scramble` legal moves are drawn, and more until the goal is not reached.

Random draws: at the start an order of all pairs of neighbours (each barrier is the next pair that does not cut the
board), then each move; in a step whether it jams.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv
from env_registry.symbolic.puzzles.sliding import BOARDS

Neighbours = NDArray[np.int64]  # cells x directions; -1: none


class SlidingEnv(PuzzleEnv):
    """Observation (height x width): the tiles. The score is the share of the goal's tiles that are where they
    belong."""

    STATE = (*PuzzleEnv.STATE, "tiles", "gap", "neighbours")

    def __init__(
        self,
        *,
        board: str = "grid",
        goal: str = "all",
        width: int = 3,
        height: int = 4,
        scramble: int = 20,
        barriers: int = 0,
        jam: float = 0.0,
        **common: Any,
    ) -> None:
        cells = width * height
        self._board, self._opposite = _neighbours(board, width, height)
        super().__init__((height, width), cells - 1, len(self._opposite), **common)
        self._home = np.append(np.arange(1, cells), 0).astype(np.int16)
        self._place_class, self._tile_class, self._goals = _goal(goal, width, height)
        self._scramble, self._barriers, self._jam = scramble, barriers, jam
        self.neighbours = self._board
        self.tiles: Cells = self._home
        self.gap = cells - 1

    def begin(self) -> None:
        self.neighbours = self._with_barriers() if self._barriers else self._board
        self.tiles, self.gap = self._home.copy(), len(self._home) - 1
        made = 0
        while made < self._scramble or self.score() == 1.0:
            legal = np.flatnonzero(self.neighbours[self.gap] >= 0)
            direction = int(legal[self.np_random.integers(len(legal))])
            self._slide(direction)
            self.plan.append(self._opposite[direction])
            made += 1

    def act(self, action: int) -> bool:
        legal = bool(self.neighbours[self.gap, action] >= 0)
        if legal and not (self._jam and self.np_random.random() < self._jam):
            self._slide(action)
            self.follow(action, (self._opposite[action],))
        return legal

    def score(self) -> float:
        right = (self._tile_class[self.tiles] == self._place_class) & (self._tile_class[self.tiles] >= 0)
        return float(right.sum()) / self._goals

    def view(self) -> Cells:
        return self.tiles.reshape(self._shape).copy()

    def _slide(self, direction: int) -> None:
        there = int(self.neighbours[self.gap, direction])
        tiles = self.tiles.copy()
        tiles[self.gap], tiles[there] = tiles[there], 0
        self.tiles, self.gap = tiles, there

    def _with_barriers(self) -> Neighbours:
        neighbours = self._board.copy()
        pairs = [(cell, d) for cell, d in np.argwhere(neighbours >= 0).tolist() if cell < neighbours[cell, d]]
        left = self._barriers
        for index in self.np_random.permutation(len(pairs)):
            cell, direction = pairs[index]
            there, back = neighbours[cell, direction], self._opposite[direction]
            neighbours[cell, direction] = neighbours[there, back] = -1
            if _connected(neighbours):
                left -= 1
            else:
                neighbours[cell, direction], neighbours[there, back] = there, cell
            if left == 0:
                break
        return neighbours


def _connected(neighbours: Neighbours) -> bool:
    reached, frontier = {0}, [0]
    while frontier:
        new = {there for cell in frontier for there in neighbours[cell].tolist() if there >= 0} - reached
        reached |= new
        frontier = sorted(new)
    return len(reached) == len(neighbours)


@cache
def _neighbours(board: str, width: int, height: int) -> tuple[Neighbours, list[int]]:
    """Where each direction leads from each cell, and the opposite of each direction."""
    steps, around = BOARDS[board]
    neighbours = np.full((width * height, len(steps)), -1)
    for r, c in np.ndindex(height, width):
        for direction, (down, right) in enumerate(steps):
            there_r, there_c = r + down, c + right
            if "columns" in around:
                if "upside down" in around and there_c != there_c % width:
                    there_r = height - 1 - there_r
                there_c %= width
            if "rows" in around:
                there_r %= height
            if 0 <= there_r < height and 0 <= there_c < width:
                neighbours[width * r + c, direction] = width * there_r + there_c
    return neighbours, [steps.index((-down, -right)) for down, right in steps]


@cache
def _goal(goal: str, width: int, height: int) -> tuple[Cells, Cells, int]:
    """Class of each place; class of each tile, -1 where it does not matter; number of tiles that matter."""
    place = np.arange(width * height)
    match goal:
        case "rows":
            place = place // width
        case "halves":
            place = (place >= width * height // 2).astype(np.int64)
        case "checkers":
            place = (place // width + place % width) % 2
    tiles = np.append(-1, place[:-1])
    if goal in ("first_row", "one_tile"):
        tiles[width + 1 if goal == "first_row" else 2 :] = -1
    return place, tiles, int((tiles >= 0).sum())
