"""A commons: players harvest stocks that grow back by themselves.

A round. Player i puts the effort e_i, from 0 to 1, into each stock that can be harvested and takes q e_i X / n of it,
with q the `catchability`, X the stock and n the players. Then the stocks grow; then each is multiplied by
max(0, 1 + growth_noise * standard normal), with probability `shock` all are halved, and each is cut to 0…2. With
h_i = q e_i X summed over the stocks that i harvests, the payoff is

    (1 - tax) h_i + tax * mean of h - effort_cost * sum of i's efforts.

Growth of what is left, Y, with r the `growth_rate` and a capacity of 1:

    logistic       Y + r Y (1 - Y)                                                (Schaefer 1954)
    allee          Y + 4 r Y (1 - Y) (Y - 0.2): below 0.2 it dies out             (Courchamp et al. 1999)
    beverton_holt  (1 + r) Y / (1 + r Y)                                          (Beverton and Holt 1957)
    ricker         Y exp(r (1 - Y))                                               (Ricker 1954)
    gompertz       Y - r Y ln Y                                                   (Fox 1970)
    recharge       at most 1 of Y + r / 4: groundwater                            (Gisser and Sánchez 1980)
    seasonal       logistic with r (1 + 0.8 sin(2 π t / 12)) in round t
    forest         young, middle and old trees: a quarter of the young and of the middle ages moves on, 2 % of the old
                   die, and r * old * free land are born young; only the old are harvested (Getz and Haight 1989)
    predator_prey  prey x + r x (1 - x) - 0.8 x y, predators y + 0.4 x y - 0.1 y; both are harvested (May et al. 1979)
    patches        two logistic stocks that exchange a tenth; both are harvested (Sanchirico and Wilen 1999)

A player sees: three stocks (0 where there are fewer), each as a survey of relative error `survey_noise`, the same for
all players; its last h and the mean h; its efforts and the mean efforts, for two stocks.

Chance: in a round, a standard normal number for each stock, if there is growth noise; a uniform number, if there are
shocks; at the reset and after each round, a standard normal number for each stock, if there is survey noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, fsum, log, pi, sin
from typing import Any

from env_registry.social.dynamics.environment import SocialDynamics, mean

Stocks = list[float]
_MOST = 2.0


def _logistic(y: float, r: float) -> float:
    return y + r * y * (1 - y)


def _forest(left: Stocks, r: float) -> Stocks:
    young, middle, old = left
    free = max(0.0, 1 - fsum(left))
    return [0.75 * young + r * old * free, 0.75 * middle + 0.25 * young, 0.98 * old + 0.25 * middle]


def _predator_prey(left: Stocks, r: float) -> Stocks:
    x, y = left
    return [x + r * x * (1 - x) - 0.8 * x * y, y + 0.4 * x * y - 0.1 * y]


def _patches(left: Stocks, r: float) -> Stocks:
    a, b = _logistic(left[0], r), _logistic(left[1], r)
    return [0.9 * a + 0.1 * b, 0.9 * b + 0.1 * a]


GROWTH: dict[str, Callable[[Stocks, float, int], Stocks]] = {
    "logistic": lambda left, r, t: [_logistic(left[0], r)],
    "allee": lambda left, r, t: [left[0] + 4 * r * left[0] * (1 - left[0]) * (left[0] - 0.2)],
    "beverton_holt": lambda left, r, t: [(1 + r) * left[0] / (1 + r * left[0])],
    "ricker": lambda left, r, t: [left[0] * exp(r * (1 - left[0]))],
    "gompertz": lambda left, r, t: [left[0] - r * left[0] * log(left[0]) if left[0] > 0 else 0.0],
    "recharge": lambda left, r, t: [min(1.0, left[0] + r / 4)],
    "seasonal": lambda left, r, t: [_logistic(left[0], r * (1 + 0.8 * sin(2 * pi * t / 12)))],
    "forest": lambda left, r, t: _forest(left, r),
    "predator_prey": lambda left, r, t: _predator_prey(left, r),
    "patches": lambda left, r, t: _patches(left, r),
}
_STOCKS = {"forest": 3, "predator_prey": 2, "patches": 2}
_HARVESTED = {"forest": (2,), "predator_prey": (0, 1), "patches": (0, 1)}


class Commons(SocialDynamics):
    remembers = ("stocks", "surveyed", "harvests", "efforts")

    def __init__(
        self,
        *,
        resource: str,
        players: int = 4,
        growth_rate: float = 0.5,
        catchability: float = 0.5,
        initial_stock: float = 0.5,
        effort_cost: float = 0.05,
        tax: float = 0.0,
        growth_noise: float = 0.0,
        survey_noise: float = 0.0,
        shock: float = 0.0,
        **common: Any,
    ) -> None:
        self._harvested = _HARVESTED.get(resource, (0,))
        super().__init__(players=players, width=9, dimensions=len(self._harvested), **common)
        self._grow, self._count, self._players = GROWTH[resource], _STOCKS.get(resource, 1), players
        self._rate, self._catchability, self._initial = growth_rate, catchability, initial_stock
        self._effort_cost, self._tax = effort_cost, tax
        self._growth_noise, self._survey_noise, self._shock = growth_noise, survey_noise, shock

    def begin(self) -> None:
        self.stocks = [self._initial / (3 if self._count == 3 else 1)] * self._count
        self.harvests = [0.0] * self._players
        self.efforts = [[0.0] * len(self._harvested) for _ in range(self._players)]
        self.surveyed = self._survey()

    def play(self, actions: Sequence[list[float]]) -> list[float]:
        self.efforts = [list(action) for action in actions]
        left, takes = list(self.stocks), []
        for target, stock in enumerate(self._harvested):
            take = [self._catchability * efforts[target] * self.stocks[stock] for efforts in self.efforts]
            left[stock] = max(0.0, self.stocks[stock] - mean(take))
            takes.append(take)
        self.harvests = [fsum(each) for each in zip(*takes, strict=True)]
        self.stocks = self._disturbed(self._grow(left, self._rate, self.round))
        self.surveyed = self._survey()
        usual = mean(self.harvests)
        return [
            (1 - self._tax) * harvest + self._tax * usual - self._effort_cost * fsum(efforts)
            for harvest, efforts in zip(self.harvests, self.efforts, strict=True)
        ]

    def see(self) -> list[list[float]]:
        efforts = [mean(each) for each in zip(*self.efforts, strict=True)]
        surveyed, usual, around = _padded(self.surveyed, 3), mean(self.harvests), _padded(efforts, 2)
        return [
            [*surveyed, harvest, usual, *_padded(own, 2), *around]
            for harvest, own in zip(self.harvests, self.efforts, strict=True)
        ]

    def _survey(self) -> Stocks:
        if not self._survey_noise:
            return list(self.stocks)
        errors = self.rng.standard_normal(self._count).tolist()
        return [stock * (1 + self._survey_noise * error) for stock, error in zip(self.stocks, errors, strict=True)]

    def _disturbed(self, stocks: Stocks) -> Stocks:
        if self._growth_noise:
            noise = self.rng.standard_normal(len(stocks)).tolist()
            stocks = [
                stock * max(0.0, 1 + self._growth_noise * each) for stock, each in zip(stocks, noise, strict=True)
            ]
        if self._shock and self.rng.random() < self._shock:
            stocks = [stock / 2 for stock in stocks]
        return [min(max(stock, 0.0), _MOST) for stock in stocks]


def _padded(values: list[float], length: int) -> list[float]:
    return [*values, *[0.0] * (length - len(values))]
