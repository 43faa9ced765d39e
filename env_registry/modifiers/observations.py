"""Modifiers of what an agent sees: noisy, late or lost sensor readings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from env_registry.axes import FloatAxis, IntAxis
from env_registry.family import Observations
from env_registry.modifiers.modifier import Arguments, Modifier, ObservationModifier, needs
from env_registry.simulator import Agent, Simulator

if TYPE_CHECKING:
    from env_registry.cards import Card


class _Noisy(ObservationModifier):
    random = True

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        from gymnasium.spaces import Box

        super().__init__(inner, arguments, position)
        self._sd: float = arguments["sd"]
        self.observation_spaces = {
            agent: Box(-np.inf, np.inf, space.shape, space.dtype)  # type: ignore[arg-type]
            for agent, space in inner.observation_spaces.items()
        }

    def see(self, agent: Agent, observation: Any) -> Any:
        noise = self.rng.standard_normal(observation.shape) * self._sd
        return observation + noise.astype(observation.dtype)


def _unbounded(card: Card, arguments: Arguments) -> Card:
    if card.observation_spaces is None:
        return card
    spaces = {agent: {**space, "low": "-inf", "high": "inf"} for agent, space in card.observation_spaces.items()}
    return replace(card, observation_spaces=spaces)


obs_noise = Modifier(
    name="obs_noise",
    axes=(
        FloatAxis(
            name="sd",
            default=0.1,
            levels=(0.01, 0.3),
            low=1e-6,
            high=1000,
            unit="observation units",
            description="standard deviation",
        ),
    ),
    fits=needs(observations=(Observations.VECTOR,)),
    wrap=_Noisy,
    card=_unbounded,
    description="Independent normal noise on every number observed; the observation space becomes unbounded.",
    source="https://arxiv.org/abs/1710.06537",
)


class _Delayed(ObservationModifier):
    remembers = ("recent",)
    recent: dict[Agent, list[Any]]

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._steps: int = arguments["steps"]

    def forget(self) -> None:
        self.recent = {agent: [] for agent in self.agents}

    def see(self, agent: Agent, observation: Any) -> Any:
        recent = self.recent[agent]
        recent.append(observation)
        return recent.pop(0) if len(recent) > self._steps else recent[0]


obs_delay = Modifier(
    name="obs_delay",
    axes=(IntAxis(name="steps", default=1, levels=(2, 4), low=1, high=100, unit="steps", description="how late"),),
    fits=needs(),
    wrap=_Delayed,
    description="Each agent sees what it would have seen `steps` of its own observations before; at the start of an "
    "episode the first observation stays.",
    source="https://doi.org/10.1109/TAC.2003.809799",
)


class _Dropped(ObservationModifier):
    remembers = ("previous",)
    random = True
    previous: dict[Agent, Any]

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._p: float = arguments["p"]

    def forget(self) -> None:
        self.previous = {}

    def see(self, agent: Agent, observation: Any) -> Any:
        if agent in self.previous and self.rng.random() < self._p:
            return self.previous[agent]
        self.previous[agent] = observation
        return observation


obs_drop = Modifier(
    name="obs_drop",
    axes=(
        FloatAxis(
            name="p", default=0.25, levels=(0.1, 0.5), low=0.01, high=0.99, unit="probability", description="of a loss"
        ),
    ),
    fits=needs(),
    wrap=_Dropped,
    description="With probability `p` an observation is lost and the agent sees its last one again.",
    source="https://arxiv.org/abs/1904.12901",
)
