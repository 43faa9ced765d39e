"""What puzzles have in common as Gymnasium environments: how a step is paid, and what the sensors get wrong.

A step of any puzzle: with probability `slip` a uniformly drawn action replaces the chosen one; the puzzle executes the
action, which may be illegal and then changes nothing; the new score is compared with the old one. Scores are at most 1,
which is the goal and ends the episode.

The reward is 1 for reaching the goal, plus, with `reward="progress"`, the increase of the score or, with
`reward="level"`, the score; less `step_cost`; less `illegal_cost` for an illegal action.

Random draws of a step: whether the action slips, and to which; those of the puzzle; which values the sensors get wrong,
and what they show instead. What has probability 0 draws nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Cells = NDArray[Any]


class PuzzleEnv(gymnasium.Env[Cells, np.int64]):
    """A puzzle says how it begins, acts, is scored and looks; STATE names the attributes that hold an episode.

    `plan` holds actions that solve the puzzle, the next one last, where the puzzle knows them; `hint` follows it.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it
    STATE: ClassVar[tuple[str, ...]] = ("value", "plan")

    def __init__(
        self,
        shape: tuple[int, ...],
        high: int,
        actions: int,
        *,
        low: int = 0,
        reward: str = "progress",
        step_cost: float = 0.0,
        illegal_cost: float = 0.0,
        slip: float = 0.0,
        sensor_noise: float = 0.0,
    ) -> None:
        self.observation_space = spaces.Box(low, high, shape, np.int16)
        self.action_space = spaces.Discrete(actions)
        self.value = 0.0
        self.plan: list[int] = []
        self._shape = shape
        self._low, self._high, self._actions = low, high, actions
        self._progress, self._level = reward == "progress", reward == "level"
        self._step_cost, self._illegal_cost = step_cost, illegal_cost
        self._slip, self._sensor_noise = slip, sensor_noise

    # --- what a puzzle defines

    def begin(self) -> None:
        """Set the state of a new episode."""
        raise NotImplementedError

    def act(self, action: int) -> bool:
        """Execute an action; whether it was legal."""
        raise NotImplementedError

    def score(self) -> float:
        """How much is solved; 1 is the goal."""
        raise NotImplementedError

    def lost(self) -> bool:
        """Whether the episode is over without the goal."""
        return False

    def view(self) -> Cells:
        """A new array of what the agent sees."""
        raise NotImplementedError

    # --- Gymnasium's interface

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Cells, dict[str, Any]]:
        super().reset(seed=seed)
        self.plan = []
        self.begin()
        self.value = self.score()
        return self._seen(), {}

    def step(self, action: np.int64) -> tuple[Cells, float, bool, bool, dict[str, Any]]:
        act = int(action)
        if self._slip and self.np_random.random() < self._slip:
            act = int(self.np_random.integers(self._actions))
        legal = self.act(act)
        before, self.value = self.value, self.score()
        solved = self.value >= 1.0
        reward = float(solved)
        if self._progress:
            reward += self.value - before
        elif self._level:
            reward += self.value
        reward -= self._step_cost
        if not legal:
            reward -= self._illegal_cost
        return self._seen(), reward, solved or self.lost(), False, {}

    def hint(self, rng: np.random.Generator) -> int:
        """An action that helps, as far as one is known, else any."""
        return self.plan[-1] if self.plan else int(rng.integers(self._actions))

    # --- for puzzles

    def follow(self, action: int, undo: tuple[int, ...] | None) -> None:
        """Keep `plan` right after an executed action, which the actions `undo` take back, in order (None: nothing)."""
        if self.plan and self.plan[-1] == action:
            self.plan.pop()
        elif undo is None:
            self.plan = []
        elif self.plan:
            self.plan.extend(reversed(undo))

    def _seen(self) -> Cells:
        seen = self.view()
        if self._sensor_noise:
            wrong = self.np_random.random(seen.shape) < self._sensor_noise
            other = self.np_random.integers(self._low, self._high + 1, size=seen.shape, dtype=np.int16)
            seen = np.where(wrong, other, seen)
        return seen.astype(np.int16, copy=False)
