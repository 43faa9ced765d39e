"""What the adapter changes in a Gymnasium environment must be invisible."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from env_registry.gymnasium_adapter import GymnasiumSimulator
from env_registry.simulator import SINGLE_AGENT

INTEGERS = st.integers(-(2**70), 2**70) | st.integers(-8, 8)
VALUES = INTEGERS | st.booleans() | st.floats() | st.integers(-8, 8).map(np.int64) | st.none()


class Bare(gymnasium.Env[Any, Any]):
    def __init__(self, space: gymnasium.spaces.Discrete[Any]) -> None:
        self.observation_space = self.action_space = space


@given(n=st.integers(1, 6), start=st.integers(-5, 5), value=VALUES)
def test_an_environment_checks_actions_as_gymnasium_does(n: int, start: int, value: Any) -> None:
    space = gymnasium.spaces.Discrete(n, start=start)
    env = Bare(space)
    simulator = GymnasiumSimulator(env)
    assert simulator.action_spaces[SINGLE_AGENT] is space
    assert env.action_space is not space
    assert env.action_space == space
    assert env.action_space.contains(value) == space.contains(value)
