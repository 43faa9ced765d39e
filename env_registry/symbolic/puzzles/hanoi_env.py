"""Towers of Hanoi as a Gymnasium environment.

Dynamics. Disks 0 (smallest), 1, ... lie on pegs. An action takes the top disk of one peg to another; it is illegal
where there is none or a smaller one lies on the other. With probability `jam` a legal move does not happen; then, with
probability `drift`, a uniformly drawn action is tried.

Random draws: at the start the peg of each disk, if disks start anywhere, then the peg of each in the goal, if it is
drawn, both again while they are equal; in a step whether it jams, whether another action follows, and which.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.hanoi import MOVES
from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv


class HanoiEnv(PuzzleEnv):
    """Observation (2 x disks): the peg of each disk, and in the goal. The score is the share of disks at the goal.

    Actions are the pairs of different pegs (from, to) that the task allows, in lexicographic order.
    """

    STATE = (*PuzzleEnv.STATE, "disks", "goal")

    def __init__(
        self,
        *,
        moves: str = "any",
        goal: str = "gather",
        disks: int = 4,
        pegs: int = 3,
        jam: float = 0.0,
        drift: float = 0.0,
        **common: Any,
    ) -> None:
        self._moves = [(a, b) for a, b in permutations(range(pegs), 2) if MOVES[moves](a, b, pegs)]
        super().__init__((2, disks), pegs - 1, len(self._moves), **common)
        self.disks: Cells = np.zeros(disks, np.int16)
        self.goal: Cells = np.full(disks, pegs - 1, np.int16)
        self._kind, self._rules, self._pegs, self._jam, self._drift = goal, moves, pegs, jam, drift

    def begin(self) -> None:
        count, last = len(self.disks), self._pegs - 1
        self.disks, self.goal = np.zeros(count, np.int16), np.full(count, last, np.int16)
        if self._kind == "exchange":
            self.disks[1::2] = last
            self.goal = last - self.disks
        while self._kind in ("gather", "arrange"):
            self.disks = self.np_random.integers(self._pegs, size=count, dtype=np.int16)
            if self._kind == "arrange":
                self.goal = self.np_random.integers(self._pegs, size=count, dtype=np.int16)
            if (self.disks != self.goal).any():
                break

    def act(self, action: int) -> bool:
        disk = self._moved(action)
        if disk is not None and not (self._jam and self.np_random.random() < self._jam):
            self._move(disk, action)
        if self._drift and self.np_random.random() < self._drift:
            other = int(self.np_random.integers(len(self._moves)))
            moved = self._moved(other)
            if moved is not None:
                self._move(moved, other)
        return disk is not None

    def score(self) -> float:
        return float((self.disks == self.goal).sum()) / len(self.disks)

    def view(self) -> Cells:
        return np.stack((self.disks, self.goal))

    def hint(self, rng: np.random.Generator) -> int:
        """A move on a shortest way to the goal."""
        steps = distances(self._rules, len(self.disks), self._pegs, tuple(self.goal.tolist()))
        after = _transitions(self._rules, len(self.disks), self._pegs)[_number(self.disks, self._pegs)]
        return int(steps[after].argmin())

    def _moved(self, action: int) -> int | None:
        """The disk that the action moves."""
        here, there = self._moves[action]
        for disk, peg in enumerate(self.disks.tolist()):
            if peg == here:
                return disk
            if peg == there:
                break
        return None

    def _move(self, disk: int, action: int) -> None:
        self.disks = self.disks.copy()
        self.disks[disk] = self._moves[action][1]


# ------------------------------------------------------------------ shortest ways


def _number(disks: Cells, pegs: int) -> int:
    return int((disks * pegs ** np.arange(len(disks))).sum())


@cache
def _transitions(rules: str, disks: int, pegs: int) -> NDArray[np.int64]:
    """Arrangements x actions: the arrangement after; disk i's peg is digit i of an arrangement's number."""
    numbers = np.arange(pegs**disks)
    pegs_of = numbers[:, None] // pegs ** np.arange(disks) % pegs
    columns = []
    for here, there in permutations(range(pegs), 2):
        if MOVES[rules](here, there, pegs):
            there_top, here_top = (_top(pegs_of, peg) for peg in (there, here))
            legal = here_top < there_top
            columns.append(numbers + np.where(legal, (there - here) * pegs ** np.minimum(here_top, disks - 1), 0))
    return np.stack(columns, axis=1)


def _top(pegs_of: NDArray[np.int64], peg: int) -> NDArray[np.int64]:
    """The top disk of a peg in each arrangement; the number of disks where it is empty."""
    on = pegs_of == peg
    return np.where(on.any(axis=1), on.argmax(axis=1), on.shape[1])


@cache
def distances(rules: str, disks: int, pegs: int, goal: tuple[int, ...]) -> NDArray[np.int64]:
    """Fewest moves from each arrangement to the goal."""
    after = _transitions(rules, disks, pegs)
    found = np.full(len(after), len(after))
    found[_number(np.array(goal), pegs)] = 0
    for step in range(len(after)):
        new = (found[after] == step).any(axis=1) & (found > step)
        if not new.any():
            break
        found[new] = step + 1
    return found
