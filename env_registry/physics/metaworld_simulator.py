"""Meta-World's Sawyer tasks behind the simulator interface.

Owns how a task's class of the library is made quickly, seeded publicly and freed of what episodes leave behind. Knows
nothing of axes' ranges.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import copy, deepcopy
from functools import cache, lru_cache
from typing import Any

import gymnasium
import mujoco
import numpy as np
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.policies import ENV_POLICY_MAP

from env_registry.family import Actor
from env_registry.physics.mujoco_simulator import MujocoSimulator
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Simulator

SUCCESS = "success"
"""Beside the library's reward functions: 1 for a step after which the task counts as done, else 0."""

_LIBRARY_REWARD = "v2"
_THE_LIBRARYS = -1  # the environment truncates of itself
_POSITIONS = ("body_pos", "site_pos")
"""Parts of the model that the library's resets write to."""
_VIEWED = ("xpos", "site_xpos")
"""Parts of the data of which the library keeps live rows as attributes, such as `init_left_pad`."""
_NOT_STATE = frozenset({"frame_skip", "width", "height", "observation_space"})


class MetaworldSimulator(MujocoSimulator):
    """One of Meta-World's tasks with other objects and goals in every episode, as its seed draws them.

    Actions are 4: the hand's velocity along x, y and z, and the gripper's effort. Observations are 39: 18 numbers of
    hand, gripper and objects, the same of the step before, and the goal's position (zero unless `goal_observable`).
    They are unbounded here: the library clips them to its bounds at steps, but not at resets. `settings` are `reward`,
    `goal_observable`, `frame_skip`, `action_scale` and `spread`.
    """

    env: Any

    def __init__(self, task: str, settings: Mapping[str, Any], physics: Mapping[str, float]) -> None:
        env = _environment_class(task)()
        env.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, env.observation_space.shape, np.float64)
        env.seeded_rand_vec = True
        env._freeze_rand_vec = False
        env._set_task_called = True
        super().__init__(env, time_limit=_THE_LIBRARYS, physics={})
        self.task = task
        self._box = env._random_reset_space.low, env._random_reset_space.high
        self._fresh = self.save_env()
        self.retune(settings, physics)

    def retune(self, arguments: Mapping[str, Any], physics: Mapping[str, float]) -> None:
        env, reward = self.env, arguments["reward"]
        self.load_env(self._fresh)
        attributes = {
            "reward_function_version": _LIBRARY_REWARD if reward == SUCCESS else reward,
            "pays_success": reward == SUCCESS,
            "partially_observable": not arguments["goal_observable"],
            "frame_skip": arguments["frame_skip"],
            "action_scale": arguments["action_scale"],
        }
        super().retune(attributes, physics)
        _shrink(env._random_reset_space, *self._box, arguments["spread"])
        vars(env).pop("sawyer_observation_space", None)  # cached, for a goal that was seen or not
        self._fresh = self.save_env()

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self.load_env(self._fresh)
        mujoco.mj_forward(self.env.model, self.env.data)
        return super().reset(seeds)

    def save_env(self) -> dict[str, Any]:
        """Integration state, the positions of bodies and sites that resets set, and the attributes of the task."""
        env = self.env
        return {
            "physics": super().save_env(),
            "positions": {name: getattr(env.model, name).copy() for name in _POSITIONS},
            "attributes": {
                name: _plain(value, env.data) for name, value in vars(env).items() if _is_state(name, value)
            },
        }

    def load_env(self, state: dict[str, Any]) -> None:
        env = self.env
        super().load_env(state["physics"])
        for name, value in state["positions"].items():
            getattr(env.model, name)[:] = value
        for name, value in state["attributes"].items():
            setattr(env, name, _lively(value, env.data))


def witness(simulator: Simulator) -> Actor:
    """The library's scripted policy of the task."""
    assert isinstance(simulator, MetaworldSimulator)
    scripted: type[Any] = ENV_POLICY_MAP[f"{simulator.task}-v3"]
    policy = scripted()

    def act(observation: Any, rng: np.random.Generator) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it asks for more than an action of 1
            action = policy.get_action(observation)
        return np.clip(action, -1, 1).astype(np.float32)

    return act


# ------------------------------------------------------------------ construction


class _Quick:
    """Before one of the library's classes: a compiled model that is copied, seeds at reset, and pay for success."""

    pays_success = False

    def _initialize_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
        model = copy(_compiled(self.model_name))  # type: ignore[attr-defined]
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, self.width)  # type: ignore[attr-defined]
        model.vis.global_.offheight = max(model.vis.global_.offheight, self.height)  # type: ignore[attr-defined]
        return model, mujoco.MjData(model)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None:
            self.seed(seed)  # type: ignore[attr-defined]
        return super().reset()  # type: ignore[misc]

    def evaluate_state(self, observation: Any, action: Any) -> tuple[float, dict[str, Any]]:
        reward, info = super().evaluate_state(observation, action)  # type: ignore[misc]
        return (float(info["success"]) if self.pays_success else reward), info


@lru_cache(maxsize=4)  # 21 MB each
def _compiled(path: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(path)


@cache
def _environment_class(task: str) -> type[Any]:
    library = ALL_V3_ENVIRONMENTS[f"{task}-v3"]
    return type(library.__name__, (_Quick, library), {})


def _shrink(space: Any, low: Any, high: Any, factor: float) -> None:
    """The library's box where the factor is 1, to the last bit."""
    centre, half = (low + high) / 2, (high - low) / 2
    space.low, space.high = (low, high) if factor == 1 else (centre - factor * half, centre + factor * half)


# ------------------------------------------------------------------ attributes as plain data


def _is_state(name: str, value: Any) -> bool:
    return name not in _NOT_STATE and isinstance(value, (bool, int, float, np.ndarray, dict, type(None)))


def _plain(value: Any, data: mujoco.MjData) -> Any:
    """A copy, or where the value is a live row of the data the name of the array and the number of the row."""
    if isinstance(value, np.ndarray):
        for name in _VIEWED:
            rows = getattr(data, name)
            if np.may_share_memory(value, rows):
                return (name, (value.ctypes.data - rows.ctypes.data) // rows.strides[0])
    return deepcopy(value)


def _lively(value: Any, data: mujoco.MjData) -> Any:
    return getattr(data, value[0])[value[1]] if isinstance(value, tuple) else deepcopy(value)
