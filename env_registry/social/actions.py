"""What several agents may do at once: the check of a joint action before an engine sees it.

Engines answer a bad action in their own ways (an assertion, a lost game, a crash); here it is a ValueError, always.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from env_registry.simulator import Agent, Simulator


def checked(simulator: Simulator, actions: Mapping[Agent, Any]) -> dict[Agent, Any]:
    """One legal action for each of the simulator's actors, discrete ones as plain integers.

    Raises
    ------
    ValueError
        An action is missing, is not asked for, lies outside its space or is masked.
    """
    if len(actions) != len(simulator.actors) or any(agent not in actions for agent in simulator.actors):
        raise ValueError(f"actions are due from {sorted(simulator.actors)}, not from {sorted(actions)}")
    return {agent: _checked_one(simulator, agent, actions[agent]) for agent in simulator.actors}


def _checked_one(simulator: Simulator, agent: Agent, action: Any) -> Any:
    space = simulator.action_spaces[agent]
    if not isinstance(space, Discrete):
        if not (isinstance(action, np.ndarray) and space.contains(action)):
            raise ValueError(f"{agent}: {action!r} is no array within {space}")
        return action
    first = int(space.start)
    plain = type(action) is int and first <= action < first + int(space.n)  # a sixth of the time of `contains`
    if not plain and not space.contains(action):
        raise ValueError(f"{agent}: {action!r} is outside {space}")
    mask = simulator.action_mask(agent)
    if mask is not None and not mask[action - first]:
        raise ValueError(f"{agent}: action {action} is illegal now")
    return int(action)  # engines update 0-d arrays in place, which would change the caller's action
