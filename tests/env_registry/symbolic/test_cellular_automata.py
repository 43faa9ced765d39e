"""The cellular automaton against an independent one, and the symmetries that its list of rules rests on."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from env_registry.seeding import EpisodeSeeds
from env_registry.symbolic.cellular_automata import (
    FAMILIES,
    FORGETFUL_RULES,
    INDEPENDENT_RULES,
    RULES,
    complement,
    mirror,
)
from env_registry.symbolic.cellular_automaton_env import Action, CellularAutomatonEnv
from tests.bare import bare_episode, record

by_name = {family.name: family for family in FAMILIES}
rules = st.integers(0, 255)
action_lists = st.lists(st.integers(0, 3), min_size=1, max_size=30)
MIRRORED = {Action.LEFT: Action.RIGHT, Action.RIGHT: Action.LEFT}


@settings(max_examples=60)
@given(
    name=st.sampled_from(sorted(by_name)),
    rule=rules,
    size=st.integers(2, 30).map(lambda half: 2 * half + 1),
    start=st.floats(0, 1),
    target=st.floats(0, 1),
    noise=st.sampled_from([0.0, 0.05, 1.0]),
    updates=st.integers(1, 4),
    seed=st.integers(0, 2**31 - 1),
    actions=action_lists,
)
def test_it_equals_the_reference_cell_by_cell(
    name: str,
    rule: int,
    size: int,
    start: float,
    target: float,
    noise: float,
    updates: int,
    seed: int,
    actions: list[int],
) -> None:
    values: dict[str, Any] = {
        "rule": rule,
        "size": size,
        "initial_density": start,
        "updates_per_step": updates,
        "noise": noise,
    }
    arguments: dict[str, Any] = {"rule": rule, "size": size, "start": start, "noise": noise, "updates": updates}
    if name == "rules/cellular_automaton":
        values["target_density"] = arguments["target"] = target
    simulator = by_name[name].make(values)
    ours = record(lambda: simulator.reset(EpisodeSeeds.of(seed)), simulator.step, actions)
    reference = bare_episode(name, seed, actions, arguments=arguments)
    assert ours["observations"][""].tobytes() == reference["observations"][""].tobytes()
    assert ours["rewards"].tobytes() == reference["rewards"].tobytes()


def test_it_passes_gymnasiums_own_checks() -> None:
    check_env(CellularAutomatonEnv(), skip_render_check=True)
    check_env(CellularAutomatonEnv(target_density=None, size=5, noise=0.1), skip_render_check=True)


@given(rules)
def test_mirror_and_complement_undo_themselves(rule: int) -> None:
    assert mirror(mirror(rule)) == complement(complement(rule)) == rule


@settings(max_examples=40)
@given(rule=rules, seed=st.integers(0, 1000), actions=action_lists)
def test_a_mirrored_rule_with_mirrored_actions_gives_the_mirrored_ring(
    rule: int, seed: int, actions: list[int]
) -> None:
    env, mirrored = CellularAutomatonEnv(rule=rule, size=9), CellularAutomatonEnv(rule=mirror(rule), size=9)
    start, _ = env.reset(seed=seed)
    mirrored.reset(seed=seed)
    mirrored.cells = reflected(start)
    for action in map(Action, actions):
        seen, reward, *_ = env.step(np.int64(action))
        other_seen, other_reward, *_ = mirrored.step(np.int64(MIRRORED.get(action, action)))
        assert (reflected(seen) == other_seen).all()
        assert reward == other_reward


@settings(max_examples=40)
@given(rule=rules, seed=st.integers(0, 1000), actions=action_lists)
def test_a_complemented_rule_gives_the_complemented_ring(rule: int, seed: int, actions: list[int]) -> None:
    env, other = CellularAutomatonEnv(rule=rule, size=9), CellularAutomatonEnv(rule=complement(rule), size=9)
    start, _ = env.reset(seed=seed)
    other.reset(seed=seed)
    other.cells = 1 - start
    for action in actions:
        assert (env.step(np.int64(action))[0] == 1 - other.step(np.int64(action))[0]).all()


def reflected(cells: Any) -> Any:
    """The ring as an agent on the same cell meets it going left."""
    return np.roll(cells[::-1], 1)


def test_the_rules_are_the_88_known_classes_without_wolframs_first() -> None:
    assert len(INDEPENDENT_RULES) == 88
    assert set(FORGETFUL_RULES) < set(INDEPENDENT_RULES)
    assert len(RULES) == 80
    assert {30, 54, 90, 106, 110, 150, 184, 232} < set(RULES)


def test_a_forgetful_rule_forgets_what_the_agent_did_and_a_listed_one_need_not() -> None:
    def difference(rule: int) -> int:
        one, other = CellularAutomatonEnv(rule=rule), CellularAutomatonEnv(rule=rule)
        one.reset(seed=0)
        other.reset(seed=0)
        one.step(np.int64(Action.FLIP))
        other.step(np.int64(Action.STAY))
        for _ in range(40):
            seen, other_seen = one.step(np.int64(0))[0], other.step(np.int64(0))[0]
        return int((seen != other_seen).sum())

    assert all(difference(rule) == 0 for rule in FORGETFUL_RULES)
    assert difference(30) > 0
    assert difference(90) > 0
