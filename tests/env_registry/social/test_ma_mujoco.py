"""MaMuJoCo: equal to the library's own loop, alike at any time and in any process, and stable in its corners."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from env_registry.axes import Axis
from env_registry.family import Family
from env_registry.packing import pack, unpack
from env_registry.physics.mujoco_simulator import EDITS
from env_registry.probe import random_action
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Simulator
from env_registry.social.ma_mujoco import FAMILIES
from tests.bare.ma_mujoco import BARE
from tests.bare.social import Episode

ROOT = Path(__file__).parents[3]
by_name = {family.name: family for family in FAMILIES}
every_family = pytest.mark.parametrize("family", FAMILIES, ids=by_name)
TASKS = [
    (family, choice)
    for family in FAMILIES
    for choice in getattr(family.axis("factorisation"), "choices", (None,))  # None: there is one only
]
every_task = pytest.mark.parametrize(("family", "factorisation"), TASKS, ids=[f"{f.name}-{c}" for f, c in TASKS])

# (family, values, the library's own arguments)
VARIANTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ant", {"factorisation": "2x4d", "agent_obsk": 0}, {"agent_conf": "2x4d", "agent_obsk": 0}),
    (
        "ant",
        {"factorisation": "hips-ankles", "reset_noise_scale": 0.02},
        {
            "groups": [["hip4", "hip1", "hip2", "hip3"], ["ankle4", "ankle1", "ankle2", "ankle3"]],
            "reset_noise_scale": 0.02,
        },
    ),
    (
        "half_cheetah",
        {"factorisation": "6x1", "agent_obsk": 2, "neighbour_velocities": True},
        {"agent_conf": "6x1", "agent_obsk": 2, "local_categories": [["qpos", "qvel"]] * 3},
    ),
    ("half_cheetah", {"globals_observable": False, "frame_skip": 3}, {"global_categories": (), "frame_skip": 3}),
    (
        "walker2d",
        {"factorisation": "3x2"},
        {
            "groups": [
                ["thigh_joint", "thigh_left_joint"],
                ["leg_joint", "leg_left_joint"],
                ["foot_joint", "foot_left_joint"],
            ]
        },
    ),
    ("many_segment_swimmer", {"agents": 3, "segments": 1}, {"agent_conf": "3x1"}),
    (
        "many_segment_ant",
        {"agents": 2, "segments": 2, "ctrl_cost_weight": 0.1},
        {"agent_conf": "2x2", "ctrl_cost_weight": 0.1},
    ),
]


def build(family: Family, **values: Any) -> Simulator:
    return family.make({axis.name: axis.default for axis in family.axes} | values)


def built(family: Family, factorisation: str | None) -> Simulator:
    return build(family, **({} if factorisation is None else {"factorisation": factorisation}))


def played(simulator: Simulator, seed: int, count: int) -> tuple[Episode, list[dict[str, Any]]]:
    """Up to `count` random steps of one episode, and the actions."""
    rng = np.random.default_rng(seed)
    episode = Episode(simulator.agents)
    taken: list[dict[str, Any]] = []
    episode.see(simulator.reset(EpisodeSeeds.of(seed)))
    while simulator.actors and len(taken) < count:
        episode.order.append(tuple(simulator.actors))
        taken.append(random_action(simulator, rng))
        observations, rewards, terminations, truncations, _ = simulator.step(taken[-1])
        episode.see(observations)
        for agent in rewards:
            episode.get(agent, rewards[agent], terminations[agent], truncations[agent])
    return episode, taken


def bits(episode: Episode) -> bytes:
    return pack([episode.order, episode.columns])


@every_family
def test_the_default_equals_the_bare_loop_over_a_whole_episode(family: Family) -> None:
    simulator = build(family)
    assert isinstance(family.horizon, int)
    ours, taken = played(simulator, 0, family.horizon + 1)
    assert not simulator.actors
    assert len(taken) <= family.horizon
    assert bits(ours) == bits(BARE[family.name](0, taken))


@pytest.mark.parametrize(("name", "values", "arguments"), VARIANTS)
def test_other_parameters_equal_the_librarys_own_arguments(
    name: str, values: dict[str, Any], arguments: dict[str, Any]
) -> None:
    simulator = build(by_name[f"ma_mujoco/{name}"], **values)
    for seed in (1, 2):
        ours, taken = played(simulator, seed, 60)
        assert bits(ours) == bits(BARE[f"ma_mujoco/{name}"](seed, taken, **arguments))


@every_task
def test_used_equals_fresh_other_seeds_differ_and_the_state_is_exact(family: Family, factorisation: str | None) -> None:
    used = built(family, factorisation)
    played(used, 3, 30)
    ours, _ = played(used, 5, 20)
    assert bits(ours) == bits(played(built(family, factorisation), 5, 20)[0])
    assert bits(ours) != bits(played(used, 6, 20)[0])
    played(used, 7, 9)
    state = unpack(pack(used.save()))
    branches = [used, built(family, factorisation)]
    branches[1].load(state)
    first, second = (rest(branch) for branch in branches)
    assert first == second
    used.load(state)
    assert rest(used) == first


def rest(simulator: Simulator) -> bytes:
    rng = np.random.default_rng(7)
    answers: list[Any] = []
    while simulator.actors and len(answers) < 25:
        answers.append(simulator.step(random_action(simulator, rng))[:4])
    return pack(answers)


@every_task
def test_every_joint_has_one_agent_and_observations_fit(family: Family, factorisation: str | None) -> None:
    simulator: Any = built(family, factorisation)
    parts = simulator._env.agent_action_partitions
    joints = sorted(joint.act_ids for part in parts for joint in part)
    assert joints == list(range(simulator._robot.env.model.nu))
    assert len(parts) == len(simulator.agents) >= 2
    for agent, seen in simulator.reset(EpisodeSeeds.of(0)).items():
        assert simulator.observation_spaces[agent].contains(seen)


@every_family
def test_corners_of_the_ranges_run_without_warnings_of_the_engine(family: Family) -> None:
    rng = random.Random(family.name)
    for seed in range(4):
        simulator: Any = build(family, **{axis.name: corner(axis, rng) for axis in family.axes})
        episode, _ = played(simulator, seed, 25)
        columns = episode.columns.values()
        assert all(np.isfinite(each["rewards"]).all() for each in columns)
        assert all(np.isfinite(each["observations"]).all() for each in columns)
        assert sum(int(warning.number) for warning in simulator._robot.env.data.warning) == 0


def corner(axis: Axis, rng: random.Random) -> Any:
    if axis.python_type is bool:
        return rng.random() < 0.5
    schema = axis.schema()
    return rng.choice(schema["choices"] if axis.python_type is str else [schema["low"], schema["high"]])


def test_edits_reach_robots_that_gymnasium_does_not_have() -> None:
    for name in ("coupled_half_cheetah", "many_segment_ant"):
        family = by_name[f"ma_mujoco/{name}"]
        default: Any = build(family)
        for axis in family.axes:
            if axis.name in EDITS:
                edited: Any = build(family, **{axis.name: axis.levels[0]})
                changed = pack(played(default, 1, 15)[0].columns) != pack(played(edited, 1, 15)[0].columns)
                assert changed or axis.name == "stiffness_scale", axis.name


def test_two_processes_with_different_hash_seeds_give_the_same_bits() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for hash_seed in ("1", "2")
    ]
    first, second = (json.loads(process.communicate()[0].splitlines()[-1]) for process in processes)
    assert first == second
    assert len(first) == len(TASKS)


def main() -> None:
    """What a process of the test above writes."""
    digests = [hashlib.sha256(bits(played(built(*task), 0, 15)[0])).hexdigest() for task in TASKS]
    print(json.dumps(digests))  # noqa: T201


def test_every_family_has_a_bare_loop() -> None:
    assert BARE.keys() == by_name.keys()
