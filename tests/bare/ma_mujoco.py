"""MaMuJoCo through its own constructor, and with factorisations of ours through its documented argument for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from gymnasium_robotics.envs.multiagent_mujoco.mujoco_multi import parallel_env
from gymnasium_robotics.envs.multiagent_mujoco.obsk import get_parts_and_edges

from tests.bare.social import Episode, JointActions, _parallel


def _episode(
    scenario: str,
    seed: int,
    actions: JointActions,
    *,
    agent_conf: str,
    groups: Sequence[Sequence[str]] | None = None,
    **arguments: Any,
) -> Episode:
    """`groups` has the names of each agent's joints."""
    if groups is not None:
        parts, edges, root = get_parts_and_edges(scenario, agent_conf)
        joints = {joint.label: joint for part in parts for joint in part}
        partition = [tuple(joints[name] for name in group) for group in groups]
        arguments["agent_factorization"] = {"partition": partition, "edges": edges, "globals": root}
    env = parallel_env(scenario, agent_conf, **arguments)
    if scenario == "Pusher":  # whose joints share names; the library leaves those in the order of their addresses
        for seen in env.k_dicts:
            for near in seen.values():
                near.sort(key=lambda joint: (joint.label, joint.act_ids))
    return _parallel(env, seed, actions)


_DEFAULTS = {
    "ant": ("Ant", "4x2"),
    "coupled_half_cheetah": ("CoupledHalfCheetah", "1p1"),
    "half_cheetah": ("HalfCheetah", "2x3"),
    "hopper": ("Hopper", "3x1"),
    "humanoid": ("Humanoid", "9|8"),
    "humanoid_standup": ("HumanoidStandup", "9|8"),
    "many_segment_ant": ("ManySegmentAnt", "2x1"),
    "many_segment_swimmer": ("ManySegmentSwimmer", "4x2"),
    "pusher": ("Pusher", "3p"),
    "reacher": ("Reacher", "2x1"),
    "swimmer": ("Swimmer", "2x1"),
    "walker2d": ("Walker2d", "2x3"),
}

BARE: dict[str, Callable[..., Episode]] = {
    f"ma_mujoco/{name}": partial(_episode, scenario, agent_conf=conf) for name, (scenario, conf) in _DEFAULTS.items()
}
