"""Robots whose joints belong to several agents: Gymnasium-Robotics' MaMuJoCo behind the simulator interface.

Owns how a robot's single-agent environment becomes a multi-agent one, and its exact state. Knows nothing of axes'
ranges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mujoco
from gymnasium.envs.mujoco.ant_v5 import AntEnv
from gymnasium.envs.mujoco.swimmer_v5 import SwimmerEnv
from gymnasium.wrappers import TimeLimit
from gymnasium_robotics.envs.multiagent_mujoco import mujoco_multi, obsk
from gymnasium_robotics.envs.multiagent_mujoco.coupled_half_cheetah import CoupledHalfCheetahEnv

from env_registry.physics.mujoco_simulator import MujocoSimulator
from env_registry.social.pettingzoo_simulators import ParallelSimulator

Groups = Sequence[Sequence[int]]
"""For each agent, its joints by the numbers of their motors."""


class MultiAgentMujocoSimulator(ParallelSimulator):
    """A robot whose agents each move some of its joints and see those joints and their neighbours.

    Actions and observations of an agent are vectors; all agents get the same reward and leave together. `scenario` and
    `factorisation` are the library's, or `groups` tell who moves what; see the library for `local_categories` (one list
    for each distance from the agent's joints, from 0) and `global_categories`.
    """

    def __init__(
        self,
        robot: MujocoSimulator,
        *,
        time_limit: int,
        scenario: str,
        factorisation: str,
        groups: Groups | None,
        local_categories: list[list[str]],
        global_categories: tuple[str, ...],
    ) -> None:
        self._robot = robot
        self.step_ms = robot.step_ms
        self._limit = TimeLimit(robot.env, max_episode_steps=time_limit)
        multi = mujoco_multi.MultiAgentMujocoEnv(
            scenario,
            factorisation,
            agent_obsk=len(local_categories) - 1,
            agent_factorization=None if groups is None else _factorisation(scenario, factorisation, groups),
            local_categories=local_categories,
            global_categories=global_categories,
            gym_env=self._limit,
        )
        for seen in multi.k_dicts:
            _order(seen)
        super().__init__(lambda: multi)

    def retune(self, arguments: Mapping[str, Any], physics: Mapping[str, float]) -> None:
        """The robot's, as for one agent."""
        self._robot.retune(arguments, physics)
        self.step_ms = self._robot.step_ms

    def save(self) -> dict[str, Any]:
        return {
            "robot": self._robot.save_env(),
            "rng": self._robot.env.np_random.bit_generator.state,
            "steps": self._limit._elapsed_steps,
            "acting": bool(self.actors),
        }

    def load(self, state: dict[str, Any]) -> None:
        self._robot.load_env(state["robot"])
        self._robot.env.np_random.bit_generator.state = state["rng"]
        self._limit._elapsed_steps = state["steps"]
        self._env.agents = list(self.agents) if state["acting"] else []
        self.actors = tuple(self._env.agents)


def _order(seen: dict[int, list[obsk.Node]]) -> None:
    """The library sorts joints by name and leaves those of one name, which the pusher has, in the order of their
    addresses in memory; here the joint's number decides."""
    for joints in seen.values():
        joints.sort(key=lambda joint: (joint.label, joint.act_ids))


def _factorisation(scenario: str, any_of_the_librarys: str, groups: Groups) -> dict[str, Any]:
    parts, edges, root = obsk.get_parts_and_edges(scenario, any_of_the_librarys)
    joints = {joint.act_ids: joint for part in parts for joint in part}
    partition = [tuple(joints[number] for number in group) for group in groups]
    return {"partition": partition, "edges": edges, "globals": root}


# ------------------------------------------------------------------ robots that Gymnasium does not have


class _Segments:
    """Before a class of Gymnasium: a model with as many segments as asked for, which is compiled once."""

    template: str
    segments: int

    def _initialize_simulation(self) -> tuple[mujoco.MjModel, mujoco.MjData]:
        model = copy(_segmented(self.template, self.segments))
        return model, mujoco.MjData(model)


class _ManySegmentAnt(_Segments, AntEnv):
    template = "many_segment_ant"


class _ManySegmentSwimmer(_Segments, SwimmerEnv):
    template = "many_segment_swimmer"


@lru_cache(maxsize=16)
def _segmented(template: str, segments: int) -> mujoco.MjModel:
    generator = import_module(f"gymnasium_robotics.envs.multiagent_mujoco.{template}")
    with TemporaryDirectory() as folder:  # the library writes into its own, where two processes would meet
        path = str(Path(folder) / "model.xml")
        generator.gen_asset(n_segs=segments, asset_path=path)
        return mujoco.MjModel.from_xml_path(path)


def segmented(
    template: str, segments: int, arguments: Mapping[str, Any], physics: Mapping[str, float]
) -> MujocoSimulator:
    """An ant or swimmer of many segments."""
    environment = _ManySegmentAnt if template == _ManySegmentAnt.template else _ManySegmentSwimmer
    sized = type(environment.__name__, (environment,), {"segments": segments})
    return MujocoSimulator(sized(**arguments), time_limit=-1, physics=physics)


def coupled_half_cheetah(settings: Mapping[str, Any], physics: Mapping[str, float]) -> MujocoSimulator:
    """Two half-cheetahs on a tendon; the library's class has attributes where others have arguments."""
    robot = MujocoSimulator(CoupledHalfCheetahEnv(), time_limit=-1, physics={})
    robot.retune(settings, physics)
    return robot
