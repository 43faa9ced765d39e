"""Gymnasium environments as simulators.

Owns the registered time limit, the elapsed steps and the plain form of a Gymnasium environment's state. Wraps no
Gymnasium wrapper, because a step of a cheap environment costs less than one. Knows nothing of families.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT, Agent, Kind, Simulator

_ACTING: Sequence[Agent] = (SINGLE_AGENT,)
_OVER: Sequence[Agent] = ()


class GymnasiumSimulator(Simulator):
    """One unwrapped Gymnasium environment.

    `time_limit` truncates as `gymnasium.wrappers.TimeLimit` does; None leaves truncation to the environment.
    `reset_options` goes to every reset. `state` names the attributes that, with the random generator and the elapsed
    steps, are the whole state of an episode; None where no such list is known: then `save` returns None.
    """

    kind = Kind.SINGLE
    agents = (SINGLE_AGENT,)

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        *,
        time_limit: int | None = None,
        reset_options: dict[str, Any] | None = None,
        state: Sequence[str] | None = None,
    ) -> None:
        self.env = env
        self.observation_spaces = {SINGLE_AGENT: env.observation_space}
        self.action_spaces = {SINGLE_AGENT: env.action_space}
        if type(env.action_space) is gymnasium.spaces.Discrete:
            env.action_space = _QuickDiscrete(env.action_space)
        self.actors = _OVER
        self._step_env = env.step
        # Counted down, so that the limit costs one comparison with zero; without a limit it never gets there.
        self._steps_allowed = -1 if time_limit is None else time_limit
        self._steps_left = 0
        self.reset_options = reset_options
        self._state = state

    def reset(self, seeds: EpisodeSeeds) -> Any:
        observation, _ = self.env.reset(seed=seeds.environment, options=self.reset_options)
        self._steps_left = self._steps_allowed
        self.actors = _ACTING
        return observation

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        result = self._step_env(action)
        self._steps_left -= 1
        if not self._steps_left:
            observation, reward, terminated, _, info = result
            self.actors = _OVER
            return observation, reward, terminated, True, info
        if result[2] or result[3]:
            self.actors = _OVER
        return result

    def render(self) -> NDArray[np.uint8]:
        self.env.render_mode = "rgb_array"  # asked for when drawn, so that nothing is drawn on the way
        try:
            picture: Any = self.env.render()
        except NotImplementedError:
            picture = None
        if picture is None:
            raise NotImplementedError(f"{type(self.env).__name__} draws nothing")
        return np.asarray(picture, np.uint8)

    def save(self) -> dict[str, Any] | None:
        if self._state is None:
            return None
        return {
            "env": self.save_env(),
            "rng": self.env.np_random.bit_generator.state,
            "steps_left": self._steps_left,
            "acting": bool(self.actors),
        }

    def load(self, state: dict[str, Any]) -> None:
        if self._state is None:
            super().load(state)  # refuses
        self.load_env(state["env"])
        self.env.np_random.bit_generator.state = state["rng"]
        self._steps_left = state["steps_left"]
        self.actors = _ACTING if state["acting"] else _OVER

    def save_env(self) -> dict[str, Any]:
        """The engine's part of the state, as plain data that shares no memory with the environment."""
        assert self._state is not None
        return {name: deepcopy(getattr(self.env, name)) for name in self._state}

    def load_env(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self.env, name, deepcopy(value))

    def close(self) -> None:
        self.env.close()


class _QuickDiscrete(gymnasium.spaces.Discrete):
    """The same space, for environments that check every action: Gymnasium's own check is a fifth of CartPole's step."""

    def __init__(self, space: gymnasium.spaces.Discrete) -> None:
        super().__init__(space.n, start=space.start, dtype=space.dtype)
        self._first, self._end = int(space.start), int(space.start + space.n)

    def contains(self, x: Any) -> bool:
        return self._first <= x < self._end if type(x) is int else super().contains(x)
