"""Estimates of starts inside a simulation: some waiting items are told when they may start, and what they were told is
held against what then is."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import islice
from uuid import UUID

import numpy as np

from service.scheduler.eta import Estimate, Running, base_ms, estimate, power, remaining_ms
from service.simulation.pool import Item, Pool
from service.simulation.record import Forecast

ASKED = 0.01
"""Of the moments at which something happens: those at which somebody asks for an item that waits already."""
FEWEST = 100
"""Starts that a factor is learnt from."""


class Forecaster:
    """Asks of each campaign, when it comes, for its first item and for one more; and now and then for any item that
    waits."""

    def __init__(self, *, seed: int) -> None:
        self._luck = random.Random(seed)
        self._arrived: list[tuple[Item, int]] = []  # with how many of its campaign come from it on
        self._told: dict[UUID, list[tuple[int, Estimate]]] = {}

    def arrived(self, items: Sequence[Item]) -> None:
        chosen = {0, self._luck.randrange(len(items))}
        self._arrived += [(items[i], len(items) - i) for i in sorted(chosen)]

    def tell(self, pool: Pool, now: int) -> None:
        """Those that came and did not start at once, and whoever asks."""
        for item, behind in self._arrived:
            if item.started_ms is None:
                after = behind * item.pending.shape.core_ms
                self._tell(pool, item, now, pool.queued_core_ms[item.leaf] - after)
        self._arrived.clear()
        if pool.waiting and self._luck.random() < ASKED:
            queue = pool.waiting[self._luck.choice(list(pool.waiting))]
            place = self._luck.randrange(len(queue))
            *before, item = islice(queue.values(), place + 1)
            if item.started_ms is None:  # one that was lost is not asked for again
                self._tell(pool, item, now, sum(each.pending.shape.core_ms for each in before))

    def _tell(self, pool: Pool, item: Item, now: int, ahead_core_ms: float) -> None:
        base = base_ms(
            pool.seen(now),
            pool.limit_mc,
            running=[
                Running(
                    lease.item.pending.leaf,
                    lease.item.pending.shape.mc,
                    remaining_ms(
                        now - lease.granted_ms,
                        estimate_ms=lease.item.pending.shape.estimate_ms,
                        max_ms=lease.item.pending.shape.max_ms,
                    ),
                )
                for lease in pool.running.values()
            ],
            queued_core_ms={pool.ids[leaf]: pool.queued_core_ms[leaf] for leaf in pool.waiting},
            leaf=item.pending.leaf,
            ahead_core_ms=max(ahead_core_ms, 0),
        )
        self._told.setdefault(item.pending.id, []).append((now, estimate(base)))

    def started(self, item: Item, now: int, record: list[Forecast]) -> None:
        record += [Forecast(item.leaf, at, told, now - at) for at, told in self._told.pop(item.pending.id, ())]


def factors(forecasts: Sequence[Forecast]) -> Mapping[int, tuple[float, float]]:
    """What half and nine in ten of the waits stayed within, of what the model said, as in `eta.FACTORS`."""
    classes: dict[int, list[float]] = {}
    for each in forecasts:
        classes.setdefault(power(each.estimate.base_ms), []).append(each.waited_ms / each.estimate.base_ms)
    found: dict[int, tuple[float, float]] = {}
    least = np.full(2, 0.01)
    for of, waits in sorted(classes.items()):
        if len(waits) >= FEWEST:
            quantiles = np.maximum(np.quantile(waits, (0.5, 0.9)), least)
            found[of] = (round(float(quantiles[0]), 2), round(float(quantiles[1]), 2))
            least = quantiles / 2  # of twice the answer: whoever is further behind is never told an earlier time
    return found
