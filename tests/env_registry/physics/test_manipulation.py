"""Meta-World and Gymnasium-Robotics: equal to the libraries, alike at any time and anywhere, stable in corners."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from metaworld.env_dict import ALL_V3_ENVIRONMENTS

from env_registry.axes import Axis
from env_registry.family import Family
from env_registry.packing import pack, unpack
from env_registry.physics import gymnasium_robotics, metaworld_sawyer
from env_registry.physics.mujoco_simulator import edit_model
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT, Simulator
from tests.bare import metaworld as bare_metaworld
from tests.bare import record
from tests.bare import robotics as bare_robotics

ROOT = Path(__file__).parents[3]
FAMILIES = {family.name: family for module in (metaworld_sawyer, gymnasium_robotics) for family in module.FAMILIES}
BARE = {**bare_metaworld.BARE, **bare_robotics.BARE}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())

# Base tasks beside the defaults, and as many of Meta-World's as time allows: (family, values).
TASKS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in FAMILIES),
    *(("metaworld/sawyer", {"task": task}) for task in metaworld_sawyer.TASKS[1::6]),
    *(("metaworld/sawyer", {"task": task}) for task in ("basketball", "bin-picking", "door-lock", "stick-pull")),
    *(("robotics/hand_block", {"target": target}) for target in ("rotate-parallel", "place-z")),
    ("robotics/hand_egg", {"target": "rotate", "touch": "boolean"}),
    *(("robotics/maze_point", {"map": name}) for name in ("open-diverse-gr", "spiral")),
    ("robotics/maze_ant", {"map": "four-rooms"}),
    ("robotics/kitchen_franka", {"chores": "d4rl-mixed"}),
]
every_task = pytest.mark.parametrize(("name", "values"), TASKS, ids=[f"{n}-{'-'.join(v.values())}" for n, v in TASKS])

# What the library calls our parameters: (family, values, its own arguments and attributes).
VARIANTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("metaworld/sawyer", {"task": "door-open"}, {"task": "door-open"}),
    (
        "metaworld/sawyer",
        {"task": "hammer", "reward": "v1", "goal_observable": False},
        {"task": "hammer", "reward_function_version": "v1", "goal_observable": False},
    ),
    ("robotics/fetch_push", {"reward": "dense"}, {"id": "FetchPushDense-v4"}),
    (
        "robotics/fetch_slide",
        {"frame_skip": 10, "target_range": 0.1, "distance_threshold": 0.2},
        {"attributes": {"n_substeps": 10, "target_range": 0.1, "distance_threshold": 0.2}},
    ),
    (
        "robotics/hand_block",
        {"target": "rotate-z", "touch": "sensordata"},
        {"id": "HandManipulateBlockRotateZ_ContinuousTouchSensors-v1"},
    ),
    ("robotics/hand_pen", {"target": "rotate", "reward": "dense"}, {"id": "HandManipulatePenRotateDense-v1"}),
    ("robotics/adroit_door", {"reward": "sparse"}, {"id": "AdroitHandDoorSparse-v1"}),
    ("robotics/adroit_relocate", {"frame_skip": 2}, {"attributes": {"frame_skip": 2}}),
    (
        "robotics/maze_point",
        {"map": "medium", "continuing_task": False, "position_noise_range": 0.1},
        {"id": "PointMaze_Medium-v3", "continuing_task": False, "attributes": {"position_noise_range": 0.1}},
    ),
    ("robotics/maze_ant", {"map": "large-diverse-g", "reward": "dense"}, {"id": "AntMaze_Large_Diverse_GDense-v5"}),
    (
        "robotics/maze_point",
        {"map": "comb", "reset_target": True},
        {"maze_map": gymnasium_robotics.maze_map("comb"), "reset_target": True},
    ),
    (
        "robotics/kitchen_franka",
        {"chores": "d4rl-complete", "object_noise_ratio": 0.05},
        {
            "tasks_to_complete": ["microwave", "kettle", "light switch", "slide cabinet"],
            "object_noise_ratio": 0.05,
        },
    ),
]


# ------------------------------------------------------------------ rollouts


def build(name: str, **values: Any) -> Any:
    family = FAMILIES[name]
    return family.make({axis.name: axis.default for axis in family.axes} | values)


def actions(simulator: Simulator, seed: int) -> Iterator[Any]:
    space: Any = simulator.action_spaces[SINGLE_AGENT]
    rng = np.random.default_rng(seed)
    while True:
        yield rng.uniform(space.low, space.high).astype(space.dtype)


def episode(simulator: Simulator, seed: int, count: int) -> bytes:
    taken = islice(actions(simulator, seed), count)
    return pack(record(lambda: simulator.reset(EpisodeSeeds.of(seed)), simulator.step, taken))


def bare_episode(env: Any, simulator: Simulator, seed: int, count: int) -> bytes:
    return pack(record(lambda: env.reset(seed=seed)[0], env.step, islice(actions(simulator, seed), count)))


def rest(simulator: Simulator, count: int) -> bytes:
    taken = islice(actions(simulator, 7), count)
    return pack([simulator.step(action)[:4] for action in taken if simulator.actors])


def model_of(simulator: Any) -> mujoco.MjModel:
    return simulator.env.model


def model_bits(model: mujoco.MjModel) -> Mapping[str, bytes]:
    """Every array of a model, and every number of its options and statistics."""
    arrays = {name: getattr(model, name) for name in dir(model) if isinstance(getattr(model, name), np.ndarray)}
    for part in (model.opt, model.stat):
        arrays |= {name: np.asarray(getattr(part, name)) for name in dir(part) if not name.startswith("_")}
    return {name: value.tobytes() for name, value in arrays.items() if value.dtype != object}


# ------------------------------------------------------------------ tests


@every_family
def test_the_default_equals_the_bare_loop_over_a_whole_episode(family: Family) -> None:
    simulator = build(family.name)
    count = family.horizon_of({}) + 1
    ours = episode(simulator, 0, count)
    assert not simulator.actors
    assert ours == bare_episode(BARE[family.name](), simulator, 0, count)
    simulator.close()


@pytest.mark.parametrize(("name", "values", "arguments"), VARIANTS)
def test_other_parameters_equal_the_librarys_own(name: str, values: dict[str, Any], arguments: dict[str, Any]) -> None:
    simulator = build(name, **values)
    for seed in (1, 2):
        assert episode(simulator, seed, 40) == bare_episode(BARE[name](**arguments), simulator, seed, 40)
    simulator.close()


@every_task
def test_used_equals_fresh_other_seeds_differ_and_the_state_is_exact(name: str, values: dict[str, Any]) -> None:
    used = build(name, **values)
    space = used.observation_spaces[SINGLE_AGENT]
    episode(used, 3, 40)
    ours = episode(used, 5, 25)
    assert ours != episode(used, 6, 25)
    state = unpack(pack(used.save()))
    continued = rest(used, 25)
    fresh = build(name, **values)
    assert space.contains(fresh.reset(EpisodeSeeds.of(1)))
    fresh.load(state)
    assert rest(fresh, 25) == continued
    assert episode(fresh, 5, 25) == ours
    for simulator in (used, fresh):
        simulator.load(state)
        assert rest(simulator, 25) == continued
        simulator.close()


@every_family
def test_parameters_leave_nothing_behind_in_a_simulator_made_later(family: Family) -> None:
    first = build(family.name)
    ours, bits = episode(first, 5, 25), model_bits(model_of(first))
    first.close()
    changed = {axis.name: axis.levels[0] for axis in family.axes if axis.levels and axis.randomisable}
    other = build(family.name, **changed)
    assert episode(other, 5, 25) != ours
    other.close()
    again = build(family.name)
    assert episode(again, 5, 25) == ours
    assert model_bits(model_of(again)) == bits
    again.close()


@pytest.mark.parametrize("name", ["robotics/fetch_push", "robotics/adroit_hammer", "metaworld/sawyer"])
def test_edits_equal_those_of_a_model_built_for_them_alone(name: str) -> None:
    physics = {"gravity": 4.905, "friction_scale": 1.5, "mass_scale": 2.25}
    build(name, gravity=14.715, damping_scale=0.4).close()
    edited = model_bits(model_of(build(name, **physics)))
    alone: Any = BARE[name]()
    edit_model(alone.unwrapped.model, physics)
    assert model_bits(alone.unwrapped.model) == edited


def test_meta_worlds_models_are_the_librarys_to_the_last_bit() -> None:
    for task in ("assembly", "reach"):
        alone: Any = ALL_V3_ENVIRONMENTS[f"{task}-v3"]()
        assert model_bits(model_of(build("metaworld/sawyer", task=task))) == model_bits(alone.model)


def test_all_of_meta_worlds_tasks_are_there_and_random_starts_differ() -> None:
    assert sorted(f"{task}-v3" for task in metaworld_sawyer.TASKS) == sorted(ALL_V3_ENVIRONMENTS)
    simulator = build("metaworld/sawyer", task="push")
    starts = [simulator.reset(EpisodeSeeds.of(seed)) for seed in range(8)]
    assert len({start[4:7].tobytes() for start in starts}) == len({start[36:].tobytes() for start in starts}) == 8


@pytest.mark.parametrize("task", ["pick-place", "door-open", "push-wall"])
def test_meta_worlds_witness_succeeds_and_success_is_paid_where_it_is_the_reward(task: str) -> None:
    simulator = build("metaworld/sawyer", task=task, reward="success")
    act = FAMILIES["metaworld/sawyer"].witness(simulator)  # type: ignore[misc]
    observation, rewards, rng = simulator.reset(EpisodeSeeds.of(1)), set(), np.random.default_rng(0)
    for _ in range(250):
        observation, reward, _, _, info = simulator.step(act(observation, rng))
        assert reward == info["success"]
        rewards.add(reward)
    assert rewards == {0.0, 1.0}


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.witness and "robotics" in name])
def test_the_other_witnesses_reach_their_goals_now_and_then(name: str) -> None:
    simulator = build(name, distance_threshold=0.1) if "fetch" in name else build(name)
    act, rng, best = FAMILIES[name].witness(simulator), np.random.default_rng(0), []  # type: ignore[misc]
    for seed in range(4):
        observation, rewards = simulator.reset(EpisodeSeeds.of(seed)), []
        while simulator.actors:
            observation, reward, *_ = simulator.step(act(observation, rng))
            rewards.append(float(reward))
        best.append(max(rewards[2:]) > min(rewards))
    assert any(best)
    simulator.close()


@every_family
def test_corners_of_the_ranges_run_without_warnings_of_the_engine(family: Family) -> None:
    rng = random.Random(family.name)
    for seed in range(3):
        simulator = build(family.name, **{axis.name: corner(axis, rng) for axis in family.axes})
        simulator.reset(EpisodeSeeds.of(seed))
        for action in islice(actions(simulator, seed), 20):
            observation, reward, *_ = simulator.step(action)
            assert np.isfinite(reward)
        assert simulator.observation_spaces[SINGLE_AGENT].contains(observation)
        env = simulator.env
        data = (env.robot_env if hasattr(env, "robot_env") else env).data
        assert sum(int(warning.number) for warning in data.warning) == 0
        simulator.close()


def corner(axis: Axis, rng: random.Random) -> Any:
    if axis.python_type is bool:
        return rng.random() < 0.5
    schema = axis.schema()
    return rng.choice(schema["choices"] if axis.python_type is str else [schema["low"], schema["high"]])


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
    assert len(first) == len(TASKS[::3])


def main() -> None:
    """What a process of the test above writes."""
    print(json.dumps([hashlib.sha256(episode(build(n, **v), 0, 10)).hexdigest() for n, v in TASKS[::3]]))  # noqa: T201


def test_every_family_has_a_bare_loop() -> None:
    assert BARE.keys() == FAMILIES.keys()
