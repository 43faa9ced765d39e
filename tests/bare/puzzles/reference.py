"""What the puzzles' references have in common: how a step is paid and what sensors get wrong, said a second time."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np


class Puzzle:
    """`begin` draws the start, `do` an action and tells whether it was legal, `share` is what is solved."""

    limit = 150
    low, high = 0, 1
    actions = 4

    def __init__(
        self, slip: float = 0.0, sensor_noise: float = 0.0, reward: str = "progress", step_cost: float = 0.0,
        illegal_cost: float = 0.0,
    ) -> None:  # fmt: skip
        self.slip, self.sensor_noise, self.reward = slip, sensor_noise, reward
        self.step_cost, self.illegal_cost = step_cost, illegal_cost

    def begin(self) -> None: ...

    def do(self, action: int) -> bool:
        raise NotImplementedError

    def share(self) -> Fraction:
        raise NotImplementedError

    def look(self) -> Any:
        raise NotImplementedError

    def stuck(self) -> bool:
        return False

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.rng = np.random.default_rng(seed)
        self.begin()
        self.before, self.steps = float(self.share()), 0
        return self.seen(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        chosen = int(action)
        if self.slip and self.rng.random() < self.slip:
            chosen = int(self.rng.integers(self.actions))
        legal = self.do(chosen)
        now = float(self.share())
        paid = 1.0 if now == 1 else 0.0
        paid += {"progress": now - self.before, "goal": 0.0, "level": now}[self.reward]
        paid -= self.step_cost
        paid -= 0.0 if legal else self.illegal_cost
        self.before = now
        self.steps += 1
        return self.seen(), paid, now == 1 or self.stuck(), self.steps == self.limit, {}

    def seen(self) -> Any:
        shown = np.array(self.look(), dtype=np.int16)
        if self.sensor_noise:
            wrong = self.rng.random(shown.shape) < self.sensor_noise
            noise = self.rng.integers(self.low, self.high + 1, size=shown.shape, dtype=np.int16)
            shown[wrong] = noise[wrong]
        return shown

    def any_of(self, choices: list[Any]) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def mixed(self, things: Any) -> list[Any]:
        things = list(things)
        return [things[i] for i in self.rng.permutation(len(things))]
