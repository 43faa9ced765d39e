"""Decision processes as lists of ways."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from tests.bare.formal.reference import Reference


class DecisionProcess(Reference):
    """`ways(state, action)` lists (probability, next state, reward if it goes so)."""

    def __init__(self, states: int, actions: int, **values: Any) -> None:
        super().__init__(values.pop("slip", 0.0))
        self.states, self.actions = states, actions
        self.values = {
            "restart": 0.0,
            "dwell": 0.0,
            "reward_noise": 0.0,
            "aliasing": 1,
            "sensor_noise": 0.0,
            "shuffle": False,
            "scramble": False,
            "start": "usual",
        } | values
        orders = np.tile(np.arange(actions), (states, 1))
        scrambled = np.random.default_rng(states).permuted(orders, axis=1)
        self.meaning = (scrambled if self.values["scramble"] else orders).tolist()

    def ways(self, state: int, action: int) -> list[tuple[float, int, float]]:
        raise NotImplementedError

    def begin(self) -> Any:
        self.names = self.rng.permutation(self.states).tolist() if self.values["shuffle"] else list(range(self.states))
        self.state = self.first()
        return self.seen()

    def first(self) -> int:
        anywhere = [(1 / self.states, state, 0.0) for state in range(self.states)]
        return self.drawn(anywhere if self.values["start"] == "anywhere" else [(1.0, 0, 0.0)])

    def play(self, action: int) -> tuple[Any, float, bool]:
        ways = self.ways(self.state, self.meaning[self.state][action])
        reward = 0.0
        for probability, _, pay in ways:
            reward += probability * pay
        if not (self.values["dwell"] and self.rng.random() < self.values["dwell"]):
            self.state = self.drawn(ways)
        if self.values["restart"] and self.rng.random() < self.values["restart"]:
            self.state = self.first()
        if self.values["reward_noise"]:
            reward += self.values["reward_noise"] * self.rng.standard_normal()
        return self.seen(), reward, False

    def drawn(self, ways: list[tuple[float, int, float]]) -> int:
        bounds = [sum(way[0] for way in ways[: k + 1]) for k in range(len(ways))]
        chance = self.rng.random() * bounds[-1]
        return next(to for bound, (_, to, _) in zip(bounds, ways, strict=True) if bound > chance)

    def seen(self) -> Any:
        state = self.state
        if self.values["sensor_noise"] and self.rng.random() < self.values["sensor_noise"]:
            state = int(self.rng.integers(self.states))
        return np.int64(self.names[state] // self.values["aliasing"])


class RiverSwim(DecisionProcess):
    """Strehl and Littman 2008, figure 1."""

    def __init__(self, size: int = 10, **values: Any) -> None:
        super().__init__(size, 2, **values)

    def ways(self, state: int, action: int) -> list[tuple[float, int, float]]:
        last = self.states - 1
        if action == 0:
            return [(1.0, max(state - 1, 0), 0.005 if state == 0 else 0.0)]
        if state == 0:
            return [(0.6, 1, 0.0), (0.4, 0, 0.0)]
        if state == last:
            return [(0.6, last, 1.0), (0.4, last - 1, 0.0)]
        return [(0.35, state + 1, 0.0), (0.05, state - 1, 0.0), (1.0 - 0.35 - 0.05, state, 0.0)]


class Garnet(DecisionProcess):
    """Bhatnagar et al. 2009."""

    def __init__(
        self, states: int = 30, actions: int = 4, branching: int = 3, structure: int = 0, **values: Any
    ) -> None:
        super().__init__(states, actions, **values)
        rng = np.random.default_rng([structure, states, actions])
        chosen = rng.random(states).tolist()
        normal = rng.standard_normal(states).tolist()
        pays = [value if chance < 0.1 else 0.0 for chance, value in zip(chosen, normal, strict=True)]
        pays[int(rng.integers(states))] = 1.0
        rng.integers(states, size=(states, 2))  # of a graph that this regime does not use
        self.table = {}
        for state in range(states):
            for action in range(actions):
                cuts = [0.0, *sorted(rng.random(branching - 1).tolist()), 1.0]
                targets = rng.permutation(states)[:branching].tolist()
                shares = [b - a for a, b in pairwise(cuts)]
                self.table[state, action] = [(p, to, pays[to]) for p, to in zip(shares, targets, strict=True)]

    def ways(self, state: int, action: int) -> list[tuple[float, int, float]]:
        return self.table[state, action]
