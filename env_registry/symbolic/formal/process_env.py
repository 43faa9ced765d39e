"""Markov decision processes from tables, as Gymnasium environments.

Dynamics. The next state is drawn from the process' table at the state and the action. With probability `dwell` the
state stays as it is instead; with probability `restart` a start state is drawn. The reward is the table's expected one
at the state and the action, plus normal noise. A terminal state ends the episode.

Random draws: at the start the names of states and the start state; in a step whether the action slips and to which,
whether it dwells, the next state, whether it restarts and where, the reward's noise, and what the sensors get wrong.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from env_registry.symbolic.formal.process_tables import Process, garnet, named


class ProcessEnv(gymnasium.Env[np.int64, np.int64]):
    """Observation: the state's number (or, with `shuffle`, its name), divided by `aliasing` and rounded down."""

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it

    def __init__(
        self,
        process: Process,
        *,
        restart: float = 0.0,
        dwell: float = 0.0,
        reward_noise: float = 0.0,
        aliasing: int = 1,
        sensor_noise: float = 0.0,
        shuffle: bool = False,
        scramble: bool = False,
        start: str = "usual",
        slip: float = 0.0,
    ) -> None:
        self.process = process
        self.observation_space = spaces.Discrete(process.states)
        self.action_space = spaces.Discrete(process.actions)
        self.state = 0
        self.names: NDArray[np.int64] = np.arange(process.states)
        self._bounds = np.cumsum(process.chances, axis=2)
        self._targets = process.targets
        self._starts = np.cumsum(process.starts if start == "usual" else ~process.terminal / (~process.terminal).sum())
        self._meaning = np.tile(np.arange(process.actions), (process.states, 1))
        if scramble:
            self._meaning = np.random.default_rng(process.states).permuted(self._meaning, axis=1)
        self._restart, self._dwell, self._reward_noise, self._slip = restart, dwell, reward_noise, slip
        self._aliasing, self._sensor_noise, self._shuffle = aliasing, sensor_noise, shuffle

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.int64, dict[str, Any]]:
        super().reset(seed=seed)
        self.names = (
            self.np_random.permutation(self.process.states) if self._shuffle else np.arange(self.process.states)
        )
        self.state = self._drawn(self._starts)
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[np.int64, float, bool, bool, dict[str, Any]]:
        if self._slip and self.np_random.random() < self._slip:
            action = self.np_random.integers(self.process.actions)
        meant = int(self._meaning[self.state, action])
        reward = float(self.process.rewards[self.state, meant])
        if not (self._dwell and self.np_random.random() < self._dwell):
            way = self._drawn(self._bounds[self.state, meant])
            self.state = int(self._targets[self.state, meant, way])
        if self._restart and self.np_random.random() < self._restart:
            self.state = self._drawn(self._starts)
        if self._reward_noise:
            reward += self._reward_noise * self.np_random.standard_normal()
        return self._observation(), reward, bool(self.process.terminal[self.state]), False, {}

    def hint(self, rng: np.random.Generator) -> int:
        """The best action in the long run without the disturbances; among equally good ones, any."""
        values = self.process.action_values[self.state]
        best = np.flatnonzero(values >= values.max() - 1e-9)
        return int(np.flatnonzero(self._meaning[self.state] == best[rng.integers(len(best))])[0])

    def _drawn(self, bounds: NDArray[np.float64]) -> int:
        """The first index whose bound exceeds a uniform draw; rounding may leave the last bound just below 1."""
        return min(int(np.searchsorted(bounds, self.np_random.random() * bounds[-1], side="right")), len(bounds) - 1)

    def _observation(self) -> np.int64:
        state = self.state
        if self._sensor_noise and self.np_random.random() < self._sensor_noise:
            state = int(self.np_random.integers(self.process.states))
        return np.int64(self.names[state] // self._aliasing)


class NamedProcessEnv(ProcessEnv):
    def __init__(self, *, process: str = "river_swim", size: int = 10, **others: Any) -> None:
        super().__init__(named(process, size), **others)


class GarnetEnv(ProcessEnv):
    def __init__(
        self,
        *,
        regime: str = "garnet",
        states: int = 30,
        actions: int = 4,
        branching: int = 3,
        structure: int = 0,
        **others: Any,
    ) -> None:
        super().__init__(garnet(regime, states, actions, branching, structure), **others)
