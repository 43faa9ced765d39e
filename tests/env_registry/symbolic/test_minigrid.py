"""MiniGrid worlds can be generated in every corner of their ranges, and say truly how long they last."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from env_registry.axes import BoolAxis, Distribution, DistributionKind, IntAxis, ValueProblem
from env_registry.family import Family
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT
from env_registry.symbolic.minigrid_worlds import FAMILIES, VIEW_SIZE

every_family = pytest.mark.parametrize("family", FAMILIES, ids=[family.name for family in FAMILIES])


def build(family: Family, **values: Any) -> Any:
    return family.make({axis.name: axis.default for axis in family.axes} | values)


@every_family
def test_the_horizon_is_the_worlds_own_step_limit(family: Family) -> None:
    assert build(family).env.max_steps == family.horizon


@every_family
def test_every_corner_of_the_sizes_and_counts_can_be_generated(family: Family) -> None:
    axes = [axis for axis in family.axes if axis.name not in ("agent_view_size", "see_through_walls")]
    ends = [(axis.low, axis.high) for axis in axes if isinstance(axis, IntAxis)]
    names = [axis.name for axis in axes if isinstance(axis, IntAxis)]
    flags = {axis.name: True for axis in axes if isinstance(axis, BoolAxis)}
    for corner in product(*ends):
        simulator = build(family, **flags, **dict(zip(names, corner, strict=True)))
        space = simulator.observation_spaces[SINGLE_AGENT]
        for seed in range(3):
            assert space.contains(simulator.reset(EpisodeSeeds.of(seed)))


@every_family
def test_every_mission_lies_in_the_declared_space_of_texts(family: Family) -> None:
    simulator = build(family)
    missions = simulator.observation_spaces[SINGLE_AGENT]["mission"]
    for seed in range(20):
        assert missions.contains(simulator.reset(EpisodeSeeds.of(seed))["mission"])


def test_an_even_view_is_refused_by_name() -> None:
    with pytest.raises(ValueProblem, match="agent_view_size: must be 3 plus a multiple of 2"):
        VIEW_SIZE.parse("8")


def test_a_random_size_is_always_one_of_the_steps() -> None:
    crossing = next(family for family in FAMILIES if family.name == "minigrid/lava_crossing")
    axis = crossing.axis("size")
    assert axis is not None
    rng = np.random.default_rng(0)
    drawn = {axis.draw(Distribution(DistributionKind.UNIFORM, (9, 15)), rng) for _ in range(200)}
    assert drawn == {9, 11, 13, 15}
    chosen = {axis.draw(Distribution(DistributionKind.CHOICE, (9, 31)), rng) for _ in range(50)}
    assert chosen == {9, 31}
