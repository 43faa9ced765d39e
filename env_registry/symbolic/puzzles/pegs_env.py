"""Peg solitaire as a Gymnasium environment.

Dynamics. An action is a jump: from a hole with a peg over the next hole of a line, which has one, into the next but
one, which is empty. The peg jumps and the one between is taken off, unless, with probability `regrow`, it stays; with
probability `jam` nothing happens. Any other jump is illegal. When no jump is left the episode is over, unless
`carry_on`. The start is found backwards: from a single peg jumps are taken back at random, `jumps` times or until none
can be.

Random draws: at the start the hole of the last peg (unless it is the middle), then each jump taken back; in a step
whether it jams, then whether the peg stays.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.pegs import BOARDS
from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

Jumps = NDArray[np.int64]  # jumps x (from, over, to)


class PegsEnv(PuzzleEnv):
    """Observation (rows x columns): 1 a hole, 2 a peg, 0 no hole. The score counts the pegs that had to go and are
    gone, and the goal, as equal parts of 1.

    Actions are all jumps that fit on the board: by hole, row by row, then by direction, each followed by its opposite.
    """

    STATE = (*PuzzleEnv.STATE, "pegs", "surplus")

    def __init__(
        self,
        *,
        board: str = "english",
        goal: str = "one_left",
        jumps: int = 8,
        jam: float = 0.0,
        regrow: float = 0.0,
        carry_on: bool = False,
        **common: Any,
    ) -> None:
        self._holes, self._jumps, self._middle = _board(board)
        super().__init__(self._holes.shape, 2, len(self._jumps), **common)
        self.pegs: NDArray[np.bool_] = np.zeros(int(self._holes.sum()), np.bool_)
        self.surplus = 1  # pegs that have to go
        self._goal_is_middle, self._depth = goal == "middle", jumps
        self._jam, self._regrow, self._carry_on = jam, regrow, carry_on

    def begin(self) -> None:
        self.pegs = np.zeros_like(self.pegs)
        last = self._middle if self._goal_is_middle else int(self.np_random.integers(len(self.pegs)))
        self.pegs[last] = True
        for _ in range(self._depth):
            here, over, there = self.pegs[self._jumps].T
            able = np.flatnonzero(~here & ~over & there)
            if not len(able):
                break
            jump = int(able[self.np_random.integers(len(able))])
            self.pegs[self._jumps[jump]] ^= True
            self.plan.append(jump)
        self.surplus = int(self.pegs.sum()) - 1

    def act(self, action: int) -> bool:
        here, over, there = self._jumps[action]
        legal = bool(self.pegs[here] and self.pegs[over] and not self.pegs[there])
        if legal and not (self._jam and self.np_random.random() < self._jam):
            stays = bool(self._regrow) and self.np_random.random() < self._regrow
            self.pegs = self.pegs.copy()
            self.pegs[[here, over, there]] = False, stays, True
            self.follow(action, None)
            if stays:
                self.plan = []
        return legal

    def score(self) -> float:
        left = int(self.pegs.sum())
        solved = left == 1 and (not self._goal_is_middle or bool(self.pegs[self._middle]))
        return (self.surplus - (left - 1) + solved) / (self.surplus + 1)

    def lost(self) -> bool:
        here, over, there = self.pegs[self._jumps].T
        return not self._carry_on and not (here & over & ~there).any()

    def view(self) -> Cells:
        seen = self._holes.astype(np.int16)
        seen[self._holes] += self.pegs
        return seen


@cache
def _board(name: str) -> tuple[NDArray[np.bool_], Jumps, int]:
    """Where holes are; all jumps; the number of the hole in the middle."""
    rows = BOARDS[name].rows.split()
    places = [(r, c) for r, row in enumerate(rows) for c, mark in enumerate(row) if mark != "."]
    number = {place: index for index, place in enumerate(places)}
    jumps = []
    for r, c in places:
        for down, right in BOARDS[name].directions:
            for sign in (1, -1):
                line = [(r + sign * k * down, c + sign * k * right) for k in range(3)]
                if all(place in number for place in line):
                    jumps.append([number[place] for place in line])
    holes = np.array([[mark != "." for mark in row] for row in rows])
    middle = next(number[r, c] for r, c in places if rows[r][c] == "x")
    return holes, np.array(jumps), middle
