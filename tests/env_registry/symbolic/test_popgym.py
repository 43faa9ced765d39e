"""POPGym's tasks: equal to bare loops, alike at any time, restored exactly, sound in the corners of their ranges."""

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

from env_registry.family import Family
from env_registry.packing import pack, unpack
from env_registry.probe import random_action
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT
from env_registry.symbolic.popgym_memory import FAMILIES
from tests.bare import bare_episode
from tests.bare.popgym import BARE
from tests.env_registry.social.test_social_families import any_value
from tests.env_registry.test_single_agent_families import actions, assert_same_bits, build, episode, probe, rest

ROOT = Path(__file__).parents[3]
by_name = {family.name.removeprefix("popgym/"): family for family in FAMILIES}
every_family = pytest.mark.parametrize("family", FAMILIES, ids=by_name)

# What the library calls our parameters: (family, values, its own arguments).
VARIANTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("autoencode", {"num_decks": 2}, {"num_decks": 2}),
    ("battleship", {"board_size": 8, "fleet": "5-5"}, {"board_size": 8, "ship_sizes": [5, 5]}),
    ("concentration", {"deck_type": "colors"}, {"deck_type": "colors"}),
    ("count_recall", {"deck_type": "ranks", "num_decks": 2}, {"deck_type": "ranks", "num_decks": 2}),
    ("mine_sweeper", {"difficulty": "hard"}, {"difficulty": "hard"}),
    ("multiarmed_bandit", {"num_bandits": 5}, {"num_bandits": 5}),
    ("noisy_position_only_pendulum", {"noise_sigma": 0.3, "g": 5.0}, {"noise_sigma": 0.3, "g": 5.0}),
    (
        "position_only_cartpole",
        {"masspole": 0.5, "length": 1.0, "tau": 0.04, "max_episode_length": 40},
        {
            "max_episode_length": 40,
            "constants": {"masspole": 0.5, "length": 1.0, "tau": 0.04, "total_mass": 1.5, "polemass_length": 0.5},
        },
    ),
    ("repeat_previous", {"k": 16}, {"k": 16}),
]


@every_family
def test_the_default_equals_the_bare_loop_over_a_whole_episode(family: Family) -> None:
    for seed in (0, 1):
        simulator = build(family)
        taken = list(islice(actions(simulator, seed), family.horizon_of({}) + 1))
        ours = episode(simulator, seed, len(taken))
        assert_same_bits(ours, bare_episode(family.name, seed, taken))
        assert len(ours["rewards"]) <= family.horizon_of({})
        assert not simulator.actors


@pytest.mark.parametrize(("name", "values", "arguments"), VARIANTS)
def test_other_parameters_equal_the_librarys_own_arguments(
    name: str, values: dict[str, Any], arguments: dict[str, Any]
) -> None:
    simulator = build(by_name[name], **values)
    for seed in (1, 2):
        taken = list(islice(actions(simulator, seed), 150))
        assert_same_bits(
            episode(simulator, seed, 150), bare_episode(f"popgym/{name}", seed, taken, arguments=arguments)
        )


@every_family
def test_used_equals_fresh_and_other_seeds_differ(family: Family) -> None:
    used = build(family)
    episode(used, 3, 120)
    episode(used, 4, 7)  # left in the middle
    assert_same_bits(episode(used, 5, 60), episode(build(family), 5, 60))
    assert probe(used, seeds=(6,)) != probe(used, seeds=(7,))


@every_family
def test_the_state_is_saved_and_restored_to_the_last_bit(family: Family) -> None:
    simulator = build(family)
    for before in (0, 1, 20):
        simulator.reset(EpisodeSeeds.of(before))
        rest(simulator, before)
        state = unpack(pack(simulator.save()))
        continued = pack(rest(simulator, 120))
        other = build(family)
        episode(other, 99, 10)
        for branch in (other, simulator, other):
            branch.load(state)
            assert pack(rest(branch, 120)) == continued


@every_family
def test_any_point_can_be_played_within_its_space_and_horizon(family: Family) -> None:
    rng = random.Random(family.name)
    for seed in range(6):
        values = {axis.name: any_value(axis, rng) for axis in family.axes}
        simulator = build(family, **values)
        space = simulator.observation_spaces[SINGLE_AGENT]
        assert space.contains(simulator.reset(EpisodeSeeds.of(seed)))
        draws, steps = np.random.default_rng(seed), 0
        while simulator.actors:
            observation, reward, *_ = simulator.step(random_action(simulator, draws))
            assert space.contains(observation)
            assert np.isfinite(reward)
            steps += 1
        assert steps <= family.horizon_of(values)


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
    assert json.loads(one).keys() == by_name.keys()


def main() -> None:
    """What a process of the test above writes."""
    print(json.dumps({name: probe(build(family), steps=60) for name, family in by_name.items()}))  # noqa: T201


def test_every_family_has_a_bare_loop() -> None:
    assert BARE.keys() == {family.name for family in FAMILIES}
