"""What is asked of a pool and what happens to its workers: made up from a seed. Recorded ones: `swf`, `history`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.simulation.quotas import Quota

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

LENGTH_MU, LENGTH_SIGMA = -0.38, 2.36
"""Of the logarithm of an item's seconds."""
SHORTEST_MS, LONGEST_MS = 100, 60_000
TAIL = 1.2
"""Pareto index of campaign sizes: with less than 2, a few campaigns are most of the work."""
FEWEST, MOST = 20, 10_000
"""Items of a campaign."""
ZONES = 3
"""Cells work by day, in so many time zones."""
NIGHT = 0.15
"""Campaigns at the quietest hour, of those at the busiest."""
OUTAGES_PER_WEEK = 5.0
OUTAGE_MS = 20 * 60_000


@dataclass(frozen=True, slots=True)
class Campaign:
    """Items that a cell submits at once. How long each will take nobody knows before it ends."""

    at_ms: int
    cell: str
    lengths_ms: Sequence[int]
    mc: int = 1000
    memory_mb: int = 1024
    estimate_ms: int = 5_000
    max_ms: int = LONGEST_MS


@dataclass(frozen=True, slots=True)
class Outage:
    """Workers, by number, that are lost together and come back together."""

    at_ms: int
    workers: Sequence[int]
    back_ms: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """The workers, all alike. Each stands for `contributes_mc` of its site; its slots may be more than the committed
    part of that, so that the commitment limits and not the slots."""

    workers: int
    slots: int
    contributes_mc: int
    memory_mb: int = 64 * 1024

    @staticmethod
    def committing(slots: int) -> Fleet:
        """A fleet of up to 6 workers whose committed third is so many slots, with half as many again to spare."""
        workers = math.gcd(slots, 6)
        each = slots // workers
        return Fleet(workers, each + max(each // 2, 1), -(-each * 100_000 // 33))


@dataclass(frozen=True, slots=True)
class Workload:
    """Campaigns in the order of their times, and outages."""

    campaigns: Sequence[Campaign]
    outages: Sequence[Outage] = field(default=())

    @property
    def items(self) -> int:
        return sum(len(campaign.lengths_ms) for campaign in self.campaigns)


def quotas(seed: int, cells: int) -> Quota:
    """Cells of weights 1 to 4 below the root."""
    luck = np.random.default_rng([seed, 0])
    weights = luck.integers(1, 5, cells)
    return Quota("commitment", children=[Quota(f"cell-{i:03}", weight=int(w)) for i, w in enumerate(weights)])


def lengths_ms(luck: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Log-normal chunk lengths, in milliseconds, cut to 0.1 to 60 s."""
    drawn = np.exp(luck.normal(LENGTH_MU, LENGTH_SIGMA, count)) * 1000
    return np.clip(drawn, SHORTEST_MS, LONGEST_MS).astype(np.int64)


def synthetic(
    seed: int, cells: Sequence[str], *, days: float, items: int, fleet: Fleet, constant_ms: int | None = None
) -> Workload:
    """About so many items over the days: heavy-tailed campaigns of cells that work by day, and outages of up to half of
    the workers at once. With `constant_ms` every item takes just so long."""
    luck = np.random.default_rng([seed, 1])
    campaigns: list[Campaign] = []
    busy = luck.dirichlet(np.full(len(cells), 2.0))  # some cells ask for more than others, whatever their weight
    left = items
    while left > 0:
        index = int(luck.choice(len(cells), p=busy))
        size = min(int(FEWEST * luck.random() ** (-1 / TAIL)), MOST, left)
        left -= size
        lengths = np.full(size, constant_ms, dtype=np.int64) if constant_ms else lengths_ms(luck, size)
        guess = float(lengths.mean()) * float(np.exp(luck.normal(0.0, 0.3)))  # measured costs are good, not exact
        campaigns.append(
            Campaign(
                at_ms=_daytime(luck, int(days * DAY_MS), zone=index % ZONES),
                cell=cells[index],
                lengths_ms=lengths.tolist(),
                mc=1000 if luck.random() < 0.95 else 2000,
                memory_mb=int(luck.choice([512, 1024, 2048, 4096])),
                estimate_ms=max(int(guess), 1),
            )
        )
    return Workload(sorted(campaigns, key=lambda each: (each.at_ms, each.cell)), _outages(luck, days, fleet))


def _daytime(luck: np.random.Generator, end_ms: int, *, zone: int) -> int:
    """A time before the end; nights are quiet."""
    while True:
        at = int(luck.integers(0, end_ms))
        hour = at / HOUR_MS + 24 * zone / ZONES
        busy = NIGHT + (1 - NIGHT) * (1 - math.cos(2 * math.pi * hour / 24)) / 2
        if luck.random() < busy:
            return at


def _outages(luck: np.random.Generator, days: float, fleet: Fleet) -> list[Outage]:
    outages: list[Outage] = []
    free_ms = 0
    for at in sorted(luck.integers(0, int(days * DAY_MS), luck.poisson(OUTAGES_PER_WEEK * days / 7)).tolist()):
        length = int(luck.exponential(OUTAGE_MS)) + 1000
        lost = int(luck.integers(1, fleet.workers // 2 + 1)) if fleet.workers > 1 else 0
        first = int(luck.integers(0, fleet.workers))
        if lost and at > free_ms:
            outages.append(Outage(at, [(first + i) % fleet.workers for i in range(lost)], at + length))
            free_ms = at + length
    return outages
