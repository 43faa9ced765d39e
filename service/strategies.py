"""Strategies: in which order candidates come into a subset, and how near it comes to those that it leaves out.

Pure. Candidates come in a seeded order of their own, so that ties fall alike on every machine. Vectors are those of
`env_registry.metric`, candidates x dimensions; their squared distances are whole numbers that float32 holds exactly, so
that no processor or library rounds a choice.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env_registry.metric import UNIT

MOST_PAIRS = 10**9
"""Candidates times taken, as many as are compared: a few seconds of one core."""
BLOCK = 1024
"""Candidates that are compared at a time: what lies between them stays in a processor's cache."""

Order = NDArray[np.intp]
"""Indices of candidates, the first to take first."""


@dataclass(frozen=True)
class Candidates:
    """Specs that a subset may take: their domains, families and base tasks, and of each the names of its modifiers with
    commas between."""

    strata: Sequence[Sequence[str]]
    modifiers: Sequence[str]
    vectors: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.vectors)


def take(candidates: Candidates, strategy: str, size: int) -> Order:
    """Which candidates a strategy takes. Of fewer it takes a beginning of the same."""
    match strategy:
        case "random":
            return np.arange(size)
        case "stratified":
            return stratified(candidates.strata)[:size]
        case "diverse":
            return diverse(candidates.vectors, size)
    raise ValueError(f"no strategy {strategy!r}")


def coverage(candidates: Candidates, taken: Order) -> dict[str, Any]:
    """How well those taken stand for all candidates, as `service.api.schemas.Coverage` has it."""
    largest = mean = None
    if len(taken) == len(candidates):
        largest = mean = 0.0
    elif len(taken) * len(candidates) <= MOST_PAIRS:
        apart = distances(candidates.vectors, taken) / UNIT
        largest, mean = round(float(apart.max()), 4), round(float(apart.mean()), 4)
    chosen = taken.tolist()
    covered = {
        name: {"covered": len({level[i] for i in chosen}), "of": len(set(level))}
        for name, level in zip(("domains", "families", "base_tasks"), candidates.strata, strict=True)
    }
    used = _distinct(candidates.modifiers[i] for i in chosen)
    covered["modifiers"] = {"covered": used, "of": _distinct(candidates.modifiers)}
    return {"matching": len(candidates), "largest_distance": largest, "mean_distance": mean, **covered}


def _distinct(modifiers: Iterable[str]) -> int:
    return len({name for names in set(modifiers) for name in names.split(",") if name})


def stratified(strata: Sequence[Sequence[Hashable]]) -> Order:
    """All candidates in such an order that every beginning of it is even over the strata, coarse ones first.

    `strata` are levels from coarse to fine, each with the stratum of every candidate; they are nested.
    """
    order = np.arange(len(strata[0]))
    for level in reversed(strata):
        turns: dict[Hashable, int] = {}
        first: dict[Hashable, int] = {}
        turn, rank = np.empty_like(order), np.empty_like(order)
        for place, candidate in enumerate(order.tolist()):
            stratum = level[candidate]
            turn[place] = turns[stratum] = turns.get(stratum, -1) + 1
            rank[place] = first.setdefault(stratum, place)
        order = order[np.lexsort((rank, turn))]
    return order


def diverse(vectors: NDArray[np.int16], size: int) -> Order:
    """The first candidate, and then again and again the one farthest from all taken so far; of several the first.

    No choice of as many has a largest distance of less than half of what this one has (Gonzalez 1985,
    doi:10.1016/0304-3975(85)90224-5). Every beginning is what a smaller size would give.
    """
    points = vectors.astype(np.float32)
    lengths = _squared(points)
    nearest = np.full(len(points), np.inf, np.float32)
    taken = np.zeros(size, np.intp)
    for place in range(1, size):
        last = taken[place - 1]
        np.minimum(nearest, lengths + (lengths[last] - 2 * (points @ points[last])), out=nearest)
        nearest[last] = -1  # never again, also where nothing is left but its equals
        taken[place] = nearest.argmax()
    return taken


def distances(vectors: NDArray[np.int16], taken: Order) -> NDArray[np.float64]:
    """How far each candidate is from the nearest of those taken, in coordinates' units."""
    points = vectors.astype(np.float32)
    lengths = _squared(points)
    nearest = np.full(len(points), np.inf, np.float32)
    for few in np.array_split(taken, -(-len(taken) // BLOCK)):
        for start in range(0, len(points), BLOCK):
            some = slice(start, start + BLOCK)
            apart = lengths[few] - 2 * (points[some] @ points[few].T)
            np.minimum(nearest[some], lengths[some] + apart.min(axis=1), out=nearest[some])
    return np.sqrt(nearest.astype(np.float64))


def _squared(points: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.einsum("ij,ij->i", points, points)
    return found
