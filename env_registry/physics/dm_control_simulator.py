"""DeepMind's Control Suite behind the simulator interface.

Owns how a task of the suite is made quickly, seeded and stepped, and its exact state. A model is compiled once for each
structure; simulators that were closed hand it on, with every number as the compiler left it. Knows nothing of axes'
ranges.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeAlias

import gymnasium
import mujoco
import numpy as np

with warnings.catch_warnings():  # dm_control looks for a display, and one of its ways to look complains of none
    warnings.simplefilter("ignore")
    from dm_control.rl.control import PhysicsError
    from dm_control.suite import common, lqr

from env_registry.physics.module_variants import variant
from env_registry.physics.mujoco_simulator import ModelNumbers, edit_model
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT, Agent, Kind, Simulator

Physics: TypeAlias = Any  # dm_control.mujoco.Physics and its subclasses
Task: TypeAlias = Any  # dm_control.suite.base.Task and its subclasses

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION
_KEPT_STAGES = 4
_STIFFNESS = (15, 25)  # N/m, of the springs of the suite's LQR
_ACTING: Sequence[Agent] = (SINGLE_AGENT,)
_OVER: Sequence[Agent] = ()


class DmControlSimulator(Simulator):
    """A task of the suite on a physics of its own, in episodes of at most `time_limit` steps.

    Observations are the task's observations in its own order, flat: Box float64. Actions are the task's: Box float64,
    bounded by `action_limit` too. `attributes` of the task replace those of its class. `physics` is edits by name and
    `target` a geom or site to be scaled (kind, name, factor). `touched` names the parts of the model that the task sets
    at the start of an episode; they are as before the first one whenever an episode starts. `draw` changes the model at
    the start of an episode, from the task's random numbers. Where the physics diverges the episode terminates with
    reward 0, as in dm_control's composer.
    """

    kind = Kind.SINGLE
    agents = (SINGLE_AGENT,)

    def __init__(
        self,
        stage: Stage,
        task_class: type[Task],
        arguments: Mapping[str, Any],
        *,
        attributes: Mapping[str, Any],
        physics: Mapping[str, float],
        target: tuple[str, str, float] | None,
        substeps: int,
        time_limit: int,
        action_limit: float,
        touched: Sequence[str] = (),
        draw: Callable[[Physics, np.random.RandomState], None] | None = None,
    ) -> None:
        self._stage: Stage | None = stage
        self._random = np.random.RandomState(0)
        self.task = task_class(**arguments, random=self._random)
        self.task.__dict__.update(attributes)
        self.physics = stage.lend()
        if physics:
            edit_keeping_size(self.physics.model.ptr, physics)
        if target is not None:
            _resize(self.physics, *target)
        self._substeps = substeps
        self._time_limit = time_limit
        self._draw = draw
        self._touched = [(view := getattr(self.physics.model, name), view.copy()) for name in touched]
        self.actors = _OVER
        self._steps_left = 0
        observed = f"{task_class.__name__}{arguments}"
        size = stage.sizes.get(observed)
        if size is None:
            with warnings.catch_warnings():  # the quadruped looks up its sensors with a function that numpy deprecates
                warnings.simplefilter("ignore", DeprecationWarning)
                size = stage.sizes[observed] = len(self.reset(EpisodeSeeds.of(0)))
            self._untouch()
            self.actors = _OVER
        bounds = self.task.action_spec(self.physics)
        low, high = (np.clip(bound, -action_limit, action_limit) for bound in (bounds.minimum, bounds.maximum))
        self.observation_spaces = {SINGLE_AGENT: gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float64)}
        self.action_spaces = {SINGLE_AGENT: gymnasium.spaces.Box(low, high, bounds.shape, np.float64)}

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self._untouch()
        self._random.seed(seeds.environment)
        if self._draw is not None:
            self._draw(self.physics, self._random)
        with self.physics.reset_context():
            self.task.initialize_episode(self.physics)
        self._steps_left = self._time_limit
        self.actors = _ACTING
        return self._observe()

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        task, physics = self.task, self.physics
        self._steps_left -= 1
        try:
            task.before_step(action, physics)
            physics.step(self._substeps)
            task.after_step(physics)
            reward = task.get_reward(physics)
            over = task.get_termination(physics) is not None
        except PhysicsError:
            reward, over = 0.0, True
        truncated = not self._steps_left
        if over or truncated:
            self.actors = _OVER
        return self._observe(), reward, over and not truncated, truncated, {}

    def save(self) -> dict[str, Any]:
        model, data = self.physics.model.ptr, self.physics.data.ptr
        state = np.empty(mujoco.mj_stateSize(model, _STATE))
        mujoco.mj_getState(model, data, state, _STATE)
        return {
            "integration": state,
            "model": [view.copy() for view, _ in self._touched],
            "task": {name: deepcopy(value) for name, value in vars(self.task).items() if name != "_random"},
            "steps_left": self._steps_left,
            "acting": bool(self.actors),
        }

    def load(self, state: dict[str, Any]) -> None:
        for (view, _), saved in zip(self._touched, state["model"], strict=True):
            view[:] = saved
        model, data = self.physics.model.ptr, self.physics.data.ptr
        mujoco.mj_setState(model, data, state["integration"], _STATE)
        mujoco.mj_step1(model, data)  # dm_control's steps begin in the middle of MuJoCo's
        self.task.__dict__.update(deepcopy(state["task"]))
        self._steps_left = state["steps_left"]
        self.actors = _ACTING if state["acting"] else _OVER

    def close(self) -> None:
        if self._stage is not None:
            self._stage.take_back(self.physics)
            self._stage = None

    def _untouch(self) -> None:
        for view, start in self._touched:
            view[:] = start

    def _observe(self) -> Any:
        parts = self.task.get_observation(self.physics).values()
        return np.concatenate([part.ravel() for part in parts])


def _resize(physics: Physics, kind: str, name: str, factor: float) -> None:
    """Scale a geom or site, if the model has it. It must be one that nothing collides with."""
    element = mujoco.mj_name2id(physics.model.ptr, getattr(mujoco.mjtObj, f"mjOBJ_{kind.upper()}"), name)
    if element >= 0:
        getattr(physics.model, f"{kind}_size")[element] *= factor


# ------------------------------------------------------------------ compiled models


def edit_keeping_size(model: mujoco.MjModel, physics: Mapping[str, float]) -> None:
    """Edits, but for the extent that a model's file declares for viewers: `mj_setConst` would measure it anew."""
    size = model.stat.extent, model.stat.meansize, model.stat.center.copy()
    edit_model(model, physics)
    model.stat.extent, model.stat.meansize, model.stat.center[:] = size


@dataclass
class Stage:
    """A compiled model with its data, lent to one simulator at a time; copied when more of them live at once."""

    compiled: Physics
    sizes: dict[str, int] = field(default_factory=dict)  # of observations, by the task and its arguments

    def __post_init__(self) -> None:
        self._idle = [self.compiled]
        self._numbers = ModelNumbers(self.compiled.model.ptr)

    def lend(self) -> Physics:
        physics = self._idle.pop() if self._idle else self.compiled.copy()
        self._numbers.restore(physics.model.ptr)
        return physics

    def take_back(self, physics: Physics) -> None:
        if not self._idle:
            self._idle.append(physics)


@lru_cache(_KEPT_STAGES)
def stage(module: str, function: str, structure: tuple[tuple[str, Any], ...]) -> Stage:
    """The stage of a module of the suite, from its function that writes the model and that function's arguments."""
    domain = import_module(module)
    write = _springs if domain is lqr else getattr(domain, function)
    found = write(**dict(structure))
    xml, assets = found if isinstance(found, tuple) else (found, common.ASSETS)
    return Stage(_without_pictures(domain.Physics).from_xml_string(xml, assets))


def _without_pictures(physics: type[Physics]) -> type[Physics]:
    """A physics that opens no display of itself: one task would at every reset, to show its terrain."""
    return type("Physics", (physics,), {"contexts": property(lambda self: self._contexts)})


def _springs(n_actuators: int, n_passive: int) -> Any:
    return lqr.get_model_and_assets(n_actuators + n_passive, n_actuators, random=np.random.RandomState(0))


def draw_springs(physics: Physics, random: np.random.RandomState, *, factor: float) -> None:
    """What the suite's LQR draws while it writes its model: springs, and dampers that are always 0."""
    for joint in range(physics.model.njnt):
        physics.model.jnt_stiffness[joint] = factor * random.uniform(*_STIFFNESS)
        random.uniform(0, 0)


def task_class(module: str, name: str, constants: Mapping[str, Any]) -> type[Task]:
    """A task of a module of the suite, with other constants of that module."""
    domain = variant(module, constants) if constants else import_module(module)
    found: type[Task] = getattr(domain, name)
    return found
