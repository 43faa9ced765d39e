"""Every single-agent family: equal to a bare loop, the same anywhere and at any time, different where it says so."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from env_registry.axes import Axis, ValueProblem
from env_registry.family import Family
from env_registry.packing import pack, unpack
from env_registry.physics import classic_control, gymnasium_mujoco
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT, Simulator
from env_registry.symbolic import cellular_automata, minigrid_worlds, toy_text
from tests.bare import bare_episode, record

ROOT = Path(__file__).parents[2]
FAMILIES = {
    family.name: family
    for module in (gymnasium_mujoco, classic_control, minigrid_worlds, toy_text, cellular_automata)
    for family in module.FAMILIES
}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())

# Where they start and what they do is fixed; only with other parameters does the seed matter.
SEEDLESS = {"minigrid/dist_shift", "minigrid/empty", "toytext/cliff_walking"}

# What the library calls our parameters: (values, the constructor's arguments, reset's options).
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, float] | None]] = {
    "classic/acrobot": ({"start_range": 0.3}, {}, {"low": -0.3, "high": 0.3}),
    "classic/cartpole": (
        {"sutton_barto_reward": True, "start_range": 0.1},
        {"sutton_barto_reward": True},
        {"low": -0.1, "high": 0.1},
    ),
    "classic/mountain_car": (
        {"goal_velocity": 0.05, "start_low": -1.0},
        {"goal_velocity": 0.05},
        {"low": -1.0, "high": -0.4},
    ),
    "classic/pendulum": ({"g": 5.0, "start_angle": 1.0}, {"g": 5.0}, {"x_init": 1.0, "y_init": 1.0}),
    "minigrid/door_key": ({"size": 6, "see_through_walls": True}, {"size": 6, "see_through_walls": True}, None),
    "minigrid/empty": (
        {"size": 5, "random_start": True, "agent_view_size": 3},
        {"size": 5, "agent_start_pos": None, "agent_view_size": 3},
        None,
    ),
    "minigrid/obstructed_maze": ({"blocked": False}, {"blocked": False}, None),
    "mujoco/ant": (
        {"reset_noise_scale": 0.02, "healthy_z_max": 0.8, "include_cfrc_ext_in_observation": False},
        {"reset_noise_scale": 0.02, "healthy_z_range": (0.2, 0.8), "include_cfrc_ext_in_observation": False},
        None,
    ),
    "mujoco/half_cheetah": (
        {"reset_noise_scale": 0.3, "frame_skip": 3},
        {"reset_noise_scale": 0.3, "frame_skip": 3},
        None,
    ),
    "mujoco/hopper": ({"healthy_angle_max": 0.1}, {"healthy_angle_range": (-0.1, 0.1)}, None),
    "mujoco/humanoid": ({"healthy_z_min": 1.2}, {"healthy_z_range": (1.2, 2.0)}, None),
    "mujoco/walker2d": ({"terminate_when_unhealthy": False}, {"terminate_when_unhealthy": False}, None),
    "rules/cellular_automaton": (
        {"rule": 30, "size": 15, "target_density": 0.25, "noise": 0.1, "updates_per_step": 3},
        {"rule": 30, "size": 15, "target": 0.25, "noise": 0.1, "updates": 3},
        None,
    ),
    "toytext/blackjack": ({"rules": "casino"}, {"sab": False, "natural": True}, None),
    "toytext/cliff_walking": ({"is_slippery": True}, {"is_slippery": True}, None),
    "toytext/frozen_lake": (
        {"success_rate": 1.0, "map_name": "8x8"},
        {"is_slippery": False, "map_name": "8x8", "max_episode_steps": 200},
        None,
    ),
    "toytext/taxi": (
        {"success_rate": 0.8, "fickle_probability": 1.0},
        {"is_rainy": True, "fickle_passenger": True, "fickle_probability": 1.0},
        None,
    ),
}


# ------------------------------------------------------------------ rollouts


def build(family: Family, **values: Any) -> Simulator:
    return family.make({axis.name: axis.default for axis in family.axes} | values)


def actions(simulator: Simulator, seed: int) -> Iterator[Any]:
    """Random actions that depend on nothing but the action space and the seed."""
    space: Any = simulator.action_spaces[SINGLE_AGENT]
    rng = np.random.default_rng(seed)
    while True:
        yield rng.integers(space.n) if hasattr(space, "n") else rng.uniform(space.low, space.high).astype(space.dtype)


def episode(simulator: Simulator, seed: int, count: int) -> dict[str, Any]:
    return record(
        lambda: simulator.reset(EpisodeSeeds.of(seed)), simulator.step, islice(actions(simulator, seed), count)
    )


def rest(simulator: Simulator, count: int) -> list[Any]:
    """What up to `count` further steps of the episode give."""
    answers = []
    for action in islice(actions(simulator, 7), count):
        if not simulator.actors:
            break
        answers.append(simulator.step(action)[:4])
    return answers


def probe(simulator: Simulator, seeds: Iterable[int] = (0, 1), steps: int = 100) -> str:
    """Digest of random steps from each seed, in as many episodes as they fill."""
    digest = hashlib.sha256()
    for seed in seeds:
        over = True
        for number, action in enumerate(islice(actions(simulator, seed), steps)):
            if over:
                digest.update(pack(simulator.reset(EpisodeSeeds.of(1000 * number + seed))))
            observation, reward, terminated, truncated, _ = simulator.step(action)
            digest.update(pack((observation, float(reward), bool(terminated), bool(truncated))))
            over = not simulator.actors
    return digest.hexdigest()


def assert_same_bits(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Observations with their types, float64 rewards and flags."""
    assert one["observations"].keys() == other["observations"].keys()
    for name, rows in one["observations"].items():
        assert rows.dtype == other["observations"][name].dtype
        assert rows.tobytes() == other["observations"][name].tobytes(), name
    for column in ("rewards", "terminations", "truncations"):
        assert one[column].tobytes() == other[column].tobytes(), column


# ------------------------------------------------------------------ tests


@every_family
def test_the_default_equals_the_bare_loop_over_a_whole_episode(family: Family) -> None:
    ours = assert_equals_bare_loop(family, 0, family.horizon + 1)
    assert len(ours["rewards"]) <= family.horizon
    assert ours["terminations"][-1] or ours["truncations"][-1]


@every_family
def test_the_default_equals_the_bare_loop_with_another_seed(family: Family) -> None:
    assert_equals_bare_loop(family, 1, 200)


def assert_equals_bare_loop(family: Family, seed: int, count: int) -> dict[str, Any]:
    simulator = build(family)
    taken = list(islice(actions(simulator, seed), count))
    ours = episode(simulator, seed, count)
    assert_same_bits(ours, bare_episode(family.name, seed, taken))
    simulator.close()
    return ours


@pytest.mark.parametrize("name", VARIANTS)
def test_other_parameters_equal_the_bare_loop_with_the_librarys_own_arguments(name: str) -> None:
    values, arguments, options = VARIANTS[name]
    simulator = build(FAMILIES[name], **values)
    for seed in (0, 1):
        taken = list(islice(actions(simulator, seed), 300))
        bare = bare_episode(name, seed, taken, options=options, arguments=arguments)
        assert_same_bits(episode(simulator, seed, 300), bare)


@every_family
def test_a_used_simulator_gives_the_same_bits_as_a_fresh_one(family: Family) -> None:
    used = build(family)
    episode(used, 3, 300)
    episode(used, 4, 10)  # left in the middle
    assert_same_bits(episode(used, 5, 100), episode(build(family), 5, 100))


@every_family
def test_another_seed_gives_other_bits(family: Family) -> None:
    simulator = build(family)
    taken = list(islice(actions(simulator, 0), 100))
    rollouts = [
        record(lambda seed=seed: simulator.reset(EpisodeSeeds.of(seed)), simulator.step, taken)  # type: ignore[misc]
        for seed in range(4)
    ]
    different = len({pack(unordered(rollout)) for rollout in rollouts})
    assert different == 1 if family.name in SEEDLESS else different > 1


def unordered(rollout: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: rows.tolist() for name, rows in rollout["observations"].items()}
    return {"observations": texts, "rewards": rollout["rewards"], "terminations": rollout["terminations"]}


def test_two_processes_with_different_hash_seeds_give_the_same_bits() -> None:
    one, other = (
        subprocess.run(
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]
        for hash_seed in ("1", "2")
    )
    assert json.loads(one) == json.loads(other)
    assert json.loads(one).keys() == FAMILIES.keys()


def main() -> None:
    """What a process of the test above writes."""
    print(json.dumps({name: probe(build(family), steps=30) for name, family in FAMILIES.items()}))  # noqa: T201


@every_family
def test_every_level_can_be_made_and_no_two_behave_alike(family: Family) -> None:
    points: list[dict[str, Any]] = [{}, *({axis.name: level} for axis in family.axes for level in axis.levels)]
    alike: dict[str, list[dict[str, Any]]] = {}
    for values in points:
        alike.setdefault(probe(build(family, **values), seeds=(0,), steps=20), []).append(values)
    for group in alike.values():
        if len(group) > 1:  # most points differ within 20 steps; these have 2 x 100 to do so
            assert len({probe(build(family, **values)) for values in group}) == len(group), group


@every_family
def test_values_beyond_an_axis_are_refused(family: Family) -> None:
    for axis in family.axes:
        for value in (*beyond(axis), "nonsense", None, float("nan")):
            with pytest.raises(ValueProblem):
                axis.check(value)


def beyond(axis: Axis) -> tuple[Any, ...]:
    schema = axis.schema()
    if "step" in schema and schema["step"] > 1:
        return schema["low"] - schema["step"], schema["high"] + schema["step"], schema["low"] + 1
    if "low" in schema:
        return schema["low"] - 1, schema["high"] + 1
    return (2,)


@every_family
def test_the_state_is_saved_and_restored_to_the_last_bit_or_not_at_all(family: Family) -> None:
    simulator = build(family)
    for before in (0, 1, 25):
        simulator.reset(EpisodeSeeds.of(before))
        rest(simulator, before)
        saved = simulator.save()
        assert (saved is None) == family.name.startswith("minigrid/")
        if saved is None:
            return
        state = unpack(pack(saved))
        continued = rest(simulator, 120)
        other = build(family)
        episode(other, 99, 10)
        for branch in (simulator, other, other):
            branch.load(state)
            assert pack(rest(branch, 120)) == pack(continued)


@every_family
def test_observations_lie_in_the_declared_space(family: Family) -> None:
    simulator = build(family)
    space = simulator.observation_spaces[SINGLE_AGENT]
    assert space.contains(simulator.reset(EpisodeSeeds.of(0)))
    for action in islice(actions(simulator, 0), 30):
        observation = simulator.step(action)[0]
        assert space.contains(observation)
        if not simulator.actors:
            break


def test_every_family_has_a_bare_loop() -> None:
    from tests.bare import physics, symbolic

    assert {*physics.BARE, *symbolic.BARE} == FAMILIES.keys()
