"""OpenSpiel's further games: equal to a bare loop, alike at any time, playable anywhere in the ranges of their axes."""

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

from env_registry.family import Actions, Family, families
from env_registry.packing import pack, unpack
from env_registry.probe import random_action
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Kind, Simulator
from env_registry.social.openspiel import card_games, chess_games, strategy_games
from env_registry.social.openspiel.game import DETERMINISTIC
from env_registry.symbolic import openspiel_puzzles
from tests.bare import record
from tests.bare.openspiel import BARE
from tests.env_registry.social.test_social_families import any_value, assert_same_bits, build, played, rest

ROOT = Path(__file__).parents[3]
PUZZLES = {family.name: family for family in openspiel_puzzles.FAMILIES}
GAMES = {family.name: family for module in (chess_games, strategy_games, card_games) for family in module.FAMILIES}
FAMILIES = GAMES | PUZZLES
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)

# OpenSpiel says how long its games may be, but for these, whose sizes it forgets.
OWN_HORIZONS = {"openspiel/poker", "openspiel/liars_poker"}
SEEDED = {"openspiel/negotiation"}

# What the library calls our parameters: (values, the library's own arguments).
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "openspiel/battleship": (
        {"board_height": 8, "fleet": "4-5", "num_shots": 10},
        {"board_height": 8, "ship_sizes": "[4;5]", "ship_values": "[1.0;1.0]", "num_shots": 10},
    ),
    "openspiel/checkers": ({"board": "10x8"}, {"rows": 10, "columns": 8}),
    "openspiel/crazyhouse": ({"chess960": True, "insanity": 4}, {"chess960": True, "insanity": 4}),
    "openspiel/kriegspiel": (
        {"board_size": "4"},
        {"board_size": 4},
    ),
    "openspiel/liars_poker": ({"num_digits": 3}, {"num_digits": 3}),
    "openspiel/maedn": ({"two_players_opposite": False}, {"twoPlayersOpposite": False}),
    "openspiel/negotiation": ({"enable_utterances": False}, {"enable_utterances": False}),
    "openspiel/oh_hell": ({"players": 5, "num_suits": 3}, {"players": 5, "num_suits": 3}),
    "openspiel/poker": (
        {"variant": "texas_limit", "players": 3, "stack": 20},
        {
            "betting": "limit",
            "numPlayers": 3,
            "numRounds": 4,
            "numRanks": 13,
            "numHoleCards": 2,
            "numBoardCards": "0 3 1 1",
            "blind": "1 2 0",
            "firstPlayer": "3 1 1 1",
            "stack": "20 20 20",
            "raiseSize": "2 2 4 4",
            "maxRaises": "3 3 3 3",
        },
    ),
}


def horizon(family: Family, values: Any) -> int:
    return family.horizon_of({axis.name: axis.default for axis in family.axes} | values)


def answers(simulator: Simulator, seed: int, count: int) -> bytes:
    """What up to `count` random steps of an episode give, of either kind."""
    rng = np.random.default_rng(seed)
    found = [simulator.reset(EpisodeSeeds.of(seed))]
    while simulator.actors and len(found) <= count:
        found.append(simulator.step(random_action(simulator, rng))[:4])
    return pack(found)


@pytest.mark.parametrize("family", GAMES.values(), ids=GAMES)
def test_a_whole_game_equals_the_bare_loop_and_pays_its_returns(family: Family) -> None:
    simulator: Any = build(family)
    ours, taken = played(simulator, 0, horizon(family, {}) + 1)
    assert not simulator.actors
    assert len(taken) <= horizon(family, {})
    assert_same_bits(ours, BARE[family.name](0, taken))
    assert [sum(each["rewards"]) for each in ours.columns.values()] == pytest.approx(simulator._state.returns())


@pytest.mark.parametrize("family", PUZZLES.values(), ids=PUZZLES)
def test_a_whole_puzzle_equals_the_bare_loop(family: Family) -> None:
    simulator = build(family)
    rng = np.random.default_rng(0)
    bare = BARE[family.name]()
    ours, theirs, taken = [simulator.reset(EpisodeSeeds.of(3))], [bare.reset(seed=3)[0]], 0
    while simulator.actors:
        action = random_action(simulator, rng)
        ours.append(simulator.step(action)[:4])
        theirs.append(bare.step(action)[:4])
        taken += 1
    assert taken <= horizon(family, {})
    assert pack(ours) == pack(theirs)


@pytest.mark.parametrize("name", VARIANTS)
def test_other_parameters_equal_the_librarys_own_arguments(name: str) -> None:
    values, arguments = VARIANTS[name]
    for seed in (1, 2):
        ours, taken = played(build(FAMILIES[name], **values), seed, 60)
        assert_same_bits(ours, BARE[name](seed, taken, **arguments))


@every_family
def test_used_equals_fresh_and_the_seed_matters_where_something_is_random(family: Family) -> None:
    used = build(family)
    answers(used, 3, 30)
    assert answers(used, 5, 40) == answers(build(family), 5, 40)
    rng = [np.random.default_rng(0) for _ in range(8)]
    openings = set()
    for seed, own in enumerate(rng):
        used.reset(EpisodeSeeds.of(seed))
        found = []
        while used.actors and len(found) < 60:
            found.append(used.step(random_action(used, own))[:4])
        openings.add(pack(found))
    assert (len(openings) > 1) == (DETERMINISTIC not in family.tags)


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
    assert first.keys() == FAMILIES.keys()


def main() -> None:
    """What a process of the test above writes."""
    digests = {name: hashlib.sha256(answers(build(family), 0, 40)).hexdigest() for name, family in FAMILIES.items()}
    print(json.dumps(digests))  # noqa: T201


@every_family
def test_the_state_is_exact_or_not_given(family: Family) -> None:
    simulator = build(family)
    answers(simulator, 4, 5)
    if not simulator.actors:
        answers(simulator, 4, 0)
    saved = simulator.save()
    assert (saved is None) == (family.name in SEEDED)
    if saved is None:
        with pytest.raises(NotImplementedError):
            simulator.load({})
        return
    state = unpack(pack(saved))
    other = build(family)
    answers(other, 9, 2)
    continued = rest(simulator, 40)
    for branch in (other, simulator):
        branch.load(state)
        assert rest(branch, 40) == continued


@every_family
def test_levels_and_any_other_point_are_played_within_their_spaces_and_horizons(family: Family) -> None:
    rng = random.Random(family.name)
    levels = [{axis.name: level} for axis in family.axes for level in axis.levels]
    points = [{axis.name: any_value(axis, rng) for axis in family.axes} for _ in range(3)]
    for values in [*levels, *points]:
        simulator: Any = build(family, **values)
        if family.name not in OWN_HORIZONS:
            assert simulator._game.max_game_length() <= horizon(family, values)
        draws = np.random.default_rng(1)
        observed = simulator.reset(EpisodeSeeds.of(1))
        for _ in range(40):
            for agent, each in observed.items() if simulator.kind is Kind.TURN else (("agent", observed),):
                assert simulator.observation_spaces[agent].contains(each)
            if not simulator.actors:
                break
            observed = simulator.step(random_action(simulator, draws))[0]


@pytest.mark.parametrize("name", [name for name in families() if name.startswith("openspiel/")])
def test_observations_are_what_the_state_lists(name: str) -> None:
    """They are taken from OpenSpiel's observers, which are faster, where those tell the same."""
    rng = random.Random(name)
    for _ in range(4):
        family = families()[name]
        simulator: Any = build(family, **{axis.name: any_value(axis, rng) for axis in family.axes})
        draws = np.random.default_rng(1)
        observed = simulator.reset(EpisodeSeeds.of(1))
        for _ in range(60):
            state = simulator._state
            tensor = state.information_state_tensor if simulator._informed else state.observation_tensor
            for agent, each in observed.items() if simulator.kind is Kind.TURN else (("agent", observed),):
                assert pack(each) == pack(np.array(tensor(simulator._player[agent]), np.float32))
            if not simulator.actors:
                break
            observed = simulator.step(random_action(simulator, draws))[0]


@every_family
def test_illegal_actions_are_refused(family: Family) -> None:
    simulator = build(family)
    illegal: list[int] = []
    rng = np.random.default_rng(0)
    for number in range(200):
        if not simulator.actors:
            simulator.reset(EpisodeSeeds.of(number))
        mask = simulator.action_mask(simulator.actors[0])
        illegal = [] if mask is None else np.flatnonzero(mask == 0).tolist()
        if illegal or mask is None:
            break
        simulator.step(random_action(simulator, rng))
    assert bool(illegal) == (family.traits.actions is Actions.MASKED)
    joint = random_action(simulator, rng)
    for action in (-1, 10**6, None, *illegal[:2]):
        wrong = action if simulator.kind is Kind.SINGLE else joint | {simulator.actors[0]: action}
        with pytest.raises(ValueError, match=simulator.actors[0]):
            simulator.step(wrong)


@pytest.mark.parametrize("cave", ["stones", "fireflies", "nuts", "keys"])
def test_the_witness_of_the_caves_finds_gems_and_feels_how_many_are_needed(cave: str) -> None:
    family = FAMILIES["openspiel/stones_and_gems"]
    assert family.witness
    lengths = []
    for needed in (1, 4):
        simulator = build(family, cave=cave, gems_needed=needed)
        act, rng = family.witness(simulator), np.random.default_rng(0)
        seen = record(
            lambda: simulator.reset(EpisodeSeeds.of(0)),  # noqa: B023
            simulator.step,
            (act(None, rng) for _ in range(200)),
        )
        assert seen["rewards"].max() > 0
        lengths.append(len(seen["rewards"]))
    assert lengths[0] < lengths[1]


def test_every_family_has_a_bare_loop() -> None:
    assert BARE.keys() == FAMILIES.keys()
