"""What a modifier is: its declaration, and the wrappers that its effect on actions, observations or rewards builds on.

Each kind of wrapper overrides the one step of the way that it changes, so that a modifier costs nothing elsewhere.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from env_registry.axes import Axis, Scalar
from env_registry.family import Actions, Observations, Traits
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT, Agent, Kind, Simulator
from env_registry.wrapper import Wrapper

if TYPE_CHECKING:
    from env_registry.cards import Card

Arguments = Mapping[str, Any]  # a value of each axis, in the axis' type


class Wrap(Protocol):
    def __call__(self, inner: Simulator, arguments: Mapping[str, Scalar], position: int) -> Simulator: ...


def _same(traits: Traits) -> Traits:
    return traits


def _same_card(card: Card, arguments: Arguments) -> Card:
    return card


def _at_once(arguments: Arguments) -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Modifier:
    """A change to the dynamics or the interface of any environment that it fits.

    `fits` gives the reason why an environment with such traits cannot have it, else None; `traits` are those that it
    leaves. `wrap` takes a value for every axis and the modifier's position in its spec, which selects its random
    stream. `reach` is the number of steps after which arguments surely show, where it may be more than a hundred.
    `card` turns the card of what is modified into that of the modified.
    """

    name: str
    version: int = 1
    axes: tuple[Axis, ...] = ()
    fits: Callable[[Traits], str | None]
    traits: Callable[[Traits], Traits] = _same
    wrap: Wrap
    reach: Callable[[Arguments], int] = _at_once
    card: Callable[[Card, Arguments], Card] = _same_card
    description: str
    source: str

    def axis(self, name: str) -> Axis | None:
        return next((axis for axis in self.axes if axis.name == name), None)


def needs(
    *,
    kinds: tuple[Kind, ...] = tuple(Kind),
    actions: tuple[Actions, ...] = tuple(Actions),
    observations: tuple[Observations, ...] = tuple(Observations),
    timed: bool = False,
    renders: bool = False,
) -> Callable[[Traits], str | None]:
    """A `fits` that wants one of each, and an episode of more than one step."""

    def fits(traits: Traits) -> str | None:
        if traits.single_turn:
            return "needs an episode of more than one step"
        for what, allowed, has in (
            ("turns", kinds, traits.kind),
            ("actions", actions, traits.actions),
            ("observations", observations, traits.observations),
        ):
            if has not in allowed:
                return f"needs {' or '.join(allowed)} {what}; here they are {has}"
        if timed and not traits.timed:
            return "needs an environment with physical time"
        if renders and not traits.renders:
            return "needs an environment that can be drawn"
        return None

    return fits


class Modified(Wrapper):
    """A simulator under one modifier.

    `remembers` names the attributes that carry over from step to step; `forget` sets them for a new episode. With
    `random` the modifier has its own generator `rng`.
    """

    remembers: ClassVar[tuple[str, ...]] = ()
    random: ClassVar[bool] = False
    rng: np.random.Generator

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner)
        self._position = position

    def reset(self, seeds: EpisodeSeeds) -> Any:
        if self.random:
            self.rng = seeds.generator("modifiers", self._position)
        self.forget()
        return self.inner.reset(seeds)

    def forget(self) -> None:
        """Nothing carries over between episodes."""

    def own_state(self) -> dict[str, Any]:
        state = {name: deepcopy(getattr(self, name)) for name in self.remembers}
        return {**state, "rng": self.rng.bit_generator.state} if self.random else state

    def take_own_state(self, state: dict[str, Any]) -> None:
        for name in self.remembers:
            setattr(self, name, deepcopy(state[name]))
        if self.random:
            self.rng = np.random.Generator(np.random.PCG64(0))
            self.rng.bit_generator.state = state["rng"]


class ActionModifier(Modified):
    """Changes each action on its way in."""

    @abstractmethod
    def act(self, agent: Agent, action: Any) -> Any:
        """The action that the environment gets."""

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        if self.kind is Kind.SINGLE:
            return self.inner.step(self.act(SINGLE_AGENT, action))
        # In the order of actors: random draws must not depend on how the caller ordered the dict.
        return self.inner.step({agent: self.act(agent, action[agent]) for agent in self.inner.actors})


class ObservationModifier(Modified):
    """Changes each observation on its way out."""

    @abstractmethod
    def see(self, agent: Agent, observation: Any) -> Any:
        """The observation that the agent gets."""

    def reset(self, seeds: EpisodeSeeds) -> Any:
        return self._seen(super().reset(seeds))

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        observation, reward, terminated, truncated, info = self.inner.step(action)
        return self._seen(observation), reward, terminated, truncated, info

    def _seen(self, observation: Any) -> Any:
        if self.kind is Kind.SINGLE:
            return self.see(SINGLE_AGENT, observation)
        return {agent: self.see(agent, one) for agent, one in observation.items()}


class RewardModifier(Modified):
    """Changes each reward on its way out."""

    @abstractmethod
    def pay(self, agent: Agent, reward: float, ended: bool) -> float:
        """The reward that the agent gets; `ended` with this step the agent's episode is over."""

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        observation, reward, terminated, truncated, info = self.inner.step(action)
        if self.kind is Kind.SINGLE:
            return observation, self.pay(SINGLE_AGENT, reward, terminated or truncated), terminated, truncated, info
        paid = {
            agent: self.pay(agent, one, terminated.get(agent, False) or truncated.get(agent, False))
            for agent, one in reward.items()
        }
        return observation, paid, terminated, truncated, info
