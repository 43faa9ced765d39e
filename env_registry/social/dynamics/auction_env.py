"""One auction after another, with new values each time.

Values are drawn from a `distribution` over 0 to 1: with a uniform number u they are u (uniform), the square root of u
(high), its square (low), or 0.4 u below and 0.8 + 0.4 (u - 0.5) above u = 0.5 (bimodal). Bidder i sees a signal s_i of
what the item is worth to it, v_i:

    private         s_i is drawn, v_i = s_i                                           (Vickrey 1961)
    common          V is drawn, v_i = V, s_i = V + signal_noise * (2 u - 1), cut to 0…1 (Wilson 1977)
    interdependent  s_i is drawn, v_i = (s_i + mean of all s) / 2                     (Milgrom and Weber 1982)

Bids are numbers from 0 to 1, cut to the `budget`; `rivals` are further bidders, who bid 0.8 s_i. Bids below the
`reserve` are void. Of equal bids the bidder of the lower number comes first; b_k is the k-th bid, or the reserve if
that is more or there are fewer than k valid bids.

    first_price      the highest wins and pays its bid
    second_price     the highest wins and pays b_2
    third_price      the highest wins and pays b_3                                    (Kagel and Levin 1993)
    all_pay          the highest wins, everybody with a valid bid pays it             (Baye et al. 1996)
    war_of_attrition the highest wins and pays b_2, the others pay their own          (Krishna and Morgan 1997)
    discriminatory   the highest win a unit each and pay their bids
    uniform_price    the highest win a unit each and pay the highest bid that loses
    english          a clock starts at the reserve and rises by `increment` each round; who bids less than it shows is
                     out until the next auction; a last one who is alone wins at the clock's price; if the last leave
                     together, the first of them wins at the price before
    dutch            a clock starts at 1 and falls by `increment` each round; the first who bids at least what it shows
                     wins at that price; when it is below the reserve, nobody does

The payoff of a round without a result is 0, else v_i for an item won, less what is paid; a loss counts `loss_aversion`
times (Kahneman and Tversky 1979).

A player sees: its signal; its last bid; of the last auction whether it won, what it paid and the mean price paid for
an item (0 where nobody won); the clock (0 without one); whether it is still in; the signal that it had in the last
auction and what the item was worth then.

Chance: at the reset and after every auction, the uniform numbers of V or of all signals, bidders first, then of the
noise on all signals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

from env_registry.social.dynamics.environment import SocialDynamics, mean

DISTRIBUTIONS: dict[str, Callable[[float], float]] = {
    "uniform": lambda u: u,
    "high": sqrt,
    "low": lambda u: u * u,
    "bimodal": lambda u: 0.4 * u if u < 0.5 else 0.8 + 0.4 * (u - 0.5),
}
_SHADE = 0.8
_MANY = ("discriminatory", "uniform_price")

Result = tuple[list[int], list[float]]
"""Who wins, and what everybody pays."""


class Auction(SocialDynamics):
    remembers = ("signals", "worth", "clock", "inside", "bids", "last")

    def __init__(
        self,
        *,
        rule: str,
        values: str,
        players: int = 4,
        rivals: int = 0,
        distribution: str = "uniform",
        signal_noise: float = 0.3,
        reserve: float = 0.0,
        budget: float = 1.0,
        units: int = 2,
        increment: float = 0.1,
        loss_aversion: float = 1.0,
        **common: Any,
    ) -> None:
        super().__init__(players=players, width=9, dimensions=1, **common)
        self._rule, self._values = rule, values
        self._players, self._bidders = players, players + rivals
        self._distribution, self._signal_noise = DISTRIBUTIONS[distribution], signal_noise
        self._reserve, self._budget, self._increment, self._loss_aversion = reserve, budget, increment, loss_aversion
        self._units = min(units, self._bidders - 1) if rule in _MANY else 1

    def begin(self) -> None:
        self.bids = [0.0] * self._bidders
        self.last = [[0.0] * 5 for _ in range(self._players)]  # won, paid, mean price, signal, worth
        self._open()

    def play(self, actions: Sequence[list[float]]) -> list[float]:
        rivals = [_SHADE * signal for signal in self.signals[self._players :]]
        self.bids = [min(bid, self._budget) for bid in [*(action[0] for action in actions), *rivals]]
        match self._rule:
            case "english":
                result = self._rise()
            case "dutch":
                result = self._fall()
            case _:
                result = self._seal()
        if result is None:
            return [0.0] * self._players
        payoffs = self._settle(*result)
        self._open()
        return payoffs

    def see(self) -> list[list[float]]:
        return [
            [self.signals[i], self.bids[i], *self.last[i][:3], self.clock, float(self.inside[i]), *self.last[i][3:]]
            for i in range(self._players)
        ]

    # ------------------------------------------------------------------ values

    def _open(self) -> None:
        n = self._bidders
        if self._values == "common":
            worth = self._distribution(self.rng.random())
            self.worth = [worth] * n
            errors = self.rng.random(n).tolist()
            self.signals = [min(max(worth + self._signal_noise * (2 * u - 1), 0.0), 1.0) for u in errors]
        else:
            self.signals = [self._distribution(u) for u in self.rng.random(n).tolist()]
            usual = mean(self.signals)
            private = self._values == "private"
            self.worth = list(self.signals) if private else [(signal + usual) / 2 for signal in self.signals]
        self.inside = [True] * n
        self.clock = {"english": self._reserve, "dutch": 1.0}.get(self._rule, 0.0)

    def _settle(self, winners: list[int], paid: list[float]) -> list[float]:
        price = mean([paid[winner] for winner in winners]) if winners else 0.0
        payoffs = []
        for i in range(self._players):
            won = i in winners
            gain = self.worth[i] * won - paid[i]
            payoffs.append(gain if gain >= 0 else self._loss_aversion * gain)
            self.last[i] = [float(won), paid[i], price, self.signals[i], self.worth[i]]
        return payoffs

    # ------------------------------------------------------------------ rules

    def _seal(self) -> Result:
        ranked = sorted(range(self._bidders), key=lambda i: -self.bids[i])
        valid = [i for i in ranked if self.bids[i] >= self._reserve]
        winners = valid[: self._units]
        paid = [0.0] * self._bidders
        if self._rule in ("all_pay", "war_of_attrition"):
            for i in valid:
                paid[i] = self.bids[i]
        for winner in winners:
            paid[winner] = self._price(winner, valid)
        return winners, paid

    def _price(self, winner: int, valid: list[int]) -> float:
        place = {"second_price": 2, "war_of_attrition": 2, "third_price": 3, "uniform_price": self._units + 1}
        if self._rule not in place:
            return self.bids[winner]
        place_of_price = place[self._rule]
        return self.bids[valid[place_of_price - 1]] if len(valid) >= place_of_price else self._reserve

    def _rise(self) -> Result | None:
        before = [i for i in range(self._bidders) if self.inside[i]]
        left = [i for i in before if self.bids[i] >= self.clock]
        self.inside = [i in left for i in range(self._bidders)]
        if len(left) > 1:
            self.clock += self._increment
            return None
        if left:
            return self._sold(left[0], self.clock)
        if self.clock <= self._reserve:
            return [], [0.0] * self._bidders
        return self._sold(before[0], self.clock - self._increment)

    def _fall(self) -> Result | None:
        for i in range(self._bidders):
            if self.bids[i] >= self.clock:
                return self._sold(i, self.clock)
        self.clock -= self._increment
        return None if self.clock >= self._reserve and self.clock >= 0 else ([], [0.0] * self._bidders)

    def _sold(self, winner: int, price: float) -> Result:
        return [winner], [price * (i == winner) for i in range(self._bidders)]
