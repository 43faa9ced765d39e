"""BabyAI's levels equal the library's, last as long as they say, and can be generated wherever their axes allow."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from minigrid.envs import babyai
from minigrid.envs.babyai.core.levelgen import LevelGen

from env_registry.axes import FloatAxis, IntAxis
from env_registry.catalogue import base_tasks
from env_registry.family import Family
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT
from env_registry.spec import Spec
from env_registry.symbolic import minigrid_worlds
from env_registry.symbolic.babyai_levels import FAMILIES
from tests.bare import record
from tests.bare.babyai import BARE
from tests.env_registry.test_single_agent_families import actions, assert_same_bits, build, episode, probe

ROOT = Path(__file__).parents[3]
TASKS = [task for task in base_tasks() if task.family.startswith("babyai/")]
every_family = pytest.mark.parametrize("family", FAMILIES, ids=[family.name for family in FAMILIES])
every_task = pytest.mark.parametrize("task", TASKS, ids=[task.ref for task in TASKS])

# What the library calls our parameters: (family, values, its own environment).
VARIANTS: list[tuple[str, dict[str, Any], Any]] = [
    ("one_room", {"room_size": 11, "num_objects": 4}, lambda: babyai.GoToLocal(room_size=11, num_dists=4)),
    ("one_room", {"mission": "pickup_only", "room_size": 14}, lambda: babyai.OneRoomS8(room_size=14)),
    ("one_room", {"mission": "pickup_strict", "room_size": 7}, lambda: babyai.PickupDist(debug=True)),
    ("maze", {"mission": "pickup", "room_size": 11, "num_cols": 2}, lambda: babyai.Pickup(room_size=11, num_cols=2)),
    ("maze", {"doors_open": True, "num_objects": 5}, lambda: babyai.GoTo(doors_open=True, num_dists=5)),
    ("maze", {"mission": "unlock", "num_rows": 2}, lambda: babyai.Unlock(num_rows=2)),
    ("keys", {"mission": "find_object", "room_size": 12}, lambda: babyai.FindObjS5(room_size=12)),
    ("keys", {"mission": "unlock_to_unlock", "room_size": 6}, babyai.UnlockToUnlock),
    ("keys", {"mission": "unlock", "agent_view_size": 3}, lambda: babyai.UnlockLocal(agent_view_size=3)),
    (
        "across",
        {"mission": "move_two", "room_size": 6, "objs_per_room": 2},
        lambda: babyai.MoveTwoAcross(room_size=6, objs_per_room=2),
    ),
    (
        "sentences",
        {"mission": "goto", "sentence": "seq", "unblocking": False, "num_dists": 10},
        lambda: LevelGen(action_kinds=("goto",), instr_kinds=("seq",), unblocking=False, num_dists=10),
    ),
]


def by_name(name: str) -> Family:
    return next(family for family in FAMILIES if family.name == f"babyai/{name}")


@every_family
def test_the_default_equals_the_bare_loop_over_a_whole_episode(family: Family) -> None:
    count = family.horizon_of({})
    bare = BARE[family.name]()
    ours = episode(build(family), 0, count)
    assert_same_bits(ours, record(lambda: bare.reset(seed=0)[0], bare.step, islice(actions(build(family), 0), count)))
    assert ours["terminations"][-1] or ours["truncations"][-1]


@pytest.mark.parametrize(("name", "values", "make"), VARIANTS)
def test_other_parameters_equal_the_librarys_own_constructors(name: str, values: dict[str, Any], make: Any) -> None:
    simulator, bare = build(by_name(name), **values), make()
    for seed in (1, 2):
        theirs = record(lambda seed=seed: bare.reset(seed=seed)[0], bare.step, islice(actions(simulator, seed), 80))  # type: ignore[misc]
        assert_same_bits(episode(simulator, seed, 80), theirs)
        assert simulator.env.max_steps == bare.max_steps  # type: ignore[attr-defined]


@every_task
def test_tasks_are_the_same_at_any_time_and_within_their_horizons_and_spaces(task: Spec) -> None:
    family, values = task.source, dict(task.parameters)
    used: Any = build(family, **values)
    missions = used.observation_spaces[SINGLE_AGENT]["mission"]
    longest = 0
    for seed in range(4):
        assert missions.contains(used.reset(EpisodeSeeds.of(seed))["mission"])
        longest = max(longest, used.env.max_steps)
    assert longest <= family.horizon_of(task.values)
    episode(used, 4, 7)  # left in the middle
    first, again = episode(used, 5, 40), episode(build(family, **values), 5, 40)
    assert_same_bits(first, again)
    assert probe(used, seeds=(6,), steps=10) != probe(used, seeds=(7,), steps=10)


@every_task
def test_corners_of_the_ranges_can_be_generated(task: Spec) -> None:
    rng = random.Random(task.ref)
    family = task.source
    for _ in range(3):
        corner = {
            axis.name: rng.choice((axis.low, axis.high))
            for axis in family.axes
            if isinstance(axis, (IntAxis, FloatAxis)) and not axis.task
        }
        values = dict(task.parameters) | corner
        simulator: Any = build(family, **values)
        assert simulator.observation_spaces[SINGLE_AGENT].contains(simulator.reset(EpisodeSeeds.of(0)))
        assert simulator.env.max_steps <= family.horizon_of(values)


def test_two_processes_with_different_hash_seeds_give_the_same_bits() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2")
    ]
    first, second = (json.loads(process.communicate()[0].splitlines()[-1]) for process in processes)
    assert first == second
    assert len(first) == len(TASKS)


def main() -> None:
    """What a process of the test above writes."""
    digests = {task.ref: probe(build(task.source, **dict(task.parameters)), (0,), 20) for task in TASKS}
    print(json.dumps(digests))  # noqa: T201


def test_nothing_is_printed_while_missions_are_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    simulator = build(by_name("sentences"), mission="putnext", unblocking=False)
    for seed in range(3):
        simulator.reset(EpisodeSeeds.of(seed))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("family", [*FAMILIES, *minigrid_worlds.FAMILIES], ids=lambda family: family.name)
def test_witnesses_reach_goals(family: Family) -> None:
    assert family.witness
    simulator = build(family)
    act = family.witness(simulator)
    won = 0
    for seed in range(4):
        seen = simulator.reset(EpisodeSeeds.of(seed))
        rng = np.random.default_rng(seed)
        for _ in range(400):
            seen, reward, *_ = simulator.step(act(seen, rng))
            if not simulator.actors:
                won += reward > 0
                break
    assert won >= 2
