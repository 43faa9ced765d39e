"""Modifiers of who else plays: all agents but one become partners with a fixed policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from env_registry.axes import ChoiceAxis
from env_registry.family import Actions
from env_registry.modifiers.modifier import Arguments, Modified, Modifier, needs
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import Agent, Kind, Simulator
from env_registry.spaces import neutral_value, random_value

if TYPE_CHECKING:
    from env_registry.cards import Card

MOST_MOVES = 1000
"""Of partners, until it is the learner's turn."""


class _Replaced(Modified):
    """The first agent stays. In turn-based games the partners move until it is its turn, or the game is over."""

    remembers = ("last",)
    last: Any

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._policy: str = arguments["policy"]
        self._learner, *self._partners = inner.agents
        self.agents = (self._learner,)
        self.observation_spaces = {self._learner: inner.observation_spaces[self._learner]}
        self.action_spaces = {self._learner: inner.action_spaces[self._learner]}

    @property
    def actors(self) -> Sequence[Agent]:  # type: ignore[override]
        return self.agents if self._learner in self.inner.actors else ()

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self.rngs = {
            agent: seeds.generator("partners", self._position, index) for index, agent in enumerate(self._partners)
        }
        self.last = None
        observations = self.inner.reset(seeds)
        return self._own(self._until_learner((observations, {}, {}, {}, {})))[0]

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        self.last = action[self._learner]
        return self._own(self._until_learner(self.inner.step(self._with_partners(action))))

    def own_state(self) -> dict[str, Any]:
        return {"last": self.last, "rngs": {agent: rng.bit_generator.state for agent, rng in self.rngs.items()}}

    def take_own_state(self, state: dict[str, Any]) -> None:
        self.last = state["last"]
        self.rngs = {agent: np.random.Generator(np.random.PCG64(0)) for agent in state["rngs"]}
        for agent, rng in self.rngs.items():
            rng.bit_generator.state = state["rngs"][agent]

    def _until_learner(self, answer: tuple[Any, Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any, Any]:
        """Rewards on the way are summed. Partners that go round in circles end the episode."""
        observations, rewards, terminations, truncations, infos = answer
        moves = 0
        while self.inner.actors and self._learner not in self.inner.actors and self._waits(terminations, truncations):
            if moves == MOST_MOVES:
                return observations, rewards, terminations, {**truncations, self._learner: True}, infos
            observations, more, terminations, truncations, infos = self.inner.step(self._with_partners({}))
            rewards = {self._learner: rewards.get(self._learner, 0.0) + more.get(self._learner, 0.0)}
            moves += 1
        return observations, rewards, terminations, truncations, infos

    def _waits(self, terminations: dict[Agent, bool], truncations: dict[Agent, bool]) -> bool:
        """The others may play on when the learner has left."""
        return not (terminations.get(self._learner) or truncations.get(self._learner))

    def _with_partners(self, action: dict[Agent, Any]) -> dict[Agent, Any]:
        return {
            agent: action[agent] if agent == self._learner else self._move(agent)
            for agent in self.inner.actors
            if agent != self._learner or agent in action
        }

    def _move(self, agent: Agent) -> Any:
        space: Any = self.inner.action_spaces[agent]
        mask = self.inner.action_mask(agent)
        if self._policy == "random":
            return random_value(space, mask, self.rngs[agent])
        if self._policy == "copy" and self.last is not None and _fits(self.last, space, mask):
            return self.last
        return neutral_value(space, mask)

    def _own(self, answer: tuple[Any, Any, Any, Any, Any]) -> tuple[Any, Any, Any, Any, Any]:
        return tuple({a: part[a] for a in self.agents if a in part} for part in answer)  # type: ignore[return-value]


def _fits(action: Any, space: Any, mask: Any) -> bool:
    return bool(space.contains(action) and (mask is None or mask[action - space.start]))


def _one_agent(card: Card, arguments: Arguments) -> Card:
    if card.agents is None or card.observation_spaces is None or card.action_spaces is None:
        return card
    first = card.agents[0]
    spaces = {first: card.observation_spaces[first]}
    return replace(card, agents=[first], observation_spaces=spaces, action_spaces={first: card.action_spaces[first]})


partner = Modifier(
    name="partner",
    axes=(
        ChoiceAxis(
            name="policy",
            default="random",
            choices=("random", "still", "copy"),
            levels=("still", "copy"),
            description="random legal actions; the action nearest to zero (or the first legal one); or the learner's "
            "last action where it is legal, as tit-for-tat does, else as still",
        ),
    ),
    fits=needs(kinds=(Kind.PARALLEL, Kind.TURN), actions=tuple(Actions)),
    wrap=_Replaced,
    card=_one_agent,
    description="All agents but the first become part of the environment and play a fixed policy; an episode in which "
    f"they make {MOST_MOVES} moves without the first agent's turn is truncated.",
    source="https://doi.org/10.1613/jair.3020",
)
