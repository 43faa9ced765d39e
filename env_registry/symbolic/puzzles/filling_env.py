"""Squares to be filled with numbers, as a Gymnasium environment.

Dynamics. Action `size * cell + v` writes v + 1 into a cell, in place of what is there. That is illegal where the
number is given or, if `final`, one was written; with probability `jam` it fails. Then, with probability `fading`, one
of the numbers that are not given disappears. Clues belong to a hidden solution; any other that they fit is as good.
Where there is no number clues reckon with 0.

The solution is the cyclic square (for sudoku, with boxes of two rows, one whose rows are shifted by half the side in
turn) with its numbers, rows and columns permuted, in sudoku bands and what is inside of them.

Random draws: at the start the orders of numbers, rows and columns (of bands, then inside each), a number for each cell
and for each clue, whether it is given, for each cell whether it has a wrong number, and which; all again while solved;
in a step whether it jams, whether a number fades, and which.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

Grid = NDArray[np.int64]
Bits = NDArray[np.bool_]


class FillingEnv(PuzzleEnv):
    """Observation (4 x size x size): numbers, 0 for none; which of them are given; clues row by
    row; clues column by column. A clue that is not given is -9.

    The score counts different numbers in each row, column and box, and clues that hold, divided by all there can be.
    """

    STATE = (*PuzzleEnv.STATE, "grid", "solution", "given", "clues", "told")

    def __init__(
        self,
        *,
        rule: str = "latin",
        size: int = 4,
        given: float = 0.5,
        told: float = 1.0,
        wrong: float = 0.0,
        final: bool = False,
        jam: float = 0.0,
        fading: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__((4, size, size), size * size, size**3, low=-9, **common)
        self._rule, self._size, self._units = rule, size, _units(size, rule == "sudoku")
        self._given, self._told, self._wrong, self._final = given, told, wrong, final
        self._jam, self._fading = jam, fading
        self.grid: Grid = np.zeros((size, size), np.int64)
        self.solution: Grid = self.grid
        self.given: Bits = np.zeros((size, size), np.bool_)
        self.clues: Grid = clues(rule, self.grid)
        self.told: Bits = np.zeros(self.clues.shape, np.bool_)

    def begin(self) -> None:
        shape = self.grid.shape
        while True:
            self.solution = self._solved()
            self.clues = clues(self._rule, self.solution)
            self.given = self.np_random.random(shape) < min(self._given, 0.95)
            self.told = self.np_random.random(self.clues.shape) < self._told
            wrong = self.np_random.random(shape) < self._wrong
            drawn = self.np_random.integers(1, self._size + 1, size=shape)
            self.grid = np.where(self.given, self.solution, np.where(wrong, drawn, 0))
            if self.score() < 1.0:
                return

    def act(self, action: int) -> bool:
        cell, number = divmod(action, self._size)
        legal = not self.given.flat[cell] and not (self._final and self.grid.flat[cell])
        if legal and not (self._jam and self.np_random.random() < self._jam):
            self.grid = self.grid.copy()
            self.grid.flat[cell] = number + 1
        if self._fading and self.np_random.random() < self._fading:
            written = np.flatnonzero(~self.given & (self.grid > 0))
            if len(written):
                self.grid = self.grid.copy()
                self.grid.flat[written[self.np_random.integers(len(written))]] = 0
        return legal

    def score(self) -> float:
        lines = self.grid.ravel()[self._units]
        different = (lines[:, :, None] == np.arange(1, self._size + 1)).any(axis=1).sum()
        hold = (clues(self._rule, self.grid) == self.clues) & self.told
        return float(different + hold.sum()) / float(self._units.size + self.told.sum())

    def view(self) -> Cells:
        seen = np.zeros((4, self._size, self._size), np.int16)
        seen[0], seen[1] = self.grid, self.given
        for layer, (lines, told) in enumerate(zip(self.clues, self.told, strict=True)):
            seen[2 + layer, : lines.shape[0], : lines.shape[1]] = np.where(told, lines, -9)
        return seen

    def hint(self, rng: np.random.Generator) -> int:
        """What the hidden solution has in a cell that has something else."""
        cells = np.flatnonzero(self.grid != self.solution)
        if not len(cells):
            return super().hint(rng)
        return int(cells[0]) * self._size + int(self.solution.flat[cells[0]]) - 1

    def _solved(self) -> Grid:
        size, rng = self._size, self.np_random
        rows, columns = np.indices((size, size))
        if self._rule != "sudoku":
            square = (rows + columns) % size
            numbers, row_order, column_order = (rng.permutation(size) for _ in range(3))
        else:
            square = (columns + size // 2 * (rows % 2) + rows // 2) % size
            numbers = rng.permutation(size)
            row_order = _in_bands(rng, size // 2, 2)
            column_order = _in_bands(rng, 2, size // 2)
        solved: Grid = numbers[square[row_order][:, column_order]] + 1
        return solved


def _in_bands(rng: np.random.Generator, bands: int, width: int) -> Grid:
    """An order of lines that keeps bands together."""
    return np.concatenate([width * band + rng.permutation(width) for band in rng.permutation(bands)])


@cache
def _units(size: int, boxes: bool) -> Grid:
    """The cells of each row, column and box, which shall have all numbers."""
    cells = np.arange(size * size).reshape(size, size)
    units = [*cells, *cells.T]
    if boxes:
        high, wide = 2, size // 2
        units += [cells[r : r + high, c : c + wide].ravel() for r in range(0, size, high) for c in range(0, size, wide)]
    return np.array(units)


def clues(rule: str, grid: Grid) -> Grid:
    """All clues on a grid: of rows, then of columns (lines x places)."""
    ways = (grid, grid.T)
    match rule:
        case "futoshiki":
            found = [np.sign(way[:, 1:] - way[:, :-1]) for way in ways]
        case "sums":
            found = [way[:, 1:] + way[:, :-1] for way in ways]
        case "kropki":
            found = [_kropki(way[:, :-1], way[:, 1:]) for way in ways]
        case "skyscrapers":
            found = [np.stack((_visible(way), _visible(way[:, ::-1])), axis=1) for way in ways]
        case "sandwich":
            found = [_between(way)[:, None] for way in ways]
        case "parity":
            return grid[None] % 2
        case _:
            return np.zeros((2, 0, 0), np.int64)
    return np.stack(found)


def _kropki(one: Grid, other: Grid) -> Grid:
    low, high = np.minimum(one, other), np.maximum(one, other)
    return np.where(high - low == 1, 1, np.where(high == 2 * low, 2, 0))


def _visible(lines: Grid) -> Grid:
    highest = np.maximum.accumulate(np.pad(lines, ((0, 0), (1, 0))), axis=1)[:, :-1]
    return np.asarray((lines > highest).sum(axis=1))


def _between(lines: Grid) -> Grid:
    ends = (lines == 1) | (lines == lines.shape[1])
    inside = np.cumsum(ends, axis=1) == 1
    return np.asarray(np.where(inside & ~ends, lines, 0).sum(axis=1))
