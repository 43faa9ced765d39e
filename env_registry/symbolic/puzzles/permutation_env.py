"""Permutation puzzles as a Gymnasium environment.

Dynamics. Pieces stand on positions; a move permutes them. Actions are the puzzle's moves and, unless `one_way`, then
those inverses that are no moves themselves. With probability `jam` the move fails; after it, with probability `drift`,
another move follows that is drawn uniformly. At the start all is in order; then `scramble` moves are made at random,
and further ones until something is out of order.

Random draws: at the start one for each move of the scrambling; in a step whether it jams, whether another move follows,
and which.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.permutations import Move, inverse, puzzle
from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv


class PermutationEnv(PuzzleEnv):
    """Observation: what each position shows. The score is the share of positions that show what they should."""

    STATE = (*PuzzleEnv.STATE, "pieces")

    def __init__(
        self,
        *,
        puzzle: str = "pancake",
        size: int = 6,
        scramble: int = 8,
        colours: int = 999,
        one_way: bool = False,
        jam: float = 0.0,
        drift: float = 0.0,
        **common: Any,
    ) -> None:
        self._moves, self._undo, goal = _table(puzzle, size, one_way)
        self._goal = (goal * colours // max(colours, int(goal.max()) + 1)).astype(np.int16)
        super().__init__(goal.shape, int(self._goal.max()), len(self._moves), **common)
        self.pieces: Cells = self._goal
        self._scramble, self._jam, self._drift = scramble, jam, drift

    def begin(self) -> None:
        self.pieces = self._goal
        made = 0
        while made < self._scramble or self.score() == 1.0:
            move = int(self.np_random.integers(len(self._moves)))
            self.pieces = self.pieces[self._moves[move]]
            self.plan.extend(reversed(self._undo[move]))
            made += 1

    def act(self, action: int) -> bool:
        if not (self._jam and self.np_random.random() < self._jam):
            self._make(action)
        if self._drift and self.np_random.random() < self._drift:
            self._make(int(self.np_random.integers(len(self._moves))))
        return True

    def score(self) -> float:
        return float((self.pieces == self._goal).sum()) / len(self._goal)

    def view(self) -> Cells:
        return self.pieces.copy()

    def _make(self, move: int) -> None:
        self.pieces = self.pieces[self._moves[move]]
        self.follow(move, self._undo[move])


@cache
def _table(name: str, size: int, one_way: bool) -> tuple[NDArray[np.int64], list[tuple[int, ...]], Cells]:
    """All moves (moves x positions); of each the moves that take it back; what is shown when all is in order."""
    forward, goal = puzzle(name, size)
    moves = list(dict.fromkeys(forward if one_way else (*forward, *map(inverse, forward))))
    undo = [(moves.index(inverse(move)),) if inverse(move) in moves else _repeated(moves, move) for move in moves]
    return np.array(moves), undo, np.array(goal)


def _repeated(moves: list[Move], move: Move) -> tuple[int, ...]:
    """A move made as often as takes it back."""
    power, times = move, 0
    while any(power[i] != i for i in range(len(move))):
        power, times = tuple(power[i] for i in move), times + 1
    return (moves.index(move),) * times
