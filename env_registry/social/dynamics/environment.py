"""What all social dynamics have in common, as a PettingZoo parallel environment of rounds in which everybody acts.

A round. Each player's action is executed as chosen, or, with probability `tremble`, replaced by a uniformly random one.
The game then pays everybody (`play`). With x the payoffs of all n participants, a player's reward is

    x_i + altruism * mean of the others' x
        - envy / (n - 1) * sum of max(x_j - x_i, 0) - guilt / (n - 1) * sum of max(x_i - x_j, 0),

which is inequity aversion after Fehr and Schmidt (https://doi.org/10.1162/003355399556151) and linear altruism after
Levine (https://doi.org/10.1006/redy.1998.0023). After a round the episode goes on with probability `continuation`, and
it is truncated after `rounds` rounds. All players leave together.

Chance, in this order: if there is a tremble, uniform numbers, for each player one that is compared and those of its
random action; then what the game draws; then, if `continuation` is below 1, a uniform number. Where one of n is drawn
by a uniform number u, it is number int(u * n), from 0 (`pick`).

Sums are exactly rounded (`math.fsum`), so they do not depend on the order of players.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Discrete, Space
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

Observation = NDArray[np.float32]


class SocialDynamics(ParallelEnv[str, Observation, Any]):  # type: ignore[misc]  # PettingZoo has no types
    """Players `player_0`, `player_1`, …, who all have the same spaces.

    An action is one of `choices`, or, without them, a vector of `dimensions` numbers from 0 to 1. An observation is the
    share of the rounds that are over, followed by the `width` numbers of the game (float32).
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": [], "name": "social_dynamics"}
    remembers: ClassVar[tuple[str, ...]] = ()
    """The attributes that are the game's state, as plain data."""

    def __init__(
        self,
        *,
        players: int,
        width: int,
        choices: int = 0,
        dimensions: int = 0,
        rounds: int = 50,
        continuation: float = 1.0,
        tremble: float = 0.0,
        altruism: float = 0.0,
        envy: float = 0.0,
        guilt: float = 0.0,
    ) -> None:
        self.possible_agents = [f"player_{player}" for player in range(players)]
        self.agents: list[str] = []
        self.rng = np.random.default_rng()
        self.round = 0
        self._choices, self._dimensions = choices, dimensions
        self._rounds, self._continuation, self._tremble = rounds, continuation, tremble
        self._altruism, self._envy, self._guilt = altruism, envy, guilt
        self._selfish = not (altruism or envy or guilt)
        self._sees: Space[Any] = Box(-np.inf, np.inf, (1 + width,), np.float32)
        self._acts: Space[Any] = Discrete(choices) if choices else Box(0.0, 1.0, (dimensions,), np.float32)

    # ------------------------------------------------------------------ the game

    def begin(self) -> None:
        """Set the state for a new episode."""
        raise NotImplementedError

    def play(self, actions: Sequence[Any]) -> list[float]:
        """Play a round; the payoffs of all participants, players first. Actions are integers or lists of floats."""
        raise NotImplementedError

    def see(self) -> Sequence[Sequence[float]]:
        """What each player sees, in order: `width` numbers."""
        raise NotImplementedError

    # ------------------------------------------------------------------ PettingZoo's interface

    def observation_space(self, agent: str) -> Space[Any]:
        return self._sees

    def action_space(self, agent: str) -> Space[Any]:
        return self._acts

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self.round = 0
        self.begin()
        return self._observations(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> tuple[Any, Any, Any, Any, Any]:
        live = self.agents
        payoffs = self.play(self._executed([actions[agent] for agent in live]))
        self.round += 1
        over = self._continuation < 1 and self.rng.random() >= self._continuation
        late = not over and self.round >= self._rounds
        observations = self._observations()
        if over or late:
            self.agents = []
        return (
            observations,
            dict(zip(live, self._felt(payoffs), strict=False)),  # payoffs may go on with others than players
            dict.fromkeys(live, bool(over)),
            dict.fromkeys(live, late),
            {agent: {} for agent in live},
        )

    def _executed(self, chosen: Sequence[Any]) -> list[Any]:
        actions = [int(action) for action in chosen] if self._choices else [action.tolist() for action in chosen]
        if self._tremble:
            drawn = self.rng.random((len(actions), 1 + (self._dimensions or 1))).tolist()
            for player, (compared, *random) in enumerate(drawn):
                if compared < self._tremble:
                    actions[player] = pick(random[0], self._choices) if self._choices else random
        return actions

    def _felt(self, payoffs: list[float]) -> list[float]:
        if self._selfish:
            return payoffs
        return [self._utility(player, payoffs) for player in range(len(self.possible_agents))]

    def _utility(self, player: int, payoffs: list[float]) -> float:
        own = payoffs[player]
        others = payoffs[:player] + payoffs[player + 1 :]
        ahead = fsum(max(other - own, 0.0) for other in others) / len(others)
        behind = fsum(max(own - other, 0.0) for other in others) / len(others)
        return own + self._altruism * (fsum(others) / len(others)) - self._envy * ahead - self._guilt * behind

    def _observations(self) -> dict[str, Observation]:
        elapsed = self.round / self._rounds
        rows = np.array([[elapsed, *row] for row in self.see()], dtype=np.float32)
        return dict(zip(self.possible_agents, rows, strict=True))


def mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)


def pick(u: float, n: int) -> int:
    """One of 0 to n - 1, by a number u from 0 to below 1."""
    return int(u * n)


def one_hot(choice: int, choices: int) -> list[float]:
    """All zeros for a choice of -1, which is none."""
    return [float(choice == each) for each in range(choices)]
