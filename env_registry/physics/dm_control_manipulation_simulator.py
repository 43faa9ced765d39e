"""dm_control's manipulation environments behind the simulator interface.

Owns how an environment is built once, seeded and freed of what episodes leave behind. Episodes are restored by replay,
because tasks and observers keep a state of their own.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import gymnasium
import mujoco
import numpy as np

from env_registry.physics.dm_control_simulator import edit_keeping_size
from env_registry.physics.mujoco_simulator import ModelNumbers, model_numbers
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT, Agent, Kind, Simulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from dm_control import composer
    from dm_control.manipulation.shared import registry
    from dm_control.rl.control import PhysicsError

_TIME_LIMIT_S = 10.0
_KEPT_TASKS = 4
_ACTING: Sequence[Agent] = (SINGLE_AGENT,)
_OVER: Sequence[Agent] = ()


class ManipulationSimulator(Simulator):
    """A task at a workplace of its own.

    Observations are the task's in its own order, flat: Box float64. Actions are target speeds of the arm's and the
    fingers' joints in rad/s: Box float64 of 9. Where the physics diverges the episode terminates with reward 0.
    """

    kind = Kind.SINGLE
    agents = (SINGLE_AGENT,)

    def __init__(self, task: str, *, physics: Mapping[str, float]) -> None:
        self._task = task
        self._workplace: Workplace | None = idle(task).pop() if idle(task) else Workplace(task)
        self.env, self._random = self._workplace.env, self._workplace.random
        self._workplace.restore()
        model = self.env.physics.model.ptr
        edits = dict(physics)
        _scale_props(model, edits.pop("prop_mass_scale", 1.0))
        if physics:
            edit_keeping_size(model, edits)
        self._numbers = [(view, view.copy()) for view in model_numbers(model).values()]
        bounds = self.env.action_spec()
        self.actors = _OVER
        self.observation_spaces = {
            SINGLE_AGENT: gymnasium.spaces.Box(-np.inf, np.inf, (self._workplace.size,), np.float64)
        }
        self.action_spaces = {SINGLE_AGENT: gymnasium.spaces.Box(bounds.minimum, bounds.maximum, dtype=np.float64)}

    def reset(self, seeds: EpisodeSeeds) -> Any:
        for view, start in self._numbers:
            view[:] = start
        self._random.seed(seeds.environment)
        self.env._hooks.initialize_episode_mjcf(self._random)  # draws sizes of studs from ranges that are points
        self._seen = _flat(self.env.reset().observation)
        self.actors = _ACTING
        return self._seen

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        try:
            answer = self.env.step(action)
        except PhysicsError:
            self.actors = _OVER
            return self._seen, 0.0, True, False, {}
        self._seen = _flat(answer.observation)
        if answer.last():
            self.actors = _OVER
        return self._seen, answer.reward, answer.last() and answer.discount == 0, answer.last() and answer.discount, {}

    def close(self) -> None:
        if self._workplace is not None:
            idle(self._task)[:] = [self._workplace]
            self._workplace = None


def _flat(observation: Mapping[str, Any]) -> Any:
    return np.concatenate([part.ravel() for part in observation.values()])


def _scale_props(model: mujoco.MjModel, factor: float) -> None:
    for body in range(1, model.nbody):
        if not model.body(body).name.startswith("jaco_arm/"):
            model.body_mass[body] *= factor
            model.body_inertia[body] *= factor


# ------------------------------------------------------------------ workplaces


class Workplace:
    """An environment with a compiled model, and every number of that model."""

    def __init__(self, task: str) -> None:
        self.random = np.random.RandomState(0)
        self.env: Any = composer.Environment(
            registry.get_constructor(f"{task}_features")(),
            time_limit=_TIME_LIMIT_S,
            random_state=self.random,
            recompile_mjcf_every_episode=False,
        )
        self.env.add_extra_hook("after_compile", self._compiled)
        self.size = len(_flat(self.env.reset().observation))  # the first reset compiles, as every one of the library's

    def _compiled(self, physics: Any, random: Any) -> None:
        self._numbers = ModelNumbers(physics.model.ptr)

    def restore(self) -> None:
        self._numbers.restore(self.env.physics.model.ptr)


@lru_cache(_KEPT_TASKS)
def idle(task: str) -> list[Workplace]:
    """Workplaces of closed simulators, at most one."""
    return []
