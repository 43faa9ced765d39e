"""A double auction: half of the players buy, the others sell, for one unit each in every round.

Even players buy and draw a value for a unit, odd ones sell and draw a cost, from a `distribution` (see `auction_env`).
Each names a price, from 0 to 1. With bids from the highest and asks from the lowest, equal ones in the order of
players, the m-th pair is the last whose bid is at least its ask.

    call_market  m pairs trade at k * m-th bid + (1 - k) * m-th ask           (Chatterjee and Samuelson 1983)
    mcafee       if the mean of the next bid and ask lies between the m-th ask and bid, m pairs trade at it; else, or if
                 there is no next pair, m - 1 pairs trade, at the m-th bid for buyers and the m-th ask for sellers
                 (McAfee 1992)
    pairwise     every buyer meets a random seller; if the bid is at least the ask, they trade at k * bid +
                 (1 - k) * ask

A payoff is the value less the price, or the price less the cost, and each side that trades pays `fee`.

A player sees: whether it buys, its value or cost, its last price, whether it traded, its last payoff, and the mean
price, bid and ask of the last round (0 where there was no trade).

Chance: at the reset and after each round, the uniform numbers of all players' values and costs; in a round of pairs,
a permutation of the sellers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from env_registry.social.dynamics.auction_env import DISTRIBUTIONS
from env_registry.social.dynamics.environment import SocialDynamics, mean

Trade = tuple[int, int, float, float]
"""Buyer, seller, what the one pays and what the other gets."""


class Exchange(SocialDynamics):
    remembers = ("values", "prices", "payoffs", "traded", "market")

    def __init__(
        self,
        *,
        rule: str,
        pairs: int = 3,
        distribution: str = "uniform",
        k: float = 0.5,
        fee: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(players=2 * pairs, width=8, dimensions=1, **common)
        self._rule, self._pairs, self._k, self._fee = rule, pairs, k, fee
        self._distribution = DISTRIBUTIONS[distribution]

    def begin(self) -> None:
        n = 2 * self._pairs
        self.prices, self.payoffs, self.traded = [0.0] * n, [0.0] * n, [0.0] * n
        self.market = [0.0, 0.0, 0.0]
        self._draw()

    def play(self, actions: Sequence[list[float]]) -> list[float]:
        n = 2 * self._pairs
        self.prices = [action[0] for action in actions]
        trades = self._pairwise() if self._rule == "pairwise" else self._call()
        self.payoffs, self.traded = [0.0] * n, [0.0] * n
        for buyer, seller, paid, got in trades:
            self.payoffs[buyer] = self.values[buyer] - paid - self._fee
            self.payoffs[seller] = got - self.values[seller] - self._fee
            self.traded[buyer] = self.traded[seller] = 1.0
        price = mean([(paid + got) / 2 for _, _, paid, got in trades]) if trades else 0.0
        self.market = [price, mean(self.prices[::2]), mean(self.prices[1::2])]
        self._draw()
        return self.payoffs

    def see(self) -> list[list[float]]:
        return [
            [1.0 - i % 2, self.values[i], self.prices[i], self.traded[i], self.payoffs[i], *self.market]
            for i in range(2 * self._pairs)
        ]

    def _draw(self) -> None:
        self.values = [self._distribution(u) for u in self.rng.random(2 * self._pairs).tolist()]

    def _split(self, bid: float, ask: float) -> float:
        return self._k * bid + (1 - self._k) * ask

    def _pairwise(self) -> list[Trade]:
        trades = []
        for pair, met in enumerate(self.rng.permutation(self._pairs).tolist()):
            buyer, seller = 2 * pair, 2 * met + 1
            bid, ask = self.prices[buyer], self.prices[seller]
            if bid >= ask:
                price = self._split(bid, ask)
                trades.append((buyer, seller, price, price))
        return trades

    def _call(self) -> list[Trade]:
        n = 2 * self._pairs
        buyers = sorted(range(0, n, 2), key=lambda i: -self.prices[i])
        sellers = sorted(range(1, n, 2), key=lambda i: self.prices[i])
        bids, asks = [self.prices[i] for i in buyers], [self.prices[i] for i in sellers]
        m = sum(bid >= ask for bid, ask in zip(bids, asks, strict=True))
        if m == 0:
            return []
        paid = got = self._split(bids[m - 1], asks[m - 1])
        if self._rule == "mcafee":
            between = (bids[m] + asks[m]) / 2 if m < self._pairs else -1.0
            if asks[m - 1] <= between <= bids[m - 1]:
                paid = got = between
            else:
                paid, got = bids[m - 1], asks[m - 1]
                m -= 1
        return [(buyer, seller, paid, got) for buyer, seller in zip(buyers[:m], sellers[:m], strict=True)]
