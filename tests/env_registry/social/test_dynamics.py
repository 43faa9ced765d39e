"""Our social dynamics: equal to a plain version of each, for any parameters; distinct, repeatable, restorable."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from env_registry.axes import Axis
from env_registry.catalogue import base_tasks
from env_registry.family import Family
from env_registry.packing import pack, unpack
from env_registry.probe import random_action
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Simulator
from env_registry.social import dynamics
from env_registry.social.dynamics import matrix_games
from env_registry.social.dynamics.graphs import GRAPHS, neighbours
from env_registry.spec import Spec
from tests.bare.social import Episode
from tests.bare.society import BARE, DILEMMAS, TABLES

ROOT = Path(__file__).parents[3]
FAMILIES = {family.name: family for family in dynamics.FAMILIES}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
POINTS = 40
STEPS = 25

TASKS: dict[str, list[Spec]] = {name: [task for task in base_tasks() if task.family == name] for name in FAMILIES}

# Where the default has no chance.
WITHOUT_CHANCE = {
    "society/commons",
    "society/congestion",
    "society/dilemma_partner",
    "society/matrix_game",
    "society/ordinal_game",
    "society/public_good",
}

# Of whose payoff tables the plain version has some.
TABLES_KNOWN = {"society/matrix_game": TABLES, "society/dilemma_partner": DILEMMAS}


# ------------------------------------------------------------------ rollouts


def build(family: Family, **values: Any) -> Simulator:
    return family.make({axis.name: axis.default for axis in family.axes} | values)


def played(simulator: Simulator, seed: int, count: int) -> tuple[Episode, list[dict[str, Any]]]:
    """Up to `count` random steps of one episode, and the actions taken."""
    rng = np.random.default_rng(seed)
    episode = Episode(simulator.agents)
    taken: list[dict[str, Any]] = []
    episode.see(simulator.reset(EpisodeSeeds.of(seed)))
    while simulator.actors and len(taken) < count:
        episode.order.append(tuple(simulator.actors))
        taken.append(random_action(simulator, rng))
        observations, rewards, terminations, truncations, _ = simulator.step(taken[-1])
        episode.see(observations)
        for agent, reward in rewards.items():
            episode.get(agent, reward, terminations[agent], truncations[agent])
    return episode, taken


def digest(simulator: Simulator, seeds: tuple[int, ...] = (0,), count: int = 100) -> str:
    """Of random steps; the same actions for every seed."""
    found = hashlib.sha256()
    for seed in seeds:
        rng = np.random.default_rng(0)
        for number in range(count):
            if number == 0 or not simulator.actors:
                found.update(pack(simulator.reset(EpisodeSeeds.of(1000 * number + seed))))
            found.update(pack(simulator.step(random_action(simulator, rng))[:4]))
    return found.hexdigest()


def any_point(family: Family, rng: random.Random) -> dict[str, Any]:
    """Values of some axes, often an end of the range; there combinations break."""
    values = {axis.name: any_value(axis, rng) for axis in family.axes if axis.task or rng.random() < 0.4}
    if family.name in TABLES_KNOWN:
        values["game"] = rng.choice(list(TABLES_KNOWN[family.name]))
    return values


def any_value(axis: Axis, rng: random.Random) -> Any:
    schema = axis.schema()
    if axis.python_type is str:
        return rng.choice(schema["choices"])
    ends = [schema["low"], schema["high"]]
    drawn = rng.randint(*ends) if axis.python_type is int else rng.uniform(*ends)
    return rng.choice([*ends, drawn, *axis.levels])


def assert_same_bits(one: Episode, other: Episode, hint: object = "") -> None:
    assert one.order == other.order, hint
    assert pack(one.columns) == pack(other.columns), hint


# ------------------------------------------------------------------ the dynamics


@pytest.mark.parametrize("seed", [0, 1])
@every_family
def test_the_default_equals_the_plain_version_over_a_whole_episode(family: Family, seed: int) -> None:
    simulator = build(family)
    ours, taken = played(simulator, seed, 51)
    assert len(taken) == 50
    assert not simulator.actors
    assert_same_bits(ours, BARE[family.name](seed, taken))


@every_family
def test_every_task_equals_the_plain_version(family: Family) -> None:
    known = TABLES_KNOWN.get(family.name)
    for task in TASKS[family.name]:
        choices = dict(task.parameters)
        if known is None or choices.get("game", next(iter(known))) in known:
            ours, taken = played(family.make(task.values), 3, STEPS)
            assert_same_bits(ours, BARE[family.name](3, taken, **choices), task.ref)


@every_family
def test_any_point_equals_the_plain_version_with_finite_numbers_within_the_spaces(family: Family) -> None:
    rng = random.Random(family.name)
    for seed in range(POINTS):
        values = any_point(family, rng)
        simulator = build(family, **values)
        ours, taken = played(simulator, seed, STEPS)
        assert_same_bits(ours, BARE[family.name](seed, taken, **values), values)
        for agent, columns in ours.columns.items():
            assert np.isfinite(columns["rewards"]).all(), values
            space = simulator.observation_spaces[agent]
            assert all(space.contains(seen) and np.isfinite(seen).all() for seen in columns["observations"]), values


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PettingZoo's own tests
@every_family
def test_pettingzoo_accepts_the_environment(family: Family) -> None:
    from pettingzoo.test import parallel_api_test

    simulator: Any = build(family, continuation=0.9)
    parallel_api_test(simulator._env, num_cycles=60)


def test_no_two_tasks_behave_alike() -> None:
    found: dict[str, str] = {}
    for tasks in TASKS.values():
        for task in tasks:
            twin = found.setdefault(digest(task.source.make(task.values), count=60), task.ref)
            assert twin == task.ref


# ------------------------------------------------------------------ what every family promises


@every_family
def test_a_used_simulator_gives_the_same_bits_as_a_fresh_one(family: Family) -> None:
    used = build(family)
    played(used, 3, 60)
    played(used, 4, 10)  # left in the middle
    assert_same_bits(played(used, 5, 50)[0], played(build(family), 5, 50)[0])


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - WITHOUT_CHANCE))
def test_another_seed_gives_other_bits(name: str) -> None:
    simulator = build(FAMILIES[name])
    assert digest(simulator, (0,)) != digest(simulator, (1,))


@pytest.mark.parametrize("name", sorted(WITHOUT_CHANCE))
def test_without_noise_the_seed_does_not_matter_and_with_it_it_does(name: str) -> None:
    plain, noisy = build(FAMILIES[name]), build(FAMILIES[name], tremble=0.2)
    assert digest(plain, (0,)) == digest(plain, (1,))
    assert digest(noisy, (0,)) != digest(noisy, (1,))


@every_family
def test_the_state_is_restored_to_the_last_bit(family: Family) -> None:
    rng = random.Random(family.name)
    for number in range(10):
        values = any_point(family, rng) | {"rounds": 40}
        simulator = build(family, **values)
        played(simulator, number, number)
        state = unpack(pack(simulator.save()))
        continued = rest(simulator)
        other = build(family, **values)
        played(other, 99, 2)
        for branch in (simulator, other, other):
            branch.load(state)
            assert rest(branch) == continued, values


def rest(simulator: Simulator) -> bytes:
    rng = np.random.default_rng(7)
    answers: list[Any] = []
    while simulator.actors and len(answers) < 50:
        answers.append(simulator.step(random_action(simulator, rng))[:4])
    return pack(answers)


def test_two_processes_with_different_hash_seeds_give_the_same_bits() -> None:
    one, other = (
        subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import main; main()"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2")
    )
    first, second = (json.loads(process.communicate()[0].splitlines()[-1]) for process in (one, other))
    assert first == second
    assert first.keys() == FAMILIES.keys()


def main() -> None:
    """What a process of the test above writes."""
    found = {}
    for name, family in FAMILIES.items():
        rng = random.Random(name)
        simulators = [build(family), *(build(family, **any_point(family, rng)) for _ in range(2))]
        found[name] = [digest(simulator, count=30) for simulator in simulators]
    print(json.dumps(found))  # noqa: T201


@every_family
def test_actions_outside_the_space_are_refused(family: Family) -> None:
    simulator = build(family)
    simulator.reset(EpisodeSeeds.of(0))
    joint = random_action(simulator, np.random.default_rng(0))
    for action in (-1, 10**6, None, "left", np.full(9, 0.5, np.float32), np.array([2.0], np.float32)):
        with pytest.raises(ValueError, match="player_0"):
            simulator.step(joint | {"player_0": action})


@every_family
def test_rounds_end_an_episode_within_the_horizon_and_chance_may_end_it_before(family: Family) -> None:
    for continuation, kind in ((1.0, "truncations"), (0.0, "terminations")):
        simulator = build(family, rounds=7, continuation=continuation)
        episode, taken = played(simulator, 0, 8)
        assert len(taken) == (7 if continuation else 1)
        assert all(columns[kind][-1] for columns in episode.columns.values())
    assert family.horizon_of({"rounds": 7}) == 7


def test_every_family_has_a_plain_version() -> None:
    assert BARE.keys() == FAMILIES.keys()


# ------------------------------------------------------------------ matrix games


def test_there_are_78_ordinal_games_and_144_with_roles() -> None:
    assert len(set(matrix_games.GAMES)) == 78
    assert len(set(matrix_games.GAMES_WITH_ROLES)) == 144


def test_twelve_ordinal_games_are_symmetric() -> None:
    def ranks(text: str) -> tuple[int, ...]:
        return tuple(map(int, text))

    def classes(game: str) -> set[tuple[tuple[int, ...], tuple[int, ...]]]:
        first, second = map(ranks, game.split("-"))
        return set(matrix_games.same_game(first, second))

    sizes = Counter(len(classes(game)) for game in matrix_games.GAMES)
    assert sizes == {4: 12, 8: 66}


def test_the_first_ordinal_game_is_the_prisoners_dilemma() -> None:
    table = matrix_games.ordinal_payoffs(matrix_games.GAMES[0], 1.0)
    rows, columns = table["rows"], table["columns"]
    dominant_row = next(a for a in (0, 1) if all(rows[a][b] > rows[1 - a][b] for b in (0, 1)))
    dominant_column = next(b for b in (0, 1) if all(columns[a][b] > columns[a][1 - b] for a in (0, 1)))
    equilibrium = rows[dominant_row][dominant_column], columns[dominant_row][dominant_column]
    assert equilibrium == (1 / 3, 1 / 3)
    assert (rows[1 - dominant_row][1 - dominant_column], columns[1 - dominant_row][1 - dominant_column]) == (
        2 / 3,
        2 / 3,
    )


ZERO_SUM = (
    "matching_pennies",
    "penalty_kick",
    "rock_paper_scissors",
    "rock_paper_scissors_lizard_spock",
    "blotto",
    "morra",
)


@pytest.mark.parametrize("game", ZERO_SUM)
def test_zero_sum_games_add_up_to_zero(game: str) -> None:
    rows, columns = (np.array(table) for table in matrix_games.NAMED[game])
    assert not (rows + columns).any()


# Of what is told in the literature: own action, the other's, own payoff.
CELLS = {
    "travelers_dilemma": (4, 2, 4 - 2),  # claims 6 against 4: 4 less the fine of 2
    "money_request": (8, 9, 19 + 20),
    "bertrand": (2, 2, 15),
    "cournot": (4, 4, 4 * (12 - 8 - 1)),
    "minimum_effort": (6, 0, 2 * 1 - 7 + 6),
    "attrition": (3, 1, 4 - 1),
    "undercut": (1, 2, 2 + 3),
    "graded_dilemma": (4, 0, -1),
    "morra": (0, 2, -3),  # shows 1 and guesses 1, against 2 and 1: only the second is right, which costs 3
    "hawk_dove_bourgeois": (0, 0, -1),
    "optional_dilemma": (1, 0, 5),
}


@pytest.mark.parametrize("game", CELLS)
def test_well_known_games_pay_what_the_literature_says(game: str) -> None:
    own, other, payoff = CELLS[game]
    rows, columns = matrix_games.NAMED[game]
    assert rows[own][other] == payoff
    assert np.array_equal(np.array(rows).T, columns) or game in ZERO_SUM


def test_each_of_rock_paper_scissors_lizard_spock_beats_two() -> None:
    rows = np.array(matrix_games.NAMED["rock_paper_scissors_lizard_spock"][0])
    assert ((rows == 1).sum(axis=1) == 2).all()
    assert ((rows == -1).sum(axis=1) == 2).all()


# ------------------------------------------------------------------ graphs


@pytest.mark.parametrize("graph", GRAPHS)
def test_graphs_have_no_loops_and_everybody_has_a_neighbour(graph: str) -> None:
    rng = np.random.default_rng(0)
    for nodes in (2, 3, 5, 16, 24):
        for links in (1, 2, 6):
            linked = neighbours(graph, nodes, links, 0.5, rng)
            assert all(near for near in linked)
            assert all(i not in near and all(i in linked[k] for k in near) for i, near in enumerate(linked))
