"""Repeated two-player matrix games, between two learning players or against a partner.

Both choose one of k actions at once; the first player's payoff is `rows[own][other]`, the second's
`columns[first's][second's]`. In round t the payoffs are multiplied by growth^t, the second player's also by `stakes`;
each participant's then has normal noise of standard deviation `payoff_noise` added.

With `messages` above 1 an action carries a message, which costs nothing: action * messages + message.

A player perceives the other's action rightly, or, with probability `misperception`, as a uniformly random one. It sees
its last `memory` rounds, the latest first, each as: its own action and the other's as perceived (one-hot), what these
two pay itself and the other, as shares of the largest payoff's size, and the other's message (one-hot), if there are
any. Rounds that were not yet are zeros.

A `partner` is the second player; it does not appear as an agent. Its action is replaced by a uniformly random one with
probability `partner_tremble`. `mixed` is one of `population`, drawn for the episode.

Chance: at the reset, a uniform number for a mixed partner; in a round, the partner's choice; two uniform numbers for
each of its tremble, the first player's misperception and the second's, if they are possible: one that is compared, one
of the action; standard normal numbers for the noise on both payoffs, if there is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from env_registry.social.dynamics.environment import SocialDynamics, one_hot, pick
from env_registry.social.dynamics.partners import PARTNERS, Game, shares_of_range
from env_registry.social.dynamics.strategies import MIXED


class MatrixGame(SocialDynamics):
    remembers = ("history", "partner", "partner_state")

    def __init__(
        self,
        *,
        rows: Game,
        columns: Game,
        partner: str | None = None,
        population: Sequence[str] = (),
        memory: int = 1,
        misperception: float = 0.0,
        payoff_noise: float = 0.0,
        stakes: float = 1.0,
        growth: float = 1.0,
        messages: int = 1,
        partner_tremble: float = 0.0,
        **common: Any,
    ) -> None:
        self._k, self._messages, self._memory = len(rows), messages, memory
        talk = messages if messages > 1 else 0
        super().__init__(
            players=1 if partner else 2,
            width=memory * (2 * self._k + 2 + talk),
            choices=self._k * messages,
            **common,
        )
        self._games = (rows, [list(row) for row in zip(*columns, strict=True)])  # of each player, own action first
        self._unit = max(abs(payoff) for game in self._games for row in game for payoff in row)
        self._partner, self._population, self._partner_tremble = partner, population, partner_tremble
        self._partners_game = shares_of_range(self._games[1]) if partner else self._games[1]
        self._misperception, self._payoff_noise = misperception, payoff_noise
        self._stakes, self._growth = stakes, growth
        self._nothing = [0.0] * (2 * self._k + 2 + talk)

    def begin(self) -> None:
        self.history = [[self._nothing] * self._memory for _ in self.possible_agents]
        self.partner = self._partner or ""
        if self._partner == MIXED:
            self.partner = self._population[pick(self.rng.random(), len(self._population))]
        self.partner_state = PARTNERS[self.partner].begin(self._k) if self._partner else []

    def play(self, actions: Sequence[int]) -> list[float]:
        acts = [action // self._messages for action in actions]
        said = [action % self._messages for action in actions]
        if self._partner:
            acts.append(self._partners_choice())
            said.append(-1)
        perceived = [self._perceived(acts[1]), self._perceived(acts[0])]
        for player, history in enumerate(self.history):
            history.insert(0, self._experience(player, acts[player], perceived[player], said[1 - player]))
            history.pop()
        if self._partner:
            PARTNERS[self.partner].learn(self.partner_state, self._partners_game, acts[1], perceived[1])
        factor = self._growth**self.round
        payoffs = [self._games[0][acts[0]][acts[1]] * factor, self._games[1][acts[1]][acts[0]] * factor * self._stakes]
        if self._payoff_noise:
            noise = self.rng.standard_normal(2).tolist()
            payoffs = [payoff + self._payoff_noise * each for payoff, each in zip(payoffs, noise, strict=True)]
        return payoffs

    def see(self) -> list[list[float]]:
        return [[value for past in history for value in past] for history in self.history]

    def _partners_choice(self) -> int:
        choice = PARTNERS[self.partner].choose(self.partner_state, self._partners_game, self.rng)
        return self._replaced(choice, self._partner_tremble)

    def _perceived(self, action: int) -> int:
        return self._replaced(action, self._misperception)

    def _replaced(self, action: int, probability: float) -> int:
        if not probability:
            return action
        compared, random = self.rng.random(2).tolist()
        return pick(random, self._k) if compared < probability else action

    def _experience(self, player: int, own: int, other: int, message: int) -> list[float]:
        paid = [self._games[player][own][other] / self._unit, self._games[1 - player][other][own] / self._unit]
        heard = one_hot(message, self._messages) if self._messages > 1 else []
        return [*one_hot(own, self._k), *one_hot(other, self._k), *paid, *heard]
