"""The random policy: legal, reproducible, and independent of how a run is cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from workers import contract
from workers.policies import BLOCK, OpenLoopPlayer, PolicyProblem, policy

RANDOM = contract.Policy(name="random", digest="d")
SPACES: list[spaces.Space[Any]] = [
    spaces.Discrete(5, start=-2),
    spaces.MultiDiscrete([3, 4], start=[1, -1]),
    spaces.MultiBinary([2, 3]),
    spaces.Box(-2, 3, (4,), np.float32),
    spaces.Box(0, 255, (2, 2), np.uint8),
    spaces.Box(np.array([-1.0, -np.inf, 0.0]), np.array([1.0, np.inf, np.inf]), dtype=np.float64),
    spaces.Box(-1, 1, (), np.float64),
]


def player(space: spaces.Space[Any], seed: int) -> OpenLoopPlayer:
    made = policy(RANDOM, space).player(np.random.default_rng(seed))
    assert isinstance(made, OpenLoopPlayer)
    return made


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_actions_lie_in_their_space_and_vary(space: spaces.Space[Any]) -> None:
    block = player(space, 0).block()
    assert len(block) == BLOCK
    assert all(
        space.contains(np.asarray(action) if space.shape == () and block.dtype.kind == "f" else action)
        for action in block
    )
    assert len(np.unique(block, axis=0)) > 1


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_one_by_one_gives_the_same_actions_as_in_blocks(space: spaces.Space[Any]) -> None:
    blocks, single = player(space, 3), player(space, 3)
    expected = np.concatenate([blocks.block(), blocks.block()])
    assert np.array_equal([single.act(None, None) for _ in expected], expected)


@given(st.integers(0, 2**32), st.lists(st.booleans(), min_size=6, max_size=6).filter(any))
@settings(max_examples=50, deadline=None)
def test_a_masked_action_is_legal(seed: int, legal: list[bool]) -> None:
    acting = policy(RANDOM, spaces.Discrete(6)).player(np.random.default_rng(seed))
    mask = np.array(legal, np.int8)
    assert all(legal[acting.act(None, mask)] for _ in range(20))


def test_masked_actions_are_uniform_among_the_legal_ones() -> None:
    acting = policy(RANDOM, spaces.Discrete(4, start=10)).player(np.random.default_rng(0))
    drawn = [acting.act(None, np.array([1, 0, 1, 1], np.int8)) for _ in range(6000)]
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [10, 12, 13]
    assert counts.min() > 1800


def test_an_unknown_policy_or_space_is_refused() -> None:
    with pytest.raises(PolicyProblem, match="no policy 'clever'"):
        policy(contract.Policy(name="clever", digest="d"), spaces.Discrete(2))
    with pytest.raises(PolicyProblem, match="Text"):
        policy(RANDOM, spaces.Text(3))
