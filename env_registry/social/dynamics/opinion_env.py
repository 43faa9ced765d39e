"""Opinion dynamics on a graph, and players who try to steer them.

Residents hold opinions and hear their neighbours on a graph (see `graphs`), which each episode draws anew; each player
reaches each resident with probability `reach`, drawn for the episode. The players' payoffs depend on the opinions:

    persuade   how near they are to the player's goal, which is 1 for even players and 0 for odd ones
    consensus  how equal they are, for all players
    diversity  how different they are, for all players

Chance at the reset: the graph; for each player, uniform numbers for all residents, of whom those below `reach` hear it;
then the opinions.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt
from typing import Any, ClassVar

from env_registry.social.dynamics.environment import SocialDynamics, mean, one_hot, pick
from env_registry.social.dynamics.graphs import neighbours

BINS = 5
_MEETING_RATE = 0.3  # of the way that a meeting or a pull goes
_FORGETTING = 0.2
SILENCE = 2


class _Society(SocialDynamics):
    """Residents on a graph, players with audiences."""

    remembers: ClassVar[tuple[str, ...]] = ("linked", "heard", "opinions", "said")

    def __init__(
        self,
        *,
        objective: str,
        players: int = 2,
        residents: int = 24,
        graph: str = "small_world",
        links: int = 2,
        rewiring: float = 0.1,
        reach: float = 0.4,
        influence: float = 0.3,
        **common: Any,
    ) -> None:
        super().__init__(players=players, **common)
        self._objective, self._players, self._residents = objective, players, residents
        self._graph, self._links, self._rewiring = graph, links, rewiring
        self._reach, self._influence = reach, influence

    def begin(self) -> None:
        self.linked = neighbours(self._graph, self._residents, self._links, self._rewiring, self.rng)
        reached = [(self.rng.random(self._residents) < self._reach).tolist() for _ in range(self._players)]
        self.heard = [[player for player in range(self._players) if reached[player][i]] for i in range(self._residents)]

    def _audience(self, player: int) -> list[int]:
        return [i for i in range(self._residents) if player in self.heard[i]]


class ContinuousOpinions(_Society):
    """Opinions from 0 to 1.

    A player says y_j, from 0 to 1, to its audience. With a the `influence`, ε the `confidence`, and Y_i the mean of
    what resident i hears from players (without any, a is 0), opinions become at once

        degroot             (1 - a) * mean of its own and its neighbours' x + a Y_i               (DeGroot 1974)
        friedkin_johnsen    the same, times 1 - stubbornness, plus stubbornness * its first opinion
                            (Friedkin and Johnsen 1990)
        hegselmann_krause   as degroot, but of neighbours and players only those count that are at most ε away
                            (Hegselmann and Krause 2002)
        repulsion           x + 0.3 (1 - a) * mean of f(x_k - x) over neighbours + 0.3 a * mean of f(y_j - x) over the
                            players heard; f(d) is d up to ε, 0 up to 2 ε, and -d beyond        (Jager and Amblard 2005)
        signed              as degroot, but each link is hostile with probability `hostility` for the episode, and of a
                            hostile neighbour 1 - x counts                                        (Altafini 2013)

    or, for deffuant, one meeting after another: as many times as there are residents, a random one meets a random one
    of its neighbours, and if they are at most ε apart, both go 0.3 of the way (Deffuant et al. 2000); then each
    resident who is at most ε away from Y_i goes a of the way to it. At last, each has normal noise of standard
    deviation `noise` added, and is cut to 0…1.

    First opinions are uniform, or `initial` polarised: 0.15 u or 1 - 0.15 u by turns, with u uniform.

    Payoffs: 1 - mean distance from the goal; 1 - greatest less least opinion; twice the standard deviation. All less
    `loudness_cost` * |2 y_j - 1|.

    A player sees: mean, standard deviation, least and greatest opinion; shares of opinions in five bins; the mean of
    its audience (0 for none) and its size as a share; its last words and the mean of the others' (1/2 at first).

    Chance: at the reset, after the opinions, for signed a uniform number for each link, in the order of its lower and
    then its higher node. In a round: for deffuant, two uniform numbers for each meeting: the resident, and the place
    of its neighbour; if there is noise, a standard normal number for every resident.
    """

    remembers = (*_Society.remembers, "first", "hostile")

    def __init__(
        self,
        *,
        dynamics: str,
        confidence: float = 0.25,
        stubbornness: float = 0.3,
        hostility: float = 0.2,
        noise: float = 0.0,
        initial: str = "uniform",
        loudness_cost: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(width=4 + BINS + 4, dimensions=1, **common)
        self._dynamics, self._confidence, self._stubbornness = dynamics, confidence, stubbornness
        self._hostility, self._noise, self._initial, self._loudness_cost = hostility, noise, initial, loudness_cost

    def begin(self) -> None:
        super().begin()
        drawn: list[float] = self.rng.random(self._residents).tolist()
        if self._initial == "polarised":
            drawn = [1 - 0.15 * u if i % 2 else 0.15 * u for i, u in enumerate(drawn)]
        self.opinions, self.first = drawn, list(drawn)
        self.said = [0.5] * self._players
        self.hostile: list[list[bool]] = [[False] * self._residents for _ in range(self._residents)]
        if self._dynamics == "signed":
            for i, linked in enumerate(self.linked):
                for k in linked:
                    if i < k:
                        self.hostile[i][k] = self.hostile[k][i] = self.rng.random() < self._hostility

    def play(self, actions: Sequence[list[float]]) -> list[float]:
        self.said = [action[0] for action in actions]
        if self._dynamics == "deffuant":
            self._meet()
        else:
            self.opinions = [self._next(i) for i in range(self._residents)]
        if self._noise:
            noise = self.rng.standard_normal(self._residents).tolist()
            self.opinions = [x + self._noise * each for x, each in zip(self.opinions, noise, strict=True)]
        self.opinions = [min(max(x, 0.0), 1.0) for x in self.opinions]
        return [self._payoff(player) for player in range(self._players)]

    def see(self) -> list[list[float]]:
        x = self.opinions
        bins = [min(int(BINS * each), BINS - 1) for each in x]
        common = [mean(x), _deviation(x), min(x), max(x), *(bins.count(each) / len(x) for each in range(BINS))]
        return [[*common, *self._own_view(player)] for player in range(self._players)]

    def _own_view(self, player: int) -> list[float]:
        audience = self._audience(player)
        reached = mean([self.opinions[i] for i in audience]) if audience else 0.0
        others = mean(self.said[:player] + self.said[player + 1 :])
        return [reached, len(audience) / self._residents, self.said[player], others]

    def _payoff(self, player: int) -> float:
        x = self.opinions
        cost = self._loudness_cost * abs(2 * self.said[player] - 1)
        if self._objective == "persuade":
            goal = 1.0 - player % 2
            return 1 - mean([abs(each - goal) for each in x]) - cost
        return (1 - (max(x) - min(x)) if self._objective == "consensus" else 2 * _deviation(x)) - cost

    # ------------------------------------------------------------------ dynamics

    def _next(self, i: int) -> float:
        own = self.opinions[i]
        around = [1 - self.opinions[k] if self.hostile[i][k] else self.opinions[k] for k in self.linked[i]]
        words = [self.said[player] for player in self.heard[i]]
        if self._dynamics == "repulsion":
            return self._pulled(own, around, words)
        if self._dynamics == "hegselmann_krause":
            around = [x for x in around if abs(x - own) <= self._confidence]
            words = [y for y in words if abs(y - own) <= self._confidence]
        influence = self._influence if words else 0.0
        moved = (1 - influence) * mean([own, *around]) + (influence * mean(words) if words else 0.0)
        if self._dynamics == "friedkin_johnsen":
            return (1 - self._stubbornness) * moved + self._stubbornness * self.first[i]
        return moved

    def _pulled(self, own: float, around: list[float], words: list[float]) -> float:
        influence = self._influence if words else 0.0
        pull = (1 - influence) * mean([self._force(x - own) for x in around])
        if words:
            pull += influence * mean([self._force(y - own) for y in words])
        return own + _MEETING_RATE * pull

    def _force(self, difference: float) -> float:
        if abs(difference) <= self._confidence:
            return difference
        return -difference if abs(difference) > 2 * self._confidence else 0.0

    def _meet(self) -> None:
        x = self.opinions
        for one, other in self.rng.random((self._residents, 2)).tolist():
            i = pick(one, self._residents)
            k = self.linked[i][pick(other, len(self.linked[i]))]
            difference = x[k] - x[i]
            if abs(difference) <= self._confidence:
                x[i] += _MEETING_RATE * difference
                x[k] -= _MEETING_RATE * difference
        for i, heard in enumerate(self.heard):
            if heard:
                difference = mean([self.said[player] for player in heard]) - x[i]
                if abs(difference) <= self._confidence:
                    x[i] += self._influence * difference


class BinaryOpinions(_Society):
    """Opinions 0 or 1.

    A player says 0 or 1, which costs it `message_cost`, or nothing (action 2). All residents change at once to

        voter      the opinion of a random neighbour                                        (Holley and Liggett 1975)
        majority   that of most of its neighbours and itself, its own in a tie              (Galam 1999)
        q_voter    that of two random neighbours, drawn one by one, if these agree          (Castellano et al. 2009)
        threshold  1, if at least `threshold` of the neighbours have it; a 1 without so many is lost with probability
                   0.2                                                                      (Granovetter 1978)

    or, for sznajd, one after another: a quarter as many times as there are residents, a random one and a random one of
    its neighbours, if they agree, convince all neighbours of both (Sznajd-Weron and Sznajd 2000). Then each resident
    who hears a player say something takes the opinion of a random one of those with probability `influence`. At last,
    each opinion flips with probability `noise`.

    Each first opinion is 1 with probability `initial_share`.

    Payoffs: with m the share of ones, m for even players and 1 - m for odd ones; |2 m - 1|; 1 - |2 m - 1|; less costs.

    A player sees: m, that of its audience (0 for none), its audience as a share, the share of links between different
    opinions, its last action and player by player the others', those after itself first (one-hot; zeros at first).

    Chance: in a round, two uniform numbers for each resident: the places of neighbours (q_voter uses both), or whether
    a 1 is lost (the first); or, for sznajd, two for each pair: the resident, and its neighbour's place. Then two for
    each resident: one that is compared with `influence`, and whom it follows. If there is noise, one for each
    resident.
    """

    def __init__(
        self,
        *,
        dynamics: str,
        players: int = 2,
        threshold: float = 0.4,
        noise: float = 0.02,
        initial_share: float = 0.5,
        message_cost: float = 0.05,
        **common: Any,
    ) -> None:
        super().__init__(players=players, width=4 + 3 * players, choices=3, **common)
        self._dynamics, self._threshold, self._noise = dynamics, threshold, noise
        self._initial_share, self._message_cost = initial_share, message_cost

    def begin(self) -> None:
        super().begin()
        self.opinions: list[int] = [int(u < self._initial_share) for u in self.rng.random(self._residents).tolist()]
        self.said = [-1] * self._players

    def play(self, actions: Sequence[int]) -> list[float]:
        self.said = list(actions)
        if self._dynamics == "sznajd":
            self._convince()
        else:
            drawn = self.rng.random((self._residents, 2)).tolist()
            self.opinions = [self._next(i, *chances) for i, chances in enumerate(drawn)]
        for i, (compared, random) in enumerate(self.rng.random((self._residents, 2)).tolist()):
            spoken = [self.said[player] for player in self.heard[i] if self.said[player] != SILENCE]
            if spoken and compared < self._influence:
                self.opinions[i] = spoken[pick(random, len(spoken))]
        if self._noise:
            flips = self.rng.random(self._residents).tolist()
            self.opinions = [x ^ (u < self._noise) for x, u in zip(self.opinions, flips, strict=True)]
        return [self._payoff(player) for player in range(self._players)]

    def see(self) -> list[list[float]]:
        pairs = [(i, k) for i, linked in enumerate(self.linked) for k in linked if i < k]
        apart = sum(self.opinions[i] != self.opinions[k] for i, k in pairs) / len(pairs)
        return [self._view(player, apart) for player in range(self._players)]

    def _view(self, player: int, apart: float) -> list[float]:
        audience = self._audience(player)
        reached = sum(self.opinions[i] for i in audience) / len(audience) if audience else 0.0
        words = [value for each in self.said[player:] + self.said[:player] for value in one_hot(each, 3)]
        return [sum(self.opinions) / self._residents, reached, len(audience) / self._residents, apart, *words]

    def _payoff(self, player: int) -> float:
        ones = sum(self.opinions) / self._residents
        cost = self._message_cost * (self.said[player] != SILENCE)
        if self._objective == "persuade":
            return (1 - ones if player % 2 else ones) - cost
        agreement = abs(2 * ones - 1)
        return (agreement if self._objective == "consensus" else 1 - agreement) - cost

    # ------------------------------------------------------------------ dynamics

    def _next(self, i: int, first: float, second: float) -> int:
        own, linked = self.opinions[i], self.linked[i]
        one = self.opinions[linked[pick(first, len(linked))]]
        if self._dynamics == "voter":
            return one
        if self._dynamics == "q_voter":
            return one if one == self.opinions[linked[pick(second, len(linked))]] else own
        ones = sum(self.opinions[k] for k in linked)
        if self._dynamics == "majority":
            twice, all_of_them = 2 * (ones + own), len(linked) + 1
            return own if twice == all_of_them else int(twice > all_of_them)
        if ones >= self._threshold * len(linked):
            return 1
        return int(own and first >= _FORGETTING)

    def _convince(self) -> None:
        for one, other in self.rng.random((self._residents // 4, 2)).tolist():
            i = pick(one, self._residents)
            k = self.linked[i][pick(other, len(self.linked[i]))]
            if self.opinions[i] == self.opinions[k]:
                for other in self.linked[i] + self.linked[k]:
                    self.opinions[other] = self.opinions[i]


class Cultures(_Society):
    """Axelrod's dissemination of culture (1997): everybody has one of `traits` in each of `features`.

    Action feature * traits + trait says a trait. As many times as there are residents, a random one meets a random one
    of its neighbours; with a probability that is the share of features in which they agree, it takes one of the
    other's differing traits. Then each resident who hears players takes, with probability `influence`, what a random
    one of those says. At last, with probability `noise`, a resident takes a random trait in a random feature.

    Payoffs: the share of all traits that are 0 for even players, or 1 for odd ones; the share of the residents that
    have the most frequent culture; the number of cultures as a share of the residents.

    A player sees: the shares of traits in each feature, the two payoffs of culture, the share of its audience, and its
    last action (one-hot; zeros at first).

    Chance: at the reset, the traits of all residents. In a round, four uniform numbers for each meeting: the resident,
    its neighbour's place, one that is compared with the share of agreement, and the place of the feature among the
    differing ones. Then two for each resident: one that is compared with `influence`, and whom it follows. If there is
    noise, three for each resident: one that is compared with it, feature and trait.
    """

    def __init__(self, *, features: int = 3, traits: int = 4, noise: float = 0.01, **common: Any) -> None:
        super().__init__(width=2 * features * traits + 3, choices=features * traits, **common)
        self._features, self._traits, self._noise = features, traits, noise

    def begin(self) -> None:
        super().begin()
        self.opinions: list[list[int]] = self.rng.integers(
            self._traits, size=(self._residents, self._features)
        ).tolist()
        self.said = [-1] * self._players

    def play(self, actions: Sequence[int]) -> list[float]:
        self.said = list(actions)
        for chances in self.rng.random((self._residents, 4)).tolist():
            self._meet(*chances)
        for i, (compared, random) in enumerate(self.rng.random((self._residents, 2)).tolist()):
            if self.heard[i] and compared < self._influence:
                said = self.said[self.heard[i][pick(random, len(self.heard[i]))]]
                self.opinions[i][said // self._traits] = said % self._traits
        if self._noise:
            for culture, (compared, where, what) in zip(
                self.opinions, self.rng.random((self._residents, 3)).tolist(), strict=True
            ):
                if compared < self._noise:
                    culture[pick(where, self._features)] = pick(what, self._traits)
        return self._payoffs()

    def see(self) -> list[list[float]]:
        shares = [
            sum(culture[feature] == trait for culture in self.opinions) / self._residents
            for feature in range(self._features)
            for trait in range(self._traits)
        ]
        common = [*shares, *self._order()]
        return [
            [*common, len(self._audience(player)) / self._residents, *one_hot(said, self._features * self._traits)]
            for player, said in enumerate(self.said)
        ]

    def _meet(self, who: float, whom: float, compared: float, what: float) -> None:
        i = pick(who, self._residents)
        own = self.opinions[i]
        other = self.opinions[self.linked[i][pick(whom, len(self.linked[i]))]]
        differing = [feature for feature in range(self._features) if own[feature] != other[feature]]
        if differing and compared < 1 - len(differing) / self._features:
            feature = differing[pick(what, len(differing))]
            own[feature] = other[feature]

    def _order(self) -> tuple[float, float]:
        """The share of the most frequent culture, and the number of cultures as a share of the residents."""
        counts: dict[tuple[int, ...], int] = {}
        for culture in self.opinions:
            counts[tuple(culture)] = counts.get(tuple(culture), 0) + 1
        return max(counts.values()) / self._residents, len(counts) / self._residents

    def _payoffs(self) -> list[float]:
        if self._objective != "persuade":
            return [self._order()[self._objective == "diversity"]] * self._players
        held = [sum(culture.count(trait) for culture in self.opinions) for trait in (0, 1)]
        return [held[player % 2] / (self._residents * self._features) for player in range(self._players)]


def _deviation(values: list[float]) -> float:
    middle = mean(values)
    return sqrt(fsum((value - middle) * (value - middle) for value in values) / len(values))
