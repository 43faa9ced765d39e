"""Congestion: what an option pays depends on how many others take it.

There are n participants: the players and `commuters`, who start with random options and after each round, with
probability 0.3, change to an option that then paid most, or would have if nobody had taken it; m_k of them take option
k. With s_k = m_k / n, c the `capacity` and p the `steepness`, an option pays

    pigou         -1 for the first, -s^p for the second                                     (Pigou 1920)
    braess        three routes over two narrow links, whose loads x are the shares of all that use them: -(1 + x_1^p),
                  -(1 + x_2^p), and both narrow links, -(x_1^p + x_2^p)                     (Braess 1968)
    parallel      -t (1 + 0.15 (s / (c v))^4) on three links, t = 0.4, 0.6, 0.9 and v = 0.4, 0.7, 1 (BPR 1964)
    el_farol      0 for staying; for going 1 if m <= c n, else -1                           (Arthur 1994)
    minority      1 on the side that fewer take, else 0                                     (Challet and Zhang 1997)
    market_entry  1/2 for staying out; 1/2 + 2 (c - s) for entering                         (Selten and Güth 1982)
    bottleneck    six times to depart, with a queue that lets c n / 3 pass between two of them: who departs at time k
                  waits w = max(0, (queue + m_k) / (c n / 3) - 1) and pays (w + 0.5 * earlier + 2 * later) / 3, where it
                  arrives at k + w and should at time 3                                     (Vickrey 1969)
    queues        three servers, which serve c n times 0.2, 0.4 and 0.6 in a round; the rest waits for the next, at most
                  2 n: -(queue + m_k) / n over the server's speed, 0.5, 1 or 1.5            (after Naor 1969)
    restaurants   four, that serve one guest each, a random one of those who came: 1, 0.8, 0.6, 0.4, and nothing to the
                  others                                                                    (Chakrabarti et al. 2009)

less `toll` * s_k. Payoffs have normal noise of standard deviation `payoff_noise` added.

A player sees: its last option (one-hot) and payoff, the shares of all options, or, with `sight` own, of its own only,
and the queues over n at all options (0 where none last). All are 0 at first.

Chance: at the reset, the commuters' options. In a round: for restaurants, a uniform number for each one, for the guest
served, players first; a standard normal number for every participant, if there is noise; then two uniform numbers for
each commuter: one that is compared with 0.3, and one for the new option among the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from env_registry.social.dynamics.environment import SocialDynamics, one_hot, pick

_OPTIONS = {"braess": 3, "parallel": 3, "bottleneck": 6, "queues": 3, "restaurants": 4}
_REVISION = 0.3
_LINKS = ((0.4, 0.4), (0.6, 0.7), (0.9, 1.0))  # free travel time, capacity
_SERVERS = ((0.2, 0.5), (0.4, 1.0), (0.6, 1.5))  # capacity, speed
_MEALS = (1.0, 0.8, 0.6, 0.4)
_DUE = 3


class Congestion(SocialDynamics):
    remembers = ("options", "payoffs", "counts", "queues")

    def __init__(
        self,
        *,
        game: str,
        players: int = 6,
        commuters: int = 0,
        capacity: float = 0.6,
        steepness: float = 1.0,
        toll: float = 0.0,
        payoff_noise: float = 0.0,
        sight: str = "all",
        **common: Any,
    ) -> None:
        self._k = _OPTIONS.get(game, 2)
        super().__init__(players=players, width=3 * self._k + 1, choices=self._k, **common)
        self._game, self._players, self._commuters, self._n = game, players, commuters, players + commuters
        self._capacity, self._steepness, self._toll, self._noise = capacity, steepness, toll, payoff_noise
        self._own_only = sight == "own"

    def begin(self) -> None:
        drawn: list[int] = self.rng.integers(self._k, size=self._commuters).tolist()
        self.options = [-1] * self._players + drawn
        self.payoffs = [0.0] * self._n
        self.counts, self.queues = [0] * self._k, [0.0] * self._k

    def play(self, actions: Sequence[int]) -> list[float]:
        self.options[: self._players] = actions
        self.counts = [self.options.count(option) for option in range(self._k)]
        paid = [pay - self._toll * count / self._n for pay, count in zip(self._pays(), self.counts, strict=True)]
        self.payoffs = [paid[option] for option in self.options]
        if self._game == "restaurants":
            self._serve()
        if self._noise:
            noise = self.rng.standard_normal(self._n).tolist()
            self.payoffs = [payoff + self._noise * each for payoff, each in zip(self.payoffs, noise, strict=True)]
        self._revise(paid)
        return self.payoffs

    def see(self) -> list[list[float]]:
        shares = [count / self._n for count in self.counts]
        queues = [queue / self._n for queue in self.queues]
        return [self._view(player, shares, queues) for player in range(self._players)]

    def _view(self, player: int, shares: list[float], queues: list[float]) -> list[float]:
        own = one_hot(self.options[player], self._k)
        seen = [share * mine for share, mine in zip(shares, own, strict=True)] if self._own_only else shares
        return [*own, self.payoffs[player], *seen, *queues]

    def _revise(self, paid: list[float]) -> None:
        best = [option for option in range(self._k) if paid[option] == max(paid)]
        for commuter, (compared, random) in enumerate(self.rng.random((self._commuters, 2)).tolist()):
            if compared < _REVISION:
                self.options[self._players + commuter] = best[pick(random, len(best))]

    # ------------------------------------------------------------------ what options pay

    def _pays(self) -> list[float]:
        n, m, c, p = self._n, self.counts, self._capacity, self._steepness
        match self._game:
            case "pigou":
                return [-1.0, -((m[1] / n) ** p)]
            case "braess":
                first, second = ((m[0] + m[2]) / n) ** p, ((m[1] + m[2]) / n) ** p
                return [-(1 + first), -(1 + second), -(first + second)]
            case "parallel":
                return [-t * (1 + 0.15 * (k / n / (c * v)) ** 4) for (t, v), k in zip(_LINKS, m, strict=True)]
            case "el_farol":
                return [0.0, 1.0 if m[1] <= c * n else -1.0]
            case "minority":
                return [float(m[0] < m[1]), float(m[1] < m[0])]
            case "market_entry":
                return [0.5, 0.5 + 2 * (c - m[1] / n)]
            case "bottleneck":
                return self._depart(c * n / 3)
            case "queues":
                return self._wait()
        return list(_MEALS)

    def _depart(self, passing: float) -> list[float]:
        queue, pays = 0.0, []
        for time, count in enumerate(self.counts):
            waiting = max(0.0, (queue + count) / passing - 1)
            queue = max(0.0, queue + count - passing)
            arrival = time + waiting
            pays.append(-(waiting + 0.5 * max(0.0, _DUE - arrival) + 2 * max(0.0, arrival - _DUE)) / 3)
        return pays

    def _wait(self) -> list[float]:
        pays = []
        for server, (capacity, speed) in enumerate(_SERVERS):
            length = self.queues[server] + self.counts[server]
            pays.append(-length / self._n / speed)
            self.queues[server] = min(max(0.0, length - capacity * self._capacity * self._n), 2.0 * self._n)
        return pays

    def _serve(self) -> None:
        """One guest of each restaurant gets its meal, the others nothing but the toll."""
        for option, u in enumerate(self.rng.random(len(_MEALS)).tolist()):
            guests = [i for i, chosen in enumerate(self.options) if chosen == option]
            for place, guest in enumerate(guests):
                if place != pick(u, len(guests)):
                    self.payoffs[guest] -= _MEALS[option]
