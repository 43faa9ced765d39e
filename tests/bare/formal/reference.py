"""What all references have in common."""

from __future__ import annotations

from typing import Any

import numpy as np


class Reference:
    """A time limit and the action's slip, which all have in common. `play` gives observation, reward and end."""

    TIME_LIMIT = 200
    actions = 0

    def __init__(self, slip: float = 0.0) -> None:
        self.slip = slip

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.rng = np.random.default_rng(seed)
        self.steps = 0
        return self.begin(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        action = int(action)
        if self.slip and self.rng.random() < self.slip:
            action = int(self.rng.integers(self.actions))
        self.steps += 1
        observation, reward, over = self.play(action)
        return observation, reward, over, self.steps >= self.TIME_LIMIT, {}

    def begin(self) -> Any:
        raise NotImplementedError

    def play(self, action: int) -> tuple[Any, float, bool]:
        raise NotImplementedError
