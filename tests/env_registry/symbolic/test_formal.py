"""Every family of formal systems against an independent implementation, and what every family promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import islice
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from env_registry.axes import Axis
from env_registry.family import Family
from env_registry.packing import pack, unpack
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT
from env_registry.symbolic.formal import FAMILIES
from tests.bare import bare_episode
from tests.env_registry import test_single_agent_families as promises
from tests.env_registry.test_single_agent_families import ROOT, actions, assert_same_bits, build, episode, probe, rest

by_name = {family.name.removeprefix("formal/"): family for family in FAMILIES}
every_family = pytest.mark.parametrize("family", FAMILIES, ids=by_name)

# Other base tasks, and what their references are told: (family, values, arguments).
TASKS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    *(("life_density", {"rule": rule}, {"rule": rule}) for rule in ("b2-s", "b1358-s0247", "b378-s012345678")),
    *(("life_pattern", {"rule": rule}, {"rule": rule}) for rule in ("b3678-s34678", "b1357-s02468")),
    *(("life_rest", {"rule": rule}, {"rule": rule}) for rule in ("b36-s23", "b45678-s2345")),
    *(("reversible_automaton", {"rule": rule}, {"rule": rule}) for rule in ("90r", "37r", "122r")),
    *(("totalistic_automaton", {"code": code}, {"code": code}) for code in ("912", "2049")),
    *(("random_network", {"ensemble": f"k{k}"}, {"k": k}) for k in (1, 3, 4)),
    ("logic_circuit", {"function": "6996"}, {"conjunction": False}),
]


def axes(family: Family) -> list[Axis]:
    return [axis for axis in family.axes if not axis.task]


def assert_equals_reference(
    family: Family, values: dict[str, Any], arguments: dict[str, Any], seed: int, steps: int
) -> dict[str, Any]:
    simulator = build(family, **values)
    taken = list(islice(actions(simulator, seed), steps))
    ours = episode(simulator, seed, steps)
    assert_same_bits(ours, bare_episode(family.name, seed, taken, arguments=arguments))
    return ours


# ------------------------------------------------------------------ dynamics


@every_family
def test_the_default_equals_the_reference_over_a_whole_episode(family: Family) -> None:
    ours = assert_equals_reference(family, {}, {}, 0, 250)
    assert len(ours["rewards"]) <= family.horizon_of({})
    assert ours["terminations"][-1] or ours["truncations"][-1]


@every_family
def test_each_level_of_each_axis_equals_the_reference(family: Family) -> None:
    for axis in axes(family):
        for level in axis.levels:
            assert_equals_reference(family, {axis.name: level}, {axis.name: level}, 1, 25)


@every_family
def test_levels_of_all_axes_together_equal_the_reference(family: Family) -> None:
    rng = np.random.default_rng(5)
    for seed in range(3):
        values = {axis.name: axis.levels[int(rng.integers(len(axis.levels)))] for axis in axes(family)}
        if family.name == "formal/rewriting":  # the reference knows no derivations until no rule applies, nor lengths
            values = {name: value for name, value in values.items() if name not in ("goal", "length")}
        assert_equals_reference(family, values, values, seed, 40)


@pytest.mark.parametrize(("name", "values", "arguments"), TASKS)
def test_other_base_tasks_equal_the_reference(name: str, values: dict[str, Any], arguments: dict[str, Any]) -> None:
    for seed in (2, 3):
        assert_equals_reference(by_name[name], values, arguments, seed, 60)


# ------------------------------------------------------------------ promises


@every_family
def test_it_passes_gymnasiums_own_checks(family: Family) -> None:
    check_env(build(family).env, skip_render_check=True)  # type: ignore[attr-defined]


@every_family
def test_corners_of_the_ranges_run(family: Family) -> None:
    for axis in axes(family):
        schema = axis.schema()
        corners = [schema["low"], schema["high"]] if "low" in schema else schema.get("choices", [False, True])
        for value in corners:
            simulator = build(family, **{axis.name: value})
            space = simulator.observation_spaces[SINGLE_AGENT]
            assert space.contains(simulator.reset(EpisodeSeeds.of(0)))
            for action in islice(actions(simulator, 0), 12):
                if not simulator.actors:
                    break
                observation, reward, *_ = simulator.step(action)
                assert space.contains(observation), (axis.name, value)
                assert np.isfinite(reward)


@every_family
def test_every_promise_of_a_single_agent_family_is_kept(family: Family) -> None:
    promises.test_a_used_simulator_gives_the_same_bits_as_a_fresh_one(family)
    promises.test_another_seed_gives_other_bits(family)
    promises.test_values_beyond_an_axis_are_refused(family)
    promises.test_observations_lie_in_the_declared_space(family)


@every_family
def test_every_base_task_runs_and_no_two_behave_alike(family: Family) -> None:
    (task,) = (axis for axis in family.axes if axis.task)
    tasks = [task.default, *task.levels]
    chosen = tasks if family.name != "formal/logic_circuit" else tasks[::11]
    probes = [probe(build(family, **{task.name: value}), seeds=(0, 1), steps=40) for value in chosen]
    assert len(set(probes)) == len(chosen), [value for value in chosen if probes.count(probes[chosen.index(value)]) > 1]


@every_family
def test_the_state_is_restored_to_the_last_bit(family: Family) -> None:
    rng = np.random.default_rng(1)
    for before in (0, 4):
        values = {axis.name: axis.levels[int(rng.integers(len(axis.levels)))] for axis in axes(family)}
        simulator, other = build(family, **values), build(family, **values)
        simulator.reset(EpisodeSeeds.of(before))
        rest(simulator, before)
        state = unpack(pack(simulator.save()))
        continued = pack(rest(simulator, 60))
        episode(other, 99, 10)
        for branch in (simulator, other, other):
            branch.load(state)
            assert pack(rest(branch, 60)) == continued


@every_family
def test_a_witness_earns_more_than_random_actions(family: Family) -> None:
    if family.witness is None:
        return
    earned = []
    for witnessing in (False, True):
        simulator = build(family)
        rng = np.random.default_rng(0)
        total = 0.0
        for seed in range(5):
            seen = simulator.reset(EpisodeSeeds.of(seed))
            act = family.witness(simulator)
            while simulator.actors:
                action = act(seen, rng) if witnessing else next(actions(simulator, int(rng.integers(2**31))))
                seen, reward, *_ = simulator.step(action)
                total += reward
        earned.append(total)
    assert earned[1] > earned[0]


def test_two_processes_with_different_hash_seeds_give_the_same_bits() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()[-1]
        for hash_seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert json.loads(printed[0]).keys() == by_name.keys()


def main() -> None:
    """What a process of the test above writes."""
    probes = {}
    for name, family in by_name.items():
        rng = np.random.default_rng(2)
        values = {axis.name: axis.levels[int(rng.integers(len(axis.levels)))] for axis in family.axes}
        probes[name] = [probe(build(family), steps=30), probe(build(family, **values), steps=30)]
    print(json.dumps(probes))  # noqa: T201
