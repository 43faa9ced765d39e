"""One axis stands for a switch and its probability, and a task that could go on for ever does not."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import numpy as np

from env_registry.packing import pack
from env_registry.seeding import EpisodeSeeds
from env_registry.symbolic.toy_text import BLACKJACK_HORIZON, CLIFF_WALKING_TIME_LIMIT, FAMILIES
from tests.bare import bare_episode

by_name = {family.name: family for family in FAMILIES}


def build(name: str, **values: Any) -> Any:
    family = by_name[name]
    return family.make({axis.name: axis.default for axis in family.axes} | values)


def test_full_success_is_the_lake_that_is_not_slippery() -> None:
    simulator = build("toytext/frozen_lake", success_rate=1.0)
    right, down = 2, 1
    simulator.reset(EpisodeSeeds.of(0))
    route = [down, down, right, right, down, right]
    answers = [simulator.step(action) for action in route]
    assert [answer[0] for answer in answers] == [4, 8, 9, 10, 14, 15]
    assert answers[-1][1:3] == (1, True)


def test_holes_and_steps_pay_what_they_are_set_to() -> None:
    simulator = build("toytext/frozen_lake", success_rate=1.0, hole_reward=-1.0, step_reward=-0.1)
    simulator.reset(EpisodeSeeds.of(0))
    assert simulator.step(1)[1:3] == (-0.1, False)
    assert simulator.step(2)[1:3] == (-1.0, True)


def test_the_cliff_costs_what_it_is_set_to_and_a_walk_that_stands_still_ends() -> None:
    simulator = build("toytext/cliff_walking", cliff_reward=-10.0, step_reward=-4.0)
    simulator.reset(EpisodeSeeds.of(0))
    assert simulator.step(1)[:2] == (36, -10.0)
    assert simulator.step(0)[:2] == (24, -4.0)
    simulator.reset(EpisodeSeeds.of(0))
    steps = 0
    while simulator.actors:
        *_, terminated, truncated, _ = simulator.step(3)
        steps += 1
    assert (steps, terminated, truncated) == (CLIFF_WALKING_TIME_LIMIT, False, True)


def test_a_fickle_passenger_changes_the_destination_once() -> None:
    """The witness of `fickle_probability`: a passenger in the taxi, which drives."""
    for fickle, destinations in ((0.0, 1), (1.0, 2)):
        simulator = build("toytext/taxi", fickle_probability=fickle)
        simulator.reset(EpisodeSeeds.of(0))
        saved = simulator.save()
        saved["env"]["s"] = simulator.env.encode(2, 2, 4, 0)
        simulator.load(saved)
        seen = {simulator.env.decode(simulator.step(action)[0])[3] for action in (0, 1, 0, 1)}
        assert len(seen | {0}) == destinations


def test_plain_blackjack_lets_a_drawn_21_stand_against_an_ace_and_a_ten() -> None:
    """The witness of `rules=plain`: an ace and a ten against a dealer's 21 of three cards."""
    rewards = {}
    for rules in ("sutton-barto", "casino", "plain"):
        simulator = build("toytext/blackjack", rules=rules)
        simulator.reset(EpisodeSeeds.of(0))
        saved = simulator.save()
        saved["env"] = {"player": [1, 10], "dealer": [7, 7, 7]}
        simulator.load(saved)
        rewards[rules] = simulator.step(0)[1]
    assert rewards == {"sutton-barto": 1.0, "casino": 0.0, "plain": 0.0}


def test_no_hand_of_blackjack_outlasts_the_horizon() -> None:
    simulator = build("toytext/blackjack")
    simulator.reset(EpisodeSeeds.of(0))
    saved = simulator.save()
    saved["env"] = {"player": [1, 1], "dealer": [10, 10]}
    simulator.load(saved)
    simulator.env.np_random = OnlyAces()
    steps = 0
    while simulator.actors:
        simulator.step(1)
        steps += 1
    assert steps == BLACKJACK_HORIZON


class OnlyAces:
    """A deck that gives the smallest card for ever."""

    def choice(self, cards: Any) -> int:
        return int(np.min(cards))


def test_the_cliff_equals_the_bare_loop_up_to_its_limit() -> None:
    left = list(repeat(3, CLIFF_WALKING_TIME_LIMIT + 5))
    bare = bare_episode("toytext/cliff_walking", 0, left)
    simulator = build("toytext/cliff_walking")
    simulator.reset(EpisodeSeeds.of(0))
    ours = [simulator.step(3)[1:4] for _ in range(CLIFF_WALKING_TIME_LIMIT)]
    assert [float(reward) for reward, _, _ in ours] == bare["rewards"].tolist()
    assert pack([truncated for _, _, truncated in ours]) == pack(bare["truncations"].tolist())
