"""Every puzzle against an independent implementation, and what every family of puzzles promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from env_registry.axes import Axis, FloatAxis, IntAxis
from env_registry.family import Family
from env_registry.packing import pack, unpack
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT, Simulator
from env_registry.symbolic.puzzles import FAMILIES
from tests.bare import bare_episode
from tests.env_registry import test_single_agent_families as promises
from tests.env_registry.test_single_agent_families import ROOT, actions, assert_same_bits, build, episode, probe, rest

by_name = {family.name.removeprefix("puzzles/"): family for family in FAMILIES}
every_family = pytest.mark.parametrize("family", FAMILIES, ids=by_name)

# Other base tasks that the references know, and combinations with other parameters.
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *(
        ("permutation", {"puzzle": p})
        for p in ("reversals", "adjacent_swaps", "star_swaps", "topspin", "burnt_pancake")
    ),
    ("permutation", {"size": 9, "scramble": 20}),
    ("twisty", {"scramble": 2}),
    *(("lights_out", {"rule": r}) for r in ("diagonal", "ring.torus", "knight", "knight.torus", "plus.lit_only")),
    ("lights_out", {"size": 7, "states": 3}),
    *(("sliding_tiles", {"board": board}) for board in ("torus", "cylinder", "strip")),
    *(("sliding_tiles", {"goal": goal, "width": 4}) for goal in ("rows", "first_row")),
    *(("peg_solitaire", values) for values in ({"goal": "middle"}, {"board": "triangle"}, {"jumps": 16})),
    *(("hanoi", {"moves": m, "goal": g}) for m, g in (("cyclic", "tower"), ("neighbours", "exchange"))),
    *(("hanoi", {"moves": m, "goal": g}) for m, g in (("cyclic_and_back", "gather"), ("one_barred", "arrange"))),
    *(("blocks_world", {"crane": crane, "goal": "match"}) for crane in ("free", "neighbours")),
    ("merging", {"tiles": "fibonacci"}),
    *(("minesweeper", {"neighbours": n, "clue": "nearest"}) for n in ("king", "plus", "knight")),
    *(("maze", {"objective": objective, "rooms": 3}) for objective in ("coins", "in_order", "return")),
    ("sokoban", {"goal": "own"}),
    ("sokoban", {"boxes": 5, "size": 10, "scramble": 100}),
    *(("tour", {"piece": piece, "board": "torus", "tour": "closed"}) for piece in ("knight", "wazir")),
    ("memory", {"delay": 5, "pauses": 0.5, "feedback": True}),
    ("transduction", {"symbols": 7, "strict": True}),
    ("series", {"error_cost": 0.2, "length": 15}),
    ("bandit", {"kind": "restless", "arms": 10, "rate": 0.3}),
    *(("code_breaking", {"answers": answers}) for answers in ("bounds", "prefix", "order", "marks")),
    *(("filling", {"rule": "sudoku", "size": size}) for size in (4, 6, 8)),
    *(("packing", {"problem": problem}) for problem in ("stacking", "classes", "covering", "bin_packing")),
    *(("picture", {"clues": clues}) for clues in ("counts", "changes", "mosaic")),
    ("placement", {"piece": "rook", "size": 4}),
    *(("scheduling", {"problem": problem}) for problem in ("tardiness", "setups")),
    *(("graph_subset", {"problem": p}) for p in ("max_cut", "total_domination", "perfect_code")),
    *(("graph_subset", {"graph": graph, "vertices": 18}) for graph in ("tree", "ring")),
    *(("graph_colouring", {"problem": p}) for p in ("distance_two", "domatic", "conflict_free")),
    *(("graph_chase", {"role": r, "other": o}) for r, o in (("cop", "keen"), ("robber", "keen"), ("robber", "random"))),
]
COMMON = {"slip": 0.3, "sensor_noise": 0.2, "reward": "level", "step_cost": 0.02}


def tasks(family: Family, count: int) -> list[dict[str, Any]]:
    """As many base tasks, spread over all."""
    axes = [axis for axis in family.axes if axis.task]
    every = [
        dict(zip((axis.name for axis in axes), values, strict=True))
        for values in product(*((axis.default, *axis.levels) for axis in axes))
    ]
    return every[:: -(-len(every) // count)]


def parameters(family: Family) -> list[Axis]:
    return [axis for axis in family.axes if not axis.task]


def assert_equals_reference(family: Family, values: dict[str, Any], seed: int, steps: int) -> dict[str, Any]:
    simulator = build(family, **values)
    taken = list(islice(actions(simulator, seed), steps))
    ours = episode(simulator, seed, steps)
    assert_same_bits(ours, bare_episode(family.name, seed, taken, arguments=values))
    return ours


# ------------------------------------------------------------------ dynamics


@every_family
def test_the_default_equals_the_reference_over_a_whole_episode(family: Family) -> None:
    assert isinstance(family.horizon, int)
    ours = assert_equals_reference(family, {}, 0, family.horizon + 1)
    assert len(ours["rewards"]) <= family.horizon
    assert ours["terminations"][-1] or ours["truncations"][-1]
    assert_equals_reference(family, {}, 1, 60)


@pytest.mark.parametrize(("name", "values"), VARIANTS, ids=str)
def test_other_tasks_and_parameters_equal_the_reference(name: str, values: dict[str, Any]) -> None:
    for seed in (0, 1, 2):
        assert_equals_reference(by_name[name], values, seed, 80)


@every_family
def test_disturbances_and_payments_equal_the_reference(family: Family) -> None:
    if family.name != "puzzles/bandit":  # which has its own
        assert_equals_reference(family, COMMON, 2, 40)
        assert_equals_reference(family, {**COMMON, "reward": "goal"}, 3, 20)
    if family.axis("illegal_cost"):
        assert_equals_reference(family, {"illegal_cost": 0.2}, 4, 40)


def witnessed(simulator: Simulator, family: Family, seed: int) -> Iterator[float]:
    """Rewards of an episode of the witness."""
    assert family.witness is not None
    actor, rng = family.witness(simulator), np.random.default_rng(0)
    observation = simulator.reset(EpisodeSeeds.of(seed))
    while simulator.actors:
        observation, reward, *_ = simulator.step(actor(observation, rng))
        yield float(reward)


def at_random(simulator: Simulator, seed: int) -> Iterator[float]:
    simulator.reset(EpisodeSeeds.of(seed))
    chosen = actions(simulator, seed + 1000)  # with the episode's own seed one would draw the codes to be broken
    while simulator.actors:
        yield float(simulator.step(next(chosen))[1])


# The most that a witness can get there is less than the goal, or its rule of thumb may miss it.
OPEN_ENDED = {"bandit", "tour", "graph_subset", "graph_colouring", "graph_chase", "code_breaking", "merging"} | {
    "packing",
    "placement",
    "scheduling",
}


@every_family
def test_the_witness_solves_every_task_or_does_no_worse_than_chance(family: Family) -> None:
    name = family.name.removeprefix("puzzles/")
    for values in tasks(family, 12):
        simulator = build(family, **values)
        if name not in OPEN_ENDED:
            assert list(witnessed(simulator, family, 3))[-1] >= 1.0, values
            continue
        ours = sum(sum(witnessed(simulator, family, seed)) for seed in range(5))
        chance = sum(sum(at_random(simulator, seed)) for seed in range(5))
        worse = chance - 0.2 * abs(chance)
        assert ours >= worse or "jumping" in values.values(), values  # one cannot run from, or after, what jumps


@every_family
def test_an_action_that_always_slips_or_jams_does_not_matter(family: Family) -> None:
    values = {"slip": 1.0}
    one, other = build(family, **values), build(family, **values)
    one.reset(EpisodeSeeds.of(1))
    other.reset(EpisodeSeeds.of(1))
    for _ in range(30):
        if not one.actors:
            break
        last: Any = one.action_spaces[SINGLE_AGENT]
        assert pack(one.step(0)[:4]) == pack(other.step(int(last.n) - 1)[:4])
    if family.axis("jam") and family.name != "puzzles/packing":  # where jammed items are lost
        simulator = build(family, jam=1.0)
        assert not episode(simulator, 1, 40)["rewards"].any() or family.name == "puzzles/graph_chase"


# ------------------------------------------------------------------ promises


@pytest.mark.filterwarnings("ignore:.*A Box observation space m.*infinity:UserWarning")  # of what bandits pay
@every_family
def test_it_passes_gymnasiums_own_checks(family: Family) -> None:
    for values in tasks(family, 3):
        simulator: Any = build(family, **values)
        check_env(simulator.env, skip_render_check=True)


@every_family
def test_a_used_simulator_gives_the_same_bits_as_a_fresh_one(family: Family) -> None:
    for values in tasks(family, 10):
        used = build(family, **values)
        episode(used, 3, 60)
        episode(used, 4, 10)  # left in the middle
        assert_same_bits(episode(used, 5, 40), episode(build(family, **values), 5, 40))


@every_family
def test_another_seed_gives_other_bits(family: Family) -> None:
    for values in tasks(family, 6):
        if values.get("goal") in ("tower", "exchange") and family.name == "puzzles/hanoi":
            continue  # where disks are and are to be is fixed
        simulator = build(family, **values)
        assert len({probe(simulator, seeds=(seed,), steps=30) for seed in range(3)}) > 1, values


@every_family
def test_the_state_is_saved_and_restored_to_the_last_bit(family: Family) -> None:
    noisy = {axis.name: axis.levels[0] for axis in family.axes if axis.name in ("jam", "drift", "sensor_noise", "slip")}
    for values in tasks(family, 6):
        simulator = build(family, **values, **noisy)
        for before in (0, 7):
            simulator.reset(EpisodeSeeds.of(before))
            rest(simulator, before)
            saved = simulator.save()
            assert saved is not None
            state = unpack(pack(saved))
            continued = rest(simulator, 40)
            other = build(family, **values, **noisy)
            episode(other, 99, 10)
            for branch in (simulator, other, other):
                branch.load(state)
                assert pack(rest(branch, 40)) == pack(continued)


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


def main() -> None:
    """What a process of the test above writes."""
    found = {}
    for family in FAMILIES:
        for values in tasks(family, 8):
            simulator = build(family, **values)
            found[f"{family.name} {values}"] = [
                probe(simulator, seeds=(0,), steps=20),
                pack(list(islice(witnessed(simulator, family, 1), 10))).hex(),
            ]
    print(json.dumps(found))  # noqa: T201


@every_family
def test_no_two_base_tasks_behave_alike(family: Family) -> None:
    alike: dict[str, dict[str, Any]] = {}
    for values in tasks(family, 1000):
        simulator = build(family, **values)
        played = probe(simulator, seeds=(0, 1), steps=60) + pack(list(witnessed(simulator, family, 1))).hex()
        assert alike.setdefault(played, values) == values


def corners(axis: Axis) -> list[Any]:
    ends = (axis.low, axis.high) if isinstance(axis, (FloatAxis, IntAxis)) else ()
    return [axis.default, *ends, *axis.levels]


@every_family
def test_corners_run_alone_and_together(family: Family) -> None:
    chosen, rng = tasks(family, 4), np.random.default_rng(11)
    points = [
        chosen[number % len(chosen)] | {axis.name: value}
        for axis in parameters(family)
        for number, value in enumerate(corners(axis))
    ]
    for _ in range(40):
        points.append({axis.name: (values := corners(axis))[rng.integers(len(values))] for axis in family.axes})
    for number, point in enumerate(points):
        simulator = build(family, **point)
        space = simulator.observation_spaces[SINGLE_AGENT]
        assert space.contains(simulator.reset(EpisodeSeeds.of(number)))
        for action in islice(actions(simulator, number), 15):
            observation, reward, *_ = simulator.step(action)
            assert space.contains(observation), point
            assert np.isfinite(reward), point
            if not simulator.actors:
                break


@every_family
def test_values_beyond_an_axis_are_refused(family: Family) -> None:
    promises.test_values_beyond_an_axis_are_refused(family)


def test_every_family_has_a_reference() -> None:
    from tests.bare.puzzles import BARE

    assert BARE.keys() == {family.name for family in FAMILIES}
