"""Gymnasium-Robotics behind the simulator interface.

Owns how its environments are built once and lent again and again with other parameters, their exact state, and actors
that reach goals. Knows nothing of axes' ranges.

Building one takes up to a second. So `close` undoes what was changed and keeps the environment for the next simulator
of the same task.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from operator import attrgetter
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from env_registry.gymnasium_adapter import GymnasiumSimulator
from env_registry.physics.mujoco_simulator import edit_model
from env_registry.seeding import EpisodeSeeds

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION
_LAGGING = ("xpos", "xquat")
"""Where the last evaluation of the dynamics left bodies; Fetch leads its hand from there."""
_PLACED = ("body_pos", "body_quat", "site_pos")
"""Parts of the model that the library's resets write to."""
_OPTIONS = ("density", "viscosity")
_STATISTICS = ("meaninertia", "meanmass", "meansize", "extent")
_LARGE = ("mesh", "tex", "hfield", "skin", "name", "text", "bvh", "oct", "path")
"""Beginnings of the names of arrays of a model that no edit changes."""
_KEPT = 6  # idle environments; of 1 to 65 MB each


class RoboticsSimulator(GymnasiumSimulator):
    """An environment of the library with other attributes and another model.

    `key` names the task: environments of one key are built alike. `engine` names the attribute that is the Gymnasium
    MuJoCo environment, "" where that is the environment itself. `settings` are values of attributes and `state` names
    those that hold the episode, both by dotted names.
    """

    def __init__(
        self,
        key: str,
        build: Callable[[], Any],
        *,
        engine: str,
        time_limit: int,
        state: tuple[str, ...],
        settings: Mapping[str, Any],
        physics: Mapping[str, float],
    ) -> None:
        self._key = key
        self._lent = _idle.pop(key) if key in _idle else _Built(build(), engine)
        super().__init__(self._lent.env, time_limit=time_limit, state=state)
        self._settings = {name: _get(self.env, name) for name in settings}
        self._fresh = self.save_env()
        for name, value in settings.items():
            _put(self.env, name, value)
        if physics:
            edit_model(self._lent.engine.model, physics)
        self.step_ms = 1e3 * self._lent.engine.dt

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self.load_env(self._fresh)
        return super().reset(seeds)

    def save_env(self) -> dict[str, Any]:
        """Integration state, what the next step reads beside it, what resets write into the model, and attributes."""
        model, data, env = self._lent.engine.model, self._lent.engine.data, self.env
        integration = np.empty(mujoco.mj_stateSize(model, _STATE))
        mujoco.mj_getState(model, data, integration, _STATE)
        assert self._state is not None
        return {
            "integration": integration,
            "lagging": {name: getattr(data, name).copy() for name in _LAGGING},
            "placed": {name: getattr(model, name).copy() for name in _PLACED},
            "attributes": {name: _plain(_get(env, name)) for name in self._state if _has(env, name)},
            "rng": self._lent.engine.np_random.bit_generator.state,
        }

    def load_env(self, state: dict[str, Any]) -> None:
        engine = self._lent.engine
        mujoco.mj_setState(engine.model, engine.data, state["integration"], _STATE)
        for name, value in state["lagging"].items():
            getattr(engine.data, name)[:] = value
        for name, value in state["placed"].items():
            getattr(engine.model, name)[:] = value
        for name, value in state["attributes"].items():
            known = _get(self.env, name) if _has(self.env, name) else None
            _put(self.env, name, set(value) if isinstance(known, set) else deepcopy(value))
        engine.np_random.bit_generator.state = state["rng"]

    def close(self) -> None:
        """Give the environment back as it was. The simulator is of no use afterwards."""
        self.load_env(self._fresh)
        for name, value in self._settings.items():
            _put(self.env, name, value)
        self._lent.restore_model()
        _idle[self._key] = self._lent
        if len(_idle) > _KEPT:
            _idle.popitem(last=False)
        del self.env, self._lent, self._step_env


class _Built:
    """An environment and all of its model that edits may change."""

    def __init__(self, env: Any, engine: str) -> None:
        self.env = env
        self.engine = _get(env, engine) if engine else env
        model = self.engine.model
        self._arrays = {name: array.copy() for name, array in _arrays(model)}
        self._options = {name: getattr(model.opt, name) for name in _OPTIONS}
        self._vectors = {name: getattr(model.opt, name).copy() for name in ("gravity", "wind")}
        self._statistics = {name: getattr(model.stat, name) for name in _STATISTICS}
        self._centre = model.stat.center.copy()
        leaked = getattr(env, "tmp_xml_file_path", None)
        if leaked:
            Path(leaked).unlink()  # mazes are compiled from files that the library leaves behind

    def restore_model(self) -> None:
        model = self.engine.model
        for name, array in self._arrays.items():
            getattr(model, name)[:] = array
        for name, value in self._options.items():
            setattr(model.opt, name, value)
        for name, array in self._vectors.items():
            getattr(model.opt, name)[:] = array
        for name, value in self._statistics.items():
            setattr(model.stat, name, value)
        model.stat.center[:] = self._centre


_idle: OrderedDict[str, _Built] = OrderedDict()


def _arrays(model: mujoco.MjModel) -> Iterator[tuple[str, NDArray[Any]]]:
    for name in dir(model):
        if not name.startswith(("_", *_LARGE)):
            value = getattr(model, name)
            if isinstance(value, np.ndarray) and value.size:
                yield name, value


# ------------------------------------------------------------------ attributes by dotted names


def _get(env: Any, name: str) -> Any:
    return attrgetter(name)(env)


def _has(env: Any, name: str) -> bool:
    owner, _, attribute = name.rpartition(".")
    return hasattr(_get(env, owner) if owner else env, attribute)


def _put(env: Any, name: str, value: Any) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(_get(env, owner) if owner else env, attribute, value)


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else deepcopy(value)


# ------------------------------------------------------------------ actors

_HOVER = np.array([0.0, 0.0, 0.1])  # m
_GRIPPED = 0.06  # m between the fingers around an object
_GAIN = 12.0  # of a full action a metre away
_OPEN, _CLOSE = 1.0, -1.0


def reach(observation: Any, rng: np.random.Generator) -> Any:
    """Fetch's hand goes to the goal."""
    return _lead(observation["desired_goal"] - observation["achieved_goal"], _OPEN)


def pick(observation: Any, rng: np.random.Generator) -> Any:
    """Fetch's hand goes over the object, down, grips it and carries it to the goal."""
    hand, thing, width = (
        observation["observation"][:3],
        observation["observation"][3:6],
        observation["observation"][9:11],
    )
    offset = thing - hand
    if np.linalg.norm(offset[:2]) > 0.02:
        return _lead(offset + _HOVER, _OPEN)
    if offset[2] < -0.012:
        return _lead(offset, _OPEN)
    if width.sum() > _GRIPPED:
        return _lead(0 * offset, _CLOSE)
    return _lead(observation["desired_goal"] - thing, _CLOSE)


def push(observation: Any, rng: np.random.Generator) -> Any:
    """Fetch's closed hand goes behind the object and then through it towards the goal."""
    hand, thing = observation["observation"][:3], observation["observation"][3:6]
    way = observation["desired_goal"] - thing
    way[2] = 0.0
    way /= max(float(np.linalg.norm(way)), 1e-9)
    behind = thing - 0.09 * way - hand
    offset = thing - hand
    aside = float(np.linalg.norm(offset[:2] - (offset @ way) * way[:2]))
    if aside < 0.02 and offset @ way > 0 and abs(offset[2]) < 0.03:
        return _lead(way / _GAIN, _CLOSE)
    if np.linalg.norm(behind[:2]) > 0.02:
        return _lead(behind + _HOVER, _CLOSE)
    return _lead(behind, _CLOSE)


def _lead(offset: NDArray[np.float64], gripper: float) -> NDArray[np.float32]:
    return np.clip([*(_GAIN * offset), gripper], -1, 1).astype(np.float32)


def through_maze(maze: Any) -> Callable[[Any, np.random.Generator], Any]:
    """A point goes from cell to cell on a shortest way to the goal."""

    def act(observation: Any, rng: np.random.Generator) -> Any:
        position, goal = observation["achieved_goal"], observation["desired_goal"]
        here, there = (tuple(maze.cell_xy_to_rowcol(place)) for place in (position, goal))
        step = _distances(maze.maze_map, there)
        near = [cell for cell in _neighbours(here) if step.get(cell, len(step)) < step.get(here, 0)]
        target = maze.cell_rowcol_to_xy(np.array(near[0])) if near else goal
        return np.clip(5 * (target - position) - observation["observation"][2:4], -1, 1).astype(np.float32)

    return act


def _neighbours(cell: tuple[int, ...]) -> list[tuple[int, int]]:
    row, column = cell
    return [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]


def _distances(maze_map: list[list[Any]], goal: tuple[int, ...]) -> dict[tuple[int, ...], int]:
    """Steps to the goal from every free cell."""
    found = {goal: 0}
    open_cells = deque([goal])
    while open_cells:
        cell = open_cells.popleft()
        for row, column in _neighbours(cell):
            if (row, column) not in found and maze_map[row][column] != 1:
                found[row, column] = found[cell] + 1
                open_cells.append((row, column))
    return found
