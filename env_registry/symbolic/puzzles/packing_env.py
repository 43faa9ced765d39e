"""Packing as a Gymnasium environment.

Dynamics. Items come one by one; each has a size, a second size, a value and a class (1 to 3), all drawn at the start.
Action 0 turns the present one away, action b puts it into bin b. It is lost where that is illegal or, with probability
`jam`, in any case. Illegal is, unless said otherwise, what exceeds the capacity. The score is

- `knapsack`: value packed, of all; `two_resources`: so, with capacities for both sizes;
- `bin_packing`: size packed less half the capacity of each bin in use; `next_fit`: so, but using a bin closes all
  before it; both divided by all sizes;
- `covering`: bins filled to the capacity at least, of all; nothing is illegal;
- `balance`: size packed less the largest load; `unrelated`: so, the time of an item in bin b being its size times 1 to
  4 (drawn for each bin and class); both divided by all sizes or the longest times; nothing is illegal;
- `classes`: value packed, of all, a bin holding two classes at most;
- `leases`: value packed, of all, an item leaving after as many steps as its second size;
- `stacking`: value packed, of all, no item larger than the last one in its bin.

Random draws: at the start sizes, second sizes, values, classes, the times' factors (bins x 3); in a step whether it
jams.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

Numbers = NDArray[np.int64]
SIZE, SECOND, VALUE, CLASS = range(4)


class PackingEnv(PuzzleEnv):
    """Observation (bins + 1 + foresight x 4): of each bin its load, its second load, its last item's size and how many
    classes it has; then the present item and those to come (size, second size, value, class), 0 after the last."""

    STATE = (*PuzzleEnv.STATE, "items", "factors", "place", "at")

    def __init__(
        self,
        *,
        problem: str = "knapsack",
        items: int = 30,
        bins: int = 4,
        capacity: int = 30,
        largest: int = 10,
        foresight: int = 1,
        values: str = "drawn",
        jam: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__((bins + 1 + foresight, 4), 4 * 40 * 80, bins + 1, **common)
        self._problem, self._count, self._bins, self._capacity = problem, items, bins, capacity
        self._largest, self._foresight, self._values, self._jam = min(largest, capacity), foresight, values, jam
        self.items: Numbers = np.zeros((items, 4), np.int64)
        self.factors: Numbers = np.ones((bins, 4), np.int64)
        self.place: Numbers = np.full(items, -1)  # the bin of each item
        self.at = 0

    def begin(self) -> None:
        rng, count = self.np_random, self._count
        sizes, seconds = (rng.integers(1, self._largest + 1, size=count) for _ in range(2))
        drawn, classes = rng.integers(1, 10, size=count), rng.integers(1, 4, size=count)
        values = {"drawn": drawn, "sizes": sizes, "ones": np.ones_like(sizes)}[self._values]
        self.items = np.stack((sizes, seconds, values, classes), axis=1)
        self.factors = np.ones((self._bins, 4), np.int64)
        if self._problem == "unrelated":
            self.factors[:, 1:] = rng.integers(1, 5, size=(self._bins, 3))
        self.place, self.at = np.full(count, -1), 0

    def act(self, action: int) -> bool:
        legal = action == 0 or self._fits(action - 1)
        if legal and not (self._jam and self.np_random.random() < self._jam):
            self.place = self.place.copy()
            self.place[self.at] = action - 1
        self.at += 1
        return legal

    def score(self) -> float:
        sizes, values = self.items[:, SIZE], self.items[:, VALUE]
        packed = self.place >= 0
        match self._problem:
            case "bin_packing" | "next_fit":
                used = len(np.unique(self.place[packed]))
                return float(sizes[packed].sum() - used * self._capacity / 2) / float(sizes.sum())
            case "covering":
                return float((self._loads() >= self._capacity).sum()) / self._bins
            case "balance" | "unrelated":
                worst = int((sizes * self.factors[:, self.items[:, CLASS]].max(axis=0)).sum())
                times = self._loads()
                return float(times.sum() - times.max()) / worst
        return float(values[packed].sum()) / float(values.sum())

    def lost(self) -> bool:
        return self.at == self._count

    def view(self) -> Cells:
        seen = np.zeros(self._shape, np.int16)
        for index, here in enumerate(self._in_bins()):
            if len(here):
                last, classes = self.items[here[-1], SIZE], len(np.unique(self.items[here, CLASS]))
                seen[index] = self._load(index, here), self.items[here, SECOND].sum(), last, classes
        coming = self.items[self.at : self.at + 1 + self._foresight]
        seen[self._bins : self._bins + len(coming)] = coming
        return seen

    def hint(self, rng: np.random.Generator) -> int:
        """The fullest bin into which the item goes; the emptiest where all is to be balanced."""
        fitting = [index for index in range(self._bins) if self._fits(index)]
        loads = self._loads()
        if self._problem in ("balance", "unrelated"):
            return 1 + int(loads.argmin())
        if self._problem == "covering":
            fitting = [index for index in fitting if loads[index] < self._capacity]
        return 1 + max(fitting, key=lambda index: int(loads[index])) if fitting else 0

    def _in_bins(self) -> list[Numbers]:
        """The items that lie in each bin now."""
        present = np.arange(self._count) < self.at
        if self._problem == "leases":
            present &= self.at - np.arange(self._count) <= self.items[:, SECOND]
        return [np.flatnonzero(present & (self.place == index)) for index in range(self._bins)]

    def _load(self, index: int, here: Numbers) -> int:
        return int((self.items[here, SIZE] * self.factors[index, self.items[here, CLASS]]).sum())

    def _loads(self) -> Numbers:
        return np.array([self._load(index, here) for index, here in enumerate(self._in_bins())])

    def _fits(self, index: int) -> bool:
        if self._problem in ("covering", "balance", "unrelated"):
            return True
        here, item = self._in_bins()[index], self.items[self.at]
        if self.items[here, SIZE].sum() + item[SIZE] > self._capacity:
            return False
        match self._problem:
            case "two_resources":
                return bool(self.items[here, SECOND].sum() + item[SECOND] <= self._capacity)
            case "next_fit":
                return index >= int(self.place.max())
            case "classes":
                return len({*self.items[here, CLASS].tolist(), int(item[CLASS])}) <= 2
            case "stacking":
                return not len(here) or bool(item[SIZE] <= self.items[here[-1], SIZE])
        return True
