"""Tours of chess pieces as a Gymnasium environment.

Dynamics. A piece stands on a square of the board, which counts as visited. An action makes one of its leaps, to an
unvisited square; in a closed tour, when all are visited, to the first one. Other leaps are illegal. With probability
`jam` a legal leap fails. Then, with probability `regrow`, one of the visited squares other than the piece's own becomes
unvisited. When no leap is legal the episode is over, unless `carry_on`.

Random draws: at the start an order of the squares, of which the first ones are holes and the next one the start (unless
that is the first square that is no hole); in a step whether it jams, whether a square regrows, and which.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv
from env_registry.symbolic.puzzles.tours import PIECES

UNVISITED, VISITED, HOLE, PIECE, FIRST = range(5)


class TourEnv(PuzzleEnv):
    """Observation (height x width): 0 unvisited, 1 visited, 2 a hole, 3 the piece, 4 in a closed tour the first square.
    The score is the share of squares visited; in a closed tour the return counts as one more."""

    STATE = (*PuzzleEnv.STATE, "squares", "place", "first", "returned")

    def __init__(
        self,
        *,
        piece: str = "knight",
        board: str = "flat",
        tour: str = "open",
        width: int = 6,
        height: int = 6,
        holes: int = 0,
        start: str = "anywhere",
        jam: float = 0.0,
        regrow: float = 0.0,
        carry_on: bool = False,
        **common: Any,
    ) -> None:
        super().__init__((height, width), FIRST, len(PIECES[piece]), **common)
        self._leaps = _leaps(piece, width, height, board == "torus")
        self._closed, self._holes, self._corner = tour == "closed", holes, start == "corner"
        self._jam, self._regrow, self._carry_on = jam, regrow, carry_on
        self.squares: Cells = np.zeros(width * height, np.int16)
        self.place = self.first = 0
        self.returned = False

    def begin(self) -> None:
        order = self.np_random.permutation(len(self.squares)).tolist()
        self.squares = np.zeros_like(self.squares)
        self.squares[order[: self._holes]] = HOLE
        self.first = int(self.squares.argmin()) if self._corner else order[self._holes]
        self.place, self.returned = self.first, False
        self.squares[self.first] = VISITED

    def act(self, action: int) -> bool:
        there = self._leaps[self.place][action]
        legal = self._legal(there)
        if legal and not (self._jam and self.np_random.random() < self._jam):
            self.returned = there == self.first
            self.squares[there] = VISITED
            self.place = there
        if self._regrow and self.np_random.random() < self._regrow:
            visited = [square for square in np.flatnonzero(self.squares == VISITED).tolist() if square != self.place]
            if visited:
                self.squares[visited[self.np_random.integers(len(visited))]] = UNVISITED
        return legal

    def score(self) -> float:
        visited, whole = int((self.squares == VISITED).sum()), len(self.squares) - self._holes
        return (visited + self.returned) / (whole + 1) if self._closed else visited / whole

    def lost(self) -> bool:
        return not self._carry_on and not any(self._legal(there) for there in self._leaps[self.place])

    def view(self) -> Cells:
        seen = self.squares.copy()
        if self._closed:
            seen[self.first] = FIRST
        seen[self.place] = PIECE
        return seen.reshape(self._shape)

    def hint(self, rng: np.random.Generator) -> int:
        """Warnsdorff's rule: to the square from which fewest unvisited ones, but some, are reached; among these,
        any."""
        exits = [self._exits(there) for there in self._leaps[self.place]]
        best = [action for action, count in enumerate(exits) if count == min(exits)]
        return best[rng.integers(len(best))]

    def _legal(self, there: int) -> bool:
        if there < 0:
            return False
        if self.squares[there] == UNVISITED:
            return True
        return self._closed and there == self.first != self.place and not (self.squares == UNVISITED).any()

    def _exits(self, there: int) -> int:
        if not self._legal(there):
            return len(self.squares) + 1
        count = sum(beyond >= 0 and self.squares[beyond] == UNVISITED for beyond in self._leaps[there])
        return count or len(self.squares)


@cache
def _leaps(piece: str, width: int, height: int, torus: bool) -> list[list[int]]:
    """Where each leap leads from each square; -1: off the board."""
    leaps = np.full((width * height, len(PIECES[piece])), -1)
    for r, c in np.ndindex(height, width):
        for index, (down, right) in enumerate(PIECES[piece]):
            if torus or (0 <= r + down < height and 0 <= c + right < width):
                leaps[r * width + c, index] = (r + down) % height * width + (c + right) % width
    found: list[list[int]] = leaps.tolist()
    return found
