"""Witnesses of the Control Suite: actors that go where random actions do not."""

from __future__ import annotations

from typing import Any

import numpy as np

from env_registry.family import Actor
from env_registry.simulator import SINGLE_AGENT, Simulator

HELD = 50  # steps
_ARM = 0.12  # m, each of the reacher's links


def hold(simulator: Simulator) -> Actor:
    """Full effort in random directions, each held for a while: reaches limits, speeds and contacts."""
    space: Any = simulator.action_spaces[SINGLE_AGENT]
    held: list[Any] = []

    def act(observation: Any, rng: Any) -> Any:
        if not held:
            held.extend([rng.choice([-1.0, 1.0], space.shape)] * HELD)
        return (held.pop() > 0) * (space.high - space.low) + space.low

    return act


def pump(simulator: Simulator) -> Actor:
    """Full effort along the motion of the joint that is driven, which is the last number seen: swings up."""
    return lambda observation, rng: np.sign(observation[-1:] + 1e-9)


def settle(simulator: Simulator) -> Actor:
    """To the middle of the plane, where the point mass is paid. Sees position and velocity."""
    return lambda observation, rng: np.clip(-20.0 * observation[:2] - 6.0 * observation[2:], -1.0, 1.0)


def reach(simulator: Simulator) -> Actor:
    """The reacher's tip to the target. Sees two angles, the way to the target and two speeds."""

    def act(observation: Any, rng: Any) -> Any:
        first, second = observation[0], observation[0] + observation[1]
        link = _ARM * np.array([-np.sin(second), np.cos(second)])
        tip = np.array([_ARM * np.array([-np.sin(first), np.cos(first)]) + link, link])
        return np.clip(100.0 * tip @ observation[2:4] - 0.2 * observation[4:], -1.0, 1.0)

    return act
