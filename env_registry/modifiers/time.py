"""Modifiers of time: how many steps an action lasts, and an episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from env_registry.axes import IntAxis
from env_registry.family import Actions
from env_registry.modifiers.modifier import Arguments, Modified, Modifier, needs
from env_registry.simulator import Agent, Kind, Simulator

if TYPE_CHECKING:
    from env_registry.cards import Card

_NO_TURNS = (Kind.SINGLE, Kind.PARALLEL)


class _Repeated(Modified):
    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._k: int = arguments["k"]

    @property
    def step_ms(self) -> float | None:  # type: ignore[override]
        return None if self.inner.step_ms is None else self._k * self.inner.step_ms

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        return self._step_one(action) if self.kind is Kind.SINGLE else self._step_many(action)

    def _step_one(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        observation, total, terminated, truncated, info = self.inner.step(action)
        for _ in range(self._k - 1):
            if terminated or truncated:
                break
            observation, reward, terminated, truncated, info = self.inner.step(action)
            total += reward
        return observation, total, terminated, truncated, info

    def _step_many(self, action: dict[Agent, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Agents whose episode ends on the way keep their last answers; an agent who appears ends the repetition."""
        observations, totals, terminations, truncations, infos = (dict(part) for part in self.inner.step(action))
        for _ in range(self._k - 1):
            actors = self.inner.actors
            if not actors or not all(agent in action for agent in actors):
                break
            observed, rewards, terminated, truncated, info = self.inner.step({agent: action[agent] for agent in actors})
            observations.update(observed)
            for agent, reward in rewards.items():
                totals[agent] += reward
            terminations.update(terminated)
            truncations.update(truncated)
            infos.update(info)
        return observations, totals, terminations, truncations, infos


def _k_times(card: Card, arguments: Arguments) -> Card:
    k = arguments["k"]
    shorter = card.episode_steps and card.episode_steps / k
    return replace(card, step_us=card.step_us * k, horizon=-(-card.horizon // k), episode_steps=shorter)


repeat = Modifier(
    name="repeat",
    axes=(
        IntAxis(name="k", default=2, levels=(4,), low=2, high=100, unit="steps", description="steps an action lasts"),
    ),
    fits=needs(kinds=_NO_TURNS, actions=(Actions.CONTINUOUS, Actions.DISCRETE)),
    wrap=_Repeated,
    card=_k_times,
    description="Every action lasts `k` steps (frame skip); their rewards are summed.",
    source="https://doi.org/10.1613/jair.3912",
)


class _Limited(Modified):
    remembers = ("elapsed",)
    elapsed: int = 0

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._steps: int = arguments["steps"]

    @property
    def actors(self) -> Sequence[Agent]:  # type: ignore[override]
        return () if self.elapsed >= self._steps else self.inner.actors

    def forget(self) -> None:
        self.elapsed = 0

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        observation, reward, terminated, truncated, info = self.inner.step(action)
        self.elapsed += 1
        if self.elapsed >= self._steps:
            truncated = True if self.kind is Kind.SINGLE else dict.fromkeys(reward, True)
        return observation, reward, terminated, truncated, info


def _past_the_limit(arguments: Arguments) -> int:
    return int(arguments["steps"]) + 1


def _shorter(card: Card, arguments: Arguments) -> Card:
    steps = arguments["steps"]
    seen = card.episode_steps and min(card.episode_steps, steps)
    return replace(card, horizon=min(card.horizon, steps), episode_steps=seen)


time_limit = Modifier(
    name="time_limit",
    axes=(
        IntAxis(
            name="steps", default=200, levels=(50, 100, 500), low=1, high=100_000, unit="steps", description="at most"
        ),
    ),
    fits=needs(kinds=_NO_TURNS),  # a turn-based game that is cut has no outcome
    wrap=_Limited,
    reach=_past_the_limit,
    card=_shorter,
    description="The episode is truncated after `steps` steps.",
    source="https://arxiv.org/abs/1712.00378",
)
