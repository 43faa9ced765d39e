"""Every family with several agents: equal to a bare loop, the same at any time, and different where it says so."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from env_registry.axes import Axis
from env_registry.family import Actions, Family
from env_registry.packing import pack, unpack
from env_registry.probe import random_action
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Kind, Simulator
from env_registry.social import mpe, openspiel, pettingzoo_games
from env_registry.social.openspiel.game import DETERMINISTIC
from tests.bare.social import BARE, Episode, bare_episode

ROOT = Path(__file__).parents[3]
FAMILIES = {family.name: family for module in (mpe, pettingzoo_games, openspiel) for family in module.FAMILIES}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())

# Milliseconds a step instead of microseconds: one seed and fewer steps, which still tell all their levels apart.
SLOW = {
    "mpe/collect_treasure",
    "mpe/simple_world_comm",
    "pettingzoo/knights_archers_zombies",
    "pettingzoo/pistonball",
    "pettingzoo/pistonball_discrete",
    "pettingzoo/pursuit",
}

# Whose random episodes may end before their limit.
ENDS_EARLY = {"pettingzoo/knights_archers_zombies", "pettingzoo/pistonball", "pettingzoo/pistonball_discrete"}

# What the library calls our parameters: (values, the library's own arguments or edits).
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mpe/simple_spread": (
        {"N": 2, "local_ratio": 0.0, "num_landmark_neighbors": 1, "damping": 0.5, "dt": 0.16, "contact_force": 25.0},
        {
            "N": 2,
            "local_ratio": 0.0,
            "num_landmark_neighbors": 1,
            "world": {"damping": 0.5, "dt": 0.16, "contact_force": 25.0},
        },
    ),
    "mpe/simple_tag": (
        {"num_good": 2, "num_adversaries": 1, "num_obstacles": 0, "max_cycles": 60},
        {"num_good": 2, "num_adversaries": 1, "num_obstacles": 0, "max_cycles": 60},
    ),
    "pettingzoo/pistonball": (
        {"n_pistons": 4, "ball_friction": 0.9, "random_drop": False},
        {"n_pistons": 4, "ball_friction": 0.9, "random_drop": False},
    ),
    "pettingzoo/knights_archers_zombies": (
        {"num_archers": 1, "num_knights": 4, "spawn_delay": 8},
        {"num_archers": 1, "num_knights": 4, "spawn_delay": 8},
    ),
    "pettingzoo/pursuit": ({"n_pursuers": 4, "obs_range": 5}, {"n_pursuers": 4, "obs_range": 5}),
    "openspiel/amazons": ({"board_size": "8"}, {"board_size": 8}),
    "openspiel/dark_hex": (
        {"board_size": 4, "gameversion": "adh"},
        {"board_size": 4, "num_rows": 4, "num_cols": 4, "gameversion": "adh"},
    ),
    "openspiel/goofspiel": (
        {"players": 3, "num_cards": 5, "points_order": "descending", "imp_info": True},
        {"players": 3, "num_cards": 5, "points_order": "descending", "imp_info": True},
    ),
    "openspiel/hanabi": (
        {"players": 3, "colors": 3, "max_life_tokens": 1},
        {
            "players": 3,
            "colors": 3,
            "ranks": 5,
            "hand_size": 5,
            "max_information_tokens": 8,
            "max_life_tokens": 1,
        },
    ),
    "openspiel/leduc_poker": ({"players": 5}, {"players": 5}),
    "openspiel/nim": ({"pile_sizes": "3-4-5", "is_misere": False}, {"pile_sizes": "3;4;5", "is_misere": False}),
    "openspiel/repeated_matrix_game": (
        {"stage_game": "matching_pennies_3p", "recall": 3},
        {"stage_game": {"name": "matching_pennies_3p"}, "recall": 3},
    ),
    "openspiel/snake": ({"players": "4", "rows": 6}, {"players": 4, "rows": 6}),
}


# ------------------------------------------------------------------ rollouts


def build(family: Family, **values: Any) -> Simulator:
    return family.make({axis.name: axis.default for axis in family.axes} | values)


def played(simulator: Simulator, seed: int, count: int) -> tuple[Episode, list[dict[str, Any]]]:
    """Up to `count` random legal steps of one episode, recorded as a bare loop does, and the actions taken."""
    rng = np.random.default_rng(seed)
    episode = Episode(simulator.agents)
    taken: list[dict[str, Any]] = []
    live = set(simulator.agents)
    episode.see(simulator.reset(EpisodeSeeds.of(seed)))
    while simulator.actors and len(taken) < count:
        episode.order.append(tuple(simulator.actors))
        taken.append(random_action(simulator, rng))
        observations, rewards, terminations, truncations, _ = simulator.step(taken[-1])
        assert rewards.keys() == terminations.keys() == truncations.keys() == live
        left = {agent for agent in live if terminations[agent] or truncations[agent]}
        assert observations.keys() == left | set(simulator.actors)
        episode.see(observations)
        for agent in rewards:
            episode.get(agent, rewards[agent], terminations[agent], truncations[agent])
        live -= left
    return episode, taken


def rest(simulator: Simulator, count: int) -> bytes:
    """What up to `count` further steps of the episode give."""
    rng = np.random.default_rng(7)
    answers: list[Any] = []
    while simulator.actors and len(answers) < count:
        answers.append(simulator.step(random_action(simulator, rng))[:4])
    return pack(answers)


def probe(simulator: Simulator, family: Family, *, first_seed: int = 0) -> str:
    """Digest of 2 seeds x 100 random steps, in as many episodes as they fill; the actions are always drawn alike."""
    digest = hashlib.sha256()
    seeds, steps = ([first_seed], 30) if family.name in SLOW else ([first_seed, first_seed + 1], 100)
    for seed in seeds:
        rng = np.random.default_rng(0)
        over = True
        for number in range(steps):
            if over:
                digest.update(pack(simulator.reset(EpisodeSeeds.of(1000 * number + seed))))
            digest.update(pack(simulator.step(random_action(simulator, rng))[:4]))
            over = not simulator.actors
    return digest.hexdigest()


def assert_same_bits(one: Episode, other: Episode) -> None:
    """Observations with their types, float64 rewards, flags, and who acted when."""
    assert one.order == other.order
    assert pack(one.columns) == pack(other.columns)


# ------------------------------------------------------------------ tests


@pytest.mark.parametrize("seed", [0, 1])
@every_family
def test_the_default_equals_the_bare_loop_over_a_whole_episode_within_the_horizon(family: Family, seed: int) -> None:
    simulator = build(family)
    ours, taken = played(simulator, seed, family.horizon + 1)
    assert len(taken) <= family.horizon
    assert not simulator.actors
    assert_same_bits(ours, bare_episode(family.name, seed, taken))
    simulator.close()


@pytest.mark.parametrize("name", VARIANTS)
def test_other_parameters_equal_the_bare_loop_with_the_librarys_own_arguments(name: str) -> None:
    values, arguments = VARIANTS[name]
    simulator = build(FAMILIES[name], **values)
    for seed in (0, 1):
        ours, taken = played(simulator, seed, 100)
        assert_same_bits(ours, bare_episode(name, seed, taken, **arguments))


@every_family
def test_a_used_simulator_gives_the_same_bits_as_a_fresh_one(family: Family) -> None:
    used = build(family)
    played(used, 3, 60)
    played(used, 4, 10)  # left in the middle
    assert_same_bits(played(used, 5, 50)[0], played(build(family), 5, 50)[0])


@every_family
def test_another_seed_gives_other_bits_unless_nothing_is_random(family: Family) -> None:
    simulator = build(family)
    first = probe(simulator, family)
    seed_matters = any(probe(simulator, family, first_seed=seed) != first for seed in range(50, 60, 2))
    assert seed_matters == (DETERMINISTIC not in family.tags)


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
    print(json.dumps({name: probe(build(family), family) for name, family in FAMILIES.items()}))  # noqa: T201


@every_family
def test_every_level_can_be_played_and_no_two_behave_alike(family: Family) -> None:
    points: dict[str, str] = {}
    axes = [axis for axis in family.axes if axis.name != "max_cycles"]  # whose witness is the next test
    for values in ({}, *({axis.name: level} for axis in axes for level in axis.levels)):
        simulator = build(family, **values)
        twin = points.setdefault(probe(simulator, family), str(values))
        assert twin == str(values), f"{values} behaves as {twin}"
        simulator.close()


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.axis("max_cycles")])
def test_the_limit_of_cycles_ends_what_does_not_end_before(name: str) -> None:
    axis = FAMILIES[name].axis("max_cycles")
    assert axis
    for limit in axis.levels:
        episode, taken = played(build(FAMILIES[name], max_cycles=limit), 0, limit + 1)
        last = {agent: columns["truncations"][-1] for agent, columns in episode.columns.items()}
        assert any(last.values()) == (len(taken) == limit)
        assert len(taken) == limit or name in ENDS_EARLY


@every_family
def test_any_point_of_the_space_can_be_made_and_played(family: Family) -> None:
    rng = random.Random(family.name)
    for seed in range(5):
        simulator = build(family, **{axis.name: any_value(axis, rng) for axis in family.axes})
        assert played(simulator, seed, 10)[1]


def any_value(axis: Axis, rng: random.Random) -> Any:
    """Often an end of the range: there combinations break."""
    schema = axis.schema()
    if axis.python_type is bool:
        return rng.random() < 0.5
    if axis.python_type is str:
        return rng.choice(schema["choices"])
    ends = [schema["low"], schema["high"]]
    return rng.choice([*ends, rng.randint(*ends) if axis.python_type is int else rng.uniform(*ends)])


@every_family
def test_actions_outside_the_space_are_refused(family: Family) -> None:
    simulator = build(family)
    simulator.reset(EpisodeSeeds.of(0))
    joint = random_action(simulator, np.random.default_rng(0))
    agent = simulator.actors[0]
    for action in (-1, 10**6, None, "left", 0.5):
        with pytest.raises(ValueError, match=agent):
            simulator.step(joint | {agent: action})


@every_family
def test_masked_actions_are_refused_and_change_nothing(family: Family) -> None:
    simulator, undisturbed = build(family), build(family)
    illegal: list[int] = []
    for joint in until_masked(simulator, family, undisturbed):
        agent = simulator.actors[0]
        illegal = np.flatnonzero(np.asarray(simulator.action_mask(agent)) == 0).tolist()
        for action in illegal[:3]:
            with pytest.raises(ValueError, match="illegal"):
                simulator.step(joint | {agent: action})
    assert bool(illegal) == (family.traits.actions is Actions.MASKED)
    assert rest(simulator, 20) == rest(undisturbed, 20)


def until_masked(simulator: Simulator, family: Family, *others: Simulator) -> Iterator[dict[str, Any]]:
    """Plays all of them alike until the first cannot do everything; then a legal joint action, once."""
    rng = np.random.default_rng(0)
    for number in range(400):
        for each in (simulator, *others):
            if not each.actors:
                each.reset(EpisodeSeeds.of(number))
        joint = random_action(simulator, rng)
        mask = simulator.action_mask(simulator.actors[0])
        if mask is None:
            assert family.traits.actions is not Actions.MASKED
            return
        if not mask.all():
            yield joint
            return
        for each in (simulator, *others):
            each.step(joint)


@every_family
def test_actions_are_due_from_all_actors_and_from_nobody_else(family: Family) -> None:
    simulator = build(family)
    simulator.reset(EpisodeSeeds.of(0))
    joint = random_action(simulator, np.random.default_rng(0))
    nothing: dict[str, Any] = {}
    for wrong in (nothing, joint | {"nobody": 0}):
        with pytest.raises(ValueError, match="actions are due from"):
            simulator.step(wrong)


@every_family
def test_the_state_is_saved_and_restored_to_the_last_bit_or_not_at_all(family: Family) -> None:
    simulator = build(family)
    exact = family.distribution == "open-spiel"
    for before in (0, 1, 5):
        simulator.reset(EpisodeSeeds.of(before))
        rest(simulator, before)
        saved = simulator.save()
        assert (saved is not None) == exact
        if saved is None:
            with pytest.raises(NotImplementedError):
                simulator.load({})
            return
        state = unpack(pack(saved))
        continued = rest(simulator, 100)
        other = build(family)
        played(other, 99, 2)
        for branch in (simulator, other, other):
            branch.load(state)
            assert rest(branch, 100) == continued


@every_family
def test_observations_lie_in_the_declared_spaces(family: Family) -> None:
    simulator = build(family)
    episode, _ = played(simulator, 0, 30)
    assert simulator.observation_spaces.keys() == simulator.action_spaces.keys() == set(simulator.agents)
    for agent, columns in episode.columns.items():
        for observation in columns["observations"]:
            value = observation if observation.shape else observation[()]
            assert simulator.observation_spaces[agent].contains(value)


@every_family
def test_simulators_are_of_the_declared_kind(family: Family) -> None:
    simulator = build(family)
    assert simulator.kind is family.traits.kind
    assert simulator.kind in (Kind.PARALLEL, Kind.TURN)
    assert not simulator.actors
    spaces = simulator.action_spaces.values()
    assert all(hasattr(space, "n") != (family.traits.actions is Actions.CONTINUOUS) for space in spaces)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name.startswith("openspiel/")])
def test_rewards_of_an_open_spiel_game_add_up_to_its_returns(name: str) -> None:
    family = FAMILIES[name]
    simulator: Any = build(family)
    for seed in range(3):
        episode, _ = played(simulator, seed, family.horizon)
        sums = [sum(columns["rewards"]) for columns in episode.columns.values()]
        assert sums == pytest.approx(simulator._state.returns())


def test_agents_of_a_parallel_game_leave_it_early_and_are_no_longer_asked() -> None:
    simulator = build(FAMILIES["pettingzoo/knights_archers_zombies"], spawn_delay=2, max_zombies=50)
    lengths = [
        {len(columns["rewards"]) for columns in played(simulator, seed, 300)[0].columns.values()} for seed in range(3)
    ]
    assert any(len(each) > 1 for each in lengths)


def test_images_of_pistonball_move() -> None:
    episode, _ = played(build(FAMILIES["pettingzoo/pistonball"]), 0, 5)
    pictures = episode.columns["piston_4"]["observations"]
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def test_every_family_has_a_bare_loop() -> None:
    assert BARE.keys() == FAMILIES.keys()
