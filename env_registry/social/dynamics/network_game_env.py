"""A repeated game on a graph: everybody plays one action against all neighbours.

`players` learn and `residents` follow a rule; each episode puts them on random nodes of a new graph (see `graphs`) and
gives every node a random first action, for which nothing is paid. In a round all nodes act at once. With b the
`benefit` and c the `cost`, a node's payoff is the mean over its neighbours of what one game pays,

    prisoners_dilemma    CC b - c, CD -c, DC b, DD 0            (Nowak 2006, donation game)
    snowdrift            CC b - c/2, CD b - c, DC b, DD 0       (Hauert and Doebeli 2004)
    stag_hunt            CC b, CD 0, DC and DD c                (Skyrms 2004)
    coordination         b on the first action, c on the second, 0 on different ones
    coloring             of three actions, b on different ones and -c on equal ones (Kearns et al. 2006)
    rock_paper_scissors  b for a win, -c for a loss, 0 for a tie

(own action first, C is action 0), or depends on all neighbours at once,

    best_shot            b if the node or a neighbour plays 0, less c if the node does (Bramoullé and Kranton 2007)
    critical_mass        for action 0, b if at least half of the neighbours play it, else -c; for action 1, nothing
                         (Morris 2000)

A resident acts at random with probability `mutation`; else, by its `update`, it does what the best paid neighbour did
if that got more than itself in the last round (imitate; Nowak and May 1992), what pays most against its neighbours'
last actions (best_reply), or what a random neighbour did (copy). The first of equals counts, in the order of nodes or
actions.

A player sees: its own last action (one-hot), the shares of actions among its neighbours, or, with `sight` everybody,
among all nodes, its last payoff, its neighbours' mean payoff, and its number of neighbours as a share of the others.

Chance: at the reset, the graph; a permutation whose first numbers are the players' nodes; the first actions of all
nodes. In a round, two uniform numbers for every node in order, used for residents only: one that is compared with
`mutation`, and one for the random action or the copied neighbour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from env_registry.social.dynamics.environment import SocialDynamics, mean, one_hot, pick
from env_registry.social.dynamics.graphs import neighbours

Table = list[list[float]]

PAIRWISE: dict[str, Callable[[float, float], Table]] = {
    "prisoners_dilemma": lambda b, c: [[b - c, -c], [b, 0.0]],
    "snowdrift": lambda b, c: [[b - c / 2, b - c], [b, 0.0]],
    "stag_hunt": lambda b, c: [[b, 0.0], [c, c]],
    "coordination": lambda b, c: [[b, 0.0], [0.0, c]],
    "coloring": lambda b, c: [[-c, b, b], [b, -c, b], [b, b, -c]],
    "rock_paper_scissors": lambda b, c: [[0.0, -c, b], [b, 0.0, -c], [-c, b, 0.0]],
}


class NetworkGame(SocialDynamics):
    remembers = ("linked", "nodes", "acts", "scores")

    def __init__(
        self,
        *,
        game: str,
        graph: str,
        players: int = 8,
        residents: int = 8,
        links: int = 2,
        rewiring: float = 0.1,
        benefit: float = 3.0,
        cost: float = 1.0,
        update: str = "imitate",
        mutation: float = 0.02,
        sight: str = "neighbours",
        **common: Any,
    ) -> None:
        self._game, self._benefit, self._cost = game, benefit, cost
        self._table = PAIRWISE[game](benefit, cost) if game in PAIRWISE else []
        self._k = len(self._table) or 2
        super().__init__(players=players, width=2 * self._k + 3, choices=self._k, **common)
        self._players, self._size = players, players + residents
        self._graph, self._links, self._rewiring = graph, links, rewiring
        self._update, self._mutation, self._sight = update, mutation, sight

    def begin(self) -> None:
        self.linked = neighbours(self._graph, self._size, self._links, self._rewiring, self.rng)
        self.nodes: list[int] = self.rng.permutation(self._size).tolist()[: self._players]
        self.acts: list[int] = self.rng.integers(self._k, size=self._size).tolist()
        self.scores = [0.0] * self._size

    def play(self, actions: Sequence[int]) -> list[float]:
        chosen = dict(zip(self.nodes, actions, strict=True))
        drawn = self.rng.random((self._size, 2)).tolist()
        self.acts = [
            chosen[node] if node in chosen else self._resident(node, *chances) for node, chances in enumerate(drawn)
        ]
        self.scores = [self._payoff(self.acts[node], self._around(node)) for node in range(self._size)]
        return [self.scores[node] for node in self.nodes]

    def see(self) -> list[list[float]]:
        return [self._view(node) for node in self.nodes]

    def _around(self, node: int) -> list[int]:
        return [self.acts[other] for other in self.linked[node]]

    def _payoff(self, own: int, others: list[int]) -> float:
        if self._table:
            row = self._table[own]
            return mean([row[other] for other in others])
        share = others.count(0) / len(others)
        if self._game == "best_shot":
            return self._benefit * (own == 0 or share > 0) - self._cost * (own == 0)
        return 0.0 if own else (self._benefit if share >= 0.5 else -self._cost)

    def _resident(self, node: int, compared: float, random: float) -> int:
        if compared < self._mutation:
            return pick(random, self._k)
        linked = self.linked[node]
        if self._update == "copy":
            return self.acts[linked[pick(random, len(linked))]]
        if self._update == "best_reply":
            around = self._around(node)
            return max(range(self._k), key=lambda action: self._payoff(action, around))
        best = max(linked, key=self.scores.__getitem__)
        return self.acts[best if self.scores[best] > self.scores[node] else node]

    def _view(self, node: int) -> list[float]:
        seen = self.acts if self._sight == "everybody" else self._around(node)
        shares = [seen.count(action) / len(seen) for action in range(self._k)]
        linked = self.linked[node]
        paid = mean([self.scores[other] for other in linked])
        return [*one_hot(self.acts[node], self._k), *shares, self.scores[node], paid, len(linked) / (self._size - 1)]
