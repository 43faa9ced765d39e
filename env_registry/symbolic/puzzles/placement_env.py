"""Chess pieces placed on a board, as a Gymnasium environment.

Dynamics. Action `size * row + column` puts a piece on that square, or takes it away where there is one; with
`hand="put"` that does nothing. With probability `jam` the action fails. Then, with probability `thief`, a drawn piece
disappears. Riders attack over other pieces.

The score of `apart` is the number of pieces less that of pairs that attack each other, of `cover` the number of squares
attacked or occupied less the side of the board for each piece too many; both are divided by what is wanted, and never
below 0.

Random draws: at the start an order of the squares, of which the first ones have pieces; in a step whether it jams,
whether a piece disappears, and which.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.placements import FEWEST_COVERING, MOST_APART
from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv


class PlacementEnv(PuzzleEnv):
    """Observation (1 x size x size): where pieces are; with `attacks` a second layer counts attackers of each
    square."""

    STATE = (*PuzzleEnv.STATE, "pieces")

    def __init__(
        self,
        *,
        piece: str = "queen",
        goal: str = "apart",
        size: int = 6,
        strewn: int = 0,
        hand: str = "toggle",
        attacks: bool = False,
        jam: float = 0.0,
        thief: float = 0.0,
        **common: Any,
    ) -> None:
        shape = (2 if attacks else 1, size, size)
        super().__init__(shape, size * size if attacks else 1, size * size, **common)
        self._attacks = _attacks(piece, size)
        self._covers = self._attacks | np.eye(size * size, dtype=np.bool_)
        self._wanted = (MOST_APART if goal == "apart" else FEWEST_COVERING)[piece](size)
        self._apart, self._size, self._strewn, self._show = goal == "apart", size, strewn, attacks
        self._take, self._jam, self._thief = hand == "toggle", jam, thief
        self.pieces: NDArray[np.bool_] = np.zeros(size * size, np.bool_)

    def begin(self) -> None:
        self.pieces = np.zeros_like(self.pieces)
        while True:
            order = self.np_random.permutation(len(self.pieces))
            self.pieces[:] = False
            self.pieces[order[: self._strewn]] = True
            if self.score() < 1.0:
                return

    def act(self, action: int) -> bool:
        legal = self._take or not self.pieces[action]
        if legal and not (self._jam and self.np_random.random() < self._jam):
            self.pieces[action] ^= True
        if self._thief and self.np_random.random() < self._thief:
            there = np.flatnonzero(self.pieces)
            if len(there):
                self.pieces[there[self.np_random.integers(len(there))]] = False
        return bool(legal)

    def score(self) -> float:
        return self._score(self.pieces)

    def view(self) -> Cells:
        layers = [self.pieces.astype(np.int16)]
        if self._show:
            layers.append(self._attacks[self.pieces].sum(axis=0, dtype=np.int16))
        return np.stack(layers).reshape(self._shape)

    def hint(self, rng: np.random.Generator) -> int:
        """A square whose change raises the score most; among these, any."""
        order: list[int] = rng.permutation(len(self.pieces)).tolist()
        return max(order, key=self._after)

    def _after(self, square: int) -> float:
        pieces = self.pieces.copy()
        pieces[square] = not (pieces[square] and self._take)
        return self._score(pieces)

    def _score(self, pieces: NDArray[np.bool_]) -> float:
        count = int(pieces.sum())
        if self._apart:
            pairs = int(self._attacks[pieces][:, pieces].sum()) // 2
            return min(max(count - pairs, 0) / self._wanted, 1.0)
        reached = int(self._covers[pieces].any(axis=0).sum())
        return max(reached - self._size * max(count - self._wanted, 0), 0) / len(pieces)


@cache
def _attacks(piece: str, size: int) -> NDArray[np.bool_]:
    """Squares x squares: whether a piece on the first attacks the second on an empty board."""
    rows, columns = (axis.ravel() for axis in np.indices((size, size)))
    down, right = abs(rows[:, None] - rows), abs(columns[:, None] - columns)
    straight, diagonal = (down == 0) ^ (right == 0), (down == right) & (down > 0)
    found: dict[str, NDArray[np.bool_]] = {
        "queen": straight | diagonal,
        "rook": straight,
        "bishop": diagonal,
        "king": np.maximum(down, right) == 1,
        "knight": down * right == 2,
    }
    return found[piece]
