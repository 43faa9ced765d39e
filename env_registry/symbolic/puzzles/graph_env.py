"""Problems on graphs as Gymnasium environments.

A graph is drawn at the start (`drawn_graph`). Choosing a set S of vertices scores, with weights in place of numbers if
`weighted`, divided by the number of vertices or, in the last three and `edge_domination`, of edges:

- `independent_set`: |S| - edges inside S; `induced_forest`: |S| - edges inside S beyond a forest;
- `dominating_set`: |not S| - vertices neither in S nor next to S, and 0.5 less for each edge inside S;
- `total_domination`: |not S| - vertices not next to S;
- `perfect_code`: vertices that have just one vertex of S among themselves and their neighbours;
- `edge_domination`: edges that touch S, less twice |S|;
- `densest_part`: edges inside S divided by |S|;
- `max_cut`: edges between S and the rest; `bisection`: less those, and less the squared difference of sizes;
  `spin_glass`: edges with a drawn sign, which counts as it is inside S or outside, and else as its opposite.

Colouring is scored by the share of rules that are kept; a missing label keeps none:

- `proper`: neighbours differ; `equitable`: that, and no label is more frequent by two than another;
- `distance_two`: vertices differ that are neighbours or have one in common; `spaced`: neighbours differ by two,
  vertices with a common neighbour by one;
- `domatic`: each vertex with its neighbours has all labels (or as many as there are of them);
- `conflict_free`: among its neighbours each vertex has a label that only one of them has;
- `unfriendly`: no more than half of a vertex' neighbours have its label.

Random draws: at the start the graph, weights (1..9 for each two vertices; even ones are minus signs), the choice, all
again where that is perfect (the opposite choice, where it always is); in
a step whether it jams, then which vertices drift, then to what.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

Bits = NDArray[np.bool_]
Labels = NDArray[np.int64]


def drawn_graph(rng: np.random.Generator, kind: str, n: int) -> Bits:
    """Whether each two vertices are joined. Lattices and rings draw an order of the vertices, trees for each an earlier
    one, preferential graphs for each two earlier ends of edges, the others a number for each pair."""
    joined = np.zeros((n, n), np.bool_)
    match kind:
        case "random" | "bipartite":
            numbers = np.triu(rng.random((n, n)), 1) + np.tril(np.ones((n, n)))
            joined = numbers < (0.3 if kind == "random" else 0.5)
            if kind == "bipartite":
                joined &= (np.arange(n)[:, None] < n // 2) & (np.arange(n) >= n // 2)
        case "tree":
            for vertex in range(1, n):
                joined[rng.integers(vertex), vertex] = True
        case "preferential":
            ends = [0, 1]
            joined[0, 1] = True
            for vertex in range(2, n):
                for end in rng.integers(len(ends), size=2).tolist():
                    joined[ends[end], vertex] = True
                    ends.append(ends[end])
                ends += [vertex, vertex]
        case _:
            order = rng.permutation(n)
            width = max(int(n**0.5), 2)
            for place in range(n):
                ahead = (1, 2) if kind == "ring" else (1, width) if (place + 1) % width else (width,)
                for step in ahead:
                    if kind == "ring" or place + step < n:
                        joined[order[place], order[(place + step) % n]] = True
    joined = joined | joined.T
    return _mended(joined)


def _mended(joined: Bits) -> Bits:
    part = _parts(joined)
    for vertex in range(len(joined) - 1):
        if part[vertex] != part[vertex + 1]:
            joined[vertex, vertex + 1] = joined[vertex + 1, vertex] = True
            part[part == part[vertex + 1]] = part[vertex]
    return joined


def _parts(joined: Bits) -> Labels:
    """The part that each vertex belongs to, by its first vertex."""
    reached = joined | np.eye(len(joined), dtype=np.bool_)
    while True:
        further = (reached.astype(np.int64) @ reached.astype(np.int64)) > 0
        if (further == reached).all():
            return np.asarray(reached.argmax(axis=1))
        reached = further


class _GraphEnv(PuzzleEnv):
    STATE = (*PuzzleEnv.STATE, "joined", "weights", "labels")

    def __init__(self, problem: str, vertices: int, graph: str, jam: float, drift: float, **base: Any) -> None:
        super().__init__(**base)
        self._problem, self._graph, self._jam, self._drift = problem, graph, jam, drift
        self._count = vertices
        self.joined: Bits = np.zeros((vertices, vertices), np.bool_)
        self.weights: Labels = np.ones((vertices, vertices), np.int64)
        self.labels: Labels = np.zeros(vertices, np.int64)

    def score(self) -> float:
        return self._worth(self.labels)

    def hint(self, rng: np.random.Generator) -> int:
        """The action that leads to the best score; among these, any."""
        order: list[int] = rng.permutation(self._actions).tolist()
        return max(order, key=lambda action: self._worth(self._after(action)))

    def _worth(self, labels: Labels) -> float:
        raise NotImplementedError

    def _after(self, action: int) -> Labels:
        raise NotImplementedError


_TRIES = 100
_OF_EDGES = ("edge_domination", "max_cut", "bisection", "spin_glass")


class SubsetEnv(_GraphEnv):
    """Action v chooses vertex v, or drops it again; with probability `jam` it fails. There is no end but the time
    limit.

    Observation (vertices + 1 x vertices): weights of edges, or 1, 0 where there is none (signs as 1 and 2); then, of
    vertices, 0, or if chosen the weight. Where vertices have weights these stand where a vertex would meet itself.
    """

    def __init__(
        self,
        *,
        problem: str = "independent_set",
        vertices: int = 12,
        graph: str = "random",
        weighted: bool = False,
        chosen: float = 0.0,
        jam: float = 0.0,
        drift: float = 0.0,
        **common: Any,
    ) -> None:
        base = {"shape": (vertices + 1, vertices), "high": 9, "actions": vertices, "low": -9, **common}
        super().__init__(problem, vertices, graph, jam, drift, **base)
        self._weighted, self._chosen = weighted, chosen

    def begin(self) -> None:
        for _ in range(_TRIES):
            self.joined = drawn_graph(self.np_random, self._graph, self._count)
            drawn = np.triu(self.np_random.integers(1, 10, size=self.joined.shape))
            drawn += np.triu(drawn, 1).T
            if self._problem == "spin_glass":
                self.weights = np.where(drawn % 2, 1, -1) * (drawn if self._weighted else np.ones_like(drawn))
            else:
                self.weights = drawn if self._weighted else np.ones_like(drawn)
            self.labels = (self.np_random.random(self._count) < self._chosen).astype(np.int64)
            if self.score() < 1.0:
                return
        self.labels = 1 - self.labels  # all of a tree, say, is always a forest

    def act(self, action: int) -> bool:
        if not (self._jam and self.np_random.random() < self._jam):
            self.labels = self._after(action)
        if self._drift:
            self.labels = self.labels ^ (self.np_random.random(self._count) < self._drift)
        return True

    def view(self) -> Cells:
        shown = self.weights * (self.joined | np.eye(self._count, dtype=np.bool_))
        return np.concatenate((shown, self.labels[None])).astype(np.int16)

    def _after(self, action: int) -> Labels:
        labels = self.labels.copy()
        labels[action] ^= 1
        return labels

    def _worth(self, labels: Labels) -> float:
        whole = self.weights * self.joined if self._problem in _OF_EDGES else np.diag(self.weights.diagonal() * 2)
        return self._gain(labels.astype(np.bool_)) * 2 / float(abs(whole).sum())

    def _gain(self, inside: Bits) -> float:
        edges = self.weights * self.joined
        vertices = self.weights.diagonal()
        own = edges[inside][:, inside].sum() / 2
        next_to = self.joined[inside].sum(axis=0)
        match self._problem:
            case "independent_set":
                return float(vertices[inside].sum() - own)
            case "induced_forest":
                part = self.joined[inside][:, inside]
                trees = len(part) - len(np.unique(_parts(part))) if len(part) else 0
                return float(vertices[inside].sum() - (part.sum() / 2 - trees) * (own / max(part.sum() / 2, 1)))
            case "dominating_set":
                return float(vertices[~inside].sum() - vertices[~inside & (next_to == 0)].sum() - own / 2)
            case "total_domination":
                return float(vertices[~inside].sum() - vertices[next_to == 0].sum())
            case "perfect_code":
                return float(vertices[next_to + inside == 1].sum())
            case "edge_domination":
                return float(edges[inside].sum() - own - 2 * vertices[inside].sum())
            case "max_cut":
                return float(edges[inside][:, ~inside].sum())
            case "bisection":
                return -float(edges[inside][:, ~inside].sum() + (inside.sum() - (~inside).sum()) ** 2)
            case "densest_part":
                return float(own / max(inside.sum(), 1))
        spins = 2 * inside - 1
        return float(spins @ edges @ spins) / 2


class ColouringEnv(_GraphEnv):
    """Action `labels * v + l` gives vertex v the label l + 1. With `final` that is illegal where there is one.

    Observation (vertices + 1 x vertices): which vertices are joined; then the labels, 0 where there is none.
    """

    def __init__(
        self,
        *,
        problem: str = "proper",
        vertices: int = 12,
        graph: str = "random",
        labels: int = 3,
        filled: bool = False,
        final: bool = False,
        jam: float = 0.0,
        drift: float = 0.0,
        **common: Any,
    ) -> None:
        base = {"shape": (vertices + 1, vertices), "high": labels, "actions": vertices * labels, **common}
        super().__init__(problem, vertices, graph, jam, drift, **base)
        self._filled, self._final, self._labels = filled, final, labels

    def begin(self) -> None:
        self.joined = drawn_graph(self.np_random, self._graph, self._count)
        self.labels = np.zeros(self._count, np.int64)
        while self._filled:
            self.labels = self.np_random.integers(1, self._labels + 1, size=self._count)
            if self.score() < 1.0:
                break

    def act(self, action: int) -> bool:
        legal = not (self._final and self.labels[action // self._labels])
        if legal and not (self._jam and self.np_random.random() < self._jam):
            self.labels = self._after(action)
        if self._drift:
            drifts = self.np_random.random(self._count) < self._drift
            self.labels = np.where(drifts, self.np_random.integers(1, self._labels + 1, size=self._count), self.labels)
        return legal

    def view(self) -> Cells:
        return np.concatenate((self.joined, self.labels[None])).astype(np.int16)

    def _after(self, action: int) -> Labels:
        labels = self.labels.copy()
        labels[action // self._labels] = action % self._labels + 1
        return labels

    def _worth(self, labels: Labels) -> float:
        kept = self._kept(labels)
        return float(kept.sum()) / len(kept)

    def _kept(self, labels: Labels) -> Bits:
        """Which rules are kept."""
        one, other = np.nonzero(np.triu(self.joined))
        known = (labels[one] > 0) & (labels[other] > 0)
        gaps = abs(labels[one] - labels[other])
        match self._problem:
            case "proper":
                return known & (gaps > 0)
            case "equitable":
                sizes = np.bincount(labels, minlength=self._labels + 1)[1:]
                even = labels.all() and sizes.max() - sizes.min() < 2
                return np.append(known & (gaps > 0), even)
            case "domatic":
                near = self.joined | np.eye(self._count, dtype=np.bool_)
                different = np.array([len(set(labels[row].tolist()) - {0}) for row in near])
                return np.asarray(different >= np.minimum(self._labels, near.sum(axis=1)))
            case "conflict_free":
                counts = [np.bincount(labels[row], minlength=self._labels + 1)[1:] for row in self.joined]
                return np.array([(count == 1).any() for count in counts])
            case "unfriendly":
                alike = (self.joined & (labels[:, None] == labels)).sum(axis=1)
                return np.asarray((labels > 0) & (2 * alike <= self.joined.sum(axis=1)))
        middle = self.joined.astype(np.int64)
        far, away = np.nonzero(np.triu(((middle @ middle) > 0) & ~self.joined, 1))
        apart = (labels[far] > 0) & (labels[away] > 0) & (labels[far] != labels[away])
        return np.concatenate((known & (gaps > (1 if self._problem == "spaced" else 0)), apart))
