"""Scheduling on one machine, as a Gymnasium environment.

Dynamics. Each job has a time, a weight, a due time and a number of its own, drawn at the start. Action j does job j;
it is illegal when that is done, and with probability `jam` it does nothing. A job begins when the last one is ready
and takes its time, twice that with probability `delays`. It is charged when it is ready (C its completion, d its due
time, w its weight):

- `weighted_completion`: w C; `tardiness`: w max(C - d, 0); `late_jobs`: w if C > d; `early_and_tardy`: w |C - d|;
- `worst_lateness`: the amount by which it makes the largest max(C - d, 0) larger;
- `setups`: its time, before which the machine is changed for as long as its number differs from the last one's;
- `releases`: w times (C - its number), before which it cannot begin;
- `deterioration`: the time it takes, longer by a tenth of C's beginning, rounded down;
- `decaying_values`: -w times 0.95 ^ C;
- `flow_shop`: the amount by which it makes the second machine ready later, where it then takes as long as its number.

The score is 0 at the start and falls by a charge divided by the sum of weights times the sum of all times (of times
only, where the charge has no weight; of weights only, where it has no time).

Random draws: at the start times, weights, due times, numbers (1 to `longest`); in a step whether it jams, and whether
the job takes twice its time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

_OF_TIME = ("worst_lateness", "setups", "deterioration", "flow_shop")
_OF_WEIGHT = ("late_jobs", "decaying_values")
TIME, WEIGHT, DUE, NUMBER = range(4)


class SchedulingEnv(PuzzleEnv):
    """Observation (jobs + 1 x 4): of each job time, weight, due time and number, 0 when it is done; then the time, the
    last job's number, when the second machine is ready, and the largest lateness."""

    STATE = (*PuzzleEnv.STATE, "jobs", "open", "clock", "last", "second", "worst", "cost")

    def __init__(
        self,
        *,
        problem: str = "weighted_completion",
        jobs: int = 10,
        longest: int = 9,
        tightness: float = 0.6,
        weights: str = "drawn",
        seen: str = "all",
        delays: float = 0.0,
        jam: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__((jobs + 1, 4), 12_000, jobs, **common)
        self._problem, self._count, self._longest, self._tightness = problem, jobs, longest, tightness
        self._weighted, self._delays, self._jam = weights == "drawn", delays, jam
        self._columns = {"all": (TIME, WEIGHT, DUE, NUMBER), "times": (TIME,), "nothing": ()}[seen]
        self.jobs: NDArray[np.int64] = np.zeros((jobs, 4), np.int64)
        self.open: NDArray[np.bool_] = np.ones(jobs, np.bool_)
        self.clock = self.last = self.second = self.worst = 0
        self.cost = 0.0

    def begin(self) -> None:
        rng, count = self.np_random, self._count
        times, weights = rng.integers(1, self._longest + 1, size=count), rng.integers(1, 10, size=count)
        dues = rng.integers(1, max(int(self._tightness * times.sum()), 1) + 1, size=count)
        numbers = rng.integers(1, self._longest + 1, size=count)
        self.jobs = np.stack((times, weights if self._weighted else np.ones_like(weights), dues, numbers), axis=1)
        self.open = np.ones(count, np.bool_)
        self.clock = self.last = self.second = self.worst = 0
        self.cost = 0.0

    def act(self, action: int) -> bool:
        if not self.open[action]:
            return False
        if self._jam and self.np_random.random() < self._jam:
            return True
        self.open = self.open.copy()
        self.open[action] = False
        job: list[int] = self.jobs[action].tolist()
        twice = bool(self._delays) and self.np_random.random() < self._delays
        self.cost += self._charge(job, job[TIME] * (2 if twice else 1))
        return True

    def score(self) -> float:
        times, weights = int(self.jobs[:, TIME].sum()), int(self.jobs[:, WEIGHT].sum())
        unit = (1 if self._problem in _OF_TIME else weights) * (1 if self._problem in _OF_WEIGHT else times)
        return -self.cost / unit

    def lost(self) -> bool:
        return not self.open.any()

    def view(self) -> Cells:
        seen = np.zeros((self._count + 1, 4), np.int16)
        for column in self._columns:
            seen[:-1, column] = np.where(self.open, self.jobs[:, column], 0)
        seen[-1] = self.clock, self.last, self.second, self.worst
        return seen

    def hint(self, rng: np.random.Generator) -> int:
        """The open job with the least time for its weight, the earliest due time that can be met, or the nearest
        number."""
        times, weights, dues, numbers = self.jobs.T
        timely = np.where(self.clock + times <= dues, dues, dues + times.sum() * 2)
        rules = {"setups": abs(numbers - self.last), "releases": numbers, "flow_shop": times - numbers}
        rules |= {"late_jobs": timely, "worst_lateness": dues}
        urgency = rules.get(self._problem, times / weights)
        return int(np.where(self.open, urgency, np.inf).argmin())

    def _charge(self, job: list[int], takes: int) -> float:
        """Does the job; what that costs."""
        _, weight, due, number = job
        begun = self.clock
        if self._problem == "setups":
            begun += abs(number - self.last)
        elif self._problem == "releases":
            begun = max(begun, number)
        elif self._problem == "deterioration":
            takes += begun // 10
        before, self.clock, self.last = self.clock, begun + takes, number
        late = max(self.clock - due, 0)
        match self._problem:
            case "tardiness":
                return weight * late
            case "late_jobs":
                return weight * (late > 0)
            case "early_and_tardy":
                return weight * abs(self.clock - due)
            case "worst_lateness":
                worse = max(late - self.worst, 0)
                self.worst += worse
                return worse
            case "setups" | "deterioration":
                return self.clock - before
            case "releases":
                return weight * (self.clock - number)
            case "decaying_values":
                return -weight * 0.95**self.clock
            case "flow_shop":
                ready = max(self.clock, self.second) + number
                later, self.second = ready - self.second, ready
                return later
        return weight * self.clock
