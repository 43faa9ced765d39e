"""The clock: campaigns arrive, items end, workers go and come back, shares rotate, and after each moment the scheduler
decides. Deterministic: the same workload and decision give the same record.

Decisions are made as `service.scheduler.rounds` makes them. What is left out is the time that messages take: a freed
slot goes on at once, and a lost worker is known to be lost.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from uuid import UUID

from service.capacity import ROTATION
from service.scheduler.plan import Grant, Pending, Plan, Shape, Snapshot, plan
from service.scheduler.snapshot import FEW, MOST_GRANTS
from service.simulation.forecasts import Forecaster
from service.simulation.pool import Item, Lease, Pool
from service.simulation.quotas import Quota
from service.simulation.record import SAMPLE_MS, Record
from service.simulation.workload import Campaign, Fleet, Outage, Workload
from workers import contract

Decide = Callable[[Snapshot, Mapping[UUID, int]], Plan]
"""A snapshot, and the memory that each leaf holds, in megabytes; what starts."""
HALF_LIFE = timedelta(minutes=15)
SHARE = (33, 100)
ROTATION_MS = ROTATION // timedelta(milliseconds=1)
TTL_MS = contract.TTL_S * 1000


def worldpool(snapshot: Snapshot, memory_mb: Mapping[UUID, int]) -> Plan:
    """The scheduler itself."""
    return plan(snapshot, most=MOST_GRANTS, reasons=False)


class Simulation:
    """One pool, one workload, one way to decide."""

    def __init__(
        self,
        quota: Quota,
        fleet: Fleet,
        workload: Workload,
        decide: Decide = worldpool,
        *,
        share: tuple[int, int] = SHARE,
        half_life: timedelta = HALF_LIFE,
        forecaster: Forecaster | None = None,
    ) -> None:
        self.pool = Pool(quota, fleet, share=share, half_life=half_life)
        self.record = Record(
            names=[q.name for q in self.pool.quotas],
            weights=[q.weight for q in self.pool.quotas],
            parents=self.pool.parents,
            leaves=sorted(self.pool.queues),
        )
        self.now = 0
        self._decide = decide
        self._forecaster = forecaster
        self._campaigns = list(reversed(workload.campaigns))
        self._fleet_events = sorted(
            [(outage.at_ms, i, 0, outage) for i, outage in enumerate(workload.outages)]
            + [(outage.back_ms, i, 1, outage) for i, outage in enumerate(workload.outages)],
            key=lambda event: event[:3],
            reverse=True,
        )
        self._ends: list[tuple[int, int, Lease]] = []
        self._leases = 0
        self._claims: dict[UUID, int] = {}
        self._owed: dict[int, int] = {}
        self._waited_since_sample: set[int] = set()
        self._sampled_ms = -SAMPLE_MS
        self._usable_ms = 0  # slots x ms

    def run(self, *, until_ms: int | None = None, progress: Callable[[int], None] | None = None) -> Record:
        """Move the clock until then, or until all is done. `progress` is told the time at each thousandth event."""
        events = 0
        while True:
            at = self._next_ms()
            if at is None or (until_ms is not None and at > until_ms):
                break
            self._pass(at)
            self._happen()
            self._round()
            events += 1
            if progress is not None and events % 1000 == 0:
                progress(self.now)
        if until_ms is not None:
            self._pass(until_ms)
        self.record.ended_ms = self.now
        return self.record

    # --- time

    def _next_ms(self) -> int | None:
        times = [self._ends[0][0]] if self._ends else []
        if self._campaigns:
            times.append(self._campaigns[-1].at_ms)
        if self._fleet_events:
            times.append(self._fleet_events[-1][0])
        if not times and not self.pool.waiting:
            return None
        if self.pool.waiting:
            if not times and not self.pool.active:
                return None
            times.append(max(self.pool.rotated_ms + ROTATION_MS, self.now))
        return min(times)

    def _pass(self, at: int) -> None:
        """Time goes by, and nothing happens."""
        while self._sampled_ms + SAMPLE_MS <= at:
            self._sampled_ms += SAMPLE_MS
            self._count_time(self._sampled_ms)
            self._sample()
        self._count_time(at)

    def _count_time(self, at: int) -> None:
        self._usable_ms += self.pool.limit_mc // 1000 * (at - self.now)
        if self.pool.states[0].used_mc > self.pool.limit_mc:
            self.record.debt_ms += at - self.now
        self.now = at

    def _sample(self) -> None:
        pool, record = self.pool, self.record
        record.served_core_ms.append(pool.served_core_ms(self.now))
        record.usage_core_ms.append(pool.usage_core_ms(self.now))
        waited = {node for leaf in self._waited_since_sample for node in pool.paths[leaf]}
        record.backlogged.append([i in waited for i in range(len(pool.quotas))])
        record.limit_mc.append(pool.limit_mc)
        record.whole_slots_ms.append(self._usable_ms)
        self._waited_since_sample = set(pool.waiting)

    # --- events

    def _happen(self) -> None:
        """All that happens at this moment."""
        now, pool = self.now, self.pool
        while self._ends and self._ends[0][0] <= now:
            lease = heapq.heappop(self._ends)[2]
            if lease.live:
                pool.end(lease, now)
                self.record.done += 1
        while self._fleet_events and self._fleet_events[-1][0] <= now:
            _, _, back, outage = self._fleet_events.pop()
            self._change_fleet(outage, back=bool(back))
        while self._campaigns and self._campaigns[-1].at_ms <= now:
            self._submit(self._campaigns.pop())
        if pool.waiting and pool.rotated_ms + ROTATION_MS <= now:
            pool.divide(now)

    def _change_fleet(self, outage: Outage, *, back: bool) -> None:
        if back:
            self.pool.rejoin(outage.workers, self.now)
        else:
            self.pool.lose(outage.workers, self.now)

    def _submit(self, campaign: Campaign) -> None:
        pool, leaf = self.pool, self.pool.leaves[campaign.cell]
        shape = Shape(campaign.mc, campaign.memory_mb, campaign.estimate_ms, campaign.max_ms)
        items = [
            Item(Pending(pool.next_id(), pool.ids[leaf], shape), leaf, length, self.now)
            for length in campaign.lengths_ms
        ]
        pool.submit(items)
        record = self.record
        record.submitted += len(items)
        record.longest_ms = max(record.longest_ms, *campaign.lengths_ms)
        record.largest_mc = max(record.largest_mc, campaign.mc)
        if self._forecaster is not None:
            self._forecaster.arrived(items)

    # --- decisions, as service.scheduler.rounds makes them

    def _round(self) -> None:
        while self.pool.waiting:
            decided = self._plan()
            self._remember(decided)
            for grant in decided.grants:
                self._start(grant)
            if not decided.cut:
                break
        self._waited_since_sample &= self.pool.waiting.keys()
        self._count_owed()
        if self._forecaster is not None:
            self._forecaster.tell(self.pool, self.now)

    def _plan(self) -> Plan:
        most = FEW
        stale = self._stale()
        while True:
            self.record.plans += 1
            decided = self._decide(self.pool.snapshot(self.now, most=most, stale=stale), self.pool.memory_mb)
            if not decided.short or most >= MOST_GRANTS:
                return decided
            most *= 8

    def _stale(self) -> Collection[UUID]:
        """Claims that have stood for longer than anything that runs, as `service.claims` has it."""
        if not self._claims:
            return ()
        longest = max((lease.item.pending.shape.max_ms for lease in self.pool.running.values()), default=0)
        return {leaf for leaf, since in self._claims.items() if since < self.now - longest - TTL_MS}

    def _remember(self, decided: Plan) -> None:
        for leaf in decided.claims:
            self._claims.setdefault(leaf, self.now)
        if decided.cut or not self._claims:
            return
        granted = {grant.leaf for grant in decided.grants}
        for leaf in [leaf for leaf in self._claims if leaf not in decided.claims]:
            since = self._claims.pop(leaf)
            if leaf in granted:
                self.record.claim_ms.append(self.now - since)

    def _start(self, grant: Grant) -> None:
        pool, record, now = self.pool, self.record, self.now
        first = pool.queues[pool.number[grant.leaf]][grant.item].started_ms is None
        lease = pool.start(grant, now)
        item = lease.item
        self._leases += 1
        heapq.heappush(self._ends, (now + item.length_ms, self._leases, lease))
        record.grants_beyond_limit += pool.states[0].used_mc > pool.limit_mc
        if first:
            record.leaf.append(item.leaf)
            record.mc.append(grant.shape.mc)
            record.queued_ms.append(item.queued_ms)
            record.started_ms.append(now)
            if self._forecaster is not None:
                self._forecaster.started(item, now, record.forecasts)

    def _count_owed(self) -> None:
        """For how long cells have something waiting that is within nominal: what reclaim is measured by, whoever
        decides."""
        pool, owed = self.pool, self._owed
        still = {leaf for leaf in pool.waiting if pool.entitled(leaf)}
        for leaf in [leaf for leaf in owed if leaf not in still]:
            self.record.owed_leaf.append(leaf)
            self.record.owed_from_ms.append(owed.pop(leaf))
            self.record.owed_to_ms.append(self.now)
        for leaf in still:
            owed.setdefault(leaf, self.now)
