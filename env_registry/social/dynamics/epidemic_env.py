"""An epidemic on a graph, and players who protect themselves at a cost.

Players and residents stand on random nodes of a graph (see `graphs`) of each episode; `seeds` of all, at random, are
infectious at first, the others susceptible. In a round, all at once and by their states at its beginning,

- a susceptible node escapes infection with probability (1 - imported) * product over infectious neighbours k of
  1 - b c_i c_k, where b is `transmission` over the mean number of neighbours, at most 1, and c = 1 - effectiveness
  * (its distancing, from 0 to 1); else it becomes infectious, or exposed in models with an E;
- the exposed become infectious with probability `onset`;
- the infectious recover with probability `recovery`: to susceptible in sis, to recovered in the others;
- the recovered become susceptible with probability `waning`, in sirs and seirs; the vaccinated do in every model.

Kermack and McKendrick 1927; on graphs Pastor-Satorras et al. 2015. Residents distance as much as `caution`. By
`measure`, a player's action is

    distancing   its distancing: 0, 1/2 or 1                                                     (Reluga 2010)
    vaccination  1 to be vaccinated, if it is susceptible: before all else it is immune with probability `efficacy`
                 (Bauch and Earn 2004); without effect and cost for others
    testing      0, 1 to test, 2 to isolate, which is full distancing; its own state is hidden but after a test

A payoff is -1 if the player is infectious after the round, less `measure_cost` for full distancing (half for half),
a vaccination or isolation, and a quarter of it for a test.

A player sees: its state (one-hot of S, E, I, R, V), and the shares of I, of R or V, and of whom distances at all, among
its neighbours, or, with `sight` everybody, among all nodes; its last distancing; its number of neighbours as a share of
the others.

Chance: at the reset, the graph; a permutation whose first numbers are the players' nodes; another one whose first are
infectious. In a round: for vaccination, a uniform number for each player; then one for each node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from env_registry.social.dynamics.environment import SocialDynamics, one_hot
from env_registry.social.dynamics.graphs import neighbours

S, E, I, R, V = range(5)  # noqa: E741  # the letters of the models' names
_CHOICES = {"distancing": 3, "vaccination": 2, "testing": 3}
_TEST, _ISOLATE = 1, 2


class Epidemic(SocialDynamics):
    remembers = ("linked", "nodes", "states", "distancing", "tested", "transmission")

    def __init__(
        self,
        *,
        model: str,
        measure: str,
        mixing: str,
        players: int = 6,
        residents: int = 18,
        seeds: int = 2,
        links: int = 2,
        rewiring: float = 0.1,
        transmission: float = 0.8,
        recovery: float = 0.2,
        onset: float = 0.4,
        waning: float = 0.05,
        imported: float = 0.005,
        effectiveness: float = 0.7,
        efficacy: float = 0.8,
        caution: float = 0.0,
        measure_cost: float = 0.2,
        sight: str = "neighbours",
        **common: Any,
    ) -> None:
        super().__init__(players=players, width=10, choices=_CHOICES[measure], **common)
        self._size, self._players, self._seeds = players + residents, players, seeds
        self._graph, self._links, self._rewiring = mixing, links, rewiring
        self._measure, self._everybody = measure, sight == "everybody"
        self._infected = E if "e" in model else I
        self._recovered = S if model == "sis" else R
        self._immunity_wanes = model in ("sirs", "seirs")
        self._transmission, self._imported = transmission, imported
        self._leaves = {E: onset, I: recovery, R: waning, V: waning}
        self._effectiveness, self._efficacy, self._caution, self._cost = effectiveness, efficacy, caution, measure_cost

    def begin(self) -> None:
        n = self._size
        self.linked = neighbours(self._graph, n, self._links, self._rewiring, self.rng)
        self.transmission = min(self._transmission * n / sum(map(len, self.linked)), 1.0)
        self.nodes: list[int] = self.rng.permutation(n).tolist()[: self._players]
        self.states = [S] * n
        for node in self.rng.permutation(n).tolist()[: self._seeds]:
            self.states[node] = I
        self.distancing = [self._caution] * n
        for node in self.nodes:
            self.distancing[node] = 0.0
        self.tested = [False] * self._players

    def play(self, actions: Sequence[int]) -> list[float]:
        costs = self._vaccinate(actions) if self._measure == "vaccination" else self._behave(actions)
        openness = [1 - self._effectiveness * distance for distance in self.distancing]
        drawn = self.rng.random(self._size).tolist()
        self.states = [self._next(node, u, openness) for node, u in enumerate(drawn)]
        return [0.0 - (self.states[node] == I) - cost for node, cost in zip(self.nodes, costs, strict=True)]

    def see(self) -> list[list[float]]:
        return [self._view(player, node) for player, node in enumerate(self.nodes)]

    def _vaccinate(self, actions: Sequence[int]) -> list[float]:
        costs = [0.0] * self._players
        for player, u in enumerate(self.rng.random(self._players).tolist()):
            node = self.nodes[player]
            if actions[player] and self.states[node] == S:
                costs[player] = self._cost
                if u < self._efficacy:
                    self.states[node] = V
        return costs

    def _behave(self, actions: Sequence[int]) -> list[float]:
        testing = self._measure == "testing"
        self.tested = [testing and action == _TEST for action in actions]
        for node, action in zip(self.nodes, actions, strict=True):
            self.distancing[node] = float(action == _ISOLATE) if testing else action / 2
        return [
            self._cost * (self.distancing[node] + 0.25 * tested)
            for node, tested in zip(self.nodes, self.tested, strict=True)
        ]

    def _next(self, node: int, u: float, openness: list[float]) -> int:
        state = self.states[node]
        if state == S:
            escape = 1 - self._imported
            for other in self.linked[node]:
                if self.states[other] == I:
                    escape *= 1 - self.transmission * openness[node] * openness[other]
            return S if u < escape else self._infected
        if state == R and not self._immunity_wanes:
            return R
        if u >= self._leaves[state]:
            return state
        return {E: I, I: self._recovered}.get(state, S)

    def _view(self, player: int, node: int) -> list[float]:
        seen = range(self._size) if self._everybody else self.linked[node]
        states = [self.states[other] for other in seen]
        hidden = self._measure == "testing" and not self.tested[player]
        return [
            *one_hot(-1 if hidden else self.states[node], 5),
            states.count(I) / len(states),
            (states.count(R) + states.count(V)) / len(states),
            sum(self.distancing[other] > 0 for other in seen) / len(states),
            self.distancing[node],
            len(self.linked[node]) / (self._size - 1),
        ]
