"""Pictures from clues, as a Gymnasium environment.

Dynamics. Action `size * row + column` changes that cell from white to black or back; with probability `jam` it does
not. Then each cell changes with probability `drift`. Clues belong to a hidden picture; any picture that they fit is as
good. A clue that is not given counts as none; at least the first one is.

Random draws: at the start a number for each cell of the picture, then, unless all are given, for each clue, then, if
any, for each cell whether it is right at the start; all again while the clues fit at once; in a step whether it jams,
and which cells drift.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

Bits = NDArray[np.bool_]


class PictureEnv(PuzzleEnv):
    """Observation (1 + lines x width): flat numbers: the cells, then the clues, line by line, -1 where none is given.

    Runs are padded with 0. The score is the share of clues given that hold.
    """

    STATE = (*PuzzleEnv.STATE, "cells", "picture", "wanted", "given")

    def __init__(
        self,
        *,
        clues: str = "runs",
        size: int = 5,
        density: float = 0.5,
        told: float = 1.0,
        given: float = 0.0,
        jam: float = 0.0,
        drift: float = 0.0,
        **common: Any,
    ) -> None:
        self._kind, self._size = clues, size
        lines = self._clues(np.zeros((size, size), np.bool_))
        super().__init__((size * size + lines.size,), max(2 * size, 9), size * size, low=-1, **common)
        self._density, self._told, self._right, self._jam, self._drift = density, told, given, jam, drift
        self.cells: Bits = np.zeros((size, size), np.bool_)
        self.picture: Bits = self.cells
        self.wanted = lines
        self.given: Bits = np.ones(len(lines), np.bool_)

    def begin(self) -> None:
        shape = self.cells.shape
        for _ in range(100):
            self.picture = self.np_random.random(shape) < self._density
            self.wanted = self._clues(self.picture)
            if self._told < 1.0:
                self.given = self.np_random.random(len(self.given)) < self._told
                self.given[0] = True
            right = self.np_random.random(shape) < self._right if self._right else np.zeros(shape, np.bool_)
            self.cells = self.picture & right
            if self.score() < 1.0:
                return
        self.cells = ~self.picture  # all or no cells are black, or right

    def act(self, action: int) -> bool:
        if not (self._jam and self.np_random.random() < self._jam):
            self.cells = self.cells.copy()
            self.cells.flat[action] ^= True
        if self._drift:
            self.cells = self.cells ^ (self.np_random.random(self.cells.shape) < self._drift)
        return True

    def score(self) -> float:
        hold = (self._clues(self.cells) == self.wanted).all(axis=1)
        return float((hold & self.given).sum()) / float(self.given.sum())

    def view(self) -> Cells:
        told = np.where(self.given[:, None], self.wanted, -1)
        return np.concatenate((self.cells.ravel(), told.ravel()), dtype=np.int16)

    def hint(self, rng: np.random.Generator) -> int:
        """A cell that is wrong in the hidden picture, if any."""
        wrong = np.flatnonzero(self.cells != self.picture)
        return int(wrong[0]) if len(wrong) else super().hint(rng)

    def _clues(self, cells: Bits) -> NDArray[np.int64]:
        """Clues (lines x width) of a picture."""
        lines = [*cells.tolist(), *cells.T.tolist()]
        match self._kind:
            case "runs":
                width = (self._size + 1) // 2
                runs = [_runs(line) for line in lines]
                return np.array([run + [0] * (width - len(run)) for run in runs])
            case "counts":
                return np.array([[sum(line)] for line in lines])
            case "longest":
                return np.array([[max(_runs(line), default=0)] for line in lines])
            case "changes":
                return np.array([[sum(a != b for a, b in pairwise(line))] for line in lines])
            case "diagonals":
                offsets = range(1 - self._size, self._size)
                return np.array([[int(np.trace(way, k))] for way in (cells, cells[:, ::-1]) for k in offsets])
            case "mosaic":
                padded = np.pad(cells, 1).astype(np.int64)
                rows = padded[:-2] + padded[1:-1] + padded[2:]
                return np.reshape(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:], (-1, 1))
        return np.reshape(np.add.outer(cells.sum(axis=1), cells.sum(axis=0)), (-1, 1))


def _runs(line: list[bool]) -> list[int]:
    marks = "".join("#" if black else " " for black in line)
    return [len(run) for run in marks.split()]
