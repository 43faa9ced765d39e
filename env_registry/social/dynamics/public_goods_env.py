"""Public goods: everybody gives some of an endowment to something from which all have an advantage.

There are n participants: the players and `conditional` cooperators, who always give the mean share of the last round
(1/2 in the first) and neither punish nor reward. Participant i is endowed with e_i = 1 + inequality * (2 i / (n - 1) -
1) tokens a round and gives the share a_i, that is c_i = a_i e_i. With means over all participants, r the `multiplier`
and θ the `threshold`, the payoff is e_i - c_i plus

    linear           r * mean of c                           (Isaac, Walker and Thomas 1984)
    concave          r * square root of the mean of c
    threshold        r θ if the sum of c is at least θ n, else nothing (Bagnoli and Lipman 1989, without refund)
    refund           the same, but where it fails everybody keeps the whole endowment
    weakest_link     r * least c                             (Hirshleifer 1983)
    best_shot        r * greatest c
    club             r * mean of c for who gave a share of at least θ, else nothing (Buchanan 1965)
    punishment       the linear good, less `sanction_cost` * s_i, less `sanction_impact` * mean of the others' s
                     * how much a_i lies below the mean share (Fehr and Gächter 2000); s is a second action
    rewarding        the linear good, less `sanction_cost` * s_i, plus `sanction_impact` * mean of the others' s
                     * how much a_i lies above the mean share (Sefton, Shupp and Walker 2007)
    reputation       r * what the one before gave: all stand in a circle, each gives to the next and sees the next one's
                     image, which moves by 0.3 of the way to each share given (Nowak and Sigmund 1998)
    collective_risk  nothing, and it is paid only every fifth round, for the last five: if all together gave less than
                     θ of their endowments then, everybody's is lost with probability `risk` (Milinski et al. 2008)

A player sees: its last share and payoff; mean, least and greatest share; its own image and that of whom it gives to;
what was given for the risk as a share of five rounds' endowments, and what it kept itself, over 5; with `visibility`
individual, every other participant's last share, those after itself first. Shares and images start at 1/2, the rest
at 0.

Chance: for reputation, the circle, a permutation drawn at the reset and after each round; for the risk, a uniform
number when too little was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt
from typing import Any

from env_registry.social.dynamics.environment import SocialDynamics, mean

WINDOW = 5  # rounds from one day of reckoning to the next
_IMAGE_RATE = 0.3
_SANCTIONS = ("punishment", "rewarding")


class PublicGoods(SocialDynamics):
    remembers = ("shares", "payoffs", "images", "circle", "pot", "kept")

    def __init__(
        self,
        *,
        good: str,
        players: int = 4,
        conditional: int = 0,
        multiplier: float = 1.6,
        threshold: float = 0.5,
        inequality: float = 0.0,
        sanction_cost: float = 0.3,
        sanction_impact: float = 3.0,
        risk: float = 0.9,
        visibility: str = "aggregate",
        **common: Any,
    ) -> None:
        n = players + conditional
        super().__init__(
            players=players,
            width=9 + (n - 1) * (visibility == "individual"),
            dimensions=2 if good in _SANCTIONS else 1,
            **common,
        )
        self._good, self._n, self._conditional = good, n, conditional
        self._multiplier, self._threshold, self._risk = multiplier, threshold, risk
        self._endowments = [1 + inequality * (2 * i / (n - 1) - 1) for i in range(n)]
        self._cost, self._impact = sanction_cost, sanction_impact
        self._individual = visibility == "individual"

    def begin(self) -> None:
        self.shares = [0.5] * self._n
        self.payoffs = [0.0] * self._n
        self.images = [0.5] * self._n
        self.pot, self.kept = 0.0, [0.0] * self._n
        self._form_circle()

    def play(self, actions: Sequence[list[float]]) -> list[float]:
        last = mean(self.shares)
        self.shares = [action[0] for action in actions] + [last] * self._conditional
        given = [share * endowment for share, endowment in zip(self.shares, self._endowments, strict=True)]
        left = [endowment - gift for endowment, gift in zip(self._endowments, given, strict=True)]
        if self._good == "collective_risk":
            self.payoffs = self._reckon(given, left)
        elif self._good == "refund" and not self._provided(given):
            self.payoffs = list(self._endowments)
        else:
            gains = self._gains(given, actions)
            self.payoffs = [rest + gain for rest, gain in zip(left, gains, strict=True)]
        return self.payoffs

    def see(self) -> list[list[float]]:
        common = [mean(self.shares), min(self.shares), max(self.shares)]
        return [self._view(player, common) for player in range(len(self.possible_agents))]

    # ------------------------------------------------------------------ goods

    def _provided(self, given: list[float]) -> bool:
        return fsum(given) >= self._threshold * self._n

    def _gains(self, given: list[float], actions: Sequence[list[float]]) -> list[float]:
        r = self._multiplier
        match self._good:
            case "concave":
                return [r * sqrt(mean(given))] * self._n
            case "threshold" | "refund":
                return [r * self._threshold if self._provided(given) else 0.0] * self._n
            case "weakest_link":
                return [r * min(given)] * self._n
            case "best_shot":
                return [r * max(given)] * self._n
            case "club":
                gain = r * mean(given)
                return [gain if share >= self._threshold else 0.0 for share in self.shares]
            case "reputation":
                return self._gifts(given)
            case "punishment" | "rewarding":
                return self._sanctioned(r * mean(given), [action[1] for action in actions])
        return [r * mean(given)] * self._n

    def _sanctioned(self, gain: float, sanctions: list[float]) -> list[float]:
        sign = -1.0 if self._good == "punishment" else 1.0
        sanctions = sanctions + [0.0] * self._conditional
        usual = mean(self.shares)
        total = fsum(sanctions)
        return [
            gain
            - self._cost * own
            + sign * self._impact * ((total - own) / (self._n - 1)) * max(sign * (share - usual), 0.0)
            for own, share in zip(sanctions, self.shares, strict=True)
        ]

    def _gifts(self, given: list[float]) -> list[float]:
        gains = [0.0] * self._n
        for donor, receiver in zip(self.circle, self.circle[1:] + self.circle[:1], strict=True):
            gains[receiver] = self._multiplier * given[donor]
        self.images = [
            image + _IMAGE_RATE * (share - image) for image, share in zip(self.images, self.shares, strict=True)
        ]
        self._form_circle()
        return gains

    def _form_circle(self) -> None:
        self.circle = self.rng.permutation(self._n).tolist() if self._good == "reputation" else list(range(self._n))

    def _reckon(self, given: list[float], left: list[float]) -> list[float]:
        self.pot += fsum(given)
        self.kept = [kept + rest for kept, rest in zip(self.kept, left, strict=True)]
        if (self.round + 1) % WINDOW:
            return [0.0] * self._n
        failed = self.pot < self._threshold * self._n * WINDOW
        lost = failed and self.rng.random() < self._risk
        paid = [0.0] * self._n if lost else self.kept
        self.pot, self.kept = 0.0, [0.0] * self._n
        return paid

    # ------------------------------------------------------------------ sight

    def _view(self, player: int, common: list[float]) -> list[float]:
        receiver = self.circle[(self.circle.index(player) + 1) % self._n]
        others = self.shares[player + 1 :] + self.shares[:player] if self._individual else []
        return [
            self.shares[player],
            self.payoffs[player],
            *common,
            self.images[player],
            self.images[receiver],
            self.pot / (self._n * WINDOW),
            self.kept[player] / WINDOW,
            *others,
        ]
