"""Bargaining over one pie after another.

A negotiation is over a pie of size s, drawn from 1 - pie_spread to 1 + pie_spread. It lasts one round or more; player
i's share x_i of a pie agreed on in its round k (from 0) is worth x_i s δ_i^k, with δ_i = `patience`, which `impatience`
lowers to patience * (1 - impatience) for player 0. Without an agreement a lasting negotiation breaks down with
probability `breakdown`; others have one round. Who breaks up gets the `outside` option, a share of s. Then the next
pie comes. Payoffs are 0 while a negotiation goes on. Actions are numbers from 0 to 1.

Of one round:
    nash_demand   everybody demands a share; each gets it if together they are at most 1      (Nash 1953)
    ultimatum     the proposer offers a share, the other accepts if it is at least its threshold (Güth et al. 1982)
    final_offer   both demand; if the demands are more than 1, an arbitrator whose own idea of player 0's share is
                  normal around 1/2 with standard deviation 0.2 takes the nearer; if less, they meet halfway
                  (Farber 1980)
Lasting:
    alternating   as ultimatum; after a rejection it is the other's turn                      (Rubinstein 1982)
    concession    both demand; demands of at most 1 are met and the rest is halved            (after Zeuthen 1930)
    issues        as alternating, with an offer for each of three issues, whose weights in each player's share are its
                  own secret, drawn for each negotiation                                      (Fershtman 1990)
    majority      a random proposer offers a share in equal parts to as many random others as make a majority with it;
                  who is offered a part that is at least its threshold accepts, the rest refuse; all that were asked
                  must accept                                                                 (Baron and Ferejohn 1989)
    unanimity     a random proposer offers a share in equal parts to all others, who all must accept
    veto          as majority, but player 0 is always asked if it does not propose            (Winter 1996)

The action is a demand where demands are made, else offer and threshold, or three offers and a threshold. Proposers
take turns, also from one negotiation to the next, or are random for each round (majority, unanimity, veto).

A player sees: whether it proposes, its δ_i^k, s, the last offer (three for issues, else repeated), or for demands the
mean of the others' demands, whether the last round brought an agreement, its last payoff, its last action (padded to
4), and the weights of its issues (1/3 each where there are none).

Chance: at the start of each negotiation, a uniform number for s, if there is a spread; for issues, three uniform
numbers for each player in turn, whose shares of their sum are the weights. Where proposers are random, a uniform
number for the proposer at the reset and after each round, after what a new negotiation draws. In a round: for majority
and veto a permutation of the players, of whom the first that may be asked are; for the arbitrator a standard normal
number if the demands do not fit; after a disagreement in a lasting negotiation, a uniform number, if there are
breakdowns.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Any

from env_registry.social.dynamics.environment import SocialDynamics, mean, pick

ISSUES = 3
ONE_ROUND = ("nash_demand", "ultimatum", "final_offer")
DEMANDS = ("nash_demand", "final_offer", "concession")
_RANDOM_PROPOSER = ("majority", "unanimity", "veto")
_ARBITRATORS_SD = 0.2


class Bargaining(SocialDynamics):
    remembers = ("proposer", "stage", "size", "weights", "offers", "agreed", "payoffs", "acts")

    def __init__(
        self,
        *,
        protocol: str,
        players: int = 2,
        patience: float = 0.9,
        impatience: float = 0.0,
        outside: float = 0.0,
        breakdown: float = 0.1,
        pie_spread: float = 0.0,
        **common: Any,
    ) -> None:
        dimensions = 1 if protocol in DEMANDS else 1 + ISSUES if protocol == "issues" else 2
        super().__init__(players=players, width=12 + ISSUES, dimensions=dimensions, **common)
        self._protocol, self._players = protocol, players
        self._patience = [patience * (1 - impatience), *[patience] * (players - 1)]
        self._outside, self._breakdown, self._pie_spread = outside, breakdown, pie_spread
        self._rest = [0.0] * (1 + ISSUES - dimensions)

    def begin(self) -> None:
        self.agreed = False
        self.offers = [0.0] * ISSUES
        self.payoffs = [0.0] * self._players
        self.acts = [[0.0] * (1 + ISSUES)] * self._players
        self._open()
        self.proposer = -1
        self._turn()

    def play(self, actions: Sequence[list[float]]) -> list[float]:
        self.acts = [action + self._rest for action in actions]
        shares = self._terms(actions)
        self.agreed = shares is not None
        over = self.agreed or self._protocol in ONE_ROUND or self._breaks_down()
        if shares is not None:
            self.payoffs = [
                share * self.size * patience**self.stage for share, patience in zip(shares, self._patience, strict=True)
            ]
        else:
            self.payoffs = [self._outside * self.size * over] * self._players
        self.stage += 1
        if over:
            self._open()
        self._turn()
        return self.payoffs

    def see(self) -> list[list[float]]:
        return [self._view(player) for player in range(self._players)]

    # ------------------------------------------------------------------ the course of a negotiation

    def _open(self) -> None:
        self.stage, self.size = 0, 1.0
        if self._pie_spread:
            self.size += self._pie_spread * (2 * self.rng.random() - 1)
        self.weights = [[1 / ISSUES] * ISSUES for _ in range(self._players)]
        if self._protocol == "issues":
            drawn = [self.rng.random(ISSUES).tolist() for _ in range(self._players)]
            self.weights = [[one / fsum(each) for one in each] for each in drawn]

    def _turn(self) -> None:
        if self._protocol in _RANDOM_PROPOSER:
            self.proposer = pick(self.rng.random(), self._players)
        else:
            self.proposer = (self.proposer + 1) % self._players

    def _breaks_down(self) -> bool:
        return bool(self._breakdown) and self.rng.random() < self._breakdown

    # ------------------------------------------------------------------ one round

    def _terms(self, actions: Sequence[list[float]]) -> list[float] | None:
        """The shares agreed on, or None."""
        if self._protocol in DEMANDS:
            return self._met([action[0] for action in actions])
        self.offers = (
            actions[self.proposer][:ISSUES] if self._protocol == "issues" else actions[self.proposer][:1] * ISSUES
        )
        if self._protocol in _RANDOM_PROPOSER:
            return self._coalition(actions)
        return self._answer(actions[1 - self.proposer][-1])

    def _answer(self, threshold: float) -> list[float] | None:
        proposing, answering = self.weights[self.proposer], self.weights[1 - self.proposer]
        if self._protocol != "issues":
            given, kept = self.offers[0], 1 - self.offers[0]
        else:
            given = fsum(weight * offer for weight, offer in zip(answering, self.offers, strict=True))
            kept = fsum(weight * (1 - offer) for weight, offer in zip(proposing, self.offers, strict=True))
        if given < threshold:
            return None
        return [given, kept] if self.proposer else [kept, given]

    def _met(self, demands: list[float]) -> list[float] | None:
        spare = 1 - fsum(demands)
        if self._protocol == "nash_demand":
            return demands if spare >= 0 else None
        if spare >= 0:
            return [demand + spare / 2 for demand in demands]
        if self._protocol == "concession":
            return None
        ideal = 0.5 + _ARBITRATORS_SD * self.rng.standard_normal()
        mine, yours = demands[0], 1 - demands[1]
        taken = mine if abs(mine - ideal) <= abs(yours - ideal) else yours
        return [taken, 1 - taken]

    def _coalition(self, actions: Sequence[list[float]]) -> list[float] | None:
        asked = self._asked()
        part = self.offers[0] / len(asked)
        if any(part < actions[player][1] for player in asked):
            return None
        shares = [part if player in asked else 0.0 for player in range(self._players)]
        shares[self.proposer] = 1 - self.offers[0]
        return shares

    def _asked(self) -> list[int]:
        if self._protocol == "unanimity":
            return [player for player in range(self._players) if player != self.proposer]
        others = [player for player in self.rng.permutation(self._players).tolist() if player != self.proposer]
        asked = others[: self._players // 2]
        if self._protocol == "veto" and self.proposer and 0 not in asked:
            asked[-1] = 0
        return asked

    # ------------------------------------------------------------------ sight

    def _view(self, player: int) -> list[float]:
        offers = self.offers
        if self._protocol in DEMANDS:
            offers = [mean([act[0] for other, act in enumerate(self.acts) if other != player])] * ISSUES
        return [
            float(player == self.proposer),
            self._patience[player] ** self.stage,
            self.size,
            *offers,
            float(self.agreed),
            self.payoffs[player],
            *self.acts[player],
            *self.weights[player],
        ]
