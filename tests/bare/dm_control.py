"""dm_control's own environments, in the loop that its readme shows: `suite.load`, `reset`, `step`."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np

with warnings.catch_warnings():  # of no display
    warnings.simplefilter("ignore")
    from dm_control import manipulation, suite
    from dm_control.suite import quadruped


class _NoDisplay(quadruped.Physics):
    """One task uploads its terrain to a display at every reset, and opens one for that. This machine may have none."""

    contexts = None


quadruped.Physics = _NoDisplay


class SuiteLoop:
    """A task of the suite. As the suite takes its seed with the task, every reset loads the task anew."""

    def __init__(self, domain: str, task: str, *, load: str | None = None, **task_kwargs: Any) -> None:
        self._call = (domain, load or task)
        self._task_kwargs = task_kwargs

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.env = suite.load(
            *self._call,
            task_kwargs={"random": seed, **self._task_kwargs},
            environment_kwargs={"flat_observation": True},
        )
        with warnings.catch_warnings():  # the quadruped looks up its sensors with a function that numpy deprecates
            warnings.simplefilter("ignore", DeprecationWarning)
            return self.env.reset().observation["observations"], {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        answer = self.env.step(action)
        over = answer.last()
        return (
            answer.observation["observations"],
            answer.reward,
            over and not answer.discount,
            over and answer.discount,
            {},
        )


class ManipulationLoop(SuiteLoop):
    """A manipulation task. Every reset compiles its model anew."""

    def __init__(self, task: str) -> None:
        self._task = task

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.env = manipulation.load(f"{self._task}_features", seed=seed)
        return _flat(self.env.reset().observation), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        answer = self.env.step(action)
        over = answer.last()
        return _flat(answer.observation), answer.reward, over and not answer.discount, over and answer.discount, {}


def _flat(observation: Any) -> Any:
    return np.concatenate([part.ravel() for part in observation.values()])


# The suite sets no time limit for LQR: 1000 steps of 0.03 s.
BARE = {
    "dm_control/acrobot": partial(SuiteLoop, "acrobot", "swingup"),
    "dm_control/ball_in_cup": partial(SuiteLoop, "ball_in_cup", "catch"),
    "dm_control/cartpole": partial(SuiteLoop, "cartpole", "balance"),
    "dm_control/cheetah": partial(SuiteLoop, "cheetah", "run"),
    "dm_control/dog": partial(SuiteLoop, "dog", "stand"),
    "dm_control/finger": partial(SuiteLoop, "finger", "spin"),
    "dm_control/fish": partial(SuiteLoop, "fish", "upright"),
    "dm_control/hopper": partial(SuiteLoop, "hopper", "stand"),
    "dm_control/humanoid": partial(SuiteLoop, "humanoid", "stand"),
    "dm_control/humanoid_cmu": partial(SuiteLoop, "humanoid_CMU", "stand"),
    "dm_control/lqr": partial(SuiteLoop, "lqr", "lqr_2_1", time_limit=30),
    "dm_control/manipulator": partial(SuiteLoop, "manipulator", "bring_ball"),
    "dm_control/pendulum": partial(SuiteLoop, "pendulum", "swingup"),
    "dm_control/point_mass": partial(SuiteLoop, "point_mass", "easy"),
    "dm_control/quadruped": partial(SuiteLoop, "quadruped", "walk"),
    "dm_control/reacher": partial(SuiteLoop, "reacher", "easy"),
    "dm_control/stacker": partial(SuiteLoop, "stacker", "stack_2"),
    "dm_control/swimmer": partial(SuiteLoop, "swimmer", "swimmer6"),
    "dm_control/walker": partial(SuiteLoop, "walker", "stand"),
    "dm_manipulation/jaco": partial(ManipulationLoop, "reach_site"),
}
