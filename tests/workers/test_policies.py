"""Policies without graphs: legal, reproducible, and independent of how a run is cut."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.policies import BLOCK, OpenLoopPlayer, Policies, Policy, PolicyProblem

SPACES: list[spaces.Space[Any]] = [
    spaces.Discrete(5, start=-2),
    spaces.MultiDiscrete([3, 4], start=[1, -1]),
    spaces.MultiBinary([2, 3]),
    spaces.Box(-2, 3, (4,), np.float32),
    spaces.Box(0, 255, (2, 2), np.uint8),
    spaces.Box(np.array([-1.0, -np.inf, 0.0]), np.array([1.0, np.inf, np.inf]), dtype=np.float64),
    spaces.Box(-1, 1, (), np.float64),
]


def policy(kind: str, space: spaces.Space[Any], **given: Any) -> Policy:
    return Policies({"kind": kind, **given}, {}, 1).of("agent", spaces.Discrete(2), space)


def player(space: spaces.Space[Any], seed: int) -> OpenLoopPlayer:
    made = policy("random", space).player(np.random.default_rng(seed), 0)
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
    acting = policy("random", spaces.Discrete(6)).player(np.random.default_rng(seed), 0)
    mask = np.array(legal, np.int8)
    assert all(legal[acting.act(None, mask)] for _ in range(20))


def test_masked_actions_are_uniform_among_the_legal_ones() -> None:
    acting = policy("random", spaces.Discrete(4, start=10)).player(np.random.default_rng(0), 0)
    drawn = [acting.act(None, np.array([1, 0, 1, 1], np.int8)) for _ in range(6000)]
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [10, 12, 13]
    assert counts.min() > 1800


def test_an_unknown_policy_or_space_is_refused() -> None:
    with pytest.raises(PolicyProblem, match="no policy 'clever'"):
        policy("clever", spaces.Discrete(2))
    with pytest.raises(PolicyProblem, match="Sequence"):
        policy("random", spaces.Sequence(spaces.Discrete(2)))


@given(st.integers(0, 2**32), st.integers(0, 5), st.integers(0, 100))
@settings(max_examples=100, deadline=None)
def test_random_text_lies_in_its_space_is_short_and_can_be_drawn_again(seed: int, low: int, more: int) -> None:
    space = spaces.Text(max(low + more, 1), min_length=low, charset="abcé→")
    one, other = (policy("random", space).player(np.random.default_rng(seed), 0) for _ in range(2))
    texts = [one.act(None, None) for _ in range(10)]
    assert all(space.contains(text) and len(text) <= low + 32 for text in texts)
    assert texts == [other.act(None, None) for _ in range(10)]


def test_random_texts_have_all_lengths_and_characters() -> None:
    player = policy("random", spaces.Text(3, min_length=0, charset="ab")).player(np.random.default_rng(0), 0)
    assert {player.act(None, None) for _ in range(300)} == {
        "".join(text) for length in range(4) for text in product("ab", repeat=length)
    }


@pytest.mark.parametrize(
    ("space", "document", "value"),
    [
        (spaces.Discrete(5, start=-2), -1, -1),
        (spaces.Box(-2, 3, (2,), np.float32), [0.5, 3], np.array([0.5, 3], np.float32)),
        (spaces.MultiDiscrete([3, 4]), [2, 0], np.array([2, 0])),
        (spaces.Text(3), "abc", "abc"),
    ],
)
def test_a_constant_is_the_action_at_each_step(space: spaces.Space[Any], document: Any, value: Any) -> None:
    acting = policy("constant", space, action=document).player(np.random.default_rng(0), 0)
    for _ in range(3):
        acting.ask(None, None)
        assert np.array_equal(acting.answer(), value)
    assert space.contains(acting.answer())


@pytest.mark.parametrize(
    ("space", "document"),
    [
        (spaces.Discrete(5), 5),
        (spaces.Discrete(5), 1.5),
        (spaces.Discrete(5), True),
        (spaces.Box(-2, 3, (2,), np.float32), [0.5]),
        (spaces.Box(-2, 3, (2,), np.float32), [0.5, 4]),
        (spaces.Box(0, 255, (1,), np.uint8), [0.5]),
        (spaces.Text(3), 3),
        (spaces.Dict(a=spaces.Discrete(2)), {"b": 1}),
    ],
)
def test_a_constant_outside_of_the_space_is_refused(space: spaces.Space[Any], document: Any) -> None:
    with pytest.raises(PolicyProblem, match="constant action does not fit"):
        policy("constant", space, action=document)


def test_still_is_neutral_and_legal() -> None:
    box = policy("still", spaces.Box(1, 3, (2,), np.float32)).player(np.random.default_rng(0), 0)
    assert box.act(None, None).tolist() == [1, 1]
    discrete = policy("still", spaces.Discrete(3)).player(np.random.default_rng(0), 0)
    assert discrete.act(None, np.array([0, 0, 1], np.int8)) == 2


def test_each_agent_has_the_first_policy_whose_pattern_matches() -> None:
    document = {
        "kind": "agents",
        "policies": [
            ["wolf_0", {"kind": "constant", "action": 1}],
            ["wolf_*", {"kind": "constant", "action": 2}],
            ["sheep_*", {"kind": "still"}],
        ],
    }
    made = Policies(document, {}, 1)
    space = spaces.Discrete(4)
    actions = {
        agent: made.of(agent, space, space).player(np.random.default_rng(0), 0).act(None, None)
        for agent in ("wolf_0", "wolf_1", "sheep_9")
    }
    assert actions == {"wolf_0": 1, "wolf_1": 2, "sheep_9": 0}
    with pytest.raises(PolicyProblem, match="'goat_0'"):
        made.of("goat_0", space, space)
