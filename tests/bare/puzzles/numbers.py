"""Streams, bandits, codes, squares, pictures, pieces, loads and jobs."""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby
from typing import Any

import numpy as np

from tests.bare.puzzles.reference import Puzzle


class Stream(Puzzle):
    limit = 300

    def __init__(
        self, task: str, length: int = 8, symbols: int = 4, delay: int = 2, error_cost: float = 0.0,
        feedback: bool = False, strict: bool = False, pauses: float = 0.0, **common: Any,
    ) -> None:  # fmt: skip
        super().__init__(illegal_cost=error_cost, **common)
        self.task, self.length, self.symbols, self.delay = task, length, symbols, delay
        self.feedback, self.strict, self.pauses = feedback, strict, pauses
        self.high, self.actions = max(symbols**2, length), symbols + 1

    def begin(self) -> None:
        k = self.symbols
        if self.task == "copy":
            said = self.rng.integers(1, k + 1, size=self.length).tolist()
            script = [(s, 0, None) for s in said] + [(0, 0, None)] * self.delay + [(0, 1, s) for s in said]
        elif self.task == "sum":
            said = self.rng.integers(0, k, size=self.length).tolist()
            script = [(s, 1, sum(said[: t + 1]) % k) for t, s in enumerate(said)]
        else:
            step, _ = int(self.rng.integers(1, k)), int(self.rng.integers(1, k))
            first = int(self.rng.integers(k, size=1)[0])
            script = [((first + t * step) % k, 1, (first + t * step + step) % k) for t in range(self.length)]
        if self.pauses:
            chances = self.rng.random(len(script))
            script = [
                part for chance, item in zip(chances, script, strict=True)
                for part in ([(0, 0, None), item] if chance < self.pauses else [item])
            ]  # fmt: skip
        self.script, self.t, self.right, self.hint, self.failed = script, 0, 0, 0, False

    def do(self, action: int) -> bool:
        _, asked, answer = self.script[self.t]
        self.t += 1
        self.hint = 1 + answer if asked else 0
        if asked and action != answer:
            self.failed = self.strict
            return False
        self.right += asked
        return True

    def share(self) -> Fraction:
        return Fraction(self.right, sum(asked for _, asked, _ in self.script))

    def stuck(self) -> bool:
        return self.failed or self.t == len(self.script)

    def look(self) -> Any:
        symbol, asked, _ = [*self.script, (0, 0, None)][self.t]
        return symbol, asked, self.hint if self.feedback else 0


class Bandit:
    """Bernoulli, or with means that wander."""

    def __init__(self, kind: str = "bernoulli", arms: int = 5, gap: float = 0.8, rate: float = 0.1) -> None:
        self.wander, self.arms, self.gap, self.rate = rate if kind == "restless" else 0.0, arms, gap, rate

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.rng = np.random.default_rng(seed)
        self.means = [0.5 + self.gap * (chance - 0.5) for chance in self.rng.random(self.arms).tolist()]
        self.steps = 0
        return np.array([-1.0, 0.0], np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        paid = 1.0 if self.rng.random() < self.means[action] else 0.0
        if self.wander:
            moves = self.rng.standard_normal(self.arms).tolist()
            self.means = [min(max(m + self.wander * d, 0.0), 1.0) for m, d in zip(self.means, moves, strict=True)]
        self.steps += 1
        return np.array([action, paid], np.float32), paid, False, self.steps == 100, {}


class Code(Puzzle):
    limit = 200

    def __init__(self, answers: str = "pegs", **common: Any) -> None:
        super().__init__(**common)
        self.answers, self.low, self.high, self.actions = answers, -24, 24, 6

    def begin(self) -> None:
        self.code = self.rng.integers(6, size=4).tolist()
        self.guesses: list[list[int]] = [[]]
        self.best = 0

    def do(self, action: int) -> bool:
        self.guesses[-1].append(action)
        if len(self.guesses[-1]) < 4:
            return True
        right = sum(a == b for a, b in zip(self.code, self.guesses[-1], strict=True))
        self.best = max(self.best, right)
        self.guesses.append([])
        return right == 4

    def answer(self, guess: list[int]) -> list[int]:
        pairs = list(zip(self.code, guess, strict=True))
        right = sum(a == b for a, b in pairs)
        if self.answers == "bounds":
            return [(g > c) - (g < c) for c, g in pairs]
        if self.answers == "prefix":
            return [next((i for i, (a, b) in enumerate(pairs) if a != b), 4)]
        if self.answers == "order":
            return [(guess > self.code) - (guess < self.code)]
        if self.answers == "marks":
            left = [c for c, g in pairs if c != g]
            marks = []
            for c, g in pairs:
                marks.append(2 if c == g else int(g in left))
                if c != g and g in left:
                    left.remove(g)
            return marks
        left = list(self.code)
        for colour in guess:
            if colour in left:
                left.remove(colour)
        return [right, 4 - len(left) - right]

    def share(self) -> Fraction:
        return Fraction(self.best, 4)

    def stuck(self) -> bool:
        return len(self.guesses) == 11

    def look(self) -> Any:
        rows = []
        for guess in self.guesses[:10]:
            told = self.answer(guess) if len(guess) == 4 else []
            left, right = [colour + 1 for colour in guess], told
            rows.append([*left, *[0] * (4 - len(left)), *right, *[0] * (4 - len(right))])
        return rows + [[0] * 8] * (10 - len(rows))


class Filling(Puzzle):
    limit = 120
    low = -9

    def __init__(self, rule: str = "latin", size: int = 4, **common: Any) -> None:
        super().__init__(**common)
        self.boxes, self.n, self.high, self.actions = rule == "sudoku", size, size * size, size**3

    def begin(self) -> None:
        n = self.n
        while True:
            if self.boxes:
                numbers = self.rng.permutation(n).tolist()
                rows = [2 * band + r for band in self.rng.permutation(n // 2) for r in self.rng.permutation(2)]
                columns = [n // 2 * band + c for band in self.rng.permutation(2) for c in self.rng.permutation(n // 2)]
                square = [[(c + n // 2 * (r % 2) + r // 2) % n for c in columns] for r in rows]
            else:
                numbers, rows, columns = (self.rng.permutation(n).tolist() for _ in range(3))
                square = [[(r + c) % n for c in columns] for r in rows]
            given = self.rng.random((n, n)) < 0.5
            self.rng.random((2, 0, 0))
            self.rng.random((n, n))
            self.rng.integers(1, n + 1, size=(n, n))
            self.given = given.astype(int).tolist()
            self.grid = [[(numbers[square[r][c]] + 1) * self.given[r][c] for c in range(n)] for r in range(n)]
            if self.share() < 1:
                return

    def do(self, action: int) -> bool:
        cell, number = action // self.n, action % self.n + 1
        r, c = cell // self.n, cell % self.n
        if self.given[r][c]:
            return False
        self.grid[r][c] = number
        return True

    def share(self) -> Fraction:
        n = self.n
        units = [*self.grid, *zip(*self.grid, strict=True)]
        if self.boxes:
            units += [
                [self.grid[top + i][left + j] for i in range(2) for j in range(n // 2)]
                for top in range(0, n, 2)
                for left in range(0, n, n // 2)
            ]
        return Fraction(sum(len({*unit} - {0}) for unit in units), n * len(units))

    def look(self) -> Any:
        nothing = [[0] * self.n] * self.n
        return [self.grid, self.given, nothing, nothing]


class Picture(Puzzle):
    limit = 100
    low = -1

    def __init__(self, clues: str = "runs", size: int = 5, density: float = 0.5, **common: Any) -> None:
        super().__init__(**common)
        self.kind, self.n, self.density, self.high, self.actions = clues, size, density, max(2 * size, 9), size * size

    def begin(self) -> None:
        while True:
            self.hidden = (self.rng.random((self.n, self.n)) < self.density).tolist()
            self.cells = [[False] * self.n for _ in range(self.n)]
            if self.share() < 1:
                return

    def do(self, action: int) -> bool:
        r, c = divmod(action, self.n)
        self.cells[r][c] = not self.cells[r][c]
        return True

    def clues(self, cells: list[list[bool]]) -> list[list[int]]:
        lines = [*cells, *zip(*cells, strict=True)]
        if self.kind == "runs":
            runs = [[len(list(run)) for black, run in groupby(line) if black] for line in lines]
            return [run + [0] * ((self.n + 1) // 2 - len(run)) for run in runs]
        if self.kind == "changes":
            return [[len(list(groupby(line))) - 1] for line in lines]
        if self.kind == "mosaic":
            spots = {(r, c) for r in range(self.n) for c in range(self.n) if cells[r][c]}
            near = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            return [[sum((r + i, c + j) in spots for i, j in near)] for r in range(self.n) for c in range(self.n)]
        return [[sum(line)] for line in lines]

    def share(self) -> Fraction:
        hold = [a == b for a, b in zip(self.clues(self.cells), self.clues(self.hidden), strict=True)]
        return Fraction(sum(hold), len(hold))

    def look(self) -> Any:
        return [number for row in (*self.cells, *self.clues(self.hidden)) for number in row]


class Queens(Puzzle):
    """Queens or rooks that do not attack each other."""

    limit = 100

    def __init__(self, piece: str = "queen", size: int = 6, **common: Any) -> None:
        super().__init__(**common)
        self.diagonal, self.n, self.actions = piece == "queen", size, size * size

    def begin(self) -> None:
        self.rng.permutation(self.n * self.n)
        self.placed: set[tuple[int, int]] = set()

    def do(self, action: int) -> bool:
        self.placed ^= {divmod(action, self.n)}
        return True

    def share(self) -> Fraction:
        attacks = 0
        for r, c in self.placed:
            for s, d in self.placed:
                if (r, c) < (s, d):
                    attacks += r == s or c == d or (self.diagonal and abs(r - s) == abs(c - d))
        return min(Fraction(max(len(self.placed) - attacks, 0), self.n), Fraction(1))

    def look(self) -> Any:
        return [[[int((r, c) in self.placed) for c in range(self.n)] for r in range(self.n)]]


class Packing(Puzzle):
    limit = 80
    high = 12_800

    def __init__(self, problem: str = "knapsack", **common: Any) -> None:
        super().__init__(**common)
        self.problem, self.actions = problem, 5

    def begin(self) -> None:
        columns = [self.rng.integers(1, high, size=30).tolist() for high in (11, 11, 10, 4)]
        self.coming = list(zip(*columns, strict=True))
        self.all, self.bins = list(self.coming), [[] for _ in range(4)]  # type: ignore[var-annotated]

    def do(self, action: int) -> bool:
        item = self.coming.pop(0)
        if action == 0:
            return True
        inside = self.bins[action - 1]
        fits = sum(size for size, *_ in inside) + item[0] <= 30
        if self.problem == "stacking":
            fits = fits and (not inside or item[0] <= inside[-1][0])
        elif self.problem == "classes":
            fits = fits and len({kind for *_, kind in [*inside, item]}) < 3
        elif self.problem == "covering":
            fits = True
        if fits:
            inside.append(item)
        return fits

    def share(self) -> Fraction:
        packed = [item for inside in self.bins for item in inside]
        if self.problem == "covering":
            return Fraction(sum(sum(size for size, *_ in inside) >= 30 for inside in self.bins), 4)
        if self.problem == "bin_packing":
            used = sum(map(bool, self.bins))
            return Fraction(sum(s for s, *_ in packed) - 15 * used, sum(s for s, *_ in self.all))
        return Fraction(sum(value for _, _, value, _ in packed), sum(value for _, _, value, _ in self.all))

    def stuck(self) -> bool:
        return not self.coming

    def look(self) -> Any:
        rows = [
            [sum(i[0] for i in b), sum(i[1] for i in b), b[-1][0], len({i[3] for i in b})] if b else [0] * 4
            for b in self.bins
        ]
        return [*rows, *[*self.coming, (0,) * 4, (0,) * 4][:2]]


class Scheduling(Puzzle):
    limit = 80
    high = 12_000

    def __init__(self, problem: str = "weighted_completion", **common: Any) -> None:
        super().__init__(**common)
        self.problem, self.actions = problem, 10

    def begin(self) -> None:
        times, weights = self.rng.integers(1, 10, size=10).tolist(), self.rng.integers(1, 10, size=10).tolist()
        dues = self.rng.integers(1, int(0.6 * sum(times)) + 1, size=10).tolist()
        numbers = self.rng.integers(1, 10, size=10).tolist()
        self.jobs = dict(enumerate(zip(times, weights, dues, numbers, strict=True)))
        self.unit = sum(weights) * sum(times) if self.problem != "setups" else sum(times)
        self.clock, self.last, self.cost = 0, 0, 0

    def do(self, action: int) -> bool:
        if action not in self.jobs:
            return False
        time, weight, due, number = self.jobs.pop(action)
        if self.problem == "setups":
            time += abs(number - self.last)
        self.clock, self.last = self.clock + time, number
        late = max(self.clock - due, 0)
        charges = {"weighted_completion": weight * self.clock, "tardiness": weight * late, "setups": time}
        self.cost += charges[self.problem]
        return True

    def share(self) -> Fraction:
        return -Fraction(self.cost, self.unit)

    def stuck(self) -> bool:
        return not self.jobs

    def look(self) -> Any:
        return [*(self.jobs.get(job, (0,) * 4) for job in range(10)), (self.clock, self.last, 0, 0)]
