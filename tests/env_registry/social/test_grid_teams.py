"""Level-based foraging and MAgent2: equal to bare loops, alike at any time, playable anywhere in their ranges."""

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

from env_registry.family import Family
from env_registry.packing import pack, unpack
from env_registry.seeding import EpisodeSeeds
from env_registry.social import level_based_foraging, magent
from tests.bare import lbforaging as bare_foraging
from tests.bare import magent as bare_magent
from tests.env_registry.social.test_social_families import any_value, assert_same_bits, build, played, rest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
BARE = bare_foraging.BARE | bare_magent.BARE
ROOT = Path(__file__).parents[3]
FAMILIES = {family.name: family for module in (level_based_foraging, magent) for family in module.FAMILIES}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)

# What the libraries call our parameters: (family, values, the library's own arguments).
VARIANTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("lbforaging/foraging", {"force_coop": True, "players": 4}, {"force_coop": True, "players": 4}),
    (
        "lbforaging/foraging",
        {"field_size": 5, "sight": 1, "max_food_level": 3, "penalty": 0.5, "observe_agent_levels": False},
        {"field_size": (5, 5), "sight": 1, "max_food_level": 3, "penalty": 0.5, "observe_agent_levels": False},
    ),
    ("magent/battle", {"minimap_mode": True, "step_reward": 0.1}, {"minimap_mode": True, "step_reward": 0.1}),
    ("magent/tiger_deer", {"map_size": 21, "extra_features": True}, {"map_size": 21, "extra_features": True}),
]


@every_family
def test_the_default_equals_the_bare_loop_over_a_whole_episode(family: Family) -> None:
    simulator = build(family)
    ours, taken = played(simulator, 0, family.horizon_of({}) + 1)
    assert not simulator.actors
    assert len(taken) <= family.horizon_of({})
    assert_same_bits(ours, BARE[family.name](0, taken))


@pytest.mark.parametrize(("name", "values", "arguments"), VARIANTS)
def test_other_parameters_equal_the_librarys_own_arguments(
    name: str, values: dict[str, Any], arguments: dict[str, Any]
) -> None:
    for seed in (1, 2):
        ours, taken = played(build(FAMILIES[name], **values), seed, 50)
        assert_same_bits(ours, BARE[name](seed, taken, **arguments))


@every_family
def test_used_equals_fresh_other_seeds_differ_and_observations_fit(family: Family) -> None:
    used = build(family)
    played(used, 3, 60)
    played(used, 4, 5)  # left in the middle
    ours, _ = played(used, 5, 30)
    assert_same_bits(ours, played(build(family), 5, 30)[0])
    assert pack(ours.columns) != pack(played(used, 6, 30)[0].columns)
    for agent, columns in ours.columns.items():
        assert all(used.observation_spaces[agent].contains(seen) for seen in columns["observations"])


def test_two_processes_with_different_hash_seeds_give_the_same_bits() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", f"from {__name__} import main; main()"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2")
    ]
    first, second = (json.loads(process.communicate()[0].splitlines()[-1]) for process in processes)
    assert first == second
    assert first.keys() == FAMILIES.keys()


def main() -> None:
    """What a process of the test above writes."""
    digests = {
        name: hashlib.sha256(pack(played(build(family), 0, 40)[0].columns)).hexdigest()
        for name, family in FAMILIES.items()
    }
    print(json.dumps(digests))  # noqa: T201


@every_family
def test_the_state_is_exact_or_not_given(family: Family) -> None:
    simulator = build(family)
    played(simulator, 1, 12)
    saved = simulator.save()
    assert (saved is not None) == family.name.startswith("lbforaging/")
    if saved is not None:
        state = unpack(pack(saved))
        other = build(family)
        played(other, 9, 3)
        continued = rest(simulator, 60)
        for branch in (other, simulator):
            branch.load(state)
            assert rest(branch, 60) == continued


@every_family
def test_any_point_of_the_space_can_be_played(family: Family) -> None:
    rng = random.Random(family.name)
    for seed in range(8):
        simulator = build(family, **{axis.name: any_value(axis, rng) for axis in family.axes})
        episode, taken = played(simulator, seed, 10)
        assert taken
        assert all(np.isfinite(columns["rewards"]).all() for columns in episode.columns.values())


@pytest.mark.parametrize(("axis", "value"), [("hp_scale", 0.25), ("damage_scale", 4.0), ("recovery_scale", 10.0)])
def test_scales_change_fights_and_leave_the_library_as_it_was(axis: str, value: float) -> None:
    family = FAMILIES["magent/battle"]
    before = fought(family)
    assert fought(family, **{axis: value}) != before
    assert fought(family) == before


def fought(family: Family, **values: Any) -> bytes:
    """An episode of the witness."""
    assert family.witness
    simulator = build(family, **values)
    act, rng = family.witness(simulator), np.random.default_rng(0)
    answers = [simulator.reset(EpisodeSeeds.of(0))]
    while simulator.actors:
        answers.append(simulator.step(act(None, rng))[:4])
    return pack(answers)


def test_the_witness_gathers_food_together() -> None:
    foraging = FAMILIES["lbforaging/foraging"]
    assert foraging.witness
    simulator = build(foraging, force_coop=True)
    act, rng, paid = foraging.witness(simulator), np.random.default_rng(0), 0.0
    simulator.reset(EpisodeSeeds.of(1))
    while simulator.actors:
        paid += sum(simulator.step(act(None, rng))[1].values())
    assert paid == pytest.approx(1.0)


def test_every_family_has_a_bare_loop() -> None:
    assert BARE.keys() == FAMILIES.keys()
