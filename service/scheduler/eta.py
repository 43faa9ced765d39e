"""When a waiting item may start: two quantiles of its wait, from what runs and what is queued. Pure.

The model is fluid: siblings are served in proportion to their weights until one has nothing left to do (generalized
processor sharing, Parekh and Gallager 1993), so by the time that a cell has got through what is ahead of an item, every
other one has had as much per weight, or all that it asked for. What the model does not know (arrivals, losses, luck
with lengths) is a factor for each quantile, learnt in the simulator: `python -m service.simulation --learn`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

from service.scheduler.entitlement import SLOT_MC, Node

SHORTEST_MS = 50.0
"""Waits are not told apart below."""
FACTORS: Mapping[int, tuple[float, float]] = MappingProxyType(
    {
        9: (1.31, 13.86),
        10: (1.15, 12.3),
        11: (0.89, 6.85),
        12: (0.73, 3.43),
        13: (0.71, 2.64),
        14: (0.72, 2.25),
        15: (0.8, 2.36),
        16: (0.87, 2.47),
        17: (1.08, 2.71),
        18: (1.29, 2.95),
        19: (1.48, 3.39),
        20: (1.69, 3.41),
        21: (1.81, 3.41),
        22: (1.95, 3.67),
    }
)
"""What half and nine in ten of the waits stay within, of what the model says, by the power of two of its milliseconds:
learnt from a week of 40 cells, seed 1."""


@dataclass(frozen=True, slots=True)
class Running:
    """A live lease: whose, how much, and how long it should still take."""

    leaf: UUID
    mc: int
    remaining_ms: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Waits until the start, in milliseconds; half and nine in ten of all starts should come within."""

    p50_ms: float
    p90_ms: float
    base_ms: float  # what the model alone says


def remaining_ms(age_ms: float, *, estimate_ms: float, max_ms: float) -> float:
    """What an item of that age should still take: its estimate or, as of lengths with a heavy tail, once more its age;
    no longer than it may."""
    return max(min(max(estimate_ms, age_ms), max_ms - age_ms), 1.0)


def base_ms(
    nodes: Sequence[Node],
    limit_mc: int,
    *,
    running: Sequence[Running],
    queued_core_ms: Mapping[UUID, float],
    leaf: UUID,
    ahead_core_ms: float,
) -> float:
    """The wait of an item with so much queued work of its own leaf ahead of it, by the fluid model. Infinite, where a
    node on its path has nothing of its own and may borrow nothing.

    Parameters
    ----------
    queued_core_ms : by leaf, what all its queued items should take.
    """
    by_id = {node.id: node for node in nodes}
    to_do: dict[UUID, float] = {}
    own_running = sum(r.remaining_ms * r.mc / SLOT_MC for r in running if r.leaf == leaf)
    for id, core_ms in (*queued_core_ms.items(), *((r.leaf, r.remaining_ms * r.mc / SLOT_MC) for r in running)):
        above: UUID | None = id
        while above is not None:
            to_do[above] = to_do.get(above, 0.0) + core_ms
            above = by_id[above].parent
    siblings: dict[UUID | None, list[Node]] = {}
    for id in to_do:
        siblings.setdefault(by_id[id].parent, []).append(by_id[id])
    served, node, longest = ahead_core_ms + own_running, by_id[leaf], 0.0
    while node.parent is not None:
        if node.borrowing_limit_mc is not None:
            most_mc = node.nominal_mc + node.borrowing_limit_mc
            longest = max(longest, (served - own_running) * SLOT_MC / most_mc if most_mc else math.inf)
        level = served / node.weight  # work per weight that is done when the item's turn comes
        served += sum(min(to_do[s.id], level * s.weight) for s in siblings.get(node.parent, ()) if s.id != node.id)
        node = by_id[node.parent]
    in_flight = sum(r.remaining_ms * r.mc / SLOT_MC for r in running)  # then as now: an item starts, it need not end
    ends_per_ms = sum(1 / r.remaining_ms for r in running)
    drained = max(served - in_flight, 0.0) * SLOT_MC / max(limit_mc, 1)
    return max(drained, longest) + (1 / ends_per_ms if ends_per_ms else 0.0)


def estimate(base: float, factors: Mapping[int, tuple[float, float]] = FACTORS) -> Estimate:
    """Quantiles of the wait, of the model's answer."""
    base = max(base, SHORTEST_MS)
    at = min(max(math.log2(base) - 0.5, min(factors)), max(factors))  # factors are those of the middle of their class
    low = int(at)
    part, high = at - low, min(low + 1, max(factors))
    p50, p90 = (base * x ** (1 - part) * y**part for x, y in zip(factors[low], factors[high], strict=True))
    return Estimate(p50, p90, base)


def power(base: float) -> int:
    """Of two, by which factors are told apart."""
    return int(math.log2(max(base, SHORTEST_MS)))
