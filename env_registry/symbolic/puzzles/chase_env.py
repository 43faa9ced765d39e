"""Cops and robber on a graph, as a Gymnasium environment.

Dynamics. The agent is a cop or the robber on a vertex of a graph (`graph_env.drawn_graph`); with more cops than one,
the others of its side or all of the other side stand elsewhere. Action 0 stays, action a goes to the a-th neighbour,
in the order of their numbers; it is illegal where there are fewer, and with probability `jam` a legal move fails. Then
the others move in turn, robber or cops, each from where it is: `still` stays; `random` draws one of the neighbours;
`keen` goes, as a cop, to a neighbour nearest to the robber, as a robber, to one farthest from the nearest cop, or
stays if that is as good; `wavering` does so only four times of five, and else draws; `jumping` draws any vertex, one
time of three, and else stays. The agent's fellow cops are always nearing. Among equally good ones the first is taken.

A cop's score is 1 when a cop is where the robber is, else 1 - (distance of the nearest cop) / vertices, halved. The
robber's is the share of the episode's steps that it was not caught; the episode ends when it is.

Random draws: the graph, then an order of the vertices: first the agent, then the others; in a step whether it jams,
then those of each other that moves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from env_registry.symbolic.puzzles.graph_env import Bits, Labels, drawn_graph
from env_registry.symbolic.puzzles.puzzle_env import Cells, PuzzleEnv

STEPS = 60


class ChaseEnv(PuzzleEnv):
    """Observation (vertices + 2 x vertices): which vertices are joined; how many cops stand on each; where the robber
    is. Others farther than `sight` are not seen."""

    STATE = (*PuzzleEnv.STATE, "joined", "distance", "cops", "robber", "steps")

    def __init__(
        self,
        *,
        role: str = "cop",
        other: str = "still",
        vertices: int = 12,
        graph: str = "random",
        cops: int = 1,
        sight: int = 0,
        jam: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__((vertices + 2, vertices), cops, vertices, **common)
        self._is_cop, self._other, self._graph = role == "cop", other, graph
        self._count, self._sight, self._jam = vertices, sight, jam
        self.joined: Bits = np.zeros((vertices, vertices), np.bool_)
        self.distance: Labels = np.zeros((vertices, vertices), np.int64)
        self.cops = [0] * cops
        self.robber = 0
        self.steps = 0

    def begin(self) -> None:
        self.joined = drawn_graph(self.np_random, self._graph, self._count)
        self.distance = _distances(self.joined)
        order = self.np_random.permutation(self._count).tolist()
        count = len(self.cops)
        self.cops, self.robber = (order[:count], order[count]) if self._is_cop else (order[1 : count + 1], order[0])
        self.steps = 0

    def act(self, action: int) -> bool:
        self.steps += 1
        place = self.cops[0] if self._is_cop else self.robber
        choices = [place, *np.flatnonzero(self.joined[place]).tolist()]
        legal = action < len(choices)
        if legal and not (self._jam and self.np_random.random() < self._jam):
            place = choices[action]
        if self._is_cop:
            self.cops = [place, *(self._nearing(cop) for cop in self.cops[1:])]
            if self.robber not in self.cops:
                self.robber = self._moved(self.robber)
        else:
            self.robber = place
            if self.robber not in self.cops:
                self.cops = [self._moved(cop) for cop in self.cops]
        return legal

    def score(self) -> float:
        if self._is_cop:
            nearest = int(self.distance[self.robber][self.cops].min())
            return (self._count - nearest) / (2 * self._count) if nearest else 1.0
        return self.steps / STEPS

    def lost(self) -> bool:
        return self.robber in self.cops

    def view(self) -> Cells:
        place = self.cops[0] if self._is_cop else self.robber
        seen = self.distance[place] <= (self._sight or self._count)
        pieces = np.zeros((2, self._count), np.int16)
        for cop in self.cops:
            pieces[0, cop] += seen[cop]
        pieces[1, self.robber] = seen[self.robber]
        return np.concatenate((self.joined, pieces))

    def hint(self, rng: np.random.Generator) -> int:
        """The move that a nearing cop, or a fleeing robber, would make."""
        place = self.cops[0] if self._is_cop else self.robber
        choices = [place, *np.flatnonzero(self.joined[place]).tolist()]
        return choices.index(self._nearing(place) if self._is_cop else self._fleeing(place))

    def _nearing(self, cop: int) -> int:
        return min((cop, *self._next(cop)), key=lambda there: int(self.distance[there, self.robber]))

    def _fleeing(self, robber: int) -> int:
        return max((robber, *self._next(robber)), key=lambda there: int(self.distance[there][self.cops].min()))

    def _next(self, place: int) -> list[int]:
        found: list[int] = np.flatnonzero(self.joined[place]).tolist()
        return found

    def _moved(self, place: int) -> int:
        """Where one of the others goes."""
        kind = self._other
        if kind == "wavering":
            kind = "keen" if self.np_random.random() < 0.8 else "random"
        match kind:
            case "random":
                return self._next(place)[self.np_random.integers(len(self._next(place)))]
            case "keen":
                return self._fleeing(place) if self._is_cop else self._nearing(place)
            case "jumping" if self.np_random.random() < 1 / 3:
                return int(self.np_random.integers(self._count))
        return place


def _distances(joined: Bits) -> Labels:
    found = np.where(np.eye(len(joined), dtype=np.bool_), 0, len(joined))
    for step in range(1, len(joined)):
        near = (found == step - 1) @ joined.astype(np.int64) > 0
        found[near & (found > step)] = step
    return found
