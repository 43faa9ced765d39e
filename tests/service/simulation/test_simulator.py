"""The clock keeps what the database keeps: nothing is lost or doubled, and nobody is granted beyond the commitment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from service.scheduler.plan import Plan, Snapshot
from service.simulation import workload
from service.simulation.baselines import BASELINES
from service.simulation.quotas import Quota
from service.simulation.record import Record
from service.simulation.simulator import Decide, Simulation, worldpool
from service.simulation.workload import Campaign, Fleet, Outage, Workload

POLICIES: Mapping[str, Decide] = {"worldpool": worldpool, **BASELINES}
FLEET = Fleet.committing(6)
QUOTA = Quota(
    "commitment",
    children=[
        Quota("axis", weight=3, children=[Quota(f"a{i}", weight=1 + i) for i in range(4)]),
        Quota("guests", weight=1, children=[Quota(f"g{i}") for i in range(4)]),
    ],
)


def busy(seed: int = 0, *, outages: bool = True) -> Workload:
    """Two hours in which more is asked for than there is."""
    made = workload.synthetic(seed, list(QUOTA.cells()), days=1 / 12, items=8_000, fleet=FLEET)
    lost = [Outage(600_000, [0, 1], 900_000), Outage(3_000_000, [2, 3, 4], 3_030_000)] if outages else []
    return replace(made, outages=lost)


def columns(record: Record) -> tuple[bytes, ...]:
    names = ("leaf", "mc", "queued_ms", "started_ms", "owed_from_ms", "owed_to_ms", "limit_mc", "whole_slots_ms")
    return tuple(record.column(name).tobytes() for name in names)


@pytest.mark.parametrize("decide", POLICIES.values(), ids=POLICIES)
def test_the_same_work_gives_the_same_record_and_other_work_another(decide: Decide) -> None:
    one, two, other = (Simulation(QUOTA, FLEET, busy(seed), decide).run(until_ms=1_800_000) for seed in (0, 0, 1))
    assert columns(one) == columns(two)
    assert one.served_core_ms == two.served_core_ms
    assert columns(one) != columns(other)


@pytest.mark.parametrize("decide", POLICIES.values(), ids=POLICIES)
def test_every_item_starts_and_ends_once_and_takes_what_it_takes(decide: Decide) -> None:
    work = busy(outages=False)
    simulation = Simulation(QUOTA, FLEET, work, decide)
    record = simulation.run()
    pool = simulation.pool
    assert record.submitted == record.done == len(record.started_ms) == work.items
    assert not pool.waiting
    assert not pool.running
    assert all(state.used_mc == 0 for state in pool.states)
    taken: Counter[str] = Counter()
    for campaign in work.campaigns:
        taken[campaign.cell] += sum(campaign.lengths_ms) * campaign.mc // 1000
    served = dict(zip(record.names, pool.served_core_ms(simulation.now), strict=True))
    assert {cell: served[cell] for cell in taken} == taken
    assert served["commitment"] == sum(taken.values()) == served["axis"] + served["guests"]


def test_at_every_moment_an_item_waits_or_runs_or_has_ended() -> None:
    simulation = Simulation(QUOTA, FLEET, busy())
    for until in range(300_000, 4_000_000, 300_000):
        record = simulation.run(until_ms=until)
        waiting = sum(len(queue) for queue in simulation.pool.waiting.values())
        assert record.submitted == record.done + waiting + len(simulation.pool.running)


@pytest.mark.parametrize("decide", POLICIES.values(), ids=POLICIES)
def test_no_grant_goes_beyond_the_commitment(decide: Decide) -> None:
    def watched(snapshot: Snapshot, memory_mb: Mapping[UUID, int]) -> Plan:
        decided = decide(snapshot, memory_mb)
        taken = sum(grant.shape.mc for grant in decided.grants)
        assert not taken or snapshot.nodes[0].used_mc + taken <= snapshot.limit_mc
        return decided

    record = Simulation(QUOTA, FLEET, busy(), watched).run(until_ms=5_000_000)
    assert record.grants_beyond_limit == 0
    assert len(record.started_ms) > 2000


@pytest.mark.parametrize("decide", POLICIES.values(), ids=POLICIES)
def test_after_a_loss_nothing_starts_until_the_debt_is_gone(decide: Decide) -> None:
    quota = Quota("commitment", children=[Quota("one"), Quota("two")])
    campaigns = [Campaign(0, "one", [10_000], mc=2000), Campaign(1, "two", [1_000])]
    work = Workload(campaigns, [Outage(2_000, [1], 60_000)])  # both slots' worth runs on the other worker
    record = Simulation(quota, Fleet(2, 2, 3031), work, decide).run()
    assert record.started_ms.tolist() == [0, 10_000]
    assert record.debt_ms == 8_000


def test_what_runs_on_lost_workers_runs_again_first_and_is_not_charged() -> None:
    quota = Quota("commitment", children=[Quota("one")])
    work = Workload([Campaign(0, "one", [10_000] * 4)], [Outage(5_000, [0], 60_000)])
    simulation = Simulation(quota, Fleet(2, 1, 3031), work)  # a slot each
    simulation.run(until_ms=5_000)
    assert list(simulation.pool.running) == list(simulation.pool.running)[:1]
    assert simulation.pool.limit_mc == 1000
    first = next(iter(simulation.pool.queues[1].values()))
    assert (first.lost, first.queued_ms, first.started_ms) == (True, 0, 0)
    record = simulation.run()
    assert record.done == 4
    assert simulation.pool.served_core_ms(simulation.now)[0] == 45_000  # five seconds were in vain
    assert simulation.pool.usage_core_ms(simulation.now)[0] < 40_000


def test_with_no_worker_left_everything_waits_until_one_is_back() -> None:
    quota = Quota("commitment", children=[Quota("one")])
    work = Workload([Campaign(0, "one", [1_000] * 3)], [Outage(500, [0], 100_000)])
    record = Simulation(quota, Fleet(1, 1, 3031), work).run()
    assert record.done == 3
    assert record.ended_ms == 103_000


def test_the_order_of_a_cell_is_that_of_its_submissions() -> None:
    simulation = Simulation(QUOTA, FLEET, busy(outages=False))
    record = simulation.run()
    leaf, mc, queued = record.column("leaf"), record.column("mc"), record.column("queued_ms")
    for node in record.leaves:
        for size in (1000, 2000):
            own = queued[(leaf == node) & (mc == size)]
            assert (np.diff(own) >= 0).all()


def test_a_plan_made_of_few_items_starts_what_a_plan_of_all_starts() -> None:
    def of_all(snapshot: Snapshot, memory_mb: Mapping[UUID, int]) -> Plan:
        everything = simulation.pool.snapshot(simulation.now, most=10**6, stale=snapshot.stale)
        return worldpool(everything, memory_mb)

    work = busy(outages=False)
    few = Simulation(QUOTA, FLEET, work).run(until_ms=1_200_000)
    simulation = Simulation(QUOTA, FLEET, work, of_all)
    simulation.run(until_ms=1_200_000)
    assert few.plans > simulation.record.plans * 0.9
    assert columns(few)[3] == columns(simulation.record)[3]
