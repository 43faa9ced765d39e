"""Gymnasium's MuJoCo tasks stepped on MuJoCo itself: the bits of their own `step`, without its detours in Python.

Owns what the tasks in `TASKS` observe and pay, for one step and for many at once. Models, resets and settings stay the
library's. Contact forces are computed only for tasks that observe or pay for them: MuJoCo's own steps never read them.
`tests/env_registry/physics/test_native_mujoco.py` holds each task to `gymnasium.make`, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, NamedTuple

import mujoco
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv
from gymnasium.envs.mujoco.humanoid_v5 import mass_center
from numpy.typing import NDArray

from env_registry.physics.mujoco_simulator import MujocoSimulator

Numbers = NDArray[Any]


class NativeMujocoSimulator(MujocoSimulator):
    """An environment of a class that `TASKS` names. Infos are empty unless they are asked for; then it steps itself."""

    env: Any
    _informed = False

    def inform(self, wanted: bool) -> None:
        self._informed = wanted

    def __init__(self, env: MujocoEnv, *, time_limit: int, physics: Mapping[str, float]) -> None:
        super().__init__(env, time_limit=time_limit, physics=physics)
        self._task = TASKS[type(env).__name__](env)

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        if self._informed:
            return super().step(action)
        env, task, action = self.env, self._task, np.asarray(action)
        self._check(action.shape)
        before = task.place()
        task.advance(action)
        healthy = task.healthy()
        steps = _Steps(action, np.concatenate(task.views), before, task.place(), healthy, task.forces.copy())
        task.observe(steps)
        terminated, truncated = self._taken(1, ends=not healthy and env._terminate_when_unhealthy)
        return steps.observations, task.pay(steps), terminated, truncated, {}

    def step_block(self, actions: Numbers, observations: Numbers, rewards: Numbers) -> tuple[int, bool, bool]:
        task = self._task
        self._check(actions.shape[1:])
        if self._steps_left > 0:
            actions = actions[: self._steps_left]
        forces = np.empty((len(actions), task.forces.size))
        columns = [*np.split(observations, task.splits, axis=1), forces]
        seen = [(column, view) for column, view in zip(columns, [*task.views, task.forces], strict=True) if view.size]
        advance, place, healthy = task.advance, task.place, task.healthy
        places, fit, ends = [place()], [], False
        for row, action in enumerate(actions):
            advance(action)
            for column, view in seen:
                column[row] = view
            places.append(place())
            if task.falls:
                fit.append(healthy())
                if not fit[row] and self.env._terminate_when_unhealthy:
                    ends = True
                    break
        count = row + 1
        x = np.array(places)
        steps = _Steps(actions[:count], observations[:count], x[:-1], x[1:], np.array(fit), forces[:count])
        task.observe(steps)
        rewards[:count] = task.pay(steps)
        return count, *self._taken(count, ends=ends)

    def _check(self, shape: tuple[int, ...]) -> None:
        expected = self.env.data.ctrl.shape
        if shape != expected:
            raise ValueError(f"an action has the shape {expected}, not {shape}")

    def _taken(self, count: int, *, ends: bool) -> tuple[bool, bool]:
        """Whether these steps ended the episode by their last state, and whether by the time limit."""
        self._steps_left -= count
        over = not self._steps_left
        if ends or over:
            self.actors = ()
        return ends, over


class _Steps(NamedTuple):
    """What was done and found: of one step, or with a row for each of several."""

    actions: Numbers
    observations: Numbers
    before: Any
    after: Any
    healthy: Any
    forces: Numbers


class _Task:
    """HalfCheetahEnv, whose settings are read when they are used: `retune` changes them."""

    skipped = 1
    """Leading positions that an observation may leave out."""
    falls = False
    """Whether some states are unhealthy."""
    feels = False
    """Whether contact forces are observed or paid for."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.model, self.data = env.model, env.data
        self.control = env.data.ctrl
        self.position = env.data.qpos
        self.forces = env.data.cfrc_ext.reshape(-1) if self.feels else np.empty(0)
        self.views = self.seen()
        self.splits = np.cumsum([len(view) for view in self.views])[:-1]

    def advance(self, action: Numbers) -> None:
        self.control[:] = action
        mujoco.mj_step(self.model, self.data, self.env.frame_skip)
        if self.feels:
            mujoco.mj_rnePostConstraint(self.model, self.data)

    def place(self) -> Any:
        """The coordinate in m (float64) of which the reward depends."""
        return self.position[0]

    def healthy(self) -> bool:
        return True

    def seen(self) -> list[Numbers]:
        """Views of the data that one after another are an observation."""
        hidden = self.skipped if self.env._exclude_current_positions_from_observation else 0
        return [self.data.qpos[hidden:], self.data.qvel]

    def observe(self, steps: _Steps) -> None:
        """Change observations in place, and forces, where the library does."""

    def pay(self, steps: _Steps) -> Any:
        return self.forward(steps) - self.effort(steps.actions)

    def forward(self, steps: _Steps) -> Any:
        return self.env._forward_reward_weight * ((steps.after - steps.before) / self.env.dt)

    def effort(self, actions: Numbers) -> Any:
        return self.env._ctrl_cost_weight * _squared(actions)


class _Swimmer(_Task):
    skipped = 2


class _Walker(_Task):
    falls = True

    def healthy(self) -> bool:
        return bool(self.env.is_healthy)

    def observe(self, steps: _Steps) -> None:
        velocity = steps.observations[..., -self.model.nv :]
        velocity.clip(-10, 10, out=velocity)

    def pay(self, steps: _Steps) -> Any:
        return self.forward(steps) + steps.healthy * self.env._healthy_reward - self.effort(steps.actions)


class _Hopper(_Walker):
    def healthy(self) -> bool:
        env = self.env
        _, z, angle, *joints = self.position.tolist()
        low, high = env._healthy_state_range
        return (
            env._healthy_z_range[0] < z < env._healthy_z_range[1]
            and env._healthy_angle_range[0] < angle < env._healthy_angle_range[1]
            and all(low < number < high for number in (angle, *joints, *self.data.qvel.tolist()))
        )


class _Ant(_Task):
    falls = True
    skipped = 2
    feels = True

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.torso = env.data.body(env._main_body).xpos

    def place(self) -> Any:
        return self.torso[0]

    def healthy(self) -> bool:
        low, high = self.env._healthy_z_range
        state = (*self.position.tolist(), *self.data.qvel.tolist())
        return low <= state[2] <= high and all(map(isfinite, state))

    def seen(self) -> list[Numbers]:
        contacts = [self.forces[6:]] if self.env._include_cfrc_ext_in_observation else []  # the first are the world's
        return super().seen() + contacts

    def observe(self, steps: _Steps) -> None:
        steps.forces.clip(*self.env._contact_force_range, out=steps.forces)
        if len(self.views) > 2:
            steps.observations[..., self.splits[1] :] = steps.forces[..., 6:]

    def pay(self, steps: _Steps) -> Any:
        contact = self.env._contact_cost_weight * _squared(steps.forces)
        healthy = steps.healthy * self.env._healthy_reward
        return self.forward(steps) + healthy - (self.effort(steps.actions) + contact)


class _Standup(_Task):
    skipped = 2
    feels = True

    def place(self) -> Any:
        return self.position[2]

    def seen(self) -> list[Numbers]:
        data = self.data
        contacts = [self.forces[6:]] if self.env._include_cfrc_ext_in_observation else []
        more = [data.cinert[1:].reshape(-1), data.cvel[1:].reshape(-1), data.qfrc_actuator[6:]]
        return super().seen() + more + contacts

    def effort(self, actions: Numbers) -> Any:
        return super().effort(actions.astype(np.float64))  # of the controls, which are

    def pay(self, steps: _Steps) -> Any:
        env = self.env
        impact = env._impact_cost_weight * _squared(steps.forces)
        rise = steps.after / self.model.opt.timestep
        return rise - self.effort(steps.actions) - impact.clip(*env._impact_cost_range) + 1


class _Humanoid(_Standup):
    falls = True

    def place(self) -> Any:
        return mass_center(self.model, self.data)[0]  # type: ignore[no-untyped-call]

    def healthy(self) -> bool:
        return bool(self.env.is_healthy)

    def pay(self, steps: _Steps) -> Any:
        env = self.env
        contact = env._contact_cost_weight * _squared(steps.forces)
        costs = self.effort(steps.actions) + contact.clip(*env._contact_cost_range)
        return self.forward(steps) + steps.healthy * env._healthy_reward - costs


def _squared(numbers: Numbers) -> Any:
    """The sum of a step's squares, added in the library's order."""
    return np.add.reduce(np.square(numbers), axis=-1)


TASKS: Mapping[str, Callable[[Any], _Task]] = {
    "HalfCheetahEnv": _Task,
    "SwimmerEnv": _Swimmer,
    "Walker2dEnv": _Walker,
    "HopperEnv": _Hopper,
    "AntEnv": _Ant,
    "HumanoidStandupEnv": _Standup,
    "HumanoidEnv": _Humanoid,
}
"""By the name of Gymnasium's class. Other classes step themselves."""
