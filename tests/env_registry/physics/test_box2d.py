"""Box2D: equal to the library's loop, constants that reach the dynamics, and nothing left behind by episodes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import islice
from typing import Any

import Box2D
import numpy as np
import pytest
from gymnasium.envs.box2d import bipedal_walker, lunar_lander

from env_registry.axes import FloatAxis, IntAxis
from env_registry.family import Family
from env_registry.packing import pack
from env_registry.physics.box2d import FAMILIES
from env_registry.physics.dm_control_suite import FAMILIES as SUITE
from env_registry.seeding import EpisodeSeeds
from tests.bare import bare_episode
from tests.env_registry import test_single_agent_families as promises
from tests.env_registry.test_single_agent_families import ROOT, actions, assert_same_bits, build, episode, probe

by_name = {family.name.removeprefix("box2d/"): family for family in FAMILIES}
every_family = pytest.mark.parametrize("family", FAMILIES, ids=by_name)


@pytest.mark.parametrize(
    "promise",
    [
        promises.test_the_default_equals_the_bare_loop_with_another_seed,
        promises.test_a_used_simulator_gives_the_same_bits_as_a_fresh_one,
        promises.test_another_seed_gives_other_bits,
        promises.test_values_beyond_an_axis_are_refused,
        promises.test_observations_lie_in_the_declared_space,
        promises.test_every_level_can_be_made_and_no_two_behave_alike,
    ],
)
@every_family
def test_a_family_keeps_the_promise(promise: Any, family: Family) -> None:
    promise(family)


# (family, values, the library's arguments, its module and constants)
VARIANTS: list[tuple[str, dict[str, Any], dict[str, Any], Any, dict[str, Any]]] = [
    (
        "lunar_lander",
        {"gravity": 5.0, "wind_power": 10.0, "main_engine_power": 20.0},
        {"gravity": -5.0, "enable_wind": True, "wind_power": 10.0, "turbulence_power": 0.0},
        lunar_lander,
        {"MAIN_ENGINE_POWER": 20.0},
    ),
    (
        "lunar_lander_continuous",
        {"scale": 20.0, "fps": 25, "side_engine_away": 24.0},
        {},
        lunar_lander,
        {"SCALE": 20.0, "FPS": 25, "SIDE_ENGINE_AWAY": 24.0},
    ),
    ("bipedal_walker", {"terrain": "hardcore"}, {"hardcore": True, "max_episode_steps": 2000}, bipedal_walker, {}),
    (
        "bipedal_walker",
        {"motors_torque": 40.0, "lidar_range": 2.0, "start_pad": 10},
        {},
        bipedal_walker,
        {"MOTORS_TORQUE": 40.0, "LIDAR_RANGE": 2.0, "TERRAIN_STARTPAD": 10},
    ),
]


@pytest.mark.parametrize(("name", "values", "arguments", "module", "constants"), VARIANTS)
def test_other_parameters_equal_the_library_with_its_own_arguments_and_constants(
    name: str,
    values: dict[str, Any],
    arguments: dict[str, Any],
    module: Any,
    constants: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    family = by_name[name]
    simulator = build(family, **values)
    found = {seed: episode(simulator, seed, 200) for seed in (0, 1)}
    for constant, value in constants.items():
        assert getattr(module, constant) != value
        monkeypatch.setattr(module, constant, value)
    for seed, rows in found.items():
        taken = list(islice(actions(simulator, seed), 200))
        assert_same_bits(rows, bare_episode(family.name, seed, taken, arguments=arguments))


def test_a_walkers_world_and_bodies_are_what_its_values_say() -> None:
    simulators = [build(by_name["bipedal_walker"], gravity=g, hull_density=2 * g, leg_density=g) for g in (5.0, 2.5)]
    for _ in range(2):  # the first one's densities are its own again after the second one's episode
        for simulator, gravity in zip(simulators, (5.0, 2.5), strict=True):
            simulator.reset(EpisodeSeeds.of(0))
            env: Any = simulator.env  # type: ignore[attr-defined]
            assert env.world.gravity == Box2D.b2Vec2(0, -gravity)
            assert env.hull.fixtures[0].density == 2 * gravity
            assert {leg.fixtures[0].density for leg in env.legs} == {gravity}
    assert bipedal_walker.HULL_FD.density == 5.0


def test_the_witness_lands_and_is_paid() -> None:
    for name in ("lunar_lander", "lunar_lander_continuous"):
        simulator = build(by_name[name])
        witness: Any = by_name[name].witness
        act = witness(simulator)
        observation, reward = simulator.reset(EpisodeSeeds.of(1)), 0.0
        while simulator.actors:
            observation, reward, *_ = simulator.step(act(observation, None))
        assert reward == 100.0


@every_family
def test_corners_of_the_ranges_run_and_stay_finite(family: Family) -> None:
    rng = np.random.default_rng(0)
    for seed in range(20):
        values = {
            axis.name: rng.choice([axis.low, axis.high]).item()
            for axis in family.axes
            if isinstance(axis, (FloatAxis, IntAxis))
        }
        rows = episode(build(family, **values), seed, 60)
        assert np.isfinite(rows["observations"][""]).all()
        assert np.isfinite(rows["rewards"]).all()


def test_episodes_are_restored_by_replay_only() -> None:
    for family in FAMILIES:
        simulator = build(family)
        simulator.reset(EpisodeSeeds.of(0))
        assert simulator.save() is None


def test_two_processes_with_different_hash_seeds_give_the_same_bits() -> None:
    """Of these families and of the Control Suite's."""
    one, other = (
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", f"from {__name__} import main; main()"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]
        for hash_seed in ("1", "2")
    )
    assert json.loads(one) == json.loads(other)
    assert len(json.loads(one)) == len(FAMILIES) + len(SUITE) - 1


def main() -> None:
    """What a process of the test above writes."""
    families = [family for family in (*FAMILIES, *SUITE) if family.name != "dm_control/dog"]  # slow to compile
    print(json.dumps({f.name: pack(probe(build(f), steps=20)).hex() for f in families}))  # noqa: T201
