"""Code breaking as a Gymnasium environment.

Dynamics. The code is drawn at the start. An action puts a peg of a colour into the next place of the guess; when the
guess is complete it is answered. With probability `lies` the answer is that to a guess drawn anew. The right guess ends
the episode, and so does the last one. A wrong guess is what `guess_cost` is for. In `bulls_and_cows` a colour that the
guess already has is not put.

Random draws: at the start the code (an order of the colours in `bulls_and_cows`, else each peg); after a guess whether
the answer is a lie, and the other guess, as a code is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

Codes = NDArray[np.int64]


class CodeEnv(PuzzleEnv):
    """Observation (guesses x 2 pegs): each guess, colours from 1, and its answer, of as many numbers, padded with 0.
    The score is the greatest share of pegs that were right in a guess; less than 1 while the code was not guessed."""

    STATE = (*PuzzleEnv.STATE, "code", "guess", "board", "count", "best")

    def __init__(
        self,
        *,
        answers: str = "pegs",
        pegs: int = 4,
        colours: int = 6,
        guesses: int = 10,
        lies: float = 0.0,
        short_memory: bool = False,
        guess_cost: float = 0.0,
        **common: Any,
    ) -> None:
        highest = max(colours * pegs, 3)
        super().__init__((guesses, 2 * pegs), highest, colours, low=-highest, illegal_cost=guess_cost, **common)
        self._answers, self._pegs, self._colours = answers, pegs, colours
        self._lies, self._short_memory = lies, short_memory
        self.code: list[int] = []
        self.guess: list[int] = []
        self.board: Cells = np.zeros((guesses, 2 * pegs), np.int16)
        self.count, self.best = 0, 0.0

    def begin(self) -> None:
        self.code, self.guess = self._drawn(), []
        self.board = np.zeros_like(self.board)
        self.count, self.best = 0, 0.0

    def act(self, action: int) -> bool:
        if self._answers == "bulls_and_cows" and action in self.guess:
            return True
        self.guess = [*self.guess, action]
        if len(self.guess) < self._pegs:
            return True
        guess, self.guess = self.guess, []
        asked = self._drawn() if self._lies and self.np_random.random() < self._lies else guess
        told = answer(self._answers, np.array([self.code]), asked)[0]
        self.board = self.board.copy()
        self.board[self.count, : self._pegs] = np.array(guess) + 1
        self.board[self.count, self._pegs : self._pegs + len(told)] = told
        self.count += 1
        right = sum(a == b for a, b in zip(self.code, guess, strict=True)) / self._pegs
        self.best = max(self.best, right)
        return right == 1.0

    def score(self) -> float:
        return self.best

    def lost(self) -> bool:
        return self.count == len(self.board)

    def view(self) -> Cells:
        seen = self.board.copy()
        if self._short_memory:
            seen[: max(self.count - 1, 0)] = 0
        if self.count < len(seen):
            seen[self.count, : len(self.guess)] = np.array(self.guess, np.int16) + 1
        return seen

    def hint(self, rng: np.random.Generator) -> int:
        """The next peg of a code that fits all answers, if any; any of these."""
        if not self.guess or not self.plan:
            fit = codes(self._answers == "bulls_and_cows", self._pegs, self._colours)
            for row in self.board[: self.count].tolist():
                guess = [colour - 1 for colour in row[: self._pegs]]
                told = answer(self._answers, fit, guess)
                left = fit[(told == row[self._pegs : self._pegs + told.shape[1]]).all(axis=1)]
                fit = left if len(left) else fit
            self.plan = fit[rng.integers(len(fit))].tolist()
        return self.plan[len(self.guess)]

    def _drawn(self) -> list[int]:
        if self._answers == "bulls_and_cows":
            order: list[int] = self.np_random.permutation(self._colours)[: self._pegs].tolist()
            return order
        pegs: list[int] = self.np_random.integers(self._colours, size=self._pegs).tolist()
        return pegs


def answer(kind: str, code: Codes, guess: Sequence[int]) -> Codes:
    """The answers (codes x numbers) that each of the codes (codes x pegs) would give to a guess."""
    guessed = np.array(guess)
    same, gaps = code == guessed, guessed - code
    if kind == "marks":
        return _marks(code, guessed, same)
    if kind == "bounds":
        return np.asarray(np.sign(gaps))
    right = same.sum(axis=1)
    common = sum((np.minimum((code == colour).sum(axis=1), guess.count(colour)) for colour in set(guess)), 0 * right)
    first = same.argmin(axis=1)  # the first peg that differs
    told = {
        "places": (right,),
        "colours": (common,),
        "distance": (abs(gaps).sum(axis=1),),
        "sum": (gaps.sum(axis=1),),
        "prefix": (np.cumprod(same, axis=1).sum(axis=1),),
        "order": (np.sign(gaps[np.arange(len(code)), first]),),
    }.get(kind, (right, common - right))
    return np.stack(told, axis=1)


def _marks(code: Codes, guess: Codes, same: NDArray[np.bool_]) -> Codes:
    """Of each peg: 2 right, 1 elsewhere, 0 nowhere; a peg of the code answers for one of the guess, from the left."""
    marks = 2 * same.astype(np.int64)
    for place, colour in enumerate(guess.tolist()):
        open_pegs = ((code == colour) & ~same).sum(axis=1)
        taken = ((guess[:place] == colour) & ~same[:, :place]).sum(axis=1)
        marks[:, place] += ~same[:, place] & (open_pegs > taken)
    return marks


@cache
def codes(all_different: bool, pegs: int, colours: int) -> Codes:
    found = permutations(range(colours), pegs) if all_different else product(range(colours), repeat=pegs)
    return np.array(list(found), np.int64)
