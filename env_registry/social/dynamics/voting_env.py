"""One election after another, with preferences that last.

Voter i, a player or one of `sincere` others, has a utility from 0 to 1 for each of the candidates. Every round all
vote, and a player's payoff is its utility of the winner, less `change_cost` if that is not the incumbent. Of equal
candidates the first wins; candidate 0 is the incumbent at first.

    plurality        one vote each, most votes win; action: the candidate
    veto             one vote against, fewest win; action: the candidate
    approval         any number of votes, most win; action: the sum of 2^c over approved candidates (Brams 1978)
    quota            as plurality, but with less than `quota` of all votes the incumbent stays
    random_ballot    one random voter's candidate wins; action: the candidate                   (Gibbard 1977)
    borda            m - 1 points for the first, 0 for the last of m, most points win
    instant_runoff   the one with the fewest first places among those left, of equals the last, drops out, until one is
                     left
    copeland         most pairwise wins less defeats

The last three want rankings: action r is the r-th permutation of the candidates in lexicographic order, best first.

Sincere voters name their best (veto: worst) candidate, approve of those with at least their mean utility, and rank by
utility; of equals the first is better. Utilities are uniform; with `culture` line, voters and candidates have uniform
places and utilities are 1 less the distance; with `culture` camps, even and odd voters' utilities are 0.8 q + 0.2 u and
0.8 (1 - q) + 0.2 u, with q uniform for each candidate and u for each voter and candidate. After a round utilities have
normal noise of standard deviation `drift` added and are cut to 0…1; with probability `renewal` they are all drawn anew.

A player sees: its utilities; of each candidate its votes over all voters (points over those possible for borda and
copeland, where a defeat counts -1, first places for the runoff), the incumbent (one-hot), its last vote as points for
each candidate, 1 for the best or a vote, 0 for the last or none, and the mean payoff of all players. Votes and points
are 0 at first.

Chance: at the reset, the utilities: uniform numbers voter by voter; for a line, of voters, then of candidates; for
camps, of candidates, then voter by voter. In a round: for the random ballot, the voter; for drift, a standard normal
number for each utility, voter by voter; then, if renewal is possible, a uniform number and what it draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

from env_registry.social.dynamics.environment import SocialDynamics, mean, one_hot, pick

Ballot = list[float]
"""Points for each candidate: 0 or 1, or for rankings from m - 1 down to 0."""
RANKED = ("borda", "instant_runoff", "copeland")


class Voting(SocialDynamics):
    remembers = ("utilities", "incumbent", "tally", "votes", "welfare")

    def __init__(
        self,
        *,
        rule: str,
        players: int = 5,
        candidates: int = 4,
        sincere: int = 0,
        culture: str = "impartial",
        drift: float = 0.0,
        renewal: float = 0.05,
        change_cost: float = 0.0,
        quota: float = 0.5,
        **common: Any,
    ) -> None:
        m = candidates
        self._ballots = self._possible_ballots(rule, m)
        super().__init__(players=players, width=4 * m + 1, choices=len(self._ballots), **common)
        self._rule, self._m, self._players, self._voters = rule, m, players, players + sincere
        self._culture, self._drift, self._renewal = culture, drift, renewal
        self._change_cost, self._quota = change_cost, quota

    def begin(self) -> None:
        self.incumbent, self.welfare = 0, 0.0
        self.tally = [0.0] * self._m
        self.votes = [[0.0] * self._m for _ in range(self._players)]
        self._draw()

    def play(self, actions: Sequence[int]) -> list[float]:
        self.votes = [list(self._ballots[action]) for action in actions]
        others = [self._honest(utilities) for utilities in self.utilities[self._players :]]
        winner = self._elect(self.votes + others)
        loss = self._change_cost * (winner != self.incumbent)
        self.incumbent = winner
        payoffs = [utilities[winner] - loss for utilities in self.utilities[: self._players]]
        self.welfare = mean(payoffs)
        self._change()
        return payoffs

    def see(self) -> list[list[float]]:
        most = self._m - 1 if self._rule in RANKED else 1
        common = [*self.tally, *one_hot(self.incumbent, self._m)]
        return [
            [*self.utilities[i], *common, *(points / most for points in self.votes[i]), self.welfare]
            for i in range(self._players)
        ]

    # ------------------------------------------------------------------ ballots

    @staticmethod
    def _possible_ballots(rule: str, m: int) -> list[Ballot]:
        if rule in RANKED:
            return [[float(m - 1 - order.index(c)) for c in range(m)] for order in permutations(range(m))]
        if rule == "approval":
            return [[float(votes >> c & 1) for c in range(m)] for votes in range(2**m)]
        return [one_hot(c, m) for c in range(m)]

    def _honest(self, utilities: list[float]) -> Ballot:
        order = sorted(range(self._m), key=lambda c: -utilities[c])
        if self._rule in RANKED:
            return [float(self._m - 1 - order.index(c)) for c in range(self._m)]
        if self._rule == "approval":
            usual = mean(utilities)
            return [float(utility >= usual) for utility in utilities]
        return one_hot(order[-1] if self._rule == "veto" else order[0], self._m)

    # ------------------------------------------------------------------ rules

    def _elect(self, ballots: list[Ballot]) -> int:
        n, m = self._voters, self._m
        points = [sum(ballot[c] for ballot in ballots) for c in range(m)]
        match self._rule:
            case "borda":
                self.tally = [each / (n * (m - 1)) for each in points]
            case "copeland":
                points = [sum(_beats(ballots, c, other) for other in range(m) if other != c) for c in range(m)]
                self.tally = [each / (m - 1) for each in points]
            case "instant_runoff":
                self.tally = [each / n for each in _first_places(ballots, range(m))]
                return _run_off(ballots, m)
            case _:
                self.tally = [each / n for each in points]
        if self._rule == "random_ballot":
            return ballots[pick(self.rng.random(), n)].index(1.0)
        if self._rule == "veto":
            return points.index(min(points))
        winner = points.index(max(points))
        return self.incumbent if self._rule == "quota" and points[winner] < self._quota * n else winner

    # ------------------------------------------------------------------ preferences

    def _draw(self) -> None:
        n, m = self._voters, self._m
        match self._culture:
            case "line":
                voters, places = self.rng.random(n).tolist(), self.rng.random(m).tolist()
                self.utilities = [[1 - abs(voter - place) for place in places] for voter in voters]
            case "camps":
                quality = self.rng.random(m).tolist()
                tastes = self.rng.random((n, m)).tolist()
                self.utilities = [
                    [0.8 * (1 - q if i % 2 else q) + 0.2 * u for q, u in zip(quality, taste, strict=True)]
                    for i, taste in enumerate(tastes)
                ]
            case _:
                self.utilities = self.rng.random((n, m)).tolist()

    def _change(self) -> None:
        if self._drift:
            changes = self.rng.standard_normal((self._voters, self._m)).tolist()
            self.utilities = [
                [min(max(old + self._drift * change, 0.0), 1.0) for old, change in zip(*rows, strict=True)]
                for rows in zip(self.utilities, changes, strict=True)
            ]
        if self._renewal and self.rng.random() < self._renewal:
            self._draw()


def _beats(ballots: list[Ballot], one: int, other: int) -> float:
    """1 if more voters prefer the one, -1 if fewer do."""
    lead = sum((ballot[one] > ballot[other]) - (ballot[one] < ballot[other]) for ballot in ballots)
    return float((lead > 0) - (lead < 0))


def _first_places(ballots: list[Ballot], left: Sequence[int]) -> list[int]:
    favourites = [max(left, key=ballot.__getitem__) for ballot in ballots]
    return [favourites.count(c) for c in left]


def _run_off(ballots: list[Ballot], m: int) -> int:
    left = list(range(m))
    while len(left) > 1:
        places = _first_places(ballots, left)
        left.pop(max(i for i, count in enumerate(places) if count == min(places)))
    return left[0]
