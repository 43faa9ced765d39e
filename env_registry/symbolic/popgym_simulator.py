"""The simulator around POPGym's environments: boards addressed by one number, and states with decks of cards."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from enum import IntEnum
from operator import attrgetter
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete, MultiDiscrete

from env_registry.gymnasium_adapter import GymnasiumSimulator
from env_registry.simulator import SINGLE_AGENT


class MemorySimulator(GymnasiumSimulator):
    """`state` names attributes of the environment; dots lead into parts, such as `deck.idx`."""

    def __init__(self, env: Any, state: Sequence[str]) -> None:
        super().__init__(env, state=state)
        if isinstance(env.action_space, MultiDiscrete):
            shape = tuple(env.action_space.nvec)
            self.action_spaces = {SINGLE_AGENT: Discrete(int(np.prod(shape)))}
            self._step_env = lambda action: env.step(np.unravel_index(int(action), shape))

    def save_env(self) -> dict[str, Any]:
        assert self._state is not None
        return {name: _plain(attrgetter(name)(self.env)) for name in self._state}

    def load_env(self, state: dict[str, Any]) -> None:
        for path, value in state.items():
            *parts, name = path.split(".")
            owner: Any = attrgetter(".".join(parts))(self.env) if parts else self.env
            known = getattr(owner, name, None)
            setattr(owner, name, type(known)(value) if isinstance(known, IntEnum) else deepcopy(value))


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, IntEnum) else deepcopy(value)
