"""Random graphs, what is chosen and coloured on them, and who runs after whom."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np

from tests.bare.puzzles.reference import Puzzle


class Graph(Puzzle):
    limit = 60

    def __init__(self, vertices: int = 12, graph: str = "random", **common: Any) -> None:
        super().__init__(**common)
        self.n, self.graph = vertices, graph

    def draw(self) -> None:
        self.edges: set[frozenset[int]] = set()
        if self.graph == "tree":
            self.edges = {frozenset((int(self.rng.integers(v)), v)) for v in range(1, self.n)}
        elif self.graph == "ring":
            order = self.rng.permutation(self.n).tolist()
            self.edges = {frozenset((order[i - k], order[i])) for i in range(self.n) for k in (1, 2)}
        else:
            chances = self.rng.random((self.n, self.n))
            self.edges = {frozenset(pair) for pair in combinations(range(self.n), 2) if chances[pair] < 0.3}
        for vertex in range(self.n - 1):
            if vertex + 1 not in self.part(vertex):
                self.edges.add(frozenset((vertex, vertex + 1)))

    def next_to(self, vertex: int) -> list[int]:
        return [v for v in range(self.n) if frozenset((v, vertex)) in self.edges]

    def part(self, vertex: int) -> set[int]:
        part = {vertex}
        while grown := {w for v in part for w in self.next_to(v)} - part:
            part |= grown
        return part

    def matrix(self) -> list[list[int]]:
        return [[int(frozenset((i, j)) in self.edges and i != j) for j in range(self.n)] for i in range(self.n)]


class Subset(Graph):
    low, high = -9, 9

    def __init__(self, problem: str = "independent_set", vertices: int = 12, **common: Any) -> None:
        super().__init__(vertices=vertices, **common)
        self.problem, self.actions = problem, vertices

    def begin(self) -> None:
        while True:
            self.draw()
            self.rng.integers(1, 10, size=(self.n, self.n))  # weights, which nobody asks for
            self.chosen = {v for v, chance in enumerate(self.rng.random(self.n)) if chance < 0.0}
            if self.share() < 1:
                return

    def do(self, action: int) -> bool:
        self.chosen ^= {action}
        return True

    def share(self) -> Fraction:
        inside = [edge for edge in self.edges if edge <= self.chosen]
        across = [edge for edge in self.edges if len(edge & self.chosen) == 1]
        if self.problem == "max_cut":
            return Fraction(len(across), len(self.edges))
        if self.problem == "total_domination":
            dominated = {w for v in self.chosen for w in self.next_to(v)}
            return Fraction(len(dominated) - len(self.chosen), self.n)
        if self.problem == "perfect_code":
            counts = [len(self.chosen & {v, *self.next_to(v)}) for v in range(self.n)]
            return Fraction(counts.count(1), self.n)
        return Fraction(len(self.chosen) - len(inside), self.n)

    def look(self) -> Any:
        shown = np.array(self.matrix()) + np.eye(self.n, dtype=int)
        return [*shown.tolist(), [int(v in self.chosen) for v in range(self.n)]]


class Colouring(Graph):
    def __init__(self, problem: str = "proper", labels: int = 3, vertices: int = 12, **common: Any) -> None:
        super().__init__(vertices=vertices, **common)
        self.problem, self.labels, self.high, self.actions = problem, labels, labels, vertices * labels

    def begin(self) -> None:
        self.draw()
        self.label = [0] * self.n

    def do(self, action: int) -> bool:
        self.label[action // self.labels] = action % self.labels + 1
        return True

    def share(self) -> Fraction:
        if self.problem == "domatic":
            near = [[v, *self.next_to(v)] for v in range(self.n)]
            kept = [len({self.label[w] for w in ws} - {0}) >= min(self.labels, len(ws)) for ws in near]
        elif self.problem == "conflict_free":
            around = [[self.label[w] for w in self.next_to(v)] for v in range(self.n)]
            kept = [any(labels.count(label) == 1 for label in range(1, self.labels + 1)) for labels in around]
        else:
            kept = [self.differ(*edge) for edge in self.edges]
            if self.problem == "distance_two":
                pairs = [pair for pair in combinations(range(self.n), 2) if frozenset(pair) not in self.edges]
                kept += [self.differ(v, w) for v, w in pairs if {*self.next_to(v)} & {*self.next_to(w)}]
        return Fraction(sum(kept), len(kept))

    def differ(self, v: int, w: int) -> bool:
        return 0 != self.label[v] != self.label[w] != 0

    def look(self) -> Any:
        return [*self.matrix(), self.label]


class Chase(Graph):
    """One cop and one robber, of which the other one is still, keen or roams at random."""

    def __init__(self, role: str = "cop", other: str = "still", vertices: int = 12, **common: Any) -> None:
        super().__init__(vertices=vertices, **common)
        self.cop, self.other, self.actions = role == "cop", other, vertices

    def begin(self) -> None:
        self.draw()
        self.me, self.it, *_ = self.mixed(range(self.n))
        self.elapsed = 0

    def far(self, v: int, w: int) -> int:
        reached, steps = {v}, 0
        while w not in reached:
            reached |= {u for x in reached for u in self.next_to(x)}
            steps += 1
        return steps

    def do(self, action: int) -> bool:
        self.elapsed += 1
        choices = [self.me, *self.next_to(self.me)]
        legal = action < len(choices)
        self.me = choices[action] if legal else self.me
        if self.me != self.it:
            options = [self.it, *self.next_to(self.it)]
            if self.other == "random":
                self.it = self.any_of(options[1:])
            elif self.other == "keen":
                distances = [self.far(v, self.me) for v in options]
                self.it = options[distances.index(max(distances) if self.cop else min(distances))]
        return legal

    def share(self) -> Fraction:
        if not self.cop:
            return Fraction(self.elapsed, 60)
        return (1 - Fraction(self.far(self.me, self.it), self.n)) / 2 if self.me != self.it else Fraction(1)

    def stuck(self) -> bool:
        return self.me == self.it

    def look(self) -> Any:
        cop, robber = (self.me, self.it) if self.cop else (self.it, self.me)
        return [*self.matrix(), [int(v == cop) for v in range(self.n)], [int(v == robber) for v in range(self.n)]]
